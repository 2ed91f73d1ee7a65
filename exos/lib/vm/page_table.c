/* What all structures share: see page_table.h. */
#include <exos/lib/vm/page_table.h>

const struct page_table_ops *const page_tables[] = {
	&page_table_radix2, &page_table_radix4, &page_table_inverted, &page_table_btree, &page_table_linear, NULL
};

void *page_table_get(struct page_table *t, size_t pages)
{
	void *p = t->source->get(t->source, pages);

	if (p)
		t->bytes += pages * PAGE_SIZE;
	return p;
}

void page_table_put(struct page_table *t, void *memory, size_t pages)
{
	t->bytes -= pages * PAGE_SIZE;
	t->source->put(t->source, memory, pages);
}

struct page_table *page_table_create(const struct page_table_ops *ops, struct page_source *source, uint64_t pages)
{
	struct page_table *t;

	source = source ? source : page_source_mmap;
	t = pages ? source->get(source, 1) : NULL;
	if (!t)
		return NULL;
	*t = (struct page_table){ .find = ops->find, .ops = ops, .source = source, .pages = pages, .bytes = PAGE_SIZE };
	if (ops->create(t))
		return t;
	source->put(source, t, 1);
	return NULL;
}

void page_table_destroy(struct page_table *t)
{
	t->ops->destroy(t);
	t->source->put(t->source, t, 1);
}

struct copy {
	struct page_table *to;
	bool failed;
};

static void copy_entry(void *context, uint64_t page, uint64_t *entry)
{
	struct copy *copy = context;

	if (!copy->failed)
		copy->failed = !page_insert(copy->to, page, *entry);
}

bool page_table_copy(struct page_table *to, struct page_table *from)
{
	struct copy copy = { to, false };

	page_walk(from, copy_entry, &copy);
	return !copy.failed;
}

uint64_t *page_run_one(struct page_table *t, uint64_t page, uint64_t *count)
{
	*count = 1;
	return page_find(t, page);
}
