/* Inside of bindings: page tables as pairs of donated frames, and the counts that they carry. Included by bind.c and table.c. */
#pragma once

#include <kernel/bind.h>
#include <kernel/links.h>
#include <kernel/x86_64/paging.h>

#define LEVELS 4 /* a root, level 3 tables to level 1 tables */

/* `next` of a table: 0 to 512 entries in the low bits, uses above them. */
#define TABLE_USE 1024u
static inline uint32_t table_entries(frame_t f) { return frame_table[f].next % TABLE_USE; }
static inline uint32_t table_uses(frame_t f) { return frame_table[f].next / TABLE_USE; }
/* Which level an entry of this table has: 0 a page. */
static inline uint32_t table_level(frame_t table) { return (uint32_t)(frame_table[table].state - FRAME_TABLE1); }
_Static_assert(FRAME_ROOT == FRAME_TABLE1 + 3, "table_level");

/* Grows with each change that makes a remembered way to a table wrong: a table bound or broken. */
extern uint64_t table_generation;

void table_make(frame_t f, uint32_t level);  /* of a pair that was checked */
void table_unmake(frame_t f);                /* of one without entries and uses: ordinary frames again */
void leaf_empty(frame_t f);                  /* breaks what a level-1 table holds */
/* Breaks the binding in `slot`, which is present. 0 or -E_BUSY: the last use of a table of tables that is not empty. */
int64_t slot_break(uint64_t *slot, frame_t table, uint32_t level);

/* The first binding of a frame, a page's in `table`, goes. Returns the next. */
static inline uint32_t binding_break_first(struct aegis_frame_info *frame, struct aegis_frame_info *table, uint32_t binding)
{
	uint32_t next = binding_link(binding)->next;

	*binding_entry(binding) = 0;
	table->next--;
	frame->bindings--;
	frame->first = next;
	if (next != NO_BINDING)
		binding_link(next)->previous = NO_BINDING;
	return next;
}
/* What the identity of an account's leaf tables has more than that of its ordinary frames. */
#define TABLE1_IDENTITY ((uint64_t)(FRAME_TABLE1 - FRAME_OWNED) << 32)
