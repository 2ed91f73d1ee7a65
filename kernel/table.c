/* Page tables: becoming one, ceasing to be one, taken apart.
 *
 * Counting: `bindings` of a frame is the number of entries that name it. A frame that is a page table keeps in `next` how many entries it holds, and how many
 * hold it as a table: it can be read as a page too, and that is no use of it. It ceases to be one with its last use, and loses that only when it
 * holds nothing. Tables are therefore never left behind with bindings in them, and a table given back is known to be all zero. */
#include <aegis/error.h>
#include <kernel/revoke.h>
#include <kernel/table.h>

uint64_t table_generation = 1; /* owner: the kernel lock */

int64_t bind_check_pair(const struct env *account, frame_t f)
{
	if (f >= AEGIS_TABLE_FRAMES || f + 1 >= frame_count)
		return -E_INVALID;
	if (!frame_owned(f, account) || !frame_owned(f + 1, account))
		return -E_DENIED;
	return frame_in_use(f) || frame_in_use(f + 1) ? -E_BUSY : 0;
}

void table_make(frame_t f, uint32_t level)
{
	if (!frame_table[f].clean)
		frame_clear(f);
	frame_table[f].clean = 0; /* says nothing while the frame is a table: its count does */
	frame_table[f].state = (uint8_t)(FRAME_TABLE1 + level - 1);
	frame_table[f].next = 0;
	frame_table[f + 1].state = FRAME_LINKS;
	frame_table[f + 1].clean = 0;
}

void table_unmake(frame_t f)
{
	frame_table[f].state = frame_table[f + 1].state = FRAME_OWNED;
	frame_table[f].clean = 1;
}

void leaf_empty(frame_t f)
{
	uint64_t *table = frame_pointer(f);

	for (uint32_t i = 512, left = table_entries(f); left;) {
		uint64_t entry = table[--i];

		if (!(entry & ENTRY_PRESENT))
			continue;
		table[i] = 0;
		link_remove(entry_frame(entry), binding_of(&table[i]));
		left--;
	}
	frame_table[f].next -= table_entries(f);
}

int64_t slot_break(uint64_t *slot, frame_t table, uint32_t level)
{
	frame_t f = entry_frame(*slot);

	if (level) {
		if (table_uses(f) == 1 && table_entries(f)) {
			if (level > 1)
				return -E_BUSY;
			leaf_empty(f);
		}
		table_generation++;
	}
	*slot = 0;
	frame_table[table].next--;
	link_remove(f, binding_of(slot));
	if (level && (frame_table[f].next -= TABLE_USE) == 0)
		table_unmake(f);
	return 0;
}

int64_t bind_break_all(frame_t f, uint32_t *budget)
{
	struct aegis_frame_info *info = &frame_table[f];

	while (info->first != NO_BINDING) {
		frame_t table_frame = binding_table(info->first);
		struct aegis_frame_info *table = &frame_table[table_frame];
		uint32_t level = table_level(table_frame), steps = level == 1 ? 512 : 1;
		int64_t error;

		if (*budget < steps)
			return -E_AGAIN;
		*budget -= steps;
		if (level == 0)
			binding_break_first(info, table, info->first);
		else if ((error = slot_break(binding_entry(info->first), table_frame, level)))
			return error;
		if (table->owner != info->owner)
			revoke_lost(table->owner, REVOKE_RANGE, f);
	}
	return 0;
}

bool bind_break_foreign(frame_t f, uint32_t *budget)
{
	uint32_t next;

	for (uint32_t binding = frame_table[f].first; binding != NO_BINDING; binding = next) {
		frame_t table = binding_table(binding);

		next = binding_link(binding)->next;
		if (frame_table[table].owner == frame_table[f].owner)
			continue;
		if (!*budget)
			return false;
		--*budget;
		slot_break(binding_entry(binding), table, 0);
	}
	return true;
}

bool bind_break_lent(frame_t f, uint32_t *budget)
{
	uint32_t next;

	for (uint32_t binding = frame_table[f].first; binding != NO_BINDING; binding = next) {
		frame_t table = binding_table(binding);

		next = binding_link(binding)->next;
		if (!(*binding_entry(binding) & ENTRY_LENT))
			continue;
		if (!*budget)
			return false;
		--*budget;
		slot_break(binding_entry(binding), table, 0);
		if (frame_table[table].owner != frame_table[f].owner)
			revoke_lost(frame_table[table].owner, REVOKE_RANGE, f);
	}
	return true;
}

/* Empties table f. False: *leaves more leaf tables were emptied, and something is left. */
static bool empty_table(frame_t f, uint32_t level, uint32_t *leaves)
{
	uint64_t *table = frame_pointer(f);

	if (level == 1)
		leaf_empty(f);
	for (uint32_t i = 512; i-- > 0 && table_entries(f);) {
		frame_t below = entry_frame(table[i]);

		if (!(table[i] & ENTRY_PRESENT))
			continue;
		if (table_uses(below) == 1 && !(*leaves && empty_table(below, level - 1, leaves)))
			return false;
		slot_break(&table[i], f, level - 1);
	}
	if (*leaves) /* a table of tables whose every entry was shared counts as well: it was as much work */
		--*leaves;
	return true;
}

bool bind_take_apart(struct env *e)
{
	uint64_t *root = physical(e->root);
	uint32_t leaves = 1; /* a leaf table a step keeps a call's time bounded */

	for (uint32_t i = ROOT_USER_ENTRIES; i-- > 0 && table_entries(e->root_frame);) {
		frame_t f = entry_frame(root[i]);

		if (!(root[i] & ENTRY_PRESENT))
			continue;
		if (table_uses(f) == 1 && !(leaves && empty_table(f, 3, &leaves)))
			return false;
		slot_break(&root[i], e->root_frame, 3);
	}
	return true;
}
