/* Permissions, owners and times of files. Called from the table of calls. */
#include <exos/linux/files.h>

#define HERE ((uint64_t)AT_FDCWD)
#define NS   1000000000ul

static int64_t access_at(uint64_t descriptor, uint64_t path, uint32_t mode, uint32_t flags)
{
	const struct proc *p = self->proc;
	struct inode *i;
	int err;

	if ((mode & ~7u) || (flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	err = linux_inode_at(descriptor, path, flags, &i);
	if (err)
		return err;
	err = flags & AT_EACCESS ? inode_permission(i, mode) : inode_permission_as(i, p->uid, p->gid, mode);
	inode_put(i);
	return err;
}

int64_t linux_access(struct regs *r) { return access_at(HERE, A0(r), (uint32_t)A1(r), 0); }
int64_t linux_faccessat(struct regs *r) { return access_at(A0(r), A1(r), (uint32_t)A2(r), 0); }
int64_t linux_faccessat2(struct regs *r) { return access_at(A0(r), A1(r), (uint32_t)A2(r), (uint32_t)A3(r)); }

static int64_t mode_at(uint64_t descriptor, uint64_t path, uint64_t mode)
{
	struct inode *i;
	int err = linux_inode_at(descriptor, path, 0, &i);

	if (err)
		return err;
	err = inode_set_mode(i, (uint32_t)mode);
	inode_put(i);
	return err;
}

int64_t linux_chmod(struct regs *r) { return mode_at(HERE, A0(r), A1(r)); }
int64_t linux_fchmodat(struct regs *r) { return mode_at(A0(r), A1(r), A2(r)); }

int64_t linux_fchmod(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	return f && !(f->flags & OPEN_PATH) ? inode_set_mode(f->inode, (uint32_t)A1(r)) : -EBADF;
}

static int64_t owner_at(uint64_t descriptor, uint64_t path, uint64_t uid, uint64_t gid, uint64_t flags)
{
	struct inode *i;
	int err;

	if (flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = linux_inode_at(descriptor, path, (uint32_t)flags, &i);
	if (err)
		return err;
	err = inode_set_owner(i, (uint32_t)uid, (uint32_t)gid);
	inode_put(i);
	return err;
}

int64_t linux_chown(struct regs *r) { return owner_at(HERE, A0(r), A1(r), A2(r), 0); }
int64_t linux_lchown(struct regs *r) { return owner_at(HERE, A0(r), A1(r), A2(r), AT_SYMLINK_NOFOLLOW); }
int64_t linux_fchownat(struct regs *r) { return owner_at(A0(r), A1(r), A2(r), A3(r), A4(r)); }

int64_t linux_fchown(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	return f && !(f->flags & OPEN_PATH) ? inode_set_owner(f->inode, (uint32_t)A1(r), (uint32_t)A2(r)) : -EBADF;
}

enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };
static const struct linux_timespec both_now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

/* Whoever may write a file may say that he has; any other time is for its owner to set. */
static int may_set_times(struct inode *i, const struct linux_timespec times[2])
{
	const struct proc *p = self->proc;

	if (i->ops->writable && i->ops->writable(i))
		return -EROFS;
	if (!p->euid || p->euid == i->uid)
		return 0;
	if (times[0].nanoseconds == UTIME_NOW && times[1].nanoseconds == UTIME_NOW)
		return inode_permission(i, 2);
	return -EPERM;
}

static void set_time(uint64_t *to, const struct linux_timespec *time, uint64_t now)
{
	if (time->nanoseconds == UTIME_NOW)
		*to = now;
	else if (time->nanoseconds != UTIME_OMIT)
		*to = (uint64_t)MAX(time->seconds, 0) * NS + (uint64_t)time->nanoseconds;
}

static int set_times(struct inode *i, const struct linux_timespec times[2])
{
	uint64_t now = time_calendar();
	int err;

	for (int n = 0; n < 2; n++) {
		uint64_t ns = (uint64_t)times[n].nanoseconds;

		if (ns >= NS && ns != UTIME_NOW && ns != UTIME_OMIT)
			return -EINVAL;
	}
	if (times[0].nanoseconds == UTIME_OMIT && times[1].nanoseconds == UTIME_OMIT)
		return 0;
	err = may_set_times(i, times);
	if (err)
		return err;
	set_time(&i->accessed, &times[0], now);
	set_time(&i->modified, &times[1], now);
	i->changed = now;
	inode_changed(i);
	return 0;
}

static int64_t times_at(uint64_t descriptor, uint64_t path, uint32_t flags, const struct linux_timespec times[2])
{
	struct inode *i;
	int err = linux_inode_at(descriptor, path, flags, &i);

	if (err)
		return err;
	err = set_times(i, times);
	inode_put(i);
	return err;
}

int64_t linux_utimensat(struct regs *r)
{
	struct linux_timespec times[2] = {both_now[0], both_now[1]};
	struct file *f;

	if (A3(r) & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (A2(r) && copy_in(times, ADDRESS(const void, A2(r)), sizeof(times)))
		return -EFAULT;
	if (A1(r))
		return times_at(A0(r), A1(r), (uint32_t)A3(r), times);
	f = linux_file(A0(r));
	return f && !(f->flags & OPEN_PATH) ? set_times(f->inode, times) : -EBADF;
}

static int64_t micro_times_at(uint64_t descriptor, uint64_t path, uint64_t program)
{
	struct linux_timespec times[2] = {both_now[0], both_now[1]};

	if (program) {
		if (copy_in(times, ADDRESS(const void, program), sizeof(times)))
			return -EFAULT;
		for (int n = 0; n < 2; n++) {
			if (times[n].nanoseconds < 0 || times[n].nanoseconds >= 1000000)
				return -EINVAL;
			times[n].nanoseconds *= 1000;
		}
	}
	return times_at(descriptor, path, 0, times);
}

int64_t linux_utimes(struct regs *r) { return micro_times_at(HERE, A0(r), A1(r)); }
int64_t linux_futimesat(struct regs *r) { return micro_times_at(A0(r), A1(r), A2(r)); }

int64_t linux_utime(struct regs *r)
{
	struct linux_timespec times[2] = {both_now[0], both_now[1]};
	int64_t seconds[2];

	if (A1(r)) {
		if (copy_in(seconds, ADDRESS(const void, A1(r)), sizeof(seconds)))
			return -EFAULT;
		times[0] = (struct linux_timespec){seconds[0], 0};
		times[1] = (struct linux_timespec){seconds[1], 0};
	}
	return times_at(HERE, A0(r), 0, times);
}
