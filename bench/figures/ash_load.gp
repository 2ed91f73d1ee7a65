# figure: How long a 60-byte UDP request waits in the machine for its answer, from a handler in the kernel and from its owner, beside processes that compute.
# data load exos ash load
set title "An answer beside active processes"
set xlabel "active processes"
set ylabel "guest instructions from interrupt to answer"
set logscale y 10
set xrange [0:10.5]
set yrange [100:1e8]
set format x "%g"
set key center right
plot load using "processes":"owner" with linespoints lt 2 title "by its owner, mean", \
	load using "processes":"owner.worst" with points lt 4 title "by its owner, worst", \
	load using "processes":"handler" with linespoints lt 1 title "by a handler, mean", \
	load using "processes":"handler.worst" with points lt 3 title "by a handler, worst"
