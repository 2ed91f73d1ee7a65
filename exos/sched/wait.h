/* Blocking: wait queues over the kernel's sleep and notify. Domain lock held. */
#pragma once

#include <exos/self.h>

struct proc;

struct wait_queue {
	struct list waiters;
	env_id turn; /* who looks again by itself, its turn over, without being among the waiters; or 0 */
};
/* Wakers are other environments: a waiter is heap memory or part of a shared object, never on a stack, which only its own environment sees. */
struct waiter {
	struct list link;
	uint64_t who; /* the env_id of a process without threads, or a struct thread; 0: it is a struct wait_watch's */
	bool woken;
};

/* A function in a queue, in place of somebody who sleeps: called whenever all are woken, with the lock held, and stays in the queue until it is removed (wait_remove). It may
 * wake others but not touch the queue that it is called from. */
struct wait_watch {
	struct waiter waiter;
	bool exclusive; /* of those that are, one is enough: the others are not called once one of them says that it has woken somebody */
	bool (*woken)(struct wait_watch *w);
};

static inline void wait_queue_init(struct wait_queue *q) 
{
	list_init(&q->waiters);
	q->turn = 0;
}
/* Sleeps until woken, a deliverable signal is pending (-EINTR) or `deadline` (ticks of the time-stamp counter; 0: none) has
 * passed (-ETIMEDOUT). The lock is released meanwhile: check the condition again. */
int wait_on(struct wait_queue *q, uint64_t deadline);
/* Sleeps until woken, whatever else comes meanwhile: for what must not be left half done, and is over soon without anybody's doing (a disk's answer). Signals and events stay pending. The lock is
 * released meanwhile. */
void wait_surely(struct wait_queue *q);
/* Waiting on several queues at once (poll): add waiters, sleep once, remove them. wait_sleep's results as wait_on's. */
void wait_add(struct wait_queue *q, struct waiter *w);
void wait_remove(struct waiter *w);
void wait_add_watch(struct wait_queue *q, struct wait_watch *w);
int wait_sleep(struct waiter *w, size_t n, uint64_t deadline);
void wake_one(struct wait_queue *q);
void wake_sleepers(struct wait_queue *q);
static inline void wake_all(struct wait_queue *q)
{
	if (q->turn) {
		self->woken = q->turn;
		q->turn = 0;
	}
	if (!list_empty(&q->waiters))
		wake_sleepers(q);
}
/* One of them is enough. Who has a turn will look by himself, or has looked, found nothing, and sleeps like the others: so one of those is woken all the same. */
static inline void wake_somebody(struct wait_queue *q)
{
	if (q->turn) {
		self->woken = q->turn;
		q->turn = 0;
	}
	wake_one(q);
}
/* Makes a process look at its pending signals, waking it from any wait. */
void wake_proc(struct proc *p);
void sched_yield_slice(void);

/* Time: nanoseconds since boot (monotonic), and of the calendar; conversion for deadlines. No lock needed. */
uint64_t time_monotonic(void);
uint64_t time_calendar(void);
void time_set_calendar(uint64_t ns);
uint64_t time_deadline(uint64_t ns_from_now); /* in ticks; never 0 */
uint64_t ticks_now(void);
uint64_t time_of_ticks(uint64_t ticks); /* ns */
uint64_t time_to_ticks(uint64_t ns);
void time_start(uint64_t calendar_seconds); /* once, by start.c */
