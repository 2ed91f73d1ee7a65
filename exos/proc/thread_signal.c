/* Signals in a process with threads: who is to see to one. See thread.h.
 *
 * One that was sent to a thread waits for it; one for the process goes to whoever does not block it, the running thread before others. Nobody is bound to it by that:
 * whoever comes back to the program first takes it, and who was woken for nothing goes on waiting. */
#include <exos/proc/thread.h>
#include <exos/sched/threads.h>

static bool takes(const struct thread *t, signal_set bit)
{
	signal_set waited = t->proc->threads->current == t ? t->proc->signals.waited : t->kept.waited;

	return bit & (~thread_mask(t) | waited);
}

static struct thread *taker(const struct threads *ts, signal_set bit)
{
	if (takes(ts->current, bit) && ts->current->state != THREAD_GONE)
		return ts->current;
	LIST_FOR_EACH(l, &ts->all) {
		struct thread *t = CONTAINER_OF(l, struct thread, link);

		if (takes(t, bit))
			return t;
	}
	return NULL;
}

void thread_signal(struct proc *p, struct thread *t, signal_set bit)
{
	struct threads *ts = p->threads;

	if (!t || t == ts->current)
		p->signals.pending |= bit;
	if (!t)
		t = taker(ts, bit);
	else if (!takes(t, bit))
		return;
	if (!t || (p->state == PROC_STOPPED && bit != signal_bit(SIGKILL)))
		return;
	threads_ready(t);
	if (t == ts->current || p->sleeping)
		wake_proc(p);
}

void thread_retarget(struct proc *p)
{
	for (signal_set set = p->signals.shared.set; set; set &= set - 1)
		thread_signal(p, NULL, set & -set);
}
