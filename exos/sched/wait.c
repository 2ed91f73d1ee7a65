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
#include <exos/disk/disk.h>
#include <exos/events.h>
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

/* What devices have for everybody is taken in. What else comes meanwhile is seen by who sleeps: a wake-up in its waiters, the rest in self->events. */
static void take_devices(void)
{
	self->upcall.disabled = 0;
	events_devices();
	self->upcall.disabled = 1;
}

/* The kernel's sleep, once. Who was woken before this has a notification pending, and does not sleep. The keeper is told of its business by EVENT_SIGNAL, which others find in their tables. */
static inline void sleep_once(const struct proc *p, uint64_t deadline)
{
	const uint64_t over = EVENT_SLICE_END | EVENT_WAKE | EVENT_ALARM | (p ? EVENT_SIGNAL : 0);

	if (p && p->serves)
		serve_sleep(deadline, self->woken);
	else
		exos_sleep(~0ul, deadline, self->woken);
	self->woken = 0;
	self->events |= __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE) & ~over;
	if (self->events & EVENTS_DEVICES)
		take_devices();
}

static inline int sleep_disabled(const struct proc *p, const struct waiter *w, size_t n, uint64_t deadline)
{
	do {
		if (p ? handler_wait_ends(p) : self->events != 0)
			return -EINTR;
		if (deadline && ticks_now() >= deadline)
			return -ETIMEDOUT;
		sleep_once(p, deadline);
	} while (!any_woken(w, n));
	return 0;
}

static inline int sleep_surely_disabled(const struct proc *p, const struct waiter *w)
{
	while (!any_woken(w, 1))
		sleep_once(p, 0);
	return 0;
}

static inline int sleep_unlocked(struct waiter *w, size_t n, uint64_t deadline, bool surely)
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
	if (surely)
		result = sleep_surely_disabled(p, w);
	else
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
	return self->thread ? threads_sleep(w, n, deadline) : sleep_unlocked(w, n, deadline, false);
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

/* Where its program chooses who runs, which it does on the stack of a thread that waits itself, no other thread may run: the process sleeps as one. */
static void sleep_surely_in_thread(struct thread *t)
{
	t->waits_surely = true;
	if (t->state == THREAD_RUNNING)
		threads_sleep_surely(&t->sure);
	else
		sleep_unlocked(&t->sure, 1, 0, true);
	t->waits_surely = false;
}

void wait_surely(struct wait_queue *q)
{
	struct thread *t = self->thread;

	wait_add(q, t ? &t->sure : self->waiter);
	if (t)
		sleep_surely_in_thread(t);
	else
		sleep_unlocked(self->waiter, 1, 0, true);
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

/* The kernel may still have to tell this environment of requests to a disk that others wait for by now: as long as it is there, it passes that on. Whoever destroys it holds the lock. */
void exos_final_sleep(void)
{
	self->upcall.disabled = 1;
	domain_unlock_all();
	for (;;) {
		exos_sleep(EVENT_DISK, 0, 0);
		__atomic_fetch_and(&self->upcall.pending, ~(uint64_t)EVENT_DISK, __ATOMIC_ACQUIRE);
		domain_lock();
		disk_input();
		domain_unlock_all();
	}
}
