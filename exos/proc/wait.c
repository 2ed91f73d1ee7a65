/* Waiting for children. Whoever collects a zombie takes apart its environment. */
#include <exos/proc/environment.h>
#include <exos/proc/proc.h>
#include <exos/proc/table.h>
#include <exos/self.h>

#define STATUS_CONTINUED 0xffff

static bool matches(const struct proc *child, int which, uint32_t options)
{
	if (!(options & WAIT_ALL) && (child->exit_signal != SIGCHLD) != !!(options & WAIT_OTHERS))
		return false;
	if (which > 0)
		return child->pid == which;
	if (which == -1)
		return true;
	return child->group == (which == 0 ? self->proc->group : -which);
}

static void fill(struct wait_result *result, const struct proc *child, int status)
{
	*result = (struct wait_result){child->pid, status, child->uid, proc_ticks(child) + child->children_ticks};
}

static void collect(struct proc *child)
{
	self->proc->children_ticks += proc_ticks(child) + child->children_ticks;
	environment_destroy(child);
	table_remove(child);
}

/* Is there news of this child that is asked for? Then it is told, and no news any more. */
static bool news(struct proc *child, uint32_t options, struct wait_result *result)
{
	bool keep = options & WAIT_NOREAP;

	if (child->state == PROC_ZOMBIE) {
		if (!(options & WAIT_EXITED))
			return false;
		fill(result, child, child->exit_status);
		if (!keep)
			collect(child);
		return true;
	}
	if (!child->state_news)
		return false;
	if (child->state == PROC_STOPPED && options & WAIT_STOPPED)
		fill(result, child, child->exit_status);
	else if (child->continued && options & WAIT_CONTINUED)
		fill(result, child, STATUS_CONTINUED);
	else
		return false;
	child->state_news = keep;
	return true;
}

int proc_wait(int which, uint32_t options, struct wait_result *result)
{
	struct proc *p = self->proc;

	for (;;) {
		bool any = false;

		LIST_FOR_EACH(l, &p->children) {
			struct proc *child = CONTAINER_OF(l, struct proc, sibling);

			if (!matches(child, which, options))
				continue;
			any = true;
			if (news(child, options, result))
				return 1;
		}
		if (!any)
			return -ECHILD;
		if (options & WAIT_NOHANG)
			return 0;
		if (wait_on(&p->child_news, 0) && signal_interrupts())
			return -ERESTART;
	}
}
