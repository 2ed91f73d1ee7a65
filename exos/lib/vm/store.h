/* Memory for pieces of any size in frames of the pool, which come and go with what is kept: what pager.h keeps its squeezed pages in.
 *
 * Who calls it: pager.h, in fault handlers; it calls no malloc. What is promised: no fragmentation but that of cells (120 bytes of each 128 of a frame are used), and a frame is given
 * back as soon as nothing is in it. Cost: some instructions a cell, and the copying. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_frame;
struct store_cell;
struct store {
	struct store_frame *room; /* frames with free cells */
	uint64_t frames;
};

/* Null: no memory, and nothing has changed. n: at least 1. */
struct store_cell *store_put(struct store *, const void *bytes, size_t n);
void store_get(const struct store_cell *, void *bytes, size_t n);
void store_drop(struct store *, struct store_cell *);
