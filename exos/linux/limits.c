/* Resource limits and priorities, of oneself and others. Called from the table of calls. */
#include <exos/linux/linux.h>

struct linux_rlimit {
	uint64_t soft, hard;
};

static struct linux_rlimit limit_of(const struct proc *p, uint32_t resource)
{
	return (struct linux_rlimit){p->limits[resource][0], p->limits[resource][1]};
}

/* That on the stack holds from the next program on. */
static int limit_set(struct proc *p, uint32_t resource, uint64_t program)
{
	struct linux_rlimit limit;

	if (copy_in(&limit, ADDRESS(const void, program), sizeof(limit)))
		return -EFAULT;
	if (limit.soft > limit.hard)
		return -EINVAL;
	if (limit.hard > p->limits[resource][1] && self->proc->euid)
		return -EPERM;
	p->limits[resource][0] = limit.soft;
	p->limits[resource][1] = limit.hard;
	return 0;
}

int64_t linux_getrlimit(struct regs *r)
{
	uint32_t resource = (uint32_t)A0(r);
	struct linux_rlimit limit;

	if (resource >= LIMIT_COUNT)
		return -EINVAL;
	limit = limit_of(self->proc, resource);
	return copy_out(ADDRESS(void, A1(r)), &limit, sizeof(limit));
}

int64_t linux_setrlimit(struct regs *r)
{
	return (uint32_t)A0(r) < LIMIT_COUNT ? limit_set(self->proc, (uint32_t)A0(r), A1(r)) : -EINVAL;
}

/* Others' limits: only of those who never are anybody else than the caller. */
static bool may_limit(const struct proc *p)
{
	const struct proc *me = self->proc;

	return p == me || me->euid == 0 ||
	       (p->uid == me->uid && p->euid == me->uid && p->suid == me->uid && p->gid == me->gid &&
		       p->egid == me->gid && p->sgid == me->gid);
}

int64_t linux_prlimit64(struct regs *r)
{
	struct proc *p = (int)A0(r) ? proc_find((int)A0(r)) : self->proc;
	uint32_t resource = (uint32_t)A1(r);
	struct linux_rlimit old;
	int error;

	if (!p)
		return -ESRCH;
	if (!may_limit(p))
		return -EPERM;
	if (resource >= LIMIT_COUNT)
		return -EINVAL;
	old = limit_of(p, resource);
	if (A2(r) && (error = limit_set(p, resource, A2(r))))
		return error;
	return A3(r) ? copy_out(ADDRESS(void, A3(r)), &old, sizeof(old)) : 0;
}

/* Does anybody have this process number, group or user (0: the caller's)? 0, -ESRCH or -EINVAL. */
static int priority_whose(uint64_t which, uint32_t who)
{
	enum { PRIORITY_PROCESS, PRIORITY_GROUP, PRIORITY_USER };

	if ((uint32_t)which > PRIORITY_USER)
		return -EINVAL;
	if (!who)
		return 0;
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);
		uint32_t ids[] = {
			[PRIORITY_PROCESS] = (uint32_t)p->pid,
			[PRIORITY_GROUP] = (uint32_t)p->group,
			[PRIORITY_USER] = p->uid,
		};

		if (ids[(uint32_t)which] == who)
			return 0;
	}
	return -ESRCH;
}

/* Slices are equal: everybody's nice value is 0, which this call tells as 20 less it. */
int64_t linux_getpriority(struct regs *r)
{
	int error = priority_whose(A0(r), (uint32_t)A1(r));

	return error ? error : 20;
}

int64_t linux_setpriority(struct regs *r)
{
	int error = priority_whose(A0(r), (uint32_t)A1(r));

	if (error)
		return error;
	return (int)A2(r) == 0 ? 0 : -EPERM;
}
