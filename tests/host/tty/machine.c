/* A machine of no substance, for the tests of the host's end of the link: it speaks the guest's side as a scenario
 * says. Usage: machine CONSOLE0 CONSOLE1 SCENARIO [ARGUMENT]; the consoles as link hands them over: socket,fd=N. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <exos/tty/link.h>

static int line0, line1;
static const char *argument;

static void fail(const char *what)
{
	fprintf(stderr, "machine: %s\n", what);
	_exit(99);
}

static void write_all(int line, const void *bytes, size_t n)
{
	for (ssize_t part; n; bytes = (const char *)bytes + part, n -= (size_t)part)
		if ((part = write(line, bytes, n)) <= 0)
			fail("the line is gone");
}

static void tell(enum link_channel channel, const void *bytes, size_t n)
{
	uint8_t message[LINK_HEADER + LINK_MAX] = { (uint8_t)channel, (uint8_t)n, (uint8_t)(n >> 8) };

	if (n)
		memcpy(message + LINK_HEADER, bytes, n);
	write_all(line1, message, LINK_HEADER + n);
}

static void tell_text(enum link_channel channel, const char *text) { tell(channel, text, strlen(text)); }
static void log_text(const char *text) { write_all(line0, text, strlen(text)); }
static void grant(uint32_t n) { tell(LINK_ROOM, &n, 4); }
static void leave(uint8_t status) { tell(LINK_EXIT, &status, 1); }

static void read_all(void *to, size_t n)
{
	for (ssize_t part; n; to = (char *)to + part, n -= (size_t)part)
		if ((part = read(line1, to, n)) <= 0)
			fail("the line has ended");
}

/* The next message from the host: its channel. */
static int listen_for(uint8_t *bytes, size_t *n)
{
	uint8_t header[LINK_HEADER];

	read_all(header, sizeof(header));
	*n = header[1] | (size_t)header[2] << 8;
	if (*n > LINK_MAX)
		fail("a message that is too long");
	read_all(bytes, *n);
	return header[0];
}

static uint8_t bytes[LINK_MAX];
static size_t length;

static void scenario_copy(void)
{
	uint64_t credit = 1000;

	grant((uint32_t)credit);
	for (int channel; (channel = listen_for(bytes, &length)) != LINK_INPUT_END;) {
		if (channel != LINK_INPUT)
			continue;
		if (length > credit)
			fail("more input than was granted");
		credit -= length;
		tell(LINK_OUTPUT, bytes, length);
		if (credit < 500) {
			grant(3000);
			credit += 3000;
		}
	}
	tell_text(LINK_ERROR, "done\n");
	leave(7);
}

static void scenario_leave(void) { leave((uint8_t)atoi(argument)); }

static void scenario_crash(void)
{
	tell_text(LINK_OUTPUT, "before");
	fprintf(stderr, "a bad thing\nhas happened\n");
	exit(1);
}

static void scenario_hang(void)
{
	if (argument)
		signal(SIGTERM, SIG_IGN);
	tell_text(LINK_OUTPUT, "up\n");
	for (;;)
		pause();
}

static void scenario_yes(void)
{
	struct pollfd ready = { line1, POLLIN, 0 };

	while (poll(&ready, 1, 0) <= 0 || listen_for(bytes, &length) != LINK_OUTPUT_CLOSED)
		tell_text(LINK_OUTPUT, "y\ny\ny\ny\n");
	leave(bytes[0] == 1 ? 141 : 1);
}

static void scenario_flood(void)
{
	char text[64];

	memset(bytes, 'f', sizeof(bytes));
	for (long n = atol(argument); n > 0; n -= LINK_MAX) {
		tell(LINK_OUTPUT, bytes, LINK_MAX);
		snprintf(text, sizeof(text), "%ld left\n", n);
		if (n % (64 * LINK_MAX) == 0)
			log_text(text);
	}
	leave(0);
}

static void scenario_garbage(void)
{
	write_all(line1, "\x63\x63\x63", 3);
	pause();
}

static void scenario_log(void)
{
	log_text("aegis: kernel\nexos: lib");
	log_text("rary\n\x1b[31mred\r\naeg\n\nno end");
	leave(0);
}

/* Asks for nothing. */
static void scenario_modest(void)
{
	tell_text(LINK_OUTPUT, "modest\n");
	usleep(100000);
	leave(0);
}

static void scenario_terminal(void)
{
	char text[64];

	grant(1000);
	tell_text(LINK_TERMINAL, "ready\r\n");
	for (;;) {
		int channel = listen_for(bytes, &length);

		if (channel == LINK_SIZE) {
			int rows = bytes[0] | bytes[1] << 8, columns = bytes[2] | bytes[3] << 8;

			snprintf(text, sizeof(text), "size %d %d\r\n", rows, columns);
			tell_text(LINK_TERMINAL, text);
		}
		for (size_t i = 0; channel == LINK_INPUT && i < length; i++) {
			snprintf(text, sizeof(text), "key %02x\r\n", bytes[i]);
			tell_text(LINK_TERMINAL, text);
			if (bytes[i] == 'q') {
				leave(3);
				return;
			}
		}
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "copy", scenario_copy }, { "leave", scenario_leave }, { "crash", scenario_crash }, { "hang", scenario_hang },
	{ "yes", scenario_yes }, { "flood", scenario_flood }, { "garbage", scenario_garbage }, { "log", scenario_log },
	{ "modest", scenario_modest }, { "terminal", scenario_terminal },
};

static int descriptor(const char *backend)
{
	int fd;

	if (sscanf(backend, "socket,fd=%d", &fd) != 1)
		fail("no such backend");
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		fail("what should it do?");
	line0 = descriptor(argv[1]);
	line1 = descriptor(argv[2]);
	argument = argv[4];
	tell(LINK_HELLO, NULL, 0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, argv[3]) == 0)
			scenarios[i].run();
	return 0;
}
