/* Frames by page colour.
 *
 * A cache that is indexed by physical address, and larger than a page times its ways, has the lines of a page at a place that the page's frame
 * decides: the frame number modulo size / ways / FRAME_SIZE is its colour. Pages of one colour compete for the same lines, however empty the rest
 * of the cache is. A system that does not know the program hands frames out as they come; here the program says which colours a piece of its
 * memory is to have, so that what is reused is not driven out by what only streams past.
 *
 * Who calls it: programs that run on ExOS (exos_here). What is promised: the frames are the program's own and can be read and written at the
 * addresses; their contents are anything. Cost: reads the exposed frame table, about ten instructions for each frame that it passes over, and
 * makes two calls for every AEGIS_BATCH_MAX pages. Sources: paper 6.2 (chosen pages); Kessler and Hill, Page placement algorithms for large
 * real-indexed caches (1992); Bershad and others, Avoiding conflict misses dynamically (1994). */
#pragma once

#include <exos/program.h>

struct colours {
	uint32_t all;	/* of the cache, a power of two */
	uint32_t first; /* those that are wanted: */
	uint32_t count; /* first, first + 1, ... */
};

/* Takes n free frames: list[i] has the colour first + i % count. 0, or ENOMEM (not so many are free; then none are taken), EINVAL (no colours, or
 * more than there are). */
int colour_frames(const struct colours *, frame_t *list, uint64_t n);

/* Binds n frames at va on, in a region of the program's (exos/program.h), for reading and writing. 0, EINVAL (no region), ENOMEM (no page table). */
int colour_bind(uint64_t va, const frame_t *list, uint64_t n);
