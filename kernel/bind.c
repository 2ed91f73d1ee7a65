/* Secure bindings of memory: the check, once, and then an entry that the hardware uses without the kernel (paper 3.2, 5.4).
 *
 * Translations that a CPU remembers: one address at a time, but for tables that have several uses. Those may be at several places of the same
 * address space, and then all goes, once at the end of a call. Where another CPU may remember it too, that CPU is made to forget before the call
 * returns. Other address spaces lose theirs when they are switched to. */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>
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

/* The upcall page or root of the environment that asks, which are its maker's frames where it has an account of its own. */
static bool is_own(frame_t f)
{
	const struct env *me = current_env();

	return me && (f == me->upcall_frame || f == me->root_frame);
}

int64_t bind_check_page(const struct env *account, frame_t f, uint64_t flags, const struct aegis_cap *cap)
{
	const struct aegis_frame_info *info = &frame_table[f];
	uint64_t writes = flags & BIND_WRITE;

	switch (info->state) {
	case FRAME_OWNED:
	case FRAME_UPCALL:
		if (info->owner == account->id || (info->state == FRAME_UPCALL && is_own(f)))
			return 0;
		if (cap && cap->kind == CAP_EXTENT)
			return block_may_bind(cap, f, flags) ? 0 : -E_DENIED;
		if (cap && cap_covers(cap, f) && epoch_valid(cap->epoch, info->epoch) && (cap->rights & RIGHT_READ) &&
			(!writes || cap->rights & RIGHT_WRITE) && (!(flags & BIND_EXEC) || cap->rights & RIGHT_EXEC))
			return 0;
		return -E_DENIED;
	case FRAME_TABLE1: /* one's own page tables can be read: accessed and dirty bits are there */
	case FRAME_TABLE2:
	case FRAME_TABLE3:
	case FRAME_ROOT:
		return (info->owner == account->id || is_own(f)) && !writes ? 0 : -E_DENIED;
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

/* ... and forgotten, on every CPU, before this returns. */
static void forget_stale(const struct env *e, struct stale *stale)
{
	if (stale->all)
		write_cr3(read_cr3());
	if (stale->others)
		smp_forget(stale->all ? NULL : e);
	stale->all = stale->others = false;
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

static void bind_page(uint64_t *slot, frame_t table, frame_t f, uint64_t flags, bool lent)
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
	*slot = entry_make(f, flags) | (lent ? ENTRY_LENT : 0);
}

/* The leaf table that e's last binding went to: the next is mostly its neighbour. Kept in the environment; table_generation says whether it still holds. */
static __attribute__((noinline)) bool near_walk(struct env *e, uint64_t va)
{
	struct near *near = &e->near;
	bool shared;
	frame_t frame;

	near->generation = 0;
	near->base = va & ~(LEAF_SPAN - 1);
	if (near->base >= (AEGIS_USER_TOP & ~(LEAF_SPAN - 1)))
		return false; /* the last leaf: not all of it may be bound */
	near->table = find_table(e, va, 0, &frame, &shared);
	if (!near->table)
		return false;
	near->shared = shared;
	near->entries = &frame_table[frame].next;
	near->first = binding_of(near->table) | 1ul << 32;
	near->generation = table_generation;
	return true;
}

static inline bool near_holds(const struct env *e, uint64_t va) { return e->near.generation == table_generation && va - e->near.base < LEAF_SPAN; }

static inline bool near_find(struct env *e, uint64_t va) { return near_holds(e, va) || near_walk(e, va); }

static int64_t bind_same(struct env *e, const struct env *account, const struct aegis_binding *b, const struct aegis_cap *cap, struct stale *stale)
{
	uint64_t n = b->entry >> FRAME_SHIFT, flags = b->entry & (FRAME_SIZE - 1), i = table_index(b->va, 0), *slot, *end;
	bool shared, all = n > 64; /* of so many, to forget everything is cheaper */
	int64_t error;
	frame_t frame;

	if (!(flags & BIND_READ) || flags & BIND_LEVEL_MASK || b->va >= AEGIS_USER_TOP || b->va & (FRAME_SIZE - 1) || n - 1 >= 512 - i ||
		b->va + n * FRAME_SIZE > AEGIS_USER_TOP)
		return -E_INVALID;
	if (near_find(e, b->va)) {
		slot = e->near.table;
		shared = e->near.shared;
	} else if (!(slot = find_table(e, b->va, 0, &frame, &shared))) {
		return -E_NOTABLE;
	}
	slot += i;
	end = slot + n;
	if ((error = rights_change(account, slot, end, flags, cap)))
		return error;
	for (uint64_t va = b->va; !all && !shared && slot < end; slot++, va += FRAME_SIZE)
		if (*slot & ENTRY_PRESENT)
			invalidate_page(va);
	stale->all |= shared || all;
	stale->others |= shared || e != this_cpu()->current;
	return 0;
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

	if (flags & BIND_SAME)
		return bind_same(e, account, b, cap, stale);
	if (va >= AEGIS_USER_TOP || va & ((FRAME_SIZE << 9 * level) - 1) || (flags & BIND_READ && frame_number >= frame_count))
		return -E_INVALID;
	table = find_table(e, va, level, &table_frame, &shared);
	if (!table)
		return -E_NOTABLE;
	slot = &table[table_index(va, level)];
	old = *slot;
	if (!(flags & BIND_READ)) {
		if (old & ENTRY_PRESENT && !(error = slot_break(slot, table_frame, level)))
			forget(e, va, level || shared, stale);
		if (level)
			forget_stale(e, stale); /* what was a table may be written by the next entry of the list */
		return error;
	}
	error = level ? check_table(account, f, level) : bind_check_page(account, f, flags, cap);
	if (error)
		return error;
	if (level) {
		if (old & ENTRY_PRESENT)
			return entry_frame(old) == f ? 0 : -E_BUSY;
		forget_stale(e, stale); /* an earlier entry of the list may have broken a page of f that another CPU still writes */
		bind_table(slot, table_frame, f, level);
		return 0;
	}
	bind_page(slot, table_frame, f, flags, cap && cap->kind == CAP_EXTENT);
	if (old & ENTRY_PRESENT)
		forget(e, va, shared, stale);
	return 0;
}

/* What turns a list entry of a page with these flags into a page-table entry, when added. */
#define PAGE_BITS(flags) (((flags) & BIND_EXEC ? 0 : ENTRY_NO_EXECUTE) + ((flags) & BIND_WRITE) + (ENTRY_PRESENT | ENTRY_USER) - (flags))
extern const uint64_t page_bits[8];
const uint64_t page_bits[8] = {
	[1] = PAGE_BITS(1ul), [3] = PAGE_BITS(3ul), [5] = PAGE_BITS(5ul), [7] = PAGE_BITS(7ul)
};

/* The commonest call of all, one page of one's own, is done whole by x86_64/bind.S where it is that simple. What follows is written for few
 * instructions too. */
/* The frame table as words: three an entry, identity and bound being the first two. */
_Static_assert(sizeof(struct aegis_frame_info) == 24 && offsetof(struct aegis_frame_info, bound) == 8, "frame words");

/* Runs: neighbours in one leaf table with the same rights, as a list mostly has them. Whatever else comes ends a run with nothing done; every word of
 * the list is read once. What rights differ is rotated to the top as well. Each returns where the run ended. */
struct run {
	uint64_t list, end;
	uint64_t va, entry; /* of the first */
	uint64_t owned;     /* identity of the account's frames */
};

/* Frames that are bound nowhere yet, going where nothing is bound. */
static RUN uint64_t run_fresh(const struct run *run, const struct near *near)
{
	uint64_t at = run->list, end = run->end, i = run->va, entry = run->entry, flags = entry & (FRAME_SIZE - 1), f;
	uint64_t base = near->base, *table = near->table, first = near->first, owned = run->owned, bits = page_bits[flags], count = frame_count;
	uint64_t *frames = (uint64_t *)frame_table;

	do {
		i = rotate_right(i - base, FRAME_SHIFT);
		f = rotate_right(entry - flags, FRAME_SHIFT);
		if (i >= 512 || f >= count)
			break;
		f *= 3;
		KEEP(f);
		if (frames[f] != owned)
			break;
		KEEP(f);
		if (frames[f + 1] || table[i])
			break;
		entry += bits;
		KEEP(i);
		table[i] = entry;
		KEEP(i);
		table[i + 512] = 0; /* its link */
		i += first;
		KEEP(f);
		frames[f + 1] = i;
		at += sizeof(struct aegis_binding);
	} while (at != end && user_load(at, &i) && user_load(at + 8, &entry));
	return at;
}

/* Frames that may be bound elsewhere too, going where nothing is bound. */
static RUN uint64_t run_more(const struct run *run, const struct near *near)
{
	uint64_t at = run->list, end = run->end, i = run->va, entry = run->entry, flags = entry & (FRAME_SIZE - 1), f;
	uint64_t base = near->base, *table = near->table, owned = run->owned, bits = page_bits[flags], count = frame_count;
	uint32_t first = (uint32_t)near->first;

	do {
		i = rotate_right(i - base, FRAME_SHIFT);
		f = rotate_right(entry - flags, FRAME_SHIFT);
		if (i >= 512 || f >= count || frame_table[f].identity != owned || table[i])
			break;
		table[i] = entry + bits;
		link_add((frame_t)f, first + (uint32_t)i);
		at += sizeof(struct aegis_binding);
	} while (at != end && user_load(at, &i) && user_load(at + 8, &entry));
	return at;
}

/* Frames that are bound there already: their rights change. */
static RUN uint64_t run_protect(const struct run *run, const struct near *near)
{
	uint64_t at = run->list, end = run->end, va = run->va, entry = run->entry, flags = entry & (FRAME_SIZE - 1), f, i;
	uint64_t base = near->base, *table = near->table, owned = run->owned, bits = page_bits[flags], count = frame_count;
	const uint64_t *frames = (const uint64_t *)frame_table;

	do {
		i = rotate_right(va - base, FRAME_SHIFT);
		f = rotate_right(entry - flags, FRAME_SHIFT);
		if (i >= 512 || f >= count || frames[3 * f] != owned)
			break;
		entry += bits;
		KEEP(i);
		if ((table[i] ^ entry) & (ENTRY_FRAME | ENTRY_PRESENT))
			break;
		KEEP(i);
		table[i] = entry;
		invalidate_page(va);
		at += sizeof(struct aegis_binding);
	} while (at != end && user_load(at, &va) && user_load(at + 8, &entry));
	return at;
}

/* Pages that are bound, or not: they are not any more. *broken: how many were. */
static RUN uint64_t run_break(const struct run *run, const struct near *near, uint32_t *broken)
{
	uint64_t at = run->list, end = run->end, va = run->va, entry = run->entry;
	uint64_t base = near->base, *table = near->table;
	uint32_t n = 0, first = (uint32_t)near->first;

	do {
		uint64_t i = rotate_right(va - base, FRAME_SHIFT), old;

		if (i >= 512 || entry & (BIND_READ | BIND_LEVEL_MASK | BIND_SAME))
			break;
		KEEP(i);
		if ((old = table[i])) {
			table[i] = 0;
			link_remove(entry_frame(old), (uint32_t)i + first);
			n++;
			invalidate_page(va);
		}
		at += sizeof(struct aegis_binding);
	} while (at != end && user_load(at, &va) && user_load(at + 8, &entry));
	*broken = n;
	return at;
}

static uint64_t bind_run(struct env *e, uint64_t owned, uint64_t list, uint64_t end, struct stale *stale)
{
	struct run run = { .list = list, .end = end, .owned = owned };
	struct near *near = &e->near;
	uint64_t flags, at;
	uint32_t broken;

	if (!user_load(list, &run.va) || !user_load(list + 8, &run.entry) || !near_find(e, run.va))
		return list;
	flags = run.entry & (FRAME_SIZE - 1);
	if (flags & BIND_READ) {
		if (flags >= 8)
			return list;
		at = run_fresh(&run, near);
		if (at == list)
			at = run_more(&run, near);
		*near->entries += (uint32_t)((at - list) / sizeof(struct aegis_binding));
		if (at > list)
			return at;
		at = run_protect(&run, near);
		if (at == list)
			return list;
	} else {
		at = run_break(&run, near, &broken);
		*near->entries -= broken;
	}
	stale->all |= near->shared;
	stale->others |= near->shared || e != current_env();
	return at;
}

/* What is not common, one by one; stops where a run may begin again. Returns 0, or why the one at *at could not be done, or (positive) that the call has
 * done enough. */
static int64_t bind_slowly(struct env *e, const struct env *account, uint64_t *at, const struct aegis_cap *cap, struct stale *stale)
{
	uint64_t va, entry;
	int64_t error;
	bool loaded;

	loaded = user_load(*at, &va) && user_load(*at + 8, &entry);
	error = loaded ? bind_one(e, account, &(struct aegis_binding){ va, entry }, cap, stale) : -E_FAULT;
	if (error)
		return error;
	*at += sizeof(struct aegis_binding);
	return (int64_t)(entry & BIND_SAME);
}

static int64_t bind_list(struct env *e, uint64_t list, uint64_t n, const struct aegis_cap *cap)
{
	const struct env *me = this_cpu()->current;
	uint64_t at = list, end = list + n * sizeof(struct aegis_binding);
	struct stale stale = { false, false };
	int64_t error = 0;

	while (at < end && !error) {
		if (!cap)
			at = bind_run(e, me->owned, at, end, &stale);
		if (at < end)
			error = bind_slowly(e, me->account, &at, cap, &stale);
	}
	if (stale.all | stale.others)
		forget_stale(e, &stale);
	return at > list ? (int64_t)((at - list) / sizeof(struct aegis_binding)) : error;
}

/* One page by a capability that was verified, going where nothing is bound, in e's near leaf. False: not that simple; nothing was done. The rights of a
 * capability and the flags of a binding are the same bits. */
_Static_assert(RIGHT_READ == BIND_READ && RIGHT_WRITE == BIND_WRITE && RIGHT_EXEC == BIND_EXEC, "bind_sealed");
#define RIGHTS_TO_BIND ((uint64_t)(BIND_READ | BIND_WRITE | BIND_EXEC))
static inline bool bind_sealed(struct env *e, uint64_t va, uint64_t entry, uint64_t rights_epoch, uint64_t first, uint64_t count)
{
	const struct near *near = &e->near;
	uint64_t flags = entry & (FRAME_SIZE - 1), f = entry >> FRAME_SHIFT, i = va - near->base, *slot;
	struct aegis_frame_info *info = &frame_table[f];

	if (i >= LEAF_SPAN || i & (FRAME_SIZE - 1) || !(flags & BIND_READ) || flags & ~(rights_epoch >> 16 & RIGHTS_TO_BIND) || f >= frame_count ||
		f - first >= count || info->state != FRAME_OWNED || info->epoch != rights_epoch >> 32 /* a root capability goes the long way */)
		return false;
	i >>= FRAME_SHIFT;
	slot = &near->table[i];
	if (*slot)
		return false;
	*slot = entry + page_bits[flags];
	info->clean = 0;
	link_add_to(info, (uint32_t)(near->first + i));
	++*near->entries;
	return true;
}

static __attribute__((noinline)) int64_t bind_list_by(struct env *e, uint64_t list, uint64_t n, uint64_t rights_epoch, uint64_t first, uint64_t count)
{
	const struct aegis_cap cap = { .kind = (uint16_t)rights_epoch, .rights = (uint16_t)(rights_epoch >> 16), .epoch = (uint32_t)(rights_epoch >> 32), .first = first, .count = count };

	e->near.generation = 0; /* the next one finds its leaf */
	return bind_list(e, list, n, &cap);
}

/* The capability's words are loaded once, and verified as loaded. */
static RUN int64_t bind_by_capability(struct env *e, uint64_t list, uint64_t n, uint64_t capability)
{
	uint64_t name, first, count, seal, va, entry;

	if (!user_load(capability, &name) || !user_load(capability + 8, &first) || !user_load(capability + 16, &count) ||
		!user_load(capability + 24, &seal))
		return -E_FAULT;
	if (((uint16_t)name != CAP_FRAMES && (uint16_t)name != CAP_EXTENT) || siphash_2_4(cap_key, name, first, count) != seal)
		return -E_DENIED;
	if (n == 1 && (uint16_t)name == CAP_FRAMES && user_load(list, &va) && user_load(list + 8, &entry) &&
		(e->near.generation == table_generation || near_walk(e, va)) && bind_sealed(e, va, entry, name, first, count))
		return 1;
	return bind_list_by(e, list, n, name, first, count);
}

static inline int64_t bind_checked(uint64_t env, uint64_t list, uint64_t n, uint64_t capability)
{
	struct env *e = current_env();

	if (n - 1 >= AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((int64_t)(list | capability) < 0) /* the kernel's half; what is neither's faults when it is loaded */
		return -E_FAULT;
	if (env) {
		e = env_find((env_id)env);
		if (!e || e->stopping)
			return -E_NOENV;
		if (!env_mine(e))
			return -E_DENIED;
	}
	return capability ? bind_by_capability(e, list, n, capability) : bind_list(e, list, n, NULL);
}

int64_t call_bind(uint64_t env, uint64_t list, uint64_t n, uint64_t capability, uint64_t unused)
{
	int64_t result;

	(void)unused;
	user_open(); /* once, for all that the call loads */
	result = bind_checked(env, list, n, capability);
	user_close();
	return result;
}
