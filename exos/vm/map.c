/* Changes to an address space as a program asks for them: map, unmap, protect, move, discard, the break; and its
 * beginning and end.
 *
 * Each works on areas first, where it can still fail, and then on pages, where it cannot. Domain lock held. */
#include <exos/file/ramfs.h>
#include <exos/heap.h>
#include <exos/vm/table.h>

#define STACK_LIMIT (8ul << 20) /* until a process sets another */

static bool range_is_valid(uint64_t start, uint64_t length)
{
	return length && (start | length) % FRAME_SIZE == 0 && start >= PROGRAM_BOTTOM && start < PROGRAM_TOP &&
	       length <= PROGRAM_TOP - start;
}

struct vm *vm_create(env_id env)
{
	struct vm *vm = heap_alloc(sizeof(*vm));

	if (!vm)
		return NULL;
	vm->env = env;
	vm->mmap_top = PROGRAM_TOP;
	vm->stack_limit = STACK_LIMIT;
	list_init(&vm->areas);
	return vm;
}

/* Memory shared by those who inherit it, without a name. Null: out of memory. */
static struct inode *shared_memory_new(uint64_t size)
{
	struct inode *inode = ramfs_unnamed(0600);

	if (inode && inode->ops->truncate(inode, size)) {
		inode_put(inode);
		return NULL;
	}
	return inode;
}

static void remove_areas(struct vm *vm)
{
	LIST_FOR_EACH_SAFE(link, following, &vm->areas)
		area_remove(vm, CONTAINER_OF(link, struct vm_area, link));
}

void vm_clear(struct vm *vm)
{
	tables_release(vm, vm->env);
	remove_areas(vm);
	vm->brk = vm->brk_start = 0;
}

void vm_destroy(struct vm *vm)
{
	tables_release(vm, 0);
	remove_areas(vm);
	heap_free(vm->regions);
	heap_free(vm->slots);
	heap_free(vm);
}

int vm_unmap(struct vm *vm, uint64_t start, uint64_t length)
{
	uint64_t end = start + length;
	struct vm_area *area, *following;

	if (!range_is_valid(start, length))
		return -EINVAL;
	area = area_from(vm, start);
	if (!area || area->start >= end)
		return 0;
	if (!region_may_go(vm, start, end))
		return -EINVAL;
	if (area_split(vm, start) || area_split(vm, end)) {
		area_join(vm, start, end);
		return -ENOMEM;
	}
	for (area = area_from(vm, start); area && area->start < end; area = area_next(vm, area))
		if (area->flags & VM_OWN)
			region_go(vm, area, start, end);
	pages_drop(vm, start, end);
	for (area = area_from(vm, start); area && area->start < end; area = following) {
		following = area_next(vm, area);
		area_remove(vm, area);
	}
	return 0;
}

int vm_map(struct vm *vm, uint64_t start, uint64_t length, uint32_t flags, struct inode *inode, uint64_t offset,
	uint64_t file_end)
{
	struct vm_area like = {
		.start = start, .end = start + length, .flags = flags, .offset = offset, .file_end = file_end};
	struct inode *unnamed = NULL;
	struct vm_area *area;
	int error;

	if (!range_is_valid(start, length) || offset % FRAME_SIZE)
		return -EINVAL;
	if (inode && !inode->ops->page)
		return -ENODEV;
	if (!inode && flags & VM_SHARED && !(inode = unnamed = shared_memory_new(length)))
		return -ENOMEM;
	like.inode = inode;
	error = vm_unmap(vm, start, length);
	if (!error) {
		area = area_insert(vm, &like);
		error = area ? 0 : -ENOMEM;
	}
	if (!error)
		area_join(vm, start, start + length);
	if (unnamed)
		inode_put(unnamed);
	return error;
}

/* What the hardware may do with a page once its area has these flags. Writing to a private page waits for the fault,
 * unless nobody else has the page. */
static uint64_t protected_entry(uint64_t entry, uint32_t flags)
{
	uint64_t rights = flags & (VM_READ | VM_WRITE | VM_EXEC) ? BIND_READ : 0;

	bool writable = entry & ENTRY_SHARED ? !(entry & ENTRY_FILE) : frame_refs(entry_frame(entry)) == 1;

	if (flags & VM_WRITE && writable)
		rights |= BIND_WRITE;
	if (flags & VM_EXEC)
		rights |= BIND_EXEC;
	if (rights & BIND_WRITE)
		entry &= ~ENTRY_FILE; /* from now on it may be unlike what the file had */
	return (entry & ~ENTRY_RIGHTS) | rights;
}

static void protect_pages(struct vm *vm, uint64_t start, uint64_t end, uint32_t flags)
{
	struct vm_batch *b = &vm_batch;

	batch_start(b, vm, vm->env);
	for (struct vm_leaf *leaf = leaf_from(vm, start); leaf && leaf->va < end;
		leaf = leaf_from(vm, leaf->va + LEAF_SPAN)) {
		uint32_t from = leaf->va < start ? page_index(start) : 0;
		uint32_t to = end < leaf->va + LEAF_SPAN ? page_index(end) : SPAN_ENTRIES;

		for (uint32_t i = bit_next(leaf->present, from); i < to; i = bit_next(leaf->present, i + 1)) {
			uint64_t entry = protected_entry(leaf->entries[i], flags);

			if (entry == leaf->entries[i])
				continue;
			leaf->entries[i] = entry;
			batch_add(b, leaf->va + i * FRAME_SIZE, entry_binding(entry));
		}
	}
	batch_flush(b);
}

int vm_protect(struct vm *vm, uint64_t start, uint64_t length, uint32_t flags)
{
	const uint32_t changing = VM_READ | VM_WRITE | VM_EXEC;
	uint64_t end = start + length;

	if (!range_is_valid(start, length))
		return -EINVAL;
	if (!vm_range_mapped(vm, start, length))
		return -ENOMEM;
	for (struct vm_area *area = area_from(vm, start); area && area->start < end; area = area_next(vm, area))
		if (area->flags & VM_OWN || (flags & VM_WRITE && area->flags & VM_NEVER_WRITE))
			return -EACCES;
	if (area_split(vm, start) || area_split(vm, end)) {
		area_join(vm, start, end);
		return -ENOMEM;
	}
	for (struct vm_area *area = area_from(vm, start); area && area->start < end; area = area_next(vm, area))
		area->flags = (area->flags & ~changing) | (flags & changing);
	protect_pages(vm, start, end, flags);
	area_join(vm, start, end);
	return 0;
}

/* Takes the entries of `from` to `to`, an equal number of bytes that has none yet. */
static int move_pages(struct vm *vm, uint64_t from, uint64_t length, uint64_t to)
{
	struct vm_batch *b = &vm_batch;
	int error = 0;

	batch_start(b, vm, vm->env);
	for (uint64_t at = from; at < from + length && !error;) {
		struct vm_leaf *old = leaf_from(vm, at), *new;
		uint32_t i;

		if (!old || old->va >= from + length)
			break;
		at = MAX(at, old->va);
		i = bit_next(old->present, page_index(at));
		at = old->va + i * FRAME_SIZE;
		if (i == SPAN_ENTRIES || at >= from + length)
			continue;
		new = leaf_make(vm, to + (at - from), b);
		if (!new) {
			error = -ENOMEM;
			break;
		}
		entry_remove(vm, old, i, b);
		entry_add(vm, new, page_index(to + (at - from)), old->entries[i]);
		batch_add(b, to + (at - from), entry_binding(old->entries[i]));
		if (!old->count)
			leaf_drop(vm, old, b);
		at += FRAME_SIZE;
	}
	batch_flush(b);
	return error;
}

/* The area that holds all of the range, or null. */
static struct vm_area *area_around(struct vm *vm, uint64_t start, uint64_t length)
{
	struct vm_area *area = area_from(vm, start);

	return area && area->start <= start && start + length <= area->end ? area : NULL;
}

int vm_move(struct vm *vm, uint64_t old, uint64_t length, uint64_t to, uint64_t new_length)
{
	uint64_t kept = MIN(length, new_length);
	struct vm_area *area, like;

	if (!range_is_valid(old, length) || !range_is_valid(to, new_length) || !vm_range_free(vm, to, new_length))
		return -EINVAL;
	area = area_around(vm, old, length);
	if (!area || area->flags & VM_OWN)
		return -EFAULT;
	/* So that taking the old range away cannot fail when all is done. */
	if (area_split(vm, old) || area_split(vm, old + length)) {
		area_join(vm, old, old + length);
		return -ENOMEM;
	}
	area = area_from(vm, old);
	like = *area;
	like.start = to;
	like.end = to + new_length;
	if (like.file_end)
		like.file_end = like.file_end > old ? to + (like.file_end - old) : to;
	if (!area_insert(vm, &like))
		return -ENOMEM;
	if (move_pages(vm, old, kept, to)) {
		/* What has moved goes back; the tables for it are still there, or have just been freed. */
		if (move_pages(vm, to, kept, old))
			panic("vm: a move cannot be undone");
		vm_unmap(vm, to, new_length);
		area_join(vm, old, old + length);
		return -ENOMEM;
	}
	area_join(vm, to, to + new_length);
	return vm_unmap(vm, old, length);
}

int vm_remap(struct vm *vm, uint64_t old, uint64_t old_length, uint64_t new_length, bool may_move, uint64_t *out)
{
	struct vm_area *area;

	if (!range_is_valid(old, old_length) || !new_length || new_length % FRAME_SIZE)
		return -EINVAL;
	area = area_around(vm, old, old_length);
	if (!area || area->flags & VM_OWN)
		return -EFAULT;
	*out = old;
	if (new_length <= old_length)
		return new_length == old_length ? 0 : vm_unmap(vm, old + new_length, old_length - new_length);
	if (area->end == old + old_length && vm_range_free(vm, area->end, new_length - old_length)) {
		area->end = old + new_length;
		area_join(vm, old, area->end);
		return 0;
	}
	*out = may_move ? vm_find_room(vm, new_length) : 0;
	return *out ? vm_move(vm, old, old_length, *out, new_length) : -ENOMEM;
}

int vm_discard(struct vm *vm, uint64_t start, uint64_t length)
{
	if (!range_is_valid(start, length))
		return -EINVAL;
	if (!vm_range_mapped(vm, start, length))
		return -ENOMEM;
	pages_drop(vm, start, start + length);
	return 0;
}

uint64_t vm_set_brk(struct vm *vm, uint64_t brk)
{
	uint64_t old_end = ROUND_UP(vm->brk, FRAME_SIZE), new_end = ROUND_UP(brk, FRAME_SIZE);

	if (brk < vm->brk_start || brk > PROGRAM_TOP)
		return vm->brk;
	if (new_end > old_end) {
		if (!vm_range_free(vm, old_end, new_end - old_end) ||
			vm_map(vm, old_end, new_end - old_end, VM_READ | VM_WRITE, NULL, 0, 0))
			return vm->brk;
	} else if (new_end < old_end && vm_unmap(vm, new_end, old_end - new_end)) {
		return vm->brk;
	}
	return vm->brk = brk;
}
