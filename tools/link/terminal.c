/* The terminal that ./exo runs in: raw while the machine has it, put back whatever happens, and a way out of the
 * machine by key. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "link.h"

#define ESCAPE ('A' & 31)

bool terminal_is_raw;
static bool is_terminal;
static struct termios saved;

void terminal_start(void)
{
	is_terminal = isatty(0) && tcgetattr(0, &saved) == 0;
	terminal_raw();
}

void terminal_raw(void)
{
	struct termios raw = saved;

	if (!is_terminal)
		return;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal_is_raw = tcsetattr(0, TCSADRAIN, &raw) == 0;
}

/* Also in the background, where the setting would stop us. */
void terminal_restore(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;

	if (!terminal_is_raw)
		return;
	sigaction(SIGTTOU, &ignore, &before);
	tcsetattr(0, TCSANOW, &saved);
	sigaction(SIGTTOU, &before, NULL);
	terminal_is_raw = false;
}

bool terminal_size(uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	for (int i = 0; i < 3; i++) {
		if (isatty(i) && ioctl(i, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
			*rows = size.ws_row;
			*columns = size.ws_col;
			return true;
		}
	}
	return false;
}

int terminal_output(void)
{
	for (int i = 1; i < 3; i++)
		if (isatty(i))
			return i;
	return isatty(0) && (fcntl(0, F_GETFL) & O_ACCMODE) != O_RDONLY ? 0 : -1;
}

static void help(void)
{
	static const char text[] = "\r\nexo: Ctrl-A x  end the machine\r\n"
				   "exo: Ctrl-A Ctrl-A  send Ctrl-A\r\n"
				   "exo: Ctrl-A h  this\r\n";

	write_some(2, text, sizeof(text) - 1);
}

size_t terminal_escapes(uint8_t *bytes, size_t n, bool *quit)
{
	static bool escaped; /* Ctrl-A was the last key of an earlier call */
	uint8_t from[4096];
	size_t length = 0;

	if (!is_terminal)
		return n;
	memcpy(from, bytes, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = from[i];

		if (!escaped) {
			escaped = c == ESCAPE;
			if (!escaped)
				bytes[length++] = c;
			continue;
		}
		escaped = false;
		if (c == 'x') {
			*quit = true;
		} else if (c == 'h') {
			help();
		} else {
			bytes[length++] = ESCAPE;
			if (c != ESCAPE && c != 'a')
				bytes[length++] = c;
		}
	}
	return length;
}
