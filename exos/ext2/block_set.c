/* Sets of blocks: bitmaps in a table. */
#include <exos/ext2/block_set.h>

#define WORDS (BLOCK_SET_GROUP / 64)

static struct block_set_group *group_make(struct block_set *set, const struct ext2_port *port, uint64_t key)
{
	struct block_set_group *g = port->allocate(port->data, sizeof(*g));

	if (!g)
		return NULL;
	g->bits = port->page(port->data);
	g->entry.key = key;
	if (!g->bits || hash_add(&set->groups, port, &g->entry) != 0) {
		if (g->bits)
			port->page_free(port->data, g->bits);
		port->free(port->data, g);
		return NULL;
	}
	memset(g->bits, 0, WORDS * sizeof(*g->bits));
	return g;
}

static void group_free(const struct ext2_port *port, struct block_set_group *g)
{
	port->page_free(port->data, g->bits);
	port->free(port->data, g);
}

uint64_t block_set_skip(const struct block_set *set, uint64_t block)
{
	for (;;) {
		const struct block_set_group *g = (const struct block_set_group *)hash_find(&set->groups, block / BLOCK_SET_GROUP);
		uint32_t at = block % BLOCK_SET_GROUP, word = at / 64;
		uint64_t free = g ? ~g->bits[word] & ~0ul << at % 64 : 1;

		if (!g)
			return block;
		while (!free && ++word < WORDS)
			free = ~g->bits[word];
		block += (free ? word * 64 + (uint32_t)__builtin_ctzl(free) : BLOCK_SET_GROUP) - at;
		if (free)
			return block;
	}
}

/* Groups first, as that can fail; those that were made in vain stay until the end, and are empty. */
int block_set_add(struct block_set *set, const struct ext2_port *port, uint64_t block, uint64_t count)
{
	for (uint64_t key = block / BLOCK_SET_GROUP; count && key <= (block + count - 1) / BLOCK_SET_GROUP; key++)
		if (!hash_find(&set->groups, key) && !group_make(set, port, key))
			return -ENOMEM;
	while (count) {
		struct block_set_group *g = (struct block_set_group *)hash_find(&set->groups, block / BLOCK_SET_GROUP);
		uint32_t at = block % BLOCK_SET_GROUP;

		for (; count && at < BLOCK_SET_GROUP; at++, block++, count--)
			g->bits[at / 64] |= 1ul << at % 64;
	}
	return 0;
}

void block_set_merge(struct block_set *to, struct block_set *from, const struct ext2_port *port)
{
	struct hash_entry *e;

	if (block_set_empty(to)) {
		block_set_end(to, port);
		*to = *from;
		*from = (struct block_set){ { 0 } };
		return;
	}
	while ((e = hash_after(&from->groups, NULL))) {
		struct block_set_group *g = (struct block_set_group *)e, *same = (struct block_set_group *)hash_find(&to->groups, e->key);

		hash_remove(&from->groups, e);
		if (same) {
			for (uint32_t i = 0; i < WORDS; i++)
				same->bits[i] |= g->bits[i];
			group_free(port, g);
		} else {
			hash_add(&to->groups, port, e); /* which is not its first */
		}
	}
	hash_end(&from->groups, port);
}

void block_set_end(struct block_set *set, const struct ext2_port *port)
{
	for (struct hash_entry *e = hash_after(&set->groups, NULL), *next; e; e = next) {
		next = hash_after(&set->groups, e);
		group_free(port, (struct block_set_group *)e);
	}
	hash_end(&set->groups, port);
}

static uint32_t run_from(const uint64_t *bits, uint32_t *at)
{
	uint32_t from;

	while (*at < BLOCK_SET_GROUP && !(bits[*at / 64] >> *at % 64 & 1))
		*at += bits[*at / 64] >> *at % 64 ? 1 : 64 - *at % 64;
	from = *at;
	while (*at < BLOCK_SET_GROUP && bits[*at / 64] >> *at % 64 & 1)
		++*at;
	return from;
}

void block_set_runs(const struct block_set *set, void (*run)(void *data, uint64_t block, uint64_t count), void *data)
{
	for (struct hash_entry *e = hash_after(&set->groups, NULL); e; e = hash_after(&set->groups, e)) {
		const struct block_set_group *g = (const struct block_set_group *)e;

		for (uint32_t at = 0; at < BLOCK_SET_GROUP;) {
			uint32_t from = run_from(g->bits, &at);

			if (at > from)
				run(data, e->key * BLOCK_SET_GROUP + from, at - from);
		}
	}
}
