/* The domain lock: guards everything that the environments of a domain share.
 *
 * One lock, recursive, recording its holder. It is right under preemption, and so on several CPUs: its holder's
 * slice may end inside, in which case the end-of-slice upcall leaves the event pending and the release takes it. Whoever waits for it
 * yields to the holder. An environment that was stopped while it held the lock is found out by the next to want it. */
#pragma once

#include <exos/self.h>

extern env_id domain_holder; /* 0: free. Itself the lock; for the functions below only */
void domain_lock_contended(void);
void domain_unlock_events(void);

/* For who is known not to hold it, */
static inline void domain_lock_outermost(void)
{
	env_id nobody = 0;

	self->lock_depth = 1; /* first, so that an event in between does not yield with the lock just taken */
	if (!__atomic_compare_exchange_n(&domain_holder, &nobody, self->env, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		domain_lock_contended();
}

/* or to hold it once. */
static inline void domain_unlock_outermost(void)
{
	__atomic_store_n(&domain_holder, 0, __ATOMIC_RELEASE);
	self->lock_depth = 0;
	if (self->upcall.pending)
		domain_unlock_events();
}

static inline void domain_lock(void)
{
	if (self->lock_depth)
		self->lock_depth++;
	else
		domain_lock_outermost();
}

static inline void domain_unlock(void)
{
	if (self->lock_depth > 1)
		self->lock_depth--;
	else
		domain_unlock_outermost();
}

/* Gives the lock up however often it is held, returning the depth for domain_relock: for those who go to sleep. */
static inline uint32_t domain_unlock_all(void)
{
	uint32_t depth = self->lock_depth;

	__atomic_store_n(&domain_holder, 0, __ATOMIC_RELEASE);
	self->lock_depth = 0;
	return depth;
}
static inline void domain_relock(uint32_t depth)
{
	domain_lock_outermost();
	self->lock_depth = depth;
}
bool domain_locked(void); /* by this environment: for assertions */
