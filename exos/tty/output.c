/* A terminal's output side: what programs write and what is echoed, processed and handed to the link. */
#include <exos/tty/console.h>
#include <exos/tty/terminal.h>

static void append(struct tty *t, uint8_t c)
{
	if (t->output_length < TTY_OUTPUT)
		t->output[t->output_length++] = c;
}

void output_raw(struct tty *t, uint8_t c)
{
	if (c == '\b')
		t->column -= t->column ? 1 : 0;
	else if (c == '\r')
		t->column = 0;
	else if (c == '\t')
		t->column = ROUND_DOWN(t->column, 8u) + 8;
	else if (c >= ' ' && c != 0x7f && !(t->settings.input & IUTF8 && (c & 0xc0) == 0x80))
		t->column++;
	append(t, c);
}

static void put_newline(struct tty *t)
{
	if (t->settings.output & ONLCR)
		output_raw(t, '\r');
	else if (t->settings.output & ONLRET)
		t->column = 0;
	t->line_column = t->column;
	append(t, '\n');
}

static void put_return(struct tty *t)
{
	uint32_t output = t->settings.output;

	if (output & ONOCR && !t->column)
		return;
	if (!(output & OCRNL)) {
		output_raw(t, '\r');
		t->line_column = 0;
		return;
	}
	if (output & ONLRET)
		t->column = t->line_column = 0;
	append(t, '\n');
}

void output_put(struct tty *t, uint8_t c)
{
	if (!(t->settings.output & OPOST)) {
		append(t, c);
	} else if (c == '\n') {
		put_newline(t);
	} else if (c == '\r') {
		put_return(t);
	} else if (c == '\t' && (t->settings.output & TABS_MASK) == TABS_EXPANDED) {
		do {
			output_raw(t, ' ');
		} while (t->column % 8);
	} else {
		output_raw(t, c);
	}
}

void output_echo(struct tty *t, uint8_t c)
{
	if (t->settings.local & ECHOCTL && (c < ' ' || c == 0x7f) && c != '\t') {
		output_put(t, '^');
		c ^= 0x40;
	}
	output_put(t, c);
}

/* Once the line is free, link_send has the bytes with it before it can release the lock. */
void output_send(struct tty *t)
{
	uint32_t n;

	if (t->stopped || !t->output_length)
		return;
	link_wait(false);
	if (t->stopped || !t->output_length)
		return;
	n = t->output_length;
	t->output_length = 0;
	link_send(LINK_TERMINAL, t->output, n);
}

void output_stop(struct tty *t) { t->stopped = true; }

void output_restart(struct tty *t)
{
	if (!t->stopped)
		return;
	t->stopped = false;
	wake_all(&t->changed);
}
