/* Reading and writing with several buffers, and from file to file. Called from the table of calls. */
#include <exos/linux/files.h>
#include <exos/linux/vector.h>

int vector_start(struct vector *v, uint64_t program, uint64_t count)
{
	if (count > VECTOR_MAX)
		return -EINVAL;
	v->program = program;
	v->left = count;
	v->at = v->count = 0;
	return 0;
}

int vector_next(struct vector *v, struct linux_iovec *out)
{
	if (!v->left)
		return 0;
	if (v->at == v->count) {
		v->count = (uint32_t)MIN(v->left, (uint64_t)VECTOR_BATCH);
		v->at = 0;
		if (copy_in(v->entries, ADDRESS(const void, v->program), v->count * sizeof(*v->entries)))
			return -EFAULT;
		v->program += v->count * sizeof(*v->entries);
	}
	*out = v->entries[v->at++];
	v->left--;
	return 1;
}

ssize vector_length(uint64_t program, uint64_t count)
{
	struct vector v;
	struct linux_iovec entry;
	uint64_t length = 0;
	int more = vector_start(&v, program, count);

	if (more)
		return more;
	while ((more = vector_next(&v, &entry)) > 0) {
		if (entry.length > INT64_MAX || (length += entry.length) > INT64_MAX)
			return -EINVAL;
	}
	return more ? more : (ssize)length;
}

/* Buffer after buffer, until one is not filled. One that would have to wait for more is not begun. */
static int64_t read_vector(struct file *f, uint64_t program, uint64_t count, uint64_t *offset)
{
	ssize length = vector_length(program, count), done = 0, part = 0;
	struct wait_queue *queue;
	struct linux_iovec entry;
	struct vector v;

	if (length < 0)
		return length;
	if (!f->ops->read)
		return -EINVAL;
	vector_start(&v, program, count);
	while (vector_next(&v, &entry) > 0) {
		if (!entry.length)
			continue;
		if (done && f->ops->poll && !(f->ops->poll(f, &queue) & POLL_IN))
			break;
		part = f->ops->read(f, ADDRESS(void, entry.base), MIN(entry.length, IO_MAX), offset);
		done += MAX(part, 0);
		if (part < 0 || (uint64_t)part < entry.length)
			break;
	}
	return done ? done : part;
}

static int64_t write_vector(struct file *f, uint64_t program, uint64_t count, uint64_t *offset)
{
	ssize length = vector_length(program, count), done = 0, part = 0;
	struct linux_iovec entry;
	struct vector v;

	if (length < 0)
		return length;
	if (!f->ops->write)
		return -EINVAL;
	if (f->ops->reserve && length) {
		part = f->ops->reserve(f, (size_t)length);
		if (part)
			return part;
	}
	vector_start(&v, program, count);
	while (vector_next(&v, &entry) > 0) {
		if (!entry.length)
			continue;
		part = f->ops->write(f, ADDRESS(const void, entry.base), MIN(entry.length, IO_MAX), offset);
		done += MAX(part, 0);
		if (part < 0 || (uint64_t)part < entry.length)
			break;
	}
	return done ? done : part;
}

int64_t linux_readv(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f || !linux_readable(f))
		return -EBADF;
	return read_vector(f, A1(r), A2(r), &f->offset);
}

int64_t linux_writev(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f || !linux_writable(f))
		return -EBADF;
	return write_vector(f, A1(r), A2(r), &f->offset);
}

int64_t linux_preadv(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t offset = A3(r);

	if (!f || !linux_readable(f))
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	return (int64_t)offset < 0 ? -EINVAL : read_vector(f, A1(r), A2(r), &offset);
}

int64_t linux_pwritev(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	uint64_t offset = A3(r);

	if (!f || !linux_writable(f))
		return -EBADF;
	if (!f->seekable)
		return -ESPIPE;
	if ((int64_t)offset < 0)
		return -EINVAL;
	if (f->flags & OPEN_APPEND)
		offset = f->inode->size;
	return write_vector(f, A1(r), A2(r), &offset);
}

/* Page by page, straight from the frames of the one file. A hole is written from a frame of zeros. */
static ssize send_pages(struct file *out, struct file *in, uint64_t *offset, uint64_t count)
{
	ssize done = 0, part = 0;

	while (count && *offset < in->inode->size) {
		uint64_t at = *offset, in_page = at % FRAME_SIZE;
		frame_t page;
		int err = inode_page(in->inode, at / FRAME_SIZE, &page);
		size_t n;

		if (err)
			return done ? done : err;
		if (at >= in->inode->size) /* cut while it was waited for */
			break;
		n = MIN(MIN(count, FRAME_SIZE - in_page), in->inode->size - at);
		/* The file may be cut while the writing waits: the page is kept for that long. */
		if (page != NO_FRAME)
			frame_ref(page);
		else
			page = frame_get_zeroed();
		if (page == NO_FRAME)
			return done ? done : -ENOMEM;
		part = out->ops->write_library(out, (char *)frame_address(page) + in_page, n, &out->offset);
		frame_put(page);
		if (part <= 0)
			break;
		done += part;
		count -= (uint64_t)part;
		*offset = at + (uint64_t)part;
		if ((size_t)part < n)
			break;
	}
	return done ? done : part;
}

int64_t linux_sendfile(struct regs *r)
{
	struct file *out = linux_file(A0(r)), *in = linux_file(A1(r));
	uint64_t at, *offset = &at;
	ssize sent;

	if (!out || !in || !linux_writable(out) || !linux_readable(in))
		return -EBADF;
	/* Where this way does not lead, programs fall back to read and write. */
	if ((in->inode->mode & TYPE_MASK) != TYPE_FILE || !in->inode->ops->page || !out->ops->write_library ||
		(out->flags & OPEN_APPEND))
		return -EINVAL;
	if (!A2(r))
		offset = &in->offset;
	else if (copy_in(&at, ADDRESS(const void, A2(r)), sizeof(at)))
		return -EFAULT;
	if ((int64_t)*offset < 0)
		return -EINVAL;
	file_ref(in);
	file_ref(out);
	sent = send_pages(out, in, offset, MIN(A3(r), IO_MAX));
	file_put(out);
	file_put(in);
	if (A2(r) && copy_out(ADDRESS(void, A2(r)), &at, sizeof(at)))
		return -EFAULT;
	return sent;
}
