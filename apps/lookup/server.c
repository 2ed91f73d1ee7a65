/* See server.h: requests, decoded and done. */
#include "server.h"
#include "store.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct table *shared;
static uint64_t requests, gets;

void server_share(struct table *t) { shared = t; }

void server_ready(int ready)
{
	if (!ready)
		return;
	puts("ready");
	fflush(stdout);
}

static uint32_t get(uint64_t hash, const uint64_t *key, uint32_t key_length, uint8_t *status, uint8_t *to)
{
	const struct store_item *i = store_find(hash, key, key_length);

	gets++;
	*status = i ? LOOKUP_OK : LOOKUP_NONE;
	if (!i)
		return 0;
	if (shared) /* another has had its place */
		table_put(shared, hash, key, key_length, i->value, i->length);
	memcpy(to, i->value, i->length);
	return i->length;
}

static uint8_t set(uint64_t hash, const uint64_t *key, uint32_t key_length, const void *value, uint32_t length)
{
	if (!store_set(hash, key, key_length, value, length))
		return LOOKUP_FULL;
	if (shared)
		table_put(shared, hash, key, key_length, value, length);
	return LOOKUP_OK;
}

static uint8_t forget(uint64_t hash, const uint64_t *key, uint32_t key_length)
{
	struct store_item *i = store_find(hash, key, key_length);

	if (!i)
		return LOOKUP_NONE;
	if (shared)
		table_remove(shared, hash, key, key_length);
	store_delete(i);
	return LOOKUP_OK;
}

static uint32_t stats(uint8_t *to)
{
	return (uint32_t)snprintf((char *)to, LOOKUP_VALUE_MAX, "items %lu\nrequests %lu\ngets %lu\nhandled %lu\n",
		store_count(), requests, gets, shared ? shared->hits : 0);
}

/* The key, filled up with zeros as it must be: two keys are the same if their words are. */
static bool key_of(uint64_t *key, const uint8_t *from, uint32_t key_length)
{
	uint32_t bytes = lookup_key_words(key_length) * 8;

	memcpy(key, from, bytes);
	for (uint32_t i = key_length; i < bytes; i++)
		if (from[i])
			return false;
	return true;
}

uint32_t server_answer(const uint8_t *request, uint32_t length, uint8_t *to)
{
	struct lookup_header h, *reply = (struct lookup_header *)to;
	uint64_t key[LOOKUP_WORDS] = {0}, hash;
	uint32_t size, value = 0;
	uint8_t status = LOOKUP_BAD;

	if (length < sizeof(h) || *request != LOOKUP_MAGIC)
		return 0;
	memcpy(&h, request, sizeof(h));
	requests++;
	size = sizeof(h) + lookup_key_words(h.key_length) * 8;
	if (h.operation == LOOKUP_STATS && !h.key_length && length == size) {
		status = LOOKUP_OK;
		value = stats(to + sizeof(h));
	} else if (h.key_length - 1u < LOOKUP_KEY_MAX && length >= size && length - size <= LOOKUP_VALUE_MAX &&
		   key_of(key, request + sizeof(h), h.key_length)) {
		hash = store_hash(key, h.key_length);
		if (h.operation == LOOKUP_SET)
			status = set(hash, key, h.key_length, request + size, length - size);
		else if (h.operation == LOOKUP_GET && length == size)
			value = get(hash, key, h.key_length, &status, to + sizeof(h));
		else if (h.operation == LOOKUP_DELETE && length == size)
			status = forget(hash, key, h.key_length);
	}
	*reply = (struct lookup_header){.magic = LOOKUP_MAGIC, .operation = status, .id = h.id};
	return sizeof(h) + value;
}
