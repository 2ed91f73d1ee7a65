/* See replacement.h. */
#include <sys/mman.h>

#include <exos/lib/vm/replacement.h>

/* One mapping, brought in whole, as policies run where no page may be missing: the policy's struct, its notes, the ring. */
static size_t notes_at(const struct replacement_ops *ops) { return (ops->size + 15) & ~15ul; }
static size_t ring_at(const struct replacement_ops *ops, uint32_t pages) { return (notes_at(ops) + pages + 15) & ~15ul; }
static size_t bytes(const struct replacement_ops *ops, uint32_t pages) { return ring_at(ops, pages) + (pages + 1ul) * sizeof(struct ring_link); }

struct replacement *replacement_create(const struct replacement_ops *ops, uint32_t pages)
{
	char *memory = mmap(NULL, bytes(ops, pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct replacement *r = (struct replacement *)memory;

	if (memory == MAP_FAILED)
		return NULL;
	r->ops = ops;
	r->pages = pages;
	r->note = (uint8_t *)memory + notes_at(ops);
	r->ring = (struct ring_link *)(memory + ring_at(ops, pages));
	r->ring[pages] = (struct ring_link){ pages, pages };
	return r;
}

void replacement_destroy(struct replacement *r) { munmap(r, bytes(r->ops, r->pages)); }

static void add_between(struct replacement *r, uint32_t previous, uint32_t page, uint32_t next)
{
	r->ring[page] = (struct ring_link){ next, previous };
	r->ring[previous].next = r->ring[next].previous = page;
	r->loaded++;
}
void ring_add_first(struct replacement *r, uint32_t page) { add_between(r, r->pages, page, ring_first(r)); }
void ring_add_last(struct replacement *r, uint32_t page) { add_between(r, ring_last(r), page, r->pages); }

void ring_remove(struct replacement *r, uint32_t page)
{
	struct ring_link link = r->ring[page];

	r->ring[link.previous].next = link.next;
	r->ring[link.next].previous = link.previous;
	r->loaded--;
}

/* The hand is where the ring begins. Ends, as what was accessed is not when the hand comes again. */
static uint32_t clock_victim(struct replacement *r)
{
	uint32_t page;

	while (r->accessed(r, page = ring_first(r)))
		ring_move_last(r, page);
	return page;
}
const struct replacement_ops replacement_clock = { "clock", sizeof(struct replacement), ring_add_last, clock_victim, NULL };

/* All bits are looked at once in so many victims as an eighth of what is loaded; in between the order stands. */
struct lru {
	struct replacement head;
	uint32_t since;
};
static uint32_t lru_victim(struct replacement *r)
{
	struct lru *l = (struct lru *)r;
	uint32_t page = ring_first(r), next;

	if (!l->since--) {
		l->since = r->loaded / 8;
		for (uint32_t left = r->loaded; left; left--, page = next) {
			next = r->ring[page].next;
			if (r->accessed(r, page))
				ring_move_last(r, page);
		}
	}
	return ring_first(r);
}
const struct replacement_ops replacement_lru = { "lru", sizeof(struct lru), ring_add_last, lru_victim, NULL };

static uint32_t mru_victim(struct replacement *r) { return ring_first(r); }
const struct replacement_ops replacement_mru = { "mru", sizeof(struct replacement), ring_add_first, mru_victim, NULL };

static void told_done_with(struct replacement *r, uint32_t page)
{
	ring_remove(r, page);
	ring_add_first(r, page);
	r->note[page] = 1;
}
static uint32_t told_victim(struct replacement *r)
{
	uint32_t page = ring_first(r);

	return r->note[page] ? page : clock_victim(r);
}
const struct replacement_ops replacement_told = { "told", sizeof(struct replacement), ring_add_last, told_victim, told_done_with };

const struct replacement_ops *const replacements[] = { &replacement_clock, &replacement_lru, &replacement_mru, &replacement_told, NULL };
