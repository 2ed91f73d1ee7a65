/* A word in shared memory, and waiting for the other process to change it (paper 6.1, `shm`): the CPU goes straight to that process.
 *
 * Who calls it: ring.c, the RPC channels, and programs that need no more than a word. The memory is mmap(MAP_SHARED | MAP_ANONYMOUS) from before a fork. One process
 * sets a word, one waits for it. Whoever is on the other side may scribble over all of it: then the value is wrong, a wait may end late (by WORD_SLEEP_NS) or
 * with an error, and nothing else happens.
 *
 * Waiting: a directed yield, which is all when both are on one CPU. If that is refused the other is on another CPU or sleeps: then whoever else
 * is there runs, and after WORD_ROUNDS rounds the waiter sleeps in a futex, which the setter sees in `sleeping`. */
#pragma once

#include <errno.h>

#include <exos/lib/ipc/peer.h>
#include <exos/lib/x86_64/give.h>

#define WORD_ROUNDS 64
#define WORD_SLEEP_NS 10000000 /* the longest sleep before the other end is looked after again */

struct word {
	_Alignas(64) uint64_t value; /* its own cache line: the other word of a pair is written by the other CPU */
	uint32_t sleeping;           /* somebody may sleep on it */
	uint32_t closed;             /* it will not change any more */
};

int word_wait_slowly(struct word *w, uint64_t seen, const struct peer *p, uint32_t round);
void word_wake(struct word *w);

static inline uint64_t word_get(const struct word *w) { return __atomic_load_n(&w->value, __ATOMIC_ACQUIRE); }

/* What was written before it is seen by whoever sees the value. */
static inline void word_set(struct word *w, uint64_t value)
{
	__atomic_store_n(&w->value, value, __ATOMIC_SEQ_CST); /* before the look at `sleeping`: or both miss each other */
	if (__builtin_expect(__atomic_load_n(&w->sleeping, __ATOMIC_SEQ_CST) != 0, 0))
		word_wake(w);
}

/* Says that there will be no more values; whoever waits goes on. */
void word_close(struct word *w);

/* Waits until the value is another than `seen`. 0, -EPIPE: closed, -ESRCH: the process at the other end is dead. (What that one had set before is
 * still seen first.) Cost: one directed yield there and back, if the other end answers at once. */
static inline int word_wait(struct word *w, uint64_t seen, const struct peer *p)
{
	for (uint32_t round = 0; word_get(w) == seen; round++) {
		int error;

		if (p->env && round < WORD_ROUNDS && !w->closed && give_yield(p->env) == 0)
			continue;
		error = word_wait_slowly(w, seen, p, round);
		if (error)
			return word_get(w) == seen ? error : 0;
	}
	return 0;
}
