#!/bin/bash
# Builds the tests of the parser of executables, and of where they are put, under ASan and UBSan, and runs them: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED, ROUNDS: of the fuzzer.
set -u
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
root=$(cd -- "$here/../../.." && pwd -P)
build=${BUILD:-$root/build/host}/proc
mkdir -p "$build"
cd "$root" || exit 1

flags=(-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin
	-Wall -Wextra -Werror -Iinclude -I.)
for test in test_elf fuzz_elf; do
	gcc "${flags[@]}" -o "$build/$test" "$here/$test.c" exos/proc/elf.c || exit 1
done
gcc "${flags[@]}" -o "$build/test_place" "$here/test_place.c" exos/proc/place.c || exit 1

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
run "$build/test_elf"
run "$build/fuzz_elf" "${SEED:-1}" "${ROUNDS:-300000}"
run "$build/test_place" "${SEED:-1}" "${ROUNDS:-300000}"
echo "1..$points"
exit $status
