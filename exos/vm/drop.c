/* Pages of files taken out of an address space: because the file has them no more, or because memory is short. They are fetched again when they are touched. Domain lock held. */
#include <exos/file/file.h>
#include <exos/vm/table.h>

/* What is the file's own: a private page that was written is the program's. */
static uint32_t drop_in_leaf(struct vm *vm, struct vm_leaf *leaf, uint64_t start, uint64_t end, struct vm_batch *b)
{
	uint32_t from = leaf->va < start ? page_index(start) : 0, to = end < leaf->va + LEAF_SPAN ? page_index(end) : SPAN_ENTRIES, count = 0;

	for (uint32_t i = bit_next(leaf->present, from); i < to; i = bit_next(leaf->present, i + 1)) {
		uint64_t entry = leaf->entries[i];

		if (!(entry & (ENTRY_SHARED | ENTRY_FILE)))
			continue;
		entry_remove(vm, leaf, i, b);
		batch_put(b, entry_frame(entry));
		count++;
	}
	return count;
}

static uint32_t drop_in_area(struct vm *vm, uint64_t start, uint64_t end)
{
	struct vm_batch *b = &vm_batch;
	uint32_t count = 0;

	batch_start(b, vm, vm->env);
	for (uint64_t at = start; at < end;) {
		struct vm_leaf *leaf = leaf_from(vm, at);

		if (!leaf || leaf->va >= end)
			break;
		at = leaf->va + LEAF_SPAN;
		count += drop_in_leaf(vm, leaf, start, end, b);
		if (!leaf->count)
			leaf_drop(vm, leaf, b);
	}
	batch_flush(b);
	return count;
}

uint32_t vm_drop_file(struct vm *vm, const struct inode *inode, uint64_t first)
{
	uint32_t count = 0;

	for (struct vm_area *area = area_from(vm, 0); area; area = area_next(vm, area)) {
		uint64_t begin = area->offset / FRAME_SIZE, skipped = first > begin ? (first - begin) * FRAME_SIZE : 0;

		if (!area->inode || !area->inode->ops->fetch || (inode && area->inode != inode) || skipped >= area->end - area->start)
			continue;
		count += drop_in_area(vm, area->start + skipped, area->end);
	}
	return count;
}
