/* The model's bindings. */
#include <kernel/x86_64/paging.h>

#include "model.h"

struct m_entry m_entries[MACHINE_FRAMES][512];

bool m_is_table(frame_t f) { return m_frames[f].state >= FRAME_TABLE1 && m_frames[f].state <= FRAME_ROOT; }

uint64_t m_hardware(const struct m_entry *x, uint32_t level)
{
	uint64_t entry = (uint64_t)x->frame << 12 | 1 | 4; /* present, user */

	if (!x->flags)
		return 0;
	if (level)
		return entry | 2;
	if (x->flags & BIND_WRITE)
		entry |= 2;
	if (!(x->flags & BIND_EXEC))
		entry |= 1ul << 63;
	return entry | (uint64_t)(x->flags >> 8 & 15) << 59;
}

frame_t m_walk(frame_t root, uint64_t va, uint32_t level)
{
	frame_t table = root;

	for (uint32_t l = 3; l > level && table; l--) {
		const struct m_entry *x = &m_entries[table][va >> (12 + 9 * l) & 511];

		table = x->flags ? x->frame : 0;
	}
	return table;
}

static void set(frame_t table, uint32_t i, struct m_entry x)
{
	struct m_entry *old = &m_entries[table][i];
	bool as_table = m_level(table) > 0;

	if (old->flags) {
		m_frames[old->frame].bound--;
		m_frames[old->frame].uses -= as_table;
		m_frames[table].used--;
	}
	*old = x;
	if (x.flags) {
		m_frames[x.frame].bound++;
		m_frames[x.frame].uses += as_table;
		m_frames[table].used++;
	}
}

void m_unbind(frame_t table, uint32_t i)
{
	frame_t f = m_entries[table][i].frame;
	bool as_table = m_level(table) > 0;

	if (as_table && m_frames[f].uses == 1) { /* its last use: what is bound in it goes too, and it is a table no more */
		for (uint32_t j = 0; j < 512; j++)
			if (m_entries[f][j].flags)
				m_unbind(f, j);
		set(table, i, (struct m_entry){ 0 });
		m_frames[f].state = m_frames[f + 1].state = FRAME_OWNED;
	} else {
		set(table, i, (struct m_entry){ 0 });
	}
}

/* What takes the last use from a table of tables that is not empty is refused. */
static bool in_use(frame_t table, uint32_t i)
{
	frame_t f = m_entries[table][i].frame;

	return m_level(table) > 1 && m_frames[f].uses == 1 && m_frames[f].used;
}

int64_t m_break_all(frame_t f)
{
	if (m_frames[f].state != FRAME_TABLE1 && m_is_table(f) && m_frames[f].used)
		return -E_BUSY;
	for (frame_t table = 1; table < MACHINE_FRAMES; table++)
		for (uint32_t i = 0; m_is_table(table) && i < 512; i++)
			if (m_entries[table][i].flags && m_entries[table][i].frame == f) {
				if (m_frames[table].owner != m_frames[f].owner)
					m_lost(m_frames[table].owner);
				m_unbind(table, i);
			}
	return 0;
}

static bool cap_allows(const struct aegis_cap *cap, frame_t f, uint64_t flags)
{
	return f >= cap->first && f < cap->first + cap->count && EPOCH_VALID(cap->epoch, m_frames[f].epoch) && cap->rights & RIGHT_READ &&
	       (cap->rights & RIGHT_WRITE || !(flags & BIND_WRITE)) && (cap->rights & RIGHT_EXEC || !(flags & BIND_EXEC));
}

static int64_t page_allowed(const struct m_env *account, frame_t f, uint64_t flags, const struct aegis_cap *cap, struct m_entry *x)
{
	bool mine = m_frames[f].owner == account->id, own = f == m_current()->upcall || f == m_current()->root;

	switch (m_frames[f].state) {
	case FRAME_OWNED:
	case FRAME_UPCALL:
		x->own = own && !mine ? m_current()->id : 0;
		x->by_cap = !mine && !own;
		return mine || own || (cap && cap_allows(cap, f, flags)) ? 0 : -E_DENIED;
	case FRAME_TABLE1:
	case FRAME_TABLE2:
	case FRAME_TABLE3:
	case FRAME_ROOT:
		x->own = own && !mine ? m_current()->id : 0;
		return (mine || own) && !(flags & BIND_WRITE) ? 0 : -E_DENIED;
	case FRAME_INFO:
		return flags & (BIND_WRITE | BIND_EXEC) ? -E_DENIED : 0;
	default:
		return -E_DENIED;
	}
}

static int64_t bind_table(const struct m_env *account, frame_t table, uint32_t i, frame_t f, uint32_t level)
{
	struct m_frame *frame = &m_frames[f];
	struct m_entry *old = &m_entries[table][i];

	if (frame->owner != account->id)
		return -E_DENIED;
	if (frame->state != FRAME_TABLE1 + level - 1) {
		if (f + 1 >= MACHINE_FRAMES)
			return -E_INVALID;
		if (!m_owns(account, f) || !m_owns(account, f + 1))
			return -E_DENIED;
		if (m_in_use(f) || m_in_use(f + 1))
			return -E_BUSY;
	}
	if (old->flags)
		return old->frame == f ? 0 : -E_BUSY;
	if (frame->state == FRAME_OWNED) {
		frame->state = (uint8_t)(FRAME_TABLE1 + level - 1);
		m_frames[f + 1].state = FRAME_LINKS;
	}
	set(table, i, (struct m_entry){ .frame = f, .flags = BIND_READ, .account = account->id });
	return 0;
}

/* A run of pages that keep their frames. */
static int64_t bind_same(const struct m_env *e, const struct m_env *account, const struct aegis_binding *b, const struct aegis_cap *cap)
{
	uint64_t n = b->entry >> 12, i = b->va >> 12 & 511, flags = b->entry & 0xfff & ~BIND_SAME;
	struct m_entry changed[512];
	frame_t table;

	if (!(flags & BIND_READ) || flags >> 3 & 3 || b->va % FRAME_SIZE || b->va >= AEGIS_USER_TOP || n == 0 || n > 512 ||
		i + n > 512 || b->va + n * FRAME_SIZE > AEGIS_USER_TOP)
		return -E_INVALID;
	table = m_walk(e->root, b->va, 0);
	if (!table)
		return -E_NOTABLE;
	for (uint64_t k = 0; k < n; k++) {
		struct m_entry *x = &changed[k];

		*x = m_entries[table][i + k];
		if (!x->flags)
			continue;
		if (flags & ~x->flags & (BIND_WRITE | BIND_EXEC)) {
			int64_t error = page_allowed(account, x->frame, flags, cap, x);

			if (error)
				return error;
			x->account = account->id;
			x->epoch = m_frames[x->frame].epoch;
		}
		x->flags = (uint16_t)flags;
	}
	for (uint64_t k = 0; k < n; k++)
		if (changed[k].flags)
			set(table, (uint32_t)(i + k), changed[k]);
	return 0;
}

static int64_t bind_entry(const struct m_env *e, const struct m_env *account, const struct aegis_binding *b, const struct aegis_cap *cap)
{
	uint32_t level = b->entry >> 3 & 3, i = b->va >> (12 + 9 * level) & 511;
	uint64_t flags = b->entry & 0xfff;
	struct m_entry x = { .frame = (frame_t)(b->entry >> 12), .flags = (uint16_t)flags, .account = account->id };
	int64_t error;
	frame_t table;

	if (flags & BIND_SAME)
		return bind_same(e, account, b, cap);
	if (b->va >= AEGIS_USER_TOP || b->va % (FRAME_SIZE << 9 * level) || (flags & BIND_READ && b->entry >> 12 >= MACHINE_FRAMES))
		return -E_INVALID;
	table = m_walk(e->root, b->va, level);
	if (!table)
		return -E_NOTABLE;
	if (!(flags & BIND_READ)) {
		if (!m_entries[table][i].flags)
			return 0;
		if (in_use(table, i))
			return -E_BUSY;
		m_unbind(table, i);
		return 0;
	}
	if (level)
		return bind_table(account, table, i, x.frame, level);
	if ((error = page_allowed(account, x.frame, flags, cap, &x)))
		return error;
	x.epoch = m_frames[x.frame].epoch;
	set(table, i, x);
	return 0;
}

int64_t m_bind(env_id env, const struct aegis_binding *list, uint64_t n, uint64_t reached, const struct aegis_cap *cap, bool has_cap, bool genuine)
{
	const struct m_env *e = m_find(env), *account = m_account(m_current());
	int64_t error = 0;
	uint64_t done = 0;

	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	if (env && (!e || e->stopping))
		return -E_NOENV;
	if (env && !m_commands(e))
		return -E_DENIED;
	if (has_cap) {
		REACHED(cap);
		if (!genuine || cap->kind != CAP_FRAMES)
			return -E_DENIED;
	}
	while (done < n && !error)
		if (!(error = done < reached ? bind_entry(e, account, &list[done], has_cap ? cap : NULL) : -E_FAULT) && list[done++].entry & BIND_SAME)
			break;
	return done ? (int64_t)done : error;
}
