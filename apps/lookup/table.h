/* The memory that server and handler share: entries that the handler finds by itself, and the reply that it builds.
 *
 * The server alone writes entries, with the sequence odd meanwhile; the handler, which may run at any instant on
 * another CPU, copies what it wants and looks at the sequence before and after: what it sends is of one piece. It never
 * waits: whatever is odd, or does not fit, goes to the ring, where the server answers itself. The table is a cache of
 * the server's store: a key has PROBES places, and the last to be written or asked for is there. */
#pragma once

#include "protocol.h"

#define TABLE_FRAMES 256
#define TABLE_PROBES 4

struct table_entry {
	volatile uint32_t sequence; /* odd: the rest is being written */
	uint16_t length;	    /* of the value */
	uint16_t key_length;	    /* 0: nobody's */
	uint64_t key[LOOKUP_WORDS]; /* as far as the length goes */
	uint8_t value[LOOKUP_VALUE_MAX];
};

/* Fields are big-endian, and aligned to 2 bytes, as they follow Ethernet's 14. */
struct table_reply {
	uint16_t ether_to[3], ether_from[3], ether_type;
	uint16_t version_service, total, identity, fragment, lifetime_protocol, ip_check, ip_from[2], ip_to[2];
	uint16_t udp_from, udp_to, udp_length, udp_check;
	uint8_t magic, status, key_length, reserved;
	uint16_t id[2];
	uint8_t value[LOOKUP_VALUE_MAX];
};

struct table {
	volatile uint64_t hits; /* the handler's: replies sent */
	uint64_t places;	/* where an entry may begin to be looked for: PROBES - 1 more entries follow the last */
	uint64_t ip_sum, udp_sum; /* of those words of the reply's headers, and of UDP's pseudo header, that are always
				     the same; in words as they lie there */
	uint64_t reserved[3];
	uint16_t align; /* so that what follows Ethernet's header is aligned to 4 */
	struct table_reply reply;
	struct table_entry entries[] __attribute__((aligned(64)));
};

static inline uint64_t table_place(uint64_t places, uint64_t hash) { return (hash & UINT32_MAX) * places >> 32; }

#ifndef __BPF__
/* The server's part. Keys and values are within their limits. */
void table_start(struct table *t, uint64_t bytes, const uint8_t *ethernet, const uint8_t *address, uint16_t port);
void table_put(
	struct table *t, uint64_t hash, const uint64_t *key, uint32_t key_length, const void *value, uint32_t length);
void table_remove(struct table *t, uint64_t hash, const uint64_t *key, uint32_t key_length);
#endif
