/* See written.h: the two ways that ExOS has, and what all have in common. */
#include <stdlib.h>
#include <string.h>

#include <exos/lib/vm/tracking.h>
#include <exos/lib/x86_64/calls.h>

int written_create(struct written *w, const struct written_ops *ops, uint64_t pages)
{
	int error;

	*w = (struct written){ .ops = ops, .pages = pages, .page = calloc(2, pages) };
	if (!pages || pages % (LEAF_SPAN / FRAME_SIZE))
		error = -EINVAL;
	else
		error = w->page ? 0 : -ENOMEM;
	if (!error) {
		w->now = w->page + pages;
		error = ops->create(w);
	}
	if (error)
		free(w->page);
	return error;
}

void written_destroy(struct written *w)
{
	w->ops->destroy(w);
	free(w->page);
}

void tracking_take(struct written *w, void (*protect)(struct written *, uint64_t page, uint64_t n))
{
	uint64_t first = w->pages;

	memcpy(w->page, w->now, w->pages);
	for (uint64_t i = 0; i <= w->pages; i++) {
		if (i < w->pages && w->page[i]) {
			first = first < i ? first : i;
		} else if (first < i) {
			protect(w, first, i - first);
			first = w->pages;
		}
	}
	memset(w->now, 0, w->pages);
}

static int create_space(struct written *w, space_fault_handler *fault)
{
	int error = exos_here() ? space_create(&w->space, &page_table_radix2, 0, w->pages * FRAME_SIZE, fault) : -ENOSYS;

	if (error)
		return error;
	w->memory = (char *)w->space.start;
	w->space.context = w;
	return 0;
}

static void destroy_space(struct written *w) { space_destroy(&w->space); }

static int dirty_create(struct written *w) { return create_space(w, NULL); }

/* Pages that are not mapped have not been written; the run skips them. */
static void dirty_take(struct written *w)
{
	struct space *s = &w->space;
	uint64_t count, *entries;

	memset(w->page, 0, w->pages);
	for (uint64_t i = 0; i < w->pages; i += count) {
		count = w->pages - i;
		entries = page_run(s->table, i, &count);
		for (uint64_t k = 0; entries && k < count; k++)
			if (entries[k])
				w->page[i + k] = ((entries[k] | s->hardware[i + k]) & ENTRY_DIRTY) != 0;
	}
	space_forget(s, s->start, s->pages, ENTRY_DIRTY);
}

static bool protect_fault(struct space *s, uint64_t address, uint64_t error)
{
	struct written *w = s->context;
	uint64_t page = space_page(s, address), entry = space_entry(s, address);

	if (!entry) {
		w->now[page] = 1;
		return space_touch(s, address, error);
	}
	if (!(error & FAULT_WRITE) || !(entry & BIND_READ))
		return false;
	w->faults++;
	if (w->before)
		w->before(w, page);
	w->now[page] = 1;
	return !space_protect(s, address & ~(FRAME_SIZE - 1), 1, BIND_READ | BIND_WRITE);
}

static int protect_create(struct written *w) { return create_space(w, protect_fault); }

static void protect_pages(struct written *w, uint64_t page, uint64_t n) { space_protect(&w->space, w->space.start + page * FRAME_SIZE, n, BIND_READ); }
static void protect_take(struct written *w) { tracking_take(w, protect_pages); }

const struct written_ops written_dirty = { "dirty", dirty_create, dirty_take, destroy_space, false };
const struct written_ops written_protect = { "protect", protect_create, protect_take, destroy_space, true };
