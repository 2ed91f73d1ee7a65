/* Blocking on the kernel's sleep, waking by its notify; or, where a turn is enough, without either.
 *
 * A turn (paper 6.1): who has just woken another, and now waits himself, probably waits for him. So he first gives him the rest of his slice by a directed
 * yield, and stays ready to run: he gets the CPU back in any case, from him or in his own next slice, and looks again. Nobody need wake him.
 * Who finds nothing then goes to sleep, so that an idle machine is idle: only another wake_ of his own makes another turn.
 *
 * No wake-up is lost: from before the last look at `woken` until after the sleep, upcalls are disabled, so that a notification in between
 * stays pending and the kernel's sleep returns at once (include/aegis/upcall.h). Nothing in that stretch may fault: it touches the self page, the
 * library stack and the window only. */
#include <aegis/x86_64/stubs.h>
#include <exos/events.h>
#include <exos/interface/interface.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/sched/threads.h>
#include <exos/sched/wait.h>
#include <exos/self.h>
#include <exos/x86_64/entry.h>

void wait_add(struct wait_queue *q, struct waiter *w)
{
	w->who = self->who;
	w->woken = false;
	list_append(&q->waiters, &w->link);
}

void wait_add_watch(struct wait_queue *q, struct wait_watch *w)
{
	w->waiter.who = 0;
	w->waiter.woken = false;
	list_append(&q->waiters, &w->waiter.link);
}

void wait_remove(struct waiter *w)
{
	if (!w->woken)
		list_remove(&w->link);
}

static inline bool any_woken(const struct waiter *w, size_t n)
{
	if (n == 1)
		return __atomic_load_n(&w->woken, __ATOMIC_ACQUIRE);
	for (size_t i = 0; i < n; i++)
		if (__atomic_load_n(&w[i].woken, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Packets have come, which are everybody's to take in. What else comes meanwhile is seen by who sleeps: a wake-up in its waiters, the rest in self->events. */
static void take_packets(void)
{
	self->events &= ~(uint64_t)EVENT_NET;
	self->upcall.disabled = 0;
	interface_event();
	self->upcall.disabled = 1;
}

static inline int sleep_disabled(const struct proc *p, const struct waiter *w, size_t n, uint64_t deadline)
{
	do { /* who was woken before this has a notification pending, and does not sleep */
		if (p ? handler_wait_ends(p) : self->events != 0)
			return -EINTR;
		if (deadline && ticks_now() >= deadline)
			return -ETIMEDOUT;
		if (p && p->serves)
			serve_sleep(deadline, self->woken);
		else
			exos_sleep(~0ul, deadline, self->woken);
		self->woken = 0;
		self->events |= __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE) &
				~(EVENT_SLICE_END | EVENT_WAKE | EVENT_SIGNAL | EVENT_ALARM);
		if (self->events & EVENT_NET)
			take_packets();
	} while (!any_woken(w, n));
	return 0;
}

static inline int sleep_unlocked(struct waiter *w, size_t n, uint64_t deadline)
{
	struct proc *p = self->proc;
	uint32_t depth;
	int result;

	if (p) {
		p->sleeping = true;
		proc_account_stop(p);
	}
	self->upcall.disabled = 1;
	depth = domain_unlock_all();
	result = sleep_disabled(p, w, n, deadline);
	self->upcall.disabled = 0;
	domain_relock(depth);
	if (p) {
		p->sleeping = false;
		proc_account_start(p);
		if (handler_runs())
			handler_holds_back();
	}
	return result;
}

static inline int sleep_any(struct waiter *w, size_t n, uint64_t deadline)
{
	return self->thread ? threads_sleep(w, n, deadline) : sleep_unlocked(w, n, deadline);
}

int wait_sleep(struct waiter *w, size_t n, uint64_t deadline) { return sleep_any(w, n, deadline); }

int wait_on(struct wait_queue *q, uint64_t deadline)
{
	struct waiter *w = self->waiter;
	int result;

	wait_add(q, w);
	result = sleep_any(w, 1, deadline);
	wait_remove(w);
	return result;
}

static void wake(struct waiter *w)
{
	list_remove(&w->link);
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
	if (w->who == self->env)
		return;
	if (w->who > UINT32_MAX) {
		threads_wake((struct thread *)w->who);
	} else {
		aegis_notify((env_id)w->who, EVENT_WAKE); /* fails only if that environment was stopped */
		self->woken = (env_id)w->who;
	}
}

void wake_one(struct wait_queue *q)
{
	if (!list_empty(&q->waiters))
		wake(CONTAINER_OF(q->waiters.next, struct waiter, link));
}

void wake_sleepers(struct wait_queue *q)
{
	bool taken = false;

	LIST_FOR_EACH_SAFE(l, following, &q->waiters) {
		struct waiter *w = CONTAINER_OF(l, struct waiter, link);
		struct wait_watch *watch = CONTAINER_OF(w, struct wait_watch, waiter);

		if (w->who)
			wake(w);
		else if (!watch->exclusive)
			watch->woken(watch);
		else if (!taken)
			taken = watch->woken(watch);
	}
}

void wake_proc(struct proc *p)
{
	if (p->env && p->env != self->env)
		aegis_notify(p->env, EVENT_SIGNAL);
}

void sched_yield_slice(void)
{
	uint32_t depth = domain_unlock_all();

	exos_yield(0);
	domain_relock(depth);
}

void exos_final_sleep(void)
{
	domain_unlock_all();
	for (;;)
		exos_sleep(0, 0, 0);
}
