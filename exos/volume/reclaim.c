/* Memory given back: the clock's hand goes over files that have pages, and over the pages of each; the policy says which clean ones go. Never waits. Called when the domain has no frame left, when its memory is wanted back, and before the
 * last frames would go into files' contents. */
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/vm.h>
#include <exos/volume/internal.h>

#define SHRINK_PAGES 64 /* given back for one who has found none */
#define SHRINK_WRITES 256
#define ROUNDS 8 /* before memory is out */
#define VAIN_NS 2000000ul
#define LOOKS 16 /* pages looked at, at most, for each that is wanted */

static bool mapped_last(uint64_t slot) { return slot & SLOT_MAPPED && !(slot & SLOT_DIRTY) && frame_refs(slot_frame(slot)) == 1; }

/* One page under the hand. */
static bool replace(struct vnode *n, uint64_t index, uint64_t *slot, bool any)
{
	const struct volume_policy *p = &n->volume->policy;
	bool used = *slot & SLOT_USED;

	if (mapped_last(*slot)) { /* nobody can write it any more: once more, and it is clean */
		*slot &= ~(uint64_t)SLOT_MAPPED;
		page_dirty(n, index, slot);
	}
	if (*slot & (SLOT_DIRTY | SLOT_READING | SLOT_WRITING | SLOT_MAPPED) || frame_refs(slot_frame(*slot)) > 1)
		return false;
	*slot &= ~(uint64_t)SLOT_USED;
	if (!any && !p->replace(p, used))
		return false;
	page_remove(n, index, slot);
	return true;
}

/* The hand goes on in one file. False: it is through. */
static bool go_through(struct vnode *n, uint32_t *wanted, uint64_t *looks, bool any)
{
	while (*wanted && *looks) {
		uint64_t index = cache_next(&n->tree, n->clock_index, false);

		if (index == NEVER)
			return false;
		--*looks;
		n->clock_index = index + 1;
		if (replace(n, index, cache_slot(&n->tree, index), any) && !--*wanted)
			return true;
	}
	return true;
}

static uint32_t pages_shrink(uint32_t count, bool any)
{
	uint64_t looks = (uint64_t)count * LOOKS + 1024;
	uint32_t wanted = count;
	const struct volume *last = NULL;

	table_hold();
	while (wanted && looks && !list_empty(&pages_round)) {
		struct vnode *n = CONTAINER_OF(pages_round.next, struct vnode, pages_link);

		last = n->volume;
		if (go_through(n, &wanted, &looks, any))
			break;
		looks--;
		n->clock_index = 0;
		if (n->pages) {
			list_remove(&n->pages_link);
			list_append(&pages_round, &n->pages_link);
		}
	}
	table_give(last);
	return count - wanted;
}

static uint64_t vain_at, vain_cleaned; /* when a search was in vain, and what there was to be found then */

static uint32_t search(uint32_t count)
{
	uint32_t given = pages_shrink(count, false);

	LIST_FOR_EACH (l, &volumes) {
		struct volume *v = CONTAINER_OF(l, struct volume, link);

		if (given < count && v->ext2)
			given += (uint32_t)(ext2_shrink(v->ext2, (count - given) * FRAME_SIZE) / FRAME_SIZE);
	}
	if (given < count)
		given += pages_shrink(count - given, true);
	if (!given) {
		vain_at = ticks_now();
		vain_cleaned = pages_cleaned;
	}
	return given;
}

/* A search in vain is not made again at once, unless something was cleaned since: it takes as long as hundreds of pages that are written. */
uint32_t volumes_shrink(uint32_t count)
{
	return vain_cleaned == pages_cleaned && ticks_now() - vain_at < time_to_ticks(VAIN_NS) ? 0 : search(count);
}

uint32_t volumes_unmap(const struct inode *i, uint64_t first)
{
	uint32_t count = 0;

	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->vm && !p->vfork_parent)
			count += vm_drop_file(p->vm, i, first);
	}
	pages_cleaned += count;
	return count;
}

/* Until something can be given back, or nothing more is on its way. */
static bool write_and_give(struct volume *v)
{
	bool given;

	volume_enter(v);
	volume_write_behind(v, ticks_now(), SHRINK_WRITES);
	while (!(given = search(SHRINK_PAGES)) && (v->under_way[0] || v->under_way[1]) && !v->failed)
		wait_surely(&v->written);
	volume_leave(v);
	return given;
}

static struct volume *waits_to_be_written(void)
{
	LIST_FOR_EACH (l, &volumes) {
		struct volume *v = CONTAINER_OF(l, struct volume, link);

		if ((v->dirty_pages || v->under_way[0] || v->under_way[1]) && !v->failed && !v->ending)
			return v;
	}
	return NULL;
}

/* Others may touch pages again, or take what was given, before this one comes to it. */
bool volumes_find_memory(void)
{
	for (int round = 0; round < ROUNDS && !list_empty(&volumes); round++) {
		struct volume *v;

		if (search(SHRINK_PAGES))
			return true;
		volumes_unmap(NULL, 0);
		if (search(SHRINK_PAGES))
			return true;
		v = waits_to_be_written();
		if (!v)
			return false;
		if (write_and_give(v))
			return true;
	}
	return false;
}

/* The contents are on the disk, if they were not changed or the kernel has written them (table.c), or lost. */
static void lose_pages(struct vnode *n)
{
	uint64_t index = 0, *slot;

	while ((index = cache_next(&n->tree, index, false)) != NEVER) {
		slot = cache_slot(&n->tree, index);
		if (!frame_held(slot_frame(*slot)) && !(*slot & (SLOT_READING | SLOT_WRITING))) {
			if (*slot & (SLOT_DIRTY | SLOT_MAPPED) && !table_was_written(slot_frame(*slot)))
				n->disk_error = EIO;
			page_remove(n, index, slot);
		}
		index++;
	}
}

void volumes_lose(void)
{
	LIST_FOR_EACH_SAFE (l, following, &pages_round)
		lose_pages(CONTAINER_OF(l, struct vnode, pages_link));
}
