/* Secure bindings of memory: the check, once, and then an entry that the hardware uses without the kernel (paper 3.2, 5.4).
 *
 * Counting: `bindings` of a frame is the number of entries that name it. A frame that is a page table keeps in `next_free` (unused by
 * frames that are not free) how many entries it holds, and how many hold it as a table: it can be read as a page too, and that is no use of it.
 * It ceases to be one with its last use, and loses that only when it holds nothing. Tables are therefore never left behind with bindings in them,
 * and a table given back is known to be all zero.
 *
 * Translations that the CPU remembers: one address at a time, but for tables that have several uses. Those may be at several
 * places of the same address space, and then all goes, once at the end of a call. Other address spaces lose theirs when they are switched to. */
#include <kernel/bind.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/frame.h>
#include <kernel/x86_64/paging.h>

#define LEVELS 4 /* a root, level 3 tables to level 1 tables */

/* next_free of a table: 0 to 512 entries in the low bits, uses above them. */
#define TABLE_USE 1024u
static uint32_t table_entries(frame_t f) { return frame_table[f].next_free % TABLE_USE; }
static uint32_t table_uses(frame_t f) { return frame_table[f].next_free / TABLE_USE; }

/* The table that holds va's entry of `level`; null: one is missing on the way. *frame is the table's own frame; *shared: it, or one
 * above it, has several uses. */
static uint64_t *find_table(const struct env *e, uint64_t va, uint32_t level, frame_t *frame, bool *shared)
{
	uint64_t *table = physical(e->root);

	*frame = e->root_frame;
	*shared = false;
	for (uint32_t l = LEVELS - 1; l > level; l--) {
		uint64_t entry = table[table_index(va, l)];

		if (!(entry & ENTRY_PRESENT))
			return NULL;
		*frame = entry_frame(entry);
		*shared |= table_uses(*frame) > 1;
		table = frame_pointer(*frame);
	}
	return table;
}

/* May this frame be bound as a page with these rights? */
static int64_t check_page(const struct env *account, frame_t f, uint64_t flags, const struct aegis_cap *cap)
{
	const struct aegis_frame_info *info = &frame_table[f];
	uint64_t writes = flags & BIND_WRITE;

	if (f >= frame_count)
		return -E_INVALID;
	switch (info->state) {
	case FRAME_OWNED:
	case FRAME_UPCALL:
		if (info->owner == account->id)
			return 0;
		if (cap && f >= cap->first && f - cap->first < cap->count && info->epoch == (uint16_t)cap->epoch &&
			(cap->rights & RIGHT_READ) && (!writes || cap->rights & RIGHT_WRITE) &&
			(!(flags & BIND_EXEC) || cap->rights & RIGHT_EXEC))
			return 0;
		return -E_DENIED;
	case FRAME_TABLE1: /* one's own page tables can be read: accessed and dirty bits are there */
	case FRAME_TABLE2:
	case FRAME_TABLE3:
		return info->owner == account->id && !writes ? 0 : -E_DENIED;
	case FRAME_INFO:
		return writes || flags & BIND_EXEC ? -E_DENIED : 0;
	default:
		return -E_DENIED;
	}
}

/* May this frame be bound as a table of `level`? */
static int64_t check_table(const struct env *account, frame_t f, uint32_t level)
{
	if (f >= frame_count)
		return -E_INVALID;
	if (frame_table[f].owner != account->id)
		return -E_DENIED;
	if (frame_table[f].state == FRAME_TABLE1 + level - 1)
		return 0;
	if (frame_table[f].state != FRAME_OWNED)
		return -E_DENIED;
	return frame_table[f].bindings ? -E_BUSY : 0;
}

static void become_table(frame_t f, uint32_t level)
{
	if (!frame_table[f].clean)
		frame_clear(f);
	frame_table[f].clean = 0; /* says nothing while the frame is a table: next_free does */
	frame_table[f].state = (uint8_t)(FRAME_TABLE1 + level - 1);
	frame_table[f].next_free = 0;
}

/* One binding fewer. A table without a use is an ordinary frame again, all zero. */
static void drop_binding(frame_t f, uint32_t level)
{
	frame_table[f].bindings--;
	if (level && (frame_table[f].next_free -= TABLE_USE) == 0) {
		frame_table[f].state = FRAME_OWNED;
		frame_table[f].clean = 1;
	}
}

/* Breaks what a level-1 table holds, from its top end: at most 512 steps. */
static void empty_leaf(frame_t f)
{
	uint64_t *table = frame_pointer(f);

	for (uint32_t i = 512, left = table_entries(f); left;) {
		uint64_t entry = table[--i];

		if (!(entry & ENTRY_PRESENT))
			continue;
		table[i] = 0;
		frame_table[entry_frame(entry)].bindings--;
		left--;
	}
	frame_table[f].next_free -= table_entries(f);
}

static int64_t break_binding(uint64_t *slot, frame_t table, uint32_t level)
{
	frame_t f = entry_frame(*slot);

	if (!(*slot & ENTRY_PRESENT))
		return 0;
	if (level && table_uses(f) == 1 && table_entries(f)) {
		if (level > 1)
			return -E_BUSY;
		empty_leaf(f);
	}
	*slot = 0;
	frame_table[table].next_free--;
	drop_binding(f, level);
	return 0;
}

/* What the CPU remembers of va, whose entry has changed, is forgotten; or *forget_all. */
static void forget(uint64_t va, bool everywhere, bool *forget_all)
{
	if (everywhere)
		*forget_all = true;
	else
		invalidate_page(va);
}

int64_t bind_one(struct env *e, const struct env *account, const struct aegis_binding *b, const struct aegis_cap *cap, bool *forget_all)
{
	uint32_t level = (b->entry & BIND_LEVEL_MASK) / BIND_LEVEL(1);
	uint64_t va = b->va, flags = b->entry & (FRAME_SIZE - 1);
	uint64_t frame_number = b->entry >> FRAME_SHIFT;
	frame_t f = (frame_t)frame_number, table_frame;
	uint64_t *table, *slot, old;
	int64_t error;
	bool shared;

	if (va >= AEGIS_USER_TOP || va & ((FRAME_SIZE << 9 * level) - 1) || frame_number >= frame_count)
		return -E_INVALID;
	table = find_table(e, va, level, &table_frame, &shared);
	if (!table)
		return -E_NOTABLE;
	slot = &table[table_index(va, level)];
	old = *slot;
	if (!(flags & BIND_READ)) {
		error = break_binding(slot, table_frame, level);
		if (old != *slot)
			forget(va, level || shared, forget_all);
		return error;
	}
	error = level ? check_table(account, f, level) : check_page(account, f, flags, cap);
	if (error)
		return error;
	if (frame_table[f].bindings == UINT32_MAX || (level && table_uses(f) == UINT32_MAX / TABLE_USE))
		return -E_BUSY; /* one more could not be counted */
	if (level) {
		if (old & ENTRY_PRESENT)
			return entry_frame(old) == f ? 0 : -E_BUSY;
		if (frame_table[f].state == FRAME_OWNED)
			become_table(f, level);
		*slot = (uint64_t)f << FRAME_SHIFT | ENTRY_TABLE;
		frame_table[f].bindings++;
		frame_table[f].next_free += TABLE_USE;
		frame_table[table_frame].next_free++;
		return 0;
	}
	frame_table[f].clean &= !(flags & BIND_WRITE);
	frame_table[f].bindings++;
	*slot = entry_make(f, flags);
	if (old & ENTRY_PRESENT) {
		drop_binding(entry_frame(old), 0);
		forget(va, shared, forget_all);
	} else {
		frame_table[table_frame].next_free++;
	}
	return 0;
}

/* The leaf table that the last binding of a batch went to: the next is mostly its neighbour. */
struct near {
	uint64_t region; /* va >> REGION_SHIFT, or NOWHERE */
	uint64_t *table;
	frame_t frame;
	bool shared;
};
#define NOWHERE UINT64_MAX
#define REGION_SHIFT (FRAME_SHIFT + 9)

/* The common case, in few instructions: a page of the account's own, bound, changed or broken. Each condition that does not hold leaves
 * it to bind_one, with nothing done. */
static inline bool bind_near(const struct env *e, env_id account, struct near *near, const struct aegis_binding *b, bool *forget_all)
{
	uint64_t va = b->va, flags = b->entry & (FRAME_SIZE - 1), f = b->entry >> FRAME_SHIFT, old, *slot;
	struct aegis_frame_info *info = &frame_table[f];

	if (va >= AEGIS_USER_TOP || va & (FRAME_SIZE - 1) || flags & BIND_LEVEL_MASK)
		return false;
	if (va >> REGION_SHIFT != near->region) {
		near->table = find_table(e, va, 0, &near->frame, &near->shared);
		if (!near->table)
			return false;
		near->region = va >> REGION_SHIFT;
	}
	slot = &near->table[table_index(va, 0)];
	old = *slot;
	if (flags & BIND_READ) {
		if (f >= frame_count || info->state != FRAME_OWNED || info->owner != account || info->bindings == UINT32_MAX)
			return false;
		info->bindings++;
		if (flags & BIND_WRITE)
			info->clean = 0;
		*slot = entry_make((frame_t)f, flags);
	} else {
		*slot = 0;
	}
	frame_table[near->frame].next_free += (flags & BIND_READ) - (old & ENTRY_PRESENT);
	if (old & ENTRY_PRESENT) {
		frame_table[entry_frame(old)].bindings--;
		forget(va, near->shared, forget_all);
	}
	return true;
}
_Static_assert(BIND_READ == 1 && ENTRY_PRESENT == 1, "bind_near counts with them");

int64_t call_bind(uint64_t env, uint64_t list, uint64_t n, uint64_t capability, uint64_t unused)
{
	const struct env *account = this_cpu()->current->account; /* whoever binds shows what is his, also in a child account's space */
	struct env *e = env_find((env_id)env);
	struct aegis_binding bindings[AEGIS_BATCH_MAX];
	struct aegis_cap cap;
	uint64_t done = 0;
	int64_t error = 0;
	bool forget_all = false;
	struct near near = { .region = NOWHERE };

	(void)unused;
	if (!e || e->state == ENV_STOPPED)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(bindings, list, n * sizeof(*bindings))))
		return error;
	if (capability && (error = cap_fetch(&cap, capability, CAP_FRAMES, 0)))
		return error;
	for (; done < n && !error; done += !error) {
		if (bind_near(e, account->id, &near, &bindings[done], &forget_all))
			continue;
		near.region = NOWHERE; /* a table may have come or gone */
		error = bind_one(e, account, &bindings[done], capability ? &cap : NULL, &forget_all);
	}
	if (forget_all)
		write_cr3(read_cr3());
	return done ? (int64_t)done : error;
}

/* Empties table f. False: *leaves more leaf tables were emptied, and something is left. */
static bool empty_table(frame_t f, uint32_t level, uint32_t *leaves)
{
	uint64_t *table = frame_pointer(f);

	if (level == 1)
		empty_leaf(f);
	for (uint32_t i = 512; i-- > 0 && table_entries(f);) {
		frame_t below = entry_frame(table[i]);

		if (!(table[i] & ENTRY_PRESENT))
			continue;
		if (table_uses(below) == 1 && !(*leaves && empty_table(below, level - 1, leaves)))
			return false;
		table[i] = 0;
		frame_table[f].next_free--;
		drop_binding(below, level - 1);
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
		root[i] = 0;
		frame_table[e->root_frame].next_free--;
		drop_binding(f, 3);
	}
	return true;
}
