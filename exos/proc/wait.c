/* Waiting for children, and taking the dead apart.
 *
 * proc_wait is the parents', proc_reap the keeper's. A zombie's environment is destroyed here, by somebody else than itself. */
#include <exos/proc/environment.h>
#include <exos/proc/exit.h>
#include <exos/proc/table.h>
#include <exos/self.h>
#include <exos/start.h>

static bool selected(const struct proc *child, int which, uint32_t options)
{
	bool others = child->exit_signal != SIGCHLD;

	if (which > 0 ? child->pid != which : which == 0 ? child->group != self->proc->group : which < -1 && child->group != -which)
		return false;
	return (options & WAIT_ALL) || others == !!(options & WAIT_OTHERS);
}

/* Frees the entry of a zombie. Its borrowed environment (vfork) was given back before. */
static void bury(struct proc *child)
{
	struct proc *parent = child->parent;

	parent->children_ticks += proc_ticks(child) + child->children_ticks;
	environment_destroy(child);
	table_remove(child);
}

static void report(struct proc *child, int status, struct wait_result *result)
{
	*result = (struct wait_result){
		.pid = child->pid, .status = status, .uid = child->uid, .ticks = proc_ticks(child) + child->children_ticks};
}

/* Has this child news of the kind asked for? Then they are reported, and are news no more. */
static bool take_news(struct proc *child, uint32_t options, struct wait_result *result)
{
	bool keep = options & WAIT_NOREAP;

	if (child->state == PROC_ZOMBIE && (options & WAIT_EXITED)) {
		report(child, child->exit_status, result);
		if (!keep)
			bury(child);
		return true;
	}
	if (child->state == PROC_STOPPED && child->state_news && (options & WAIT_STOPPED)) {
		report(child, child->exit_status, result);
		child->state_news = keep;
		return true;
	}
	if (child->state == PROC_RUNNING && child->continued && (options & WAIT_CONTINUED)) {
		report(child, 0xffff, result);
		child->continued = keep;
		return true;
	}
	return false;
}

/* 1: result; 0: there are children, without news; -ECHILD. */
static int look(int which, uint32_t options, struct wait_result *result)
{
	bool any = false;

	LIST_FOR_EACH_SAFE(l, following, &self->proc->children) {
		struct proc *child = CONTAINER_OF(l, struct proc, sibling);

		if (!selected(child, which, options))
			continue;
		if (take_news(child, options, result))
			return 1;
		any = true;
	}
	return any ? 0 : -ECHILD;
}

int proc_wait(int which, uint32_t options, struct wait_result *result)
{
	bool interrupted = false;

	for (;;) {
		int found = look(which, options, result);

		if (found || (options & WAIT_NOHANG))
			return found;
		/* News come with a signal: only after another look is it certain that the signal is about something else. */
		if (interrupted && signal_interrupts())
			return -ERESTART;
		interrupted = wait_on(&self->proc->child_news, 0) == -EINTR;
	}
}

static struct proc *find_stopped(bool borrowers)
{
	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);
		const struct aegis_env_info *info = &env_table[env_slot_of(machine_info, p->env)];

		if (p->state != PROC_ZOMBIE && info->id == p->env && info->state == ENV_STOPPED && !!p->vfork_parent == borrowers)
			return p;
	}
	return NULL;
}

/* Looked for anew each time, so that nothing depends on what becomes of the list while one is ended. */
static void end_stopped(bool borrowers)
{
	struct proc *p;

	while ((p = find_stopped(borrowers))) {
		const struct aegis_env_info *info = &env_table[env_slot_of(machine_info, p->env)];

		log_line("process %d (%s) was stopped by the kernel: exception %lu at %lx", p->pid, p->name, info->stop_cause, info->stop_rip);
		exit_stopped(p);
	}
}

void proc_reap(void)
{
	end_stopped(true);
	end_stopped(false);
	LIST_FOR_EACH_SAFE(l, following, &proc_keeper->children) {
		struct proc *p = CONTAINER_OF(l, struct proc, sibling);

		if (p->state == PROC_ZOMBIE)
			bury(p);
	}
}
