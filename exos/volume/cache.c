/* Which pages of a file are in memory, and in which state: a tree of nodes with 64 slots, as deep as the file is long, with marks that lead to the dirty ones. See internal.h.
 *
 * A function that adds a node may have memory given back (reclaim.c), which takes pages, but no nodes while `cache_busy`: those on the way would be among them. */
#include <exos/volume/internal.h>

static uint32_t cache_busy;

static uint64_t span(uint32_t levels) { return levels * TREE_SHIFT >= 64 ? NEVER : 1ul << levels * TREE_SHIFT; }
static struct cache_node *node_at(uint64_t slot) { return (struct cache_node *)slot; }
static uint32_t place(uint64_t index, uint32_t level) { return (uint32_t)(index >> (level - 1) * TREE_SHIFT) & (TREE_SLOTS - 1); }

uint64_t *cache_slot(struct cache *t, uint64_t index)
{
	uint64_t *slot = &t->root;
	uint32_t shift = t->levels * TREE_SHIFT;

	if (shift < 64 && index >> shift)
		return NULL;
	while (shift && *slot) {
		shift -= TREE_SHIFT;
		slot = &node_at(*slot)->slots[index >> shift & (TREE_SLOTS - 1)];
	}
	return *slot ? slot : NULL;
}

static bool raise_to(struct cache *t, uint64_t index)
{
	while (index >= span(t->levels)) {
		if (t->root) {
			struct cache_node *top = heap_alloc(sizeof(*top));

			if (!top)
				return false;
			top->slots[0] = t->root;
			top->used = 1;
			top->dirty = t->root_dirty;
			t->root = (uintptr_t)top;
		}
		t->levels++;
	}
	return true;
}

static uint64_t *make(struct cache *t, uint64_t index)
{
	uint64_t *slot = &t->root;

	if (!raise_to(t, index))
		return NULL;
	for (uint32_t level = t->levels; level; level--) {
		struct cache_node *n = node_at(*slot);

		if (!n) {
			n = heap_alloc(sizeof(*n));
			if (!n)
				return NULL;
			*slot = (uintptr_t)n;
		}
		/* Counted from the top before the page is there: the caller fills the slot, or clears it. */
		slot = &n->slots[place(index, level)];
		n->used += !*slot;
		if (!*slot && level > 1) {
			struct cache_node *below = heap_alloc(sizeof(*below));

			if (!below) {
				n->used--;
				return NULL;
			}
			*slot = (uintptr_t)below;
		}
	}
	return slot;
}

/* What is left of a way that could not be made to its end is empty, and goes with the file or the next page that does. */
uint64_t *cache_make(struct cache *t, uint64_t index)
{
	uint64_t *slot;

	cache_busy++;
	slot = make(t, index);
	cache_busy--;
	return slot;
}

void cache_mark(struct cache *t, uint64_t index, bool dirty)
{
	struct cache_node *way[64 / TREE_SHIFT + 1];
	uint64_t slot = t->root;

	for (uint32_t level = t->levels; level; level--) {
		way[level] = node_at(slot);
		slot = way[level]->slots[place(index, level)];
	}
	for (uint32_t level = 1; level <= t->levels; level++) {
		uint64_t bit = 1ul << place(index, level), before = way[level]->dirty;

		way[level]->dirty = dirty ? before | bit : before & ~bit;
		if (dirty ? before & bit : way[level]->dirty)
			return; /* the levels above know */
	}
	t->root_dirty = dirty;
}

/* In a node: the first slot from `from` on that has what is looked for; TREE_SLOTS: none. */
static uint32_t next_in(const struct cache_node *n, uint32_t from, bool dirty)
{
	uint64_t bits;

	if (from >= TREE_SLOTS)
		return TREE_SLOTS;
	if (dirty) {
		bits = n->dirty & ~0ul << from;
		return bits ? (uint32_t)__builtin_ctzl(bits) : TREE_SLOTS;
	}
	while (from < TREE_SLOTS && !n->slots[from])
		from++;
	return from;
}

uint64_t cache_next(const struct cache *t, uint64_t index, bool dirty)
{
	while (index < span(t->levels)) {
		uint64_t slot = t->root;
		uint32_t level = t->levels;

		if (!slot || (dirty && !t->root_dirty))
			return NEVER;
		for (; level; level--) {
			const struct cache_node *n = node_at(slot);
			uint32_t at = place(index, level), found = next_in(n, at, dirty);
			uint64_t below = span(level - 1);

			if (found == TREE_SLOTS)
				break;
			if (found != at)
				index = ROUND_DOWN(index, span(level)) + found * below;
			slot = n->slots[found];
		}
		if (!level)
			return index;
		/* Nothing more in this node: on behind it. */
		index = ROUND_DOWN(index, span(level)) + span(level);
		if (!index)
			return NEVER;
	}
	return NEVER;
}

void cache_clear(struct cache *t, uint64_t index)
{
	uint64_t *way[64 / TREE_SHIFT + 1];
	uint64_t *slot = &t->root;

	for (uint32_t level = t->levels; level; level--) {
		way[level] = slot;
		slot = &node_at(*slot)->slots[place(index, level)];
	}
	*slot = 0;
	for (uint32_t level = 1; level <= t->levels; level++) {
		struct cache_node *n = node_at(*way[level]);

		if (--n->used || cache_busy)
			return;
		*way[level] = 0;
		heap_free(n);
	}
	t->levels = 0;
}

static void free_below(uint64_t slot, uint32_t level)
{
	if (!slot)
		return;
	for (uint32_t n = 0; level > 1 && n < TREE_SLOTS; n++)
		free_below(node_at(slot)->slots[n], level - 1);
	heap_free(node_at(slot));
}

void cache_free(struct cache *t)
{
	if (t->levels)
		free_below(t->root, t->levels);
	*t = (struct cache){0};
}
