#!/bin/sh
# Builds the kernel's capabilities, accounts, frames, bindings, environments and slices for the host under ASan and UBSan, and runs their tests: TAP,
# exit status 1 when one failed. BUILD: where to build (build/host). SEED: of the random calls (printed); CALLS: how many.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/kernel
mkdir -p "$build"
cd "$root"

# The kernel's own flags where they change what the language means. pointer-overflow is off: the fast path of bind forms the address of a table entry
# before it compares the index, and does not use it then.
flags="-D_GNU_SOURCE -std=gnu11 -g -O2 -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize=pointer-overflow -fno-sanitize-recover=all
	-fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I$here/include -Iinclude -I."
objects=
for source in account alarm bind break rights cap env event frame revoke slice smp table disk/block disk/disk disk/extent disk/queue disk/submit disk/turn; do
	objects="$objects kernel/$source.c"
done
objects="$objects $(cd "$root" && ls tests/host/kernel/*.c | grep -v /test_)"

# Each object anew when any source is newer.
built=
for source in $objects; do
	object=$build/$(echo "$source" | tr / _).o
	built="$built $object"
	if [ ! -e "$object" ] || [ -n "$(find "$source" kernel include "$here" -name '*.[hs]*' -newer "$object" | head -n 1)" ] ||
		[ "$source" -nt "$object" ]; then
		gcc $flags -c -o "$object" "$source"
	fi
done
status=0
for test in "$here"/test_*.c; do
	name=$(basename "$test" .c)
	gcc $flags -o "$build/$name" "$test" $built
	echo "# $name"
	"$build/$name" || status=1
done
exit $status
