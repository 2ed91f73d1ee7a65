#!/bin/sh
# Builds the host tests of files, pipes and their Linux calls under ASan and UBSan, and runs them: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). FUZZ_ROUNDS: how many mutated archives (2000).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/file
mkdir -p "$build"
cd "$root"

# UBSan's alignment check stays on: packed structures are read by copying.
flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin
	-Wall -Wextra -Wno-sign-compare -I$here/include -Iinclude -I. -include $here/host.h"
sources="exos/file/*.c exos/ipc/event.c exos/ipc/pipe.c exos/random.c exos/identity.c exos/format.c
	exos/linux/attributes.c exos/linux/descriptor.c exos/linux/directory.c exos/linux/files.c exos/linux/io.c exos/linux/locking.c
	exos/linux/open.c exos/linux/path.c exos/linux/poll.c exos/linux/select.c exos/linux/stat.c exos/linux/vector.c"
objects=
for source in $sources "$here/stubs.c"; do
	object=$build/$(echo "$source" | tr / _).o
	objects="$objects $object"
	if [ ! -e "$object" ] || [ -n "$(find "$source" exos include "$here" -name '*.[ch]' -newer "$object" | head -n 1)" ]; then
		gcc $flags -c -o "$object" "$source"
	fi
done
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$test" $objects
	echo "# $name"
	"$build/$name" "$here" || status=1
done
exit $status
