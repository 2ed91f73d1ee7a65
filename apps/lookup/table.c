/* See table.h. */
#include "table.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static bool is(const struct table_entry *e, const uint64_t *key, uint32_t key_length)
{
	return e->key_length == key_length && !memcmp(e->key, key, lookup_key_words(key_length) * sizeof(*key));
}

static struct table_entry *find(struct table *t, uint64_t hash, const uint64_t *key, uint32_t key_length)
{
	struct table_entry *first = &t->entries[table_place(t->places, hash)];

	for (struct table_entry *e = first; e < first + TABLE_PROBES; e++)
		if (is(e, key, key_length))
			return e;
	return NULL;
}

/* A free place, or one of another's, who is asked for by other means then: each in turn. */
static struct table_entry *take(struct table *t, uint64_t hash)
{
	static uint32_t turn;
	struct table_entry *first = &t->entries[table_place(t->places, hash)];

	for (struct table_entry *e = first; e < first + TABLE_PROBES; e++)
		if (!e->key_length)
			return e;
	return first + turn++ % TABLE_PROBES;
}

/* The sequence is odd before anything else changes, and even again after all has. */
static void begin(struct table_entry *e)
{
	e->sequence++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end(struct table_entry *e)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e->sequence++;
}

void table_put(
	struct table *t, uint64_t hash, const uint64_t *key, uint32_t key_length, const void *value, uint32_t length)
{
	struct table_entry *e = find(t, hash, key, key_length);

	if (!e)
		e = take(t, hash);
	begin(e);
	e->length = (uint16_t)length;
	e->key_length = (uint16_t)key_length;
	memcpy(e->key, key, lookup_key_words(key_length) * sizeof(*key));
	memcpy(e->value, value, length);
	end(e);
}

void table_remove(struct table *t, uint64_t hash, const uint64_t *key, uint32_t key_length)
{
	struct table_entry *e = find(t, hash, key, key_length);

	if (!e)
		return;
	begin(e);
	e->key_length = 0;
	end(e);
}

static uint64_t add_words(const uint16_t *words, uint32_t n)
{
	uint64_t sum = 0;

	while (n--)
		sum += *words++;
	return sum;
}

/* All that is the same in every reply; the rest is 0. */
void table_start(struct table *t, uint64_t bytes, const uint8_t *ethernet, const uint8_t *address, uint16_t port)
{
	struct table_reply *r = &t->reply;

	t->places = (bytes - sizeof(*t)) / sizeof(struct table_entry) - (TABLE_PROBES - 1);
	memcpy(r->ether_from, ethernet, sizeof(r->ether_from));
	r->ether_type = htons(0x0800);
	r->version_service = htons(0x4500);
	r->fragment = htons(0x4000);
	r->lifetime_protocol = htons(64 << 8 | 17);
	memcpy(r->ip_from, address, sizeof(r->ip_from));
	r->udp_from = htons(port);
	r->magic = LOOKUP_MAGIC;
	r->status = LOOKUP_OK;
	t->ip_sum = add_words(&r->version_service, 10);
	t->udp_sum = htons(17) + add_words(r->ip_from, 2) + r->udp_from + add_words((const uint16_t *)&r->magic, 2);
}
