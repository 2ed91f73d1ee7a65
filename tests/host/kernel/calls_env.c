/* Random calls for environments, accounts, slices and capabilities. */
#include <stdio.h>

#include <kernel/cap.h>

#include "calls.h"

#define HELD 48
#define ROOT_CAPS 2u /* kept for good */
static struct held_cap caps[HELD];
static uint32_t cap_count;

/* Is there still something that this allows to the current account? */
static bool of_use(const struct aegis_cap *cap)
{
	switch (cap->kind) {
	case CAP_FRAMES:
		return EPOCH_VALID(cap->epoch, m_frames[cap->first].epoch) && m_frames[cap->first].owner != m_current()->account;
	case CAP_SLICES:
		return EPOCH_VALID(cap->epoch, m_slices[cap->first >> 32][cap->first & UINT32_MAX].epoch);
	default:
		return m_find((env_id)cap->first);
	}
}

const struct held_cap *cap_choose(uint32_t kind)
{
	static struct held_cap chosen;

	if (!cap_count)
		return NULL;
	for (int i = 0; i < 60; i++) {
		chosen = caps[random_below(cap_count)];
		if (chosen.cap.kind == kind && (of_use(&chosen.cap) || one_in(10)))
			break;
	}
	chosen.at = one_in(60) ? USER_END - 16 : AT_CAP;
	if (one_in(12)) {
		uint32_t bit = (uint32_t)random_below(sizeof(chosen.cap) * 8);

		((uint8_t *)&chosen.cap)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		chosen.genuine = false;
		HAPPENED(forged);
	}
	memcpy(user(AT_CAP), &chosen.cap, sizeof(chosen.cap));
	return &chosen;
}

void caps_start(void)
{
	struct aegis_cap *frames = &caps[0].cap, *slices = &caps[1].cap;

	*frames = (struct aegis_cap){ .kind = CAP_FRAMES, .rights = 15, .epoch = EPOCH_ANY, .first = 0, .count = MACHINE_FRAMES };
	*slices = (struct aegis_cap){ .kind = CAP_SLICES, .rights = 15, .epoch = EPOCH_ANY, .first = 0, .count = UINT64_MAX };
	cap_seal(frames);
	cap_seal(slices);
	caps[0].genuine = caps[1].genuine = true;
	cap_count = ROOT_CAPS;
}

static void cap_keep(const struct aegis_cap *expected)
{
	struct held_cap *held = &caps[cap_count < HELD ? cap_count++ : ROOT_CAPS + random_below(HELD - ROOT_CAPS)];

	*held = (struct held_cap){ .genuine = true };
	memcpy(&held->cap, user(AT_CAP_OUT), sizeof(held->cap));
	CHECK(memcmp(&held->cap, expected, offsetof(struct aegis_cap, seal)) == 0, "the capability is not what was asked for");
}

static void cap_mint(void)
{
	uint64_t kind = 1 + random_below(3 + one_in(20)), rights = one_in(3) ? random_below(17) : 15, first, count = 1;
	uint64_t at = one_in(60) ? USER_END - 8 : AT_CAP_OUT;
	struct aegis_cap expected;
	int64_t result, model;

	if (kind == CAP_FRAMES) {
		first = frame_choose(m_account(m_current()));
		count = one_in(3) ? random_below(AEGIS_BATCH_MAX + 2) : 1 + random_below(2);
	} else if (kind == CAP_SLICES) {
		first = random_below(MACHINE_CPUS + one_in(20)) << 32 | random_below(MACHINE_POSITIONS + 1);
		count = random_below(4);
	} else {
		first = one_in(30) ? random_below(UINT64_MAX) : env_choose()->id;
		count = one_in(30) ? random_below(3) : 1;
	}
	result = CALL(cap_mint, at, kind, rights, first, count);
	model = m_cap_mint(&expected, kind, rights, first, count);
	if (model == 0 && at != AT_CAP_OUT)
		model = -E_FAULT;
	expect(result, model);
	if (result == 0) {
		cap_keep(&expected);
		HAPPENED(minted);
	}
}

static void cap_narrow(void)
{
	const struct held_cap *held = cap_choose(CAP_FRAMES);
	struct aegis_cap expected;
	uint64_t rights, first, count;
	int64_t result, model;

	if (!held)
		return;
	expected = held->cap;
	rights = one_in(4) ? random_below(32) : expected.rights & random_below(16);
	first = expected.first + random_below((expected.count > 300 ? 300 : expected.count % 8) + one_in(10) + 1) - one_in(20);
	count = one_in(10) ? random_below(UINT64_MAX) : random_below(expected.count % 8 + 2);
	result = CALL(cap_narrow, held->at, AT_CAP_OUT, rights, first, count);
	model = held->at == AT_CAP ? m_cap_narrow(&expected, held->genuine, rights, first, count) : -E_FAULT;
	expect(result, model);
	if (result == 0) {
		cap_keep(&expected);
		HAPPENED(narrowed);
	}
}

void random_cap(void)
{
	const struct held_cap *held;
	int64_t result;

	if (one_in(2)) {
		cap_mint();
	} else if (one_in(2)) {
		cap_narrow();
	} else if ((held = cap_choose(one_in(2) ? CAP_ENV : CAP_SLICES)) && one_in(3)) {
		result = CALL(cap_end, held->at, 0, 0, 0, 0);
		expect(result, m_cap_end(held->at == AT_CAP ? &held->cap : NULL, held->genuine));
		happened[EVENT_ended] += result == 0;
	}
}

/* Up to a bit more than half of what is left. */
static uint32_t share(uint32_t held, uint32_t limit) { return (uint32_t)random_below((held < limit ? limit - held : 0) * 5 / 9 + 2); }

static struct aegis_limits limits_choose(const struct m_env *account)
{
	struct aegis_limits limits = { share(account->held.frames, account->limits.frames), share(account->held.slices, account->limits.slices),
		share(account->held.environments, account->limits.environments), share(0, account->limits.filters) };

	if (one_in(40))
		limits.frames = UINT32_MAX - (uint32_t)random_below(4);
	return limits;
}

static uint32_t count_accounts(void)
{
	uint32_t n = 0;

	for (uint32_t slot = 1; slot < MACHINE_SLOTS; slot++)
		n += m_envs[slot].live && m_envs[slot].account == m_envs[slot].id;
	return n;
}

static void env_create(void)
{
	const struct m_env *account = m_account(m_current());
	bool account_wanted = count_accounts() < 4 ? !one_in(8) : one_in(12);
	uint64_t at = one_in(60) ? USER_END - 8 : AT_SPEC;
	struct aegis_env_spec spec = { .object = frame_choose(account), .root = pair_choose(account), .upcall = frame_choose(account),
		.keeper = one_in(10) ? env_name() : m_current()->id, .flags = account_wanted, .limits = limits_choose(account), .entries = { .transfer = one_in(2) ? 0x1000 : 0 } };
	int64_t result;

	for (int i = 0; i < 8 && spec.object < MACHINE_FRAMES && m_frames[spec.object].bound; i++)
		spec.object = frame_choose(account);
	if (one_in(40))
		spec.flags |= 2;
	if (one_in(40))
		spec.rip = AEGIS_USER_TOP;
	if (at == AT_SPEC)
		memcpy(user(at), &spec, sizeof(spec));
	snprintf(call_note, sizeof(call_note), " object %x root %x upcall %x flags %u", spec.object, spec.root, spec.upcall, spec.flags);
	result = CALL(env_create, at, 0, 0, 0, 0);
	expect(result, m_env_create(at == AT_SPEC ? &spec : NULL, result));
	happened[EVENT_created] += result > 0;
	happened[EVENT_accounts] += result > 0 && spec.flags & ENV_NEW_ACCOUNT;
}

static void env_destroy(void)
{
	env_id env = env_name();
	int64_t result;

	for (int i = 0; i < 10 && !one_in(30) && !(m_find(env) && m_find(env)->stopping); i++)
		env = env_choose()->id;
	if (env == m_envs[1].id)
		return; /* whoever commands it could, and nothing would run any more */
	do {
		result = CALL(env_destroy, env, 0, 0, 0, 0);
		expect(result, m_env_destroy(env, result));
		happened[EVENT_destroyed] += result == 0;
		happened[EVENT_again] += result == -E_AGAIN;
		check_cheap();
		check_tlb_fill();
	} while (result == -E_AGAIN && !one_in(4));
}

void random_env(void)
{
	const struct held_cap *held;
	int64_t result;

	if (one_in(2)) {
		env_create();
	} else if (one_in(2)) {
		env_destroy();
	} else if ((held = cap_choose(CAP_ENV))) {
		result = CALL(env_bind, held->at, 0, 0, 0, 0);
		expect(result, m_env_bind(held->at == AT_CAP ? &held->cap : NULL, held->genuine));
		happened[EVENT_commanded] += result == 0;
	}
}

void random_account(void)
{
	env_id env = env_name();
	const struct m_env *e = m_find(env);
	struct aegis_limits wanted = limits_choose(e && e->maker && m_find(e->maker) ? m_find(e->maker) : m_current());
	uint64_t at = one_in(60) ? USER_END - 8 : AT_SPEC;
	int64_t result;

	if (at == AT_SPEC)
		memcpy(user(at), &wanted, sizeof(wanted));
	snprintf(call_note, sizeof(call_note), " frames %u slices %u environments %u", wanted.frames, wanted.slices, wanted.environments);
	result = CALL(account_resize, env, at, 0, 0, 0);
	expect(result, m_account_resize(env, at == AT_SPEC ? &wanted : NULL));
	happened[EVENT_resized] += result == 0;
}

void random_slice(void)
{
	uint64_t cpu = random_below(MACHINE_CPUS + one_in(20)), position = one_in(3) ? UINT32_MAX : random_below(MACHINE_POSITIONS + one_in(20));
	env_id env = env_name();
	const struct held_cap *held;
	bool taken;
	int64_t result;

	if (one_in(3)) {
		result = CALL(slice_free, cpu, position, 0, 0, 0);
		expect(result, m_slice_free(cpu, position));
		return;
	}
	held = one_in(2) ? cap_choose(CAP_SLICES) : NULL;
	if (held && held->cap.kind == CAP_SLICES && !one_in(6)) {
		cpu = held->cap.first >> 32;
		position = (held->cap.first & UINT32_MAX) + random_below(held->cap.count % 8 + 1);
	}
	taken = cpu < MACHINE_CPUS && position < MACHINE_POSITIONS && m_slices[cpu][position].env;
	result = CALL(slice_alloc, cpu, position, env, held ? held->at : 0, 0);
	expect(result, m_slice_alloc(cpu, position, env, held && held->at == AT_CAP ? &held->cap : NULL, held, held && held->genuine, result));
	happened[EVENT_slices] += result >= 0;
	happened[EVENT_slices_by_cap] += result >= 0 && taken;
}
