/* Inside exos/vm: the page table that ExOS keeps of an address space, and the lists in which it tells the kernel of
 * changes.
 *
 * An entry of ours is a list entry of the kernel's (bind.h) and a bit: the frame, and the rights that the hardware is
 * to give. A private page that is to be copied on write is simply one without BIND_WRITE in an area that may be
 * written. Where an entry is (`present`), the hardware may have it or not; where none is, the hardware has none either.
 * Domain lock held. */
#pragma once

#include <exos/vm/vm.h>

#define LEAF_SPAN    (FRAME_SIZE << 9)
#define REGION_SPAN  (FRAME_SIZE << 18)
#define SLOT_SPAN    (FRAME_SIZE << 27)
#define SPAN_ENTRIES 512
#define TABLE_FLAGS  (BIND_READ | BIND_WRITE | BIND_EXEC)
#define BITMAP_WORDS (SPAN_ENTRIES / 64)

/* A page shared with other address spaces or with a file for good: never copied, writable from the start. */
#define ENTRY_SHARED 0x20ul
/* A page that still is the file's own frame: it can be had again from there. A shared one has this as well until it is written first. */
#define ENTRY_FILE 0x40ul
#define ENTRY_RIGHTS (BIND_READ | BIND_WRITE | BIND_EXEC)
static inline frame_t entry_frame(uint64_t entry) { return (frame_t)(entry >> FRAME_SHIFT); }
static inline uint64_t entry_binding(uint64_t entry) { return entry & ~(ENTRY_SHARED | ENTRY_FILE); }

struct vm_leaf { /* 2 MiB */
	uint64_t va;
	uint64_t *entries; /* in a frame of its own, meaningful where present says so */
	uint64_t present[BITMAP_WORDS];
	uint32_t count; /* present ones */
	frame_t table;	/* the hardware's; NO_FRAME where it is the environment's own (see table_is_private) */
};

struct vm_region { /* 1 GiB */
	uint64_t va;
	struct vm_leaf **leaves; /* in a frame, meaningful where used says so */
	uint64_t used[BITMAP_WORDS];
	uint32_t count;
	frame_t table; /* as for leaves */
};

struct vm_slot { /* 512 GiB: only what hangs a region's table into the root */
	uint64_t va;
	frame_t table;
	uint32_t count; /* regions in it */
};

static inline uint32_t leaf_index(uint64_t address) { return address / LEAF_SPAN % SPAN_ENTRIES; }
static inline uint32_t page_index(uint64_t address) { return address / FRAME_SIZE % SPAN_ENTRIES; }
static inline bool bit_is_set(const uint64_t *words, uint32_t i) { return words[i / 64] >> i % 64 & 1; }
static inline void bit_set(uint64_t *words, uint32_t i) { words[i / 64] |= 1ul << i % 64; }
static inline void bit_clear(uint64_t *words, uint32_t i) { words[i / 64] &= ~(1ul << i % 64); }
/* The first set bit at or after i, or SPAN_ENTRIES. */
uint32_t bit_next(const uint64_t *words, uint32_t i);
/* Over the set bits as they are when their word's turn comes: the body may clear them. */
#define BIT_FOR_EACH(i, words)                                                                                         \
	for (uint32_t word_ = 0; word_ < BITMAP_WORDS; word_++)                                                        \
		for (uint64_t bits_ = (words)[word_], i;                                                               \
			bits_ && (i = word_ * 64 + (uint32_t)__builtin_ctzl(bits_), true); bits_ &= bits_ - 1)

/* The tables on the way to the library's own pages exist as long as the environment: they are not vm's. */
static inline bool table_is_private(uint64_t va, uint64_t span) { return va == ROUND_DOWN(SELF_VA, span); }

/* A list of changes on its way to the kernel. Two, because fork changes two address spaces at once; static, because
 * the library's stack is small. A function that starts one finishes it. */
struct vm_batch {
	struct vm *vm;
	env_id env; /* 0: no environment is left to be told (vm_destroy) */
	uint32_t count, put_count;
	struct aegis_binding list[AEGIS_BATCH_MAX];
	frame_t put[AEGIS_BATCH_MAX]; /* references to drop once the list has been carried out */
};
extern struct vm_batch vm_batch, vm_batch_child;

static inline void batch_start(struct vm_batch *b, struct vm *vm, env_id env)
{
	b->vm = vm;
	b->env = env;
	b->count = b->put_count = 0;
}
void batch_flush(struct vm_batch *b);
static inline void batch_add(struct vm_batch *b, uint64_t va, uint64_t entry)
{
	if (b->count == AEGIS_BATCH_MAX)
		batch_flush(b);
	b->list[b->count++] = (struct aegis_binding){va, entry};
}
static inline void batch_put(struct vm_batch *b, frame_t f)
{
	if (b->put_count == AEGIS_BATCH_MAX)
		batch_flush(b);
	b->put[b->put_count++] = f;
}

struct vm_leaf *leaf_at(struct vm *vm, uint64_t address);			/* null: none */
struct vm_leaf *leaf_make(struct vm *vm, uint64_t address, struct vm_batch *b); /* null: out of memory */
/* Takes away a leaf without pages, and what then holds nothing. Flushes. */
void leaf_drop(struct vm *vm, struct vm_leaf *leaf, struct vm_batch *b);
/* The first leaf that ends after `address`, or null: to walk over what there is. */
struct vm_leaf *leaf_from(struct vm *vm, uint64_t address);

static inline void entry_add(struct vm *vm, struct vm_leaf *leaf, uint32_t i, uint64_t entry)
{
	leaf->entries[i] = entry;
	bit_set(leaf->present, i);
	leaf->count++;
	vm->resident++;
}
/* Forgets an entry and breaks its binding; the frame's reference is the caller's now. */
static inline void entry_remove(struct vm *vm, struct vm_leaf *leaf, uint32_t i, struct vm_batch *b)
{
	bit_clear(leaf->present, i);
	leaf->count--;
	vm->resident--;
	batch_add(b, leaf->va + i * FRAME_SIZE, 0);
}

/* Drops the pages of a range, and the tables that held nothing else. */
void pages_drop(struct vm *vm, uint64_t start, uint64_t end);
void tables_release(struct vm *vm, env_id env); /* everything; env 0: without telling the kernel */

/* The hardware's table of a level (1: a leaf's) for an address; NO_FRAME: there is none of the vm's. */
frame_t table_of(struct vm *vm, uint64_t address, uint32_t level);

/* mend.c: a change that the kernel has refused, made all the same, or the address space is given up. env as aegis_bind takes it. */
void tables_mend(struct vm *vm, env_id env, const struct aegis_binding *b);
/* A table that the vm has unbound. The program may have had it bound elsewhere, as a page (to look at) or as a table. */
void table_put(frame_t table);

/* Regions (region.c): may this range go, and (per area) its leaves, which pages_drop then drops. */
bool region_may_go(struct vm *vm, uint64_t start, uint64_t end);
void region_go(struct vm *vm, const struct vm_area *area, uint64_t start, uint64_t end);

/* Areas (area.c). */
struct vm_area *area_from(struct vm *vm, uint64_t address);  /* the first that ends after the address, or null */
int area_split(struct vm *vm, uint64_t address);	     /* so that none reaches across it */
void area_join(struct vm *vm, uint64_t start, uint64_t end); /* merges what can be merged in and around the range */
struct vm_area *area_insert(struct vm *vm, const struct vm_area *like);
struct vm_area *area_append(struct vm *vm, const struct vm_area *like); /* known to be the highest */
void area_remove(struct vm *vm, struct vm_area *area);
/* The area after this one, or null. */
static inline struct vm_area *area_next(struct vm *vm, struct vm_area *area)
{
	return area->link.next == &vm->areas ? NULL : CONTAINER_OF(area->link.next, struct vm_area, link);
}
