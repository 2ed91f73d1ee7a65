/* Schedulers as parts of a program (paper 7.3): who is to have the next slice.
 *
 * Who calls: whoever shares time out, mostly exos/lib/sched/run.h, which has the slices and gives them away; the host tests, which have none. A policy knows nothing of
 * environments: its clients are structures, its time is what it is told. So policies can be replaced one by the other, and nest: a client of one may be a scheduler with clients
 * of its own, in an environment of its own.
 * What is promised: memory is taken in make and join only, as much as there are clients; nothing else fails. No locks: one scheduler, one thread of control.
 *
 * The round of a scheduler: choose, let the client run, charge it with what it has used. Whoever cannot run sleeps, until he is woken. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a client is to have: for a policy of shares its tickets (1 and up), for EDF so many ticks (of the time-stamp counter) in each period of so many. */
struct sched_share {
	uint32_t tickets;
	uint64_t budget, period;
};
#define SCHED_TICKETS_MOST (1ul << 47) /* of all clients together */

/* The common part of a client; a policy's own structure begins with it (client_size says how big that is). All zero but for the share before it joins. */
struct sched_client {
	struct sched_share share; /* changed by share() only, once it has joined */
	void *owner; /* the caller's */
	bool joined, awake;
};

/* What a client has made of its turn. */
struct sched_use {
	uint64_t now;   /* ticks */
	uint64_t ticks; /* for which it had the CPU */
	uint32_t part;  /* of a slice that it used, SCHED_SLICE being a whole one */
	bool back;      /* it gave the CPU back to the scheduler itself: to EDF, its job is done */
};
#define SCHED_SLICE (1u << 20)

struct sched {
	const struct sched_ops *ops;
	uint64_t idle_until; /* when choose finds nobody: the time (ticks) when it may find somebody though nobody wakes; 0: never */
};

struct sched_ops {
	const char *name;
	size_t client_size;
	/* option: what the policy's header says, 0 for what is usual. Null: no memory. */
	struct sched *(*make)(uint64_t option);
	void (*free)(struct sched *); /* its clients stay the caller's */
	/* A new client, asleep. 0, -ENOMEM, -EINVAL (such a share cannot be), -EBUSY (EDF: it cannot be had beside the others). */
	int (*join)(struct sched *, struct sched_client *);
	void (*leave)(struct sched *, struct sched_client *); /* asleep or not */
	/* It can run from now on; it cannot any more. O(log n) */
	void (*wake)(struct sched *, struct sched_client *, uint64_t now);
	void (*sleep)(struct sched *, struct sched_client *);
	/* Whose turn it is; null: nobody's. Whoever turns out not to be able to run is put to sleep, and chosen anew. O(log n) */
	struct sched_client *(*choose)(struct sched *, uint64_t now);
	/* After a turn of the client that choose named and that is still awake. O(log n) */
	void (*charge)(struct sched *, struct sched_client *, const struct sched_use *);
	/* Another share from now on. Errors as join's, and then the old share stays. O(log n) */
	int (*share)(struct sched *, struct sched_client *, const struct sched_share *);
};

extern const struct sched_ops sched_stride, sched_lottery, sched_edf; /* stride.h, lottery.h, edf.h */
