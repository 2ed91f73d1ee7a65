/* Turns (paper 6.1): for those who wait in what may be a conversation, before wait_on. Domain lock held, once, as handlers of system calls hold it.
 *
 * Who has just woken another, and now waits himself, probably waits for him. So he first gives him the rest of his slice by a directed yield, and
 * stays ready to run: he gets the CPU back in any case, from him or in his own next slice, and looks again. Nobody need wake him, so no wake-up is lost.
 * Who then finds nothing goes to sleep, so that an idle machine is idle: only another wake_ of his own makes another turn. */
#pragma once

#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/x86_64/entry.h>

/* Has the current process woken somebody, and no other thread of its own to run? */
static inline bool turn_due(void)
{
	const struct self_page *me = self_here();

	return me->woken && !me->thread;
}

/* Gives whoever was last woken a turn, which is due. The lock is released meanwhile: check the condition again. */
static inline void turn_give(struct wait_queue *q)
{
	struct self_page *me = self_here();
	struct proc *p = me->proc;
	env_id to = me->woken;

	me->woken = 0;
	q->turn = me->env;
	domain_unlock_all();
	if (self->upcall.pending) { /* a signal, or the end of the slice, which then is not his either */
		domain_unlock_events();
		domain_lock_outermost();
		return;
	}
	p->ticks_used += (int64_t)ticks_now(); /* which runs: proc_account_stop */
	exos_yield_inline(to);		       /* refused if he is not ready to run any more: then this was the turn */
	p = self->proc;
	p->ticks_used -= (int64_t)ticks_now();
	domain_lock_outermost();
}
