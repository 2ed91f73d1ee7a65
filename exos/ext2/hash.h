/* A hash table of entries by a 64-bit key that grows with what it holds. Its users: buffers by block, bitmaps by group, pages by address, revoked blocks by number.
 *
 * The caller owns the entries, which lie in structures of his; no two have the same key. Memory is pages of the port's: two when the first entry comes, the double whenever chains get longer than two. A table that gets no memory to
 * grow goes on with longer chains. Looking up costs some 15 instructions. */
#pragma once

#include <exos/ext2/store.h>

#define HASH_PER_PAGE (4096u / sizeof(void *))

struct hash {
	struct hash_entry ***pages; /* one page, of pointers to pages of chains; null: nothing was ever added */
	uint32_t mask;               /* chains - 1, a power of two less one */
	uint32_t count;
};

static inline uint32_t hash_place(const struct hash *t, uint64_t key) { return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & t->mask; }
static inline struct hash_entry **hash_chain(const struct hash *t, uint64_t key)
{
	uint32_t at = hash_place(t, key);

	return &t->pages[at / HASH_PER_PAGE][at % HASH_PER_PAGE];
}

static inline struct hash_entry *hash_find(const struct hash *t, uint64_t key)
{
	struct hash_entry *e = t->pages ? *hash_chain(t, key) : NULL;

	while (e && e->key != key)
		e = e->chain;
	return e;
}

int hash_start(struct hash *t, const struct ext2_port *port); /* so that the next add cannot fail: 0 or -ENOMEM */
int hash_add(struct hash *t, const struct ext2_port *port, struct hash_entry *e); /* 0 or -ENOMEM, which only the first can get */
void hash_remove(struct hash *t, const struct hash_entry *e);
struct hash_entry *hash_after(const struct hash *t, const struct hash_entry *e); /* goes through all, while none is added: null for the first; null after the last */
void hash_end(struct hash *t, const struct ext2_port *port); /* gives the pages back; the entries are the caller's */
