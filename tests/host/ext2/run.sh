#!/bin/sh
# Builds exos/ext2 for the host under ASan and UBSan, and runs its tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). TESTS: which (all). COUNT: crash states, mutants and the like (each test's own).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/ext2
flags="-D_GNU_SOURCE -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Iinclude -I."
PATH=$PATH:/usr/sbin:/sbin # mke2fs, e2fsck, debugfs

rm -rf "$build"
mkdir -p "$build"
cd "$root"
objects='' started=0
for source in exos/ext2/*.c tests/host/tap.c "$here"/*.c; do
	case $source in */test_*) continue ;; esac
	object=$build/$(basename "$source" .c).o
	# shellcheck disable=SC2086 # a list of words
	gcc $flags -c -o "$object" "$source" &
	objects="$objects $object"
	started=$((started + 1))
	[ $((started % 2)) = 1 ] || wait
done
wait
status=0
# shellcheck disable=SC2086 # lists of words
for test in ${TESTS:-"$here"/test_*.c}; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$here/$name.c" $objects
	echo "# $name"
	(cd "$build" && "./$name" "${SEED:-1}" ${COUNT:+"$COUNT"}) || status=1
done
exit $status
