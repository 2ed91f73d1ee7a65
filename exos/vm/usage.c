/* How much of a range is in memory, and with whom it is shared. Called by /proc. Domain lock held. */
#include <exos/vm/table.h>

static void count(struct vm_usage *u, uint64_t entry)
{
	/* A page that still is the file's has one reference more than it has users. */
	uint32_t users = frame_refs(entry_frame(entry)) - (entry & ENTRY_FILE ? 1 : 0);
	bool dirty = !(entry & ENTRY_FILE);

	users = MAX(users, 1u);
	u->resident += FRAME_SIZE;
	u->proportional += FRAME_SIZE / users;
	if (users > 1)
		*(dirty ? &u->shared_dirty : &u->shared_clean) += FRAME_SIZE;
	else
		*(dirty ? &u->private_dirty : &u->private_clean) += FRAME_SIZE;
}

struct vm_usage vm_usage(struct vm *vm, uint64_t start, uint64_t end)
{
	struct vm_usage u = {0};

	for (struct vm_leaf *leaf = leaf_from(vm, start); leaf && leaf->va < end; leaf = leaf_from(vm, leaf->va + LEAF_SPAN)) {
		uint32_t from = leaf->va < start ? page_index(start) : 0;
		uint32_t to = end < leaf->va + LEAF_SPAN ? page_index(end) : SPAN_ENTRIES;

		for (uint32_t i = bit_next(leaf->present, from); i < to; i = bit_next(leaf->present, i + 1))
			count(&u, leaf->entries[i]);
	}
	return u;
}
