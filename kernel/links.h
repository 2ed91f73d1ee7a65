/* Reverse links: from a frame to every page-table entry that names it, with no search and no memory of the kernel's own (DESIGN.md section 4).
 *
 * A page table is a pair of frames. Its entry i has its link in the second frame, at the same place: so the name of a binding (frame of
 * the table * 512 + i) is the physical address of its entry / 8, and its link lies a page further on. The links of a frame's bindings form a
 * list that begins in the frame table. Owner: the kernel lock. */
#pragma once

#include <kernel/frame.h>

#define NO_BINDING 0u /* frame 0 is the kernel's: no table */

struct link {
	uint32_t next, previous;
};

static inline uint64_t *binding_entry(uint32_t binding) { return physical((uint64_t)binding * 8); }
static inline struct link *binding_link(uint32_t binding) { return physical((uint64_t)binding * 8 + FRAME_SIZE); }
static inline uint32_t binding_of(const uint64_t *entry) { return (uint32_t)(((uint64_t)entry - PHYSICAL_MAP) / 8); }
static inline frame_t binding_table(uint32_t binding) { return binding / 512; }

static inline void link_add_to(struct aegis_frame_info *info, uint32_t binding)
{
	*binding_link(binding) = (struct link){ info->first, NO_BINDING };
	if (info->first != NO_BINDING)
		binding_link(info->first)->previous = binding;
	info->first = binding;
	info->bindings++;
}

static inline void link_add(frame_t f, uint32_t binding) { link_add_to(&frame_table[f], binding); }

static inline void link_remove(frame_t f, uint32_t binding)
{
	struct aegis_frame_info *info = &frame_table[f];
	const struct link *link = binding_link(binding);

	if (link->previous != NO_BINDING)
		binding_link(link->previous)->next = link->next;
	else
		info->first = link->next;
	if (link->next != NO_BINDING)
		binding_link(link->next)->previous = link->previous;
	info->bindings--;
}
