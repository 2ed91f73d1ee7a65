/* The link to ./exo: one serial line that carries several streams, in messages.
 *
 * A message is: channel (1 byte), length (2 bytes, little endian, at most LINK_MAX), that many bytes. The host's end
 * is tools/link, which shares this header; nothing here needs more than <stdint.h>. Whoever gets a channel that he
 * does not know, or a length that is too large, has lost the thread: the host ends the machine, the guest ignores
 * the message.
 *
 * How it goes: the guest says LINK_HELLO; before that the host sends nothing. Then the host sends LINK_SIZE, if it
 * has a terminal, and from then on whenever the size changes. It may send LINK_INPUT only as far as the guest has
 * granted room: credit starts at 0, each LINK_ROOM adds to it, each byte of LINK_INPUT takes one off. (A guest that
 * grants nothing before its program asks for input leaves the host's standard input untouched.) Everything else may
 * be sent at any time; the line itself makes the sender wait when the other end does not read. The guest's last
 * message is LINK_EXIT, then it switches the machine off.
 *
 * Log text does not come this way, since it must be possible to log while a message is half sent: it is lines of
 * text on the first serial line, each beginning with who speaks ("aegis: ", "exos: "). Where there is no second
 * serial line, the first one is used as a plain terminal, without messages. */
#pragma once

#include <stdint.h>

enum link_channel {
	/* guest to host */
	LINK_HELLO = 1,    /* it is up (empty) */
	LINK_OUTPUT = 2,   /* standard output */
	LINK_ERROR = 3,    /* standard error */
	LINK_TERMINAL = 4, /* to the terminal of ./exo, whichever of the three standard streams is one */
	LINK_EXIT = 5,     /* 1 byte: the exit status of PROGRAM; the machine goes off next */
	LINK_ROOM = 6,     /* 4 bytes, little endian: so many more bytes of LINK_INPUT may be sent */
	/* host to guest */
	LINK_INPUT = 16,         /* standard input */
	LINK_INPUT_END = 17,     /* it has ended (empty) */
	LINK_SIZE = 18,          /* 2 + 2 bytes, little endian: rows, columns of the terminal */
	LINK_OUTPUT_CLOSED = 19, /* 1 byte: 1 or 2, nobody reads that standard stream any more: what still comes is lost */
};
#define LINK_HEADER 3
#define LINK_MAX 4096 /* bytes in a message */
