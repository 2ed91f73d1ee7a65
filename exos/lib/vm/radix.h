/* Inside exos/lib/vm: what the radix structures share. A node is a page of 512 words, and goes when its last word does. */
#pragma once

#include <exos/lib/vm/page_table.h>

#define NODE_SHIFT 9
#define NODE_WORDS (1ul << NODE_SHIFT)

static inline uint64_t node_rest(uint64_t page) { return NODE_WORDS - page % NODE_WORDS; }

/* A leaf with so many entries, the first of its pages being `first`. */
static inline void node_visit(uint64_t *entries, uint64_t used, uint64_t first, page_visitor *visit, void *context)
{
	for (uint64_t i = 0; used; i++) {
		if (!entries[i])
			continue;
		visit(context, first + i, &entries[i]);
		used--;
	}
}
