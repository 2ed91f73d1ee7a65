/* The guest's end of the link. Called by terminals and streams (sending) and by the keeper (receiving, start and
 * end).
 *
 * A message on its way lies in `out`, whole, and belongs to nobody: whoever comes next sends on what is left of it.
 * So a process can be interrupted, or die, in the middle of a message, and the line carries on. On an emulator the
 * line takes everything at once. */
#include <aegis/x86_64/stubs.h>
#include <exos/sched/wait.h>
#include <exos/tty/console.h>
#include <exos/tty/tty.h>

#define PAUSE 1000000ul /* ns between looks at a line that took nothing; news from it end the wait earlier */
#define LOG_TRIES 10000 /* then the rest of the line is lost: the log never blocks */

/* All of it: domain lock. */
static bool plain;
static uint32_t device;
static struct wait_queue line_news;

static struct {
	uint8_t bytes[LINK_HEADER + LINK_MAX];
	size_t length, sent;
} out;

static struct {
	bool busy; /* an environment is in link_receive, perhaps waiting to echo */
	uint8_t header[LINK_HEADER];
	uint32_t header_length;
	uint32_t left; /* bytes of the message yet to come */
	uint32_t text_length;
	uint8_t text[4]; /* its beginning, unless it is input */
} in;

void link_start(bool without_messages)
{
	plain = without_messages;
	device = plain ? DEVICE_CONSOLE0 : DEVICE_CONSOLE1;
	wait_queue_init(&line_news);
	link_send(LINK_HELLO, NULL, 0);
}

/* True when nothing is left of the message. */
static bool send_on(void)
{
	while (out.sent < out.length) {
		int64_t taken = aegis_console_write(device, out.bytes + out.sent, out.length - out.sent);

		if (taken < 0) /* the line is gone: nobody will ever read it */
			out.sent = out.length;
		else if (taken == 0)
			return false;
		else
			out.sent += (size_t)taken;
	}
	return true;
}

int link_wait(bool interruptible)
{
	while (!send_on()) {
		if (wait_on(&line_news, time_deadline(PAUSE)) != -EINTR)
			continue;
		if (interruptible)
			return -EINTR;
		sched_yield_slice();
	}
	return 0;
}

static void send_message(enum link_channel channel, const void *bytes, size_t n)
{
	size_t header = plain ? 0 : LINK_HEADER;

	link_wait(false);
	if (!plain) {
		out.bytes[0] = (uint8_t)channel;
		out.bytes[1] = (uint8_t)n;
		out.bytes[2] = (uint8_t)(n >> 8);
	}
	if (n)
		memcpy(out.bytes + header, bytes, n);
	out.length = header + n;
	out.sent = 0;
	link_wait(false);
}

void link_send(enum link_channel channel, const void *bytes, size_t n)
{
	size_t done = 0;

	if (plain && channel != LINK_OUTPUT && channel != LINK_ERROR && channel != LINK_TERMINAL)
		return;
	do {
		size_t part = MIN(n - done, (size_t)LINK_MAX);

		send_message(channel, (const uint8_t *)bytes + done, part);
		done += part;
	} while (done < n);
}

void link_log(const char *line, size_t n)
{
	for (int tries = 0; n && tries < LOG_TRIES; tries++) {
		int64_t taken = aegis_console_write(DEVICE_CONSOLE0, line, n);

		if (taken < 0)
			return;
		line += taken;
		n -= (size_t)taken;
	}
}

void link_grant(uint32_t bytes)
{
	uint8_t room[4] = { (uint8_t)bytes, (uint8_t)(bytes >> 8), (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24) };

	/* Without messages there is no credit: what had no room is still with the line. */
	if (plain)
		link_receive();
	else
		link_send(LINK_ROOM, room, sizeof(room));
}

static void message_end(void)
{
	const uint8_t *t = in.text;

	in.header_length = 0;
	switch (in.header[0]) {
	case LINK_INPUT_END:
		tty_input_end();
		break;
	case LINK_SIZE:
		if (in.text_length == 4)
			tty_resize((uint16_t)(t[0] | t[1] << 8), (uint16_t)(t[2] | t[3] << 8));
		break;
	case LINK_OUTPUT_CLOSED:
		if (in.text_length == 1 && (t[0] == 1 || t[0] == 2))
			tty_output_closed(t[0]);
		break;
	default:
		break;
	}
}

static void message_part(const uint8_t *bytes, uint32_t n)
{
	if (in.header[0] == LINK_INPUT) {
		tty_input(bytes, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++, in.text_length++)
		if (in.text_length < sizeof(in.text))
			in.text[in.text_length] = bytes[i];
}

static void take_bytes(const uint8_t *bytes, size_t n)
{
	while (n) {
		uint32_t part = 1;

		if (in.header_length < LINK_HEADER) {
			in.header[in.header_length++] = *bytes;
			if (in.header_length == LINK_HEADER) {
				in.left = in.header[1] | (uint32_t)in.header[2] << 8;
				in.text_length = 0;
			}
		} else {
			part = (uint32_t)MIN(n, in.left);
			message_part(bytes, part);
			in.left -= part;
		}
		if (in.header_length == LINK_HEADER && !in.left)
			message_end();
		bytes += part;
		n -= part;
	}
}

void link_receive(void)
{
	uint8_t bytes[256];
	int64_t n;

	wake_all(&line_news);
	if (in.busy)
		return; /* the one inside goes on until the line is empty */
	in.busy = true;
	for (;;) {
		size_t room = plain ? MIN(tty_input_room(), sizeof(bytes)) : sizeof(bytes);

		n = room ? aegis_console_read(device, bytes, room) : 0;
		if (n <= 0)
			break;
		if (plain)
			tty_input(bytes, (size_t)n);
		else
			take_bytes(bytes, (size_t)n);
	}
	in.busy = false;
}
