/* Random bindings: pages, runs of pages, tables, shared tables, in one's own and in other address spaces. */
#include <stdio.h>

#include <kernel/x86_64/paging.h>

#include "calls.h"

static uint64_t random_rights(void)
{
	static const uint64_t rights[] = { BIND_READ, BIND_READ | BIND_WRITE, BIND_READ | BIND_WRITE, BIND_READ | BIND_EXEC,
		BIND_READ | BIND_WRITE | BIND_EXEC };

	return rights[random_below(5)] | (one_in(12) ? BIND_KEY(random_below(16)) : 0);
}

static frame_t table_of(const struct m_env *account, uint32_t level)
{
	uint32_t from = (uint32_t)random_below(MACHINE_FRAMES);

	for (uint32_t i = 0; i < MACHINE_FRAMES; i++) {
		frame_t f = (from + i) % MACHINE_FRAMES;

		if (m_frames[f].state == FRAME_TABLE1 + level - 1 && m_frames[f].owner == account->id)
			return f;
	}
	return pair_choose(account);
}

/* The highest level at which an entry is missing on the way to va; 0: none but perhaps the page's. */
static uint32_t missing(const struct m_env *e, uint64_t va)
{
	for (uint32_t level = 3; level > 0; level--)
		if (!m_walk(e->root, va, level - 1))
			return level;
	return 0;
}

static struct aegis_binding table_entry(const struct m_env *e, const struct m_env *account, uint64_t va, uint32_t level)
{
	frame_t f = one_in(3) ? table_of(account, level) : pair_choose(account);
	uint64_t flags = BIND_READ | BIND_LEVEL(level) | (one_in(4) ? BIND_WRITE : 0);

	(void)e;
	return (struct aegis_binding){ va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(f, flags) };
}

static struct aegis_binding nonsense(uint64_t va)
{
	struct aegis_binding b = { va, random_below(UINT64_MAX) >> random_below(64) };

	if (one_in(3))
		b.va = random_below(UINT64_MAX) >> random_below(64);
	else if (one_in(2))
		b.va ^= 1ul << random_below(64);
	if (one_in(2))
		b.entry = BIND_ENTRY(random_below(MACHINE_FRAMES), b.entry & 0xfff);
	return b;
}

static struct aegis_binding random_entry(const struct m_env *e, const struct m_env *account, const struct held_cap *cap)
{
	uint64_t va = tlb_address((uint32_t)random_below(TLB_PAGES));
	uint32_t level = missing(e, va);
	frame_t f;

	if (one_in(40))
		return nonsense(va);
	if (level && !one_in(8))
		return table_entry(e, account, va, level);
	if (one_in(60))
		return table_entry(e, account, va, 1 + (uint32_t)random_below(3));
	if (one_in(30)) {
		level = 1 + (uint32_t)random_below(3);
		return (struct aegis_binding){ va & ~((FRAME_SIZE << 9 * level) - 1), BIND_LEVEL(level) };
	}
	if (one_in(5))
		return (struct aegis_binding){ va, 0 };
	if (one_in(4)) /* and more than are forgotten one by one */
		return (struct aegis_binding){ va, BIND_ENTRY(one_in(3) ? random_below(520) : 1 + random_below(16), random_rights() | BIND_SAME) };
	f = cap && !one_in(4) ? (frame_t)(cap->cap.first + random_below(cap->cap.count % 200 + 1)) : frame_choose(account);
	return (struct aegis_binding){ va, BIND_ENTRY(f, random_rights()) };
}

static frame_t unbound_of(const struct m_env *account)
{
	frame_t f = frame_choose(account);

	for (int i = 0; i < 6 && f < MACHINE_FRAMES && m_frames[f].bound; i++)
		f = frame_choose(account);
	return f;
}

/* Neighbours with the same rights: what the kernel has a fast path for. Some are there already, and some of those keep their frame. */
static void fill_run(const struct m_env *e, const struct m_env *account, struct aegis_binding *list, uint64_t n)
{
	uint32_t i = (uint32_t)random_below(TLB_PAGES);
	uint64_t rights = random_rights();
	bool fresh = one_in(2);

	for (int tries = 0; tries < 8 && missing(e, tlb_address(i)); tries++)
		i = (uint32_t)random_below(TLB_PAGES);
	for (uint64_t k = 0; k < n; k++, i = (i & ~15u) | ((i + 1) & 15)) {
		uint64_t va = tlb_address(i);
		frame_t table = m_walk(e->root, va, 0);
		const struct m_entry *there = table ? &m_entries[table][table_index(va, 0)] : NULL;
		frame_t f = there && there->flags && !fresh ? there->frame : unbound_of(account);

		if (one_in(12))
			rights = random_rights();
		list[k] = (struct aegis_binding){ va, BIND_ENTRY(f, rights) };
	}
}

/* The whole way to an address. */
static void fill_path(const struct m_env *e, const struct m_env *account, struct aegis_binding *list, uint64_t n)
{
	uint64_t va = tlb_address((uint32_t)random_below(TLB_PAGES));
	uint32_t level = missing(e, va);

	for (uint64_t k = 0; k < n; k++, level -= level > 0)
		list[k] = level ? table_entry(e, account, va, level) : (struct aegis_binding){ va, BIND_ENTRY(frame_choose(account), random_rights()) };
}

static void count(const struct m_env *e, const struct aegis_binding *list, int64_t done, uint64_t n, const struct held_cap *cap)
{
	for (int64_t k = 0; k < done; k++) {
		frame_t f = (frame_t)(list[k].entry >> FRAME_SHIFT);
		bool table = list[k].entry & BIND_LEVEL_MASK;

		if (list[k].entry & BIND_SAME) {
			HAPPENED(other_rights);
			continue;
		}
		if (!(list[k].entry & BIND_READ))
			happened[table ? EVENT_emptied_table : EVENT_unbound]++;
		else
			happened[table ? EVENT_bound_table : EVENT_bound_page]++;
		if (table && list[k].entry & BIND_READ && m_frames[f].uses > 1)
			HAPPENED(shared_table);
		if (!table && cap && list[k].entry & BIND_READ && m_frames[f].owner != m_current()->account && m_frames[f].state != FRAME_INFO)
			HAPPENED(bound_by_cap);
	}
	happened[EVENT_bound_other] += done > 0 && e != m_current();
	happened[EVENT_batch_cut] += done > 0 && (uint64_t)done < n;
}

static void note(const struct aegis_binding *list, uint64_t n)
{
	int at = 0;

	for (uint64_t i = 0; i < n && at < 120; i++)
		at += snprintf(call_note + at, sizeof(call_note) - (size_t)at, " %lx:%lx", list[i].va, list[i].entry);
}

void random_bind(void)
{
	struct aegis_binding list[AEGIS_BATCH_MAX];
	env_id env = one_in(4) ? env_name() : one_in(2) ? 0 : m_current()->id;
	const struct m_env *e = m_find(env) ? m_find(env) : m_current(), *account = m_account(m_current());
	const struct held_cap *cap = one_in(3) ? cap_choose(CAP_FRAMES) : NULL;
	uint64_t n = one_in(3) ? 1 : list_length(), reached, at = list_place(sizeof(*list), n, &reached);
	int64_t result;

	if (reached > AEGIS_BATCH_MAX)
		reached = AEGIS_BATCH_MAX;
	if (!cap && one_in(2))
		fill_run(e, account, list, reached);
	else if (one_in(4))
		fill_path(e, account, list, reached);
	else
		for (uint64_t k = 0; k < reached; k++)
			list[k] = random_entry(e, account, cap);
	memcpy(user(at), list, reached * sizeof(*list));
	note(list, reached);
	result = CALL(bind, env, at, n, cap ? cap->at : 0, 0);
	expect(result, m_bind(env, list, n, reached, cap && cap->at == AT_CAP ? &cap->cap : NULL, cap, cap && cap->genuine));
	count(e, list, result, n, cap);
}

static void bind_now(const struct m_env *e, struct aegis_binding b, const struct held_cap *cap)
{
	int64_t result;

	memcpy(user(AT_LIST), &b, sizeof(b));
	note(&b, 1);
	result = CALL(bind, e->id, AT_LIST, 1, cap ? cap->at : 0, 0);
	expect(result, m_bind(e->id, &b, 1, 1, cap && cap->at == AT_CAP ? &cap->cap : NULL, cap, cap && cap->genuine));
	count(e, &b, result, 1, cap);
	check_cheap();
	check_tlb_fill();
}

/* A leaf table that has one use, and is the one that the last binding went to, gets another, in the address space of whoever runs on the other CPU if that
 * may be; then a page in it changes. */
void random_share(void)
{
	const struct m_env *e = m_current(), *account = m_account(e), *to = m_running[!machine_cpu] ? m_find(m_running[!machine_cpu]) : e;
	uint64_t va = tlb_address((uint32_t)random_below(TLB_PAGES)), other = tlb_address((uint32_t)random_below(TLB_PAGES)) & ~(LEAF_SPAN - 1);
	frame_t f = frame_choose(account), leaf = m_walk(e->root, va, 0);

	if (!m_commands(to) || to->stopping)
		to = e;
	if (!leaf || m_frames[leaf].owner != account->id)
		return;
	if (to != e || other != (va & ~(LEAF_SPAN - 1)))
		bind_now(to, (struct aegis_binding){ other, BIND_LEVEL(1) }, NULL);
	bind_now(e, (struct aegis_binding){ va, BIND_ENTRY(f, BIND_READ | BIND_WRITE) }, NULL);
	bind_now(e, (struct aegis_binding){ va, BIND_ENTRY(f, BIND_READ) }, NULL);
	bind_now(to, (struct aegis_binding){ other, BIND_ENTRY(leaf, BIND_READ | BIND_LEVEL(1)) }, NULL);
	bind_now(e, (struct aegis_binding){ va, BIND_ENTRY(f, BIND_READ | BIND_WRITE) }, NULL);
	bind_now(e, (struct aegis_binding){ va, one_in(2) ? 0 : BIND_ENTRY(f, BIND_READ) }, NULL);
}

/* One page by a capability, of this epoch or not, where nothing is bound: the kernel has a path of its own for it. */
void random_sealed(void)
{
	const struct m_env *e = m_current();
	const struct held_cap *cap = cap_choose(CAP_FRAMES);
	uint64_t rights = random_rights(), va;
	frame_t table;

	if (!cap)
		return;
	if (one_in(2))
		rights = BIND_READ | (cap->cap.rights & (BIND_WRITE | BIND_EXEC));
	for (int i = 0; i < 30; i++) {
		va = tlb_address((uint32_t)random_below(TLB_PAGES));
		table = m_walk(e->root, va, 0);
		if (!table || m_entries[table][table_index(va, 0)].flags)
			continue;
		bind_now(e, (struct aegis_binding){ va, BIND_ENTRY((frame_t)(cap->cap.first + random_below(cap->cap.count % 500 + 1)), rights) }, cap);
		return;
	}
}

/* User code writes where it may, and the CPU marks entries as it uses them. */
void random_poke(void)
{
	for (uint32_t tries = 0; tries < 40; tries++) {
		uint32_t cpu = machine_cpu, i = (uint32_t)random_below(TLB_PAGES);
		uint64_t *entry, now = machine_walk(machine_cr3[cpu], tlb_address(i));
		frame_t table = m_walk(m_current()->root, tlb_address(i), 0), f = entry_frame(now);

		if (!now || !table)
			continue;
		entry = (uint64_t *)frame_pointer(table) + table_index(tlb_address(i), 0);
		*entry |= ENTRY_ACCESSED;
		if (!(now & ENTRY_WRITE) || m_frames[f].state != FRAME_OWNED)
			continue;
		*entry |= ENTRY_DIRTY;
		((uint64_t *)frame_pointer(f))[random_below(512)] = random_below(UINT64_MAX);
		HAPPENED(pokes);
		return;
	}
}
