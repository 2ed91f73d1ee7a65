/* Accounts: what is split off is gone from its maker, what is joined is back, and the sum stays. */
#include <aegis/cap.h>
#include <kernel/env.h>

#include "machine.h"

#define SPEC USER_BASE
#define LIST (USER_BASE + 0x1000)

static bool same(struct aegis_limits a, uint32_t frames, uint32_t slices, uint32_t environments)
{
	return a.frames == frames && a.slices == slices && a.environments == environments;
}

static void test_split(void)
{
	struct aegis_env_info info;
	struct env e = { .info = &info, .held = { 10, 2, 1, 0 }, .limits = { 100, 20, 5, 0 } };

	ok(account_split(&e, &(struct aegis_limits){ 30, 8, 2, 0 }) && same(e.limits, 70, 12, 3) && same(info.limits, 70, 12, 3), "split off, and shown");
	ok(!account_split(&e, &(struct aegis_limits){ 61, 0, 0, 0 }) && !account_split(&e, &(struct aegis_limits){ 0, 11, 0, 0 }) &&
			!account_split(&e, &(struct aegis_limits){ 0, 0, 3, 0 }) && same(e.limits, 70, 12, 3), "not what is held: then nothing changes");
	ok(!account_split(&e, &(struct aegis_limits){ UINT32_MAX, 0, 0, 0 }) && !account_split(&e, &(struct aegis_limits){ UINT32_MAX - 9, 0, 0, 0 }),
		"nor so much that the sum wraps around");
	ok(account_split(&e, &(struct aegis_limits){ 60, 10, 2, 0 }) && same(e.limits, 10, 2, 1), "all the rest");
	account_join(&e, &(struct aegis_limits){ 90, 18, 4, 0 });
	ok(same(e.limits, 100, 20, 5) && same(info.limits, 100, 20, 5), "joined again");
	e.held.filters = 3, e.limits.filters = 8;
	ok(!account_split(&e, &(struct aegis_limits){ .filters = 6 }) && account_split(&e, &(struct aegis_limits){ .filters = 5 }) && e.limits.filters == 3,
		"filters are split like all else");
	e.limits.frames = 5;
	ok(account_split(&e, &(struct aegis_limits){ 0, 1, 0, 0 }) && !account_split(&e, &(struct aegis_limits){ 1, 0, 0, 0 }),
		"who holds more frames than he may still has slices to give");
}

/* From frames first, first + 1 (the root), first + 3, first + 4. */
static int64_t create(frame_t first, uint32_t flags, struct aegis_limits limits)
{
	frame_t list[5];
	struct aegis_env_spec spec = { .object = first + 3, .root = first, .upcall = first + 4, .flags = flags, .limits = limits, .keeper = 0 };

	for (uint32_t i = 0; i < 5; i++)
		list[i] = first + i;
	memcpy(user(LIST), list, sizeof(list));
	call_frame_alloc(LIST, 5, 0, 0, 0);
	memcpy(user(SPEC), &spec, sizeof(spec));
	return call_env_create(SPEC, 0, 0, 0, 0);
}

static int64_t resize(env_id id, uint32_t frames, uint32_t slices, uint32_t environments)
{
	*(struct aegis_limits *)user(SPEC) = (struct aegis_limits){ frames, slices, environments, 0 };
	return call_account_resize(id, SPEC, 0, 0, 0);
}

static void run(struct env *e)
{
	claim_give(this_cpu()->current, CLAIM_READY);
	claim_take(e, CLAIM_READY);
	this_cpu()->current = e;
}

static void test_calls(struct env *first)
{
	const struct aegis_limits before = first->limits;
	env_id child = (env_id)create(300, ENV_NEW_ACCOUNT, (struct aegis_limits){ 50, 10, 3, 0 }), grandchild;
	struct env *e = env_find(child);

	ok(e && same(e->limits, 50, 10, 3) && same(first->limits, before.frames - 50, before.slices - 10, before.environments - 3), "an account is made");
	ok(e && same(e->held, 0, 0, 1) && first->held.environments == 1, "which holds itself");
	ok(create(310, ENV_NEW_ACCOUNT, (struct aegis_limits){ 1, 1, 0, 0 }) == -E_INVALID, "not one that may not");
	ok(create(320, ENV_NEW_ACCOUNT, (struct aegis_limits){ MACHINE_FRAMES, 0, 1, 0 }) == -E_LIMIT, "not one with more than there is");
	ok(resize(child, 60, 5, 4) == 0 && same(e->limits, 60, 5, 4) && same(first->limits, before.frames - 60, before.slices - 5, before.environments - 4),
		"resized: more of one, less of another");
	ok(resize(child, 61, UINT32_MAX, 0) == -E_LIMIT && same(e->limits, 60, 5, 4), "not to more than there is");
	ok(resize(first->id, 1, 1, 1) == -E_DENIED && resize(0, 1, 1, 1) == -E_DENIED, "not one's own");
	call_cap_mint(LIST, CAP_ENV, RIGHT_WRITE, first->id, 1);
	run(e);
	ok(call_env_bind(LIST, 0, 0, 0, 0) == 0 && first->commander == child && resize(first->id, 1, 1, 1) == -E_DENIED,
		"nor the first account's, by whoever commands it: it has no maker");
	ok(resize(first->id, 1, 1, 1) == -E_DENIED && resize(child, 70, 5, 4) == -E_DENIED, "nor his maker's");
	grandchild = (env_id)create(330, ENV_NEW_ACCOUNT, (struct aegis_limits){ 20, 0, 2, 0 });
	ok(env_find(grandchild) && same(e->limits, 40, 5, 2), "an account's account");
	run(first);
	ok(resize(child, 2, 5, 2) == 0 && e->held.frames == 5, "it may hold less than it does");
	run(e);
	ok(resize(grandchild, 10, 0, 2) == 0 && e->limits.frames == 12, "then what is given back to it is its own");
	ok(call_env_destroy(grandchild, 0, 0, 0, 0) == 0 && same(e->limits, 22, 5, 4), "and what is left of the other account is too");
	run(first);
	ok(call_env_destroy(child, 0, 0, 0, 0) == -E_BUSY, "an account that holds frames is not destroyed");
	run(e);
	for (uint32_t i = 0; i < 5; i++)
		((frame_t *)user(LIST))[i] = 330 + i;
	ok(call_frame_free(LIST, 5, 0, 0, 0) == 5 && same(e->held, 0, 0, 1), "it gives them back");
	run(first);
	ok(call_env_destroy(child, 0, 0, 0, 0) == 0 && same(first->limits, before.frames, before.slices, before.environments), "and all is as it was");
}

int main(void)
{
	struct env *first = machine_boot();

	test_split();
	test_calls(first);
	return done_testing();
}
