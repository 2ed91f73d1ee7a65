/* A replacement policy of a program's own, as docs/paging.md shows it (what is between the two marks is copied there by tools/listing.sh), in use by a pager. On ExOS only. */
#include "lib.h"

#include <exos/lib/vm/pager.h>
#include <exos/lib/x86_64/calls.h>

/* listing: begin */
/* Aging: a byte for each page, which is shifted right now and then, and gets a bit on the left if the page was accessed since. The least byte goes: what has been used seldom, and long ago. */
struct aging {
	struct replacement head;
	uint32_t until_next; /* victims, before the bytes are shifted again */
};

static uint32_t least_used(struct replacement *r)
{
	struct aging *a = (struct aging *)r;
	uint32_t victim = ring_first(r);
	bool shift = !a->until_next--;

	if (shift)
		a->until_next = r->loaded / 8;
	for (uint32_t page = ring_first(r); page != r->pages; page = r->ring[page].next) {
		if (shift)
			r->note[page] = (uint8_t)(r->note[page] >> 1 | r->accessed(r, page) << 7);
		if (r->note[page] < r->note[victim])
			victim = page;
	}
	return victim;
}

static const struct replacement_ops aging = { "aging", sizeof(struct aging), ring_add_last, least_used, NULL };
/* listing: end */

#define PAGE 4096ul
#define PAGES 512ul
#define FRAMES 128ul
#define FAVOURITES 64ul

/* Some pages are used all the time, at random, beside a scan of the others, twice as many as there is room for. Returns the faults; every page is what it was. */
static uint64_t faults(const struct replacement_ops *policy)
{
	struct pager pager;
	volatile uint64_t *word;
	uint64_t count, scan = FAVOURITES;

	IS(pager_create(&pager, policy, PAGES * PAGE, FRAMES), 0);
	word = (volatile uint64_t *)pager.space.start;
	for (uint64_t i = 0; i < PAGES; i++)
		word[i * PAGE / 8] = i;
	count = pager.faults;
	srandom(7);
	for (int i = 0; i < 10000; i++) {
		uint64_t page = i % 2 ? (uint64_t)random() % FAVOURITES : scan++;

		scan = scan < PAGES ? scan : FAVOURITES;
		IS(word[page * PAGE / 8]++ % PAGES, page);
		word[page * PAGE / 8] += PAGES - 1;
	}
	count = pager.faults - count;
	pager_destroy(&pager);
	return count;
}

static void it_pages_and_keeps_what_a_scan_would_throw_out(void)
{
	uint64_t clock, own;

	if (!exos_here())
		return;
	clock = faults(&replacement_clock);
	own = faults(&aging);
	printf("# faults: clock %lu, aging %lu\n", clock, own);
	CHECK(own < clock);
}

TESTS(T(it_pages_and_keeps_what_a_scan_would_throw_out))
