/* Hash tables whose chains are split in place: a chain of n that has become two lies at n and n + (chains before), so that nothing is moved but the entries. */
#include <exos/ext2/hash.h>

static struct hash_entry **page_of_chains(const struct ext2_port *port)
{
	struct hash_entry **page = port->page(port->data);

	if (page)
		memset(page, 0, HASH_PER_PAGE * sizeof(*page));
	return page;
}

int hash_start(struct hash *t, const struct ext2_port *port)
{
	struct hash_entry ***pages, **first;

	if (t->pages)
		return 0;
	pages = port->page(port->data);
	first = page_of_chains(port);
	if (!pages || !first) {
		if (pages)
			port->page_free(port->data, pages);
		if (first)
			port->page_free(port->data, first);
		return -ENOMEM;
	}
	pages[0] = first;
	t->pages = pages;
	t->mask = HASH_PER_PAGE - 1;
	return 0;
}

static void split(struct hash *t, uint32_t old)
{
	for (uint32_t at = 0; at < old; at++) {
		struct hash_entry *e = t->pages[at / HASH_PER_PAGE][at % HASH_PER_PAGE], *next;

		t->pages[at / HASH_PER_PAGE][at % HASH_PER_PAGE] = NULL;
		for (; e; e = next) {
			struct hash_entry **chain = hash_chain(t, e->key);

			next = e->chain;
			e->chain = *chain;
			*chain = e;
		}
	}
}

/* All memory first: the port may ask for buffers back meanwhile, which takes entries out. */
static void grow(struct hash *t, const struct ext2_port *port)
{
	uint32_t old = t->mask + 1, pages = old / HASH_PER_PAGE;

	if (2 * pages > HASH_PER_PAGE)
		return;
	for (uint32_t i = 0; i < pages; i++) {
		struct hash_entry **page = page_of_chains(port);

		if (!page) {
			while (i-- > 0)
				port->page_free(port->data, t->pages[pages + i]);
			return;
		}
		t->pages[pages + i] = page;
	}
	t->mask = 2 * old - 1;
	split(t, old);
}

int hash_add(struct hash *t, const struct ext2_port *port, struct hash_entry *e)
{
	struct hash_entry **chain;
	int error = hash_start(t, port);

	if (error)
		return error;
	if (t->count >= 2 * (t->mask + 1))
		grow(t, port);
	chain = hash_chain(t, e->key);
	e->chain = *chain;
	*chain = e;
	t->count++;
	return 0;
}

void hash_remove(struct hash *t, const struct hash_entry *e)
{
	struct hash_entry **at = hash_chain(t, e->key);

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	t->count--;
}

static struct hash_entry *from_chain(const struct hash *t, uint32_t at)
{
	for (; at <= t->mask; at++)
		if (t->pages[at / HASH_PER_PAGE][at % HASH_PER_PAGE])
			return t->pages[at / HASH_PER_PAGE][at % HASH_PER_PAGE];
	return NULL;
}

struct hash_entry *hash_after(const struct hash *t, const struct hash_entry *e)
{
	if (!t->count)
		return NULL;
	if (!e)
		return from_chain(t, 0);
	return e->chain ? e->chain : from_chain(t, hash_place(t, e->key) + 1);
}

void hash_end(struct hash *t, const struct ext2_port *port)
{
	if (!t->pages)
		return;
	for (uint32_t i = 0; i <= t->mask / HASH_PER_PAGE; i++)
		port->page_free(port->data, t->pages[i]);
	port->page_free(port->data, t->pages);
	*t = (struct hash){ 0 };
}
