#!/bin/sh
# Builds the network stack of exos/net for the host under ASan and UBSan, and runs its tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). FRAMES: how many the fuzzer sends.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/net
mkdir -p "$build"
cd "$root"

flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Iinclude -I."
objects=
for source in exos/net/*.c "$here/check.c"; do
	object=$build/$(basename "$source" .c).o
	gcc $flags -c -o "$object" "$source" &
	objects="$objects $object"
	[ $((${count:=0} % 2)) = 0 ] || wait
	count=$((count + 1))
done
wait
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$test" $objects
	echo "# $name"
	"$build/$name" "${SEED:-1}" ${FRAMES:+"$FRAMES"} || status=1
done
exit $status
