/* Random numbers for tests that attack: the seed is printed, and given again as TEST_SEED in the environment (./exo run --env TEST_SEED=0x...). */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r) /* splitmix64 */
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *r, uint64_t n) { return random_next(r) % n; }

static inline uint64_t random_seed(void)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoul(given, NULL, 0) : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	printf("# TEST_SEED=0x%lx\n", seed);
	fflush(stdout); /* before the worst happens */
	return seed;
}
