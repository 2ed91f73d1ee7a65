/* See store.h: chains by hash, as many as there are items. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

static struct store_item **chains;
static uint64_t chain_count, count; /* chain_count: 0 or a power of two */

uint64_t store_hash(const uint64_t *key, uint32_t key_length)
{
	uint64_t hash = key_length;

	for (uint32_t i = 0; i < lookup_key_words(key_length); i++)
		hash = lookup_mix(hash, key[i]);
	return hash;
}

static struct store_item **chain_of(uint64_t hash) { return &chains[hash >> 32 & (chain_count - 1)]; }

struct store_item *store_find(uint64_t hash, const uint64_t *key, uint32_t key_length)
{
	for (struct store_item *i = chain_count ? *chain_of(hash) : NULL; i; i = i->next)
		if (i->hash == hash && i->key_length == key_length &&
			!memcmp(i->key, key, lookup_key_words(key_length) * sizeof(*key)))
			return i;
	return NULL;
}

/* Without memory for more chains they become longer. */
static void grow(void)
{
	uint64_t n = chain_count ? 2 * chain_count : 64, old_count = chain_count;
	struct store_item **more = calloc(n, sizeof(*more)), **old = chains;

	if (!more)
		return;
	chains = more;
	chain_count = n;
	for (uint64_t c = 0; c < old_count; c++)
		for (struct store_item *i = old[c], *next; i; i = next) {
			next = i->next;
			i->next = *chain_of(i->hash);
			*chain_of(i->hash) = i;
		}
	free(old);
}

static struct store_item *add(uint64_t hash, const uint64_t *key, uint32_t key_length)
{
	struct store_item *i;

	if (count >= chain_count)
		grow();
	i = chain_count ? calloc(1, sizeof(*i)) : NULL;
	if (!i)
		return NULL;
	i->hash = hash;
	i->key_length = key_length;
	memcpy(i->key, key, lookup_key_words(key_length) * sizeof(*key));
	i->next = *chain_of(hash);
	*chain_of(hash) = i;
	count++;
	return i;
}

struct store_item *store_set(
	uint64_t hash, const uint64_t *key, uint32_t key_length, const void *value, uint32_t length)
{
	struct store_item *i = store_find(hash, key, key_length);
	uint8_t *room = i && i->room >= length ? i->value : malloc(length ? length : 1);

	if (!room)
		return NULL;
	if (!i && !(i = add(hash, key, key_length))) {
		free(room);
		return NULL;
	}
	if (room != i->value) {
		free(i->value);
		i->value = room;
		i->room = length;
	}
	memcpy(i->value, value, length);
	i->length = length;
	return i;
}

void store_delete(struct store_item *item)
{
	struct store_item **at = chain_of(item->hash);

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	free(item->value);
	free(item);
	count--;
}

uint64_t store_count(void) { return count; }
