/* The copy of an address space that a child starts with: the same frames, to be copied by whoever writes first. Domain
 * lock held. */
#include <exos/vm/table.h>

static int copy_areas(struct vm *from, struct vm *to)
{
	LIST_FOR_EACH(link, &from->areas) {
		const struct vm_area *area = CONTAINER_OF(link, struct vm_area, link);

		if (!(area->flags & VM_OWN) && !area_append(to, area))
			return -ENOMEM;
	}
	return 0;
}

/* Pages that only memory holds are given to the child at once: to bind one here costs less than half of what a fault would, and a shell's child
 * uses most of them. Those that still are a file's it gets by faults, in whole neighbourhoods, if it wants them. */
static int copy_leaf(struct vm_leaf *from, struct vm *to)
{
	struct vm_leaf *leaf = NULL;

	BIT_FOR_EACH(i, from->present) {
		uint64_t entry = from->entries[i], va = from->va + i * FRAME_SIZE;

		if (entry & ENTRY_FILE)
			continue;
		if (!leaf && !(leaf = leaf_make(to, from->va, &vm_batch_child)))
			return -ENOMEM;
		if ((entry & (BIND_WRITE | ENTRY_SHARED)) == BIND_WRITE) {
			entry &= ~BIND_WRITE;
			from->entries[i] = entry;
			batch_add(&vm_batch, va, entry);
		}
		frame_ref(entry_frame(entry));
		leaf->entries[i] = entry;
		bit_set(leaf->present, i);
		leaf->count++;
		if (entry & BIND_READ)
			batch_add(&vm_batch_child, va, entry_binding(entry));
	}
	if (leaf)
		to->resident += leaf->count;
	return 0;
}

int vm_fork(struct vm *from, struct vm *to)
{
	int error = copy_areas(from, to);

	to->brk_start = from->brk_start;
	to->brk = from->brk;
	to->mmap_top = from->mmap_top;
	to->stack_limit = from->stack_limit;
	batch_start(&vm_batch, from, from->env);
	batch_start(&vm_batch_child, to, to->env);
	for (struct vm_leaf *leaf = leaf_from(from, 0); leaf && !error; leaf = leaf_from(from, leaf->va + LEAF_SPAN))
		error = copy_leaf(leaf, to);
	batch_flush(&vm_batch);
	batch_flush(&vm_batch_child);
	return error;
}
