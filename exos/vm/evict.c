/* Memory is short: a process takes back its hold on pages that files on disks have, so that their cache can give them up (exos/volume). It finds them again by faults. Domain lock held. */
#include <exos/file/file.h>
#include <exos/vm/table.h>

/* Copies that are the process's own stay, and so does what exists in memory alone. */
static bool can_be_fetched(uint64_t entry) { return entry & (ENTRY_FILE | ENTRY_SHARED); }

static uint32_t evict_in_leaf(struct vm *vm, struct vm_leaf *leaf, uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t i = bit_next(leaf->present, from); i < to; i = bit_next(leaf->present, i + 1)) {
		if (!can_be_fetched(leaf->entries[i]))
			continue;
		batch_put(&vm_batch, entry_frame(leaf->entries[i]));
		entry_remove(vm, leaf, i, &vm_batch);
		count++;
	}
	return count;
}

static uint32_t evict_area(struct vm *vm, const struct vm_area *area)
{
	uint32_t count = 0;
	struct vm_leaf *leaf;

	for (uint64_t at = area->start; at < area->end && (leaf = leaf_from(vm, at)) && leaf->va < area->end;) {
		uint64_t end = leaf->va + LEAF_SPAN;

		count += evict_in_leaf(vm, leaf, leaf->va < area->start ? page_index(area->start) : 0, area->end < end ? page_index(area->end) : SPAN_ENTRIES);
		if (!leaf->count)
			leaf_drop(vm, leaf, &vm_batch);
		at = end;
	}
	return count;
}

uint32_t vm_evict(struct vm *vm)
{
	uint32_t count = 0;

	batch_start(&vm_batch, vm, vm->env);
	for (struct vm_area *area = area_from(vm, 0); area; area = area_next(vm, area))
		if (area->inode && area->inode->ops->fetch)
			count += evict_area(vm, area);
	batch_flush(&vm_batch);
	return count;
}
