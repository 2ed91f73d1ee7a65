/* What several CPUs are worth: processes that only compute, as many as there are CPUs, against one alone. Rates are taken in turns, one alone and all
 * together, so that what else the host does falls on both. Prints `smp.share N`: how many percent of one alone the slowest of them gets, the median of the turns. */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 7, TURN_NS = 300000000, MOST = 64 };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t compute(uint64_t until)
{
	volatile uint64_t x = 1;
	uint64_t rounds = 0;

	for (; now() < until; rounds++)
		for (int i = 0; i < 20000; i++)
			x = x * 6364136223846793005u + 1442695040888963407u;
	return rounds;
}

/* The rounds of the slowest of n. */
static uint64_t slowest(int n)
{
	uint64_t begin = now() + 20000000, least = UINT64_MAX, rounds;
	int ends[2];

	if (pipe(ends))
		exit(1);
	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			while (now() < begin)
				sched_yield();
			rounds = compute(begin + TURN_NS);
			_exit(write(ends[1], &rounds, sizeof(rounds)) != sizeof(rounds));
		}
	for (int i = 0; i < n; i++) {
		if (read(ends[0], &rounds, sizeof(rounds)) != sizeof(rounds))
			exit(1);
		if (rounds < least)
			least = rounds;
	}
	while (wait(NULL) > 0)
		;
	close(ends[0]);
	close(ends[1]);
	return least;
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), shares[TURNS];

	for (int t = 0; t < TURNS; t++) {
		uint64_t alone = slowest(1);

		shares[t] = alone ? (int)(slowest(cpus) * 100 / alone) : 0;
	}
	qsort(shares, TURNS, sizeof(shares[0]), by_value);
	printf("smp.share %d\n", shares[TURNS / 2]);
	fprintf(stderr, "# %d CPUs, from %d to %d percent\n", cpus, shares[0], shares[TURNS - 1]);
	return 0;
}
