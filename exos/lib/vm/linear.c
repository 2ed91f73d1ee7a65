/* The linear table, the paper's first: a vector in the order of pages, searched by bisection. Small, and slow where there are many pages: an insert
 * moves half of them. The chapter docs/vm.md shows it as what a structure of a program's own looks like. */
#include <string.h>

#include <exos/lib/vm/page_table.h>

/* listing: begin */
struct linear { /* as long as the range may need, in memory that is there once it is touched */
	struct page_table head;
	struct { uint64_t page, entry; } *at; /* in the order of pages */
};
#define AT(t) (((struct linear *)(t))->at)
#define MEMORY(t) ((t)->pages * sizeof(*AT(t)) / PAGE_SIZE + 1)

static bool create(struct page_table *t) { return (AT(t) = page_table_get(t, MEMORY(t))); }
static void destroy(struct page_table *t) { page_table_put(t, AT(t), MEMORY(t)); }

static uint64_t place(struct page_table *t, uint64_t page) /* of this page, or of the first one above it */
{
	uint64_t low = 0, high = t->present;
	while (low < high)
		if (AT(t)[(low + high) / 2].page < page)
			low = (low + high) / 2 + 1;
		else
			high = (low + high) / 2;
	return low;
}
static uint64_t *find(struct page_table *t, uint64_t page)
{
	uint64_t i = place(t, page);
	return i < t->present && AT(t)[i].page == page ? &AT(t)[i].entry : NULL;
}
static uint64_t *insert(struct page_table *t, uint64_t page, uint64_t entry)
{
	uint64_t i = place(t, page);
	if (i == t->present || AT(t)[i].page != page)
		memmove(&AT(t)[i + 1], &AT(t)[i], (t->present++ - i) * sizeof(*AT(t)));
	AT(t)[i].page = page;
	AT(t)[i].entry = entry;
	return &AT(t)[i].entry;
}
static uint64_t take(struct page_table *t, uint64_t page)
{
	uint64_t *at = find(t, page), entry = at ? *at : 0, i = place(t, page);
	if (at)
		memmove(&AT(t)[i], &AT(t)[i + 1], (--t->present - i) * sizeof(*AT(t)));
	return entry;
}
static void walk(struct page_table *t, page_visitor *visit, void *context)
{
	for (uint64_t i = 0; i < t->present; i++)
		visit(context, AT(t)[i].page, &AT(t)[i].entry);
}
const struct page_table_ops page_table_linear = { "linear", sizeof(struct linear), create, find, insert, take, page_run_one, walk, destroy };
/* listing: end */
