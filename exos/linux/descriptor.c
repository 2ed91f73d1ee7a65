/* Descriptors: made, doubled, closed, and what is said of them by fcntl and ioctl. Called from the table of calls. */
#include <exos/ipc/event.h>
#include <exos/ipc/pipe.h>
#include <exos/linux/files.h>
#include <exos/linux/locking.h>

int64_t linux_close(struct regs *r) { return file_close(self->proc->files, (int)A0(r)); }

int64_t linux_close_range(struct regs *r)
{
	enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };
	struct file_table *t = self->proc->files;
	uint32_t first = (uint32_t)A0(r), last = (uint32_t)A1(r), size = (uint32_t)file_table_size(t);

	if (first > last || (A2(r) & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	for (uint32_t n = first; n < size && n <= last; n++) {
		if (A2(r) & CLOSE_RANGE_CLOEXEC)
			file_set_close_on_exec(t, (int)n, true);
		else
			file_close(t, (int)n);
	}
	return 0;
}

static int64_t duplicate(struct file *f, int lowest, bool close_on_exec)
{
	int number;

	file_ref(f);
	number = file_install(self->proc->files, f, lowest, close_on_exec);
	if (number < 0)
		file_put(f);
	return number;
}

static int64_t duplicate_at(struct file *f, uint64_t number, bool close_on_exec)
{
	int result;

	file_ref(f);
	result = file_install_at(self->proc->files, f, (int)number, close_on_exec);
	if (result < 0)
		file_put(f);
	return result;
}

int64_t linux_dup(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	return f ? duplicate(f, 0, false) : -EBADF;
}

int64_t linux_dup2(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f)
		return -EBADF;
	return (int)A0(r) == (int)A1(r) ? (int)A0(r) : duplicate_at(f, A1(r), false);
}

int64_t linux_dup3(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if ((A2(r) & ~(uint64_t)OPEN_CLOEXEC) || (int)A0(r) == (int)A1(r))
		return -EINVAL;
	return f ? duplicate_at(f, A1(r), A2(r) & OPEN_CLOEXEC) : -EBADF;
}

static int64_t make_pipe(uint64_t program, uint32_t flags)
{
	struct file_table *t = self->proc->files;
	struct file *ends[2];
	int numbers[2];
	int err;

	if (flags & ~(uint32_t)(OPEN_CLOEXEC | OPEN_NONBLOCK))
		return -EINVAL;
	err = pipe_new(&ends[0], &ends[1], flags);
	if (err)
		return err;
	numbers[0] = (int)linux_install(ends[0], flags & OPEN_CLOEXEC);
	if (numbers[0] < 0) {
		file_put(ends[1]);
		return numbers[0];
	}
	numbers[1] = (int)linux_install(ends[1], flags & OPEN_CLOEXEC);
	if (numbers[1] < 0) {
		file_close(t, numbers[0]);
		return numbers[1];
	}
	if (copy_out(ADDRESS(void, program), numbers, sizeof(numbers))) {
		file_close(t, numbers[0]);
		file_close(t, numbers[1]);
		return -EFAULT;
	}
	return 0;
}

int64_t linux_pipe(struct regs *r) { return make_pipe(A0(r), 0); }
int64_t linux_pipe2(struct regs *r) { return make_pipe(A0(r), (uint32_t)A1(r)); }

static int64_t make_event(uint32_t count, uint32_t flags)
{
	enum { EVENT_SINGLE = 1 };
	struct file *f;
	int error;

	if (flags & ~(uint32_t)(OPEN_CLOEXEC | OPEN_NONBLOCK | EVENT_SINGLE))
		return -EINVAL;
	error = event_new(count, flags & EVENT_SINGLE, flags & OPEN_NONBLOCK, &f);
	return error ? error : linux_install(f, flags & OPEN_CLOEXEC);
}

int64_t linux_eventfd(struct regs *r) { return make_event((uint32_t)A0(r), 0); }
int64_t linux_eventfd2(struct regs *r) { return make_event((uint32_t)A0(r), (uint32_t)A1(r)); }

enum {
	F_DUPFD,
	F_GETFD,
	F_SETFD,
	F_GETFL,
	F_SETFL,
	F_GETLK,
	F_SETLK,
	F_SETLKW,
	F_OFD_GETLK = 36,
	F_OFD_SETLK,
	F_OFD_SETLKW,
	F_DUPFD_CLOEXEC = 1030,
	F_SETPIPE_SZ,
	F_GETPIPE_SZ
};
#define SETTABLE_FLAGS ((uint32_t)(OPEN_APPEND | OPEN_NONBLOCK))

static int64_t set_flags(struct file *f, uint64_t flags)
{
	f->flags = (f->flags & ~SETTABLE_FLAGS) | ((uint32_t)flags & SETTABLE_FLAGS);
	return 0;
}

/* A pipe has one size; asking for less gets it, as it would a larger size rounded up. */
static int64_t pipe_size(const struct file *f, uint64_t wanted)
{
	if ((f->inode->mode & TYPE_MASK) != TYPE_FIFO)
		return -EBADF;
	return wanted > PIPE_SIZE ? -EPERM : PIPE_SIZE;
}

int64_t linux_fcntl(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t argument = A2(r);

	if (!f)
		return -EBADF;
	switch (A1(r)) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (argument > INT32_MAX || argument >= self->proc->limits[LIMIT_FILES][0])
			return -EINVAL;
		return duplicate(f, (int)argument, A1(r) == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return file_close_on_exec(self->proc->files, (int)A0(r));
	case F_SETFD:
		file_set_close_on_exec(self->proc->files, (int)A0(r), argument & 1);
		return 0;
	case F_GETFL:
		return f->flags & OPEN_PATH ? f->flags & ~(uint32_t)OPEN_ACCESS : f->flags;
	case F_SETFL:
		return f->flags & OPEN_PATH ? -EBADF : set_flags(f, argument);
	case F_GETLK:
	case F_OFD_GETLK:
		return linux_lock_get(f, argument, A1(r) == F_OFD_GETLK);
	case F_SETLK:
	case F_OFD_SETLK:
		return linux_lock_set(f, argument, A1(r) == F_OFD_SETLK, false);
	case F_SETLKW:
	case F_OFD_SETLKW:
		return linux_lock_set(f, argument, A1(r) == F_OFD_SETLKW, true);
	case F_SETPIPE_SZ:
		return pipe_size(f, argument);
	case F_GETPIPE_SZ:
		return pipe_size(f, 0);
	default:
		return -EINVAL;
	}
}

enum { FIONREAD = 0x541b, FIONBIO = 0x5421, FIONCLEX = 0x5450, FIOCLEX = 0x5451 };

/* How many bytes a read would get; -ENOTTY where only the file itself can say. */
static int64_t bytes_ready(struct file *f)
{
	if (f->ops->available)
		return (int64_t)f->ops->available(f);
	if ((f->inode->mode & TYPE_MASK) != TYPE_FILE)
		return -ENOTTY;
	return (int64_t)(f->inode->size > f->offset ? f->inode->size - f->offset : 0);
}

int64_t linux_ioctl(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	int64_t ready;
	int value;

	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	switch ((uint32_t)A1(r)) {
	case FIOCLEX:
	case FIONCLEX:
		file_set_close_on_exec(self->proc->files, (int)A0(r), (uint32_t)A1(r) == FIOCLEX);
		return 0;
	case FIONBIO:
		if (copy_in(&value, ADDRESS(const void, A2(r)), sizeof(value)))
			return -EFAULT;
		return set_flags(f, value ? f->flags | OPEN_NONBLOCK : f->flags & ~(uint32_t)OPEN_NONBLOCK);
	case FIONREAD:
		ready = bytes_ready(f);
		if (ready >= 0) {
			value = (int)MIN(ready, (int64_t)INT32_MAX);
			return copy_out(ADDRESS(void, A2(r)), &value, sizeof(value));
		}
		break;
	default:
		break;
	}
	return f->ops->control ? f->ops->control(f, (uint32_t)A1(r), A2(r)) : -ENOTTY;
}
