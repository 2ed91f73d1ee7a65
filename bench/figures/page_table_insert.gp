# figure: Instructions of an insert, memory for it included, and of a lookup, against how far mapped pages lie apart: clearing nodes is what sparse radix tables cost.
# data tables exos vm sparsity
set title "Page tables: inserts at random (lines), lookups (dashed)"
set xlabel "one page is mapped in"
set ylabel "guest instructions"
set logscale xy
set xrange [0.8:5000]
set yrange [10:2000]
set xtics (1, 4, 16, 64, 256, 1024, 4096)
set format y "%g"
plot for [i = 1:4] tables using "one_page_in":(column(word("radix2 radix4 inverted btree", i)."_insert")) with linespoints lt (word("1 2 3 4", i) + 0) \
	title word("two-level four-level inverted B+-tree", i), \
	for [i = 1:4] tables using "one_page_in":(column(word("radix2 radix4 inverted btree", i)."_find")) with lines lt (word("1 2 3 4", i) + 0) dt 2 notitle
