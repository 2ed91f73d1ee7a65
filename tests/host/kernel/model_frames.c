/* The model's frames: taken, given back, asked back, taken by force. */
#include "model.h"

struct m_frame m_frames[MACHINE_FRAMES];

bool m_owns(const struct m_env *account, uint64_t f)
{
	return f < MACHINE_FRAMES && m_frames[f].state == FRAME_OWNED && m_frames[f].owner == account->id;
}

uint32_t m_count_free(void)
{
	uint32_t n = 0;

	for (frame_t f = 0; f < MACHINE_FRAMES; f++)
		n += m_frames[f].state == FRAME_FREE;
	return n;
}

void m_given(struct m_env *account, uint32_t kind, uint32_t n)
{
	uint32_t *count = &account->demands[kind].count;

	*count -= n < *count ? n : *count;
}

void m_lost(env_id account)
{
	struct m_env *e = account ? m_find(account) : NULL;

	if (e)
		e->losses++;
}

static bool all_zero(frame_t f)
{
	const uint64_t *words = frame_pointer(f);
	uint64_t any = 0;

	for (uint32_t i = 0; i < 512; i++)
		any |= words[i];
	return !any;
}

int64_t m_frame_alloc(const frame_t *list, const frame_t *out, uint64_t n)
{
	struct m_env *account = m_account(m_current());
	uint32_t left = m_count_free();
	uint64_t taken = 0;

	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	REACHED(list);
	for (; taken < n && account->held.frames < account->limits.frames && left; taken++) {
		frame_t f = list[taken];

		if (f == FRAME_ANY)
			f = out[taken];
		else if (f >= MACHINE_FRAMES || m_frames[f].state != FRAME_FREE)
			break;
		CHECK(f < MACHINE_FRAMES && m_frames[f].state == FRAME_FREE && f == out[taken], "frame %u was handed out, asked for was %u", out[taken],
			list[taken]);
		CHECK(m_frames[f].owner == account->id || all_zero(f), "frame %u comes from %x to %x with contents", f, m_frames[f].owner, account->id);
		m_frames[f].state = FRAME_OWNED;
		m_frames[f].owner = account->id;
		account->held.frames++;
		left--;
	}
	if (taken)
		return (int64_t)taken;
	return account->held.frames < account->limits.frames ? -E_NOFRAME : -E_LIMIT;
}

static void release(struct m_env *account, frame_t f)
{
	m_frames[f].state = FRAME_FREE;
	m_frames[f].epoch++;
	account->held.frames--;
}

int64_t m_frame_free(const frame_t *list, uint64_t n)
{
	struct m_env *account = m_account(m_current());
	int64_t error = 0;
	uint64_t done = 0;

	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	REACHED(list);
	for (; done < n; done++) {
		error = !m_owns(account, list[done]) ? -E_DENIED : m_in_use(list[done]) ? -E_BUSY : 0;
		if (error)
			break;
		release(account, list[done]);
	}
	m_given(account, REVOKE_FRAMES, (uint32_t)done);
	return done ? (int64_t)done : error;
}

int64_t m_frame_break(const frame_t *list, uint64_t n)
{
	struct m_env *account = m_account(m_current());
	uint64_t done = 0;

	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	REACHED(list);
	for (; done < n && m_owns(account, list[done]); done++) {
		m_frames[list[done]].epoch++;
		m_break_all(list[done]);
	}
	return done ? (int64_t)done : -E_DENIED;
}

int64_t m_revoke(env_id env, const struct aegis_demand *demand)
{
	const struct m_env *e = m_find(env), *mine = m_account(m_current());
	struct m_env *account;

	REACHED(demand);
	if (demand->kind >= REVOKE_KINDS)
		return -E_INVALID;
	if (!e || e->stopping)
		return -E_NOENV;
	account = m_account(e);
	if (demand->kind != REVOKE_RANGE && !m_below(e))
		return -E_DENIED;
	if (demand->kind == REVOKE_RANGE) {
		if (demand->count > AEGIS_BATCH_MAX || demand->first >= MACHINE_FRAMES || (!demand->count && account->demander[REVOKE_RANGE] != m_current()->id))
			return -E_DENIED;
		for (uint32_t i = 0; i < demand->count; i++)
			if (demand->first + i >= MACHINE_FRAMES || m_frames[demand->first + i].owner != mine->id)
				return -E_DENIED;
	}
	account->demands[demand->kind] = *demand;
	account->demander[demand->kind] = m_current()->id;
	return 0;
}

static int64_t take_frame(struct m_env *account, uint64_t f)
{
	int64_t error;

	if (f >= MACHINE_FRAMES || m_frames[f].owner != account->id)
		return -E_DENIED;
	if (m_frames[f].held)
		return -E_BUSY;
	if (m_frames[f].state == FRAME_TAKEN && m_frames[f].sent)
		return -E_AGAIN;
	if ((m_frames[f].state < FRAME_OWNED || m_frames[f].state > FRAME_TABLE3) && m_frames[f].state != FRAME_TAKEN)
		return -E_DENIED;
	if ((error = m_break_all((frame_t)f)))
		return error;
	if (m_frames[f].sent) {
		m_frames[f].state = FRAME_TAKEN;
		return -E_AGAIN;
	}
	release(account, (frame_t)f);
	return 0;
}

static int64_t take_slice(struct m_env *account, uint64_t name)
{
	uint64_t cpu = name >> 32, position = name & UINT32_MAX;
	struct m_slice *slice = &m_slices[cpu % MACHINE_CPUS][position % MACHINE_POSITIONS];

	if (cpu >= MACHINE_CPUS || position >= MACHINE_POSITIONS || !slice->env || m_find(slice->env)->account != account->id)
		return -E_DENIED;
	slice->env = 0;
	slice->epoch++;
	account->held.slices--;
	return 0;
}

static bool begun(const struct m_env *account, uint64_t kind, uint64_t f)
{
	return kind == REVOKE_FRAMES && f < MACHINE_FRAMES && m_frames[f].state == FRAME_TAKEN && m_frames[f].owner == account->id;
}

int64_t m_repossess(env_id env, uint64_t kind, const uint64_t *names, uint64_t n)
{
	const struct m_env *e = m_find(env);
	struct m_env *account;
	struct aegis_demand *demand;
	int64_t error = 0;
	uint64_t done = 0;

	if (n == 0 || n > AEGIS_BATCH_MAX || kind > REVOKE_SLICES)
		return -E_INVALID;
	REACHED(names);
	if (!e)
		return -E_NOENV;
	if (!m_below(e))
		return -E_DENIED;
	account = m_account(e);
	demand = &account->demands[kind];
	if (!account->stopping && (demand->count == 0 || demand->deadline > machine_tsc) && !begun(account, kind, names[0]))
		return -E_STATE;
	for (; done < n && (account->stopping || demand->count || begun(account, kind, names[done])); done++) {
		error = kind == REVOKE_FRAMES ? take_frame(account, names[done]) : take_slice(account, names[done]);
		if (error)
			break;
		m_lost(account->id);
		m_given(account, (uint32_t)kind, 1);
	}
	return done ? (int64_t)done : error;
}
