#!/usr/bin/env bash
# The cache model (--cachesim) counts what can be counted by hand: pages of chosen colours, gone through again and again.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

if on_linux; then
	skip "the cache model" "no program can choose its frames there"
	done_testing
	exit
fi

compile lines -Wall -Werror -std=gnu11 -I"$root" -I"$root/include" -x none "$root/build/libexos.a" <<'C' || exit
#include <bench/x86_64/mark.h>
#include <exos/lib/vm/colour.h>
#include <exos/lib/x86_64/calls.h>

/* So many pages, ten times, a word of each line. */
static void __attribute__((noipa)) go_through(const volatile char *memory, long pages)
{
	for (int round = 0; round < 10; round++)
		for (const volatile char *p = memory; p < memory + pages * 4096; p += 64)
			*p;
}

static const volatile char *pages_of(uint32_t first, uint32_t count, uint64_t n)
{
	static frame_t list[64];
	uint64_t region = exos_region(0, 2 << 20);

	if (colour_frames(&(struct colours){ 64, first, count }, list, n) || colour_bind(region, list, n))
		__builtin_trap();
	return (void *)region;
}

int main(void)
{
	const volatile char *same = pages_of(3, 1, 2), *different = pages_of(8, 2, 2), *nine = pages_of(20, 1, 9);

	CACHE_MARK(1);
	go_through(same, 2);
	CACHE_MARK(0);
	CACHE_MARK(2);
	go_through(different, 2);
	CACHE_MARK(0);
	CACHE_MARK(3);
	go_through(nine, 8);
	CACHE_MARK(0);
	CACHE_MARK(4);
	go_through(nine, 9);
	CACHE_MARK(0);
	CACHE_MARK(5);
	go_through(different, 1);
	CACHE_MARK(6);
	go_through(different, 1);
	CACHE_MARK(0);
	return 0;
}
C
capture machine --icount --cachesim "$scratch/model" -- "$scratch/lines"
is "$status" 0 "a program runs beside the model"
misses() { # PHASE.CACHE: less what the loop's own few lines add
	awk -v name="$1" '$1 == name { print $2 - $2 % 64 }' "$scratch/model"
}
is "$(misses 1.256K/1)" 1280 "one way: two pages of one colour drive each other out, every line every time"
is "$(misses 2.256K/1)" 128 "two of different colours are read once"
is "$(misses 1.256K/4) $(misses 1.256K/8)" "128 128" "and so are two of one colour where there are ways for them"
is "$(misses 3.256K/8) $(misses 3.256K/4)" "512 5120" "eight pages of one colour fit in eight ways, and not in four"
is "$(misses 4.256K/8)" 5760 "nine do not fit in eight: the least recently used is always the next that is wanted"
is "$(misses 5.256K/1) $(misses 6.256K/1)" "64 0" "a phase that follows another finds its lines there; mark 0 empties the cache"
is "$(awk '$1 == "5.accesses" { print ($2 >= 640 && $2 < 700) }' "$scratch/model")" 1 "accesses are counted"

capture machine --cachesim "$scratch/model" --smp 2 -- busybox true
is "$status" 125 "several CPUs are refused"
capture machine --cachesim "$scratch/a,b" -- busybox true
is "$status" 125 "and so is a name that the emulator would cut"
done_testing
