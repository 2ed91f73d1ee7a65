/* The link to ./exo: one serial line that carries several streams, in messages.
 *
 * A message is: channel (1 byte), length (2 bytes, little endian), that many bytes. The host's end is tools/link.c, which
 * shares this header; nothing here needs more than <stdint.h>. Where there is no second serial line, the first one
 * is used as a plain terminal, without messages. */
#pragma once

#include <stdint.h>

enum link_channel {
	/* both ways */
	LINK_HELLO = 1,  /* guest: it is up (empty). */
	/* guest to host */
	LINK_OUTPUT = 2, /* standard output */
	LINK_ERROR = 3,  /* standard error */
	LINK_LOG = 4,    /* one line of the library's log, without newline */
	LINK_EXIT = 5,   /* 1 byte: the exit status of PROGRAM; the machine goes off next */
	LINK_ROOM = 6,   /* 4 bytes: so many more bytes of LINK_INPUT may be sent (credit) */
	/* host to guest */
	LINK_INPUT = 16, /* standard input */
	LINK_INPUT_END = 17, /* it has ended (empty) */
	LINK_SIZE = 18,  /* 2 + 2 bytes: rows, columns of the terminal */
};
#define LINK_HEADER 3
#define LINK_MAX 4096 /* bytes in a message */
