/* The model's environments, accounts, slices and capabilities. */
#include "model.h"

struct m_env m_envs[MACHINE_SLOTS];
struct m_slice m_slices[MACHINE_CPUS][MACHINE_POSITIONS];
env_id m_running[MACHINE_CPUS];
struct aegis_limits m_total;

struct m_env *m_find(env_id id)
{
	struct m_env *e = &m_envs[id % MACHINE_SLOTS];

	if (id == 0)
		return m_current();
	return e->live && e->id == id ? e : NULL;
}

struct m_env *m_current(void) { return &m_envs[m_running[machine_cpu] % MACHINE_SLOTS]; }

bool m_commands(const struct m_env *e)
{
	env_id mine = m_current()->account;

	return e->account == mine || e->commander == mine || m_below(e);
}

bool m_below(const struct m_env *e)
{
	for (const struct m_env *above = m_account(e); above->maker; above = m_find(above->maker)) {
		CHECK(m_find(above->maker), "the maker of %x is gone", above->id);
		if (above->maker == m_current()->account)
			return true;
	}
	return false;
}

static void add(struct aegis_limits *to, const struct aegis_limits *more)
{
	to->frames += more->frames;
	to->slices += more->slices;
	to->environments += more->environments;
	to->filters += more->filters;
}

/* What is still to be taken is enough: so much was never taken that less is left than nothing. */
static bool has(uint32_t more, uint32_t held, uint32_t limit) { return more == 0 || (uint64_t)held + more <= limit; }

static bool can_give(const struct m_env *maker, const struct aegis_limits *more)
{
	return has(more->frames, maker->held.frames, maker->limits.frames) && has(more->slices, maker->held.slices, maker->limits.slices) &&
	       has(more->environments, maker->held.environments, maker->limits.environments) && has(more->filters, maker->held.filters, maker->limits.filters);
}

static bool entries_good(const struct aegis_entries *x)
{
	return x->exception < AEGIS_USER_TOP && x->event < AEGIS_USER_TOP && x->foreign < AEGIS_USER_TOP && x->transfer < AEGIS_USER_TOP &&
	       x->async < AEGIS_USER_TOP;
}

static int64_t create_allowed(const struct m_env *account, const struct aegis_env_spec *s)
{
	bool full = true;

	if (s->flags & ~1u || !entries_good(&s->entries) || s->rip >= AEGIS_USER_TOP)
		return -E_INVALID;
	if (s->object == s->root || s->object == s->root + 1 || s->upcall == s->root || s->upcall == s->root + 1 || s->object == s->upcall)
		return -E_INVALID;
	if (s->keeper && (!m_find(s->keeper) || m_find(s->keeper)->account != account->id))
		return -E_DENIED;
	if ((uint64_t)s->root + 1 >= MACHINE_FRAMES)
		return -E_INVALID;
	if (!m_owns(account, s->root) || !m_owns(account, s->root + 1))
		return -E_DENIED;
	if (m_in_use(s->root) || m_in_use(s->root + 1))
		return -E_BUSY;
	if (!m_owns(account, s->object) || !m_owns(account, s->upcall))
		return -E_DENIED;
	if (m_in_use(s->object) || m_frames[s->upcall].held || m_frames[s->upcall].sent)
		return -E_BUSY;
	for (uint32_t slot = 1; slot < MACHINE_SLOTS; slot++)
		full &= m_envs[slot].live;
	if (full)
		return -E_FULL;
	if (!(s->flags & ENV_NEW_ACCOUNT))
		return account->held.environments < account->limits.environments ? 0 : -E_LIMIT;
	if (s->limits.environments == 0 || account->depth == 15)
		return -E_INVALID;
	return can_give(account, &s->limits) ? 0 : -E_LIMIT;
}

int64_t m_env_create(const struct aegis_env_spec *s, int64_t result)
{
	struct m_env *account = m_account(m_current()), *e;
	int64_t error;
	env_id id = (env_id)result;

	REACHED(s);
	if ((error = create_allowed(account, s)))
		return error;
	CHECK(result > 0 && result <= UINT32_MAX && id % MACHINE_SLOTS, "env_create returns %ld", result);
	e = &m_envs[id % MACHINE_SLOTS];
	CHECK(!e->live && e->id != id, "the name %x is not new", id);
	*e = (struct m_env){ .live = true, .id = id, .account = account->id, .object = s->object, .root = s->root, .upcall = s->upcall,
		.cap_epoch = e->cap_epoch };
	e->losses = ((struct aegis_repossessed *)((uint8_t *)frame_pointer(s->upcall) + REPOSSESSED_OFFSET))->count;
	if (s->flags & ENV_NEW_ACCOUNT) {
		e->account = id;
		e->maker = account->id;
		e->depth = account->depth + 1;
		e->limits = s->limits;
		account->limits.frames -= s->limits.frames;
		account->limits.slices -= s->limits.slices;
		account->limits.environments -= s->limits.environments;
		account->limits.filters -= s->limits.filters;
	}
	m_account(e)->held.environments++;
	m_frames[s->object].state = FRAME_OBJECT;
	m_frames[s->upcall].state = FRAME_UPCALL;
	m_frames[s->root].state = FRAME_ROOT;
	m_frames[s->root + 1].state = FRAME_LINKS;
	return result;
}

void m_env_stop(struct m_env *e) { e->stopping = true; }

/* The kernel has taken some of it apart, as it chose: what it has unbound is unbound in the model too. */
static uint32_t follow(frame_t table)
{
	uint64_t *words = frame_pointer(table);
	uint32_t done = 0;

	for (uint32_t i = 0; i < 512; i++) {
		struct m_entry *x = &m_entries[table][i];

		if (!x->flags)
			continue;
		if (m_level(table) && m_frames[x->frame].uses == 1)
			done += follow(x->frame);
		if (words[i] == 0) {
			CHECK(m_level(table) < 2 || m_frames[x->frame].uses > 1 || !m_frames[x->frame].used, "table %u was lost with what is in it", x->frame);
			m_unbind(table, i);
			done++;
		}
	}
	return done;
}

/* Slices too: all, or those that the kernel has freed. */
static uint32_t free_slices(struct m_env *e, bool all)
{
	uint32_t done = 0;

	for (uint32_t s = 0; s < MACHINE_CPUS * MACHINE_POSITIONS; s++) {
		struct m_slice *slice = &m_slices[s / MACHINE_POSITIONS][s % MACHINE_POSITIONS];

		if (slice->env != e->id || !(all || !machine_slices(s / MACHINE_POSITIONS)[s % MACHINE_POSITIONS].env))
			continue;
		slice->env = 0;
		slice->epoch++;
		m_account(e)->held.slices--;
		if (m_account(e) == m_account(m_current()))
			m_given(m_account(e), REVOKE_SLICES, 1);
		done++;
	}
	return done;
}

/* Bindings of a page that lie in tables of other accounts than its own. */
static void unbind_foreign(frame_t f)
{
	for (frame_t table = 0; table < MACHINE_FRAMES; table++)
		for (uint32_t i = 0; m_is_table(table) && i < 512; i++)
			if (m_entries[table][i].flags && m_entries[table][i].frame == f && m_frames[table].owner != m_frames[f].owner)
				m_unbind(table, i);
}

static void gone(struct m_env *e)
{
	struct m_env *account = m_account(e);

	account->held.environments--;
	if (account == e)
		add(&m_find(e->maker)->limits, &e->limits);
	e->cap_epoch++;
	unbind_foreign(e->upcall);
	unbind_foreign(e->root);
	m_frames[e->root].state = m_frames[e->root + 1].state = m_frames[e->object].state = m_frames[e->upcall].state = FRAME_OWNED;
	e->live = false;
}

int64_t m_env_destroy(env_id env, int64_t result)
{
	struct m_env *e = m_find(env);
	bool elsewhere = false;

	if (!e)
		return -E_NOENV;
	if (!m_commands(e))
		return -E_DENIED;
	if (e == m_current())
		return -E_STATE;
	m_env_stop(e);
	for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++)
		elsewhere |= m_running[cpu] == e->id;
	if (elsewhere)
		return -E_AGAIN;
	if (result == -E_AGAIN) {
		CHECK(follow(e->root) + free_slices(e, false), "a step of destruction did nothing");
		while (follow(e->root)) /* a table may have had several uses here, and lost all but one of them in this step */
			;
		return -E_AGAIN;
	}
	for (uint32_t i = 0; i < 256; i++)
		if (m_entries[e->root][i].flags)
			m_unbind(e->root, i);
	free_slices(e, true);
	for (frame_t f = 0; e->account == e->id && f < MACHINE_FRAMES; f++) /* its rings end */
		if (m_frames[f].owner == e->id)
			m_frames[f].held = m_frames[f].sent = 0;
	if (e->account == e->id && (e->held.environments > 1 || e->held.frames))
		return -E_BUSY; /* until that is given back, or taken */
	gone(e);
	return 0;
}

int64_t m_env_bind(const struct aegis_cap *cap, bool genuine)
{
	struct m_env *e;

	REACHED(cap);
	if (!genuine || cap->kind != CAP_ENV || !(cap->rights & RIGHT_WRITE))
		return -E_DENIED;
	e = m_find((env_id)cap->first);
	if (!e || e->stopping)
		return -E_NOENV;
	if (!EPOCH_VALID(cap->epoch, e->cap_epoch))
		return -E_DENIED;
	e->commander = m_current()->account;
	return 0;
}

int64_t m_account_resize(env_id env, const struct aegis_limits *wanted)
{
	struct m_env *e = m_find(env), *maker;
	struct aegis_limits more = { 0 };

	REACHED(wanted);
	if (!e || e->account != e->id)
		return -E_NOENV;
	maker = m_account(m_current());
	if (e->maker != maker->id)
		return -E_DENIED;
	if (wanted->frames > e->limits.frames)
		more.frames = wanted->frames - e->limits.frames;
	if (wanted->slices > e->limits.slices)
		more.slices = wanted->slices - e->limits.slices;
	if (wanted->environments > e->limits.environments)
		more.environments = wanted->environments - e->limits.environments;
	if (wanted->filters > e->limits.filters)
		more.filters = wanted->filters - e->limits.filters;
	if (!can_give(maker, &more))
		return -E_LIMIT;
	add(&maker->limits, &e->limits);
	maker->limits.frames -= wanted->frames;
	maker->limits.slices -= wanted->slices;
	maker->limits.environments -= wanted->environments;
	maker->limits.filters -= wanted->filters;
	e->limits = *wanted;
	return 0;
}

int64_t m_slice_alloc(uint64_t cpu, uint64_t position, env_id env, const struct aegis_cap *cap, bool has_cap, bool genuine, int64_t result)
{
	struct m_env *e = m_find(env), *account, *holder = NULL;
	uint64_t name = cpu << 32 | position;
	bool full = true;

	if (cpu >= MACHINE_CPUS || (position != UINT32_MAX && position >= MACHINE_POSITIONS))
		return -E_INVALID;
	if (!e || e->stopping)
		return -E_NOENV;
	if (!m_commands(e))
		return -E_DENIED;
	account = m_account(e);
	for (uint32_t p = 0; p < MACHINE_POSITIONS; p++)
		full &= m_slices[cpu][p].env != 0;
	if (position == UINT32_MAX && full)
		return -E_FULL;
	if (position != UINT32_MAX && m_slices[cpu][position].env) {
		if (!has_cap)
			return -E_BUSY;
		REACHED(cap);
		if (!genuine || cap->kind != CAP_SLICES || !(cap->rights & RIGHT_WRITE) || name < cap->first || name >= cap->first + cap->count ||
			!EPOCH_VALID(cap->epoch, m_slices[cpu][position].epoch))
			return -E_DENIED;
		holder = m_account(m_find(m_slices[cpu][position].env));
	}
	if (account->held.slices >= account->limits.slices && holder != account)
		return -E_LIMIT;
	if (position == UINT32_MAX) {
		CHECK(result >= 0 && result < MACHINE_POSITIONS && !m_slices[cpu][result].env, "slice_alloc returns %ld", result);
		position = (uint64_t)result;
	}
	if (holder) {
		holder->held.slices--;
		m_lost(holder->id);
		m_slices[cpu][position].epoch++;
	}
	m_slices[cpu][position].env = e->id;
	account->held.slices++;
	return (int64_t)position;
}

int64_t m_slice_free(uint64_t cpu, uint64_t position)
{
	struct m_env *account;
	struct m_slice *slice;

	if (cpu >= MACHINE_CPUS || position >= MACHINE_POSITIONS || !m_slices[cpu][position].env)
		return -E_INVALID;
	slice = &m_slices[cpu][position];
	account = m_account(m_find(slice->env));
	if (!m_commands(m_find(slice->env)))
		return -E_DENIED;
	slice->env = 0;
	slice->epoch++;
	account->held.slices--;
	if (account == m_account(m_current()))
		m_given(account, REVOKE_SLICES, 1);
	return 0;
}
