/* Bindings: entries of an address space, made by the bind call.
 *
 * One list binds, rebinds, protects and breaks, pages and page tables alike, in the order given. */
#pragma once

#include <aegis/types.h>

struct aegis_binding {
	uint64_t va;    /* page aligned (for a table: aligned to what it spans) */
	uint64_t entry; /* frame << 12 | BIND_ flags; without BIND_READ the binding at va is broken */
};

#define BIND_READ 0x001ul
#define BIND_WRITE 0x002ul
#define BIND_EXEC 0x004ul
/* Which level: 0 a page; 1, 2, 3 a page-table frame that spans 2 MiB, 1 GiB, 512 GiB. A table is a pair: the frame and the one after it,
 * in which the kernel keeps the reverse links of its entries; the first must lie below AEGIS_TABLE_FRAMES. A frame becomes a table when it is
 * first bound as one (it must then be bound nowhere else and is cleared) and stays one until its last binding as a table is broken. A table can be bound in
 * several address spaces of its account: what is bound in it is then bound in all.
 * When the last binding of a level-1 table is broken, the pages bound in it go with it; a table of a higher level must be empty by then (else BUSY). */
#define BIND_LEVEL(n) ((uint64_t)(n) << 3)
#define BIND_LEVEL_MASK BIND_LEVEL(3)
/* Not a frame but a count (1..512): so many pages from va, in one leaf table, get these rights (BIND_READ at least), each keeping the frame that is bound
 * there; where nothing is bound nothing is. As when a page is bound anew, accessed and dirty bits are cleared. A call does no more after such an entry. */
#define BIND_SAME 0x080ul
#define BIND_KEY(k) ((uint64_t)(k) << 8) /* protection key 0..15 of the page, where the CPU has them */
#define BIND_KEY_MASK BIND_KEY(15)
#define BIND_ENTRY(frame, flags) ((uint64_t)(frame) << FRAME_SHIFT | (flags))
#define AEGIS_TABLE_FRAMES (1u << 23) /* 32 GiB: a binding's name has 32 bits */

/* How many list entries one call takes at most: what keeps its time bounded. */
#define AEGIS_BATCH_MAX 128
