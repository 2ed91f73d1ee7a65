# ./exo bench: runs the measuring programs that the wanted rows of bench/rows need, on ExOS and on Linux, both counting guest instructions, and puts the
# figures side by side. Sourced.
#
# Counted figures never vary, so Linux's are kept in build/ under the kernel's name and the program's digest; --fresh measures them anew.
# shellcheck shell=bash disable=SC2154

groups=() # the process groups that were started, and the folder of their results: both go when the command ends
results=

# bench_rows_read FILE: the table. Leaves the rows' names in `rows`, in order, and what each line says in the tables unit, printers, paper, note, group.
bench_rows_read() {
	local name of by figure text in_group='' line=0
	while IFS='|' read -r name of by figure text; do
		line=$((line + 1))
		case $name in
		'' | '#'*) ;;
		'['*']')
			in_group=${name#[}
			in_group=${in_group%]}
			;;
		*)
			[[ -n $of && -n $by ]] || die "$1:$line: row|unit|program|paper|note is expected, not: $name"
			[ -z "${unit[$name]-}" ] || die "$1:$line: there are two rows $name"
			rows+=("$name")
			unit[$name]=$of printers[$name]=$by paper[$name]=$figure note[$name]=$text group[$name]=$in_group
			;;
		esac
	done <"$1"
}

# bench_choose NAME...: leaves the rows that are wanted in `chosen`, in the table's order.
bench_choose() {
	local row name found
	for name in "$@"; do
		found=''
		for row in "${rows[@]}"; do
			[[ $row != "$name"* && ${group[$row]} != "$name" ]] || found=1
		done
		[ -n "$found" ] || die "$name: no row begins so, and no group is called so; ./exo bench --list has the rows"
	done
	for row in "${rows[@]}"; do
		for name in "${@:-}"; do
			[[ $row == "$name"* || ${group[$row]} == "$name" ]] || continue
			chosen+=("$row")
			break
		done
	done
}

# bench_target COMMAND: what has to be built to run it: its first word is the program.
bench_target() {
	local program=${1%% *}
	case $program in
	wall | bulk) ;;
	http) echo apps/web ;;
	lookup) echo apps/lookup ;;
	io | rate) echo bench/disk ;;
	native | ash) echo "bench/kernel/$program" ;;
	*)
		[ -f "$root/bench/$program.c" ] || die "bench/rows names the program $program, but there is no bench/$program.c"
		echo "bench/$program"
		;;
	esac
}

# bench_program SYSTEM PROGRAM [ARGS...]: runs a measuring program on run or linux. Its path in the machine is the same whatever it is called, as the
# length of that moves the stack and so the figures.
bench_program() {
	local file more=()
	file=$build/$(bench_target "$2") || exit
	[ "$2" != dynamic ] || more=(--file /bin/true:/dynamic --file /lib64/ld-linux-x86-64.so.2 --file /lib/x86_64-linux-gnu/libc.so.6)
	"$root/exo" "$1" --icount --timeout 600 --file "$file:/bench" "${more[@]}" -- /bench "${@:3}" </dev/null
}

# A program that measures cache misses runs beside the model of the cache (tools/cachesim). It prints the misses of a phase as @PHASE.CACHE, or the mean of several phases as
# @FIRST+LAST.CACHE, and the model's numbers are put there. More memory, as Linux has no huge pages in 512 MiB.
bench_misses() { # SYSTEM PROGRAM
	local model=$results/$2.$1.model
	set -o pipefail
	"$root/exo" "$1" --icount --timeout 600 --mem 1G --cachesim "$model" --file "$build/bench/$2:/bench" -- /bench </dev/null |
		awk -v model="$model" '
			$2 ~ /^@/ {
				if (!read++) while ((getline line <model) > 0) { split(line, field, " "); misses[field[1]] = field[2] }
				dot = index($2, ".")
				parts = split(substr($2, 2, dot - 2), phase, "+")
				sum = 0
				for (n = phase[1]; n <= phase[parts]; n++) sum += misses[n substr($2, dot)]
				$2 = int(sum / (phase[parts] - phase[1] + 1))
			}
			{ print }'
}

# shellcheck source=tools/bench_net.sh
. "$root/tools/bench_net.sh"
# shellcheck source=tools/bench_disk.sh
. "$root/tools/bench_disk.sh"

bench_module() { # PROGRAM [OPTIONS...]
	set -o pipefail
	"$root/exo" run --icount --timeout 300 "${@:2}" --module "$build/bench/kernel/$1" | tr -d '\r'
}
# Rows, and behind the word `figure` the columns of a figure, which `ash load` stands for.
bench_ash() { bench_module ash --net hub; }

# Milliseconds of wall time, the least of five: a shell that reads `exit`.
bench_wall() { # SYSTEM
	local start took least=''
	for _ in 1 2 3 4 5; do
		start=$(date +%s%N)
		echo exit | "$root/exo" "$1" --tcg --timeout 60 >/dev/null 2>&1 || die "the shell failed on $1"
		took=$((($(date +%s%N) - start) / 1000000))
		[ -n "$least" ] && [ "$least" -le "$took" ] || least=$took
		[ "$1" = run ] || break # seconds: once is enough
	done
	echo "boot.shell $least"
}

bench_rounds() { # SYSTEM CPUS: how far the slowest of so many computing processes comes
	local rounds
	for _ in 1 2 3; do # Linux does not always start on a host that is busy
		rounds=$("$root/exo" "$1" --tcg --smp "$2" --timeout 40 --file "$build/bench/smp:/smp" -- /smp </dev/null 2>/dev/null |
			awk '$1 == "rounds" { print $2 }')
		[ -z "$rounds" ] || break
	done
	[ -n "$rounds" ] || die "the computing processes did not end on $1"
	echo "$rounds"
}

# smp.share: a machine of two CPUs against two of one CPU that run at the same time, in turns; the median of five.
bench_smp() { # SYSTEM
	local both two shares=()
	for _ in 1 2 3 4 5; do
		both=$( (
			bench_rounds "$1" 1 &
			bench_rounds "$1" 1
			wait
		) | sort -n | head -n 1)
		two=$(bench_rounds "$1" 2) || return
		shares+=("$((two * 100 / both))")
	done
	echo "smp.share $(printf '%s\n' "${shares[@]}" | sort -n | sed -n 3p)"
	echo "# smp.share on $1: ${shares[*]}"
}

# A job is a command, a program with its arguments, on a system: COMMAND.run or COMMAND.linux. What it prints goes to $results/JOB.
bench_job() {
	# shellcheck disable=SC2086 # a command's words
	case $1 in
	native.*) bench_module native ;;
	ash.*) bench_ash | grep -v '^figure ' ;;
	'ash load.'*) bench_ash | sed -n 's/^figure //p' ;;
	wall.* | smp.* | http.* | bulk.* | lookup.* | io.* | disk.* | rate.*) "bench_${1%.*}" "${1##*.}" ;;
	'io table.'*) disk_table "${1##*.}" ;;
	colour.*) bench_misses "${1##*.}" colour ;;
	*) bench_program "${1##*.}" ${1%.*} ;;
	esac
}

# bench_cache COMMAND: where Linux's counted figures are kept: under a stem that tells a reader what they are, and the digest of command and program, and of the model that counts for it.
bench_cache_stem() { echo "$build/bench/linux.$kernel.${1//[^A-Za-z0-9_]/-}"; }
bench_cache() {
	local files=("$build/$(bench_target "$1")")
	[ "$1" != colour ] || files+=("$build/cachesim.so")
	case $1 in
	http | bulk) files=("$root/tools/bench_net.sh") ;;
	lookup) files=("$root/tools/bench_net.sh" "$build/apps/lookup") ;;
	io | 'io table' | disk) files+=("$root/tools/bench_disk.sh") ;;
	esac
	echo "$(bench_cache_stem "$1").$( (echo "$1" && cat "${files[@]}" && { [[ $1 != io* ]] || disk_tree; }) | sha256sum | cut -c1-16)"
}

bench_said() { # JOB: what it is, in words
	case $1 in
	*.run) echo "${1%.*} on ExOS" ;;
	*) echo "${1%.*} on Linux" ;;
	esac
}

# The line that says what is going on, at a terminal: replaced as things move on, and wiped at the end.
bench_progress() { # [TEXT]
	[ -t 2 ] || return 0
	printf '\r\033[K%s' "${1:+exo: $1}" >&2
}

# bench_jobs N JOB...: at most N side by side, each in a process group of its own, by which it can be ended with all that it started. Names of those that
# fail are left in `failed`.
bench_jobs() {
	local most=$1 waiting=("${@:2}") running=() still job begun=$SECONDS all=$(($# - 1)) text
	while [ ${#waiting[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
		while [ ${#waiting[@]} -gt 0 ] && [ ${#running[@]} -lt "$most" ]; do
			job=${waiting[0]}
			[ -t 2 ] || say "measuring $(bench_said "$job")"
			set -m
			(
				(bench_job "$job") >"$results/$job" 2>"$results/$job.errors"
				echo $? >"$results/$job.status"
			) </dev/null &
			set +m
			groups+=($!)
			running+=("$job")
			waiting=("${waiting[@]:1}")
		done
		text=''
		for job in "${running[@]}"; do
			text+="${text:+, }$(bench_said "$job")"
		done
		bench_progress "measuring $text; $((all - ${#waiting[@]} - ${#running[@]})) of $all done, $((SECONDS - begun)) s"
		if [ -t 2 ]; then # to tell the time
			sleep 1 >/dev/null &
		fi
		wait -n
		[ $? -ne 127 ] || die "lost sight of ${running[*]}"
		still=()
		for job in "${running[@]}"; do
			if [ ! -s "$results/$job.status" ]; then
				still+=("$job")
			elif [ "$(<"$results/$job.status")" != 0 ]; then
				failed+=("$job")
			fi
		done
		running=("${still[@]}")
	done
	bench_progress
}

bench_end() {
	local leader
	for leader in "${groups[@]}"; do
		kill -- "-$leader" 2>/dev/null
	done
	[ -z "$results" ] || rm -rf "$results"
}

# bench_measure JOB...: runs them, but for what is known of Linux already. Those that go by the wall clock run alone.
bench_measure() {
	local job counted=() timed=() cache
	for job in "$@"; do
		case $job in
		wall.* | smp.* | rate.*) timed+=("$job") ;;
		http.linux | bulk.linux | lookup.linux | io.linux | 'io table.linux' | disk.linux)
			cache=$(bench_cache "${job%.*}") || exit
			if [ -z "$fresh" ] && [ -s "$cache" ]; then
				cp "$cache" "$results/$job"
			else
				timed+=("$job")
			fi
			;;
		http.* | bulk.* | lookup.* | io.* | 'io table.'* | disk.*) timed+=("$job") ;;
		*.linux)
			cache=$(bench_cache "${job%.*}") || exit
			if [ -z "$fresh" ] && [ -s "$cache" ]; then
				cp "$cache" "$results/$job"
			else
				counted+=("$job")
			fi
			;;
		*) counted+=("$job") ;;
		esac
	done
	bench_jobs "$(nproc)" "${counted[@]}"
	bench_jobs 1 "${timed[@]}"
	for job in "${counted[@]}" "${timed[@]}"; do
		[[ $job == *.linux && $job != wall.* && $job != smp.* && $job != rate.* && $(<"$results/$job.status") == 0 ]] || continue
		rm -f "$(bench_cache_stem "${job%.*}")".* # those of older programs
		cache=$(bench_cache "${job%.*}")
		cp "$results/$job" "$cache.new" && mv "$cache.new" "$cache"
	done
}

# bench_values PROGRAM...: what they printed, into `value` by program, system and row. Comments of theirs are passed on.
bench_values() {
	local program system name number rest
	for program in "$@"; do
		for system in run linux; do
			[ -f "$results/$program.$system" ] || continue
			while read -r name number rest; do
				case $name in
				'') ;;
				'#'*) echo "$name $number $rest" >&2 ;;
				*) value[$program.$system.$name]=$number ;;
				esac
			done <"$results/$program.$system"
		done
	done
}

# bench_value ROW SYSTEM: of the programs that the row names, the first that printed it there.
bench_value() {
	local program
	for program in ${printers[$1]}; do
		[ -z "${value[$program.$2.$1]-}" ] || { echo "${value[$program.$2.$1]}"; return; }
	done
}

bench_json_text() {
	local text=${1//\\/\\\\}
	echo "\"${text//\"/\\\"}\""
}

# The table, and as JSON into a file. A row that no program printed is a mistake, unless its program failed or there is none yet.
bench_print() {
	local row exos linux ratio separator=''
	printf '%-24s %12s %12s %8s  %-34s %s\n' row ExOS Linux ratio paper note
	[ -z "$json" ] || printf '[' >"$json"
	for row in "${chosen[@]}"; do
		exos=$(bench_value "$row" run)
		linux=$(bench_value "$row" linux)
		ratio=-
		[ -z "$exos" ] || [ -z "$linux" ] || ratio=$(awk -v a="$linux" -v b="$exos" 'BEGIN { if (b) printf "%.1f", a / b; else print "-" }')
		printf '%-24s %12s %12s %8s  %-34s %s\n' "$row" "${exos:--}" "${linux:--}" "$ratio" "${paper[$row]:--}" "${note[$row]}"
		[ -n "$exos$linux" ] || [ "${printers[$row]}" = - ] || absent+=("$row")
		[ -n "$json" ] || continue
		printf '%s\n{"row": %s, "unit": %s, "exos": %s, "linux": %s, "paper": %s, "note": %s}' "$separator" "$(bench_json_text "$row")" \
			"$(bench_json_text "${unit[$row]}")" "${exos:-null}" "${linux:-null}" "$(bench_json_text "${paper[$row]}")" "$(bench_json_text "${note[$row]}")" >>"$json"
		separator=,
	done
	[ -z "$json" ] || printf '\n]\n' >>"$json"
}

# What went wrong is said after the table, where it is seen.
bench_verdict() {
	local job
	for job in "${failed[@]}"; do
		tail -n 5 "$results/$job.errors" | sed 's/^/    | /' >&2
		say "$(bench_said "$job") failed with status $(<"$results/$job.status")"
	done
	[ ${#failed[@]} -eq 0 ] || exit 125
	[ ${#absent[@]} -eq 0 ] || die "no program printed ${absent[*]}"
}

bench_main() {
	local names=() json='' fresh='' list='' plots='' rows=() chosen=() programs=() jobs=() failed=() absent=() row program kernel
	local -A unit=() printers=() paper=() note=() group=() value=()
	while [ $# -gt 0 ]; do
		case $1 in
		--json)
			[ $# -gt 1 ] || die "--json: a file is expected"
			json=$2
			shift
			;;
		--fresh) fresh=1 ;;
		--list) list=names ;;
		--plots) plots=1 ;;
		-h | --help) exec "$root/exo" help bench ;;
		-*) die "$1: no such option; ./exo help bench lists them" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	if [ -n "$plots" ]; then
		# shellcheck source=tools/plots.sh
		. "$root/tools/plots.sh"
		[ -z "$json" ] || die "--json: figures are drawn, not listed"
		"plots_${list:-main}" "${names[@]}"
		return
	fi
	bench_rows_read "$root/bench/rows"
	bench_choose "${names[@]}"
	if [ -n "$list" ]; then
		printf '%s\n' "${chosen[@]}"
		return
	fi
	[ -z "$json" ] || : >"$json" || die "--json $json: cannot write"
	mapfile -t programs < <(for row in "${chosen[@]}"; do echo "${printers[$row]}"; done | tr ' ' '\n' | grep -vx -e - | awk '!seen[$0]++')
	bench_prepare "${programs[@]}"
	for program in "${programs[@]}"; do
		jobs+=("$program.run")
		[[ $program == native || $program == ash ]] || jobs+=("$program.linux")
	done
	bench_measure "${jobs[@]}"
	bench_values "${programs[@]}"
	bench_print
	bench_verdict
}

# bench_prepare COMMAND...: packages, builds, a place for results.
bench_prepare() {
	local command target targets=(aegis exos.module pack link linux-init tsc backlog.so)
	for command in "$@"; do
		target=$(bench_target "$command") || exit
		[ -z "$target" ] || targets+=("$target")
		[ "$command" != colour ] || targets+=(cachesim.so)
		case $command in http | bulk | lookup | io | 'io table' | disk) targets+=(count.so) ;; esac
	done
	depend machine linux bench
	build_targets "${targets[@]}"
	export EXO_BUILT=1
	kernel=$(linux_kernel) || exit
	kernel=${kernel##*/}
	mkdir -p "$build/bench"
	results=$(mktemp -d "$build/bench/results.XXXXXX") || die "cannot make a folder for the results"
	trap bench_end EXIT
	trap 'exit 130' INT TERM
}
