/* Where page tables get their memory: whole pages, from a source that the application may bring.
 *
 * Who calls it: the structures behind page_table.h, also inside a fault handler; so a source never calls malloc, which the fault may have interrupted.
 * What is promised: pages are zero when they are given. */
#pragma once

#include <stddef.h>

#define PAGE_SIZE 4096ul

struct page_source {
	/* So many pages in a row, zeroed, or null: no memory. */
	void *(*get)(struct page_source *, size_t pages);
	/* Takes back what one get gave, whole. */
	void (*put)(struct page_source *, void *memory, size_t pages);
};

/* The one for all who bring none: single pages are cut from chunks of mmap and go back to a list, several in a row are a mapping of their own. A chunk is
 * brought in whole, so that no page of it faults later. Cost: a page that was used before is cleared, 512 stores. */
extern struct page_source *const page_source_mmap;
