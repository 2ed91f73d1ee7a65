#!/bin/sh
# Builds the host tests of the policies of exos/lib/sched and of ExOS's time under ASan and UBSan, and runs them: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/sched
mkdir -p "$build"
cd "$root"

flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Iinclude -I."
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	with=
	[ $name != test_time ] || with=exos/sched/time.c
	gcc $flags -o "$build/$name" "$test" "$here/check.c" tests/host/tap.c exos/lib/sched/tree.c exos/lib/sched/stride.c exos/lib/sched/lottery.c exos/lib/sched/edf.c $with -lm
	echo "# $name"
	"$build/$name" "${SEED:-1}" || status=1
done
exit $status
