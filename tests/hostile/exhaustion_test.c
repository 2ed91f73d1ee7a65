/* A tenant that takes all he can get: of frames, environments, slices and accounts. He gets what he may have, nobody else gets less,
	and what was given
 * comes back whole. */
#include <tests/hostile/hostile.h>

#define LIMIT_FRAMES 200
#define LIMIT_SLICES 5
#define LIMIT_ENVIRONMENTS 6
#define CHURN 100000
#define CROWD 1000

static struct child hoarder, neighbour;
static volatile int64_t got[16];
static env_id crowd[CROWD];
static frame_t crowd_frames[CROWD * 4];
static const struct aegis_limits usual = { .frames = LIMIT_FRAMES, .slices = LIMIT_SLICES, .environments = LIMIT_ENVIRONMENTS };

static struct aegis_env_spec spec_of(frame_t object, frame_t root, frame_t upcall)
{
	return (struct aegis_env_spec){ .object = object, .root = root, .upcall = upcall,
		.entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry }, .rip = (uint64_t)do_spin };
}

static int64_t destroy(env_id env)
{
	int64_t result;

	while ((result = aegis_env_destroy(env)) == -E_AGAIN)
		;
	return result;
}

/* Takes frames until it gets no more, in batches whose last one may end early. Returns how many. */
static uint64_t hoard_frames(frame_t *list, uint64_t most, int64_t *why)
{
	uint64_t n = 0;

	for (int64_t taken = 1; taken > 0 && n + 16 <= most; n += taken > 0 ? (uint64_t)taken : 0) {
		for (uint32_t i = 0; i < 16; i++)
			list[n + i] = FRAME_ANY;
		*why = taken = aegis_frame_alloc(list + n, 16);
	}
	return n;
}

/* Everything up to the limit, one kind after the other. */
static void hoard(void *unused)
{
	static frame_t list[LIMIT_FRAMES + 32];
	env_id made[LIMIT_ENVIRONMENTS + 1];
	int64_t why = 0, result = 0;
	uint64_t n;

	(void)unused;
	got[0] = (int64_t)hoard_frames(list, OF(list), &why);
	got[1] = why;
	for (n = 0; n < LIMIT_SLICES + 1 && (result = aegis_slice_alloc(0, UINT32_MAX, 0, NULL)) >= 0; n++)
		;
	got[2] = (int64_t)n;
	got[3] = result;
	aegis_frame_free(list, 100);
	aegis_frame_free(list + 100, 100);
	for (n = 0; n < LIMIT_ENVIRONMENTS + 1; n++) {
		struct aegis_env_spec spec;
		frame_t object[2];

		tenant_frames(object, 2);
		spec = spec_of(object[0], tenant_pair(), object[1]);
		result = aegis_env_create(&spec);
		if (result < 0)
			break;
		made[n] = (env_id)result;
	}
	got[4] = (int64_t)n + 1; /* himself */
	got[5] = result;
	for (got[6] = 0; n-- > 0;)
		got[6] += destroy(made[n]);
}

/* The whole of what he may have, while another has all of his. */
static void test_limits(void)
{
	uint64_t before = free_frames();
	struct aegis_limits limits = env_in_table(boot->env).limits;

	child_make(&hoarder, hoard, NULL, TENANT_FRAMES);
	child_make(&neighbour, hoard, NULL, TENANT_FRAMES);
	is(aegis_account_resize(hoarder.env, &usual), 0, "who_made_an_account_sets_its_size");
	aegis_account_resize(neighbour.env, &usual);
	is(env_in_table(boot->env).limits.frames, (int64_t)limits.frames - 2 * LIMIT_FRAMES, "and_may_hold_so_much_less_himself");
	for (uint32_t round = 0; round < 2; round++) {
		ok(child_finish(round ? &neighbour : &hoarder), round ? "another_tenant" : "a_tenant_who_takes_all_he_can");
		is(got[0], LIMIT_FRAMES, "gets_the_frames_that_he_may_hold");
		is(got[1], -E_LIMIT, "and_not_one_more");
		is(got[2], LIMIT_SLICES, "the_slices");
		is(got[3], -E_LIMIT, "and_not_one_more");
		is(got[4], LIMIT_ENVIRONMENTS, "the_environments");
		is(got[5], -E_LIMIT, "and_not_one_more");
		is(got[6], 0, "which_he_can_destroy");
	}
	tenant_end(&hoarder);
	tenant_end(&neighbour);
	is((int64_t)free_frames(), (int64_t)before, "taken_from_them_by_force_no_frame_is_lost");
	is(env_in_table(boot->env).limits.frames, (int64_t)limits.frames, "and_who_made_the_accounts_has_all_again");
	is(env_in_table(boot->env).limits.environments, (int64_t)limits.environments, "environments_too");
	is(env_in_table(boot->env).limits.slices, (int64_t)limits.slices, "and_slices");
}

/* Accounts made by a tenant: what he gives he has no more, and cannot give what he does not have. */
static frame_t sub_frames[4];

static int64_t make_sub(uint32_t frames, uint32_t slices, uint32_t environments)
{
	struct aegis_env_spec spec = spec_of(sub_frames[0], sub_frames[2], sub_frames[1]);

	spec.flags = ENV_NEW_ACCOUNT;
	spec.limits = (struct aegis_limits){ .frames = frames, .slices = slices, .environments = environments };
	return aegis_env_create(&spec);
}

static void make_accounts(void *unused)
{
	struct aegis_limits more = { .frames = LIMIT_FRAMES - 4, .slices = LIMIT_SLICES, .environments = 1 }, all = usual, none = { 0 };
	int64_t sub;

	(void)unused;
	tenant_frames(sub_frames, 2);
	sub_frames[2] = tenant_pair();
	got[0] = make_sub(LIMIT_FRAMES - 3, 0, 1);
	got[1] = make_sub(UINT32_MAX, 0, 1);
	got[2] = make_sub(0, LIMIT_SLICES + 1, 1);
	got[3] = make_sub(0, 0, LIMIT_ENVIRONMENTS);
	got[4] = make_sub(0, 0, 0);
	sub = make_sub(LIMIT_FRAMES - 5, LIMIT_SLICES, 1);
	got[5] = sub > 0;
	got[6] = aegis_slice_alloc(0, UINT32_MAX, 0, NULL);
	tenant_frames((frame_t[1]){ 0 }, 1);
	got[7] = (int64_t)tenant_frames((frame_t[1]){ 0 }, 1);
	all.frames = LIMIT_FRAMES - 4;
	got[8] = aegis_account_resize((env_id)sub, &all); /* the tenant has taken the last frame that was not given */
	got[9] = aegis_account_resize((env_id)sub, &none);
	got[10] = (int64_t)tenant_frames((frame_t[1]){ 0 }, 1);
	more.frames = LIMIT_FRAMES - 5;
	got[11] = aegis_account_resize((env_id)sub, &more);
	got[12] = aegis_account_resize(hoarder.env, &usual);
	got[13] = aegis_account_resize(0, &usual);
	got[14] = aegis_account_resize(victim.env, &none);
	got[15] = destroy((env_id)sub);
}

static void test_accounts(void)
{
	static const int64_t expected[] = { -E_LIMIT, -E_LIMIT, -E_LIMIT, -E_LIMIT, -E_INVALID, 1, -E_LIMIT, 0, -E_LIMIT, 0, 1, -E_LIMIT,
		-E_DENIED, -E_DENIED, -E_DENIED, 0 };
	static const char *const names[] = { "nobody_gives_frames_that_he_holds_already", "nor_more_than_there_are",
		"nor_slices_that_he_may_not_have", "nor_environments",
		"an_account_holds_itself", "he_gives_what_he_has", "and_has_no_slice_left", "nor_a_frame", "nor_can_give_one_more",
		"he_takes_it_back", "and_has_it",
		"it_cannot_be_given_as_well", "nobody_resizes_his_own_account", "by_no_name", "nor_a_stranger's", "the_account_is_destroyed" };
	uint64_t before = free_frames();

	child_make(&hoarder, make_accounts, NULL, TENANT_FRAMES);
	aegis_account_resize(hoarder.env, &usual);
	ok(child_finish(&hoarder), "a_tenant_makes_accounts_of_his_own");
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	is(env_in_table(hoarder.env).limits.frames, LIMIT_FRAMES, "and_he_may_hold_what_he_gave");
	is(env_in_table(hoarder.env).limits.slices, LIMIT_SLICES, "slices_too");
	is(env_in_table(hoarder.env).limits.environments, LIMIT_ENVIRONMENTS, "and_environments");
	tenant_end(&hoarder);
	is((int64_t)free_frames(), (int64_t)before, "accounts_leave_no_frame_behind");
}

/* Two tenants: one seals a capability for himself, the other commands him by it, and wants more for him. */
static struct aegis_cap sealed;
static void seal(void *unused)
{
	(void)unused;
	got[0] = aegis_cap_mint(&sealed, CAP_ENV, RIGHT_WRITE | RIGHT_GRANT, hoarder.env, 1);
}
static void help(void *unused)
{
	struct aegis_limits more = usual;

	(void)unused;
	got[1] = aegis_env_bind(&sealed);
	more.frames = 10000;
	got[2] = aegis_account_resize(hoarder.env, &more);
}

static void test_accomplice(void)
{
	uint32_t limit;

	tenant_run(&hoarder, seal, NULL);
	limit = env_in_table(boot->env).limits.frames;
	tenant_run(&neighbour, help, NULL);
	ok(got[0] == 0 && got[1] == 0, "a_tenant_lets_an_accomplice_command_him");
	is(got[2], -E_DENIED, "who_cannot_resize_his_account_at_its_maker's_cost");
	is(env_in_table(hoarder.env).limits.frames, TENANT_FRAMES, "it_stays_as_it_was");
	is(env_in_table(boot->env).limits.frames, (int64_t)limit - TENANT_FRAMES, "and_so_does_its_maker's");
	tenant_end(&neighbour);
	tenant_end(&hoarder);
}

/* A tenant's account that has an account in it. Who made the outer one gets all of it back. */
static void make_and_stay(void *unused)
{
	make_accounts(unused);
	got[0] = make_sub(10, 1, 1);
	got[1] = aegis_slice_alloc(0, UINT32_MAX, (env_id)got[0], NULL);
}

static void test_nested(void)
{
	uint64_t before = free_frames();

	child_make(&hoarder, make_and_stay, NULL, TENANT_FRAMES);
	aegis_account_resize(hoarder.env, &usual);
	child_finish(&hoarder);
	ok(got[0] > 0 && got[1] > 0, "a_tenant_makes_a_tenant");
	is(tenant_end(&hoarder), 0, "whose_maker's_maker_can_take_all_of_it_back");
	is((int64_t)free_frames(), (int64_t)before, "and_no_frame_stays_with_it");
}

static void test_churn(void)
{
	struct aegis_env_spec spec = spec_of(frame(), pair(), frame());
	struct aegis_limits held = env_in_table(boot->env).held;
	uint64_t before = free_frames(), failures = 0, begun = ticks(), twice = 0;
	env_id last = 0;

	for (uint32_t i = 0; i < CHURN; i++) {
		int64_t env = aegis_env_create(&spec);

		twice += (env_id)env == last;
		last = (env_id)env;
		failures += env <= 0 || destroy((env_id)env) != 0;
	}
	print("# %lu ticks for each of %u\n", (ticks() - begun) / CHURN, CHURN);
	is((int64_t)failures, 0, "a_hundred_thousand_environments_come_and_go");
	is((int64_t)twice, 0, "none_with_the_name_of_the_one_before");
	is((int64_t)free_frames(), (int64_t)before, "and_take_no_frame_with_them");
	is(env_in_table(boot->env).held.frames, held.frames, "nor_does_the_account_think_so");
	is(env_in_table(boot->env).held.environments, held.environments, "or_hold_one_more");
	give(spec.object);
	give_pair(spec.root);
	give(spec.upcall);
}

static void test_crowd(void)
{
	uint64_t before = free_frames(), made = 0, alive = 0, gone = 0;

	for (uint32_t i = 0; i < CROWD; i++) {
		frame_t *f = &crowd_frames[i * 4];
		struct aegis_env_spec spec;

		f[0] = frame(), f[1] = pair(), f[2] = f[1] + 1, f[3] = frame();
		spec = spec_of(f[0], f[1], f[3]);
		crowd[i] = (env_id)aegis_env_create(&spec);
		made += (int32_t)crowd[i] > 0;
	}
	is((int64_t)made, CROWD, "a_thousand_environments_are_made");
	for (uint32_t i = 0; i < CROWD; i++)
		alive += yield(crowd[i]) == 0 && env_in_table(crowd[i]).state == ENV_STOPPED;
	is((int64_t)alive, CROWD, "each_runs_and_as_it_has_no_memory_is_stopped");
	for (uint32_t i = 0; i < CROWD; i++) {
		gone += destroy(crowd[i]) == 0;
		aegis_frame_free(&crowd_frames[i * 4], 4);
	}
	is((int64_t)gone, CROWD, "and_destroyed");
	is((int64_t)free_frames(), (int64_t)before, "and_they_leave_no_frame_behind");
	LOCAL->upcall.pending = 0;
}

void test_main(void)
{
	tables_see();
	victim_start(1);
	test_limits();
	test_accounts();
	test_accomplice();
	test_nested();
	test_churn();
	test_crowd();
	victim_end();
}
