/* Memory for blocks: a page of the port's each, or, of blocks that are smaller, several in one page, so that a volume with blocks of 1 KiB takes no more memory than its blocks are long. */
#include <exos/ext2/store_internal.h>

struct shared_page {
	struct hash_entry entry; /* key: address / PAGE_BYTES */
	struct list free;         /* in store.shared_free while it has a free block */
	uint8_t *page;
	uint32_t used;            /* a bit for each block */
};

static struct shared_page *shared_make(struct store *s)
{
	struct shared_page *p = s->port.allocate(s->port.data, sizeof(*p));

	if (!p)
		return NULL;
	p->page = s->port.page(s->port.data);
	p->entry.key = (uintptr_t)p->page / PAGE_BYTES;
	if (!p->page || hash_add(&s->shared_pages, &s->port, &p->entry) != 0) {
		if (p->page)
			s->port.page_free(s->port.data, p->page);
		s->port.free(s->port.data, p);
		return NULL;
	}
	list_append(&s->shared_free, &p->free);
	return p;
}

static uint8_t *take(struct store *s)
{
	uint32_t per_page = PAGE_BYTES / s->block_size, at;
	struct shared_page *p;

	if (per_page == 1)
		return s->port.page(s->port.data);
	if (list_empty(&s->shared_free) && !shared_make(s))
		return NULL;
	p = CONTAINER_OF(s->shared_free.next, struct shared_page, free);
	at = (uint32_t)__builtin_ctz(~p->used);
	p->used |= 1u << at;
	if (p->used == (1u << per_page) - 1)
		list_remove(&p->free);
	return p->page + at * s->block_size;
}

/* Buffers are given back a few at a time: with small blocks the first may not empty a page. */
uint8_t *memory_take(struct store *s)
{
	uint8_t *block = take(s);

	while (!block && store_shrink(s, 16 * PAGE_BYTES))
		block = take(s);
	return block;
}

void *store_allocate(struct store *s, size_t n)
{
	void *p = s->port.allocate(s->port.data, n);

	while (!p && store_shrink(s, 16 * PAGE_BYTES))
		p = s->port.allocate(s->port.data, n);
	return p;
}

void memory_give(struct store *s, void *block)
{
	struct shared_page *p;
	uint32_t bit;

	if (s->block_size == PAGE_BYTES) {
		s->port.page_free(s->port.data, block);
		return;
	}
	p = (struct shared_page *)hash_find(&s->shared_pages, (uintptr_t)block / PAGE_BYTES);
	bit = 1u << (uintptr_t)block % PAGE_BYTES / s->block_size;
	if (p->used == (1u << PAGE_BYTES / s->block_size) - 1)
		list_append(&s->shared_free, &p->free);
	p->used &= ~bit;
	if (p->used)
		return;
	list_remove(&p->free);
	hash_remove(&s->shared_pages, &p->entry);
	s->port.page_free(s->port.data, p->page);
	s->port.free(s->port.data, p);
}

/* Second chance (the clock): what was used since the last look goes to the end once. Two rounds at most. */
size_t store_shrink(struct store *s, size_t bytes)
{
	struct list *end = s->clean.previous;
	size_t freed = 0;
	int rounds = 0;

	while (freed < bytes && !list_empty(&s->clean)) {
		struct list *l = s->clean.next;
		struct buffer *b = CONTAINER_OF(l, struct buffer, link);

		rounds += l == end;
		if (b->refs || b->used) {
			b->used = false;
			list_remove(l);
			list_append(&s->clean, l);
		} else {
			if (l == end)
				end = s->clean.previous;
			freed += s->block_size;
			buffer_end(s, b);
		}
		if (rounds == 2)
			break;
	}
	return freed;
}
