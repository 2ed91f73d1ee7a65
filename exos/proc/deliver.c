/* What becomes of signals: on the way back to the program, and in waits that they disturb. */
#include <exos/proc/deliver.h>
#include <exos/proc/proc.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/self.h>

#define FAULTS (signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGFPE) | signal_bit(SIGTRAP))
#define UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP))
#define STOPPED_STATUS(number) ((number) << 8 | 0x7f)

void signal_parent(struct proc *p, int code, int status)
{
	struct proc *parent = p->parent;
	struct signal_info info = {.number = SIGCHLD, .code = code, .pid = p->pid, .uid = p->uid, .status = status};
	bool ended = code == CHILD_EXITED || code == CHILD_KILLED;
	int number = ended ? p->exit_signal : SIGCHLD;

	if (number && (ended || !(parent->signals.actions[SIGCHLD].flags & ACTION_NOCLDSTOP))) {
		info.number = number;
		signal_send(parent, number, &info);
	}
	wake_all(&parent->child_news);
}

/* Stops the current process until somebody sends SIGCONT or SIGKILL. Everything else waits in `pending`: blocked, so that it does not end the wait. */
static void stop(int number)
{
	struct proc *p = self->proc;
	signal_set mask = p->signals.mask;

	if (number != SIGSTOP && proc_group_orphaned(p->group))
		return;
	p->state = PROC_STOPPED;
	p->exit_status = STOPPED_STATUS(number);
	p->state_news = true;
	p->continued = false;
	signal_parent(p, CHILD_STOPPED, number);
	p->signals.mask = ~0ul;
	while (p->state == PROC_STOPPED)
		wait_on(&p->resumed, 0);
	p->signals.mask = mask;
}

bool signal_interrupts(void)
{
	struct proc *p = self->proc;
	struct signals *s = &p->signals;

	for (;;) {
		signal_set due = s->pending & ~s->mask;
		struct signal_info info;
		int number;

		if (s->pending & s->waited)
			return true;
		if (!due)
			return false;
		number = __builtin_ctzl(due) + 1;
		if (s->actions[number].handler > SIGNAL_IGNORE ||
			(s->actions[number].handler == SIGNAL_DEFAULT && signal_default(number) == DEFAULT_END))
			return true;
		signal_take(p, signal_bit(number), &info);
		if (s->actions[number].handler == SIGNAL_DEFAULT && signal_default(number) == DEFAULT_STOP)
			stop(number);
	}
}

/* The handler runs when the program goes on. */
static void enter_handler(struct regs *regs, const struct signal_info *info)
{
	struct signals *s = &self->proc->signals;
	struct signal_action action = s->actions[info->number];
	signal_set mask = s->restore_mask ? s->saved_mask : s->mask;

	s->restore_mask = false;
	if (action.flags & ACTION_RESETHAND)
		s->actions[info->number].handler = SIGNAL_DEFAULT;
	if (signal_frame_push(regs, s, info, &action, mask))
		proc_exit(SIGSEGV); /* no stack to tell it on */
	s->mask |= action.mask | (action.flags & ACTION_NODEFER ? 0 : signal_bit(info->number));
	s->mask &= ~UNBLOCKABLE;
}

/* The next to be delivered: first the end, then faults, which belong to the instruction at hand, then by number. */
static int next(struct signal_info *info)
{
	struct proc *p = self->proc;
	signal_set due = p->signals.pending & ~p->signals.mask;

	if (due & signal_bit(SIGKILL))
		due = signal_bit(SIGKILL);
	else if (due & FAULTS)
		due &= FAULTS;
	return signal_take(p, due, info);
}

void signal_deliver(struct regs *regs, bool from_call)
{
	struct signals *s = &self->proc->signals;
	bool restart = from_call && regs->rax == (uint64_t)-ERESTART;
	struct signal_info info;

	for (;;) {
		uint64_t handler;
		int number = next(&info);

		if (!number && s->restore_mask) { /* nothing had a handler that would have put it back */
			s->restore_mask = false;
			s->mask = s->saved_mask;
			continue;
		}
		if (!number)
			break;
		handler = s->actions[number].handler;
		if (handler > SIGNAL_IGNORE && number != SIGKILL) {
			if (restart && s->actions[number].flags & ACTION_RESTART)
				processor_restart_call(regs);
			else if (restart)
				regs->rax = (uint64_t)-EINTR;
			restart = false;
			enter_handler(regs, &info);
		} else if (handler == SIGNAL_DEFAULT || number == SIGKILL) {
			if (signal_default(number) == DEFAULT_END)
				proc_exit(number);
			if (signal_default(number) == DEFAULT_STOP)
				stop(number);
		}
	}
	if (restart)
		processor_restart_call(regs);
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
	signal_set_stack(p, state.stack_base, state.stack_size, state.stack_flags & ~(uint32_t)STACK_ON);
}
