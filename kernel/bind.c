/* Secure bindings of memory: the check, once, and then an entry that the hardware uses without the kernel (paper 3.2, 5.4).
 *
 * Translations that a CPU remembers: one address at a time, but for tables that have several uses. Those may be at several places of the same
 * address space, and then all goes, once at the end of a call. Where another CPU may remember it too, that CPU is made to forget before the call
 * returns. Other address spaces lose theirs when they are switched to. */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/smp.h>
#include <kernel/table.h>
#include <kernel/x86_64/user.h>

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

	switch (info->state) {
	case FRAME_OWNED:
	case FRAME_UPCALL:
		if (info->owner == account->id)
			return 0;
		if (cap && cap_covers(cap, f) && info->epoch == cap->epoch && (cap->rights & RIGHT_READ) &&
			(!writes || cap->rights & RIGHT_WRITE) && (!(flags & BIND_EXEC) || cap->rights & RIGHT_EXEC))
			return 0;
		return -E_DENIED;
	case FRAME_TABLE1: /* one's own page tables can be read: accessed and dirty bits are there */
	case FRAME_TABLE2:
	case FRAME_TABLE3:
	case FRAME_ROOT:
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
	if (frame_table[f].owner != account->id)
		return -E_DENIED;
	if (frame_table[f].state == FRAME_TABLE1 + level - 1)
		return table_uses(f) == UINT32_MAX / TABLE_USE ? -E_BUSY : 0; /* one more could not be counted */
	return bind_check_pair(account, f);
}

/* What CPUs remember of va in e, whose entry has changed. */
static void forget(const struct env *e, uint64_t va, bool everywhere, struct stale *stale)
{
	stale->all |= everywhere;
	stale->others |= everywhere || e != this_cpu()->current;
	if (!everywhere)
		invalidate_page(va);
}

static void bind_table(uint64_t *slot, frame_t table, frame_t f, uint32_t level)
{
	if (frame_table[f].state == FRAME_OWNED)
		table_make(f, level);
	else
		table_generation++; /* it is shared from now on */
	*slot = (uint64_t)f << FRAME_SHIFT | ENTRY_TABLE;
	link_add(f, binding_of(slot));
	frame_table[f].next += TABLE_USE;
	frame_table[table].next++;
}

static void bind_page(uint64_t *slot, frame_t table, frame_t f, uint64_t flags)
{
	uint64_t old = *slot;

	frame_table[f].clean &= !(flags & BIND_WRITE);
	if (!(old & ENTRY_PRESENT)) {
		frame_table[table].next++;
		link_add(f, binding_of(slot));
	} else if (entry_frame(old) != f) {
		link_remove(entry_frame(old), binding_of(slot));
		link_add(f, binding_of(slot));
	}
	*slot = entry_make(f, flags);
}

int64_t bind_one(struct env *e, const struct env *account, const struct aegis_binding *b, const struct aegis_cap *cap, struct stale *stale)
{
	uint32_t level = (b->entry & BIND_LEVEL_MASK) / BIND_LEVEL(1);
	uint64_t va = b->va, flags = b->entry & (FRAME_SIZE - 1);
	uint64_t frame_number = b->entry >> FRAME_SHIFT;
	frame_t f = (frame_t)frame_number, table_frame;
	uint64_t *table, *slot, old;
	int64_t error = 0;
	bool shared;

	if (va >= AEGIS_USER_TOP || va & ((FRAME_SIZE << 9 * level) - 1) || frame_number >= frame_count)
		return -E_INVALID;
	table = find_table(e, va, level, &table_frame, &shared);
	if (!table)
		return -E_NOTABLE;
	slot = &table[table_index(va, level)];
	old = *slot;
	if (!(flags & BIND_READ)) {
		if (old & ENTRY_PRESENT && !(error = slot_break(slot, table_frame, level)))
			forget(e, va, level || shared, stale);
		return error;
	}
	error = level ? check_table(account, f, level) : check_page(account, f, flags, cap);
	if (error)
		return error;
	if (level) {
		if (old & ENTRY_PRESENT)
			return entry_frame(old) == f ? 0 : -E_BUSY;
		bind_table(slot, table_frame, f, level);
		return 0;
	}
	bind_page(slot, table_frame, f, flags);
	if (old & ENTRY_PRESENT)
		forget(e, va, shared, stale);
	return 0;
}

/* The leaf table that e's last binding went to: the next is mostly its neighbour. Kept in the environment; table_generation says whether it still holds. */
static inline bool near_find(struct env *e, uint64_t va)
{
	struct near *near = &e->near;

	if (near->generation == table_generation && va - near->base < LEAF_SPAN)
		return true;
	near->table = find_table(e, va, 0, &near->frame, &near->shared);
	near->base = va & ~(LEAF_SPAN - 1);
	near->generation = near->table ? table_generation : 0;
	return near->table;
}

/* The common case, in few instructions: a run of pages of the account's own, in one leaf table, with the same rights, each bound nowhere yet and going where
 * nothing is bound, or bound there already. Whatever else comes ends the run with nothing done. Every word of the list is read once.
 * Two comparisons do several checks at once: what is left below the page of an address, and what rights differ, are rotated to the top and so
 * make the index too large. Returns how many were done. */
static inline uint64_t bind_run(struct env *e, uint64_t account, uint64_t list, uint64_t end, struct stale *stale)
{
	uint64_t at = list, va, entry, flags, bits, owned = account | (uint64_t)FRAME_OWNED << 32;
	uint64_t base, *table, self;
	uint32_t fresh = 0;

	if (!user_load(at, &va) || !user_load(at + 8, &entry) || va >= AEGIS_USER_TOP || !near_find(e, va))
		return 0;
	flags = entry & (FRAME_SIZE - 1);
	if ((flags & ~(BIND_WRITE | BIND_EXEC)) != BIND_READ)
		return 0;
	bits = entry_make(0, flags);
	base = e->near.base;
	table = e->near.table;
	self = binding_of(table) | 1ul << 32; /* what a frame with this one binding has as first and count */
	do {
		uint64_t i = rotate_right(va - base, FRAME_SHIFT), frame_bits = entry - flags, f = rotate_right(frame_bits, FRAME_SHIFT);
		struct aegis_frame_info *info = &frame_table[f];

		if (i >= 512 || f >= frame_count || info->identity != owned)
			break;
		if (info->bound == 0 && table[i] == 0) {
			table[i] = frame_bits + bits;
			table[i + 512] = 0; /* its link */
			info->bound = self + i;
			fresh++;
		} else if ((table[i] ^ frame_bits) & ENTRY_FRAME || !(table[i] & ENTRY_PRESENT)) {
			break;
		} else {
			table[i] = frame_bits + bits;
			forget(e, va, e->near.shared, stale);
		}
		at += sizeof(struct aegis_binding);
	} while (at < end && user_load(at, &va) && user_load(at + 8, &entry));
	frame_table[e->near.frame].next += fresh;
	return at - list;
}

/* What is not common, one by one; stops where a run may begin again. Returns 0, or why the one at *at could not be done. */
static int64_t bind_slowly(struct env *e, const struct env *account, uint64_t *at, const struct aegis_cap *cap, struct stale *stale)
{
	struct aegis_binding b;
	int64_t error = copy_from_user(&b, *at, sizeof(b));

	if (!error)
		error = bind_one(e, account, &b, cap, stale);
	if (!error)
		*at += sizeof(b);
	return error;
}

static void forget_stale(const struct env *e, const struct stale *stale)
{
	if (stale->all)
		write_cr3(read_cr3());
	if (stale->others)
		smp_forget(stale->all ? NULL : e);
}

static int64_t bind_list(struct env *e, uint64_t list, uint64_t n, const struct aegis_cap *cap)
{
	const struct env *account = this_cpu()->current->account;
	uint64_t at = list, end = list + n * sizeof(struct aegis_binding);
	struct stale stale = { false, false };
	int64_t error = 0;

	while (at < end && !error) {
		user_open();
		at += bind_run(e, account->id, at, end, &stale);
		user_close();
		if (at < end)
			error = bind_slowly(e, account, &at, cap, &stale);
	}
	if (stale.all | stale.others)
		forget_stale(e, &stale);
	return at > list ? (int64_t)((at - list) / sizeof(struct aegis_binding)) : error;
}

int64_t call_bind(uint64_t env, uint64_t list, uint64_t n, uint64_t capability, uint64_t unused)
{
	struct env *e = env_find((env_id)env);
	struct aegis_cap cap;
	int64_t error;

	(void)unused;
	if (n - 1 >= AEGIS_BATCH_MAX)
		return -E_INVALID;
	if (list >= AEGIS_USER_TOP - AEGIS_BATCH_MAX * sizeof(struct aegis_binding))
		return -E_FAULT;
	if (env) {
		if (!e || e->stopping)
			return -E_NOENV;
		if (!env_mine(e))
			return -E_DENIED;
	}
	if (!capability)
		return bind_list(e, list, n, NULL);
	if ((error = cap_fetch(&cap, capability, CAP_FRAMES, 0)))
		return error;
	return bind_list(e, list, n, &cap);
}

int64_t call_frame_break(uint64_t frames, uint64_t n, uint64_t c, uint64_t d, uint64_t e)
{
	struct env *account = this_cpu()->current->account;
	frame_t list[AEGIS_BATCH_MAX];
	uint32_t budget = BREAK_BUDGET;
	uint64_t done = 0;
	int64_t error;

	(void)c, (void)d, (void)e;
	if (n - 1 >= AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(list, frames, n * sizeof(*list))))
		return error;
	for (; done < n; done++) {
		if (!frame_owned(list[done], account)) {
			error = -E_DENIED;
			break;
		}
		frame_table[list[done]].epoch++;
		if ((error = bind_break_all(list[done], &budget)))
			break;
	}
	write_cr3(read_cr3());
	smp_forget(NULL);
	return done ? (int64_t)done : error;
}
