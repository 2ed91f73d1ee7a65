/* Prints the frequency of this host's time-stamp counter in kHz. An emulated guest has that counter, and measures it against an emulated timer: which on a busy host comes out so badly that Linux gives it up, and does not start. So `./exo linux` tells it. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define LONG_ENOUGH 20000000u /* ns: an error of 1 us in each reading is then one of 10^-4 */
#define TIGHT 5000u           /* cycles: nobody else had the CPU between the two readings, */
#define TRIES 10000           /* or else it cannot be had better */

struct reading {
	uint64_t cycles, nanoseconds;
};

static struct reading read_both(void)
{
	struct timespec now;
	uint64_t before, after;
	int tries = 0;

	do {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
	} while (after - before > TIGHT && ++tries < TRIES);
	return (struct reading){ before, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec };
}

int main(void)
{
	struct reading first = read_both(), last;

	do
		last = read_both();
	while (last.nanoseconds - first.nanoseconds < LONG_ENOUGH);
	printf("%lu\n", (last.cycles - first.cycles) * 1000000 / (last.nanoseconds - first.nanoseconds));
	return 0;
}
