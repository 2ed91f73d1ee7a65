/* Pages of files as they come, become dirty and clean, and go: every count that others rely on is kept here. Never waits. */
#include <exos/volume/internal.h>

struct list pages_round = {&pages_round, &pages_round}; /* vnodes that have pages; reclaim.c */
uint64_t pages_cleaned;
static uint64_t pages_all, pages_dirty; /* of all volumes */

uint64_t volumes_pages(void) { return pages_all; }
uint64_t volumes_dirty(void) { return pages_dirty; }

int page_add(struct vnode *n, uint64_t index, frame_t frame, uint32_t state)
{
	uint64_t *slot = cache_make(&n->tree, index);

	if (!slot)
		return -ENOMEM;
	ASSERT(!*slot);
	*slot = slot_of(frame, state);
	if (!n->pages++)
		list_append(&pages_round, &n->pages_link);
	pages_all++;
	return 0;
}

/* Who writes without telling is asked again and again: such pages keep their mark. */
static void mark(struct vnode *n, uint64_t index, const uint64_t *slot)
{
	bool before = n->tree.root_dirty;

	cache_mark(&n->tree, index, *slot & (SLOT_DIRTY | SLOT_MAPPED));
	if (!before && n->tree.root_dirty) {
		list_append(&n->volume->dirty, &n->dirty_link);
		n->dirty_since = ticks_now();
		owner_note(n->volume);
	} else if (before && !n->tree.root_dirty) {
		list_remove(&n->dirty_link);
	}
}

static int reserve(struct vnode *n, uint64_t *slot)
{
	struct volume *v = n->volume;
	int err = ext2_reserve(v->ext2, v->page_blocks);

	if (err)
		return err;
	*slot |= SLOT_RESERVED;
	n->reserved_pages++;
	n->inode.sectors += PAGE_SECTORS;
	return 0;
}

static void unreserve(struct vnode *n, uint64_t *slot)
{
	if (!(*slot & SLOT_RESERVED))
		return;
	ext2_unreserve(n->volume->ext2, n->volume->page_blocks);
	*slot &= ~(uint64_t)SLOT_RESERVED;
	n->reserved_pages--;
	n->inode.sectors -= PAGE_SECTORS;
}

int page_dirty(struct vnode *n, uint64_t index, uint64_t *slot)
{
	if (!(*slot & (SLOT_PLACED | SLOT_RESERVED))) {
		int err = reserve(n, slot);

		if (err)
			return err;
	}
	if (*slot & SLOT_DIRTY)
		return 0;
	*slot |= SLOT_DIRTY;
	n->dirty_pages++;
	if (++n->volume->dirty_pages > n->volume->policy.dirty_start && !n->volume->hurry)
		owner_hurry(n->volume);
	pages_dirty++;
	mark(n, index, slot);
	return 0;
}

void page_clean(struct vnode *n, uint64_t index, uint64_t *slot)
{
	if (*slot & SLOT_DIRTY) {
		*slot &= ~(uint64_t)SLOT_DIRTY;
		n->dirty_pages--;
		n->volume->dirty_pages--;
		pages_dirty--;
	}
	mark(n, index, slot);
}

bool page_placed(struct vnode *n, uint64_t *slot)
{
	bool promised = *slot & SLOT_RESERVED;

	if (promised) {
		n->reserved_pages--;
		n->inode.sectors -= PAGE_SECTORS;
	}
	*slot = (*slot & ~(uint64_t)SLOT_RESERVED) | SLOT_PLACED;
	return promised;
}

void page_remove(struct vnode *n, uint64_t index, uint64_t *slot)
{
	frame_t frame = slot_frame(*slot);
	bool tabled = *slot & SLOT_TABLED;

	ASSERT(!(*slot & (SLOT_READING | SLOT_WRITING)));
	unreserve(n, slot);
	*slot &= ~(uint64_t)SLOT_MAPPED;
	page_clean(n, index, slot);
	cache_clear(&n->tree, index);
	pages_all--;
	if (!--n->pages)
		list_remove(&n->pages_link);
	if (tabled)
		table_leave(n->volume, frame);
	else
		frame_put(frame);
}

void cache_drop(struct vnode *n, uint64_t first)
{
	uint64_t at = first;

	table_hold();
	while ((at = cache_next(&n->tree, at, false)) != NEVER) {
		page_remove(n, at, cache_slot(&n->tree, at));
		at++;
	}
	table_give(n->volume);
}

bool pages_busy(const struct vnode *n, uint64_t first)
{
	uint64_t at = first;

	if (!n->reading && !n->writing)
		return false;
	while ((at = cache_next(&n->tree, at, false)) != NEVER) {
		if (*cache_slot((struct cache *)&n->tree, at) & (SLOT_READING | SLOT_WRITING))
			return true;
		at++;
	}
	return false;
}
