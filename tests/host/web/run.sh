#!/bin/sh
# Builds what apps/web understands of HTTP for the host under ASan and UBSan, and runs its tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). REQUESTS: how many the fuzzer parses (200000).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/web
mkdir -p "$build"
cd "$root"

flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -I."
sources="apps/web/parse.c apps/web/text.c apps/web/date.c"
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$test" tests/host/tap.c $sources
	echo "# $name"
	"$build/$name" "${SEED:-1}" "${REQUESTS:-200000}" || status=1
done
exit $status
