/* The terminal's control commands (ioctl): settings, window size, flow, and by way of job.c sessions and groups. */
#include <exos/proc/proc.h>
#include <exos/tty/terminal.h>
#include <exos/vm/copy.h>

static int set_settings(struct tty *t, uint64_t argument, bool flush)
{
	struct termios settings;

	if (copy_in(&settings, (const void *)argument, sizeof(settings)))
		return -EFAULT;
	if (flush)
		discipline_flush(t);
	discipline_set(t, &settings);
	output_send(t);
	return 0;
}

static void set_size(struct tty *t, const struct window_size *size)
{
	if (memcmp(&t->size, size, sizeof(*size)) == 0)
		return;
	t->size = *size;
	job_signal(t, SIGWINCH);
}

void tty_resize(uint16_t rows, uint16_t columns)
{
	if (console_tty)
		set_size(console_tty, &(struct window_size){ rows, columns, 0, 0 });
}

static int set_size_in(struct tty *t, uint64_t argument)
{
	struct window_size size;

	if (copy_in(&size, (const void *)argument, sizeof(size)))
		return -EFAULT;
	set_size(t, &size);
	return 0;
}

/* A byte to the other end, which takes it as flow control of its own output. */
static void send_key(struct tty *t, int which)
{
	uint8_t c = t->settings.control[which];

	if (c == DISABLED)
		return;
	output_raw(t, c);
	output_send(t);
}

static int flow(struct tty *t, uint64_t what)
{
	switch (what) {
	case TCOOFF:
		output_stop(t);
		return 0;
	case TCOON:
		output_restart(t);
		output_send(t);
		return 0;
	case TCIOFF:
		send_key(t, VSTOP);
		return 0;
	case TCION:
		send_key(t, VSTART);
		return 0;
	default:
		return -EINVAL;
	}
}

static int flush(struct tty *t, uint64_t what)
{
	if (what > TCIOFLUSH)
		return -EINVAL;
	if (what != TCOFLUSH)
		discipline_flush(t);
	if (what != TCIFLUSH)
		t->output_length = 0;
	return 0;
}

/* Whatever changes the terminal under the foreground's feet is for the foreground to do. */
static bool changes_terminal(uint64_t command)
{
	switch (command) {
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSBRK:
	case TCSBRKP:
	case TCXONC:
	case TCFLSH:
		return true;
	default:
		return false;
	}
}

int64_t tty_control(struct file *f, uint64_t command, uint64_t argument)
{
	struct tty *t = tty_of(f);
	int none = 0, err;

	if (tty_hung_up(f))
		return -EIO;
	if (changes_terminal(command)) {
		err = job_check(t, SIGTTOU);
		if (err)
			return err;
	}
	switch (command) {
	case TCGETS:
		return copy_out((void *)argument, &t->settings, sizeof(t->settings));
	case TCSETS:
	case TCSETSW: /* what was written is with the line already */
		return set_settings(t, argument, false);
	case TCSETSF:
		return set_settings(t, argument, true);
	case TCSBRK: /* nothing to wait for, and no break on this line */
	case TCSBRKP:
		return 0;
	case TCXONC:
		return flow(t, argument);
	case TCFLSH:
		return flush(t, argument);
	case TIOCGWINSZ:
		return copy_out((void *)argument, &t->size, sizeof(t->size));
	case TIOCSWINSZ:
		return set_size_in(t, argument);
	case TIOCOUTQ:
	case TIOCGETD: /* the only discipline */
		return copy_out((void *)argument, &none, sizeof(none));
	default:
		return job_control(t, command, argument);
	}
}
