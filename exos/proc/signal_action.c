/* The settings of signals: actions, masks, the alternate stack, and what children and new programs get of them; who may send.
 *
 * Called by the personality, and by fork and exec. Nothing here delivers. */
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/proc/signal_action.h>
#include <exos/proc/thread.h>
#include <exos/self.h>

bool signal_ignored(const struct signals *s, int number)
{
	uint64_t handler = s->actions[number].handler;

	return handler == SIGNAL_IGNORE || (handler == SIGNAL_DEFAULT && (SET_IGNORED & signal_bit(number)));
}

void signal_queue_drop(struct signal_queue *q, signal_set set)
{
	set &= q->set;
	q->set &= ~set;
	for (; set; set &= set - 1) {
		int n = __builtin_ctzl(set) + 1;

		heap_free(q->info[n]);
		q->info[n] = NULL;
	}
}

void signal_forget(struct signals *s, signal_set set)
{
	if (!(s->pending & set))
		return;
	signal_queue_drop(&s->shared, set);
	if (s->own)
		signal_queue_drop(s->own, set);
	s->pending &= ~set;
}

int signal_set_action(struct proc *p, int number, const struct signal_action *action)
{
	struct signals *s = &p->signals;

	if (number < 1 || number >= SIGNAL_COUNT || (SET_UNBLOCKABLE & signal_bit(number)))
		return -EINVAL;
	s->actions[number] = *action;
	s->actions[number].mask &= ~SET_UNBLOCKABLE;
	/* What is ignored from now on is not to come back when it is handled again. */
	if (signal_ignored(s, number))
		signal_forget(s, signal_bit(number));
	return 0;
}

void signal_drop_all(struct signals *s) { signal_forget(s, ~0ul); }

void signal_set_mask(struct proc *p, signal_set mask)
{
	p->signals.mask = mask & ~SET_UNBLOCKABLE;
	if (p->threads && (p->signals.shared.set & mask))
		thread_retarget(p);
}

void signal_set_mask_until_handled(struct proc *p, signal_set mask)
{
	p->signals.saved_mask = p->signals.mask;
	p->signals.restore_mask = true;
	signal_set_mask(p, mask);
}

int signal_set_stack(struct proc *p, uint64_t base, uint64_t size, uint32_t flags)
{
	uint32_t mode = flags & ~STACK_AUTODISARM;

	if (mode != 0 && mode != STACK_ON && mode != STACK_DISABLED)
		return -EINVAL;
	if (mode == STACK_DISABLED) {
		base = size = 0;
	} else if (size < STACK_MINIMUM) {
		return -ENOMEM;
	}
	p->signals.stack_base = base;
	p->signals.stack_size = size;
	p->signals.stack_flags = flags & ~STACK_ON;
	return 0;
}

bool signal_permitted(const struct proc *to, int number)
{
	const struct proc *from = self->proc;

	return from->euid == 0 || from->euid == to->uid || from->euid == to->suid || from->uid == to->uid || from->uid == to->suid ||
	       (number == SIGCONT && from->session == to->session);
}

/* A child has its parent's settings, and no signals yet. */
void signal_inherit(struct signals *to, const struct signals *from)
{
	memcpy(to->actions, from->actions, sizeof(to->actions));
	to->mask = from->restore_mask ? from->saved_mask : from->mask;
	to->stack_base = from->stack_base;
	to->stack_size = from->stack_size;
	to->stack_flags = from->stack_flags;
}

void signal_exec(struct signals *s)
{
	for (int n = 1; n < SIGNAL_COUNT; n++) {
		struct signal_action *action = &s->actions[n];

		*action = (struct signal_action){.handler = action->handler == SIGNAL_IGNORE ? SIGNAL_IGNORE : SIGNAL_DEFAULT};
	}
	s->stack_base = s->stack_size = 0;
	s->stack_flags = STACK_DISABLED;
}
