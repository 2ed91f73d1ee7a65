/* Signals: who has which pending, masks, actions; sending. What becomes of them is in deliver.c. */
#include <exos/heap.h>
#include <exos/proc/deliver.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

#define UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP))
#define STOP_SIGNALS (signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU))
#define IGNORED_BY_DEFAULT (signal_bit(SIGCHLD) | signal_bit(SIGURG) | signal_bit(SIGWINCH) | signal_bit(SIGCONT))

enum signal_default signal_default(int number)
{
	if (signal_bit(number) & STOP_SIGNALS)
		return DEFAULT_STOP;
	return signal_bit(number) & IGNORED_BY_DEFAULT ? DEFAULT_IGNORE : DEFAULT_END;
}

static bool ignored(const struct signals *s, int number)
{
	uint64_t handler = s->actions[number].handler;

	return handler == SIGNAL_IGNORE || (handler == SIGNAL_DEFAULT && signal_default(number) == DEFAULT_IGNORE);
}

static void drop(struct signals *s, signal_set set)
{
	for (signal_set left = s->pending & set; left; left &= left - 1) {
		int number = __builtin_ctzl(left) + 1;

		heap_free(s->info[number]);
		s->info[number] = NULL;
	}
	s->pending &= ~set;
}

/* A stopped process goes on: it was sent SIGCONT, or SIGKILL. */
static void resume(struct proc *p, bool tell)
{
	if (p->state != PROC_STOPPED)
		return;
	p->state = PROC_RUNNING;
	wake_all(&p->resumed);
	if (tell) {
		p->continued = p->state_news = true;
		signal_parent(p, CHILD_CONTINUED, SIGCONT);
	}
}

void signal_send(struct proc *p, int number, const struct signal_info *info)
{
	struct signals *s = &p->signals;
	signal_set bit = signal_bit(number);

	if (p->state == PROC_ZOMBIE || p == proc_keeper)
		return;
	if (number == SIGCONT)
		drop(s, STOP_SIGNALS);
	else if (bit & STOP_SIGNALS)
		drop(s, signal_bit(SIGCONT));
	if (number == SIGCONT || number == SIGKILL)
		resume(p, number == SIGCONT);
	if (s->pending & bit || (ignored(s, number) && !((s->mask | s->waited) & bit)))
		return;
	s->pending |= bit;
	if (info && (s->info[number] = heap_alloc(sizeof(*info)))) /* without memory the number alone must do */
		*s->info[number] = *info;
	if (signal_deliverable(p))
		wake_proc(p);
}

int signal_send_group(int group, int number, const struct signal_info *info)
{
	int sent = 0;

	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group != group || p->state == PROC_ZOMBIE)
			continue;
		signal_send(p, number, info);
		sent++;
	}
	return sent;
}

void signal_force(int number, int code, uint64_t address)
{
	struct proc *p = self->proc;
	struct signals *s = &p->signals;
	struct signal_info info = {.number = number, .code = code, .address = address};

	if (s->mask & signal_bit(number) || s->actions[number].handler == SIGNAL_IGNORE)
		s->actions[number].handler = SIGNAL_DEFAULT;
	s->mask &= ~signal_bit(number);
	signal_send(p, number, &info);
}

bool signal_deliverable(const struct proc *p) { return p->signals.pending & (~p->signals.mask | p->signals.waited); }

int signal_take(struct proc *p, signal_set set, struct signal_info *info)
{
	struct signals *s = &p->signals;
	signal_set have = s->pending & set;
	int number;

	if (!have)
		return 0;
	number = __builtin_ctzl(have) + 1;
	*info = s->info[number] ? *s->info[number] : (struct signal_info){.number = number, .code = SIGNAL_KERNEL};
	info->number = number;
	drop(s, signal_bit(number));
	return number;
}

int signal_set_action(struct proc *p, int number, const struct signal_action *action)
{
	if (number < 1 || number >= SIGNAL_COUNT || signal_bit(number) & UNBLOCKABLE)
		return -EINVAL;
	p->signals.actions[number] = *action;
	p->signals.actions[number].mask &= ~UNBLOCKABLE;
	if (ignored(&p->signals, number))
		drop(&p->signals, signal_bit(number));
	return 0;
}

void signal_set_mask(struct proc *p, signal_set mask) { p->signals.mask = mask & ~UNBLOCKABLE; }

void signal_set_mask_until_handled(struct proc *p, signal_set mask)
{
	struct signals *s = &p->signals;

	if (!s->restore_mask)
		s->saved_mask = s->mask;
	s->restore_mask = true;
	signal_set_mask(p, mask);
}

int signal_set_stack(struct proc *p, uint64_t base, uint64_t size, uint32_t flags)
{
	struct signals *s = &p->signals;

	if (flags & ~(uint32_t)(STACK_ON | STACK_DISABLED | STACK_AUTODISARM))
		return -EINVAL;
	if (flags & STACK_DISABLED)
		base = size = 0;
	else if (size < STACK_MINIMUM)
		return -ENOMEM;
	s->stack_base = base;
	s->stack_size = size;
	s->stack_flags = flags & ~(uint32_t)STACK_ON;
	return 0;
}

bool signal_permitted(const struct proc *to, int number)
{
	const struct proc *from = self->proc;

	return from->euid == 0 || from->euid == to->uid || from->euid == to->suid || from->uid == to->uid || from->uid == to->suid ||
	       (number == SIGCONT && from->session == to->session);
}

void signal_inherit(struct signals *to, const struct signals *from)
{
	to->mask = from->restore_mask ? from->saved_mask : from->mask;
	memcpy(to->actions, from->actions, sizeof(to->actions));
	to->stack_base = from->stack_base;
	to->stack_size = from->stack_size;
	to->stack_flags = from->stack_flags;
}

void signal_exec(struct signals *s)
{
	for (int number = 1; number < SIGNAL_COUNT; number++)
		s->actions[number] = (struct signal_action){
			.handler = s->actions[number].handler == SIGNAL_IGNORE ? SIGNAL_IGNORE : SIGNAL_DEFAULT};
	s->stack_base = s->stack_size = 0;
	s->stack_flags = STACK_DISABLED;
}

void signal_drop_all(struct signals *s) { drop(s, ~0ul); }
