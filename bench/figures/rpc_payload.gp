# figure: What a call costs that carries so many bytes to its server: what is copied grows alike by every way, what lies in an arena is not touched.
# data exos exos rpc payload
# data linux linux rpc payload
set title "RPC: cost against payload"
set xlabel "bytes to the server, KiB"
set ylabel "guest instructions a call"
set logscale x 4
set logscale y 10
set xrange [0.05:80]
set yrange [100:1e7]
set format x "%g"
set key top left maxrows 4
kib(name) = column(name) / 1024.0
plot linux using (kib("bytes")):"pipe" with linespoints lt 2 title "Linux, pipe", \
	exos using (kib("bytes")):"pipe" with linespoints lt 1 title "ExOS, pipe", \
	exos using (kib("bytes")):"shm" with linespoints lt 3 title "ExOS, shm", \
	exos using (kib("bytes")):"lrpc" with linespoints lt 4 title "ExOS, lrpc", \
	exos using (kib("bytes")):"lrpc.shared" with linespoints lt 5 title "ExOS, lrpc, arena", \
	exos using (kib("bytes")):"tlrpc.shared" with linespoints lt 6 title "ExOS, tlrpc, arena"
