/* Signals: what becomes of them from the sender to the handler.
 *
 * Sent by anyone who holds the domain lock; acted upon only by the process itself, on its way back to its program, or in a wait.
 * A process that is to act is notified, which ends its wait or interrupts its program. */
#include <exos/events.h>
#include <exos/heap.h>
#include <exos/proc/exit.h>
#include <exos/proc/proc.h>
#include <exos/proc/signal_action.h>
#include <exos/proc/thread.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/program/handler.h>
#include <exos/self.h>

/* Raised by what the program itself did: told first, so that the handler sees the state that it concerns. */
#define SET_SYNCHRONOUS \
	(signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) | signal_bit(SIGFPE) | signal_bit(SIGSYS))

static void go_on(struct proc *p)
{
	p->state = PROC_RUNNING;
	p->state_news = false;
	wake_all(&p->resumed);
}

/* What a signal does at once, whether its target handles, blocks or ignores it. */
static void effect_of_sending(struct proc *p, int number)
{
	if (number == SIGCONT) {
		signal_forget(&p->signals, SET_STOP);
		if (p->state == PROC_STOPPED) {
			go_on(p);
			p->continued = true;
			exit_tell_parent(p, CHILD_CONTINUED, SIGCONT);
		}
	} else if (SET_STOP & signal_bit(number)) {
		signal_forget(&p->signals, signal_bit(SIGCONT));
	} else if (number == SIGKILL && p->state == PROC_STOPPED) {
		go_on(p);
	}
	if (number == SIGKILL && !p->slices.held && !p->vfork_parent) { /* whoever schedules it need not agree to its end */
		p->slices.lent = false;
		cpus_give(p);
	}
}

void signal_send_thread(struct proc *p, struct thread *t, int number, const struct signal_info *info)
{
	struct signals *s = &p->signals;
	signal_set bit = signal_bit(number);
	struct signal_queue *q = t ? &t->own : &s->shared;

	if (p == proc_keeper || p->service || p->state == PROC_ZOMBIE)
		return;
	effect_of_sending(p, number);
	if ((q->set & bit) || (signal_ignored(s, number) && !((t ? thread_mask(t) : s->mask) & bit)))
		return;
	q->set |= bit;
	if (info) {
		q->info[number] = heap_alloc(sizeof(*info));
		if (q->info[number]) {
			*q->info[number] = *info;
			q->info[number]->number = number;
		}
	}
	if (p->threads) {
		thread_signal(p, t, bit);
		return;
	}
	s->pending |= bit;
	if (signal_deliverable(p))
		wake_proc(p);
}

void signal_send(struct proc *p, int number, const struct signal_info *info) { signal_send_thread(p, NULL, number, info); }

int signal_send_group(int group, int number, const struct signal_info *info)
{
	int count = 0;

	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group != group || p == proc_keeper)
			continue;
		signal_send(p, number, info);
		count++;
	}
	return count;
}

void signal_force(int number, int code, uint64_t address)
{
	struct signals *s = &self->proc->signals;
	struct signal_info info = {.code = code, .address = address};

	if ((s->mask & signal_bit(number)) || s->actions[number].handler == SIGNAL_IGNORE)
		s->actions[number].handler = SIGNAL_DEFAULT;
	s->mask &= ~signal_bit(number);
	signal_forget(s, signal_bit(number));
	signal_send_thread(self->proc, self->thread, number, &info);
}

bool signal_deliverable(const struct proc *p)
{
	const struct signals *s = &p->signals;
	signal_set set = s->pending & (~s->mask | s->waited);

	/* Nothing but its end gets through to a stopped process; what continues it has made it running already. */
	return p->state == PROC_STOPPED ? set & signal_bit(SIGKILL) : set != 0;
}

int signal_take(struct proc *p, signal_set set, struct signal_info *info)
{
	struct signals *s = &p->signals;
	struct signal_queue *q;
	int number;

	set &= s->pending;
	if (!set)
		return 0;
	if (set & signal_bit(SIGKILL))
		set = signal_bit(SIGKILL);
	else if (set & SET_SYNCHRONOUS)
		set &= SET_SYNCHRONOUS;
	number = __builtin_ctzl(set) + 1;
	*info = (struct signal_info){.number = number, .code = SIGNAL_KERNEL};
	q = s->own && (s->own->set & signal_bit(number)) ? s->own : &s->shared;
	if (q->info[number])
		*info = *q->info[number];
	heap_free(q->info[number]);
	q->info[number] = NULL;
	q->set &= ~signal_bit(number);
	s->pending = s->shared.set | (s->own ? s->own->set : 0);
	return number;
}

/* Stops the current process until it is continued or killed. */
static void stop(struct proc *p, int number)
{
	/* Nobody would continue the members of a group that its session has lost sight of. */
	if (number != SIGSTOP && proc_group_orphaned(p->group))
		return;
	p->state = PROC_STOPPED;
	p->state_news = true;
	p->continued = false;
	p->exit_status = number << 8 | 0x7f;
	exit_tell_parent(p, CHILD_STOPPED, number);
	while (p->state == PROC_STOPPED)
		wait_on(&p->resumed, 0);
}

static void act_by_default(struct proc *p, int number)
{
	if (SET_STOP & signal_bit(number))
		stop(p, number);
	else if (!(SET_IGNORED & signal_bit(number)))
		proc_exit(number);
}

static void enter_handler(struct regs *regs, struct proc *p, const struct signal_info *info)
{
	struct signals *s = &p->signals;
	struct signal_action *action = &s->actions[info->number];
	signal_set mask = s->restore_mask ? s->saved_mask : s->mask;

	if (signal_frame_push(regs, s, info, action, mask)) {
		/* A handler for this very failure would fail in the same way. */
		if (info->number == SIGSEGV)
			action->handler = SIGNAL_DEFAULT;
		signal_force(SIGSEGV, SIGNAL_KERNEL, 0);
		return;
	}
	s->restore_mask = false;
	signal_set_mask(p, s->mask | action->mask | (action->flags & ACTION_NODEFER ? 0 : signal_bit(info->number)));
	if (action->flags & ACTION_RESETHAND)
		action->handler = SIGNAL_DEFAULT;
}

void signal_deliver(struct regs *regs, bool from_call)
{
	struct proc *p = self->proc;
	struct signals *s = &p->signals;
	bool interrupted = from_call && regs->cause == CAUSE_FOREIGN && (int64_t)regs->rax == -ERESTART;
	struct signal_info info;
	int number;

	while ((number = signal_take(p, ~s->mask, &info))) {
		const struct signal_action *action = &s->actions[number];

		if (action->handler == SIGNAL_IGNORE)
			continue;
		if (action->handler == SIGNAL_DEFAULT) {
			act_by_default(p, number);
			continue;
		}
		if (interrupted && (action->flags & ACTION_RESTART))
			processor_restart_call(regs);
		else if (interrupted)
			regs->rax = (uint64_t)-EINTR;
		interrupted = false;
		enter_handler(regs, p, &info);
	}
	if (interrupted)
		processor_restart_call(regs);
	if (s->restore_mask) {
		s->restore_mask = false;
		signal_set_mask(p, s->saved_mask);
	}
}

bool signal_interrupts(void)
{
	struct proc *p = self->proc;
	struct signals *s = &p->signals;

	if (handler_runs()) /* what ends a wait of its is its own end, or that it may not wait there at all (sched/threads.c) */
		return true;
	for (;;) {
		signal_set set = s->pending & ~s->mask;
		struct signal_info info;
		int number = set ? __builtin_ctzl(set) + 1 : 0;

		if (s->pending & s->waited || self->events & EVENT_RECLAIM)
			return true;
		if (!number)
			return false;
		if (!signal_ignored(s, number) && (s->actions[number].handler != SIGNAL_DEFAULT || !(SET_STOP & signal_bit(number))))
			return true;
		signal_take(p, signal_bit(number), &info);
		if (!signal_ignored(s, number))
			stop(p, number);
	}
}

bool signal_ends(void)
{
	const struct signals *s = &self->proc->signals;
	signal_set set = s->pending & ~s->mask;

	if (set & signal_bit(SIGKILL))
		return true;
	for (set &= handler_runs() ? 0 : ~(SET_STOP | SET_IGNORED); set; set &= set - 1)
		if (s->actions[__builtin_ctzl(set) + 1].handler == SIGNAL_DEFAULT)
			return true;
	return false;
}

void signal_return(struct regs *regs)
{
	struct proc *p = self->proc;
	struct signal_frame_state state;

	if (signal_frame_pop(regs, &state)) {
		signal_force(SIGSEGV, SIGNAL_KERNEL, 0);
		return;
	}
	signal_set_mask(p, state.mask);
	/* The program may have put anything there; what is no stack leaves the present one. */
	signal_set_stack(p, state.stack_base, state.stack_size, state.stack_flags);
}
