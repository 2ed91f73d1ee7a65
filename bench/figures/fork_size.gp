# figure: What fork, exit and wait cost a process that has so much memory: on both systems a fixed part, and as much for each page.
# data exos exos fork_size
# data linux linux fork_size
set title "fork, exit and wait"
set xlabel "private memory that has been written to, MiB"
set ylabel "guest instructions, millions"
set xrange [0:34]
set xtics 8
set yrange [0:*]
set format y "%g"
plot linux using "megabytes":(column("instructions") / 1e6) with linespoints lt 2 title "Linux", \
	exos using "megabytes":(column("instructions") / 1e6) with linespoints lt 1 title "ExOS"
