/* Regions: parts of an address space that the program manages itself (exos/program.h). Here they are areas in which nothing is ever bound, and hardware
 * page tables for what the program binds. Domain lock held, but for vm_region_at.
 *
 * The table of 2 MiB is a leaf that counts one page more than it has, until the region goes; regions lie on multiples of 2 MiB, so a leaf is in one or in none. */
#include <exos/self.h>
#include <exos/vm/table.h>

int64_t vm_region_make(struct vm *vm, uint64_t *start, uint64_t length)
{
	uint64_t top = ROUND_DOWN(SELF_VA, REGION_SPAN), place = *start; /* above, tables are the environment's own */

	if (!length || (place | length) % LEAF_SPAN || length >= top || place > top - length || (place && place < PROGRAM_BOTTOM))
		return -EINVAL;
	if (!place) {
		place = vm_find_room_below(vm, length + LEAF_SPAN, MIN(vm->mmap_top, top));
		if (!place)
			return -ENOMEM;
		place = ROUND_UP(place, LEAF_SPAN);
	}
	if (!vm_range_free(vm, place, length))
		return -EEXIST;
	*start = place;
	return vm_map(vm, place, length, VM_OWN, NULL, 0, 0);
}

int64_t vm_region_leaf(struct vm *vm, uint64_t address)
{
	const struct vm_area *area = vm_area_at(vm, address);
	struct vm_leaf *leaf;

	if (!area || !(area->flags & VM_OWN))
		return -EINVAL;
	leaf = leaf_at(vm, address);
	if (!leaf) {
		batch_start(&vm_batch, vm, vm->env);
		leaf = leaf_make(vm, address, &vm_batch);
		batch_flush(&vm_batch);
		if (!leaf)
			return -ENOMEM;
		leaf->count = 1;
	}
	return leaf->table;
}

bool vm_region_at(struct vm *vm, uint64_t address)
{
	const struct vm_area *area = area_from(vm, address);

	return area && area->start <= address && area->flags & VM_OWN;
}

bool region_may_go(struct vm *vm, uint64_t start, uint64_t end)
{
	for (struct vm_area *area = area_from(vm, start); area && area->start < end; area = area_next(vm, area))
		if (area->flags & VM_OWN && (MAX(area->start, start) | MIN(area->end, end)) % LEAF_SPAN)
			return false;
	return true;
}

void region_go(struct vm *vm, const struct vm_area *area, uint64_t start, uint64_t end)
{
	for (struct vm_leaf *leaf = leaf_from(vm, MAX(area->start, start)); leaf && leaf->va < MIN(area->end, end);
		leaf = leaf_from(vm, leaf->va + LEAF_SPAN))
		leaf->count--;
	if (start < self->handlers.region + self->handlers.region_length && end > self->handlers.region)
		self->handlers.region_length = 0;
}
