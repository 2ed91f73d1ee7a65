/* A set of blocks, as bitmaps: a page for each 32,768 blocks (the group of a volume with 4 KiB blocks) of which there is one in it. Its users: blocks that were freed and may not be used yet; the journal's own blocks, while it is checked. */
#pragma once

#include <exos/ext2/hash.h>

#define BLOCK_SET_GROUP 32768u

struct block_set_group {
	struct hash_entry entry; /* key: block / BLOCK_SET_GROUP */
	uint64_t *bits;
};

struct block_set {
	struct hash groups;
};

static inline bool block_set_has(const struct block_set *set, uint64_t block)
{
	const struct block_set_group *g = (const struct block_set_group *)hash_find(&set->groups, block / BLOCK_SET_GROUP);

	return g && g->bits[block % BLOCK_SET_GROUP / 64] >> block % 64 & 1;
}
static inline bool block_set_empty(const struct block_set *set) { return set->groups.count == 0; }

uint64_t block_set_skip(const struct block_set *set, uint64_t block); /* the first from there on that is not in it */
int block_set_add(struct block_set *set, const struct ext2_port *port, uint64_t block, uint64_t count); /* -ENOMEM: as before */
void block_set_merge(struct block_set *to, struct block_set *from, const struct ext2_port *port); /* needs no memory; `from` is empty afterwards */
void block_set_end(struct block_set *set, const struct ext2_port *port);
/* Calls `run` for each run of neighbours (cut where groups end). */
void block_set_runs(const struct block_set *set, void (*run)(void *data, uint64_t block, uint64_t count), void *data);
