/* Random calls that take, give back, break, ask back and take by force. */
#include <stdio.h>

#include "calls.h"

static void note(const frame_t *list, uint64_t n)
{
	int at = 0;

	for (uint64_t i = 0; i < n && at < 120; i++)
		at += snprintf(call_note + at, sizeof(call_note) - (size_t)at, "%s%x", i ? " " : " frames ", list[i]);
}

/* Fills a list and puts it where the call finds it. Null: it does not find all of it. */
static const frame_t *fill(frame_t *list, uint64_t n, frame_t (*choose)(const struct m_env *), uint64_t *at)
{
	const struct m_env *account = m_account(m_current());
	uint64_t reached;

	*at = list_place(sizeof(*list), n, &reached);
	if (reached > AEGIS_BATCH_MAX)
		reached = AEGIS_BATCH_MAX;
	for (uint64_t i = 0; i < reached; i++)
		list[i] = choose(account);
	memcpy(user(*at), list, reached * sizeof(*list));
	note(list, reached);
	return reached == n || n > AEGIS_BATCH_MAX ? list : NULL;
}

static frame_t to_take(const struct m_env *account)
{
	(void)account;
	return one_in(6) ? (frame_t)random_below(MACHINE_FRAMES + 1) : FRAME_ANY;
}

static frame_t to_free(const struct m_env *account)
{
	frame_t f = frame_choose(account);

	for (int i = 0; i < 20 && f < MACHINE_FRAMES && m_frames[f].bound && !one_in(50); i++)
		f = frame_choose(account);
	return f;
}

static void frame_alloc(void)
{
	uint64_t n = list_length(), at;
	frame_t list[AEGIS_BATCH_MAX], out[AEGIS_BATCH_MAX] = { 0 };
	const frame_t *reached = fill(list, n, to_take, &at);
	int64_t result = CALL(frame_alloc, at, n, 0, 0, 0);

	if (result > 0) {
		CHECK((uint64_t)result <= n, "frame_alloc returns %ld of %lu", result, n);
		memcpy(out, user(at), (uint64_t)result * sizeof(*out));
		HAPPENED(allocated);
	}
	expect(result, m_frame_alloc(reached, out, n));
}

void random_frames(void)
{
	frame_t list[AEGIS_BATCH_MAX];
	const frame_t *reached;
	uint64_t n, at;
	int64_t result;

	/* The first account, which could hold everything, leaves something to the others. */
	if (!one_in(3) && (m_current()->account != m_envs[1].id || m_count_free() > 120)) {
		frame_alloc();
		return;
	}
	n = list_length();
	if (one_in(6)) {
		reached = fill(list, n, frame_choose, &at);
		result = CALL(frame_break, at, n, 0, 0, 0);
		expect(result, m_frame_break(reached, n));
		happened[EVENT_broken] += result > 0;
		return;
	}
	reached = fill(list, n, to_free, &at);
	result = CALL(frame_free, at, n, 0, 0, 0);
	expect(result, m_frame_free(reached, n));
	happened[EVENT_freed] += result > 0;
}

static void revoke(void)
{
	struct aegis_demand demand = { .kind = (uint32_t)random_below(REVOKE_KINDS + one_in(20)), .count = (uint32_t)random_below(12),
		.deadline = machine_tsc + random_below(400) };
	env_id env = env_name();
	uint64_t at = one_in(40) ? USER_END - 8 : AT_SPEC;
	int64_t result;

	if (demand.kind == REVOKE_RANGE)
		demand.first = one_in(20) ? UINT64_MAX - random_below(16) : frame_choose(m_account(m_current()));
	if (at == AT_SPEC)
		memcpy(user(at), &demand, sizeof(demand));
	snprintf(call_note, sizeof(call_note), " kind %u count %u first %lx", demand.kind, demand.count, demand.first);
	result = CALL(revoke, env, at, 0, 0, 0);
	expect(result, m_revoke(env, at == AT_SPEC ? &demand : NULL));
	happened[EVENT_demanded] += result == 0;
}

static uint64_t slice_name(const struct m_env *account)
{
	for (int i = 0; i < 50; i++) {
		uint64_t cpu = random_below(MACHINE_CPUS), p = random_below(MACHINE_POSITIONS);

		if (m_slices[cpu][p].env && m_find(m_slices[cpu][p].env)->account == account->id)
			return cpu << 32 | p;
	}
	return random_below(3) << 32 | random_below(MACHINE_POSITIONS + 1);
}

/* Page tables too; mostly those that nothing stands in the way of. */
static frame_t frame_to_take(const struct m_env *account)
{
	uint32_t from = (uint32_t)random_below(MACHINE_FRAMES);

	for (uint32_t i = 0; i < MACHINE_FRAMES && !one_in(200); i++) {
		const struct m_frame *f = &m_frames[(from + i) % MACHINE_FRAMES];

		if (f->owner == account->id && (f->state == FRAME_OWNED || f->state == FRAME_TABLE1 || (m_is_table((from + i) % MACHINE_FRAMES) && !f->used)))
			return (from + i) % MACHINE_FRAMES;
	}
	return frame_choose(account);
}

/* Mostly whoever can be taken from: whose demand is overdue, or who is stopped. */
static const struct m_env *debtor(uint32_t kind)
{
	const struct m_env *e = env_choose();

	for (int i = 0; i < 30 && !one_in(30); i++, e = env_choose()) {
		const struct m_env *account = m_account(e);

		if (m_below(e) && (account->stopping || (account->demands[kind].count && account->demands[kind].deadline <= machine_tsc)))
			break;
	}
	return e;
}

static void repossess(void)
{
	uint64_t kind = random_below(2 + one_in(20)), n = list_length(), list[AEGIS_BATCH_MAX], at, reached, steps = 0;
	const struct m_env *e = debtor(kind % 2), *account = m_account(e);
	env_id env = one_in(20) ? env_name() : e->id;
	int64_t result;

	at = list_place(sizeof(*list), n, &reached);
	for (uint64_t i = 0; i < reached && i < AEGIS_BATCH_MAX; i++) {
		list[i] = kind == REVOKE_FRAMES ? (one_in(50) ? random_below(UINT64_MAX) : frame_to_take(account)) : slice_name(account);
		if (kind == REVOKE_FRAMES && list[i] < MACHINE_FRAMES)
			steps += m_frames[list[i]].bound + 512 * m_frames[list[i]].uses;
		if (steps > BREAK_BUDGET) /* where it stops then is the kernel's choice, and no matter of this test */
			n = reached = i;
	}
	if (reached > AEGIS_BATCH_MAX)
		reached = AEGIS_BATCH_MAX;
	memcpy(user(at), list, reached * sizeof(*list));
	snprintf(call_note, sizeof(call_note), " first of them %lx", reached ? list[0] : 0);
	result = CALL(repossess, env, kind, at, n, 0);
	expect(result, m_repossess(env, kind, reached == n ? list : NULL, n));
	happened[EVENT_repossessed] += result > 0;
}

/* A frame becomes part of a ring, or of another one, or is sent from; or is so no more. */
void random_pin(void)
{
	uint32_t from = (uint32_t)random_below(MACHINE_FRAMES);
	bool pinned = one_in(3);

	for (uint32_t i = 0; i < MACHINE_FRAMES; i++) {
		frame_t f = (from + i) % MACHINE_FRAMES;
		struct m_frame *m = &m_frames[f];

		if ((m->state != FRAME_OWNED && !(m->state == FRAME_TAKEN && pinned)) || (pinned && !m->held && !m->sent))
			continue;
		if (!pinned && one_in(2))
			frame_hold(f), m->held++;
		else if (!pinned)
			frame_pin(f), m->sent++;
		else if (m->held)
			frame_let_go(f), m->held--;
		else
			frame_unpin(f), m->sent--;
		trace_call("frame %x: held %u, sent %u", f, m->held, m->sent);
		HAPPENED(pinned);
		return;
	}
}

void random_revoke(void)
{
	if (one_in(3))
		revoke();
	else
		repossess();
}
