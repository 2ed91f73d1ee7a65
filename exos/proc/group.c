/* Process groups and sessions: who belongs together towards a terminal.
 *
 * A group is orphaned when no member has a parent in another group of the same session: nobody is left who could continue it. */
#include <exos/proc/group.h>
#include <exos/self.h>

/* As things are when `leaving` is not there any more. */
static bool orphaned_without(int group, const struct proc *leaving)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group != group || p == leaving || p->state == PROC_ZOMBIE || p->parent == proc_keeper || p->parent == leaving)
			continue;
		if (p->parent->group != group && p->parent->session == p->session)
			return false;
	}
	return true;
}

bool proc_group_orphaned(int group) { return orphaned_without(group, NULL); }

static bool has_stopped(int group, const struct proc *leaving)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group == group && p != leaving && p->state == PROC_STOPPED)
			return true;
	}
	return false;
}

static void check_orphaned(int group, const struct proc *leaving, bool was_connected)
{
	if (was_connected && has_stopped(group, leaving) && orphaned_without(group, leaving)) {
		signal_send_group(group, SIGHUP, NULL);
		signal_send_group(group, SIGCONT, NULL);
	}
}

void group_leave(struct proc *p)
{
	const struct proc *parent = p->parent;

	check_orphaned(p->group, p, parent->group != p->group && parent->session == p->session);
	LIST_FOR_EACH(l, &p->children) {
		const struct proc *child = CONTAINER_OF(l, struct proc, sibling);

		check_orphaned(child->group, p, child->group != p->group && child->session == p->session);
	}
}

static bool group_in_session(int group, int session)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group == group && p->session == session)
			return true;
	}
	return false;
}

int proc_set_group(int pid, int group)
{
	struct proc *me = self->proc, *p = pid ? proc_find(pid) : me;

	if (group < 0)
		return -EINVAL;
	if (!p || (p != me && p->parent != me))
		return -ESRCH;
	if (!group)
		group = p->pid;
	if (p != me && p->session != me->session)
		return -EPERM;
	if (p != me && p->execed)
		return -EACCES;
	if (p->session == p->pid || (group != p->pid && !group_in_session(group, me->session)))
		return -EPERM;
	p->group = group;
	return 0;
}

int proc_new_session(void)
{
	struct proc *me = self->proc;

	LIST_FOR_EACH(l, &proc_list) {
		if (CONTAINER_OF(l, struct proc, link)->group == me->pid)
			return -EPERM;
	}
	me->session = me->group = me->pid;
	me->tty = NULL;
	return me->pid;
}
