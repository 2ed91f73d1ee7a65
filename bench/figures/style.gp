# What all figures have in common. Colours: each that a figure may use, and what stands for it on a dark screen (tools/plots.awk).
# dark white #0d1117
# dark black #e6edf3
# dark #d0d7de #30363d
# dark #0969da #58a6ff
# dark #bc4c00 #f0883e
# dark #1a7f37 #3fb950
# dark #8250df #bc8cff
# dark #bf3989 #f778ba
# dark #9a6700 #d29922
set terminal svg size 720,432 fixed enhanced font "sans-serif,14"
set encoding utf8
set datafile columnheaders
set datafile missing "-"
# As in the paper: points for what was measured, thin dashed lines (linetype 7) for what would be ideal. ExOS is linetype 1, Linux 2.
set linetype 1 lc rgb "#0969da" pt 7 ps 0.7 lw 1.5
set linetype 2 lc rgb "#bc4c00" pt 5 ps 0.7 lw 1.5
set linetype 3 lc rgb "#1a7f37" pt 9 ps 0.9 lw 1.5
set linetype 4 lc rgb "#8250df" pt 11 ps 0.9 lw 1.5
set linetype 5 lc rgb "#bf3989" pt 13 ps 0.9 lw 1.5
set linetype 6 lc rgb "#9a6700" pt 6 ps 0.7 lw 1.5
set linetype 7 lc rgb "black" pt 1 ps 0.7 lw 1 dt 2
set linetype cycle 7
set border 3 lc rgb "black"
set tics nomirror out
set grid lc rgb "#d0d7de" lt 1 lw 1, lc rgb "#d0d7de" lt 1 lw 1
set key top left Left reverse noopaque
set format y "%'.0f"
