/* Who a process is: numbers, users, groups and sessions. Called from the table of calls; those that only read a number are in its list of fields. */
#include <exos/linux/linux.h>

#define ID_KEEP UINT32_MAX /* in place of an id: as it is */

/* The ids of one kind that the current process has: users, or groups. */
struct ids {
	uint32_t *real, *effective, *saved;
};

static struct ids users(void)
{
	struct proc *p = self->proc;

	return (struct ids){&p->uid, &p->euid, &p->suid};
}

static struct ids groups(void)
{
	struct proc *p = self->proc;

	return (struct ids){&p->gid, &p->egid, &p->sgid};
}

static bool is_privileged(void) { return self->proc->euid == 0; }

static bool is_one_of(const struct ids *ids, uint32_t id)
{
	return id == *ids->real || id == *ids->effective || id == *ids->saved;
}

static void assign(struct ids *ids, uint32_t real, uint32_t effective, uint32_t saved)
{
	/* A parent must not signal with the help of its child what it could not signal itself. */
	if (effective != *ids->effective)
		self->proc->death_signal = 0;
	*ids->real = real;
	*ids->effective = effective;
	*ids->saved = saved;
}

static int64_t set_one(struct ids ids, uint32_t id)
{
	if (id == ID_KEEP)
		return -EINVAL;
	if (is_privileged())
		assign(&ids, id, id, id);
	else if (id == *ids.real || id == *ids.saved)
		assign(&ids, *ids.real, id, *ids.saved);
	else
		return -EPERM;
	return 0;
}

/* The saved id follows the effective one unless this only swaps back what was swapped before. */
static int64_t set_two(struct ids ids, uint32_t real, uint32_t effective)
{
	bool follow = real != ID_KEEP || (effective != ID_KEEP && effective != *ids.real);

	if (!is_privileged()) {
		if (real != ID_KEEP && real != *ids.real && real != *ids.effective)
			return -EPERM;
		if (effective != ID_KEEP && !is_one_of(&ids, effective))
			return -EPERM;
	}
	real = real == ID_KEEP ? *ids.real : real;
	effective = effective == ID_KEEP ? *ids.effective : effective;
	assign(&ids, real, effective, follow ? effective : *ids.saved);
	return 0;
}

static int64_t set_three(struct ids ids, const struct regs *r)
{
	uint32_t wanted[3] = {(uint32_t)A0(r), (uint32_t)A1(r), (uint32_t)A2(r)};

	for (size_t n = 0; n < ARRAY_LENGTH(wanted); n++)
		if (wanted[n] != ID_KEEP && !is_privileged() && !is_one_of(&ids, wanted[n]))
			return -EPERM;
	assign(&ids, wanted[0] == ID_KEEP ? *ids.real : wanted[0], wanted[1] == ID_KEEP ? *ids.effective : wanted[1],
		wanted[2] == ID_KEEP ? *ids.saved : wanted[2]);
	return 0;
}

static int64_t get_three(struct ids ids, const struct regs *r)
{
	if (copy_out(ADDRESS(void, A0(r)), ids.real, sizeof(*ids.real)) ||
		copy_out(ADDRESS(void, A1(r)), ids.effective, sizeof(*ids.effective)))
		return -EFAULT;
	return copy_out(ADDRESS(void, A2(r)), ids.saved, sizeof(*ids.saved));
}

int64_t linux_setuid(struct regs *r) { return set_one(users(), (uint32_t)A0(r)); }

int64_t linux_setgid(struct regs *r) { return set_one(groups(), (uint32_t)A0(r)); }

int64_t linux_setreuid(struct regs *r) { return set_two(users(), (uint32_t)A0(r), (uint32_t)A1(r)); }

int64_t linux_setregid(struct regs *r) { return set_two(groups(), (uint32_t)A0(r), (uint32_t)A1(r)); }

int64_t linux_setresuid(struct regs *r) { return set_three(users(), r); }

int64_t linux_setresgid(struct regs *r) { return set_three(groups(), r); }

int64_t linux_getresuid(struct regs *r) { return get_three(users(), r); }

int64_t linux_getresgid(struct regs *r) { return get_three(groups(), r); }

/* There are no supplementary groups: nobody has any, and only that can be asked for. */
int64_t linux_getgroups(struct regs *r) { return (int)A0(r) < 0 ? -EINVAL : 0; }

int64_t linux_setgroups(struct regs *r)
{
	enum { GROUPS_MAX = 65536 };

	if (!is_privileged())
		return -EPERM;
	if ((uint32_t)A0(r) > GROUPS_MAX)
		return -EINVAL;
	return (uint32_t)A0(r) ? -ENOSYS : 0;
}

int64_t linux_setpgid(struct regs *r) { return proc_set_group((int)A0(r), (int)A1(r)); }

static const struct proc *process_or_self(uint64_t pid) { return (int)pid ? proc_find((int)pid) : self->proc; }

int64_t linux_getpgid(struct regs *r)
{
	const struct proc *p = process_or_self(A0(r));

	return p ? p->group : -ESRCH;
}

int64_t linux_getsid(struct regs *r)
{
	const struct proc *p = process_or_self(A0(r));

	return p ? p->session : -ESRCH;
}

int64_t linux_setsid(struct regs *r)
{
	(void)r;
	return proc_new_session();
}
