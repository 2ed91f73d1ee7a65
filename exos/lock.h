/* The domain lock: guards everything that the environments of a domain share.
 *
 * One lock, recursive, recording its holder. It is right under preemption, and so on several CPUs: its holder's
 * slice may end inside, in which case the end-of-slice upcall leaves the event pending and the release takes it. Whoever waits for it
 * yields to the holder. An environment that was stopped while it held the lock is found out by the next to want it. */
#pragma once

#include <exos/base.h>

void domain_lock(void);
void domain_unlock(void);
/* Gives the lock up however often it is held, returning the depth for domain_relock: for those who go to sleep. */
uint32_t domain_unlock_all(void);
void domain_relock(uint32_t depth);
bool domain_locked(void); /* by this environment: for assertions */
