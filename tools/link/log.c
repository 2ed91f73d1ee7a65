/* The machine's log: lines of text, each shown with who speaks. What a guest writes there must not do anything to a
 * terminal. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "link.h"

#define PENDING_SIZE 65536
#define READ_SIZE 1024
#define EXPANSION 16 /* most bytes that are added to one: a prefix and the end of a line */

static const char *const known[] = { "aegis: ", "exos: ", "arbiter: " };
static const char *prefix = LOG_PREFIX;
static int descriptor = 2;
static char pending[PENDING_SIZE];
static size_t pending_length;
static char start[16]; /* of a line, until it is clear who speaks */
static size_t start_length;
static bool inside;   /* of a line whose start is out */
static bool lost;     /* nobody reads it */

bool log_start(const char *file, const char *with_prefix)
{
	prefix = with_prefix ? with_prefix : prefix;
	if (!file)
		return true;
	descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (descriptor < 0)
		say("%s: %s", file, strerror(errno));
	return descriptor >= 0;
}

bool log_may_receive(void) { return pending_length + READ_SIZE * (EXPANSION + strlen(prefix)) < PENDING_SIZE; }
bool log_pending(void) { return pending_length != 0; }
int log_descriptor(void) { return descriptor; }

static void put(const char *bytes, size_t n)
{
	if (lost || pending_length + n > PENDING_SIZE)
		return;
	memcpy(pending + pending_length, bytes, n);
	pending_length += n;
}

/* Could the line still turn out to begin with a known prefix? */
static bool undecided(void)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (start_length < strlen(known[i]) && strncmp(start, known[i], start_length) == 0)
			return true;
	return false;
}

static void put_start(void)
{
	bool named = false;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		named |= start_length >= strlen(known[i]) && strncmp(start, known[i], strlen(known[i])) == 0;
	if (!named)
		put(prefix, strlen(prefix));
	put(start, start_length);
	start_length = 0;
	inside = true;
}

static void put_end(void)
{
	if (!inside && !start_length)
		return;
	if (!inside)
		put_start();
	if (terminal_is_raw && descriptor == 2)
		put("\r", 1);
	put("\n", 1);
	inside = false;
}

static void take(char c)
{
	if (c == '\r')
		return;
	if (c == '\n') {
		put_end();
		return;
	}
	if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
		c = '?';
	if (inside) {
		put(&c, 1);
		return;
	}
	start[start_length++] = c;
	if (!undecided())
		put_start();
}

void log_receive(int *line)
{
	char bytes[READ_SIZE];
	ssize_t n = read(*line, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++)
		take(bytes[i]);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(*line);
		*line = -1;
		put_end();
	}
}

void log_write(void)
{
	ssize_t n = write_some(descriptor, pending, pending_length);

	if (n < 0) {
		lost = true;
		n = (ssize_t)pending_length;
	}
	pending_length -= (size_t)n;
	memmove(pending, pending + n, pending_length);
}

void log_end(void)
{
	put_end();
	while (pending_length) {
		size_t before = pending_length;

		log_write();
		if (pending_length == before)
			return;
	}
}
