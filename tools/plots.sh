# ./exo bench --plots: measures what the figures of bench/figures show, and draws them into docs/figures. Sourced by bench.sh.
# shellcheck shell=bash disable=SC2154

# plots_names: of all figures.
plots_names() {
	local file
	for file in "$root"/bench/figures/*.gp; do
		file=${file##*/}
		[ "$file" = style.gp ] || echo "${file%.gp}"
	done
}

# plots_data FILE: the lines `VARIABLE SYSTEM PROGRAM [ARGS...]` of a description.
plots_data() { sed -n 's/^# data //p' "$1"; }

plots_title() { sed -n 's/^# figure: //p' "$1"; }

# plots_job SYSTEM PROGRAM [ARGS...]: the job of bench.sh that prints the data.
plots_job() {
	case $1 in
	exos) echo "${*:2}.run" ;;
	linux) echo "${*:2}.linux" ;;
	esac
}

# plots_check FILE: a description is well formed: it says what it shows, and each line of data names a system, a program that there is, and a
# variable that the script uses.
plots_check() {
	local file=$1 variable system program lines=0
	[ "$(plots_title "$file" | wc -l)" -eq 1 ] || die "$file: one line '# figure: what it shows' is expected"
	while read -r variable system program _; do
		lines=$((lines + 1))
		[ -n "$program" ] || die "$file: '# data VARIABLE SYSTEM PROGRAM [ARGS...]' is expected"
		[[ $variable =~ ^[a-z_]+$ ]] || die "$file: $variable: no name for a variable"
		[ -n "$(plots_job "$system" "$program")" ] || die "$file: $system: exos or linux is expected"
		[[ $program == io || -f $root/bench/$program.c || -f $root/bench/kernel/$program.c ]] || die "$file: there is no bench/$program.c"
		grep -v '^#' "$file" | grep -qw "$variable" || die "$file: the data $variable are not drawn"
	done < <(plots_data "$file")
	[ "$lines" -gt 0 ] || die "$file: there is no line of data"
	grep -q '^plot ' "$file" || die "$file: it plots nothing"
}

# plots_table FILE NAME: they are columns with a header line, as many in each line, of numbers or -.
plots_table() {
	awk '
		function bad(text) { print text > "/dev/stderr"; failed = 1; exit 1 }
		/^#/ || NF == 0 { next }
		!columns { columns = NF; next }
		NF != columns { bad("line " NR ": " NF " columns, not " columns) }
		{ for (i = 1; i <= NF; i++) if ($i !~ /^(-|-?[0-9.]+(e[-+]?[0-9]+)?)$/) bad("line " NR ": " $i " is no number") }
		{ lines++ }
		END { if (!failed && lines < 2) bad("a header line and two of data are expected"); exit failed }
	' "$1" || die "the data of $2 cannot be drawn"
}

# plots_draw DESCRIPTION SVG VARIABLE=FILE...: draws the figure from data that are there.
plots_draw() {
	local description=$1 svg=$2 variables='' pair name=${1##*/} raw=$build/figures/${2##*/}
	name=${name%.gp}
	mkdir -p "$build/figures" "${svg%/*}"
	for pair in "${@:3}"; do
		plots_table "${pair#*=}" "$name"
		variables+="${pair%%=*}='${pair#*=}'; "
	done
	gnuplot -e "$variables" "$root/bench/figures/style.gp" "$description" >"$raw.gnuplot" || die "gnuplot could not draw $name"
	awk -v style="$root/bench/figures/style.gp" -v title="$(plots_title "$description")" -v drawn="./exo bench --plots $name" \
		-f "$root/tools/plots.awk" "$raw.gnuplot" >"$raw" || die "$name: a colour without one for dark screens"
	mv "$raw" "$svg"
}

# plots_main NAME...: those figures, or all. What bench.sh has set up is used: its jobs, its progress, its memory of Linux's figures.
plots_main() {
	local names=("$@") name variable system command jobs=() files
	[ ${#names[@]} -gt 0 ] || mapfile -t names < <(plots_names)
	for name in "${names[@]}"; do
		[[ -f $root/bench/figures/$name.gp && $name != style ]] || die "$name: no such figure; there are: $(plots_names | tr '\n' ' ')"
		plots_check "$root/bench/figures/$name.gp"
		while read -r variable system command; do
			jobs+=("$(plots_job "$system" "$command")")
		done < <(plots_data "$root/bench/figures/$name.gp")
	done
	mapfile -t jobs < <(printf '%s\n' "${jobs[@]}" | sort -u)
	depend plots
	bench_prepare "${jobs[@]%.*}"
	bench_measure "${jobs[@]}"
	bench_verdict
	mkdir -p "$build/figures"
	for name in "${names[@]}"; do
		files=()
		while read -r variable system command; do
			cp "$results/$(plots_job "$system" "$command")" "$build/figures/$name.$variable"
			files+=("$variable=$build/figures/$name.$variable")
		done < <(plots_data "$root/bench/figures/$name.gp")
		plots_draw "$root/bench/figures/$name.gp" "$root/docs/figures/$name.svg" "${files[@]}"
		echo "docs/figures/$name.svg"
	done
}
