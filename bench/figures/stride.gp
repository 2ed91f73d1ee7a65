# figure: Three processes under a stride scheduler, tickets 3:2:1, a hundred slices: the work that each has done, and its share of the work of all.
# data shares exos sched figure
set title "Stride scheduling, tickets 3 : 2 : 1"
set xlabel "slices"
set ylabel "rounds of work, millions"
set xrange [0:100]
set yrange [0:*]
set format y "%g"
set key top left
plot shares using "quantum":(column("tickets3") / 1e6) with points lt 1 ps 0.5 title "3 tickets", \
	shares using "quantum":(column("tickets2") / 1e6) with points lt 2 ps 0.5 title "2 tickets", \
	shares using "quantum":(column("tickets1") / 1e6) with points lt 3 ps 0.5 title "1 ticket", \
	for [t in "3 2 1"] shares using "quantum":(column("ideal".t) / 1e6) with lines lt 7 lw 1.5 title (t eq "3" ? "the exact share" : "")
