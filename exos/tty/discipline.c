/* The line discipline's input side: from keys to what a program reads. Called by tty.c (input) and terminal.c
 * (reading).
 *
 * Promises what programs know from the terminals of Linux: the order in which a byte's possible meanings are tried,
 * what is echoed for it, and what is dropped when the ring is full (in canonical mode, the end of a line still gets
 * in). */
#include <exos/proc/proc.h>
#include <exos/tty/terminal.h>
#include <exos/vm/copy.h>

#define LOCAL(t, bits) ((t)->settings.local & (bits))
#define CTRL(letter) ((letter) & 31)
#define INPUT(t, bits) ((t)->settings.input & (bits))

static uint16_t *cell(struct tty *t, uint32_t at) { return &t->input[at % TTY_INPUT]; }

static bool is_control(uint8_t c) { return c < ' ' || c == 0x7f; }
static bool is_word(uint8_t c) /* bytes of other alphabets count as letters */
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c >= 0xc0;
}
static bool is_continuation(const struct tty *t, uint8_t c) { return INPUT(t, IUTF8) && (c & 0xc0) == 0x80; }

static bool is_key(const struct tty *t, int which, uint8_t c)
{
	return c == t->settings.control[which] && c != DISABLED;
}

void discipline_start(struct tty *t)
{
	t->settings = (struct termios){
		.input = ICRNL | IXON | IUTF8,
		.output = OPOST | ONLCR,
		.line = B38400 | CS8 | CREAD | HUPCL,
		.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.control = { [VINTR] = CTRL('C'), [VQUIT] = CTRL('\\'), [VERASE] = 0x7f, [VKILL] = CTRL('U'),
			[VEOF] = CTRL('D'), [VMIN] = 1, [VSTART] = CTRL('Q'), [VSTOP] = CTRL('S'), [VSUSP] = CTRL('Z'),
			[VREPRINT] = CTRL('R'), [VDISCARD] = CTRL('O'), [VWERASE] = CTRL('W'), [VLNEXT] = CTRL('V') },
	};
	wait_queue_init(&t->changed);
}

void discipline_flush(struct tty *t)
{
	t->tail = t->line = t->head;
	t->literal = false;
	tty_input_taken();
}

/* What was typed under the old rules must be readable under the new ones: a line that was being typed is whole now. */
void discipline_set(struct tty *t, const struct termios *settings)
{
	bool mode = (t->settings.local ^ settings->local) & ICANON;

	t->settings = *settings;
	if (mode) {
		for (uint32_t at = t->tail; at != t->head; at++) {
			if (*cell(t, at) & MARK_END && !LOCAL(t, ICANON))
				*cell(t, at) = DISABLED;
			*cell(t, at) &= 0xff;
		}
		if (LOCAL(t, ICANON) && t->head != t->tail)
			*cell(t, t->head - 1) |= MARK_LINE;
		t->line = t->head;
		t->literal = false;
	}
	if (!INPUT(t, IXON))
		output_restart(t);
	wake_all(&t->changed);
}

/* A full ring without a whole line in it is never emptied: there input still comes, and what does not fit is
 * dropped. */
size_t discipline_room(const struct tty *t)
{
	size_t used = t->head - t->tail, room = used < TTY_INPUT ? TTY_INPUT - 1 - used : 0;

	return LOCAL(t, ICANON) && t->line == t->tail ? MAX(room, (size_t)TTY_INPUT / 16) : room;
}

size_t discipline_readable(const struct tty *t) { return (LOCAL(t, ICANON) ? t->line : t->head) - t->tail; }

static void put(struct tty *t, uint16_t value)
{
	*cell(t, t->head++) = value;
	if (!LOCAL(t, ICANON))
		wake_all(&t->changed);
}

/* The last place is kept for the end of a line. */
static bool full(const struct tty *t) { return t->head - t->tail >= TTY_INPUT - 1; }

static void put_line_end(struct tty *t, uint16_t value)
{
	if (t->head - t->tail == TTY_INPUT)
		return;
	put(t, value);
	t->line = t->head;
	wake_all(&t->changed);
}

static void echo(struct tty *t, uint8_t c)
{
	if (t->head == t->line)
		t->line_column = t->column;
	output_echo(t, c);
}

static void input_signal(struct tty *t, int number, uint8_t c)
{
	job_signal(t, number);
	if (!LOCAL(t, NOFLSH)) {
		discipline_flush(t);
		if (t->stopped)
			t->output_length = 0;
	}
	if (INPUT(t, IXON))
		output_restart(t);
	if (LOCAL(t, ECHO))
		output_echo(t, c);
	wake_all(&t->changed);
}

/* Where the cursor was before the last character of the line being typed: how wide a tab was depends on all before
 * it. */
static uint32_t column_before(struct tty *t, uint32_t end)
{
	uint32_t column = t->line_column;

	for (uint32_t at = t->line; at != end; at++) {
		uint8_t c = (uint8_t)*cell(t, at);

		if (c == '\t')
			column = ROUND_DOWN(column, 8u) + 8;
		else if (is_control(c))
			column += LOCAL(t, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(t, c))
			column++;
	}
	return column;
}

static void rub_out(struct tty *t, unsigned columns)
{
	for (; columns; columns--) {
		output_raw(t, '\b');
		output_raw(t, ' ');
		output_raw(t, '\b');
	}
}

static void echo_erased(struct tty *t, uint8_t c)
{
	if (c == '\t') {
		for (uint32_t column = column_before(t, t->head); t->column > column;)
			output_raw(t, '\b');
	} else {
		rub_out(t, !is_control(c) ? 1 : LOCAL(t, ECHOCTL) ? 2 : 0);
	}
}

/* Takes the last character off the line being typed: its first byte, or -1 when the line is empty or begins in the
 * middle of one. */
static int erase_character(struct tty *t)
{
	uint32_t at = t->head;
	uint8_t c;

	do {
		if (at == t->line)
			return -1;
		c = (uint8_t)*cell(t, --at);
	} while (is_continuation(t, c));
	t->head = at;
	return c;
}

static void erase_key(struct tty *t, uint8_t key)
{
	int c = erase_character(t);

	if (c < 0 || !LOCAL(t, ECHO))
		return;
	if (LOCAL(t, ECHOE))
		echo_erased(t, (uint8_t)c);
	else
		output_echo(t, key);
}

static void erase_word(struct tty *t)
{
	bool seen = false;

	while (t->head != t->line) {
		uint32_t before = t->head;
		int c = erase_character(t);

		if (c < 0)
			return;
		if (!is_word((uint8_t)c) && seen) {
			t->head = before;
			return;
		}
		seen |= is_word((uint8_t)c);
		if (LOCAL(t, ECHO))
			echo_erased(t, (uint8_t)c);
	}
}

static void erase_line(struct tty *t, uint8_t key)
{
	if (t->head == t->line)
		return;
	if (LOCAL(t, ECHO) && LOCAL(t, ECHOK) && LOCAL(t, ECHOKE) && LOCAL(t, ECHOE)) {
		for (int c; (c = erase_character(t)) >= 0;)
			echo_erased(t, (uint8_t)c);
		return;
	}
	t->head = t->line;
	if (!LOCAL(t, ECHO))
		return;
	output_echo(t, key);
	if (LOCAL(t, ECHOK))
		output_put(t, '\n');
}

static void reprint(struct tty *t, uint8_t key)
{
	output_echo(t, key);
	output_put(t, '\n');
	t->line_column = t->column;
	for (uint32_t at = t->line; at != t->head; at++)
		output_echo(t, (uint8_t)*cell(t, at));
}

static int signal_of_key(const struct tty *t, uint8_t c)
{
	return is_key(t, VINTR, c) ? SIGINT : is_key(t, VQUIT, c) ? SIGQUIT : is_key(t, VSUSP, c) ? SIGTSTP : 0;
}

/* Flow control and signals: true if the byte was one of theirs. */
static bool input_key(struct tty *t, uint8_t c)
{
	if (INPUT(t, IXON) && is_key(t, VSTART, c)) {
		output_restart(t);
		return true;
	}
	if (INPUT(t, IXON) && is_key(t, VSTOP, c)) {
		output_stop(t);
		return true;
	}
	if (LOCAL(t, ISIG)) {
		int number = signal_of_key(t, c);

		if (number)
			input_signal(t, number, c);
		return number != 0;
	}
	return false;
}

/* Canonical mode's keys: true if the byte was one. */
static bool input_editing(struct tty *t, uint8_t c)
{
	bool extended = LOCAL(t, IEXTEN);

	if (is_key(t, VERASE, c)) {
		erase_key(t, c);
	} else if (is_key(t, VKILL, c)) {
		erase_line(t, c);
	} else if (extended && is_key(t, VWERASE, c)) {
		erase_word(t);
	} else if (extended && is_key(t, VLNEXT, c)) {
		t->literal = true;
		if (LOCAL(t, ECHO) && LOCAL(t, ECHOCTL)) {
			output_raw(t, '^');
			output_raw(t, '\b');
		}
	} else if (extended && LOCAL(t, ECHO) && is_key(t, VREPRINT, c)) {
		reprint(t, c);
	} else if (c == '\n') {
		if (LOCAL(t, ECHO | ECHONL))
			output_put(t, c);
		put_line_end(t, (uint16_t)(c | MARK_LINE));
	} else if (is_key(t, VEOF, c)) {
		put_line_end(t, MARK_END);
	} else if (is_key(t, VEOL, c) || (extended && is_key(t, VEOL2, c))) {
		if (LOCAL(t, ECHO))
			echo(t, c);
		put_line_end(t, (uint16_t)(c | MARK_LINE));
	} else {
		return false;
	}
	return true;
}

static void input_ordinary(struct tty *t, uint8_t c)
{
	if (full(t)) {
		if (INPUT(t, IMAXBEL))
			output_put(t, '\a');
		return;
	}
	if (LOCAL(t, ECHO)) {
		if (c == '\n')
			output_put(t, c);
		else
			echo(t, c);
	}
	put(t, c);
}

static void input_byte(struct tty *t, uint8_t c)
{
	if (INPUT(t, ISTRIP))
		c &= 0x7f;
	if (t->literal) {
		t->literal = false;
		input_ordinary(t, c);
		return;
	}
	if (t->stopped && INPUT(t, IXON) && INPUT(t, IXANY) && !is_key(t, VSTOP, c))
		output_restart(t);
	if (input_key(t, c))
		return;
	if (c == '\r') {
		if (INPUT(t, IGNCR))
			return;
		if (INPUT(t, ICRNL))
			c = '\n';
	} else if (c == '\n' && INPUT(t, INLCR)) {
		c = '\r';
	}
	if (!LOCAL(t, ICANON) || !input_editing(t, c))
		input_ordinary(t, c);
}

void discipline_input(struct tty *t, const uint8_t *bytes, size_t n)
{
	while (n--)
		input_byte(t, *bytes++);
}

/* Up to the end of a line, or of the room at `bytes`; *ended: the line's end was among it. Takes nothing yet. */
static uint32_t gather(struct tty *t, uint8_t *bytes, size_t room, size_t *count, bool *ended)
{
	uint32_t at = t->tail, end = LOCAL(t, ICANON) ? t->line : t->head;

	*count = 0;
	*ended = false;
	while (*count < room && at != end && !*ended) {
		uint16_t value = *cell(t, at++);

		*ended = value > 0xff;
		if (!(value & MARK_END))
			bytes[(*count)++] = (uint8_t)value;
	}
	/* An end without a byte of its own belongs to what stands before it; left behind, it would be taken for the
	 * end of the file. */
	if (*count && !*ended && at != end && *cell(t, at) & MARK_END) {
		*ended = true;
		at++;
	}
	return at;
}

ssize discipline_read(struct tty *t, void *program, size_t n)
{
	uint8_t bytes[256];
	size_t done = 0, part;
	bool ended = false;

	while (done < n && !ended && discipline_readable(t)) {
		uint32_t at = gather(t, bytes, MIN(n - done, sizeof(bytes)), &part, &ended);

		if (copy_out((char *)program + done, bytes, part))
			return done ? (ssize)done : -EFAULT;
		t->tail = at;
		done += part;
	}
	tty_input_taken();
	return (ssize)done;
}
