/* See threads.h. */
#include <aegis/x86_64/stubs.h>
#include <exos/events.h>
#include <exos/lock.h>
#include <exos/program/handler.h>
#include <exos/sched/threads.h>
#include <exos/x86_64/entry.h>

static void round_robin_ready(struct threads *ts, struct thread *t) { list_append(&ts->ready, &t->ready); }

static struct thread *round_robin_next(struct threads *ts)
{
	struct thread *t;

	if (list_empty(&ts->ready))
		return NULL;
	t = CONTAINER_OF(ts->ready.next, struct thread, ready);
	list_remove(&t->ready);
	return t;
}

const struct thread_policy threads_round_robin = {round_robin_ready, round_robin_next};

/* The program's word counts if it names one that can run. The lock is free while it chooses, so that one may have gone meanwhile. It is not asked on the stack of a thread that waits surely: its answer may be to end. */
static struct thread *program_next(struct threads *ts)
{
	int tid;

	if (list_empty(&ts->ready) || ts->ready.next == ts->ready.previous || handler_runs() || ts->ending || !self->handlers.next_thread || self->thread->waits_surely)
		return round_robin_next(ts);
	tid = handler_next_thread(ts);
	LIST_FOR_EACH(l, &ts->ready) {
		struct thread *t = CONTAINER_OF(l, struct thread, ready);

		if (t->tid != tid)
			continue;
		list_remove(&t->ready);
		return t;
	}
	return round_robin_next(ts);
}

const struct thread_policy threads_program = {round_robin_ready, program_next};

static void keep(struct thread *t)
{
	struct proc *p = t->proc;
	uint64_t used = proc_ticks(p);
	struct signals *s = &p->signals;

	t->ticks += used - p->threads->current_since;
	p->threads->current_since = used;
	t->kept = (struct thread_kept){s->mask, s->saved_mask, s->waited, s->stack_base, s->stack_size, s->stack_flags, s->due, p->restartable_signature,
		p->restartable_area, p->clear_child_tid, p->robust_list, self->library_top, self->handlers.missed, self->handlers.missed_error};
}

static void bring_back(struct thread *t)
{
	struct proc *p = t->proc;
	struct signals *s = &p->signals;
	const struct thread_kept *k = &t->kept;

	s->mask = k->mask;
	s->saved_mask = k->saved_mask;
	s->waited = k->waited;
	s->stack_base = k->stack_base;
	s->stack_size = k->stack_size;
	s->stack_flags = k->stack_flags;
	s->due = k->due;
	s->own = &t->own;
	s->pending = s->shared.set | t->own.set;
	p->restartable_signature = k->restartable_signature;
	p->restartable_area = k->restartable_area;
	p->clear_child_tid = k->clear_child_tid;
	p->robust_list = k->robust_list;
	p->tid = t->tid;
	self->library_top = k->library_top;
	self->handlers.missed = k->missed;
	self->handlers.missed_error = k->missed_error;
	self->stack_top = t->stack_top;
	self->who = (uintptr_t)t;
	self->waiter = &t->waiter;
	self->thread = t;
}

/* Upcalls are off from when self says that another thread runs until its stack is the one in use. An event in between stays pending; the lock is held, and its
 * release looks. */
static void switch_to(struct thread *to)
{
	struct thread *from = self->thread;
	uint32_t depth = self->lock_depth;

	self->upcall.disabled = 1;
	keep(from);
	to->proc->threads->current = to;
	to->state = THREAD_RUNNING;
	bring_back(to);
	exos_switch_thread(from, to);
	/* `from` again, perhaps much later. */
	self->lock_depth = depth;
	self->upcall.disabled = 0;
	threads_switched();
}

void threads_ready(struct thread *t)
{
	struct threads *ts = t->proc->threads;

	if (t->state != THREAD_BLOCKED)
		return;
	t->state = THREAD_READY;
	list_remove(&t->timed);
	ts->policy->ready(ts, t);
}

/* A process that is not asleep in the kernel looks at its threads before it sleeps anyway. */
void threads_wake(struct thread *t)
{
	threads_ready(t);
	if (t->proc->sleeping) {
		aegis_notify(t->proc->env, EVENT_WAKE);
		self->woken = t->proc->env;
	}
}

static void add_timed(struct threads *ts, struct thread *t)
{
	struct list *l = ts->timed.previous; /* mostly those who come later wait longer */

	while (l != &ts->timed && CONTAINER_OF(l, struct thread, timed)->deadline > t->deadline)
		l = l->previous;
	list_append(l->next, &t->timed);
}

static struct thread *first_timed(const struct threads *ts)
{
	return list_empty(&ts->timed) ? NULL : CONTAINER_OF(ts->timed.next, struct thread, timed);
}

static void expire(struct threads *ts)
{
	struct thread *t = first_timed(ts);
	uint64_t now = t ? ticks_now() : 0;

	for (; t && t->deadline <= now; t = first_timed(ts))
		threads_ready(t);
}

/* No other thread may run: the current one is in a handler of the program's, of which there is one stack, or stops the process. */
static bool keeps_cpu(const struct proc *p) { return handler_runs() || p->state == PROC_STOPPED; }

static struct thread *choose(struct thread *current)
{
	struct threads *ts = current->proc->threads;

	if (!keeps_cpu(current->proc))
		return ts->policy->next(ts);
	if (current->state != THREAD_READY)
		return NULL;
	list_remove(&current->ready);
	return current;
}

/* The kernel's sleep, as in wait.c: what makes a thread ready after the lock is free leaves a notification, which lets nobody sleep. */
static void idle(struct thread *current)
{
	struct proc *p = current->proc;
	struct threads *ts = p->threads;
	const struct thread *first = first_timed(ts);
	uint64_t deadline = first ? first->deadline : 0;
	uint32_t depth;

	p->sleeping = true;
	proc_account_stop(p);
	self->upcall.disabled = 1;
	depth = domain_unlock_all();
	exos_sleep(~0ul, deadline, self->woken);
	self->woken = 0;
	self->events |= __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE) &
			~(EVENT_SLICE_END | EVENT_WAKE | EVENT_SIGNAL | EVENT_ALARM);
	self->upcall.disabled = 0;
	domain_relock(depth);
	p->sleeping = false;
	proc_account_start(p);
	events_devices();
	expire(ts);
	if (self->events & EVENT_RECLAIM)
		threads_ready(current); /* somebody has to go and look */
}

/* Until the current one, which can not run now or has let others go first, is chosen again. */
static void dispatch(struct thread *current)
{
	struct thread *next;

	while (!(next = choose(current)))
		idle(current);
	if (next == current)
		current->state = THREAD_RUNNING;
	else
		switch_to(next);
}

static bool any_woken(const struct waiter *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].woken)
			return true;
	return false;
}

static int sleep_until_over(struct thread *t, const struct waiter *w, size_t n, uint64_t deadline)
{
	for (;;) {
		if (any_woken(w, n))
			return 0;
		if (handler_wait_ends(t->proc))
			return -EINTR;
		if (deadline && ticks_now() >= deadline)
			return -ETIMEDOUT;
		t->state = THREAD_BLOCKED;
		t->deadline = deadline;
		if (deadline)
			add_timed(t->proc->threads, t);
		dispatch(t);
	}
}

int threads_sleep(struct waiter *w, size_t n, uint64_t deadline)
{
	struct thread *t = self->thread;
	int result;

	if (t->state != THREAD_RUNNING) { /* the program blocks where it is to choose who runs, which it may not */
		sched_yield_slice();
		return -EINTR;
	}
	t->waiters = w;
	t->waiter_count = n;
	result = sleep_until_over(t, w, n, deadline);
	t->waiter_count = 0;
	if (handler_runs())
		handler_holds_back();
	return result;
}

/* Signals make it ready too, each once. */
void threads_sleep_surely(struct waiter *w)
{
	struct thread *t = self->thread;

	while (!w->woken) {
		t->state = THREAD_BLOCKED;
		t->deadline = 0;
		dispatch(t);
	}
	if (handler_runs())
		handler_holds_back();
}

bool threads_yield(void)
{
	struct thread *t = self->thread;
	struct threads *ts = t->proc->threads;

	expire(ts);
	if (list_empty(&ts->ready) || keeps_cpu(t->proc))
		return false;
	t->state = THREAD_READY;
	ts->policy->ready(ts, t);
	dispatch(t);
	return true;
}

void threads_slice_over(bool may_switch)
{
	struct proc *p = self->proc;
	const struct threads *ts = p->threads;
	bool stopped;

	if (list_empty(&ts->ready) && list_empty(&ts->timed)) /* as it looks without the lock: the next slice's end sees what this does not */
		return;
	if (!may_switch) {
		__atomic_or_fetch(&self->upcall.pending, EVENT_SLICE_END, __ATOMIC_RELAXED);
		return;
	}
	domain_lock();
	stopped = p->ticks_used >= 0; /* by who gives a turn (turn.h) */
	proc_account_start(p);
	threads_yield();
	if (stopped)
		proc_account_stop(p);
	domain_unlock();
}

void threads_leave(struct thread *t)
{
	struct thread *next;

	while (!(next = choose(t)))
		idle(t);
	switch_to(next);
	panic("a thread has come back from its end");
}

void threads_switched(void)
{
	struct threads *ts = self->thread->proc->threads;
	struct thread *gone = ts->gone;

	if (!gone)
		return;
	ts->gone = NULL;
	thread_bury(gone);
}

void exos_thread_begin(struct regs *regs)
{
	self->lock_depth = 1;
	self->upcall.disabled = 0;
	threads_switched();
	domain_unlock();
	if (signals_due(&self->proc->signals))
		signals_take(regs, false);
}
