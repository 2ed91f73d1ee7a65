/* The library's page table: regions of 1 GiB hold leaves of 2 MiB hold entries; beside each hangs the frame that is the
 * hardware's table of the same span.
 *
 * What is used is said by bitmaps, so that the frames behind need no clearing, and walks skip what is empty. Limits: a
 * heap object's worth of regions, that is 256 GiB touched by one process. Used by the rest of exos/vm only; domain lock
 * held. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/vm/table.h>

#define FIRST_ROOM  4 /* regions and slots of an ordinary process */

struct vm_batch vm_batch, vm_batch_child;

static __attribute__((noinline)) void flush_list(struct vm_batch *b)
{
	env_id env = b->env == self->env ? 0 : b->env; /* the kernel's short ways are for the caller's own space, named so */

	for (uint32_t done = 0; b->env && done < b->count;) {
		int64_t result = aegis_bind(env, b->list + done, b->count - done, NULL);

		if (result <= 0) {
			tables_mend(b->vm, env, &b->list[done]);
			result = 1;
		}
		done += (uint32_t)result;
	}
	for (uint32_t i = 0; i < b->put_count; i++)
		frame_put(b->put[i]);
	b->count = b->put_count = 0;
}

void batch_flush(struct vm_batch *b)
{
	if (b->count == 1 && !b->put_count && b->env == self->env && aegis_bind(0, b->list, 1, NULL) == 1)
		b->count = 0; /* the commonest: a page of one's own */
	else
		flush_list(b);
}

uint32_t bit_next(const uint64_t *words, uint32_t i)
{
	uint64_t word;

	if (i >= SPAN_ENTRIES)
		return SPAN_ENTRIES;
	word = words[i / 64] & ~0ul << i % 64;
	while (!word) {
		i = ROUND_DOWN(i, 64) + 64;
		if (i == SPAN_ENTRIES)
			return i;
		word = words[i / 64];
	}
	return ROUND_DOWN(i, 64) + (uint32_t)__builtin_ctzl(word);
}

/* A heap array with room for one more element; the old one stays when there is no memory. */
static bool make_room(void **array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t wanted = *room ? *room * 2 : FIRST_ROOM;
	void *larger;

	if (count < *room)
		return true;
	larger = wanted * size <= HEAP_MAX ? heap_alloc(wanted * size) : NULL;
	if (!larger)
		return false;
	if (count)
		memcpy(larger, *array, count * size);
	heap_free(*array);
	*array = larger;
	*room = wanted;
	return true;
}

/* Where the region of `address` is in the array, or would be. */
static uint32_t region_place(const struct vm *vm, uint64_t address)
{
	uint32_t low = 0, high = vm->region_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (vm->regions[middle]->va + REGION_SPAN <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct vm_region *region_at(const struct vm *vm, uint64_t address)
{
	uint32_t i = region_place(vm, address);

	return i < vm->region_count && vm->regions[i]->va <= address ? vm->regions[i] : NULL;
}

static struct vm_slot *slot_at(const struct vm *vm, uint64_t address)
{
	for (uint32_t i = 0; i < vm->slot_count; i++)
		if (vm->slots[i].va == ROUND_DOWN(address, SLOT_SPAN))
			return &vm->slots[i];
	return NULL;
}

static void add_table(struct vm_batch *b, uint64_t va, frame_t table, uint32_t level)
{
	batch_add(b, va, BIND_ENTRY(table, TABLE_FLAGS | BIND_LEVEL(level)));
}

/* Counts one more region in the slot of `address`; false: out of memory. */
static bool slot_use(struct vm *vm, uint64_t address, struct vm_batch *b)
{
	uint64_t va = ROUND_DOWN(address, SLOT_SPAN);
	struct vm_slot *slot;
	frame_t table;

	if (table_is_private(va, SLOT_SPAN))
		return true;
	slot = slot_at(vm, va);
	if (!slot) {
		if (!make_room((void **)&vm->slots, vm->slot_count, &vm->slot_room, sizeof(*slot)))
			return false;
		table = frame_get_pair();
		if (table == NO_FRAME)
			return false;
		slot = &vm->slots[vm->slot_count++];
		*slot = (struct vm_slot){va, table, 0};
		add_table(b, va, table, 3);
	}
	slot->count++;
	return true;
}

static void slot_unuse(struct vm *vm, uint64_t address, struct vm_batch *b)
{
	struct vm_slot *slot = slot_at(vm, address);
	frame_t table;

	if (!slot || --slot->count)
		return;
	table = slot->table;
	batch_add(b, slot->va, BIND_LEVEL(3));
	*slot = vm->slots[--vm->slot_count];
	batch_flush(b);
	table_put(table);
}

/* A table of the hardware's for what `va` and `span` say, unless the environment has its own. */
static bool table_get(uint64_t va, uint64_t span, frame_t *table)
{
	*table = NO_FRAME;
	if (table_is_private(va, span))
		return true;
	*table = frame_get_pair();
	return *table != NO_FRAME;
}

static struct vm_region *region_make(struct vm *vm, uint64_t address, struct vm_batch *b)
{
	uint64_t va = ROUND_DOWN(address, REGION_SPAN);
	uint32_t i = region_place(vm, va);
	struct vm_region *region;
	frame_t leaves;

	if (!make_room((void **)&vm->regions, vm->region_count, &vm->region_room, sizeof(region)))
		return NULL;
	region = heap_alloc(sizeof(*region));
	leaves = frame_get();
	if (!region || leaves == NO_FRAME || !table_get(va, REGION_SPAN, &region->table))
		goto no_memory;
	if (!slot_use(vm, va, b)) {
		if (region->table)
			frame_put_pair(region->table);
		goto no_memory;
	}
	region->va = va;
	region->leaves = frame_address(leaves);
	if (region->table)
		add_table(b, va, region->table, 2);
	memmove(&vm->regions[i + 1], &vm->regions[i], (vm->region_count - i) * sizeof(region));
	vm->regions[i] = region;
	vm->region_count++;
	return region;
no_memory:
	if (leaves != NO_FRAME)
		frame_put(leaves);
	heap_free(region);
	return NULL;
}

static void region_drop(struct vm *vm, struct vm_region *region, struct vm_batch *b)
{
	uint32_t i = region_place(vm, region->va);

	vm->region_count--;
	memmove(&vm->regions[i], &vm->regions[i + 1], (vm->region_count - i) * sizeof(region));
	if (region->table) {
		batch_add(b, region->va, BIND_LEVEL(2));
		batch_flush(b);
		table_put(region->table);
	}
	slot_unuse(vm, region->va, b);
	frame_put(address_frame(region->leaves));
	heap_free(region);
}

frame_t table_of(struct vm *vm, uint64_t address, uint32_t level)
{
	const struct vm_slot *slot = level == 3 ? slot_at(vm, address) : NULL;
	const struct vm_region *region = level == 2 ? region_at(vm, address) : NULL;
	const struct vm_leaf *leaf = level == 1 ? leaf_at(vm, address) : NULL;

	return slot ? slot->table : region ? region->table : leaf ? leaf->table : NO_FRAME;
}

struct vm_leaf *leaf_at(struct vm *vm, uint64_t address)
{
	struct vm_region *region = region_at(vm, address);
	uint32_t i = leaf_index(address);

	return region && bit_is_set(region->used, i) ? region->leaves[i] : NULL;
}

static __attribute__((noinline)) struct vm_leaf *leaf_find_or_make(struct vm *vm, uint64_t address, struct vm_batch *b)
{
	uint64_t va = ROUND_DOWN(address, LEAF_SPAN);
	struct vm_region *region = region_at(vm, va);
	uint32_t i = leaf_index(address);
	struct vm_leaf *leaf;
	frame_t entries;

	if (region && bit_is_set(region->used, i))
		return region->leaves[i];
	if (!region && !(region = region_make(vm, va, b)))
		return NULL;
	leaf = heap_alloc(sizeof(*leaf));
	entries = frame_get();
	if (!leaf || entries == NO_FRAME || !table_get(va, LEAF_SPAN, &leaf->table)) {
		if (entries != NO_FRAME)
			frame_put(entries);
		heap_free(leaf);
		if (!region->count)
			region_drop(vm, region, b);
		return NULL;
	}
	leaf->va = va;
	leaf->entries = frame_address(entries);
	if (leaf->table)
		add_table(b, va, leaf->table, 1);
	region->leaves[i] = leaf;
	bit_set(region->used, i);
	region->count++;
	return leaf;
}

struct vm_leaf *leaf_make(struct vm *vm, uint64_t address, struct vm_batch *b)
{
	struct vm_leaf *leaf = vm->recent_leaf;

	if (!leaf || address - leaf->va >= LEAF_SPAN)
		leaf = vm->recent_leaf = leaf_find_or_make(vm, address, b);
	return leaf;
}

void leaf_drop(struct vm *vm, struct vm_leaf *leaf, struct vm_batch *b)
{
	struct vm_region *region = region_at(vm, leaf->va);

	if (vm->recent_leaf == leaf)
		vm->recent_leaf = NULL;
	bit_clear(region->used, leaf_index(leaf->va));
	if (leaf->table) {
		batch_add(b, leaf->va, BIND_LEVEL(1));
		batch_flush(b);
		table_put(leaf->table);
	}
	frame_put(address_frame(leaf->entries));
	heap_free(leaf);
	if (--region->count == 0)
		region_drop(vm, region, b);
}

struct vm_leaf *leaf_from(struct vm *vm, uint64_t address)
{
	for (uint32_t r = region_place(vm, address); r < vm->region_count; r++) {
		struct vm_region *region = vm->regions[r];
		uint32_t i = bit_next(region->used, region->va < address ? leaf_index(address) : 0);

		if (i < SPAN_ENTRIES)
			return region->leaves[i];
	}
	return NULL;
}

static void drop_in_leaf(struct vm *vm, struct vm_leaf *leaf, uint32_t from, uint32_t to, struct vm_batch *b)
{
	for (uint32_t i = bit_next(leaf->present, from); i < to; i = bit_next(leaf->present, i + 1)) {
		entry_remove(vm, leaf, i, b);
		batch_put(b, entry_frame(leaf->entries[i]));
	}
}

void pages_drop(struct vm *vm, uint64_t start, uint64_t end)
{
	struct vm_batch *b = &vm_batch;

	batch_start(b, vm, vm->env);
	for (uint64_t at = start; at < end;) {
		struct vm_leaf *leaf = leaf_from(vm, at);

		if (!leaf || leaf->va >= end)
			break;
		at = leaf->va + LEAF_SPAN;
		drop_in_leaf(vm, leaf, leaf->va < start ? page_index(start) : 0,
			end < at ? page_index(end) : SPAN_ENTRIES, b);
		if (!leaf->count)
			leaf_drop(vm, leaf, b);
	}
	batch_flush(b);
}

/* Breaks all tables in one sweep, lower levels first. A leaf table goes with the bindings that it holds; only where it is the environment's own,
 * and stays, are the pages listed one by one. */
static void break_tables(struct vm *vm, env_id env)
{
	struct vm_batch *b = &vm_batch;

	batch_start(b, vm, env);
	for (uint32_t r = 0; r < vm->region_count; r++) {
		struct vm_region *region = vm->regions[r];

		BIT_FOR_EACH(i, region->used) {
			struct vm_leaf *leaf = region->leaves[i];

			if (leaf->table)
				batch_add(b, leaf->va, BIND_LEVEL(1));
			else
				drop_in_leaf(vm, leaf, 0, SPAN_ENTRIES, b);
		}
		if (region->table)
			batch_add(b, region->va, BIND_LEVEL(2));
	}
	for (uint32_t i = 0; i < vm->slot_count; i++)
		batch_add(b, vm->slots[i].va, BIND_LEVEL(3));
	batch_flush(b);
}

static void leaf_free(struct vm_leaf *leaf)
{
	BIT_FOR_EACH(i, leaf->present)
		frame_put(entry_frame(leaf->entries[i]));
	if (leaf->table)
		table_put(leaf->table);
	frame_put(address_frame(leaf->entries));
	heap_free(leaf);
}

static uint32_t leaf_lose(struct vm *vm, struct vm_leaf *leaf)
{
	uint32_t lost = leaf->table && !frame_held(leaf->table);

	BIT_FOR_EACH(i, leaf->present) {
		if (frame_held(entry_frame(leaf->entries[i])))
			continue;
		bit_clear(leaf->present, (uint32_t)i);
		leaf->count--;
		vm->resident--;
		lost++;
	}
	return lost;
}

uint32_t vm_lose(struct vm *vm)
{
	uint32_t lost = 0;

	for (uint32_t r = 0; r < vm->region_count; r++)
		BIT_FOR_EACH(i, vm->regions[r]->used)
			lost += leaf_lose(vm, vm->regions[r]->leaves[i]);
	return lost;
}

void tables_release(struct vm *vm, env_id env)
{
	break_tables(vm, env);
	vm->recent_leaf = NULL;
	for (uint32_t r = 0; r < vm->region_count; r++) {
		struct vm_region *region = vm->regions[r];

		BIT_FOR_EACH(i, region->used)
			leaf_free(region->leaves[i]);
		if (region->table)
			table_put(region->table);
		frame_put(address_frame(region->leaves));
		heap_free(region);
	}
	for (uint32_t i = 0; i < vm->slot_count; i++)
		table_put(vm->slots[i].table);
	vm->region_count = vm->slot_count = 0;
	vm->given_up = false;
	vm->resident = 0;
}
