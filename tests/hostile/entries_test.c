/* A tenant's own entries, stacks, flags and upcall page, all of them lies. What he breaks is his. */
#include <tests/hostile/hostile.h>

void do_ud2_on(void *), do_spin_on(void *), do_iretq(void *), do_flags(void *), do_gs_base(void *), do_segment(void *),
	do_foreign(void *), do_last(void *);
int64_t call_on(uint64_t stack, uint32_t call, uint64_t a, uint64_t b);
extern char last_instruction[];

#define INVALID_OPCODE 6
#define STACK_FAULT 12
#define NOT_CANONICAL UINT64_MAX /* a stack fault, or in an emulator a protection fault */
#define PROTECTION_FAULT 13
#define DEBUG_TRAP 1
#define LIARS 60
#define ELSEWHERE ((uint64_t)LOCAL + 16 * FRAME_SIZE)

static struct child liar;
static volatile int64_t got[24];
static env_id maker;
static const uint64_t outside[] = { AEGIS_USER_TOP, AEGIS_USER_TOP + 8, 0x800000000000, 0xffff800000000000, 0xffffffff80100000, UINT64_MAX };

static struct aegis_entries usual(void)
{
	return (struct aegis_entries){ .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry };
}

/* Every entry at every address outside of what is a user's. */
static void name_kernel_entries(void *unused)
{
	(void)unused;
	got[0] = 0;
	for (uint32_t field = 0; field < sizeof(struct aegis_entries) / 8; field++)
		for (uint32_t i = 0; i < OF(outside); i++) {
			struct aegis_entries entries = usual();

			((uint64_t *)&entries)[field] = outside[i];
			got[0] += aegis_env_entries(&entries) == -E_INVALID;
		}
	got[1] = aegis_env_entries((void *)(AEGIS_USER_TOP - 8));
	got[2] = (int64_t)attempt(do_ud2, NULL); /* the old ones still hold */
}

static void test_refused_entries(void)
{
	struct aegis_env_spec spec = { .object = frame(), .root = pair(), .upcall = frame(), .rip = (uint64_t)do_spin };
	uint64_t refused = 0;

	tenant_run(&liar, name_kernel_entries, NULL);
	is(got[0], 5 * OF(outside), "no_entry_is_the_kernel's");
	is(got[1], -E_FAULT, "nor_read_from_there");
	is(got[2], INVALID_OPCODE, "what_was_refused_changes_nothing");
	tenant_end(&liar);
	for (uint32_t i = 0; i < OF(outside); i++) {
		for (uint32_t field = 0; field < 5; field++) {
			struct aegis_env_spec bad = spec;

			((uint64_t *)&bad.entries)[field] = outside[i];
			refused += aegis_env_create(&bad) == -E_INVALID;
		}
		spec.rip = outside[i];
		refused += aegis_env_create(&spec) == -E_INVALID;
		spec.rip = (uint64_t)do_spin;
	}
	is((int64_t)refused, 6 * OF(outside), "no_environment_is_made_that_begins_there");
	give(spec.object);
	give_pair(spec.root);
	give(spec.upcall);
}

/* Entries within a user's addresses at which he has nothing that runs. */
static void use_entries(void *entry)
{
	struct aegis_entries entries = { .exception = (uint64_t)entry, .event = (uint64_t)entry };

	aegis_env_entries(&entries);
	do_ud2(NULL);
}
static void use_event_entry(void *entry)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)entry };

	aegis_env_entries(&entries);
	do_spin(NULL);
}
static void use_foreign_entry(void *entry)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .foreign = (uint64_t)entry };

	aegis_env_entries(&entries);
	got[0] = (int64_t)attempt(do_foreign, (void *)0);
	got[1] = (int64_t)LOCAL->last.address;
}

/* Makes it, gives it a slice, and waits until it is stopped. */
static bool is_stopped(void (*run)(void *), void *argument, uint64_t cause)
{
	struct aegis_env_info entry;
	bool told;

	LOCAL->upcall.pending = LOCAL->events = 0;
	child_make(&liar, run, argument, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, liar.env, NULL);
	while (!((LOCAL->events | LOCAL->upcall.pending) & EVENT_PEER) && !liar.done)
		if (sleep_until(EVENT_PEER, ticks() + info->quantum * 200) == 0)
			break;
	told = (LOCAL->events | LOCAL->upcall.pending) & EVENT_PEER;
	entry = env_in_table(liar.env);
	if (cause == NOT_CANONICAL && (entry.stop_cause == STACK_FAULT || entry.stop_cause == PROTECTION_FAULT))
		cause = entry.stop_cause;
	if (entry.state != ENV_STOPPED || entry.stop_cause != cause)
		print("# state %u, cause %lu\n", entry.state, entry.stop_cause);
	return tenant_end(&liar) == 0 && told && entry.state == ENV_STOPPED && entry.stop_cause == cause;
}

static void test_useless_entries(void)
{
	ok(is_stopped(use_entries, (void *)SCRATCH, PAGE_FAULT), "a_handler_that_is_not_bound_stops_its_owner_and_his_keeper_is_told");
	ok(is_stopped(use_entries, NULL, PAGE_FAULT), "so_does_none");
	ok(is_stopped(use_entries, (void *)LOCAL, PAGE_FAULT), "and_one_that_is_data");
	ok(is_stopped(use_entries, (void *)(AEGIS_USER_TOP - 1), PAGE_FAULT), "and_one_at_the_last_address");
	ok(is_stopped(use_entries, (void *)do_ud2, INVALID_OPCODE), "two_faults_are_one_too_many");
	ok(is_stopped(use_event_entry, (void *)SCRATCH, PAGE_FAULT), "an_event_entry_that_is_not_bound_stops_its_owner");
	tenant_run(&liar, use_foreign_entry, (void *)(SCRATCH + 5));
	ok(got[0] == PAGE_FAULT && got[1] == SCRATCH + 5, "a_foreign_entry_that_is_not_bound_is_a_fault_as_any_other");
	tenant_end(&liar);
}

static const uint64_t stacks[] = { 0, 8, SCRATCH, AEGIS_USER_TOP, 0x7ffffffffff8, 0x800000000000, 0x8000000000000000,
	0xffff800000000100, 0xffffffff80100000,
	UINT64_MAX };

static void stand_on_nothing(void *unused)
{
	(void)unused;
	got[0] = got[1] = got[2] = 0;
	for (uint32_t i = 0; i < OF(stacks); i++) {
		got[0] += attempt(do_ud2_on, (void *)stacks[i]) == INVALID_OPCODE;
		got[1] += call_on(stacks[i], CALL_null, 0, 0) == 0 && call_on(stacks[i], CALL_frame_alloc, 0, 1) == -E_FAULT &&
			  call_on(stacks[i], CALL_transfer, NOBODY, 0) == -E_NOENV && call_on(stacks[i], CALL_transfer_back, 0, 0) == -E_STATE;
		got[2] += call_on(stacks[i], CALL_yield, 0, 0) == 0;
	}
}

static void test_stacks(void)
{
	child_make(&liar, stand_on_nothing, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, liar.env, NULL);
	ok(child_finish(&liar), "a_stack_pointer_anywhere");
	is(got[0], OF(stacks), "is_none_of_an_exception's_business");
	is(got[1], OF(stacks), "nor_of_a_call's");
	is(got[2], OF(stacks), "nor_of_one_that_gives_the_cpu_away");
	tenant_end(&liar);
	ok(is_stopped(do_spin_on, (void *)SCRATCH, PAGE_FAULT), "an_upcall_that_uses_it_is_its_owner's_end");
	ok(is_stopped(do_spin_on, (void *)0xffffffff80100000, PAGE_FAULT), "at_the_kernel_too");
	ok(is_stopped(do_spin_on, (void *)0x8000000000000000, NOT_CANONICAL), "and_nowhere");
}

/* Flags and segments that must not reach the kernel, and ways into it that are none. */
static void pretend(void *unused)
{
	uint64_t flags[] = { 0x202 | 0x400, 0x202 | 0x4000, 0x202 | 0x40000, 0x202 | 0x3000, 0x202 | 0x44400, 0x202 | 0x10000 },
		 bases[] = { 0xffff800000000000, 0xffffffff80100000, UINT64_MAX - 0xfff, 0 };
	uint64_t frames[][5] = {
		{ (uint64_t)do_spin, 0x08, 0x202, SCRATCH, 0x10 }, { (uint64_t)do_spin, 0, 0x202, SCRATCH, 0 }, { 0x8000000000000000, 0, 0x202, SCRATCH, 0 },
		{ (uint64_t)do_spin, 0x7fb, 0x202, SCRATCH, 0x10 }, { 0xffffffff80100000, 0x08, 0x202, 0xffff800000001000, 0 },
	};

	(void)unused;
	got[0] = got[1] = got[2] = got[3] = 0;
	for (uint32_t i = 0; i < OF(flags); i++)
		got[0] += attempt(do_flags, (void *)flags[i]) == INVALID_OPCODE;
	got[1] = (int64_t)attempt(do_flags, (void *)(0x202 | 0x100));
	for (uint32_t i = 0; i < OF(bases); i++)
		got[2] += attempt(do_gs_base, (void *)bases[i]) == INVALID_OPCODE;
	for (uint32_t i = 0; i < OF(frames); i++)
		got[3] += attempt(do_iretq, frames[i]) == PROTECTION_FAULT;
	got[4] = (int64_t)attempt(do_segment, (void *)0x08);
	got[5] = (int64_t)attempt(do_segment, (void *)0x7f3);
	got[6] = (int64_t)attempt(do_foreign, (void *)(int64_t)AEGIS_CALL(CALL_COUNT)); /* the first number that is none; the foreign entry is 0 */
}

/* A call in the last two bytes that a user can have: the address that it returns to is canonical, and not bound. */
static void call_at_the_end(void *unused)
{
	uint64_t page = AEGIS_USER_TOP - FRAME_SIZE;
	frame_t f;

	(void)unused;
	tenant_tables(page);
	tenant_frames(&f, 1);
	tenant_bind(page, f, READ_WRITE, NULL);
	for (uint32_t i = 0; i < 2; i++)
		((volatile char *)page)[FRAME_SIZE - 2 + i] = last_instruction[i];
	tenant_bind(page, f, BIND_READ | BIND_EXEC, NULL);
	got[0] = (int64_t)attempt(do_last, (void *)(page + FRAME_SIZE - 2));
	got[1] = (int64_t)LOCAL->last.address;
	got[2] = tenant_bind(AEGIS_USER_TOP, f, BIND_READ, NULL);
}

static void test_registers(void)
{
	child_make(&liar, pretend, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, liar.env, NULL);
	ok(child_finish(&liar), "flags_and_segments_are_their_owner's");
	is(got[0], 6, "direction_alignment_nesting_and_privilege_flags_do_not_reach_the_kernel");
	is(got[1], DEBUG_TRAP, "a_single_step_is_the_stepper's");
	is(got[2], 4, "a_segment_base_in_the_kernel_does_not_mislead_it");
	is(got[3], 5, "nobody_returns_to_a_privilege_that_he_has_not");
	ok(got[4] == PROTECTION_FAULT && got[5] == PROTECTION_FAULT, "nor_loads_a_segment_that_is_not_his");
	is(got[6], PAGE_FAULT, "the_number_behind_the_last_call's_is_none_of_the_kernel's");
	tenant_end(&liar);
	ok(tenant_run(&liar, call_at_the_end, NULL), "a_call_can_be_the_last_of_a_user's_instructions");
	ok(got[0] == PAGE_FAULT && got[1] == (int64_t)AEGIS_USER_TOP, "and_returns_to_a_fault_of_his");
	is(got[2], -E_INVALID, "behind_it_nothing_is_bound");
	tenant_end(&liar);
}

/* Fills the upcall page with what comes, so that nothing in it is true, and then does something that the kernel writes it for. */
static void lie(void *seed)
{
	volatile uint64_t *page = (volatile uint64_t *)&LOCAL->upcall;
	uint64_t state = (uint64_t)seed, action = random_next(&state) % 6;

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < sizeof(struct aegis_upcall) / 8; i++)
			page[i] = random_next(&state);
		for (uint32_t i = REPOSSESSED_OFFSET / 8; i < FRAME_SIZE / 8; i++)
			page[i] = random_next(&state);
		if (random_next(&state) % 4)
			LOCAL->upcall.disabled = 0; /* else he is stopped by the first exception */
		switch ((action + round) % 6) {
		case 0:
			attempt(do_ud2, NULL);
			break;
		case 1:
			attempt(do_write, (void *)SCRATCH);
			break;
		case 2:
			yield(0);
			break;
		case 3:
			sleep_until(random_next(&state), ticks() + 1000);
			break;
		case 4:
			aegis_notify(0, EVENT_NOTIFY(round % 16));
			yield(maker);
			break;
		default:
			for (uint64_t until = ticks() + 3000000; ticks() < until;)
				; /* told of the end of a slice, or not */
		}
	}
}

static void test_lies(void)
{
	uint64_t ended = 0, stopped = 0, gone = 0, rounds = victim_rounds;
	struct aegis_demand demand = { .kind = REVOKE_FRAMES, .count = 1 };

	for (uint64_t seed = 1; seed <= LIARS; seed++) {
		child_make(&liar, lie, (void *)seed, TENANT_FRAMES);
		aegis_slice_alloc(0, UINT32_MAX, liar.env, NULL);
		for (uint32_t i = 0; i < 100 && !liar.done && env_in_table(liar.env).state == ENV_LIVE; i++) {
			sleep_until(0, ticks() + info->quantum * 2);
			demand.deadline = ticks();
			aegis_revoke(liar.env, &demand); /* written into the page as well */
		}
		ended += liar.done;
		stopped += env_in_table(liar.env).state == ENV_STOPPED;
		gone += tenant_end(&liar) == 0;
	}
	print("# of %u liars %lu came to their end, %lu were stopped\n", LIARS, ended, stopped);
	ok(ended > 0 && stopped > 0, "some_get_away_with_a_lie_and_some_are_stopped");
	is((int64_t)gone, LIARS, "all_can_be_destroyed");
	ok(victim_rounds > rounds, "and_the_victim_does_not_notice");
	is((int64_t)victim_wrong, 0, "or_miscalculate");
	LOCAL->upcall.pending = 0;
}

/* Its own upcall page, and what it stands on, in the hands of an environment's account. */
static void test_donated(void)
{
	struct aegis_env_spec spec = { .object = frame(), .root = pair(), .upcall = frame(), .rip = (uint64_t)do_ud2,
		.entries = { .exception = (uint64_t)upcall_entry } };
	frame_t stands_on[] = { spec.object, spec.root, spec.root + 1, spec.upcall };
	struct aegis_cap cap;
	uint64_t freed = 0, bound = 0, sealed = 0, again = 0, tables = 0;
	int64_t env = aegis_env_create(&spec);

	for (uint32_t i = 0; i < 4; i++) {
		struct aegis_env_spec second = { .object = frame(), .root = pair(), .upcall = frame(), .rip = (uint64_t)do_ud2 }, one = second;

		freed += aegis_frame_free(&stands_on[i], 1) == -E_DENIED && aegis_frame_break(&stands_on[i], 1) == -E_DENIED;
		bound += bind(0, SCRATCH, BIND_ENTRY(stands_on[i], READ_WRITE)) == (i == 3 ? 1 : -E_DENIED);
		tables += bind_once(0, SCRATCH + (FRAME_SIZE << 18), BIND_ENTRY(stands_on[i], BIND_READ | BIND_LEVEL(2))) < 0;
		sealed += aegis_cap_mint(&cap, CAP_FRAMES, RIGHT_READ, stands_on[i], 1) == -E_DENIED;
		bind_once(0, SCRATCH, 0);
		one.object = stands_on[i];
		again += aegis_env_create(&one) < 0;
		one = second, one.root = stands_on[i];
		again += aegis_env_create(&one) < 0;
		one = second, one.upcall = stands_on[i];
		again += aegis_env_create(&one) < 0;
		give(second.object), give_pair(second.root), give(second.upcall);
	}
	ok(env > 0, "an_environment_stands_on_frames_of_its_maker's");
	is((int64_t)freed, 4, "which_he_cannot_free_or_break");
	is((int64_t)bound, 4, "nor_write_but_for_the_upcall_page");
	is((int64_t)tables, 4, "nor_make_tables_of");
	is((int64_t)sealed, 4, "nor_seal_for_others");
	is((int64_t)again, 12, "nor_give_to_another_environment");
	spec.object = spec.upcall = frame();
	is(aegis_env_create(&spec), -E_INVALID, "nor_one_for_two_purposes");
	give(spec.object);
	aegis_env_destroy((env_id)env);
	is(aegis_frame_free(stands_on, 4), 4, "until_it_is_destroyed");
}

/* The page bound elsewhere, and nowhere, by the test, while its owner goes on. */
static void use_page_elsewhere(void *unused)
{
	(void)unused;
	sleep_until(EVENT_NOTIFY(0), 0); /* bound elsewhere, and no more where it was */
	((struct aegis_upcall *)ELSEWHERE)->pending = 0;
	do_ud2(NULL); /* the entry looks where there is nothing, and faults again */
}

static void test_rebound(void)
{
	frame_t f;

	child_make(&liar, use_page_elsewhere, NULL, TENANT_FRAMES);
	yield(liar.env);
	f = liar.frames[2];
	bind(0, SCRATCH, BIND_ENTRY(f, READ_WRITE));
	is(bind(liar.env, ELSEWHERE, BIND_ENTRY(f, READ_WRITE)), 1, "an_upcall_page_is_bound_elsewhere");
	is(bind_once(liar.env, (uint64_t)LOCAL, 0), 1, "and_not_where_its_owner_looks");
	aegis_notify(liar.env, EVENT_NOTIFY(0));
	yield(liar.env);
	is(env_in_table(liar.env).state, ENV_STOPPED, "who_does_not_find_it_is_stopped");
	is((int64_t)((struct aegis_upcall *)SCRATCH)->frame.cause, PAGE_FAULT, "the_kernel_wrote_it_where_it_is");
	bind_once(0, SCRATCH, 0);
	is(tenant_end(&liar), 0, "and_takes_it_apart");
}

/* Servers that have not the entry that is used, and one that sleeps instead of answering. */
static struct child server, callers[8];

/* kind: of its entries it has the one, the other, or both. */
static void serve(void *kind)
{
	struct aegis_entries entries = usual();

	entries.transfer = (uint64_t)kind & 1 ? (uint64_t)sleeping_entry : 0;
	entries.async = (uint64_t)kind & 2 ? (uint64_t)async_entry : 0;
	aegis_env_entries(&entries);
	for (;;)
		sleep_until(0, 1ul << 62); /* with an alarm, which must not be set twice */
}
static void call_server(void *unused)
{
	(void)unused;
	got[0] = transfer(server.env);
}
static void call_server_async(void *unused)
{
	(void)unused;
	got[0] = switch_call(CALL_transfer_async, server.env, 0, 0);
}

static void test_missing_entries(void)
{
	for (uint64_t kind = 0; kind < 3; kind++) {
		child_make(&server, serve, (void *)kind, TENANT_FRAMES);
		yield(server.env);
		tenant_run(&liar, call_server, NULL);
		got[1] = got[0];
		tenant_end(&liar);
		tenant_run(&liar, call_server_async, NULL);
		ok(got[0] == -E_STATE && got[1] == -E_STATE,
			kind == 0 ? "a_server_with_no_entry_refuses_transfers" : kind == 1 ? "with_only_one" : "with_only_the_other");
		is(env_in_table(server.env).state, ENV_LIVE, "and_is_not_stopped_by_them");
		tenant_end(&liar);
		tenant_end(&server);
	}
}

/* Each caller in turn: the one before still waits. Nobody may be forgotten by that, and no alarm be set twice. */
static void test_sleeping_server(void)
{
	uint64_t gone = 0, refused = 0;

	child_make(&server, serve, (void *)3, TENANT_FRAMES);
	yield(server.env);
	for (uint32_t i = 0; i < OF(callers); i++) {
		got[0] = 1;
		child_make(&callers[i], call_server, NULL, TENANT_FRAMES);
		yield(callers[i].env);
		refused += got[0] == -E_STATE;
	}
	is((int64_t)refused, OF(callers) - 1, "who_sleeps_while_he_serves_takes_no_other_transfer");
	got[0] = 1;
	aegis_notify(server.env, EVENT_NOTIFY(0));
	yield(server.env);
	yield(callers[0].env);
	is(got[0], 0, "and_answers_when_he_wakes");
	for (uint32_t i = 0; i < OF(callers); i++) {
		for (uint32_t step = 0; step < 100 && aegis_env_destroy(callers[i].env) == -E_AGAIN; step++)
			;
		gone += aegis_env_destroy(callers[i].env) == -E_NOENV;
		tenant_end(&callers[i]); /* its frames */
	}
	is((int64_t)gone, OF(callers), "callers_can_be_destroyed");
	is(tenant_end(&server), 0, "and_the_server");
	wait_quanta(2); /* an alarm of his that is left would ring now or never */
	ok(true, "with_his_alarms");
}

/* Nobody is told: without a keeper; and who is none of the account's is no keeper. */
static void make_orphan(void *keeper)
{
	struct aegis_env_spec spec = { .keeper = (env_id)(uint64_t)keeper, .rip = (uint64_t)do_ud2, .entries = usual() };
	frame_t f[2];

	tenant_frames(f, 2);
	spec.object = f[0], spec.upcall = f[1], spec.root = tenant_pair();
	got[0] = aegis_env_create(&spec);
	if (got[0] < 0)
		return;
	got[1] = yield((env_id)got[0]); /* it has no memory: two faults */
	got[2] = yield((env_id)got[0]);
}

static void test_orphans(void)
{
	uint64_t keepers[] = { NOBODY, maker, victim.env };

	for (uint32_t i = 0; i < OF(keepers); i++) {
		tenant_run(&liar, make_orphan, (void *)keepers[i]);
		ok(got[0] < 0, i == 0 ? "nobody_is_no_keeper" : i == 1 ? "nor_is_who_made_one" : "nor_a_stranger");
		tenant_end(&liar);
	}
	child_make(&liar, make_orphan, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, liar.env, NULL);
	ok(child_finish(&liar) && got[0] > 0 && got[1] == 0 && got[2] == -E_NOENV, "one_without_a_keeper_is_stopped_and_nobody_told");
	tenant_end(&liar);
}

void test_main(void)
{
	uint64_t before;

	maker = boot->env;
	tables_see();
	bind(0, SCRATCH, BIND_ENTRY(boot->info, BIND_READ)); /* for the tables */
	bind_once(0, SCRATCH, 0);
	before = free_frames();
	victim_start(1);
	test_refused_entries();
	test_useless_entries();
	test_stacks();
	test_registers();
	test_lies();
	test_donated();
	test_rebound();
	test_missing_entries();
	test_orphans();
	test_sleeping_server();
	victim_end();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
