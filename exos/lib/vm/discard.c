/* Pages that can be made again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <aegis/bind.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/vm/discard.h>
#include <exos/lib/x86_64/calls.h>

#define LEAF_SPAN	(FRAME_SIZE << 9)
#define LEAF_PAGES	512
#define STACK_BYTES	65536
#define PRESENT		1ul    /* bits of the hardware's entries */
#define ACCESSED	0x20ul
#define FAULT_PRESENT	1ul

static struct discard *range; /* the handlers' */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t address(const struct discard *d, uint64_t page) { return d->start + page * FRAME_SIZE; }
/* The hardware's entries are bound for reading behind the range, leaf by leaf. */
static const volatile uint64_t *hardware(const struct discard *d)
{
	return (const volatile uint64_t *)(d->start + (d->pages + LEAF_PAGES - 1) / LEAF_PAGES * LEAF_SPAN);
}


/* The page is absent from now on. Returns its frame, or 0 if that is the program's no more: nothing else than that it was taken by force breaks a
 * binding of ours. Every frame is bound somewhere, so that this is seen even if it is the domain's again, for somebody else. */
static frame_t leave_page(struct discard *d, uint64_t page)
{
	frame_t f = hardware(d)[page] & PRESENT ? d->frames[page] : 0;

	d->frames[page] = 0;
	if (f) {
		d->count.dropped++;
	} else {
		d->held--;
		d->count.lost++;
	}
	return f;
}

/* Frames go back to ExOS, which knows best if one was taken just now. Returns how many. */
static uint64_t put(struct discard *d, const frame_t *list, uint64_t n)
{
	uint64_t done = 0, given = 0;

	while (done < n) {
		int64_t result = exos_frames_put(list + done, n - done);

		given += result > 0 ? (uint64_t)result : 0;
		done += result > 0 ? (uint64_t)result : 1;
	}
	d->held -= n;
	d->count.lost += n - given;
	return given;
}

static uint64_t give(struct discard *d, uint64_t n)
{
	uint64_t victims[DISCARD_BATCH], given = 0, chosen;
	struct aegis_binding broken[DISCARD_BATCH];
	frame_t list[DISCARD_BATCH];

	while (given < n && (chosen = d->choose(d, victims, least(n - given, DISCARD_BATCH)))) {
		uint64_t left = 0;

		for (uint64_t i = 0; i < chosen; i++) {
			broken[i] = (struct aegis_binding){ address(d, victims[i]), 0 };
			list[left] = leave_page(d, victims[i]);
			left += list[left] != 0;
		}
		aegis_bind(0, broken, chosen, NULL);
		if (left)
			given += put(d, list, left);
	}
	return given;
}

static void answer(struct discard *d)
{
	uint64_t asked = d->owed, given;

	d->owed = 0;
	given = give(d, asked);
	d->count.given += given;
	d->limit -= least(given, d->limit);
}

static void enter(struct discard *d) { d->busy = true; }
static void leave(struct discard *d)
{
	while (d->owed)
		answer(d);
	d->busy = false;
}

static void revoke(uint64_t frames, uint64_t deadline)
{
	(void)deadline; /* the sooner the better */
	range->count.demands++;
	range->count.asked += frames;
	range->owed += frames;
	if (range->busy)
		return; /* `leave` sees to it */
	enter(range);
	leave(range);
}

static frame_t get_more(struct discard *d)
{
	frame_t f = FRAME_ANY;

	if (d->held >= d->limit)
		return 0;
	if (exos_frames_get(&f, 1) != 1) {
		d->limit = d->held;
		return 0;
	}
	d->held++;
	return f;
}

/* A page that is to make room, chosen a while ago with others. Should it have been used meanwhile, it was not by much. */
static bool next_victim(struct discard *d, uint64_t *page)
{
	for (;;) {
		if (!d->chosen_count)
			d->chosen_count = d->choose(d, d->chosen, least(DISCARD_BATCH, d->held / 16 + 1));
		if (!d->chosen_count)
			return false;
		*page = d->chosen[--d->chosen_count];
		if (d->frames[*page] && *page != d->pinned)
			return true;
	}
}

static bool bring_in(struct discard *d, uint64_t page)
{
	struct aegis_binding list[2];
	uint64_t n = 0, victim;
	frame_t f = get_more(d);

	while (!f && next_victim(d, &victim)) {
		list[0] = (struct aegis_binding){ address(d, victim), 0 };
		f = leave_page(d, victim);
		n = 1;
	}
	list[n++] = (struct aegis_binding){ address(d, page), BIND_ENTRY(f, BIND_READ | BIND_WRITE) };
	if (!f || aegis_bind(0, list, n, NULL) != (int64_t)n)
		return false;
	d->frames[page] = f;
	memset((void *)address(d, page), 0, FRAME_SIZE);
	return true;
}

static bool fault(uint64_t at, uint64_t error)
{
	struct discard *d = range;
	uint64_t page = (at - d->start) / FRAME_SIZE;
	bool good;

	if (page >= d->pages || error & FAULT_PRESENT || d->busy)
		return false;
	enter(d);
	d->count.faults++;
	if (d->frames[page])
		leave_page(d, page);
	good = bring_in(d, page);
	leave(d);
	return good;
}

void discard_limit(struct discard *d, uint64_t limit)
{
	enter(d);
	if (limit < d->held)
		give(d, d->held - limit);
	d->limit = limit;
	leave(d);
}

/* Tables for the range, and these bound for reading. */
static int make_tables(struct discard *d)
{
	uint64_t leaves = (d->pages + LEAF_PAGES - 1) / LEAF_PAGES;

	for (uint64_t i = 0; i < leaves + (leaves + LEAF_PAGES - 1) / LEAF_PAGES; i++)
		if (exos_leaf(d->start + i * LEAF_SPAN) < 0)
			return -ENOMEM;
	for (uint64_t i = 0; i < leaves; i++) {
		struct aegis_binding b = { (uint64_t)hardware(d) + i * FRAME_SIZE, BIND_ENTRY(exos_leaf(d->start + i * LEAF_SPAN), BIND_READ) };

		if (aegis_bind(0, &b, 1, NULL) != 1)
			return -ENOMEM;
	}
	return 0;
}

/* Zeroed memory whose pages are there: a demand comes when there is no other. */
static void *touched(uint64_t bytes)
{
	void *memory = malloc(bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

int discard_create(struct discard *d, uint64_t pages)
{
	uint64_t leaves = (pages + LEAF_PAGES - 1) / LEAF_PAGES, length = (leaves + (leaves + LEAF_PAGES - 1) / LEAF_PAGES) * LEAF_SPAN;
	struct exos_handlers h = { .fault = fault, .revoke = revoke, .stack = touched(STACK_BYTES), .stack_size = STACK_BYTES,
		.flags = EXOS_HANDLERS_BEARS };
	int64_t region = exos_region(0, length);

	d->frames = touched(pages * sizeof(*d->frames));
	if (region < 0 || !d->frames || !h.stack)
		return -ENOMEM;
	d->start = (uint64_t)region;
	d->pages = pages;
	d->pinned = DISCARD_NO_PAGE;
	range = d;
	if (make_tables(d))
		return -ENOMEM;
	return (int)exos_handlers(&h);
}

/* Accessed bits of so many pages from `page` on, in one leaf, are cleared: each gets the rights that it has. */
static void clear_accessed(const struct discard *d, uint64_t page, uint64_t n)
{
	struct aegis_binding b = { address(d, page), n << FRAME_SHIFT | BIND_SAME | BIND_READ | BIND_WRITE };

	aegis_bind(0, &b, 1, NULL);
}

/* A group of neighbours at a time, as one call clears the bits of all of them. A second round, in which no bits are left, only if the first has
 * found nothing: otherwise it would find the same pages again. */
uint64_t discard_clock(struct discard *d, uint64_t *victims, uint64_t n)
{
	enum { GROUP = 32 }; /* divides a leaf */
	const volatile uint64_t *entries = hardware(d);
	uint64_t found = 0, round = (d->pages + GROUP - 1) / GROUP * GROUP;

	for (uint64_t looked = 0; found < n && (looked < round || (!found && looked < 2 * round)); looked += GROUP) {
		uint64_t first = d->hand, end = least(first + GROUP, d->pages);
		bool accessed = false;

		for (uint64_t page = first; page < end; page++) {
			if (!d->frames[page] || page == d->pinned)
				continue;
			if ((entries[page] & (PRESENT | ACCESSED)) == (PRESENT | ACCESSED))
				accessed = true;
			else if (found < n)
				victims[found++] = page;
		}
		if (accessed)
			clear_accessed(d, first, end - first);
		d->hand = end < d->pages ? end : 0;
	}
	return found;
}
