#!/bin/bash
# Builds the inspector and compiler of handlers under ASan and UBSan and runs their tests: TAP, exit status 1 when one failed. What is compiled by
# them ASan does not see: guard pages and poison are around all that it may touch.
# BUILD: where to build (build/host). SEED (printed), ROUNDS: of the fuzzer, a program each; ROUND: that one alone.
set -u
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
root=$(cd -- "$here/../../.." && pwd -P)
build=${BUILD:-$root/build/host}/handler
mkdir -p "$build"
cd "$root" || exit 1

flags=(-D_GNU_SOURCE -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Iinclude -I.)
objects=()
for source in kernel/filter/{ebpf,handler,handler_interpret}.c kernel/filter/x86_64/handler{.c,_run.S} tests/host/handler/{world,generate}.c; do
	object=$build/${source//\//_}.o
	gcc "${flags[@]}" -c -o "$object" "$source" || exit 1
	objects+=("$object")
done
for test in test_rules test_programs fuzz; do
	gcc "${flags[@]}" -o "$build/$test" "$here/$test.c" "${objects[@]}" || exit 1
done
handlers=("$build"/bench/handlers/{echo,deliver}.bin)
make --no-print-directory -s BUILD="$build" "${handlers[@]}" </dev/null >&2 || exit 1

points=0 status=0
# Runs one program and passes its points on, numbered throughout.
run() {
	local line
	echo "# ${1##*/}"
	while IFS= read -r line; do
		[[ $line == 1..* ]] && continue
		if [[ $line =~ ^(not )?ok( [0-9]+)?( - .*) ]]; then
			points=$((points + 1))
			line="${BASH_REMATCH[1]}ok $points${BASH_REMATCH[3]}"
			[ -z "${BASH_REMATCH[1]}" ] || status=1
		fi
		echo "$line"
	done < <("$@" 2>&1 || echo "not ok - ${1##*/} ends well")
}
run "$build/test_rules"
run "$build/test_programs" "${handlers[@]}"
run "$build/fuzz" "${SEED:-1}" "${ROUNDS:-300000}" ${ROUND:+"$ROUND"}
points=$((points + 1))
if tools/listing.sh --check docs/handlers.md; then
	echo "ok $points - the chapter shows the handler that is tested"
else
	echo "not ok $points - the chapter shows the handler that is tested"
	status=1
fi
echo "1..$points"
exit $status
