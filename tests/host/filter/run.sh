#!/bin/bash
# Builds the packet-filter compiler for the host under ASan and UBSan, and runs its unit tests and fuzzers: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). TESTS: which (all). SEED: of what is random (printed); ROUNDS: how much of it.
set -u
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
root=$(cd -- "$here/../../.." && pwd -P)
build=${BUILD:-$root/build/host}/filter
mkdir -p "$build"
cd "$root" || exit 1

flags="-D_GNU_SOURCE -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I. -Iinclude"
points=0 status=0

# Runs one test program and passes its points on, numbered throughout.
run() {
	local line
	while IFS= read -r line; do
		if [[ $line =~ ^(not )?ok( [0-9]+)?( - .*) ]]; then
			points=$((points + 1))
			line="${BASH_REMATCH[1]}ok $points${BASH_REMATCH[3]}"
			[ -z "${BASH_REMATCH[1]}" ] || status=1
		fi
		[[ $line =~ ^1\.\. ]] || echo "$line"
	done < <("$@" 2>&1 || echo "not ok - ${1##*/} ends well")
}

objects=()
# shellcheck disable=SC2086 # a list of words
for source in kernel/filter/{filter,short,overlap,interpret,bpf,conjunction}.c kernel/filter/x86_64/{node,bpf}.c exos/lib/net/ways.c tests/host/filter/check.c; do
	object=$build/${source//\//_}.o
	gcc $flags -c -o "$object" "$source" || exit 1
	objects+=("$object")
done
for test in ${TESTS:-test_rules fuzz_trie fuzz_bpf}; do
	# shellcheck disable=SC2086 # a list of words
	gcc $flags -o "$build/$test" "$here/$test.c" "${objects[@]}" -lpcap || exit 1
	echo "# $test"
	run "$build/$test"
done
echo "1..$points"
exit $status
