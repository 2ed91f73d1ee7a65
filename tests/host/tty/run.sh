#!/bin/bash
# Builds the tests of terminals and of both ends of the link under ASan and UBSan, and runs them: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host).
set -u
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
root=$(cd -- "$here/../../.." && pwd -P)
build=${BUILD:-$root/build/host}/tty
mkdir -p "$build"
cd "$root" || exit 1

sanitize="-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
guest="-std=gnu11 $sanitize -fno-builtin -Wall -Wextra -Wno-sign-compare -I$here/include -Iinclude -I. -include $here/host.h"
points=0 status=0

# Runs one test program and passes its points on, numbered throughout.
run() {
	local line
	echo "# ${*##*/}"
	while IFS= read -r line; do
		if [[ $line =~ ^(not )?ok( [0-9]+)?( - .*) ]]; then
			points=$((points + 1))
			line="${BASH_REMATCH[1]}ok $points${BASH_REMATCH[3]}"
			[ -z "${BASH_REMATCH[1]}" ] || status=1
		fi
		echo "$line"
	done < <("$@" 2>&1 || echo "not ok - ${1##*/} ends well")
}

# shellcheck disable=SC2086 # lists of words
{
	for test in terminal link; do
		gcc $guest -o "$build/test_$test" "$here/test_$test.c" "$here/stubs.c" exos/tty/*.c exos/log.c exos/format.c || exit 1
	done
	gcc -D_GNU_SOURCE -std=c11 $sanitize -Wall -Wextra -I. -o "$build/link" tools/link/*.c || exit 1
	gcc -D_GNU_SOURCE -std=c11 $sanitize -Wall -Wextra -I. -o "$build/machine" "$here/machine.c" || exit 1
	gcc -D_GNU_SOURCE -std=c11 $sanitize -Wall -Wextra -I. -o "$build/test_host_terminal" "$here/test_host_terminal.c" || exit 1
}
run "$build/test_terminal"
run "$build/test_link"
run bash "$here/test_host.sh" "$build"
run "$build/test_host_terminal" "$build"
echo "1..$points"
exit $status
