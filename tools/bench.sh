# ./exo bench: runs the measuring programs on ExOS and on Linux, both counting guest instructions, and puts the figures side by side. Sourced.
#
# Counted figures never vary, so Linux's are kept in build/ under the kernel's name and the program's digest; --fresh measures them anew.
# shellcheck shell=bash disable=SC2154

# row | unit | the paper's figure (Aegis/ExOS on a DECstation 5000/125, beside Ultrix) | what it is
BENCH_ROWS='call.aegis.null|instructions||null kernel call
syscall.null|instructions|2.3 us (Ultrix 21.3)|getppid by the syscall instruction, from an unmodified program
exc.dispatch|instructions|18 instructions|from an invalid opcode to the first instruction of the handler, in the kernel
exc.ill.roundtrip|instructions|1.5 us one way|invalid opcode to a handler that skips it, and back; Linux: SIGILL handler
signal.ill|instructions||the same by a SIGILL handler of an unmodified program
ipc.pipe|instructions|14.2 us (Ultrix 199)|byte through pipes, ping-pong, one way
pipe.roundtrip|instructions||the same, there and back
pipe.self|instructions||write and read of one byte, one process
fork.exit.wait|instructions||
fork.exec.wait|instructions||BusyBox true
vfork.exec.wait|instructions||BusyBox true
mem.touch|instructions||first touch of an anonymous page
mem.protect1|instructions|16.9 us (Ultrix 32.0)|mprotect of one page; the row vm.prot1 will be the library call
bind.one|instructions||bind call for one page of one'"'"'s own
bind.hundred|instructions||the same, 100 in one call, each
bind.protect.hundred|instructions||other rights for 100 pages in one call, each
bind.protect.one|instructions||the same of one page a call
bind.same.hundred|instructions||a run of 100 pages made writable in one entry, all
bind.unbind.hundred|instructions||100 bindings broken in one call, each
bind.break|instructions||the binding of a frame in another environment'"'"'s address space broken by its owner
bind.sealed|instructions||a page of another account'"'"'s, by its sealed capability
yield.directed|instructions||directed yield, one way
pct.roundtrip|instructions||protected control transfer, there and back
pct|instructions|1.4 us, 30 instructions|protected control transfer, one way
call.aegis.null.crowd|instructions||these again with 1,000 environments alive
exc.ill.roundtrip.crowd|instructions||
bind.one.crowd|instructions||
bind.hundred.crowd|instructions||
bind.break.crowd|instructions||
bind.sealed.crowd|instructions||
yield.directed.crowd|instructions||
pct.crowd|instructions||
smp.share|percent||two computing processes on two CPUs: the slower, against the slower of two machines of one CPU at the same time; median of 5
boot.aegis|instructions||kernel'"'"'s first instruction to the first environment'"'"'s
boot.first|instructions||reset to the first instruction of PROGRAM
boot.shell|ms||wall time: a shell starts, reads exit, machine off; build checks included'

bench_usage() {
	cat <<-'END'
	usage: ./exo bench [NAME...] [--json FILE] [--fresh] [--list]

	Measures and prints a table: row, ExOS, Linux, ratio, the paper's figure. NAME: only rows that begin so (exc, pipe, boot ...).
	  --json FILE   the table as JSON as well
	  --fresh       measure Linux anew (its figures, which never change, are kept in build/)
	  --list        the rows
	END
}

# bench_program SYSTEM: the rows of bench/system.c on run or linux.
bench_program() { "$root/exo" "$1" --icount --timeout 600 --file "$build/bench/system:/bench" -- /bench </dev/null; }

bench_linux() {
	local kernel cache
	# shellcheck disable=SC2012 # names without surprises, and -v sorts versions
	kernel=$(ls -v /boot/vmlinuz-*-amd64 | tail -n 1)
	cache=$build/bench/linux.$(basename "$kernel").$(sha256sum <"$build/bench/system" | cut -c1-16)
	if [ -n "$fresh" ] || [ ! -s "$cache" ]; then
		say "measuring Linux ($(basename "$kernel")); this takes a minute, once"
		bench_program linux >"$cache.new" || die "the measuring program failed on Linux"
		mv "$cache.new" "$cache"
	fi
	cat "$cache"
}

# Milliseconds of wall time, the least of five: a shell that reads `exit`.
bench_wall() {
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
	echo "# smp.share on $1: ${shares[*]}" >&2
}

bench_wanted() { # ROW
	local name
	[ ${#names[@]} -gt 0 ] || return 0
	for name in "${names[@]}"; do
		[[ $1 != "$name"* ]] || return 0
	done
	return 1
}

bench_main() {
	local names=() json='' fresh='' row unit paper note exos linux ratio first=1 program='' native='' wall='' smp=''
	while [ $# -gt 0 ]; do
		case $1 in
		--json)
			[ $# -gt 1 ] || die "--json: a file is expected"
			json=$2
			shift
			;;
		--fresh) fresh=1 ;;
		--list)
			cut -d'|' -f1 <<<"$BENCH_ROWS"
			return
			;;
		-h | --help)
			bench_usage
			return
			;;
		-*) die "$1: no such option; ./exo bench --help lists them" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	while IFS='|' read -r row _; do
		bench_wanted "$row" || continue
		case $row in
		call.aegis.null | exc.* | bind.* | yield.* | pct* | boot.aegis) native=1 ;;
		boot.shell) wall=1 ;;
		smp.*) smp=1 ;;
		*) program=1 ;;
		esac
	done <<<"$BENCH_ROWS"
	depend machine linux bench
	build_targets aegis exos.module pack link linux-init bench/system bench/smp bench/kernel/native
	local results_exos='' results_linux=''
	[ -z "$native" ] || results_exos+=$("$root/exo" run --icount --timeout 120 --module "$build/bench/kernel/native" | tr -d '\r')$'\n'
	[ -z "$program" ] || results_exos+=$(bench_program run)$'\n' || die "the measuring program failed on ExOS"
	[ -z "$program$native" ] || results_linux+=$(bench_linux)$'\n'
	[ -z "$smp" ] || results_exos+=$(bench_smp run)$'\n' results_linux+=$(bench_smp linux)$'\n'
	[ -z "$wall" ] || results_exos+=$(bench_wall run)$'\n' results_linux+=$(bench_wall linux)$'\n'

	printf '%-24s %12s %12s %8s  %-26s %s\n' row ExOS Linux ratio paper note
	[ -z "$json" ] || printf '[' >"$json"
	while IFS='|' read -r row unit paper note; do
		bench_wanted "$row" || continue
		exos=$(bench_value "$row" "$results_exos")
		linux=$(bench_value "$row" "$results_linux")
		[ -n "$exos$linux" ] || continue
		ratio=-
		[ -z "$exos" ] || [ -z "$linux" ] || ratio=$(awk -v a="$linux" -v b="$exos" 'BEGIN { printf "%.1f", a / b }')
		printf '%-24s %12s %12s %8s  %-26s %s\n' "$row" "${exos:--}" "${linux:--}" "$ratio" "${paper:--}" "$note"
		if [ -n "$json" ]; then
			[ -n "$first" ] || printf ',' >>"$json"
			first=''
			printf '\n{"row": "%s", "unit": "%s", "exos": %s, "linux": %s, "paper": "%s", "note": "%s"}' \
				"$row" "$unit" "${exos:-null}" "${linux:-null}" "$paper" "$note" >>"$json"
		fi
	done <<<"$BENCH_ROWS"
	[ -z "$json" ] || printf '\n]\n' >>"$json"
}

# bench_value ROW RESULTS: a row's value; one way is half of there and back, and Linux's way to a handler is a signal.
bench_value() {
	local value
	value=$(awk -v row="$1" '$1 == row { v = $2 } END { print v }' <<<"$2")
	if [ -z "$value" ]; then
		case $1 in
		ipc.pipe) value=$(awk '$1 == "pipe.roundtrip" { printf "%d", $2 / 2 }' <<<"$2") ;;
		exc.ill.roundtrip) value=$(awk '$1 == "signal.ill" { v = $2 } END { print v }' <<<"$2") ;;
		esac
	fi
	echo "$value"
}
