/* Revocation of slices and of what was bound by capability; who may ask and take, and who may not; and tenants who are stopped. */
#include <tests/hostile/hostile.h>

#define HERE SCRATCH
#define LENT 4

static struct child tenant, stranger;
static frame_t lent[LENT], held[8];
static struct aegis_cap cap;
static volatile int64_t got[16];
static struct aegis_demand shown;
static int64_t positions[4];
static volatile bool robbed;
static env_id maker;

static void hold_slices(void *unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 4; i++)
		positions[i] = aegis_slice_alloc(0, UINT32_MAX, 0, NULL);
	tenant_pause();
	shown = LOCAL->upcall.demands[REVOKE_SLICES];
	got[0] = aegis_slice_free(0, (uint32_t)positions[0]);
	got[1] = LOCAL->upcall.demands[REVOKE_SLICES].count;
	tenant_pause();
	look_at_losses();
	got[2] = aegis_slice_free(0, (uint32_t)positions[1]);
}

static void test_slices(void)
{
	uint64_t names[4], deadline = ticks() + info->quantum * 20;
	uint32_t before = env_in_table(boot->env).limits.slices;

	tenant_start(&tenant, hold_slices, NULL, NULL);
	for (uint32_t i = 0; i < 4; i++)
		names[i] = (uint64_t)positions[i];
	told(0);
	ask(tenant.env, REVOKE_SLICES, 2, deadline);
	tenant_wait(&tenant);
	ok(shown.kind == REVOKE_SLICES && shown.count == 2 && shown.deadline == deadline, "slices_are_asked_back");
	ok(got[0] == 0 && got[1] == 1, "one_that_is_given_is_counted_off");
	is(aegis_repossess(tenant.env, REVOKE_SLICES, names + 1, 1), -E_STATE, "before_the_deadline_none_is_taken");
	while (ticks() < deadline)
		;
	is(aegis_repossess(tenant.env, REVOKE_SLICES, names, 1), -E_DENIED, "past_it_not_one_that_is_not_his");
	is(aegis_repossess(tenant.env, REVOKE_SLICES, names + 1, 3), 1, "but_as_many_as_are_owed");
	is(aegis_repossess(tenant.env, REVOKE_SLICES, names + 2, 1), -E_STATE, "and_not_one_more");
	ok(told(EVENT_RETURNED), "who_asked_has_all_that_he_asked_for");
	is(env_in_table(tenant.env).held.slices, 2, "the_tenant_holds_two_less");
	tenant_go_on(&tenant);
	ok(seen & EVENT_REPOSSESSED && losses_count == 1 && losses[0].kind == REVOKE_SLICES && losses[0].first == names[1],
		"he_finds_the_loss_in_his_vector");
	is(got[2], -E_INVALID, "and_cannot_give_back_what_he_has_not");
	is(aegis_slice_alloc(0, (uint32_t)names[1], boot->env, NULL), (int64_t)names[1], "it_is_free_for_another");
	aegis_slice_free(0, (uint32_t)names[1]);
	names[0] = 1ul << 32, names[1] = UINT64_MAX, names[2] = info->slice_positions;
	ask(tenant.env, REVOKE_SLICES, 9, 0);
	for (uint32_t i = 0; i < 3; i++)
		got[i] = aegis_repossess(tenant.env, REVOKE_SLICES, &names[i], 1);
	ok(got[0] == -E_DENIED && got[1] == -E_DENIED && got[2] == -E_DENIED, "what_is_no_slice_is_not_taken");
	tenant_end(&tenant);
	is(env_in_table(boot->env).limits.slices, before, "in_the_end_all_are_its_maker's");
}

/* Slices of an environment of his that he destroys have been given back as well. */
static void destroy_with_slices(void *unused)
{
	struct aegis_env_spec spec = { .rip = (uint64_t)do_spin };
	int64_t env;

	(void)unused;
	tenant_frames(held, 2);
	spec.object = held[0], spec.upcall = held[1], spec.root = tenant_pair();
	env = aegis_env_create(&spec);
	for (uint32_t i = 0; i < 2; i++)
		positions[i] = aegis_slice_alloc(0, UINT32_MAX, (env_id)env, NULL);
	positions[2] = aegis_slice_alloc(0, UINT32_MAX, 0, NULL);
	tenant_pause();
	got[0] = aegis_env_destroy((env_id)env);
	got[1] = LOCAL->upcall.demands[REVOKE_SLICES].count;
}

static void test_slices_of_the_dead(void)
{
	uint64_t name;

	tenant_start(&tenant, destroy_with_slices, NULL, NULL);
	ask(tenant.env, REVOKE_SLICES, 2, 0);
	tenant_wait(&tenant);
	is(got[0], 0, "a_tenant_destroys_an_environment_that_holds_slices");
	is(got[1], 0, "which_is_giving_them_back");
	name = (uint64_t)positions[2];
	is(aegis_repossess(tenant.env, REVOKE_SLICES, &name, 1), -E_STATE, "so_that_nothing_more_is_taken");
	tenant_end(&tenant);
}

/* Four frames of the test's, bound by capability. He unbinds the first when he is asked, and no other. */
static void borrow(void *unused)
{
	(void)unused;
	tenant_tables(HERE);
	for (uint32_t i = 0; i < LENT; i++)
		got[i] = tenant_bind(HERE + i * FRAME_SIZE, lent[i], READ_WRITE, &cap);
	tenant_pause();
	shown = LOCAL->upcall.demands[REVOKE_RANGE];
	bind_once(0, HERE, 0);
	tenant_pause();
	look_at_losses();
	for (uint32_t i = 0; i < LENT; i++)
		got[i] = attempt(do_read, (void *)(HERE + i * FRAME_SIZE)) == PAGE_FAULT;
	got[4] = tenant_bind(HERE, lent[0], BIND_READ, &cap);
}

static int64_t ask_range(env_id env, uint64_t first, uint32_t count)
{
	struct aegis_demand demand = { .kind = REVOKE_RANGE, .first = first, .count = count, .deadline = ticks() };

	return aegis_revoke(env, &demand);
}

static bool lend(void)
{
	for (uint32_t tries = 0; tries < 100; tries++) {
		lent[0] = pair(), lent[1] = lent[0] + 1, lent[2] = lent[0] + 2, lent[3] = lent[0] + 3;
		if (aegis_frame_alloc(lent + 2, 2) == 2)
			break;
		give_pair(lent[0]);
	}
	/* of one epoch, which frames that were given back before are not */
	for (uint32_t round = 0; round < 8; round++)
		for (uint32_t i = 0; i < LENT; i++)
			for (uint32_t more = 1; more < LENT; more++)
				if (frame_in_table(lent[i]).epoch < frame_in_table(lent[(i + more) % LENT]).epoch)
					aegis_frame_break(&lent[i], 1);
	return aegis_cap_mint(&cap, CAP_FRAMES, RIGHT_READ | RIGHT_WRITE, lent[0], LENT) == 0;
}

static void test_ranges(void)
{
	bool right = true;

	ok(lend(), "a_range_is_lent_by_capability");
	tenant_start(&tenant, borrow, NULL, NULL);
	ok(got[0] == 1 && got[3] == 1, "and_bound");
	is(ask_range(tenant.env, lent[0], LENT), 0, "its_owner_asks_it_back");
	tenant_wait(&tenant);
	ok(shown.kind == REVOKE_RANGE && shown.first == lent[0] && shown.count == LENT, "the_tenant_is_shown_which");
	is(aegis_frame_break(lent, LENT), LENT, "what_he_keeps_is_broken");
	tenant_go_on(&tenant);
	ok(seen & EVENT_REPOSSESSED, "he_is_told");
	is((int64_t)losses_count, LENT - 1, "and_finds_in_his_vector_what_he_had_kept");
	for (uint32_t i = 0; i < LENT - 1; i++)
		right &= losses[i].kind == REVOKE_RANGE && losses[i].first == lent[i + 1];
	ok(right, "by_name");
	ok(got[0] && got[1] && got[2] && got[3], "all_of_it_faults");
	is(got[4], -E_DENIED, "and_the_capability_is_none_any_more");
	tenant_end(&tenant);
	is(aegis_frame_free(lent, LENT), LENT, "the_owner_can_free_it");
}

/* A stranger asks for, and takes, what is another's. */
static void rob(void *unused)
{
	uint64_t name = held[0], position = (uint64_t)positions[0];

	(void)unused;
	got[0] = ask(tenant.env, REVOKE_FRAMES, 1, 0);
	got[1] = ask(tenant.env, REVOKE_SLICES, 1, 0);
	got[2] = aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1);
	got[3] = aegis_repossess(tenant.env, REVOKE_SLICES, &position, 1);
	got[4] = ask(maker, REVOKE_FRAMES, 1, 0);
	got[5] = ask_range(tenant.env, held[0], 1);            /* the tenant's own */
	got[6] = ask_range(tenant.env, UINT64_MAX - 1, 8);     /* what wraps around is not empty */
	got[7] = ask_range(tenant.env, 0, 0);                  /* withdraws another's */
	got[8] = ask_range(maker, UINT32_MAX, UINT32_MAX);
	got[9] = ask(0, REVOKE_FRAMES, 1, 0);
	got[10] = aegis_env_bind(&cap);                        /* the tenant is his accomplice, or careless */
	got[11] = ask(tenant.env, REVOKE_FRAMES, 0, 0);
	got[12] = aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1);
}

static void be_robbed(void *unused)
{
	(void)unused;
	tenant_frames(held, 8);
	positions[0] = aegis_slice_alloc(0, UINT32_MAX, 0, NULL);
	aegis_cap_mint(&cap, CAP_ENV, RIGHT_WRITE, tenant.env, 1);
	do
		tenant_pause(); /* demands wake him, and he has a slice */
	while (!robbed);
	shown = LOCAL->upcall.demands[REVOKE_RANGE];
	got[0] = LOCAL->upcall.demands[REVOKE_FRAMES].count;
	got[1] = aegis_frame_free(held, 8);
}

static void test_strangers(void)
{
	static const char *const names[] = { "a_stranger_asks_for_no_frames", "nor_slices", "nor_takes_the_ones_that_are_owed",
		"nor_the_others", "nor_asks_who_made_him",
		"nor_for_a_range_that_is_not_his", "nor_for_one_that_overflows", "nor_withdraws_another's_demand", "nor_makes_one_of_nothing",
		"nor_asks_himself" };
	uint64_t name;

	lend();
	tenant_start(&tenant, be_robbed, NULL, NULL);
	ask(tenant.env, REVOKE_FRAMES, 2, 0);
	ask_range(tenant.env, lent[0], 1);
	tenant_run(&stranger, rob, NULL);
	for (uint32_t i = 0; i < OF(names); i++)
		is(got[i], -E_DENIED, names[i]);
	is(got[10], 0, "a_capability_for_an_environment_commands_it");
	is(got[11], -E_DENIED, "but_withdraws_nothing_that_its_account_owes");
	is(got[12], -E_DENIED, "and_takes_nothing");
	tenant_end(&stranger);
	robbed = true;
	tenant_go_on(&tenant);
	ok(shown.first == lent[0] && shown.count == 1, "the_demand_is_still_shown");
	is(got[0], 2, "the_other_too");
	is(got[1], 8, "and_nothing_is_lost");
	name = held[0];
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1), -E_STATE, "now_nothing_is_owed");
	tenant_end(&tenant);
	aegis_frame_free(lent, LENT);
}

/* A tenant who is stopped with all that he has. */
static void stop_with_it(void *unused)
{
	hold_slices(unused);
	tenant_tables(HERE);
	tenant_frames(held, 8);
	LOCAL->upcall.disabled = 1;
	do_ud2(NULL);
}

static void test_stopped(void)
{
	uint64_t names[8];
	uint32_t before = env_in_table(boot->env).limits.frames;
	int64_t result;

	tenant_start(&tenant, stop_with_it, NULL, NULL);
	tenant_go_on(&tenant);
	tenant_go_on(&tenant);
	is(env_in_table(tenant.env).state, ENV_STOPPED, "a_tenant_is_stopped");
	for (uint32_t i = 0; i < 8; i++)
		names[i] = held[i];
	while ((result = aegis_env_destroy(tenant.env)) == -E_AGAIN)
		;
	is(result, -E_BUSY, "and_not_destroyed_with_what_he_holds");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, names, 8), 8, "nobody_is_asked_any_more_before_it_is_taken");
	is(env_in_table(tenant.env).held.slices, 0, "his_slices_went_with_him");
	is(aegis_notify(tenant.env, EVENT_NOTIFY(0)), -E_NOENV, "he_hears_of_nothing");
	is(tenant_end(&tenant), 0, "then_he_can_be_destroyed");
	is(env_in_table(boot->env).limits.frames, before, "and_his_maker_has_all_again");
	told(0);
}

void test_main(void)
{
	uint64_t before;

	maker = boot->env;
	tables_see();
	before = free_frames();
	victim_start(1);
	test_slices();
	test_slices_of_the_dead();
	test_ranges();
	test_strangers();
	test_stopped();
	victim_end();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
