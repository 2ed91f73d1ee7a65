/* The server's own memory of keys and values: all of them. */
#pragma once

#include "protocol.h"

#include <stddef.h>

struct store_item {
	struct store_item *next;
	uint64_t hash;
	uint32_t key_length, length, room; /* bytes; room: that the value may have where it is */
	uint64_t key[LOOKUP_WORDS];
	uint8_t *value;
};

uint64_t store_hash(const uint64_t *key, uint32_t key_length);				/* as the handler does it */
struct store_item *store_find(uint64_t hash, const uint64_t *key, uint32_t key_length); /* null: there is none */
/* A new one or another value. Null: no memory, and nothing has changed. */
struct store_item *store_set(
	uint64_t hash, const uint64_t *key, uint32_t key_length, const void *value, uint32_t length);
void store_delete(struct store_item *item);
uint64_t store_count(void);
