/* The wait behind poll and select. Domain lock held. */
#pragma once

#include <exos/linux/files.h>

struct poll_wait {
	struct waiter *waiters;
	size_t count, room;
	bool found;   /* something is ready, or nobody will wait: no more waiters are queued */
	bool again;   /* there is more room for waiters now: look again before sleeping */
	bool crowded; /* not all could be queued: look again soon */
};

/* What of `wanted` (POLL_) holds now; queues a waiter if nothing does. */
uint32_t poll_file(struct poll_wait *w, struct file *f, uint32_t wanted);
void poll_unqueue(struct poll_wait *w);
/* Calls `look` (how many are ready, or -errno) until that is not 0 or time is up (now: at once; deadline in ticks, 0:
 * never). -EINTR. */
int64_t poll_until(int64_t (*look)(struct poll_wait *w, void *what), void *what, bool now, uint64_t deadline);

/* A program's timespec (null: for ever) as a deadline. */
int poll_deadline(uint64_t program, bool *now, uint64_t *deadline);
/* The signal mask that holds during the wait (null: no change), and its end; `result` is handed through. */
int poll_mask(uint64_t program, uint64_t size);
int64_t poll_unmask(uint64_t program, int64_t result);
