# figure: Instructions of copying, unpacking and comparing a source tree and the like on ext3, each with the sync behind it: ExOS beside Linux.
# data exos exos io table
# data linux linux io table
set title "the I/O workload on a source tree, the second time"
set xlabel "phase"
set ylabel "guest instructions, millions"
set xrange [0.5:6.5]
set xtics ("copy" 1, "unpack" 2, "copy the tree" 3, "compare" 4, "compile-like" 5, "delete" 6)
set yrange [0:*]
set format y "%g"
set boxwidth 0.35
set style fill solid 0.6 noborder
plot linux using (column("phase") - 0.19):(column("warm") / 1e6) with boxes lt 2 title "Linux", \
	exos using (column("phase") + 0.19):(column("warm") / 1e6) with boxes lt 1 title "ExOS"
