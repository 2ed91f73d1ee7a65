/* What several CPUs are worth: as many processes as there are CPUs, which only compute. Prints `rounds N`: how far the slowest of them comes in a turn, the
 * median of the turns. tools/bench.sh compares two machines of one CPU, side by side, with one of two: on a host whose cores are two threads of one, or whose clock
 * depends on its load, only that says what the second CPU costs. */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 5, TURN_NS = 300000000, MOST = 64 };

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

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	uint64_t turns[TURNS];

	for (int t = 0; t < TURNS; t++)
		turns[t] = slowest((int)sysconf(_SC_NPROCESSORS_ONLN));
	qsort(turns, TURNS, sizeof(turns[0]), by_value);
	printf("rounds %lu\n", turns[TURNS / 2]);
	return 0;
}
