/* The two-level radix table: a root of one word for each 512 pages of the range, and leaves that are made as they are needed. Every lookup is two
 * loads. The root is there from the start, whatever is used of the range: 8 bytes for each 2 MiB of it. */
#include <exos/lib/vm/radix.h>

struct radix2 {
	struct page_table head;
	uint64_t **root;
	uint16_t *used; /* entries of each leaf: behind the root */
	size_t root_pages;
};

static bool create(struct page_table *t)
{
	struct radix2 *r = (struct radix2 *)t;
	uint64_t leaves = (t->pages + NODE_WORDS - 1) / NODE_WORDS;

	r->root_pages = (leaves * (sizeof(*r->root) + sizeof(*r->used)) + PAGE_SIZE - 1) / PAGE_SIZE;
	r->root = page_table_get(t, r->root_pages);
	r->used = (uint16_t *)(r->root + leaves);
	return r->root;
}

static uint64_t *find(struct page_table *t, uint64_t page)
{
	uint64_t *leaf = ((struct radix2 *)t)->root[page / NODE_WORDS];

	if (LIKELY(leaf) && LIKELY(leaf[page % NODE_WORDS]))
		return &leaf[page % NODE_WORDS];
	return NULL;
}

static uint64_t *insert(struct page_table *t, uint64_t page, uint64_t entry)
{
	struct radix2 *r = (struct radix2 *)t;
	uint64_t **leaf = &r->root[page / NODE_WORDS], *at;

	if (!*leaf && !(*leaf = page_table_get(t, 1)))
		return NULL;
	at = &(*leaf)[page % NODE_WORDS];
	if (!*at) {
		r->used[page / NODE_WORDS]++;
		t->present++;
	}
	*at = entry;
	return at;
}

static uint64_t take(struct page_table *t, uint64_t page)
{
	struct radix2 *r = (struct radix2 *)t;
	uint64_t i = page / NODE_WORDS, *at = find(t, page), entry;

	if (!at)
		return 0;
	entry = *at;
	*at = 0;
	t->present--;
	if (--r->used[i] == 0) {
		page_table_put(t, r->root[i], 1);
		r->root[i] = NULL;
	}
	return entry;
}

static uint64_t *run(struct page_table *t, uint64_t page, uint64_t *count)
{
	uint64_t *leaf = ((struct radix2 *)t)->root[page / NODE_WORDS];

	*count = *count < node_rest(page) ? *count : node_rest(page);
	return leaf ? &leaf[page % NODE_WORDS] : NULL;
}

static void walk(struct page_table *t, page_visitor *visit, void *context)
{
	struct radix2 *r = (struct radix2 *)t;

	for (uint64_t i = 0, left = t->present; left; i++) {
		node_visit(r->root[i], r->used[i], i * NODE_WORDS, visit, context);
		left -= r->used[i];
	}
}

static void destroy(struct page_table *t)
{
	struct radix2 *r = (struct radix2 *)t;

	for (uint64_t i = 0; t->present; i++) {
		if (!r->root[i])
			continue;
		t->present -= r->used[i];
		page_table_put(t, r->root[i], 1);
	}
	page_table_put(t, r->root, r->root_pages);
}

const struct page_table_ops page_table_radix2 = { "radix2", sizeof(struct radix2), create, find, insert, take, run, walk, destroy };
