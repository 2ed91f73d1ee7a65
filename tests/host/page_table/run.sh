#!/bin/sh
# Builds the page tables of exos/lib/vm for the host, as they are for programs (without vector registers) but under ASan and UBSan, and runs their
# tests against a model: TAP, exit status 1 when one failed. BUILD: where to build (build/host). SEED: of the random operations (printed); ROUNDS:
# how many operations on each structure.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/page_table
mkdir -p "$build"
cd "$root"

flags="-D_GNU_SOURCE -std=gnu11 -g -O2 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I."
objects=
for source in page_table page_source radix2 radix4 inverted btree linear; do
	gcc $flags -mgeneral-regs-only -c -o "$build/$source.o" "exos/lib/vm/$source.c"
	objects="$objects $build/$source.o"
done
gcc $flags -o "$build/test_page_table" "$here/test_page_table.c" $objects
status=0
"$build/test_page_table" || status=1
if tools/listing.sh --check docs/vm.md; then
	echo "ok 1 - the chapter shows the code that is tested"
else
	echo "not ok 1 - the chapter shows the code that is tested"
	status=1
fi
echo 1..1
exit $status
