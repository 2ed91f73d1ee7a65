/* Pipes and FIFOs: a ring of frames in the domain's shared memory (paper 6.1).
 *
 * A write puts bytes into the ring and a read takes them out, with no copy in between and no kernel call unless
 * somebody waits at the other end. Positions only grow; a page of the ring has a frame while it holds bytes, and one
 * more is kept for the next. */
#include <exos/heap.h>
#include <exos/ipc/pipe.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

#define PIPE_FRAMES	 (PIPE_SIZE / FRAME_SIZE)
#define PIPE_FILE_SYSTEM 9

struct pipe {
	uint64_t read_at, write_at;		   /* bytes ever taken out, put in (rounded when the pipe runs empty) */
	uint32_t readers, writers;		   /* open files at each end */
	uint32_t opened_read, opened_write;	   /* how often an end was ever opened: for FIFOs' openers */
	struct wait_queue read_queue, write_queue; /* who waits for bytes, for room */
	frame_t frames[PIPE_FRAMES];
	frame_t spare;
};

static struct pipe *pipe_make(void)
{
	struct pipe *p = heap_alloc(sizeof(*p));

	if (p) {
		wait_queue_init(&p->read_queue);
		wait_queue_init(&p->write_queue);
	}
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (size_t n = 0; n < PIPE_FRAMES; n++) {
		if (p->frames[n] != NO_FRAME)
			frame_put(p->frames[n]);
	}
	if (p->spare != NO_FRAME)
		frame_put(p->spare);
	heap_free(p);
}

static frame_t *pipe_slot(struct pipe *p, uint64_t at) { return &p->frames[at / FRAME_SIZE % PIPE_FRAMES]; }

/* Bytes that fit in now. A page that is still being read gives its room back only as a whole. */
static size_t pipe_room(const struct pipe *p) { return ROUND_DOWN(p->read_at, FRAME_SIZE) + PIPE_SIZE - p->write_at; }

static void wake(struct wait_queue *q)
{
	if (!list_empty(&q->waiters))
		wake_all(q);
}

static void pipe_free_frame(struct pipe *p, frame_t *slot)
{
	if (p->spare == NO_FRAME)
		p->spare = *slot;
	else
		frame_put(*slot);
	*slot = NO_FRAME;
}

/* Bytes were taken out: frees what was emptied. An empty pipe starts again in the page that it has. */
static void pipe_taken(struct pipe *p, size_t n)
{
	uint64_t at = p->read_at + n;

	if (at % FRAME_SIZE == 0) {
		pipe_free_frame(p, pipe_slot(p, p->read_at));
	} else if (at == p->write_at) {
		p->write_at = at = ROUND_DOWN(at, FRAME_SIZE);
		if (p->spare != NO_FRAME) {
			frame_put(p->spare);
			p->spare = NO_FRAME;
		}
	}
	p->read_at = at;
}

/* Waits for bytes: 1 when there are some, 0 at the end, or -errno. */
static int pipe_wait_bytes(struct file *f, struct pipe *p)
{
	while (p->read_at == p->write_at) {
		int err;

		if (!p->writers)
			return 0;
		if (f->flags & OPEN_NONBLOCK)
			return -EAGAIN;
		file_ref(f); /* another of this process's descriptor table's users may close it meanwhile */
		err = wait_on(&p->read_queue, 0);
		file_put(f);
		if (err)
			return -ERESTART;
	}
	return 1;
}

static ssize pipe_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct pipe *p = f->data;
	size_t done = 0;
	int err = 0;

	(void)offset;
	if (!n)
		return 0;
	if (p->read_at == p->write_at) {
		err = pipe_wait_bytes(f, p);
		if (err <= 0)
			return err;
	}
	do {
		size_t in_page = p->read_at % FRAME_SIZE;
		size_t part = MIN(MIN(n - done, FRAME_SIZE - in_page), p->write_at - p->read_at);

		err = copy_out(
			(char *)program + done, (char *)frame_address(*pipe_slot(p, p->read_at)) + in_page, part);
		if (err)
			break;
		pipe_taken(p, part);
		done += part;
	} while (done < n && p->read_at != p->write_at);
	if (!list_empty(&p->write_queue.waiters) && pipe_room(p) >= PIPE_ATOMIC)
		wake_all(&p->write_queue);
	return done ? (ssize)done : err;
}

/* Waits until `n` bytes fit in: 0 or -errno. */
static int pipe_wait_room(struct file *f, struct pipe *p, size_t n)
{
	for (;;) {
		int err;

		if (!p->readers) {
			signal_send(self->proc, SIGPIPE, NULL);
			return -EPIPE;
		}
		if (pipe_room(p) >= n)
			return 0;
		if (f->flags & OPEN_NONBLOCK)
			return -EAGAIN;
		wake(&p->read_queue);
		file_ref(f);
		err = wait_on(&p->write_queue, 0);
		file_put(f);
		if (err)
			return -ERESTART;
	}
}

static int pipe_reserve(struct file *f, size_t n) { return n <= PIPE_ATOMIC ? pipe_wait_room(f, f->data, n) : 0; }

/* One page's worth at the writing end. */
static inline ssize pipe_put(struct pipe *p, const void *from, size_t n, bool library)
{
	size_t in_page = p->write_at % FRAME_SIZE, part = MIN(MIN(n, FRAME_SIZE - in_page), pipe_room(p));
	frame_t *slot = pipe_slot(p, p->write_at);
	char *to;

	if (*slot == NO_FRAME) {
		*slot = p->spare != NO_FRAME ? p->spare : frame_get();
		if (*slot == NO_FRAME)
			return -ENOMEM;
		p->spare = NO_FRAME;
	}
	to = (char *)frame_address(*slot) + in_page;
	if (library)
		memcpy(to, from, part);
	else if (copy_in(to, from, part))
		return -EFAULT;
	p->write_at += part;
	return (ssize)part;
}

static inline ssize pipe_write_from(struct file *f, const void *from, size_t n, bool library)
{
	struct pipe *p = f->data;
	size_t need = n <= PIPE_ATOMIC ? n : 1, done = 0;
	ssize part = 0;

	if (!n)
		return 0;
	do {
		if (!p->readers || pipe_room(p) < need) {
			part = pipe_wait_room(f, p, need);
			if (part)
				break;
		}
		part = pipe_put(p, (const char *)from + done, n - done, library);
		if (part < 0)
			break;
		done += (size_t)part;
		need = 1;
	} while (done < n);
	wake(&p->read_queue);
	return done ? (ssize)done : part;
}

static ssize pipe_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	(void)offset;
	return pipe_write_from(f, program, n, false);
}

static ssize pipe_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	(void)offset;
	return pipe_write_from(f, bytes, n, true);
}

static uint32_t pipe_poll(struct file *f, struct wait_queue **queue)
{
	struct pipe *p = f->data;
	uint32_t access = f->flags & OPEN_ACCESS, ready = 0;

	*queue = access == OPEN_WRITE ? &p->write_queue : &p->read_queue;
	if (access != OPEN_WRITE) {
		ready |= p->read_at != p->write_at ? POLL_IN : 0;
		ready |= !p->writers && p->opened_write ? POLL_HANGUP : 0;
	}
	if (access != OPEN_READ) {
		ready |= pipe_room(p) >= PIPE_ATOMIC ? POLL_OUT : 0;
		ready |= !p->readers ? POLL_ERROR : 0;
	}
	return ready;
}

static void pipe_close(struct file *f)
{
	struct pipe *p = f->data;

	if ((f->flags & OPEN_ACCESS) != OPEN_WRITE && !--p->readers)
		wake(&p->write_queue);
	if ((f->flags & OPEN_ACCESS) != OPEN_READ && !--p->writers)
		wake(&p->read_queue);
	if (!p->readers && !p->writers) {
		f->inode->data = NULL;
		pipe_free(p);
	}
}

static size_t pipe_available(struct file *f)
{
	const struct pipe *p = f->data;

	return p->write_at - p->read_at;
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.write_library = pipe_write_library,
	.reserve = pipe_reserve,
	.poll = pipe_poll,
	.available = pipe_available,
	.release = pipe_close,
};

/* Puts an open file at its ends of a pipe. */
static void pipe_attach(struct pipe *p, struct file *f)
{
	if ((f->flags & OPEN_ACCESS) != OPEN_WRITE) {
		p->readers++;
		p->opened_read++;
	}
	if ((f->flags & OPEN_ACCESS) != OPEN_READ) {
		p->writers++;
		p->opened_write++;
	}
	f->ops = &pipe_ops;
	f->data = p;
	wake(&p->read_queue);
	wake(&p->write_queue);
}

/* Waits at one end of a FIFO until somebody has been at the other, however briefly. */
static int fifo_wait(struct wait_queue *q, const uint32_t *present, const uint32_t *opened)
{
	uint32_t before = *opened;

	while (!*present && *opened == before) {
		if (wait_on(q, 0))
			return -ERESTART;
	}
	return 0;
}

int fifo_open(struct inode *inode, struct file *file)
{
	uint32_t access = file->flags & OPEN_ACCESS;
	struct pipe *p = inode->data;
	int err = 0;

	if (!p) {
		p = inode->data = pipe_make();
		if (!p)
			return -ENOMEM;
	}
	pipe_attach(p, file);
	if (inode->file_system == PIPE_FILE_SYSTEM)
		return 0; /* one without a name, opened anew through /proc: both ends have been there */
	if (access == OPEN_WRITE && (file->flags & OPEN_NONBLOCK) && !p->readers)
		err = -ENXIO;
	else if (access == OPEN_READ && !(file->flags & OPEN_NONBLOCK))
		err = fifo_wait(&p->read_queue, &p->writers, &p->opened_write);
	else if (access == OPEN_WRITE && !(file->flags & OPEN_NONBLOCK))
		err = fifo_wait(&p->write_queue, &p->readers, &p->opened_read);
	if (err)
		pipe_close(file);
	return err;
}

static const struct inode_ops pipe_inode_ops = {.open = fifo_open};

int pipe_new(struct file **read_end, struct file **write_end, uint32_t flags)
{
	struct inode *i = inode_new(&pipe_inode_ops, TYPE_FIFO | 0600);
	struct pipe *p = pipe_make();

	*read_end = i && p ? file_new(&pipe_ops, i, OPEN_READ | (flags & OPEN_NONBLOCK)) : NULL;
	*write_end = *read_end ? file_new(&pipe_ops, i, OPEN_WRITE | (flags & OPEN_NONBLOCK)) : NULL;
	if (*write_end) {
		i->file_system = PIPE_FILE_SYSTEM;
		i->data = p;
		pipe_attach(p, *read_end);
		pipe_attach(p, *write_end);
		inode_put(i); /* the files have their own references */
		return 0;
	}
	if (*read_end) {
		pipe_attach(p, *read_end);
		file_put(*read_end); /* frees the pipe as well */
	} else {
		heap_free(p);
	}
	if (i)
		inode_put(i);
	return -ENOMEM;
}
