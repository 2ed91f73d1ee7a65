/* Terminals as files: opening, reading, writing, polling. What /dev/console, /dev/tty and the standard streams are
 * made of. */
#include <exos/file/device.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/tty/console.h>
#include <exos/tty/terminal.h>
#include <exos/vm/copy.h>

#define CHUNK (TTY_OUTPUT / TTY_EXPANSION)

/* Waits for a change of the terminal: 0, -ETIMEDOUT, or -ERESTART when a signal wants more than that the process
 * stops and goes on. */
static int wait_changed(struct file *f, uint64_t deadline)
{
	int err;

	file_ref(f); /* whoever shares the descriptor table may close it meanwhile */
	err = wait_on(&tty_of(f)->changed, deadline);
	if (err == -EINTR)
		err = signal_interrupts() ? -ERESTART : 0;
	file_put(f);
	return err;
}

/* How long a read that is not canonical has waited, and for what (POSIX, 11.1.7). */
struct patience {
	uint64_t deadline; /* ticks; 0: none runs */
	size_t seen;       /* bytes that were there when it began to run */
};

/* 1: read now what is there, perhaps nothing; 0: wait, until the deadline; or -EAGAIN. */
static int read_ready(struct file *f, size_t n, struct patience *p)
{
	const struct tty *t = tty_of(f);
	size_t there = discipline_readable(t), least = t->settings.control[VMIN];
	uint64_t tenths = t->settings.control[VTIME];

	if (t->settings.local & ICANON) {
		if (there)
			return 1;
		least = 1;
		tenths = 0;
	}
	if (there >= MIN(n, MAX(least, 1ul)) || (!least && !tenths))
		return 1;
	if (f->flags & OPEN_NONBLOCK)
		return there ? 1 : -EAGAIN;
	/* Without a least number the time runs from the start; with one, anew from every byte. */
	if (tenths && (least ? there && there != p->seen : !p->deadline)) {
		p->deadline = time_deadline(tenths * 100000000ul);
		p->seen = there;
	}
	return 0;
}

static ssize terminal_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct tty *t = tty_of(f);
	struct patience patience = { 0, 0 };

	(void)offset;
	for (;;) {
		int ready, err;

		if (tty_hung_up(f) || !n)
			return 0;
		err = job_check(t, SIGTTIN);
		if (err)
			return err;
		ready = read_ready(f, n, &patience);
		if (ready > 0)
			return discipline_read(t, program, n);
		if (ready < 0)
			return ready;
		if (t->no_keyboard)
			return -EIO;
		err = wait_changed(f, patience.deadline);
		if (err == -ETIMEDOUT || (err && discipline_readable(t) && !(t->settings.local & ICANON)))
			return discipline_read(t, program, n);
		if (err)
			return err;
	}
}

/* Waits until what is put into `output` goes out at once. What was held back while output was stopped goes first. */
static int write_ready(struct file *f)
{
	struct tty *t = tty_of(f);

	for (;;) {
		int err = tty_hung_up(f) ? -EIO : t->settings.local & TOSTOP ? job_check(t, SIGTTOU) : 0;

		if (err)
			return err;
		if (t->stopped) {
			err = f->flags & OPEN_NONBLOCK ? -EAGAIN : wait_changed(f, 0);
			if (err)
				return err;
			continue;
		}
		if (link_wait(true))
			return -ERESTART;
		if (t->stopped)
			continue;
		if (!t->output_length)
			return 0;
		output_send(t);
	}
}

static ssize write_from(struct file *f, const void *from, size_t n, bool library)
{
	struct tty *t = tty_of(f);
	uint8_t bytes[CHUNK];
	size_t done = 0;

	while (done < n) {
		size_t part = MIN(n - done, sizeof(bytes));
		int err = 0;

		if (library)
			memcpy(bytes, (const char *)from + done, part);
		else
			err = copy_in(bytes, (const char *)from + done, part);
		if (!err)
			err = write_ready(f);
		if (err)
			return done ? (ssize)done : err;
		for (size_t i = 0; i < part; i++)
			output_put(t, bytes[i]);
		output_send(t);
		done += part;
	}
	return (ssize)done;
}

static ssize terminal_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	(void)offset;
	return write_from(f, program, n, false);
}

static ssize terminal_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	(void)offset;
	return write_from(f, bytes, n, true);
}

static uint32_t terminal_poll(struct file *f, struct wait_queue **queue)
{
	const struct tty *t = tty_of(f);
	size_t there = discipline_readable(t);
	bool several = !(t->settings.local & ICANON) && !t->settings.control[VTIME];

	*queue = &tty_of(f)->changed;
	if (tty_hung_up(f))
		return POLL_IN | POLL_OUT | POLL_ERROR | POLL_HANGUP;
	return (there && there >= (several ? t->settings.control[VMIN] : 1) ? POLL_IN : 0) |
	       (t->no_keyboard ? POLL_IN | POLL_HANGUP : 0) | (t->stopped ? 0 : POLL_OUT);
}

static size_t terminal_available(struct file *f) { return tty_hung_up(f) ? 0 : discipline_readable(tty_of(f)); }

static void terminal_release(struct file *f) { heap_free(f->data); }

static const struct file_ops terminal_ops = {
	.read = terminal_read,
	.write = terminal_write,
	.write_library = terminal_write_library,
	.control = tty_control,
	.poll = terminal_poll,
	.available = terminal_available,
	.release = terminal_release,
};

int tty_open(struct tty *t, struct file *file)
{
	struct tty_open *open = heap_alloc(sizeof(*open));

	if (!open)
		return -ENOMEM;
	*open = (struct tty_open){ t, t->hangups };
	file->ops = &terminal_ops;
	file->data = open;
	return 0;
}

int tty_open_controlling(struct inode *inode, struct file *file)
{
	(void)inode;
	return self->proc && self->proc->tty ? tty_open(self->proc->tty, file) : -ENXIO;
}

int tty_open_console(struct inode *inode, struct file *file)
{
	(void)inode;
	return console_tty ? tty_open(console_tty, file) : -EIO;
}

uint64_t tty_device_number(struct tty *t)
{
	(void)t; /* there is one */
	return DEVICE_NUMBER(5, 1);
}
