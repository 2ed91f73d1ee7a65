/* What random calls have in common: choosing, calling, comparing. */
#include "calls.h"

uint64_t happened[EVENT_COUNT];
char call_note[160];

bool one_in(uint32_t n) { return random_below(n) == 0; }

struct m_env *env_choose(void)
{
	struct m_env *e;
	int tries = 0;

	do
		e = &m_envs[random_below(MACHINE_SLOTS)];
	while (!e->live || (e->account == m_envs[1].id && !one_in(4) && tries++ < 8)); /* the first account has the most anyway */
	return e;
}

env_id env_name(void)
{
	switch (random_below(24)) {
	case 0:
		return (env_id)random_below(UINT32_MAX);
	case 1:
		return env_choose()->id + MACHINE_SLOTS;
	case 2:
	case 3:
		return 0;
	default:
		return env_choose()->id;
	}
}

frame_t frame_choose(const struct m_env *account)
{
	uint32_t from = (uint32_t)random_below(MACHINE_FRAMES);

	if (one_in(16))
		return (frame_t)random_below(one_in(4) ? UINT32_MAX : MACHINE_FRAMES + 2);
	for (uint32_t i = 0; i < MACHINE_FRAMES; i++) {
		frame_t f = (from + i) % MACHINE_FRAMES;

		if (m_frames[f].owner == account->id && m_frames[f].state != FRAME_FREE && (m_frames[f].state == FRAME_OWNED || one_in(12)))
			return f;
	}
	return from;
}

frame_t pair_choose(const struct m_env *account)
{
	uint32_t from = (uint32_t)random_below(MACHINE_FRAMES);

	for (uint32_t i = 0; i < MACHINE_FRAMES && !one_in(200); i++) {
		frame_t f = (from + i) % MACHINE_FRAMES;

		if (m_owns(account, f) && m_owns(account, f + 1) && !m_frames[f].bound && !m_frames[f + 1].bound)
			return f;
	}
	return frame_choose(account);
}

uint64_t list_place(size_t item, uint64_t n, uint64_t *reached)
{
	uint64_t at = AT_LIST;

	if (one_in(40))
		at = USER_END - item * random_below((n < AEGIS_BATCH_MAX ? n : AEGIS_BATCH_MAX) + 1);
	else if (one_in(100))
		at = one_in(2) ? USER_END + 64 : 64;
	*reached = at < USER_BASE || at >= USER_END ? 0 : (USER_END - at) / item;
	if (*reached > n)
		*reached = n;
	return at;
}

uint64_t list_length(void)
{
	switch (random_below(50)) {
	case 0:
		return 0;
	case 1:
		return AEGIS_BATCH_MAX + 1;
	case 2:
		return random_below(UINT64_MAX);
	case 3:
		return AEGIS_BATCH_MAX;
	case 4:
		return 24;
	default:
		return 1 + random_below(6);
	}
}

uint64_t calls_made;

int64_t make_call(const char *name, call f, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	bool hashed = calls_made++ % 8 == 0;
	uint64_t before = hashed ? check_hash() : 0;
	int64_t result;

	trace_call("%s(%lx, %lx, %lx, %lx, %lx)%s", name, a, b, c, d, e, call_note);
	call_note[0] = 0;
	machine_tsc += random_below(100);
	cpu_features.smap = one_in(2);
	result = f(a, b, c, d, e);
	happened[EVENT_others] += result >= 0 && m_current()->account != m_envs[1].id;
	if (result < 0)
		HAPPENED(refused);
	if (result == -E_FAULT)
		HAPPENED(faults);
	if (hashed && result < 0 && result != -E_AGAIN && !(f == call_env_destroy && result == -E_BUSY)) /* it is stopped then, and taken apart */
		CHECK(check_hash() == before, "%s was refused with %ld, but changed something", name, result);
	return result;
}

void expect(int64_t result, int64_t model) { CHECK(result == model, "the kernel returned %ld, the model %ld", result, model); }
