/* Reading and writing files in memory; what an open file or directory of ramfs does.
 *
 * Called through ramfs's file_ops. Results are exact: what could not be stored for want of memory is not counted, and
 * leaves nothing behind. */
#include <exos/file/device.h>
#include <exos/file/ramfs.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

static ssize file_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct inode *i = f->inode;
	uint64_t at = *offset, end;
	int err = 0;

	if (at >= i->size)
		return 0;
	end = at + MIN(n, i->size - at);
	while (at < end) {
		size_t in_page = at % FRAME_SIZE, part = MIN(end - at, FRAME_SIZE - in_page);
		frame_t page = ramfs_page(i, at / FRAME_SIZE, false);
		char *to = (char *)program + (at - *offset);

		err = page == NO_FRAME ? clear_out(to, part)
				       : copy_out(to, (char *)frame_address(page) + in_page, part);
		if (err && copy_wait())
			continue;
		if (err)
			break;
		at += part;
	}
	/* As a file system mounted with relatime: the time of access is kept only until it is later than the last
	 * change. */
	if (i->accessed <= i->modified)
		i->accessed = time_calendar();
	n = at - *offset;
	*offset = at;
	return n || !err ? (ssize)n : err;
}

/* One page's worth, from the program or from the library. */
static inline int write_part(struct inode *i, uint64_t at, const void *from, size_t n, bool library)
{
	frame_t *slot = tree_slot(ramfs_node(i), at / FRAME_SIZE, true), fresh = NO_FRAME;
	char *to;
	int err = 0;

	if (!slot)
		return -ENOSPC;
	if (*slot == NO_FRAME) {
		fresh = n == FRAME_SIZE ? frame_get() : frame_get_zeroed();
		if (fresh == NO_FRAME)
			return -ENOSPC;
	}
	to = (char *)frame_address(fresh == NO_FRAME ? *slot : fresh) + at % FRAME_SIZE;
	if (library)
		memcpy(to, from, n);
	else
		err = copy_in(to, from, n);
	if (fresh == NO_FRAME)
		return err;
	/* Half a copy into a fresh frame would show what was there before; and a fault on the way may have filled this
	 * very page. */
	slot = err ? NULL : tree_slot(ramfs_node(i), at / FRAME_SIZE, true);
	if (!slot || *slot != NO_FRAME) {
		if (slot)
			memcpy((char *)frame_address(*slot) + at % FRAME_SIZE, to, n);
		frame_put(fresh);
		return err;
	}
	*slot = fresh;
	ramfs_count_page(i, 1);
	return 0;
}

static inline ssize write_bytes(struct inode *i, const void *from, size_t n, uint64_t start, bool library)
{
	uint64_t at = start, end = start + n;
	int err = 0;

	/* Reading the gap must give zeros, whatever a mapping has left behind the old end. */
	if (start > i->size)
		ramfs_clear_tail(i, i->size);
	while (at < end) {
		size_t part = MIN(end - at, FRAME_SIZE - at % FRAME_SIZE);

		err = write_part(i, at, (const char *)from + (at - start), part, library);
		if (err == -EFAULT && !library && copy_wait())
			continue;
		if (err)
			break;
		at += part;
	}
	if (at == start)
		return err;
	i->size = MAX(i->size, at);
	i->modified = i->changed = time_calendar();
	return (ssize)(at - start);
}

/* How much of a write the limits let through; signals the process that has come to its own. */
static ssize write_room(uint64_t start, size_t n)
{
	uint64_t limit = self->proc ? self->proc->limits[LIMIT_FILE_SIZE][0] : UINT64_MAX;

	if (start >= limit) {
		signal_send(self->proc, SIGXFSZ, NULL);
		return -EFBIG;
	}
	limit = MIN(limit, RAMFS_SIZE_MAX);
	return start >= limit ? -EFBIG : (ssize)MIN(n, limit - start);
}

static inline ssize file_write_from(struct file *f, const void *from, size_t n, uint64_t *offset, bool library)
{
	ssize result;

	if (!n)
		return 0;
	if ((f->flags & OPEN_APPEND) && offset == &f->offset)
		*offset = f->inode->size;
	result = write_room(*offset, n);
	if (result > 0)
		result = write_bytes(f->inode, from, (size_t)result, *offset, library);
	if (result > 0)
		*offset += (uint64_t)result;
	return result;
}

static ssize file_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	return file_write_from(f, program, n, offset, false);
}

static ssize file_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	return file_write_from(f, bytes, n, offset, true);
}

ssize ramfs_write_library(struct inode *i, const void *bytes, size_t n, uint64_t offset)
{
	return write_bytes(i, bytes, n, offset, true);
}

static const struct file_ops ramfs_file_ops = {
	.read = file_read,
	.write = file_write,
	.write_library = file_write_library,
};

static ssize directory_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)program, (void)n, (void)offset;
	return -EISDIR;
}

const struct file_ops directory_file_ops = {.read = directory_read};

int ramfs_open(struct inode *i, struct file *f)
{
	f->ops = (i->mode & TYPE_MASK) == TYPE_DIR ? &directory_file_ops : &ramfs_file_ops;
	f->seekable = true;
	return 0;
}
