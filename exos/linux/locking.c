/* Advisory locks as Linux's calls give them: fcntl's ranges and flock. Called from the table of calls and by fcntl. */
#include <exos/file/locks.h>
#include <exos/linux/locking.h>

enum { F_RDLCK, F_WRLCK, F_UNLCK };
enum { SEEK_SET, SEEK_CUR, SEEK_END };
#define PID_OF_DESCRIPTION (-1) /* as Linux tells of locks that belong to no process */

struct linux_flock {
	int16_t type, whence;
	int32_t padding;
	int64_t start, length;
	int32_t pid, padding2;
};

/* The range that a program means, as first and last byte. */
static int range_of(const struct file *f, const struct linux_flock *l, struct file_lock *lock)
{
	int64_t base = l->whence == SEEK_CUR   ? (int64_t)f->offset
		       : l->whence == SEEK_END ? (int64_t)f->inode->size
					       : 0,
		start, end;

	if (l->whence < SEEK_SET || l->whence > SEEK_END || l->type < F_RDLCK || l->type > F_UNLCK)
		return -EINVAL;
	if (__builtin_add_overflow(base, l->start, &start))
		return -EOVERFLOW;
	if (l->length < 0) {
		end = start - 1;
		if (__builtin_add_overflow(start, l->length, &start))
			return -EINVAL;
	} else if (!l->length) {
		end = INT64_MAX;
	} else if (__builtin_add_overflow(start, l->length - 1, &end)) {
		return -EOVERFLOW;
	}
	if (start < 0)
		return -EINVAL;
	lock->start = (uint64_t)start;
	lock->end = (uint64_t)end;
	lock->exclusive = l->type == F_WRLCK;
	return 0;
}

static int lock_in(struct file *f, uint64_t program, bool whole, struct linux_flock *l, struct file_lock *lock)
{
	if (f->flags & OPEN_PATH)
		return -EBADF;
	if (copy_in(l, ADDRESS(const void, program), sizeof(*l)))
		return -EFAULT;
	lock->pid = whole ? PID_OF_DESCRIPTION : self->proc->pid;
	lock->owner = whole ? (const void *)f : self->proc->files;
	return range_of(f, l, lock);
}

int64_t linux_lock_get(struct file *f, uint64_t program, bool whole)
{
	struct linux_flock l;
	struct file_lock lock, other;
	int err = lock_in(f, program, whole, &l, &lock);

	if (err)
		return err;
	if (l.type == F_UNLCK)
		return -EINVAL;
	if (!locks_conflict(f->inode, &lock, &other)) {
		l.type = F_UNLCK;
	} else {
		l.type = other.exclusive ? F_WRLCK : F_RDLCK;
		l.whence = SEEK_SET;
		l.start = (int64_t)other.start;
		l.length = other.end == INT64_MAX ? 0 : (int64_t)(other.end - other.start + 1);
		l.pid = other.pid;
	}
	return copy_out(ADDRESS(void, program), &l, sizeof(l));
}

int64_t linux_lock_set(struct file *f, uint64_t program, bool whole, bool wait)
{
	struct linux_flock l;
	struct file_lock lock;
	int err = lock_in(f, program, whole, &l, &lock);

	if (err)
		return err;
	if ((l.type == F_RDLCK && !linux_readable(f)) || (l.type == F_WRLCK && !linux_writable(f)))
		return -EBADF;
	file_ref(f);
	err = locks_set(f->inode, &lock, l.type == F_UNLCK, wait);
	file_put(f);
	return err;
}

int64_t linux_flock(struct regs *r)
{
	enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
	struct file *f = linux_file(A0(r));
	uint64_t operation = A1(r) & ~(uint64_t)LOCK_NB;
	struct file_lock lock = {.end = INT64_MAX, .exclusive = operation == LOCK_EX, .owner = f};
	int err;

	if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
		return -EINVAL;
	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	file_ref(f);
	err = locks_set(f->inode, &lock, operation == LOCK_UN, !(A1(r) & LOCK_NB));
	file_put(f);
	return err;
}
