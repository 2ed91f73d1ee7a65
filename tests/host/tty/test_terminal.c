/* The line discipline, output processing and job control, key by key and byte by byte. */
#include <stdio.h>

#include <exos/self.h>
#include <exos/tty/console.h>
#include <exos/tty/termios.h>
#include <exos/tty/tty.h>

#include "stubs.h"

static struct file *terminal;

static void type_bytes(const char *keys, size_t n)
{
	stub_host_message(LINK_INPUT, keys, n);
	link_receive();
}

static void type(const char *keys) { type_bytes(keys, strlen(keys)); }

/* What the terminal was sent since the last look. */
static const char *screen(void)
{
	static char text[65536];

	stub_sent(LINK_TERMINAL, text, sizeof(text));
	stub_forget();
	return text;
}

/* What a read of up to n bytes gives now. */
static const char *read_some(size_t n)
{
	static char text[8192];
	uint64_t offset = 0;
	ssize got;

	terminal->flags |= OPEN_NONBLOCK;
	got = terminal->ops->read(terminal, text, n, &offset);
	terminal->flags &= ~(uint32_t)OPEN_NONBLOCK;
	if (got == -EAGAIN)
		return "(nothing)";
	if (got == 0)
		return "(end)";
	if (got < 0)
		return "(error)";
	text[got] = 0;
	return text;
}

static const char *read_line(void) { return read_some(4096); }

static ssize write_text(const char *text)
{
	uint64_t offset = 0;

	return terminal->ops->write(terminal, text, strlen(text), &offset);
}

static struct termios settings(void)
{
	struct termios s;

	terminal->ops->control(terminal, TCGETS, (uintptr_t)&s);
	return s;
}

static int64_t set(struct termios s) { return terminal->ops->control(terminal, TCSETS, (uintptr_t)&s); }

static void fresh(void)
{
	static struct termios first;
	static bool known;

	if (!known)
		first = settings();
	known = true;
	set(first);
	terminal->ops->control(terminal, TCFLSH, TCIOFLUSH);
	write_text("\r");
	stub_sleep = NULL;
	stub_forget();
}

static void raw(uint8_t least, uint8_t tenths)
{
	struct termios s = settings();

	s.local &= ~(uint32_t)(ICANON | ECHO | ISIG);
	s.control[VMIN] = least;
	s.control[VTIME] = tenths;
	set(s);
}

static void editing(void)
{
	fresh();
	type("ls\r");
	is_text(screen(), "ls\r\n", "keys are echoed, return as a new line");
	is_text(read_line(), "ls\n", "a line is read with its end");
	is_text(read_line(), "(nothing)", "and once only");
	type("ab");
	is_text(read_line(), "(nothing)", "half a line is not read");
	type("c\x7f\x7f" "d\r");
	screen();
	is_text(read_line(), "ad\n", "erase takes the last byte off");
	type("ab\x7f\x7f\x7f");
	is_text(screen(), "ab\b \b\b \b", "erase rubs out, and stops at the start of the line");
	type("one two_3  \x17");
	is_text(screen(), "one two_3  \b \b\b \b\b \b\b \b\b \b\b \b\b \b", "word erase takes blanks and a word");
	type("\r");
	is_text(read_line(), "one \n", "and the line has lost it");
	screen();
	type("abc\x15");
	is_text(screen(), "abc\b \b\b \b\b \b", "kill rubs out the whole line");
	type("x\r");
	is_text(read_line(), "x\n", "and it is gone");
	screen();
	type("a\x01\x7f");
	is_text(screen(), "a^A\b \b\b \b", "a control character takes two columns");
	type("\x15");
	screen();
	write_text("1234");
	screen();
	type("a\tb\x7f\x7f\x7f");
	is_text(screen(), "a\tb\b \b\b\b\b\b \b", "erasing a tab goes back to where it began");
	type("\x15\xc3\xa4\xe2\x82\xac\x7f");
	is_text(screen(), "\xc3\xa4\xe2\x82\xac\b \b", "a character of several bytes is erased whole");
	type("\r");
	is_text(read_line(), "\xc3\xa4\n", "in the line, too");
	fresh();
	type("ab\x16\x03\x16\x7f\r");
	is_text(screen(), "ab^\b^C^\b^?\r\n", "after literal-next a key is only itself");
	is_text(read_line(), "ab\x03\x7f\n", "and is read");
	type("xy\x12");
	is_text(screen(), "xy^R\r\nxy", "reprint shows the line again");
	type("\r");
	read_line();
}

static void editing_variants(void)
{
	struct termios s;

	fresh();
	s = settings();
	s.local &= ~(uint32_t)ECHOKE;
	set(s);
	type("ab\x15");
	is_text(screen(), "ab^U\r\n", "kill without ECHOKE shows its key and starts a new line");
	s.local &= ~(uint32_t)(ECHOE | ECHOK);
	set(s);
	type("ab\x7f\x15");
	is_text(screen(), "ab^?^U", "erase and kill without ECHOE, ECHOK only show their keys");
	s.local &= ~(uint32_t)ECHO;
	set(s);
	type("pass\x7fw\r");
	is_text(screen(), "", "without ECHO nothing shows");
	is_text(read_line(), "pasw\n", "but editing works");
	s.local |= ECHONL;
	set(s);
	type("x\r");
	is_text(screen(), "\r\n", "except, with ECHONL, the new line");
	read_line();
	fresh();
	s = settings();
	s.local &= ~(uint32_t)ECHOCTL;
	s.control[VEOL] = ';';
	set(s);
	type("\x01");
	is_text(screen(), "\x01", "control characters as they are without ECHOCTL");
	type("b;c\r");
	is_text(read_line(), "\x01" "b;", "VEOL ends a line, too");
	is_text(read_line(), "c\n", "the next one follows");
	s = settings();
	s.input = (s.input & ~(uint32_t)ICRNL) | INLCR;
	s.control[VEOL] = '\r';
	set(s);
	type("a\nb\r");
	is_text(read_line(), "a\r", "INLCR turns a new line into a return");
	read_line();
	s.input = IGNCR;
	set(s);
	type("a\rb\n");
	is_text(read_line(), "ab\n", "IGNCR drops it");
	s.input = ISTRIP | ICRNL;
	set(s);
	type("\xe1\r");
	is_text(read_line(), "a\n", "ISTRIP takes the top bit off");
}

static void ends(void)
{
	fresh();
	type("\x04");
	is_text(read_line(), "(end)", "VEOF on an empty line is the end of the file");
	is_text(read_line(), "(nothing)", "once");
	type("ab\x04");
	is_text(screen(), "ab", "VEOF is not echoed");
	is_text(read_line(), "ab", "VEOF ends a line without being part of it");
	type("abc\x04");
	is_text(read_some(3), "abc", "a read of just the length of the line");
	is_text(read_line(), "(nothing)", "takes the end with it");
	type("abcd\r");
	is_text(read_some(3), "abc", "a short read leaves the rest");
	is_text(read_line(), "d\n", "for the next");
	type("1\r2\r");
	is(terminal->ops->available(terminal), 4, "both lines are there");
	is_text(read_line(), "1\n", "one line a read");
	read_line();
	type("half");
	raw(1, 0);
	is_text(read_line(), "half", "what was typed before canonical mode ended can be read");
	type("more");
	set((fresh(), settings()));
	type("x\r");
	is_text(read_line(), "x\n", "a flush forgets what was typed");
}

static void long_lines(void)
{
	static char keys[5000];
	size_t length;

	fresh();
	memset(keys, 'a', sizeof(keys));
	for (size_t at = 0; at < sizeof(keys); at += 100)
		type_bytes(keys + at, 100);
	is(stub_granted() >= 1, true, "a full line still gets credit");
	type("\r");
	length = strlen(read_line());
	is(length, 4096, "of a line that is too long, what fits is read, with its end");
	is_text(read_line(), "(nothing)", "and nothing else");
}

static void signals(void)
{
	fresh();
	type("abc\x03");
	is(stub_signals[SIGINT], 1, "VINTR sends SIGINT");
	is(stub_signal_group, 10, "to the foreground group");
	is_text(screen(), "abc^C", "and is echoed");
	type("\r");
	is_text(read_line(), "\n", "what was typed before is forgotten");
	screen();
	type("\x1a\x1c");
	is(stub_signals[SIGTSTP] + stub_signals[SIGQUIT], 2, "VSUSP and VQUIT, too");
	{
		struct termios s = settings();
		s.local |= NOFLSH;
		set(s);
	}
	type("ab\x03\r");
	is_text(read_line(), "ab\n", "with NOFLSH it is kept");
	fresh();
	raw(1, 0);
	type("\x03");
	is(stub_signals[SIGINT], 0, "without ISIG the key is only a byte");
	is_text(read_line(), "\x03", "and is read");
}

static int sleeps;
static int sleep_then_type(uint64_t deadline)
{
	(void)deadline;
	sleeps++;
	type("z");
	return 0;
}
static int sleep_time_out(uint64_t deadline)
{
	sleeps++;
	return deadline ? -ETIMEDOUT : -EINTR;
}
static int sleep_interrupted(uint64_t deadline) { return (void)deadline, sleeps++ < 1 ? -EINTR : -ETIMEDOUT; }

static ssize blocking_read(size_t n)
{
	static char text[64];
	uint64_t offset = 0;

	sleeps = 0;
	return terminal->ops->read(terminal, text, n, &offset);
}

static void raw_mode(void)
{
	struct wait_queue *queue;

	fresh();
	raw(0, 0);
	is(blocking_read(10), 0, "MIN 0, TIME 0: at once, with nothing");
	raw(3, 0);
	stub_sleep = sleep_then_type;
	is(blocking_read(10), 3, "MIN 3: waits for three bytes");
	is(sleeps, 3, "one after the other");
	is(blocking_read(2), 2, "MIN 3, but only two asked for");
	type("z");
	is(terminal->ops->poll(terminal, &queue) & POLL_IN, 0, "fewer than MIN are no news for poll");
	type("zz");
	is(terminal->ops->poll(terminal, &queue) & POLL_IN, POLL_IN, "MIN are");
	read_line();
	raw(0, 5);
	stub_sleep = sleep_time_out;
	is(blocking_read(10), 0, "MIN 0, TIME 5: nothing came in time");
	is(stub_deadline_ns, 500000000, "the time was half a second");
	raw(2, 1);
	stub_sleep = sleep_time_out;
	is(blocking_read(10), -ERESTART, "MIN 2, TIME 1: no time runs before the first byte");
	type("z");
	is(blocking_read(10), 1, "but after it");
	raw(1, 0);
	stub_sleep = sleep_interrupted;
	is(blocking_read(10), -ERESTART, "a signal ends the wait");
	stub_signal_stops = true;
	raw(0, 1);
	is(blocking_read(10), 0, "a stop does not");
	is(sleeps, 2, "it waited on");
	stub_signal_stops = false;
}

static void output(void)
{
	struct termios s;

	fresh();
	is(write_text("a\nb\tc\x1b[1m\n"), 10, "a write tells how much it took");
	is_text(screen(), "a\r\nb\tc\x1b[1m\r\n", "new lines get a return");
	s = settings();
	s.output |= TABS_EXPANDED;
	set(s);
	write_text("ab\tc");
	is_text(screen(), "ab      c", "tabs as blanks when asked for");
	s.output = OPOST | OCRNL;
	set(s);
	write_text("x\ry\n");
	is_text(screen(), "x\ny\n", "returns as new lines when asked for");
	s.output = OPOST | ONOCR | ONLRET;
	set(s);
	write_text("\n\rz\r");
	is_text(screen(), "\nz\r", "no return at column 0");
	s.output = 0;
	set(s);
	write_text("a\nb\r\t");
	is_text(screen(), "a\nb\r\t", "without OPOST, as it is");
	fresh();
	{
		static char lines[40000], want[2 * sizeof(lines)];
		char *to = want;
		for (size_t i = 0; i < sizeof(lines) - 1; i++) {
			lines[i] = i % 10 == 9 ? '\n' : 'x';
			if (lines[i] == '\n')
				*to++ = '\r';
			*to++ = lines[i];
		}
		is(write_text(lines), sizeof(lines) - 1, "a long write");
		is_text(screen(), want, "arrives whole");
	}
}

static int sleep_start(uint64_t deadline)
{
	(void)deadline;
	sleeps++;
	type("\x11");
	return 0;
}

static void flow(void)
{
	struct wait_queue *queue;

	fresh();
	type("\x13");
	is(terminal->ops->poll(terminal, &queue) & POLL_OUT, 0, "after VSTOP there is no room");
	type("k");
	is_text(screen(), "", "nor an echo");
	stub_sleep = sleep_start;
	sleeps = 0;
	is(write_text("out"), 3, "a write waits");
	is(sleeps, 1, "until VSTART");
	is_text(screen(), "kout", "the echo that was held back comes first");
	stub_sleep = NULL;
	type("\x13");
	type("\x03");
	is_text(screen(), "^C", "an interrupt starts output again");
	terminal->ops->control(terminal, TCXONC, TCOOFF);
	type("q");
	is_text(screen(), "", "TCOOFF stops");
	terminal->ops->control(terminal, TCXONC, TCOON);
	is_text(screen(), "q", "TCOON goes on");
	terminal->ops->control(terminal, TCXONC, TCIOFF);
	is_text(screen(), "\x13", "TCIOFF sends the stop character");
	is(terminal->ops->control(terminal, TCXONC, 9), -EINVAL, "there are four such commands");
}

static void background(void)
{
	struct termios s;
	int group = 20, got = 0;
	uint64_t offset = 0;
	char byte;

	fresh();
	is(terminal->ops->control(terminal, TIOCSPGRP, (uintptr_t)&group), 0, "another group can be the foreground");
	is(terminal->ops->control(terminal, TIOCGPGRP, (uintptr_t)&got), 0, "and can be asked for");
	is(got, 20, "it is that one");
	is(terminal->ops->read(terminal, &byte, 1, &offset), -ERESTART, "a read in the background");
	is(stub_signals[SIGTTIN], 1, "is stopped by SIGTTIN");
	is(stub_signal_group, 10, "with its group");
	stub_orphaned = true;
	is(terminal->ops->read(terminal, &byte, 1, &offset), -EIO, "an orphaned group gets EIO");
	stub_orphaned = false;
	stub_proc.signals.mask = signal_bit(SIGTTIN);
	is(terminal->ops->read(terminal, &byte, 1, &offset), -EIO, "as does who blocks SIGTTIN");
	stub_proc.signals.mask = 0;
	is(write_text("x"), 1, "writing is allowed");
	stub_proc.signals.actions[SIGTTOU].handler = SIGNAL_IGNORE;
	s = settings();
	s.local |= TOSTOP;
	is(set(s), 0, "settings are, while SIGTTOU is ignored");
	stub_proc.signals.actions[SIGTTOU].handler = SIGNAL_DEFAULT;
	is(write_text("x"), -ERESTART, "writing is not, with TOSTOP");
	is(set(s), -ERESTART, "settings are not");
	is(stub_signals[SIGTTOU], 2, "SIGTTOU both times");
	stub_proc.signals.actions[SIGTTOU].handler = SIGNAL_IGNORE;
	group = 10;
	is(terminal->ops->control(terminal, TIOCSPGRP, (uintptr_t)&group), 0, "back again");
	stub_proc.signals.actions[SIGTTOU].handler = SIGNAL_DEFAULT;
	group = 77;
	is(terminal->ops->control(terminal, TIOCSPGRP, (uintptr_t)&group), -ESRCH, "no such group");
	group = -1;
	is(terminal->ops->control(terminal, TIOCSPGRP, (uintptr_t)&group), -EINVAL, "no group at all");
	stub_other.session = 20;
	group = 20;
	is(terminal->ops->control(terminal, TIOCSPGRP, (uintptr_t)&group), -EPERM, "a group of another session");
	stub_other.session = 10;
	is(terminal->ops->control(terminal, TIOCGSID, (uintptr_t)&got), 0, "the session can be asked for");
	is(got, 10, "it is ours");
	fresh();
}

static void sizes(void)
{
	struct window_size size;
	uint8_t message[4] = {50, 0, 0x2c, 1};

	fresh();
	terminal->ops->control(terminal, TIOCGWINSZ, (uintptr_t)&size);
	is(size.rows * 1000 + size.columns, 24080, "the size at the start");
	stub_host_message(LINK_SIZE, message, 4);
	link_receive();
	terminal->ops->control(terminal, TIOCGWINSZ, (uintptr_t)&size);
	is(size.rows * 1000 + size.columns, 50300, "the host's terminal has changed");
	is(stub_signals[SIGWINCH], 1, "the foreground is told");
	terminal->ops->control(terminal, TIOCSWINSZ, (uintptr_t)&size);
	is(stub_signals[SIGWINCH], 1, "but not when nothing changes");
	is(terminal->ops->control(terminal, 0x1234, 0), -ENOTTY, "a command that there is not");
	stub_fault = true;
	is(terminal->ops->control(terminal, TIOCSWINSZ, (uintptr_t)&size), -EFAULT, "a bad address for a size");
	is(terminal->ops->control(terminal, TCSETS, 8), -EFAULT, "and for settings");
	is(write_text("x"), -EFAULT, "and for output");
	type("ab\r");
	is_text(read_line(), "(error)", "and for input");
	stub_fault = false;
	is_text(read_line(), "ab\n", "which is not lost by it");
}

static void sessions(void)
{
	struct file *other = NULL;

	fresh();
	is(terminal->ops->control(terminal, TIOCSCTTY, 0), 0, "the controlling terminal may be asked for again");
	is(stub_proc.tty == console_tty, true, "it is the process's");
	self->proc = &stub_other;
	is(terminal->ops->control(terminal, TIOCSCTTY, 0), -EPERM, "only a leader may ask for one");
	self->proc = &stub_proc;
	stub_proc.tty = NULL;
	is(tty_open_controlling(NULL, NULL), -ENXIO, "/dev/tty without one");
	stub_proc.tty = console_tty;
	tty_hangup_session(10);
	is(stub_signals[SIGHUP] && stub_signals[SIGCONT], true, "at the end of the session its foreground is told");
	is(stub_proc.tty == NULL, true, "nobody has the terminal any more");
	is_text(read_line(), "(end)", "files open before read the end");
	is(write_text("x"), -EIO, "and cannot be written");
	is(terminal->ops->control(terminal, TCGETS, 0), -EIO, "nor controlled");
	path_open(NULL, "/dev/console", OPEN_RDWR, 0, &other);
	file_put(terminal);
	terminal = other;
	is(write_text("x"), 1, "the terminal can be opened anew");
	is(terminal->ops->control(terminal, TIOCSCTTY, 0), 0, "and be another session's");
	stub_host_message(LINK_INPUT_END, NULL, 0);
	link_receive();
	is_text(read_line(), "(end)", "when the host's terminal goes, it is hung up");
}

int main(void)
{
	const bool all[3] = {true, true, true};

	stubs_start();
	link_start(false);
	tty_start(all, 24, 80);
	terminal = tty_standard(0);
	tty_make_controlling(console_tty, &stub_proc);
	editing();
	editing_variants();
	ends();
	long_lines();
	signals();
	raw_mode();
	output();
	flow();
	background();
	sizes();
	sessions();
	file_put(terminal);
	return done_testing();
}
