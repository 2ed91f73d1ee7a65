/* Standard streams of ./exo that are no terminal: bytes in, bytes out, an end. As files they are like the ends of
 * pipes.
 *
 * Nothing is taken from the host before a program asks for input: ./exo in the middle of a script must not eat what
 * others are to read. */
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/tty/console.h>
#include <exos/tty/terminal.h>
#include <exos/vm/copy.h>

#define STREAM_INPUT 16384
#define SMALL 256 /* writes of up to so many bytes need no frame */

static struct {
	uint8_t bytes[STREAM_INPUT];
	uint32_t head, tail; /* only grow */
	bool wanted, ended;
	struct wait_queue readers;
} in; /* domain lock */

static bool out_closed[3];
static struct wait_queue closing; /* who polls for the end of an output */
static struct inode *inodes[3];

size_t stream_room(void) { return in.wanted ? STREAM_INPUT - (in.head - in.tail) : 0; }

void stream_input(const uint8_t *bytes, size_t n)
{
	for (size_t part; n; bytes += part, n -= part) {
		part = MIN(MIN(n, STREAM_INPUT - in.head % STREAM_INPUT), stream_room());
		if (!part)
			break;
		memcpy(in.bytes + in.head % STREAM_INPUT, bytes, part);
		in.head += (uint32_t)part;
	}
	wake_all(&in.readers);
}

void stream_input_end(void)
{
	in.ended = true;
	wake_all(&in.readers);
}

void stream_output_closed(int number)
{
	out_closed[number] = true;
	wake_all(&closing);
}

static void want_input(void)
{
	if (in.wanted)
		return;
	in.wanted = true;
	tty_input_taken();
}

static int wait_input(struct file *f)
{
	want_input();
	while (in.head == in.tail && !in.ended) {
		int err;

		if (f->flags & OPEN_NONBLOCK)
			return -EAGAIN;
		file_ref(f); /* whoever shares the descriptor table may close it meanwhile */
		err = wait_on(&in.readers, 0);
		file_put(f);
		if (err && signal_interrupts())
			return -ERESTART;
	}
	return 0;
}

static ssize input_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	size_t done = 0;
	int err = n ? wait_input(f) : 0;

	(void)offset;
	while (!err && done < n && in.head != in.tail) {
		uint32_t at = in.tail % STREAM_INPUT;
		size_t part = MIN(MIN(n - done, STREAM_INPUT - at), in.head - in.tail);

		err = copy_out((char *)program + done, in.bytes + at, part);
		if (!err) {
			in.tail += (uint32_t)part;
			done += part;
		}
	}
	tty_input_taken();
	return done ? (ssize)done : err;
}

static uint32_t input_poll(struct file *f, struct wait_queue **queue)
{
	(void)f;
	want_input();
	*queue = &in.readers;
	return (in.head != in.tail || in.ended ? POLL_IN : 0) | (in.ended ? POLL_HANGUP : 0);
}

static size_t input_available(struct file *f)
{
	(void)f;
	want_input();
	return in.head - in.tail;
}

static const struct file_ops input_ops = { .read = input_read, .poll = input_poll, .available = input_available };

static int number_of(const struct file *f) { return (int)(uintptr_t)f->data; }

/* Sends up to LINK_MAX bytes of library memory; once the line is free they go as one message. */
static ssize output_chunk(struct file *f, const void *bytes, size_t n)
{
	if (link_wait(true))
		return -ERESTART;
	if (out_closed[number_of(f)]) {
		signal_send(self->proc, SIGPIPE, NULL);
		return -EPIPE;
	}
	link_send(number_of(f) == 1 ? LINK_OUTPUT : LINK_ERROR, bytes, n);
	return (ssize)n;
}

static ssize output_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	size_t done = 0;
	ssize part = 0;

	(void)offset;
	while (done < n) {
		part = output_chunk(f, (const char *)bytes + done, MIN(n - done, (size_t)LINK_MAX));
		if (part < 0)
			break;
		done += (size_t)part;
	}
	return done ? (ssize)done : part;
}

static ssize write_by_way_of(struct file *f, const char *program, size_t n, void *buffer, size_t size)
{
	size_t done = 0;
	ssize part = 0;

	while (done < n) {
		part = (ssize)MIN(n - done, size);
		if (copy_in(buffer, program + done, (size_t)part))
			part = -EFAULT;
		else
			part = output_chunk(f, buffer, (size_t)part);
		if (part < 0)
			break;
		done += (size_t)part;
	}
	return done ? (ssize)done : part;
}

static ssize output_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	uint8_t small[SMALL];
	frame_t frame = n > SMALL ? frame_get() : NO_FRAME;
	ssize result;

	(void)offset;
	if (frame == NO_FRAME)
		return write_by_way_of(f, program, n, small, SMALL);
	result = write_by_way_of(f, program, n, frame_address(frame), FRAME_SIZE);
	frame_put(frame);
	return result;
}

static uint32_t output_poll(struct file *f, struct wait_queue **queue)
{
	*queue = &closing;
	return POLL_OUT | (out_closed[number_of(f)] ? POLL_ERROR : 0);
}

static const struct file_ops output_ops = {
	.write = output_write,
	.write_library = output_write_library,
	.poll = output_poll,
};

static int stream_open(struct inode *inode, struct file *file)
{
	file->data = inode->data;
	file->ops = inode == inodes[0] ? &input_ops : &output_ops;
	return 0;
}

static const struct inode_ops stream_inode_ops = { .open = stream_open };

int stream_start(int number)
{
	struct inode *inode = inode_new(&stream_inode_ops, TYPE_FIFO | 0600);

	if (!inode)
		return -ENOMEM;
	if (!closing.waiters.next) {
		wait_queue_init(&closing);
		wait_queue_init(&in.readers);
	}
	inode->data = (void *)(uintptr_t)number;
	inodes[number] = inode;
	return 0;
}

struct file *stream_file(int number)
{
	struct file *f = file_new(&input_ops, inodes[number], number ? OPEN_WRITE : OPEN_READ);

	if (f)
		stream_open(inodes[number], f);
	return f;
}
