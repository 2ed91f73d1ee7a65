/* Visible revocation and the abort protocol: what is asked back is shown and counted, what is not given can be taken, exactly that,
	by whom it is owed to;
 * the loser is told, and goes on. */
#include <tests/hostile/hostile.h>

#define HERE SCRATCH
#define HELD 24
#define PLACES 10000
#define SPAN(level) (FRAME_SIZE << 9 * (level))
#define GENEROUS 500 /* frames for a tenant that binds one at PLACES places */

static struct child tenant;
static frame_t held[HELD]; /* the tenant's */
static volatile int64_t got[16];
static struct aegis_demand shown;

static void give_back(void *unused)
{
	(void)unused;
	tenant_frames(held, HELD);
	tenant_pause();
	got[0] = seen & EVENT_REVOKE;
	shown = LOCAL->upcall.demands[REVOKE_FRAMES];
	got[1] = aegis_frame_free(held, 2);
	got[2] = LOCAL->upcall.demands[REVOKE_FRAMES].count;
	tenant_pause();
	got[3] = aegis_frame_free(held + 2, 4);
	got[4] = LOCAL->upcall.demands[REVOKE_FRAMES].count;
}

static void test_giving(void)
{
	uint64_t name, deadline = ticks() + info->tsc_hz * 1000;

	tenant_start(&tenant, give_back, NULL, NULL);
	name = held[20];
	told(0);
	is(ask(tenant.env, REVOKE_FRAMES, 5, deadline), 0, "who_made_an_account_asks_frames_back");
	tenant_wait(&tenant);
	ok(got[0], "the_tenant_is_told");
	ok(shown.kind == REVOKE_FRAMES && shown.count == 5 && shown.deadline == deadline, "and_shown_what");
	ok(got[1] == 2 && got[2] == 3, "what_he_gives_is_counted_off");
	ok(!told(EVENT_RETURNED), "who_asked_is_not_told_before_all_has_come");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1), -E_STATE, "before_the_deadline_nothing_is_taken");
	tenant_go_on(&tenant);
	ok(got[3] == 4 && got[4] == 0, "when_he_gives_more_nothing_is_owed");
	ok(told(EVENT_RETURNED), "who_asked_is_told_then");
	ask(tenant.env, REVOKE_FRAMES, 1, 0);
	ask(tenant.env, REVOKE_FRAMES, 0, 0);
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1), -E_STATE, "nothing_is_taken_when_the_demand_was_withdrawn");
	is(ask(tenant.env, REVOKE_KINDS, 1, 0), -E_INVALID, "what_is_no_kind_is_not_asked_for");
	is(ask(NOBODY, REVOKE_FRAMES, 1, 0), -E_NOENV, "nor_anything_of_nobody");
	tenant_end(&tenant);
}

/* Each frame is bound, and has its number written in it. */
static void lose(void *unused)
{
	(void)unused;
	tenant_tables(HERE);
	tenant_frames(held, HELD);
	for (uint32_t i = 0; i < HELD; i++) {
		tenant_bind(HERE + i * FRAME_SIZE, held[i], READ_WRITE, NULL);
		*(volatile uint64_t *)(HERE + i * FRAME_SIZE) = i;
	}
	tenant_pause();
	got[0] = ask(0, REVOKE_FRAMES, 0, 0); /* he withdraws it himself */
	got[1] = ask(tenant.env, REVOKE_FRAMES, 1, UINT64_MAX);
	tenant_pause();
	look_at_losses();
	got[2] = got[3] = 0;
	for (uint32_t i = 0; i < HELD; i++) {
		uint64_t result = attempt(do_read, (void *)(HERE + i * FRAME_SIZE));

		got[2] += i < 4 ? result == PAGE_FAULT && LOCAL->last.address == HERE + i * FRAME_SIZE : 0;
		got[3] += i >= 4 ? result == RETURNED && *(volatile uint64_t *)(HERE + i * FRAME_SIZE) == i : 0;
	}
	got[4] = aegis_frame_free(&held[0], 1);
	got[5] = tenant_bind(HERE, held[0], BIND_READ, NULL);
}

static void test_force(void)
{
	uint64_t names[HELD], deadline;
	uint32_t before;
	bool right = true;

	tenant_start(&tenant, lose, NULL, NULL);
	for (uint32_t i = 0; i < HELD; i++)
		names[i] = held[i];
	before = env_in_table(tenant.env).held.frames;
	deadline = ticks() + info->quantum;
	ask(tenant.env, REVOKE_FRAMES, 4, deadline);
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, names, 1), -E_STATE, "before_the_deadline_not_one_is_taken");
	tenant_go_on(&tenant);
	ok(seen & EVENT_REVOKE, "the_tenant_knows");
	ok(got[0] == -E_DENIED && got[1] == -E_DENIED, "and_cannot_withdraw_it_or_put_it_off");
	while (ticks() < deadline)
		;
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, names, 6), 4, "past_it_as_many_are_taken_as_are_owed");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, names + 4, 1), -E_STATE, "and_not_one_more");
	ok(frame_in_table(held[0]).state == FRAME_FREE && frame_in_table(held[3]).state == FRAME_FREE && frame_in_table(held[4]).owner == tenant.env,
		"they_are_free_then_and_the_next_one_is_not");
	is(env_in_table(tenant.env).held.frames, (int64_t)before - 4, "the_account_holds_so_many_less");
	tenant_go_on(&tenant);
	ok(seen & EVENT_REPOSSESSED, "the_loser_is_told");
	is((int64_t)losses_count, 4, "and_finds_each_loss_in_his_vector");
	for (uint32_t i = 0; i < 4; i++)
		right &= losses[i].kind == REVOKE_FRAMES && losses[i].first == names[i] && losses[i].count == 1;
	ok(right, "by_name");
	is(got[2], 4, "touching_what_was_taken_faults");
	is(got[3], HELD - 4, "the_rest_is_as_it_was");
	ok(got[4] == -E_DENIED && got[5] == -E_DENIED, "what_was_taken_is_not_his");
	ok(child_finish(&tenant), "he_goes_on");
	tenant_end(&tenant);
}

/* More losses than the vector has room for. */
static void lose_often(void *unused)
{
	(void)unused;
	for (;;) {
		tenant_frames(held, HELD);
		tenant_pause();
		look_at_losses();
	}
}

static void test_overrun(void)
{
	uint64_t names[HELD], bad[4];
	bool right = true;

	tenant_start(&tenant, lose_often, NULL, NULL);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < HELD; i++)
			names[i] = held[i];
		ask(tenant.env, REVOKE_FRAMES, HELD, 0);
		got[round] = aegis_repossess(tenant.env, REVOKE_FRAMES, names, HELD);
		tenant_go_on(&tenant);
	}
	ok(got[0] == HELD && got[1] == HELD && got[2] == HELD, "all_is_taken_three_times");
	is((int64_t)losses_count, 3 * HELD, "losses_are_numbered_on");
	for (uint32_t i = 0; i < HELD; i++)
		right &= losses[(2 * HELD + i) % REPOSSESSED_ENTRIES].first == names[i];
	ok(right, "and_the_last_ones_are_in_the_ring");
	ask(tenant.env, REVOKE_FRAMES, HELD, 0);
	bad[0] = info->frames, bad[1] = UINT64_MAX, bad[2] = tenant.frames[0], bad[3] = (1ul << 32) + held[1];
	for (uint32_t i = 0; i < 4; i++)
		got[i] = aegis_repossess(tenant.env, REVOKE_FRAMES, &bad[i], 1);
	ok(got[0] == -E_DENIED && got[1] == -E_DENIED && got[2] == -E_DENIED && got[3] == -E_DENIED, "what_is_none_or_not_his_is_not_taken_in_his_name");
	is(aegis_repossess(tenant.env, REVOKE_RANGE, names, 1), -E_INVALID, "a_range_is_not_taken_by_name");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, names, AEGIS_BATCH_MAX + 1), -E_INVALID, "nor_more_than_a_batch");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, (void *)AEGIS_USER_TOP, 1), -E_FAULT, "nor_by_a_list_of_the_kernel's");
	tenant_end(&tenant);
}

/* His page tables: HERE, and a page in each of two leaf tables. What an environment of his stands on. */
static frame_t tables[4]; /* leaf, its neighbour leaf's, the table above, a sub-environment's root */
static void stand(void *unused)
{
	struct aegis_env_spec spec = { .rip = (uint64_t)do_spin };

	(void)unused;
	tenant_tables(HERE);
	tenant_tables(HERE + SPAN(1));
	tenant_frames(held, 4);
	tenant_bind(HERE, held[0], READ_WRITE, NULL);
	tenant_bind(HERE + SPAN(1), held[1], READ_WRITE, NULL);
	spec.root = tenant_pair();
	spec.object = held[2], spec.upcall = held[3];
	tables[3] = spec.root;
	got[0] = aegis_env_create(&spec);
	tenant_pause();
	got[1] = (int64_t)attempt(do_read, (void *)HERE);
	got[2] = (int64_t)attempt(do_read, (void *)(HERE + SPAN(1)));
	got[3] = tenant_bind(HERE, held[0], BIND_READ, NULL);
	tenant_pause();
	got[4] = (int64_t)attempt(do_read, (void *)(HERE + SPAN(1)));
	tenant_tables(HERE);
	got[5] = tenant_bind(HERE, held[0], BIND_READ, NULL);
	got[6] = (int64_t)attempt(do_read, (void *)HERE);
}

/* Frames of an account in this state, from the exposed table. */
static uint32_t tables_of(env_id owner, uint32_t state, uint64_t *names, uint32_t most)
{
	uint32_t n = 0;

	for (frame_t f = 0; f < info->frames && n < most; f++)
		if (frames_seen[f].owner == owner && frames_seen[f].state == state)
			names[n++] = f;
	return n;
}

static void test_tables(void)
{
	uint64_t leaves[2], above[1], top[1], stands_on[3];
	bool refused = true;

	tenant_start(&tenant, stand, NULL, NULL);
	stands_on[0] = held[2], stands_on[1] = held[3], stands_on[2] = tables[3];
	ok(tables_of(tenant.env, FRAME_TABLE1, leaves, 2) == 2 && tables_of(tenant.env, FRAME_TABLE2, above, 1) == 1 &&
		   tables_of(tenant.env, FRAME_TABLE3, top, 1) == 1, "a_tenant_has_page_tables_of_his_own");
	ask(tenant.env, REVOKE_FRAMES, 100, 0);
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, top, 1), -E_BUSY, "a_table_of_tables_is_not_taken");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, above, 1), -E_BUSY, "before_the_leaves_in_it");
	for (uint32_t i = 0; i < 3; i++)
		refused &= aegis_repossess(tenant.env, REVOKE_FRAMES, &stands_on[i], 1) == -E_DENIED;
	ok(refused && got[0] > 0, "nor_what_an_environment_stands_on");
	is(aegis_repossess(tenant.env, REVOKE_FRAMES, frame_in_table(held[0]).first / 512 == leaves[0] ? &leaves[0] : &leaves[1], 1), 1,
		"a_leaf_is_taken");
	tenant_go_on(&tenant);
	is(got[1], PAGE_FAULT, "what_was_bound_in_it_faults");
	is(got[2], (int64_t)RETURNED, "what_was_bound_in_another_does_not");
	is(got[3], -E_NOTABLE, "its_owner_finds_no_table_there");
	tables_of(tenant.env, FRAME_TABLE1, leaves, 1);
	ok(aegis_repossess(tenant.env, REVOKE_FRAMES, leaves, 1) == 1 && aegis_repossess(tenant.env, REVOKE_FRAMES, above, 1) == 1 &&
		   aegis_repossess(tenant.env, REVOKE_FRAMES, top, 1) == 1, "then_all_the_others_are");
	tenant_go_on(&tenant);
	is(got[4], PAGE_FAULT, "and_nothing_is_bound");
	ok(got[5] == 1 && got[6] == (int64_t)RETURNED, "he_makes_new_ones_and_goes_on");
	tenant_end(&tenant);
}

/* A frame at PLACES places, in page tables of the tenant's: he takes what he was given for it, and binds. */
static void spread(void *unused)
{
	struct aegis_binding list[AEGIS_BATCH_MAX];
	uint64_t bound = 0;

	(void)unused;
	tenant_frames(held, 1);
	while (bound < PLACES) {
		uint64_t n = PLACES - bound < AEGIS_BATCH_MAX ? PLACES - bound : AEGIS_BATCH_MAX;
		int64_t done;

		for (uint64_t i = 0; i < n; i++)
			list[i] = (struct aegis_binding){ HERE + (bound + i) * FRAME_SIZE, BIND_ENTRY(held[0], BIND_READ) };
		done = aegis_bind(0, list, n, NULL);
		if (done == -E_NOTABLE)
			tenant_tables(HERE + bound * FRAME_SIZE);
		else if (done > 0)
			bound += (uint64_t)done;
		else
			break;
	}
	got[0] = (int64_t)bound;
	tenant_pause();
	got[1] = (int64_t)attempt(do_read, (void *)HERE) == PAGE_FAULT && attempt(do_read, (void *)(HERE + (PLACES - 1) * FRAME_SIZE)) == PAGE_FAULT;
}

/* Calls until it is done; the longest of them in *most. */
static uint64_t in_steps(int64_t (*step)(uint64_t), uint64_t name, uint64_t *most)
{
	uint64_t steps = 0;
	int64_t result;

	*most = 0;
	do {
		uint64_t begun = ticks(), took;

		result = step(name);
		took = ticks() - begun;
		*most = took > *most ? took : *most;
		steps++;
	} while (result == -E_AGAIN);
	return result == 1 ? steps : 0;
}
static int64_t step_repossess(uint64_t name) { return aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1); }
static int64_t step_break(uint64_t name)
{
	frame_t f = (frame_t)name;

	return aegis_frame_break(&f, 1);
}

/* In a tenant's hands, by force; and the same by its owner. */
static volatile uint64_t broken_steps, broken_most;
static void spread_and_break(void *unused)
{
	uint64_t most;

	spread(unused);
	broken_steps = in_steps(step_break, held[0], &most);
	broken_most = most;
	got[2] = aegis_frame_free(held, 1);
}

static void test_bounded(void)
{
	struct aegis_limits limits = { .frames = GENEROUS, .slices = 1, .environments = 1 };
	uint64_t steps, most;

	tenant_start(&tenant, spread, NULL, &limits);
	is(got[0], PLACES, "a_frame_can_be_bound_at_ten_thousand_places");
	is(frame_in_table(held[0]).bindings, PLACES, "which_are_counted");
	ask(tenant.env, REVOKE_FRAMES, 1, 0);
	steps = in_steps(step_repossess, held[0], &most);
	print("# taken in %lu steps of at most %lu ticks\n", steps, most);
	ok(steps > 1, "it_is_taken_in_steps");
	ok(most < info->quantum, "none_of_which_is_longer_than_a_slice");
	is(frame_in_table(held[0]).bindings, 0, "and_bound_nowhere_then");
	tenant_go_on(&tenant);
	is(got[1], 1, "its_owner_faults_at_the_first_place_and_at_the_last");
	tenant_end(&tenant);
	tenant_start(&tenant, spread_and_break, NULL, &limits);
	tenant_go_on(&tenant);
	print("# broken in %lu steps of at most %lu ticks\n", broken_steps, broken_most);
	ok(broken_steps > 1 && broken_most < info->quantum, "its_owner_breaks_it_in_steps_as_well");
	is(got[2], 1, "and_can_free_it");
	tenant_end(&tenant);
}

void test_main(void)
{
	uint64_t before;

	tables_see();
	before = free_frames();
	victim_start(1);
	test_giving();
	test_force();
	test_overrun();
	test_tables();
	test_bounded();
	victim_end();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
