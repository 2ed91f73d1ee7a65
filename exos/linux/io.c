/* Reading, writing and positions in open files. Called from the table of calls. */
#include <exos/linux/files.h>

/* More than one call moves. */
static __attribute__((noinline, cold)) int64_t clamped(int64_t (*call)(struct regs *), struct regs *r)
{
	uint64_t n = A2(r);
	int64_t result;

	A2(r) = IO_MAX;
	result = call(r);
	A2(r) = n; /* the register is the program's */
	return result;
}

int64_t linux_read(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f || !linux_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	if (A2(r) > IO_MAX)
		return clamped(linux_read, r);
	return f->ops->read(f, ADDRESS(void, A1(r)), A2(r), &f->offset);
}

int64_t linux_write(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f || !linux_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (A2(r) > IO_MAX)
		return clamped(linux_write, r);
	return f->ops->write(f, ADDRESS(const void, A1(r)), A2(r), &f->offset);
}

int64_t linux_pread64(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t offset = A3(r);

	if (!f || !linux_readable(f))
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	if (!f->ops->read || (int64_t)offset < 0)
		return -EINVAL;
	return f->ops->read(f, ADDRESS(void, A1(r)), MIN(A2(r), IO_MAX), &offset);
}

int64_t linux_pwrite64(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t offset = A3(r);

	if (!f || !linux_writable(f))
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	if (!f->ops->write || (int64_t)offset < 0)
		return -EINVAL;
	/* Linux appends even here; a program that runs on it may rely on that, whatever POSIX says. */
	if (f->flags & OPEN_APPEND)
		offset = f->inode->size;
	return f->ops->write(f, ADDRESS(const void, A1(r)), MIN(A2(r), IO_MAX), &offset);
}

enum { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };

/* The first page from `offset` on that is there (or is not), as a position not past the end of the file. */
static int64_t seek_page(struct inode *i, uint64_t offset, bool there)
{
	if (offset >= i->size)
		return -ENXIO;
	/* Of a file on a disk, what is not in memory is no hole: all of it is data, which is always allowed to be said. */
	if (!i->ops->page || i->ops->fetch)
		return there ? (int64_t)offset : (int64_t)i->size;
	while (offset < i->size && (i->ops->page(i, offset / FRAME_SIZE, false) != NO_FRAME) != there)
		offset = ROUND_DOWN(offset, FRAME_SIZE) + FRAME_SIZE;
	if (offset >= i->size)
		return there ? -ENXIO : (int64_t)i->size;
	return (int64_t)offset;
}

int64_t linux_lseek(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	int64_t offset = (int64_t)A1(r), base = 0;

	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	switch (A2(r)) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)f->offset;
		break;
	case SEEK_END:
		base = (int64_t)(f->ops->size ? f->ops->size(f) : f->inode->size);
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0)
			return -ENXIO;
		offset = seek_page(f->inode, (uint64_t)offset, A2(r) == SEEK_DATA);
		if (offset < 0)
			return offset;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &offset))
		return -EOVERFLOW;
	if (offset < 0)
		return -EINVAL;
	f->offset = (uint64_t)offset;
	return offset;
}

int64_t linux_ftruncate(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f)
		return -EBADF;
	if (!linux_writable(f) || (int64_t)A1(r) < 0)
		return -EINVAL;
	return inode_truncate(f->inode, A1(r));
}

enum { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };

/* Advice on the use of pages; those of files in memory are there anyway. Length 0: to the end. */
int64_t linux_fadvise64(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t length = A2(r) ? A2(r) : INT64_MAX;

	if (!f)
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	if (A3(r) > FADV_NOREUSE || (int64_t)A2(r) < 0)
		return -EINVAL;
	if (f->inode->ops->advise && (A3(r) == FADV_WILLNEED || A3(r) == FADV_DONTNEED))
		f->inode->ops->advise(f->inode, A1(r), length, A3(r) == FADV_WILLNEED);
	return 0;
}

int64_t linux_readahead(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f || !linux_readable(f))
		return -EBADF;
	if ((f->inode->mode & TYPE_MASK) != TYPE_FILE)
		return -EINVAL;
	if (f->inode->ops->advise && (int64_t)A1(r) >= 0)
		f->inode->ops->advise(f->inode, A1(r), A2(r), true);
	return 0;
}

enum { FALLOCATE_KEEP_SIZE = 1 };

int64_t linux_fallocate(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t mode = A1(r), start = A2(r), length = A3(r), end, size;
	struct inode *i;
	int err = 0;

	if (!f || !linux_writable(f))
		return -EBADF;
	i = f->inode;
	if ((int64_t)start < 0 || (int64_t)length <= 0)
		return -EINVAL;
	/* Files of ext2 have no blocks that are theirs and not yet written; the C library writes zeros instead. */
	if (mode & ~(uint64_t)FALLOCATE_KEEP_SIZE || i->ops->fetch)
		return -EOPNOTSUPP;
	if ((i->mode & TYPE_MASK) != TYPE_FILE)
		return (i->mode & TYPE_MASK) == TYPE_FIFO ? -ESPIPE : -ENODEV;
	if (__builtin_add_overflow(start, length, &end) || end > INT64_MAX)
		return -EFBIG;
	/* Extended first, so that shrinking takes back whatever was brought in when memory does not suffice for all. */
	size = i->size;
	if (end > size)
		err = inode_truncate(i, end);
	for (uint64_t page = start / FRAME_SIZE; !err && page * FRAME_SIZE < end; page++)
		err = i->ops->page(i, page, true) == NO_FRAME ? -ENOSPC : 0;
	if (err && end > size && i->size > size)
		inode_truncate(i, size);
	else if (!err && (mode & FALLOCATE_KEEP_SIZE))
		i->size = size;
	return err;
}
