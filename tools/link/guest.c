/* Messages to and from the guest (exos/tty/link.h): output handed on byte for byte, input within the credit that the
 * guest has granted. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exos/tty/link.h>

#include "link.h"

#define RECEIVED_SIZE 65536
#define TYPED_SIZE 65536 /* what a user may type ahead of a guest that grants nothing */
#define READ_SIZE 4096

struct guest guest;

/* From the guest. */
static uint8_t received[RECEIVED_SIZE];
static size_t received_length, received_at;
static uint8_t header[LINK_HEADER], text[4]; /* of the message that is coming */
static size_t header_length, message_left, text_length;
static bool closed[3];    /* nobody reads that standard stream */
static int terminal = -1; /* where LINK_TERMINAL goes */

/* To the guest. What is due is made into messages when the one before has gone. */
static uint8_t sending[2 * (LINK_HEADER + LINK_MAX)];
static size_t sending_length, sending_at;
static bool up;           /* LINK_HELLO has come */
static uint64_t credit;
static uint8_t typed[TYPED_SIZE];
static size_t typed_length;
static bool input_is_terminal, input_ended, end_sent, size_due, closed_due[3];

void guest_start(void)
{
	input_is_terminal = isatty(0);
	terminal = terminal_output();
	size_due = true;
}

/* Input that the guest has not asked for is left for others to read; only what is typed is read ahead, since an
 * escape may be in it. */
bool guest_wants_input(void)
{
	if (input_ended)
		return false;
	return input_is_terminal ? typed_length + READ_SIZE < TYPED_SIZE : credit && !typed_length;
}

void guest_read_input(void)
{
	size_t room = input_is_terminal || credit > READ_SIZE - 1 ? READ_SIZE - 1 : (size_t)credit;
	ssize_t n = read(0, typed + typed_length, room);

	if (n > 0)
		typed_length += terminal_escapes(typed + typed_length, (size_t)n, &guest.quit);
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		input_ended = true;
}

void guest_resize(void) { size_due = true; }

void guest_output_gone(int descriptor)
{
	if (closed[descriptor])
		return;
	closed[descriptor] = true;
	closed_due[descriptor] = true;
}

bool guest_output_is_open(int descriptor) { return !closed[descriptor]; }

static void queue(enum link_channel channel, const void *bytes, size_t n)
{
	uint8_t *to = sending + sending_length;

	to[0] = (uint8_t)channel;
	to[1] = (uint8_t)n;
	to[2] = (uint8_t)(n >> 8);
	if (n)
		memcpy(to + LINK_HEADER, bytes, n);
	sending_length += LINK_HEADER + n;
}

static void queue_size(void)
{
	uint16_t rows, columns;

	size_due = false;
	if (terminal_size(&rows, &columns)) {
		uint8_t size[4] = { (uint8_t)rows, (uint8_t)(rows >> 8), (uint8_t)columns, (uint8_t)(columns >> 8) };
		queue(LINK_SIZE, size, sizeof(size));
	}
}

static void queue_input(void)
{
	size_t n = typed_length < LINK_MAX ? typed_length : LINK_MAX;

	n = n < credit ? n : (size_t)credit;
	queue(LINK_INPUT, typed, n);
	credit -= n;
	typed_length -= n;
	memmove(typed, typed + n, typed_length);
}

static bool end_due(void) { return input_ended && !typed_length && !end_sent; }

bool guest_has_to_send(void)
{
	return sending_at < sending_length ||
	       (up && (size_due || closed_due[1] || closed_due[2] || (typed_length && credit) || end_due()));
}

static void queue_due(void)
{
	sending_length = sending_at = 0;
	if (size_due)
		queue_size();
	for (uint8_t i = 1; i < 3; i++) {
		if (closed_due[i])
			queue(LINK_OUTPUT_CLOSED, &i, 1);
		closed_due[i] = false;
	}
	if (typed_length && credit)
		queue_input();
	if (end_due()) {
		queue(LINK_INPUT_END, NULL, 0);
		end_sent = true;
	}
}

void guest_send(int line)
{
	ssize_t n;

	if (sending_at == sending_length)
		queue_due();
	n = send(line, sending + sending_at, sending_length - sending_at, MSG_NOSIGNAL);
	if (n > 0)
		sending_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		sending_at = sending_length; /* the machine is ending: its line will say so when it is read */
}

bool guest_may_receive(void) { return received_at == received_length; }

void guest_receive(int *line)
{
	ssize_t n = read(*line, received, sizeof(received));

	received_at = 0;
	received_length = n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(*line);
		*line = -1;
	}
}

static int destination(uint8_t channel)
{
	switch (channel) {
	case LINK_OUTPUT:
		return closed[1] ? -1 : 1;
	case LINK_ERROR:
		return closed[2] ? -1 : 2;
	case LINK_TERMINAL:
		return terminal;
	default:
		return -1;
	}
}

int guest_blocked_on(void)
{
	bool inside = header_length == LINK_HEADER && message_left && !guest_may_receive();

	return inside ? destination(header[0]) : -1;
}

static void destination_failed(int descriptor)
{
	if (errno != EPIPE)
		say("standard %s: %s", descriptor == 1 ? "output" : "error", strerror(errno));
	if (descriptor == terminal)
		terminal = -1;
	if (descriptor)
		guest_output_gone(descriptor);
}

static void message_start(void)
{
	message_left = header[1] | (size_t)header[2] << 8;
	text_length = 0;
	if (header[0] < LINK_HELLO || header[0] > LINK_ROOM || message_left > LINK_MAX)
		guest.lost = true;
}

static void message_end(void)
{
	header_length = 0;
	if (header[0] == LINK_HELLO) {
		up = true;
	} else if (header[0] == LINK_EXIT && text_length == 1) {
		guest.exited = true;
		guest.status = text[0];
	} else if (header[0] == LINK_ROOM && text_length == 4) {
		credit += text[0] | (uint32_t)text[1] << 8 | (uint32_t)text[2] << 16 | (uint32_t)text[3] << 24;
	}
}

/* How much of this part of a message was taken; 0: its reader takes nothing now. */
static size_t message_part(const uint8_t *bytes, size_t n)
{
	int to = destination(header[0]);
	ssize_t written;

	if (to >= 0) {
		written = write_some(to, bytes, n);
		if (written >= 0)
			return (size_t)written;
		destination_failed(to);
	} else if (header[0] == LINK_EXIT || header[0] == LINK_ROOM) {
		for (size_t i = 0; i < n; i++, text_length++)
			if (text_length < sizeof(text))
				text[text_length] = bytes[i];
	}
	return n;
}

void guest_hand_on(void)
{
	while (received_at < received_length && !guest.lost) {
		size_t part = 1, left = received_length - received_at;

		if (header_length < LINK_HEADER) {
			header[header_length++] = received[received_at];
			if (header_length == LINK_HEADER)
				message_start();
		} else {
			part = message_part(received + received_at, message_left < left ? message_left : left);
			if (!part)
				return;
			message_left -= part;
		}
		received_at += part;
		if (header_length == LINK_HEADER && !message_left)
			message_end();
	}
}
