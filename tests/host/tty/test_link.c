/* The guest's end of the link: messages cut at any point, a line that takes little, credit, streams. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/self.h>
#include <exos/tty/console.h>
#include <exos/tty/tty.h>

#include "stubs.h"

#define SENT (300 * 1024)

static struct file *standard[3];
static uint64_t offset;

static uint32_t seed = 1;
static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static char bytes[SENT], got[SENT + 1];

static ssize read_now(char *to, size_t n) { return standard[0]->ops->read(standard[0], to, n, &offset); }

static int sleep_once(uint64_t deadline)
{
	(void)deadline;
	link_receive();
	return 0;
}
static int sleep_for_line(uint64_t deadline)
{
	is(deadline != 0, true, "who waits for the line looks again soon");
	stub_line_takes = SIZE_MAX;
	return 0;
}

/* A host that honours credit (of which some is used up), sends pieces of any size, other messages in between, and
 * whose line is cut anywhere. */
static void input_in_random_pieces(uint64_t used)
{
	size_t sent = 0, received = 0;
	uint64_t most = 0;

	for (size_t i = 0; i < SENT; i++)
		bytes[i] = (char)random_below(256);
	stub_forget();
	while (received < SENT) {
		size_t credit = stub_granted() - used - sent, n = 1 + random_below(random_below(4) ? 40 : LINK_MAX);
		ssize part;

		most = MAX(most, stub_granted() - used - received);
		n = MIN(MIN(n, credit), SENT - sent);
		if (n) {
			stub_host_message(LINK_INPUT, bytes + sent, n);
			sent += n;
		}
		if (random_below(5) == 0)
			stub_host_message(LINK_SIZE, "\1\0\2\0", 4);
		if (random_below(9) == 0)
			stub_host_message(77, bytes, random_below(LINK_MAX)); /* unknown: to be passed over */
		stub_line_gives = 1 + random_below(300);
		link_receive();
		standard[0]->flags |= OPEN_NONBLOCK;
		part = read_now(got + received, 1 + random_below(6000));
		standard[0]->flags &= ~(uint32_t)OPEN_NONBLOCK;
		received += part > 0 ? (size_t)part : 0;
		stub_forget();
	}
	stub_line_gives = SIZE_MAX;
	is(memcmp(bytes, got, SENT), 0, "300 KiB in random pieces arrive as they were");
	is(most <= 16384, true, "and never was more than the buffer on the way");
}

static void input_is_left_alone(void)
{
	struct wait_queue *queue;

	is(stub_granted(), 0, "nothing is asked of the host before the program wants input");
	is(standard[0]->ops->poll(standard[0], &queue), 0, "polling wants it, and finds nothing yet");
	is(stub_granted(), 16384, "then a buffer's worth may come");
	standard[0]->flags |= OPEN_NONBLOCK;
	is(read_now(got, 10), -EAGAIN, "a read that may not wait");
	standard[0]->flags &= ~(uint32_t)OPEN_NONBLOCK;
	stub_sleep = sleep_once;
	stub_host_message(LINK_INPUT, "hello", 5);
	is(read_now(got, 10), 5, "a read that may");
	stub_sleep = NULL;
}

static void input_ends(void)
{
	struct wait_queue *queue;

	stub_host_message(LINK_INPUT, "last", 4);
	stub_host_message(LINK_INPUT_END, NULL, 0);
	link_receive();
	is(read_now(got, 10), 4, "what came before the end");
	is(read_now(got, 10), 0, "is followed by it");
	is(read_now(got, 10), 0, "again and again");
	is(standard[0]->ops->poll(standard[0], &queue), POLL_IN | POLL_HANGUP, "poll says so");
}

static void output(void)
{
	struct wait_queue *queue;

	stub_forget();
	is(standard[1]->ops->write(standard[1], bytes, 10000, &offset), 10000, "a long write");
	is(standard[2]->ops->write(standard[2], "error", 5, &offset), 5, "a short one to the other stream");
	is(stub_sent(LINK_OUTPUT, got, sizeof(got)), 10000, "all of it is sent");
	is(memcmp(bytes, got, 10000), 0, "as it was");
	is_text((stub_sent(LINK_ERROR, got, sizeof(got)), got), "error", "each on its channel");
	stub_forget();
	stub_line_takes = 7;
	is(standard[1]->ops->write(standard[1], bytes, 1000, &offset), 1000, "a line that takes seven bytes at once");
	is(stub_sent(LINK_OUTPUT, got, sizeof(got)), 1000, "takes a thousand");
	stub_forget();
	stub_line_takes = 0;
	stub_sleep = sleep_for_line;
	is(standard[1]->ops->write(standard[1], "abc", 3, &offset), 3, "over a line that is stuck for a while");
	is_text((stub_sent(LINK_OUTPUT, got, sizeof(got)), got), "abc", "in one piece");
	stub_sleep = NULL;
	is(standard[1]->ops->control == NULL, true, "a stream is no terminal");
	stub_fault = true;
	is(standard[1]->ops->write(standard[1], bytes, 1000, &offset), -EFAULT, "from a bad address");
	stub_fault = false;
	is(standard[1]->ops->poll(standard[1], &queue), POLL_OUT, "there is room");
	stub_host_message(LINK_OUTPUT_CLOSED, "\1", 1);
	link_receive();
	is(standard[1]->ops->poll(standard[1], &queue), POLL_OUT | POLL_ERROR, "until nobody reads it");
	is(standard[1]->ops->write(standard[1], "x", 1, &offset), -EPIPE, "then a write fails");
	is(stub_signals[SIGPIPE], 1, "with SIGPIPE");
	is(standard[2]->ops->write(standard[2], "x", 1, &offset), 1, "the other stream goes on");
}

static void log_lines(void)
{
	stub_forget();
	log_line("%s: %d", "odd\nname", 42);
	is_text(stub_logged, "exos: odd?name: 42\n", "a log line is one line");
	stub_forget();
	log_line("%0300d", 7);
	is(strlen(stub_logged), 256, "and has an end");
}

int main(void)
{
	const bool none[3] = {false, false, false};

	stubs_start();
	link_start(false);
	tty_start(none, 24, 80);
	for (int i = 0; i < 3; i++)
		standard[i] = tty_standard(i);
	is(console_tty == NULL, true, "without a terminal there is no console");
	input_is_left_alone();
	input_in_random_pieces(strlen("hello"));
	input_ends();
	output();
	log_lines();
	for (int i = 0; i < 3; i++) {
		free(standard[i]->inode);
		file_put(standard[i]);
	}
	return done_testing();
}
