/* Areas: which ranges of an address space mean something, and what. Nothing here touches pages; see map.c. Domain lock
 * held.
 *
 * They are kept in a list in order of address, with the one found last remembered: programs have few, and ask for the
 * same one again and again. Neighbours that continue each other are joined, so that a heap that grows stays one area.
 */
#include <exos/file/file.h>
#include <exos/heap.h>
#include <exos/vm/table.h>

/* How far below a stack others must stay, and a stack above others: an overflow then faults instead of running into
 * them. */
#define STACK_GAP (256 * FRAME_SIZE)

static struct vm_area *area_of(struct list *link) { return CONTAINER_OF(link, struct vm_area, link); }

struct vm_area *area_from(struct vm *vm, uint64_t address)
{
	struct vm_area *recent = vm->recent;

	if (recent && recent->start <= address && address < recent->end)
		return recent;
	LIST_FOR_EACH(link, &vm->areas) {
		if (address < area_of(link)->end)
			return vm->recent = area_of(link);
	}
	return NULL;
}

/* The area at an address. One that grows down reaches to an address below it if its limit and its neighbour allow. */
static struct vm_area *area_grow(struct vm *vm, struct vm_area *above, uint64_t address)
{
	uint64_t start = ROUND_DOWN(address, FRAME_SIZE), lower_end = PROGRAM_BOTTOM;

	if (!(above->flags & VM_GROWS_DOWN) || above->end - start > vm->stack_limit)
		return NULL;
	if (above->link.previous != &vm->areas)
		lower_end = area_of(above->link.previous)->end + STACK_GAP;
	if (start < lower_end)
		return NULL;
	above->start = start;
	return above;
}

struct vm_area *vm_area_at(struct vm *vm, uint64_t address)
{
	struct vm_area *area = area_from(vm, address);

	if (!area)
		return NULL;
	return area->start <= address ? area : area_grow(vm, area, address);
}

/* A copy of `like`, in the list before `place`. */
static struct vm_area *area_new(struct list *place, const struct vm_area *like)
{
	struct vm_area *area = heap_alloc(sizeof(*area));

	if (!area)
		return NULL;
	*area = *like;
	if (area->inode)
		inode_ref(area->inode);
	list_append(place, &area->link);
	return area;
}

struct vm_area *area_insert(struct vm *vm, const struct vm_area *like)
{
	struct vm_area *following = area_from(vm, like->start);

	return area_new(following ? &following->link : &vm->areas, like);
}

struct vm_area *area_append(struct vm *vm, const struct vm_area *like) { return area_new(&vm->areas, like); }

void area_remove(struct vm *vm, struct vm_area *area)
{
	if (vm->recent == area)
		vm->recent = NULL;
	list_remove(&area->link);
	if (area->inode)
		inode_put(area->inode);
	heap_free(area);
}

int area_split(struct vm *vm, uint64_t address)
{
	struct vm_area *area = area_from(vm, address), *lower;

	if (!area || area->start >= address)
		return 0;
	lower = area_insert(vm, area);
	if (!lower)
		return -ENOMEM;
	lower->end = address;
	area->offset += address - area->start;
	area->start = address;
	return 0;
}

static bool continues(const struct vm_area *lower, const struct vm_area *upper)
{
	if (lower->end != upper->start || lower->flags != upper->flags || lower->inode != upper->inode)
		return false;
	return !lower->inode ||
	       (lower->offset + (lower->end - lower->start) == upper->offset && lower->file_end == upper->file_end);
}

void area_join(struct vm *vm, uint64_t start, uint64_t end)
{
	struct vm_area *lower = area_from(vm, start ? start - 1 : 0);

	while (lower && lower->start < end) {
		struct vm_area *upper = area_next(vm, lower);

		if (!upper || !continues(lower, upper)) {
			lower = upper;
			continue;
		}
		lower->end = upper->end;
		area_remove(vm, upper);
	}
}

bool vm_range_free(struct vm *vm, uint64_t start, uint64_t length)
{
	struct vm_area *area;

	if (start < PROGRAM_BOTTOM || start >= PROGRAM_TOP || length > PROGRAM_TOP - start)
		return false;
	area = area_from(vm, start);
	return !area || area->start >= start + length;
}

bool vm_range_mapped(struct vm *vm, uint64_t start, uint64_t length)
{
	uint64_t at = start;

	for (struct vm_area *area = area_from(vm, start); area && area->start <= at; area = area_next(vm, area)) {
		at = area->end;
		if (at >= start + length)
			return true;
	}
	return false;
}

uint64_t vm_find_room_below(struct vm *vm, uint64_t length, uint64_t top)
{
	if (length > top)
		return 0;
	for (struct list *link = vm->areas.previous; link != &vm->areas; link = link->previous) {
		struct vm_area *area = area_of(link);
		uint64_t gap = area->flags & VM_GROWS_DOWN ? STACK_GAP : 0;

		if (area->start >= top + gap)
			continue;
		if (area->end <= top && top - area->end >= length)
			break;
		if (area->start < gap + length)
			return 0;
		top = MIN(top, area->start - gap);
	}
	return top >= length && top - length >= PROGRAM_BOTTOM ? top - length : 0;
}

uint64_t vm_find_room(struct vm *vm, uint64_t length) { return vm_find_room_below(vm, length, vm->mmap_top); }

uint64_t vm_mapped(struct vm *vm)
{
	uint64_t bytes = 0;

	LIST_FOR_EACH(link, &vm->areas)
		bytes += area_of(link)->end - area_of(link)->start;
	return bytes;
}
