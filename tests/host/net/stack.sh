# Sourced by who tests the network stack. It is built for the host under ASan and UBSan once for each of them, as they may run side by side.
# shellcheck shell=sh disable=SC2154

root=$(cd "$here/../../.." && pwd)
flags="-std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra -Werror -Wshadow -Iinclude -I."

# stack_test NAME SOURCES COUNT TEST...: builds below NAME the stack, the wire and SOURCES, and runs each TEST of $here with the seed and COUNT (empty: its own). TAP; 1: one failed.
# shellcheck disable=SC2086,SC2164 # lists of words; who sources it ends at the first error
stack_test() {
	build=${BUILD:-$root/build/host}/$1
	sources="exos/net/*.c tests/host/tap.c tests/host/net/check.c $2"
	count=$3
	shift 3
	mkdir -p "$build"
	cd "$root"
	objects='' started=0
	for source in $sources; do
		object=$build/$(basename "$source" .c).o
		rm -f "$object" # so that one that does not compile is missed
		gcc $flags -c -o "$object" "$source" &
		objects="$objects $object"
		[ $((started % 2)) = 0 ] || wait
		started=$((started + 1))
	done
	wait
	status=0
	for test; do
		name=$(basename "$test" .c)
		gcc $flags -o "$build/$name" "$here/$name.c" $objects
		echo "# $name"
		"$build/$name" "${SEED:-1}" ${count:+"$count"} || status=1
	done
	return $status
}
