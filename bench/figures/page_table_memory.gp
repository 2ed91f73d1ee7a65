# figure: Memory of the page tables against how far mapped pages lie apart: radix tables grow to a node a page, the inverted one to a block a page, the B+-tree stays.
# data tables exos vm sparsity
set title "Page tables: memory"
set xlabel "one page is mapped in"
set ylabel "bytes of page table a mapped page"
set logscale xy
set xrange [0.8:5000]
set yrange [5:10000]
set xtics (1, 4, 16, 64, 256, 1024, 4096)
set format y "%g"
plot for [i = 1:4] tables using "one_page_in":(column(word("radix2 radix4 inverted btree", i)."_bytes")) with linespoints lt (word("1 2 3 4", i) + 0) \
	title word("two-level four-level inverted B+-tree", i)
