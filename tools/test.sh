# ./exo test: finds the tests, runs them side by side, adds up what they say. Sourced.
#
# A test is a command that prints TAP on standard output. What cannot be taken for a pass counts as one failure: points missing
# from the plan, no plan, an exit status other than 0 with no failed point, running out of time.
# shellcheck shell=bash disable=SC2154

TEST_SECONDS=240 # for one test, on ExOS
TEST_SECONDS_LINUX=600

# The names of all tests: their paths below tests/ without suffix; a folder of host tests is one.
test_names() {
	local file
	for file in "$root"/tests/host/*/run.sh "$root"/tests/kernel/*_test.c "$root"/tests/hostile/*_test.c "$root"/tests/exos/*.c "$root"/tests/linux/*.sh \
		"$root"/tests/net/*.sh "$root"/tests/disk/*.sh; do
		[ -f "$file" ] || continue
		file=${file#"$root/tests/"}
		file=${file%/run.sh}
		echo "${file%.*}"
	done
}

# The targets to make before this test can run.
test_target() {
	case $1 in
	kernel/* | hostile/* | exos/*) echo "tests/$1" ;;
	net/loopback) echo tests/exos/{tcp,socket_deaths} ;;
	net/web | net/lookup | net/capture) echo "apps/${1#net/}" ;;
	net/*) echo wire ;;
	linux/ipc_smp) echo tests/exos/{ipc,lrpc,rpc,rpc_hostile} ;;
	linux/revoke) echo bench/cache ;;
	linux/cachesim) echo cachesim.so libexos.a ;;
	disk/root) echo join ;;
	disk/caching) echo apps/caching ;;
	esac
}

test_run() {
	local system=${EXO_ON:-run} seconds=$TEST_SECONDS
	[ "$system" = run ] || seconds=$TEST_SECONDS_LINUX
	case $1 in
	host/*) exec timeout "$seconds" "$root/tests/$1/run.sh" ;;
	# On one CPU time counts instructions, so that shares of it are exact; on two they run as they will.
	*/network_smp_test) exec "$root/exo" run --timeout "$seconds" --smp 2 --net hub --module "$build/tests/$1" ;;
	*/disk_test | */extents*_test | */calls_test)
		# A scratch disk, empty each time.
		truncate -s 0 "$build/tests/$1.disk" && truncate -s 64M "$build/tests/$1.disk" || return 125
		case $1 in
		*_smp_test) set -- "$1" --smp 2 ;;
		*/calls_test) set -- "$1" --icount --net hub ;;
		*) set -- "$1" --icount ;;
		esac
		exec "$root/exo" run --timeout "$seconds" "${@:2}" --disk "$build/tests/$1.disk" --module "$build/tests/$1"
		;;
	*_smp_test) exec "$root/exo" run --timeout "$seconds" --smp 2 --module "$build/tests/$1" ;;
	*/net_test | */handlers_test | */network*_test) exec "$root/exo" run --timeout "$seconds" --icount --net hub --module "$build/tests/$1" ;;
	kernel/* | hostile/*) exec "$root/exo" run --timeout "$seconds" --icount --module "$build/tests/$1" ;;
	# Its clients' shares are exact where nobody stops the machine.
	exos/schedulers) exec "$root/exo" "$system" --timeout "$seconds" --icount --file "$build/tests/$1:/tests/${1#*/}" -- "/tests/${1#*/}" ;;
	exos/volume_memory) test_run_volumes "$1" --timeout "$seconds" --mem 48M ;;
	exos/volume_*) test_run_volumes "$1" --timeout "$seconds" ;;
	exos/*) exec "$root/exo" "$system" --timeout "$seconds" --file "$build/tests/$1:/tests/${1#*/}" -- "/tests/${1#*/}" ;;
	linux/* | net/* | disk/*) exec timeout "$seconds" bash "$root/tests/$1.sh" ;;
	esac
}

# A test of file systems on disks: two of them, fresh each time; and e2fsck has nothing to say of what is left.
test_run_volumes() { # NAME OPTIONS-OF-EXO...
	local disk=$build/tests/$1 size said status found PATH=$PATH:/sbin:/usr/sbin
	for size in 4096 1024; do
		rm -f "$disk.$size" && truncate -s 48M "$disk.$size" && mke2fs -q -F -t ext3 -b "$size" "$disk.$size" || return 125
	done
	"$root/exo" "${EXO_ON:-run}" "${@:2}" --disk "$disk.4096" --disk "$disk.1024" --file "$disk:/tests/${1#*/}" -- "/tests/${1#*/}"
	status=$?
	for size in 4096 1024; do
		said=$(e2fsck -fn "$disk.$size" 2>&1) && found='' || found='not '
		[ -z "$found" ] || sed 's/^/# /' <<<"$said"
		echo "${found}ok - e2fsck finds nothing to say of the disk with blocks of $size bytes"
	done
	echo 1..2
	return "$status"
}

# test_count FILE STATUS: prints how many points passed and failed in a test's output, then a line for each that failed.
test_count() {
	awk -v status="$2" '
		{ sub(/\r$/, "") }
		/^1\.\.[0-9]+/ { plan += substr($0, 4); planned = 1 } # a folder of host tests has one of each program
		/^ok / { passed++ }
		/^not ok / { failed++; lines = lines notes $0 "\n" }
		/^(ok|not ok) / { notes = "" }
		/^#/ { notes = notes $0 "\n" }
		function also(text) { failed++; lines = lines text "\n" }
		END {
			points = passed + failed
			if (status == 124) also(notes "not ok - it ran out of time")
			else if (!planned) also(notes "not ok - it ended early, with status " status)
			else if (points != plan) also(notes "not ok - " points " of " plan " points were tried")
			else if (status != 0 && !failed) also("not ok - its exit status was " status)
			printf "%d %d\n%s", passed, failed, lines
		}' "$1"
}

# Reports a test that has ended; adds to `passed` and `failed`.
test_report() {
	local name=$1 output=$results/${1//\//.} status seconds good bad line
	read -r status seconds <"$output.status"
	{
		read -r good bad
		passed=$((passed + good))
		failed=$((failed + bad))
		printf '%-24s %4d passed %3d failed %7.1f s\n' "$name" "$good" "$bad" "${seconds/,/.}"
		while IFS= read -r line; do
			printf '    %s\n' "$line"
		done
	} < <(test_count "$output.tap" "$status")
	[ "$bad" -eq 0 ] || [ ! -s "$output.errors" ] || tail -n 20 "$output.errors" | sed 's/^/    | /'
}

# Runs one test in the background, its output, errors, status and time into files.
test_start() {
	local output=$results/${1//\//.} started=$EPOCHREALTIME
	rm -f "$output.status"
	(
		(test_run "$1") >"$output.tap" 2>"$output.errors" </dev/null
		status=$?
		elapsed=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
		echo "$status $elapsed" >"$output.status.new"
		mv "$output.status.new" "$output.status"
		cp "$output.status" "$output.took"
	) &
}

# The names given, those first that took longest last time, so that none of them is left to run alone at the end.
test_order() {
	local name took
	for name in "$@"; do
		took=0
		[ ! -f "$results/${name//\//.}.took" ] || read -r _ took <"$results/${name//\//.}.took"
		echo "$took $name"
	done | sort -rns | cut -d ' ' -f 2
}

test_main() {
	local names=() chosen=() waiting=() running=() still=() targets=() name wanted list='' results=$build/test passed=0 failed=0 jobs
	if [ "${1-}" = --list ]; then
		list=1
		shift
	fi
	mapfile -t names < <(test_names)
	for name in "${names[@]}"; do
		[ $# -gt 0 ] || chosen+=("$name")
		for wanted in "$@"; do
			[[ $name/ != "${wanted%/}/"* ]] || { chosen+=("$name"); break; }
		done
	done
	[ ${#chosen[@]} -gt 0 ] || die "no such test: $*"
	if [ -n "$list" ]; then
		printf '%s\n' "${chosen[@]}"
		exit 0
	fi
	depend machine test
	[ -z "${EXO_ON-}" ] || depend linux
	mkdir -p "$results"
	for name in "${chosen[@]}"; do
		targets+=("$(test_target "$name")")
	done
	# shellcheck disable=SC2046,SC2068 # a test without a target leaves an empty word, which must go
	build_targets $(test_machine_targets) ${targets[@]}
	export EXO_BUILT=1
	jobs=$(nproc)
	mapfile -t waiting < <(test_order "${chosen[@]}")
	while [ ${#waiting[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
		while [ ${#waiting[@]} -gt 0 ] && [ ${#running[@]} -lt "$jobs" ]; do
			test_start "${waiting[0]}"
			running+=("${waiting[0]}")
			waiting=("${waiting[@]:1}")
		done
		wait -n
		still=()
		for name in "${running[@]}"; do
			if [ -f "$results/${name//\//.}.status" ]; then
				test_report "$name"
			else
				still+=("$name")
			fi
		done
		running=("${still[@]}")
	done
	echo "$passed passed, $failed failed"
	exit $((failed > 0))
}

test_machine_targets() {
	if [ "${EXO_ON-}" = linux ]; then
		echo linux-init pack link tsc backlog.so
	else
		echo aegis exos.module arbiter arbiter-pack pack link backlog.so
	fi
}
