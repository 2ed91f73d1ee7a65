/* What goes over the wire, one datagram each way: a header of 8 bytes, then in a request the key, filled up with zeros
 * to whole words of 8 bytes, and behind it in a SET the value; in a reply the value. How long a value is the datagram
 * says. Shared by server, client and handler. */
#pragma once

#include <stdint.h>

#define LOOKUP_PORT	 11300
#define LOOKUP_MAGIC	 0x4c /* 'L' */
#define LOOKUP_KEY_MAX	 32   /* bytes; one at least */
#define LOOKUP_VALUE_MAX 1024
#define LOOKUP_WORDS	 (LOOKUP_KEY_MAX / 8)

enum {
	LOOKUP_GET = 1,
	LOOKUP_SET = 2,
	LOOKUP_DELETE = 3,
	LOOKUP_STATS = 4 /* a text about the server; its key is of length 0 */
};
enum {
	LOOKUP_OK = 0,
	LOOKUP_NONE = 1 /* no such key */,
	LOOKUP_BAD = 2 /* not understood */,
	LOOKUP_FULL = 3 /* no memory */
};

struct lookup_header {
	uint8_t magic;
	uint8_t operation;  /* in a reply the status */
	uint8_t key_length; /* bytes; in a reply 0 */
	uint8_t reserved;   /* 0 */
	uint32_t id;	    /* the client's own: comes back */
};

/* A key as it is on the wire: as many words as its length takes, the last filled up. */
static inline uint32_t lookup_key_words(uint32_t length) { return (length + 7) / 8; }

static inline uint64_t lookup_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}
