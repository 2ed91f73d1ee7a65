/* Process groups and sessions, as POSIX has them. */
#include <exos/proc/proc.h>
#include <exos/self.h>

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

	if (!p || (p != me && p->parent != me))
		return -ESRCH;
	if (group < 0)
		return -EINVAL;
	if (group == 0)
		group = p->pid;
	if (p != me && p->execed)
		return -EACCES;
	if (p->session == p->pid || p->session != me->session)
		return -EPERM;
	if (group != p->pid && !group_in_session(group, me->session))
		return -EPERM;
	p->group = group;
	return 0;
}

int proc_new_session(void)
{
	struct proc *p = self->proc;

	if (p->group == p->pid)
		return -EPERM;
	LIST_FOR_EACH(l, &proc_list)
		if (CONTAINER_OF(l, struct proc, link)->group == p->pid)
			return -EPERM;
	p->session = p->group = p->pid;
	p->tty = NULL;
	return p->pid;
}

/* No member has a parent outside the group but in its session: nobody there could do job control on it. */
bool proc_group_orphaned(int group)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group == group && p->state != PROC_ZOMBIE && p->parent != proc_keeper && p->parent->group != group &&
			p->parent->session == p->session)
			return false;
	}
	return true;
}
