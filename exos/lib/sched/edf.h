/* Earliest deadline first (Liu, Layland 1973): each client has a job in every period, released at its beginning and due at its end, and of the released jobs the one runs that is due
 * first. While the budgets fill at most the whole CPU no job misses its deadline. A turn lasts to the end of its slice or until the job is done, so a job may wait for one
 * turn of a later one: the admission test is (sum of budget / period) + slice / least period <= 1, which is enough, not necessary.
 * A job that has used its budget and is not done waits for the next period, and its excess is taken from that one's budget (as in a constant-bandwidth server; Abeni, Buttazzo 1998): it
 * misses its own deadline and nobody else's.
 *
 * A client says that its job is done by giving the CPU back to the scheduler (sched_use.back). One that slept over its deadline has a new job released when it wakes.
 * option of make: ticks in a slice, for the admission test; 0: no test beyond the sum. */
#pragma once

#include <exos/lib/sched/sched.h>
#include <exos/lib/sched/tree.h>

struct edf_client {
	struct sched_client client;
	struct tree_node node;      /* start: release; deadline */
	struct tree_node by_period; /* start: the period */
	int64_t left;               /* of its budget */
	uint64_t jobs, missed, overran; /* jobs done; of those, done too late; jobs that used up their budget, which were due before they were done */
};

struct edf {
	struct sched sched;
	struct tree tree, periods; /* of those awake; of all */
	uint64_t slice, used;      /* of the CPU by all, in EDF_WHOLEths */
};
#define EDF_WHOLE (1ul << 32)
