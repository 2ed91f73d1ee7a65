#!/bin/sh
# Builds the network stack of exos/net for the host under ASan and UBSan, and runs TCP's tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). SEGMENTS: how many the fuzzer sends (300000). PCAP: a file for what test_states sends.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/tcp
mkdir -p "$build"
cd "$root"

flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Iinclude -I."
objects=
for source in exos/net/*.c tests/host/net/check.c "$here/flow.c"; do
	object=$build/$(basename "$source" .c).o
	gcc $flags -c -o "$object" "$source" &
	objects="$objects $object"
	[ $((${count:=0} % 2)) = 0 ] || wait
	count=$((count + 1))
done
wait
status=0
for test in ${TESTS:-"$here"/test_*.c}; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$here/$name.c" $objects
	echo "# $name"
	"$build/$name" "${SEED:-1}" ${SEGMENTS:+"$SEGMENTS"} || status=1
done
exit $status
