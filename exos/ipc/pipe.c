/* Pipes and FIFOs: a ring of frames in the domain's shared memory (paper 6.1).
 *
 * A write puts bytes into the ring and a read takes them out, with no copy in between and no kernel call unless
 * somebody waits at the other end. Positions only grow; a page of the ring has a frame while it holds bytes, and one
 * more is kept for the next. */
#include <exos/heap.h>
#include <exos/ipc/pipe.h>
#include <exos/proc/proc.h>
#include <exos/sched/turn.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

#define PIPE_FRAMES	 (PIPE_SIZE / FRAME_SIZE)
#define PIPE_FILE_SYSTEM 9

struct pipe {
	uint64_t read_at, write_at;		   /* bytes ever taken out, put in (rounded when the pipe runs empty) */
	uint32_t readers, writers;		   /* open files at each end */
	uint32_t opened_read, opened_write;	   /* how often an end was ever opened: for FIFOs' openers */
	struct wait_queue read_queue, write_queue; /* who waits for bytes, for room */
	char *pages[PIPE_FRAMES], *spare;	   /* frames in the window, or null */
	/* What most calls, which move bytes within a page, need to know: kept by pipe_look. Position + base is an address. */
	uint64_t put_base, put_limit;		   /* a write up to this position wants nothing but the bytes put there */
	uint64_t take_base, take_limit;		   /* a read that ends before this one wants nothing but the bytes taken */
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
		if (p->pages[n])
			frame_put(address_frame(p->pages[n]));
	}
	if (p->spare)
		frame_put(address_frame(p->spare));
	heap_free(p);
}

static char **pipe_slot(struct pipe *p, uint64_t at) { return &p->pages[at / FRAME_SIZE % PIPE_FRAMES]; }

/* Bytes that fit in now. A page that is still being read gives its room back only as a whole. */
static size_t pipe_room(const struct pipe *p) { return ROUND_DOWN(p->read_at, FRAME_SIZE) + PIPE_SIZE - p->write_at; }

/* After whatever may change what the page at either end is, or who is there. What is put and taken within the limits changes nothing of this. */
static void pipe_look(struct pipe *p)
{
	uint64_t put_page = ROUND_DOWN(p->write_at, FRAME_SIZE), take_page = ROUND_DOWN(p->read_at, FRAME_SIZE);
	char *put = *pipe_slot(p, put_page);

	p->put_base = (uintptr_t)put - put_page;
	p->put_limit = put && p->readers ? MIN(put_page + FRAME_SIZE, take_page + PIPE_SIZE) : 0;
	p->take_base = (uintptr_t)*pipe_slot(p, take_page) - take_page;
	p->take_limit = p->spare ? 0 : take_page + FRAME_SIZE;
}

static void pipe_free_page(struct pipe *p, char **slot)
{
	if (!p->spare)
		p->spare = *slot;
	else
		frame_put(address_frame(*slot));
	*slot = NULL;
}

/* Bytes were taken out: frees what was emptied. An empty pipe starts again in the page that it has. */
static void pipe_taken(struct pipe *p, size_t n)
{
	uint64_t at = p->read_at + n;

	if (at % FRAME_SIZE == 0) {
		pipe_free_page(p, pipe_slot(p, p->read_at));
	} else if (at == p->write_at) {
		p->write_at = at = ROUND_DOWN(at, FRAME_SIZE);
		if (p->spare)
			frame_put(address_frame(p->spare));
		p->spare = NULL;
	}
	p->read_at = at;
	pipe_look(p);
}

static __attribute__((noinline)) ssize pipe_take_pages(struct pipe *p, char *program, size_t n)
{
	size_t done = 0;
	int err;

	do {
		size_t in_page = p->read_at % FRAME_SIZE;
		size_t part = MIN(MIN(n - done, FRAME_SIZE - in_page), p->write_at - p->read_at);

		err = copy_out(program + done, *pipe_slot(p, p->read_at) + in_page, part);
		if (err)
			break;
		pipe_taken(p, part);
		done += part;
	} while (done < n && p->read_at != p->write_at);
	if (pipe_room(p) >= PIPE_ATOMIC)
		wake_all(&p->write_queue);
	return done ? (ssize)done : err;
}

/* Of a pipe that is not empty. */
static __attribute__((noinline)) ssize pipe_take(struct pipe *p, char *program, size_t n)
{
	uint64_t at = p->read_at, end = at + MIN(n, p->write_at - at);

	if (end >= p->take_limit || p->write_queue.turn || !list_empty(&p->write_queue.waiters))
		return pipe_take_pages(p, program, n);
	if (copy_out(program, (void *)(p->take_base + at), end - at))
		return -EFAULT;
	at = p->read_at; /* again, rather than kept in the meantime */
	p->read_at = end;
	if (end == p->write_at) /* an empty pipe starts again in the page that it has */
		p->read_at = p->write_at = ROUND_DOWN(at, FRAME_SIZE);
	return (ssize)(end - at);
}

static __attribute__((noinline)) ssize pipe_read_waiting(struct file *f, void *program, size_t n)
{
	const struct pipe *p = f->data;

	while (p->read_at == p->write_at) {
		int err;

		if (!p->writers)
			return 0;
		if (f->flags & OPEN_NONBLOCK)
			return -EAGAIN;
		file_ref(f);
		err = wait_on(&((struct pipe *)f->data)->read_queue, 0);
		file_put(f);
		if (err)
			return -ERESTART;
	}
	return pipe_take(f->data, program, n);
}

/* Of an empty pipe, in a conversation. */
static __attribute__((noinline)) ssize pipe_read_turn(struct file *f, void *program, size_t n)
{
	struct pipe *p = f->data;

	file_ref(f); /* another of this process's descriptor table's users may close it meanwhile */
	turn_give(&p->read_queue);
	file_put(f);
	p = f->data;
	return p->read_at == p->write_at ? pipe_read_waiting(f, program, n) : pipe_take(p, program, n);
}

static ssize pipe_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct pipe *p = f->data;

	(void)offset;
	if (!n)
		return 0;
	if (p->read_at != p->write_at)
		return pipe_take(p, program, n);
	return p->writers && !(f->flags & OPEN_NONBLOCK) && turn_due() ? pipe_read_turn(f, program, n) : pipe_read_waiting(f, program, n);
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
		wake_all(&p->read_queue);
		file_ref(f);
		err = 0;
		if (turn_due())
			turn_give(&p->write_queue);
		else
			err = wait_on(&p->write_queue, 0);
		file_put(f);
		if (err)
			return -ERESTART;
	}
}

static int pipe_reserve(struct file *f, size_t n) { return n <= PIPE_ATOMIC ? pipe_wait_room(f, f->data, n) : 0; }

/* The page at the writing end, with what is needed to have one; null: no memory. */
static char *pipe_page(struct pipe *p)
{
	char **slot = pipe_slot(p, p->write_at);

	if (!*slot) {
		frame_t frame = p->spare ? address_frame(p->spare) : frame_get();

		if (frame == NO_FRAME)
			return NULL;
		*slot = frame_address(frame);
		p->spare = NULL;
	}
	return *slot;
}

/* One page's worth at the writing end. */
static inline ssize pipe_put(struct pipe *p, const void *from, size_t n, bool library)
{
	size_t in_page = p->write_at % FRAME_SIZE, part = MIN(MIN(n, FRAME_SIZE - in_page), pipe_room(p));
	char *page = pipe_page(p);

	if (!page)
		return -ENOMEM;
	if (library)
		memcpy(page + in_page, from, part);
	else if (copy_in(page + in_page, from, part))
		return -EFAULT;
	p->write_at += part;
	pipe_look(p);
	return (ssize)part;
}

static ssize pipe_write_from(struct file *f, const void *from, size_t n, bool library)
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
	wake_all(&p->read_queue);
	return done ? (ssize)done : part;
}

static ssize pipe_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	struct pipe *p = f->data;
	uint64_t end = p->write_at + n;

	(void)offset;
	if (end > p->put_limit)
		return pipe_write_from(f, program, n, false);
	if (copy_in((void *)(p->put_base + p->write_at), program, n))
		return -EFAULT;
	n = end - p->write_at; /* which it is; not kept in the meantime */
	p->write_at = end;
	wake_all(&p->read_queue);
	return (ssize)n;
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
		wake_all(&p->write_queue);
	if ((f->flags & OPEN_ACCESS) != OPEN_READ && !--p->writers)
		wake_all(&p->read_queue);
	pipe_look(p);
	if (!p->readers && !p->writers) {
		wake_all(&p->read_queue); /* of those who share a descriptor table one may poll what another closes */
		wake_all(&p->write_queue);
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
	pipe_look(p);
	wake_all(&p->read_queue);
	wake_all(&p->write_queue);
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
