/* The four-level radix table: the hardware's own shape, for a range of up to 2^36 pages. A lookup is four loads wherever it ends; a page by itself
 * costs up to three nodes. The word that leads to a node says in the bits that a page's address leaves free how many words of it are in use. */
#include <exos/lib/vm/radix.h>

#define LEVELS 4

struct radix4 {
	struct page_table head;
	uint64_t root; /* the word that leads to the highest node */
};

static inline uint64_t *node_of(uint64_t word) { return (uint64_t *)(word & ~(PAGE_SIZE - 1)); }
static inline uint64_t node_used(uint64_t word) { return word & (PAGE_SIZE - 1); }
static inline uint64_t index_at(uint64_t page, uint32_t level) { return page >> level * NODE_SHIFT & (NODE_WORDS - 1); }

static bool create(struct page_table *t) { return (t->pages - 1) >> LEVELS * NODE_SHIFT == 0; }

static inline uint64_t *below(const uint64_t *node, uint64_t page, uint32_t level) { return node ? node_of(node[index_at(page, level)]) : NULL; }

static uint64_t *find(struct page_table *t, uint64_t page)
{
	uint64_t *leaf = below(below(below(node_of(((struct radix4 *)t)->root), page, 3), page, 2), page, 1);

	if (LIKELY(leaf) && LIKELY(leaf[page % NODE_WORDS]))
		return &leaf[page % NODE_WORDS];
	return NULL;
}

/* Gives back the nodes on the way to a page that hold nothing. */
static void prune(struct page_table *t, uint64_t page)
{
	uint64_t *path[LEVELS], *word = &((struct radix4 *)t)->root;
	uint32_t depth = 0;

	while (depth < LEVELS && *word) {
		path[depth++] = word;
		word = &node_of(*word)[index_at(page, LEVELS - depth)];
	}
	while (depth-- && node_used(*path[depth]) == 0) {
		page_table_put(t, node_of(*path[depth]), 1);
		*path[depth] = 0;
		if (depth)
			--*path[depth - 1];
	}
}

static uint64_t *insert(struct page_table *t, uint64_t page, uint64_t entry)
{
	uint64_t *above = NULL, *word = &((struct radix4 *)t)->root;

	for (uint32_t level = LEVELS; level--;) {
		if (!*word) {
			*word = (uintptr_t)page_table_get(t, 1);
			if (!*word) {
				prune(t, page);
				return NULL;
			}
			if (above)
				++*above;
		}
		above = word;
		word = &node_of(*word)[index_at(page, level)];
	}
	if (!*word) {
		++*above;
		t->present++;
	}
	*word = entry;
	return word;
}

static uint64_t take(struct page_table *t, uint64_t page)
{
	uint64_t *word = &((struct radix4 *)t)->root, *above = NULL, entry;

	for (uint32_t level = LEVELS; level--;) {
		if (!*word)
			return 0;
		above = word;
		word = &node_of(*word)[index_at(page, level)];
	}
	entry = *word;
	if (!entry)
		return 0;
	*word = 0;
	t->present--;
	if (node_used(--*above) == 0)
		prune(t, page);
	return entry;
}

static uint64_t *run(struct page_table *t, uint64_t page, uint64_t *count)
{
	uint64_t *node = node_of(((struct radix4 *)t)->root), span, rest;
	uint32_t level = LEVELS - 1;

	while (node && level)
		node = below(node, page, level--);
	span = node ? NODE_WORDS : NODE_WORDS << NODE_SHIFT * level; /* what the word that leads nowhere spans */
	rest = span - page % span;
	*count = *count < rest ? *count : rest;
	return node ? &node[page % NODE_WORDS] : NULL;
}

static void walk_node(uint64_t word, uint64_t first, uint32_t level, page_visitor *visit, void *context)
{
	uint64_t *words = node_of(word);

	if (!level) {
		node_visit(words, node_used(word), first, visit, context);
		return;
	}
	for (uint64_t i = 0, left = node_used(word); left; i++) {
		if (!words[i])
			continue;
		walk_node(words[i], first + (i << level * NODE_SHIFT), level - 1, visit, context);
		left--;
	}
}

static void walk(struct page_table *t, page_visitor *visit, void *context)
{
	walk_node(((struct radix4 *)t)->root, 0, LEVELS - 1, visit, context);
}

static void put_node(struct page_table *t, uint64_t word, uint32_t level)
{
	for (uint64_t i = 0, left = level ? node_used(word) : 0; left; i++) {
		if (!node_of(word)[i])
			continue;
		put_node(t, node_of(word)[i], level - 1);
		left--;
	}
	page_table_put(t, node_of(word), 1);
}

static void destroy(struct page_table *t)
{
	uint64_t root = ((struct radix4 *)t)->root;

	if (root)
		put_node(t, root, LEVELS - 1);
}

const struct page_table_ops page_table_radix4 = { "radix4", sizeof(struct radix4), create, find, insert, take, run, walk, destroy };
