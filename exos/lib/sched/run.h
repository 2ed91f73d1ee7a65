/* Running child processes under a policy: this process has slices, its children have none, and run when it yields to them (paper 7.3).
 *
 * Who calls: a program that is a scheduler (apps/schedule). Its clients are ordinary programs, which know nothing of it; one may be a scheduler of children of its own, to any depth: it
 * then has no slices itself, and shares out what it is given. A turn ends with the slice, or when the client sleeps, ends, or gives the CPU back (give_yield to the scheduler).
 * What is promised: time a client does not use goes to the next one of the policy, but for the rest of a slice in which it went to sleep, which the kernel gives to the next in
 * its vector. Whoever wakes another and sleeps gives that one the rest of its slice, as everywhere in ExOS.
 * A client that sleeps costs no turn; that it is awake again is found by looking at claim words, RUN_LOOKS of them a turn. If nobody can run, the scheduler
 * sleeps, a slice at most at a time. Its own death, however it comes, gives its children slices again (docs/programs.md).
 *
 * One CPU: the process and its children stay on that where it is when run_start is called. One `struct run` a process. SIGCHLD is taken, and every child that ends is waited for. */
#pragma once

#include <sys/types.h>

#include <aegis/types.h>
#include <exos/lib/sched/sched.h>

#define RUN_LOOKS 16

struct run_child {
	struct sched_client *client; /* the policy's, which knows its share */
	pid_t pid;
	env_id env;
	uint64_t turns, ticks; /* it has had */
	struct run_child *next;
	struct run_child *next_asleep, *previous_asleep; /* in a ring; null: it is awake */
};

struct run {
	struct sched *sched;
	struct run_child *children;
	struct run_child *asleep; /* where in the ring to look next */
	uint64_t quantum;
	uint64_t given; /* the end of the slice of which somebody has had a part */
	/* A child has ended: it is out of all lists, and freed after this. May be null. */
	void (*ended)(struct run *, struct run_child *, int status);
};

/* False, errno: no memory, or ENOSYS, this is not ExOS. option: the policy's. */
bool run_start(struct run *, const struct sched_ops *, uint64_t option);
/* A child of this process gives up its slices and is the scheduler's from now on. Null, errno: as of the policy's join and exos_slices. */
struct run_child *run_add(struct run *, pid_t, const struct sched_share *);
/* One turn of one child, or a sleep of this process while none can run. False: there are no children. */
bool run_turn(struct run *);
/* Lets go of children that still are there: they hold slices again. */
void run_end(struct run *);
