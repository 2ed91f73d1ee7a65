#!/bin/bash
# Builds the tests of the parser of partition tables under ASan and UBSan, and runs them on tables that sfdisk makes: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED, ROUNDS: of the fuzzer.
set -u
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
root=$(cd -- "$here/../../.." && pwd -P)
build=${BUILD:-$root/build/host}/disk
PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$build"
cd "$root" || exit 1

flags=(-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin
	-Wall -Wextra -Werror -Wshadow -Iinclude -I.)
for test in list_gpt test_gpt fuzz_gpt; do
	gcc "${flags[@]}" -o "$build/$test" "$here/$test.c" "$here/image.c" tests/host/tap.c exos/disk/gpt.c || exit 1
done

points=0 status=0
ok() {
	points=$((points + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $points - $3"
	else
		printf 'not ok %s - %s\n# got: %s\n# expected: %s\n' "$points" "$3" "${1//$'\n'/, }" "${2//$'\n'/, }"
		status=1
	fi
}

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

# make NAME SIZE: an image of that size with the table that sfdisk makes of standard input.
make_image() {
	rm -f "$build/$1"
	truncate -s "$2" "$build/$1" && sfdisk -q "$build/$1" >/dev/null
}

# What sfdisk says itself is in an image: number, start, size of each.
told() {
	sfdisk -d "$build/$1" 2>/dev/null | sed -nE "s|^.*$1([0-9]+) *: *start= *([0-9]+), *size= *([0-9]+),.*|\1 \2 \3|p"
}

compare() { # NAME WHAT
	ok "$("$build/list_gpt" "$build/$1")" "$(told "$1")" "$2"
}

printf 'label: gpt\n,2M\n,1M\n,\n' | make_image usual. 8M
compare usual. "three partitions are where sfdisk has put them"
printf 'label: gpt\n5 : start=4096, size=8\n1 : start=2048, size=1\n128 : start=5000, size=100\n' | make_image scattered. 8M
compare scattered. "numbers with gaps, out of order on the disk, down to one sector"
{
	printf 'label: gpt\ntable-length: 512\n'
	for ((n = 1; n <= 512; n++)); do printf '%s : start=%s, size=7\n' "$n" $((2048 + 8 * n)); done
} | make_image many. 8M
compare many. "more partitions than there are by default"
ok "$("$build/list_gpt" "$build/many." | wc -l)" 512 "all 512 of them"
printf 'label: dos\n,1M\n' | make_image dos. 8M
ok "$("$build/list_gpt" "$build/dos.")" "" "a DOS partition table is none"
truncate -s 8M "$build/empty."
ok "$("$build/list_gpt" "$build/empty.")" "" "an empty disk has none"
run "$build/test_gpt" "$build/usual."
run "$build/fuzz_gpt" "${SEED:-1}" "${ROUNDS:-100000}" "$build/usual."
echo "1..$points"
exit $status
