# figure: What it costs to find out whose a TCP packet is, against the number of filters: on Linux each is tried, here they are one trie.
# data exos exos filter figure
# data linux linux filter figure
set title "Demultiplexing a TCP packet"
set xlabel "filters"
set ylabel "guest instructions"
set logscale xy
set xrange [0.8:13000]
set yrange [10:10000000]
set xtics (1, 10, 100, 1000, 10000)
set format y "%.0f"
plot linux using "filters":"instructions" with linespoints lt 2 title "Linux, a packet socket for each", \
	exos using "filters":"worst" with linespoints lt 3 title "Aegis, the dearest packet", \
	exos using "filters":"instructions" with linespoints lt 1 title "Aegis, a connection's packet"
