#!/bin/sh
# Builds the host tests of memory (strings, heap, frames, address spaces, guarded copies) under ASan and UBSan, and runs
# them: TAP, exit status 1 when one failed. BUILD: where to build (build/host).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/vm
mkdir -p "$build"
cd "$root"

flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
	-fno-builtin -Wall -Wextra -Werror"
paths="-I$here/include -Iinclude -I. -include $here/host.h"
memory="exos/frames.c exos/heap.c exos/vm/area.c exos/vm/copy.c
	exos/vm/drop.c exos/vm/fault.c exos/vm/fork.c exos/vm/map.c exos/vm/mend.c exos/vm/region.c exos/vm/table.c"
# string.c keeps out of the way of the host's functions.
names=
for name in memcpy memmove memset memcmp strlen strnlen strcmp strncmp strchr; do
	names="$names -D$name=exos_$name"
done

# compile SOURCE [FLAGS...]: sets $object, built anew when any source is newer.
compile() {
	source=$1
	shift
	object=$build/$(echo "${source#"$root"/}" | tr / _).o
	newer=$(find "$source" exos include "$here" -name '*.[chS]' -newer "$object" 2>/dev/null | head -n 1)
	if [ ! -e "$object" ] || [ -n "$newer" ]; then
		gcc "$@" -c -o "$object" "$source"
	fi
}

objects=
for source in $memory exos/format.c "$here/model.c"; do
	compile "$source" $flags $paths
	objects="$objects $object"
done
compile exos/string.c $flags $paths $names -fno-tree-loop-distribute-patterns
objects="$objects $object"
for source in exos/vm/x86_64/page.S "$here/vectors.S"; do
	compile "$source"
	objects="$objects $object"
done
compile "$here/files.c" $flags $paths
objects="$objects $object"
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	gcc $flags $paths -o "$build/$name" "$test" $objects
	echo "# $name"
	"$build/$name" || status=1
done
exit $status
