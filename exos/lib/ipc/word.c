/* Waiting for a shared word when the CPU cannot simply be given to the one who is to change it. */
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <exos/lib/ipc/word.h>

enum { FUTEX_WAIT, FUTEX_WAKE }; /* Linux's, whose headers a program for musl does not have */

/* A futex compares 32 bits: the low half, which changes whenever the value does by less than 4 GiB. */
static void word_sleep(struct word *w, uint64_t seen)
{
	struct timespec most = {.tv_nsec = WORD_SLEEP_NS};

	__atomic_store_n(&w->sleeping, 1, __ATOMIC_SEQ_CST);
	if (word_get(w) == seen && !__atomic_load_n(&w->closed, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &w->value, FUTEX_WAIT, (uint32_t)seen, &most, NULL, 0);
	__atomic_store_n(&w->sleeping, 0, __ATOMIC_SEQ_CST);
}

int word_wait_slowly(struct word *w, uint64_t seen, const struct peer *p, uint32_t round)
{
	if (__atomic_load_n(&w->closed, __ATOMIC_ACQUIRE))
		return -EPIPE;
	if (round < WORD_ROUNDS)
		return peer_wait(p, round);
	if (peer_gone(p))
		return -ESRCH;
	word_sleep(w, seen);
	return 0;
}

void word_wake(struct word *w) { syscall(SYS_futex, &w->value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

void word_close(struct word *w)
{
	__atomic_store_n(&w->closed, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->sleeping, __ATOMIC_SEQ_CST))
		word_wake(w);
}
