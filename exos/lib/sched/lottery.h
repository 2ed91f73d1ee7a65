/* Lottery scheduling (Waldspurger, Weihl 1994): each slice goes to the holder of a ticket drawn at random. Exact in the long run only: after n slices a client of share p is off by about
 * the root of n p (1 - p). Who used a part f of his slice holds 1/f times his tickets until he wins again (compensation tickets), so that who gives
 * the CPU back early has his share too. The draw descends a tree of sums: O(log n).
 *
 * option of make: the seed; the same seed, the same draws. */
#pragma once

#include <exos/lib/sched/sched.h>

struct lottery_client {
	struct sched_client client;
	uint64_t weight; /* its tickets in LOTTERY_TICKETths, compensation included; 0 while it is asleep */
	size_t place;    /* in the tables, from 1 */
};

struct lottery {
	struct sched sched;
	uint64_t random, promised, total; /* tickets of all clients; weights of those awake */
	/* A Fenwick tree: sums[i] is of the weights at the places i - (lowest bit of i) + 1 .. i. */
	uint64_t *sums;
	struct lottery_client **clients; /* null: the place is free */
	size_t places; /* a power of two: 1 .. places */
	size_t *vacant, vacancies;
};
