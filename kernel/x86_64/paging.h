/* Page tables as the CPU reads them: entry bits, the kernel's own half, and single entries of environments' tables. */
#pragma once

#include <aegis/bind.h>
#include <kernel/x86_64/cpu.h>

#define ENTRY_PRESENT 0x001ul
#define ENTRY_WRITE 0x002ul
#define ENTRY_USER 0x004ul
#define ENTRY_UNCACHED 0x018ul /* PCD, PWT */
#define ENTRY_ACCESSED 0x020ul
#define ENTRY_DIRTY 0x040ul
#define ENTRY_LARGE 0x080ul
#define ENTRY_GLOBAL 0x100ul
#define ENTRY_LENT 0x200ul /* not the CPU's: bound by an extent */
#define ENTRY_NO_EXECUTE (1ul << 63)
#define ENTRY_FRAME 0x000ffffffffff000ul
#define ENTRY_TABLE (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER)

static inline frame_t entry_frame(uint64_t entry) { return (frame_t)((entry & ENTRY_FRAME) >> FRAME_SHIFT); }
/* The place of va in a table of `level` (0: of pages). */
static inline uint32_t table_index(uint64_t va, uint32_t level) { return va >> (FRAME_SHIFT + 9 * level) & 511; }
static inline uint64_t entry_make(frame_t frame, uint64_t flags)
{
	return (uint64_t)frame << FRAME_SHIFT | ENTRY_PRESENT | ENTRY_USER | (flags & BIND_WRITE) |
	       (flags & BIND_EXEC ? 0 : ENTRY_NO_EXECUTE) | (flags & BIND_KEY_MASK) << (59 - 8);
}
_Static_assert(BIND_WRITE == ENTRY_WRITE, "entry_make");

void paging_start(void);              /* the kernel's half in its final form; the identity map goes */
void paging_root_fill(uint64_t *root);  /* the kernel's half into a root that is zero */
void paging_root_empty(uint64_t *root); /* and out of it again */
/* Maps a table (in the physical map, page aligned) also at `window`, which the linker script names. At start only. */
void kernel_window(void *window, const void *table, size_t bytes);
/* The same, executable and not writable there. */
void kernel_code_window(const void *window, const void *table, size_t bytes);
/* A window whose pages are set one by one, later: a frame, executable and not writable, or FRAME_ANY: none. Other CPUs are the caller's business (smp_quiesce). */
void kernel_pages_start(const void *window, uint64_t pages);
void kernel_page_set(const void *page, frame_t f);
uint64_t kernel_root(void);             /* an address space without a user half */
/* A device's registers, uncached, for good. Null when there are no pages left for them: there are 2 MiB. At start only. */
void *device_window(uint64_t address, uint64_t bytes);
#define ROOT_USER_ENTRIES 256
#define LEAF_SPAN (FRAME_SIZE << 9) /* what a level-1 table spans */
