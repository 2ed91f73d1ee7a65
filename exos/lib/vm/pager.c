/* See pager.h. */
#include <string.h>
#include <sys/mman.h>

#include <exos/lib/vm/pager.h>
#include <exos/lib/vm/squeeze.h>
#include <exos/lib/x86_64/calls.h>

struct pager_page {
	struct store_cell *copy; /* null: zero, if it is not in memory */
	uint32_t length;	 /* FRAME_SIZE: not squeezed */
};

static struct pager *pagers;
static uint64_t owed; /* frames that were asked for at a bad moment */
static uint32_t busy; /* a call of this file is under way, not in a handler */
static uint8_t scratch[FRAME_SIZE] = { 1 }; /* not in .bss: a page that is there, as no page may be missing where there is no memory for it */

static uint64_t address_of(const struct pager *p, uint64_t page) { return p->space.start + page * FRAME_SIZE; }
static bool resident(struct pager *p, uint64_t page) { return page_find(p->space.table, page); }

static bool accessed(struct replacement *r, uint32_t page)
{
	struct pager *p = r->context;

	if (!space_accessed(&p->space, address_of(p, page)))
		return false;
	space_forget(&p->space, address_of(p, page), 1, ENTRY_ACCESSED);
	return true;
}

static bool is_zero(const uint64_t *words)
{
	for (uint64_t i = 0; i < FRAME_SIZE / sizeof(*words); i += 4)
		if (words[i] | words[i + 1] | words[i + 2] | words[i + 3])
			return false;
	return true;
}

static void drop_copy(struct pager *p, struct pager_page *at)
{
	store_drop(&p->store, at->copy);
	at->copy = NULL;
}

/* A copy of what is in the frame, in place of the old one. False: no memory, nothing has changed. */
static bool keep_copy(struct pager *p, struct pager_page *at, const void *bytes)
{
	struct store_cell *copy = NULL;
	uint32_t length = 0;

	if (!is_zero(bytes)) {
		length = (uint32_t)squeeze(scratch, sizeof(scratch) - 1, bytes, FRAME_SIZE);
		copy = length ? store_put(&p->store, scratch, length) : store_put(&p->store, bytes, FRAME_SIZE);
		length = length ? length : FRAME_SIZE;
		if (!copy)
			return false;
		p->squeezed++;
	}
	drop_copy(p, at);
	at->copy = copy;
	at->length = length;
	return true;
}

/* The victim goes; its frame, or NO_FRAME: there is none, or no memory for its copy. */
static frame_t evict(struct pager *p)
{
	struct pager_page *at;
	uint64_t entry, va;
	uint32_t page;
	frame_t frame = NO_FRAME;

	if (!p->policy->loaded)
		return NO_FRAME;
	page = p->policy->ops->victim(p->policy);
	at = &p->pages[page];
	va = address_of(p, page);
	entry = space_entry(&p->space, va);
	if (space_dirty(&p->space, va) && !keep_copy(p, at, exos_frame_bytes((frame_t)(entry >> FRAME_SHIFT))))
		return NO_FRAME;
	space_unmap(&p->space, va, 1, &frame);
	ring_remove(p->policy, page);
	p->resident--;
	p->evicted++;
	return frame;
}

static bool shrink(struct pager *p, uint64_t to)
{
	while (p->resident > to) {
		frame_t f = evict(p);

		if (f == NO_FRAME)
			return false;
		pool_put(f);
	}
	return true;
}

static frame_t frame_for(struct pager *p, bool zero)
{
	frame_t f;

	if (!shrink(p, p->limit - 1))
		return NO_FRAME;
	f = zero ? pool_get_zeroed() : pool_get();
	if (f != NO_FRAME)
		return f;
	f = evict(p); /* the machine has less than the limit allows */
	if (f != NO_FRAME && zero)
		memset(exos_frame_bytes(f), 0, FRAME_SIZE);
	return f;
}

/* The policy hears of a page that has been among the recent ones. */
static void hand_over(struct pager *p, uint32_t *recent)
{
	if (!*recent)
		return;
	p->policy->note[*recent - 1] = 0;
	p->policy->ops->loaded(p->policy, *recent - 1);
	*recent = 0;
}

static bool load(struct pager *p, uint32_t page)
{
	struct pager_page *at = &p->pages[page];
	frame_t frame = frame_for(p, !at->copy);
	uint32_t *recent;

	if (frame == NO_FRAME)
		return false;
	if (at->copy && at->length == FRAME_SIZE) {
		store_get(at->copy, exos_frame_bytes(frame), FRAME_SIZE);
	} else if (at->copy) {
		store_get(at->copy, scratch, at->length);
		unsqueeze(exos_frame_bytes(frame), FRAME_SIZE, scratch, at->length);
	}
	if (space_map(&p->space, address_of(p, page), frame, BIND_READ | BIND_WRITE)) {
		pool_put(frame);
		return false;
	}
	p->resident++;
	recent = &p->recent[p->at_recent++ % PAGER_RECENT];
	hand_over(p, recent);
	*recent = page + 1;
	return true;
}

static void lower(struct pager *p, uint64_t by)
{
	uint64_t spare = p->resident > PAGER_LEAST ? p->resident - PAGER_LEAST : 0, count = by < spare ? by : spare;

	if (!count)
		return;
	p->limit = p->resident - count;
	shrink(p, p->limit);
}

/* What is owed, or as much as there is. */
static void settle(void)
{
	uint64_t want = owed, given = 0;

	if (!want)
		return;
	owed = 0;
	given = pool_give(want);
	for (struct pager *p = pagers; p && given < want; p = p->next) {
		while (given < want) {
			uint64_t before = p->resident, got;

			lower(p, want - given < POOL_BATCH ? want - given : POOL_BATCH);
			got = pool_give(want - given); /* less than went, by what the copies take */
			given += got;
			if (p->resident == before)
				break;
		}
	}
}

void pager_revoke(uint64_t frames, uint64_t deadline)
{
	(void)deadline;
	owed += frames;
	if (!busy && !space_busy())
		settle();
}

static bool fault(struct space *s, uint64_t address, uint64_t error)
{
	struct pager *p = s->context;
	bool mended;

	if (error & FAULT_BOUND || space_entry(s, address))
		return false;
	p->faults++;
	mended = load(p, (uint32_t)space_page(s, address));
	if (!busy)
		settle();
	return mended;
}

static size_t pages_bytes(const struct pager *p) { return p->space.pages * sizeof(*p->pages); }

int pager_create(struct pager *p, const struct replacement_ops *policy, uint64_t length, uint64_t frames)
{
	int error;

	*p = (struct pager){ .limit = frames };
	if (frames < PAGER_LEAST || length / FRAME_SIZE >= UINT32_MAX)
		return -EINVAL;
	error = space_create(&p->space, &page_table_radix2, 0, length, fault);
	if (error)
		return error;
	p->policy = replacement_create(policy, (uint32_t)p->space.pages);
	p->pages = mmap(NULL, pages_bytes(p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!p->policy || p->pages == MAP_FAILED) {
		if (p->policy)
			replacement_destroy(p->policy);
		if (p->pages != MAP_FAILED)
			munmap(p->pages, pages_bytes(p));
		space_destroy(&p->space);
		return -ENOMEM;
	}
	p->policy->accessed = accessed;
	p->policy->context = p;
	p->space.context = p;
	p->next = pagers;
	pagers = p;
	return 0;
}

static void end_busy(void)
{
	if (!--busy)
		settle();
}

void pager_destroy(struct pager *p)
{
	struct pager **link = &pagers;

	busy++;
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	for (uint64_t i = 0; i < p->space.pages; i++)
		drop_copy(p, &p->pages[i]);
	replacement_destroy(p->policy);
	munmap(p->pages, pages_bytes(p));
	space_destroy(&p->space);
	end_busy();
}

int pager_limit(struct pager *p, uint64_t frames)
{
	bool done;

	if (frames < PAGER_LEAST)
		return -EINVAL;
	busy++;
	p->limit = frames;
	done = shrink(p, frames);
	end_busy();
	return done ? 0 : -ENOMEM;
}

static bool in_pager(const struct pager *p, uint64_t va, uint64_t n)
{
	uint64_t page = space_page(&p->space, va);

	return va >= p->space.start && page < p->space.pages && n <= p->space.pages - page;
}

int pager_will_need(struct pager *p, uint64_t va, uint64_t n)
{
	uint64_t first = space_page(&p->space, va), count = n < p->limit ? n : p->limit;
	bool done = true;

	if (!in_pager(p, va, n))
		return -EINVAL;
	busy++;
	while (done && count--)
		done = resident(p, first + count) || load(p, (uint32_t)(first + count));
	end_busy();
	return done ? 0 : -ENOMEM;
}

int pager_done_with(struct pager *p, uint64_t va, uint64_t n)
{
	uint64_t first = space_page(&p->space, va);

	if (!in_pager(p, va, n))
		return -EINVAL;
	busy++;
	for (uint32_t i = 0; i < PAGER_RECENT; i++)
		if (p->recent[i] && p->recent[i] - 1 - first < n)
			hand_over(p, &p->recent[i]);
	for (uint64_t page = first; p->policy->ops->done_with && page < first + n; page++)
		if (resident(p, page))
			p->policy->ops->done_with(p->policy, (uint32_t)page);
	end_busy();
	return 0;
}
