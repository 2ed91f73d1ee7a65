/* The model's capabilities: what each mint, narrowing and ending should give. */
#include "model.h"

static int64_t slices_epoch(struct aegis_cap *cap)
{
	uint64_t cpu = cap->first >> 32, position = cap->first & UINT32_MAX;

	if (cpu >= MACHINE_CPUS || position >= MACHINE_POSITIONS || cap->count == 0 || cap->count > AEGIS_BATCH_MAX ||
		cap->count > MACHINE_POSITIONS - position)
		return -E_INVALID;
	cap->epoch = m_slices[cpu][position].epoch;
	for (uint64_t i = position; i < position + cap->count; i++)
		if (m_slices[cpu][i].epoch != cap->epoch)
			return -E_INVALID;
	return 0;
}

static int64_t mint_slices(struct aegis_cap *cap)
{
	int64_t error = slices_epoch(cap);

	for (uint64_t i = 0; !error && i < cap->count; i++) {
		const struct m_slice *slice = &m_slices[cap->first >> 32][(cap->first & UINT32_MAX) + i];

		if (!slice->env || m_find(slice->env)->account != m_current()->account)
			error = -E_DENIED;
	}
	return error;
}

static int64_t mint_frames(struct aegis_cap *cap)
{
	if (cap->count == 0 || cap->count > AEGIS_BATCH_MAX || cap->first >= MACHINE_FRAMES || cap->count > MACHINE_FRAMES - cap->first)
		return -E_INVALID;
	cap->epoch = m_frames[cap->first].epoch;
	for (uint64_t i = 0; i < cap->count; i++)
		if (!m_owns(m_account(m_current()), cap->first + i) || m_frames[cap->first + i].epoch != cap->epoch)
			return -E_DENIED;
	return 0;
}

static int64_t mint_env(struct aegis_cap *cap)
{
	const struct m_env *e;

	if (cap->count != 1)
		return -E_INVALID;
	e = cap->first && cap->first <= UINT32_MAX ? m_find((env_id)cap->first) : NULL;
	if (!e)
		return -E_NOENV;
	cap->epoch = e->cap_epoch;
	return m_commands(e) ? 0 : -E_DENIED;
}

int64_t m_cap_mint(struct aegis_cap *out, uint64_t kind, uint64_t rights, uint64_t first, uint64_t count)
{
	*out = (struct aegis_cap){ .kind = (uint16_t)kind, .rights = (uint16_t)rights, .first = first, .count = count };
	if (kind > UINT16_MAX || rights > 15)
		return -E_INVALID;
	switch (kind) {
	case CAP_FRAMES:
		return mint_frames(out);
	case CAP_SLICES:
		return mint_slices(out);
	case CAP_ENV:
		return mint_env(out);
	case CAP_FILTER:
		return count == 1 ? -E_DENIED : -E_INVALID;
	default:
		return -E_INVALID;
	}
}

int64_t m_cap_narrow(struct aegis_cap *cap, bool genuine, uint64_t rights, uint64_t first, uint64_t count)
{
	if (!genuine || !(cap->rights & RIGHT_GRANT) || rights & ~(uint64_t)cap->rights || count == 0 || first < cap->first ||
		first - cap->first > cap->count || count > cap->count - (first - cap->first))
		return -E_DENIED;
	cap->rights = (uint16_t)rights;
	cap->first = first;
	cap->count = count;
	if (cap->epoch != UINT32_MAX)
		return 0;
	if (cap->kind == CAP_SLICES) /* a root capability's narrowed ones are no root capabilities */
		return slices_epoch(cap);
	cap->epoch = m_frames[first].epoch;
	for (uint64_t f = first; f < first + count; f++)
		if (count > AEGIS_BATCH_MAX || m_frames[f].epoch != cap->epoch)
			return -E_INVALID;
	return 0;
}

int64_t m_cap_end(const struct aegis_cap *cap, bool genuine)
{
	struct aegis_cap now;
	struct m_env *e;
	int64_t error;

	REACHED(cap);
	if (!genuine || !(cap->rights & RIGHT_GRANT))
		return -E_DENIED;
	switch (cap->kind) {
	case CAP_ENV:
		e = m_find((env_id)cap->first);
		if (!e || !EPOCH_VALID(cap->epoch, e->cap_epoch))
			return -E_DENIED;
		e->cap_epoch++;
		e->commander = 0;
		return 0;
	case CAP_SLICES:
		now = *cap;
		if ((error = mint_slices(&now)))
			return error;
		if (!EPOCH_VALID(cap->epoch, now.epoch))
			return -E_DENIED;
		for (uint64_t i = 0; i < cap->count; i++)
			m_slices[cap->first >> 32][(cap->first & UINT32_MAX) + i].epoch++;
		return 0;
	default:
		return -E_INVALID;
	}
}
