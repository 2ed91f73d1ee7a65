# figure: Faults against memory for four ways to use 256 pages, by replacement policy: a scan that goes round, random, Zipf's, and lookups beside a scan; dashed the least that is possible.
# data exos exos replacement figure
set multiplot layout 2,2
set xrange [10:101]
set xtics 25
set yrange [0:*]
set tics font ",11"
set lmargin 11
set rmargin 2
set tmargin 2
set bmargin 3.4
unset key
set ylabel "faults in 8,192 accesses" font ",12"
set ytics 2000
set title "round and round" font ",13" offset 0,-0.5
plot exos using "percent":"cyclic_clock" with linespoints lt 1 title "clock", exos using "percent":"cyclic_lru" with linespoints lt 2 title "LRU", \
	exos using "percent":"cyclic_mru" with linespoints lt 3 title "MRU", exos using "percent":"cyclic_told" with linespoints lt 4 title "told", \
	exos using "percent":"cyclic_least" with lines lt 7 title "least"
unset ylabel
set title "at random"
plot exos using "percent":"random_clock" with linespoints lt 1 title "clock", exos using "percent":"random_lru" with linespoints lt 2 title "LRU", \
	exos using "percent":"random_mru" with linespoints lt 3 title "MRU", exos using "percent":"random_told" with linespoints lt 4 title "told", \
	exos using "percent":"random_least" with lines lt 7 title "least"
unset key
set ylabel "faults in 8,192 accesses" font ",12"
set xlabel "memory, % of what is used" font ",12" offset 0,0.4
set key top right Right noreverse samplen 2 spacing 0.85 font ",10"
set yrange [0:8000]
set title "Zipf"
plot exos using "percent":"zipf_clock" with linespoints lt 1 title "clock", exos using "percent":"zipf_lru" with linespoints lt 2 title "LRU", \
	exos using "percent":"zipf_mru" with linespoints lt 3 title "MRU", exos using "percent":"zipf_told" with linespoints lt 4 title "told", \
	exos using "percent":"zipf_least" with lines lt 7 title "least"
unset key
unset ylabel
set yrange [0:*]
set ytics 1000
set title "lookups beside a scan"
plot exos using "percent":"mixed_clock" with linespoints lt 1 title "clock", exos using "percent":"mixed_lru" with linespoints lt 2 title "LRU", \
	exos using "percent":"mixed_mru" with linespoints lt 3 title "MRU", exos using "percent":"mixed_told" with linespoints lt 4 title "told", \
	exos using "percent":"mixed_least" with lines lt 7 title "least"
unset multiplot
