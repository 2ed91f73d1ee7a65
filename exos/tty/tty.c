/* The standard streams of the first process, and the way of input from the link to whichever of them reads it. */
#include <exos/proc/proc.h>
#include <exos/tty/console.h>
#include <exos/tty/terminal.h>

/* Credit is given in steps, so that reading byte by byte does not send a message for each. */
#define STREAM_STEP 4096
#define TERMINAL_STEP 64

static struct tty console;
struct tty *console_tty;

static bool is_terminal[3];
static uint32_t granted; /* bytes that the host may still send; domain lock */

size_t tty_input_room(void) { return is_terminal[0] ? discipline_room(&console) : stream_room(); }

void tty_input_taken(void)
{
	size_t room = tty_input_room();

	if (room < granted + (is_terminal[0] ? TERMINAL_STEP : STREAM_STEP))
		return;
	room -= granted;
	granted += (uint32_t)room;
	link_grant((uint32_t)room);
}

void tty_input(const uint8_t *bytes, size_t n)
{
	granted -= (uint32_t)MIN(n, granted);
	if (!is_terminal[0]) {
		stream_input(bytes, n);
		return;
	}
	discipline_input(&console, bytes, n);
	output_send(&console);
	tty_input_taken();
}

void tty_input_end(void)
{
	if (!is_terminal[0]) {
		stream_input_end();
	} else if (!console.no_keyboard) {
		console.no_keyboard = true;
		job_hang_up(&console);
	}
}

void tty_output_closed(int number)
{
	if (!is_terminal[number])
		stream_output_closed(number);
	else
		job_hang_up(&console);
}

int tty_start(const bool terminal[3], uint16_t rows, uint16_t columns)
{
	for (int i = 0; i < 3; i++) {
		is_terminal[i] = terminal[i];
		if (terminal[i]) {
			console_tty = &console;
		} else {
			int err = stream_start(i);

			if (err)
				return err;
		}
	}
	if (console_tty) {
		discipline_start(&console);
		console.size = (struct window_size){ rows, columns, 0, 0 };
		console.no_keyboard = !terminal[0];
	}
	tty_input_taken();
	return 0;
}

struct file *tty_standard(int number)
{
	struct file *f;

	if (!is_terminal[number])
		return stream_file(number);
	return path_open(root_inode, "/dev/console", OPEN_RDWR | OPEN_NOCTTY, 0, &f) ? NULL : f;
}
