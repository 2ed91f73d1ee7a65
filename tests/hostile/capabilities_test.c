/* Capabilities in the hands of a tenant with an account of his own: forged, replayed, widened,
	outlived. What he gets is what was sealed for him, as long
 * as it is meant. */
#include <tests/hostile/hostile.h>

#define HERE SCRATCH
#define ALL_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC | RIGHT_GRANT)
#define SECRET 0x5ec2e7

static struct child thief;
static struct aegis_cap given, other; /* what the thief holds */
static frame_t run[4];                /* of the first environment's: neighbours */
static uint64_t position;
static volatile int64_t got[16];
static volatile uint64_t refused;
static struct aegis_boot known; /* tenants do not see the page */

enum { KIND_FRAMES, KIND_ENV, KIND_SLICES, KIND_DEVICE, KIND_MACHINE };

/* Uses a capability for what it is good for. */
static int64_t use(uint32_t kind, const struct aegis_cap *cap)
{
	switch (kind) {
	case KIND_FRAMES:
		return tenant_bind(HERE, run[0], BIND_READ, cap);
	case KIND_ENV:
		return aegis_env_bind(cap);
	case KIND_SLICES:
		return aegis_slice_alloc(0, (uint32_t)position, thief.env, cap);
	case KIND_DEVICE:
		return aegis_device_bind(cap, 0);
	default:
		return aegis_machine_off(cap, 1);
	}
}

/* Every bit of `given` flipped, then random seals. */
static void forge(void *kind)
{
	uint64_t seed = 1;

	refused = 0;
	tenant_tables(HERE);
	for (uint32_t bit = 0; bit < sizeof(given) * 8; bit++) {
		struct aegis_cap forged = given;

		((uint8_t *)&forged)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused += use((uint32_t)(uintptr_t)kind, &forged) == -E_DENIED;
	}
	for (uint32_t i = 0; i < 1000; i++) {
		struct aegis_cap forged = given;

		forged.seal = random_next(&seed);
		refused += use((uint32_t)(uintptr_t)kind, &forged) == -E_DENIED;
	}
}

static void test_forged(void)
{
	static const char *const names[] = { "no_bit_of_a_capability_for_frames_can_be_changed", "none_of_one_for_an_environment",
		"none_of_one_for_slices",
		"none_of_one_for_a_device", "none_of_one_for_the_machine" };

	for (uint32_t kind = KIND_FRAMES; kind <= KIND_MACHINE; kind++) {
		if (kind == KIND_FRAMES)
			aegis_cap_mint(&given, CAP_FRAMES, ALL_RIGHTS, run[0], 1);
		else if (kind == KIND_ENV)
			aegis_cap_mint(&given, CAP_ENV, ALL_RIGHTS, victim.env, 1);
		else if (kind == KIND_SLICES)
			aegis_cap_mint(&given, CAP_SLICES, ALL_RIGHTS, position, 1);
		else
			given = known.devices[kind == KIND_DEVICE ? DEVICE_CONSOLE1 : DEVICE_MACHINE];
		tenant_run(&thief, forge, (void *)(uintptr_t)kind);
		is((int64_t)refused, sizeof(given) * 8 + 1000, names[kind]);
		tenant_end(&thief);
	}
}

/* What nobody has sealed for one. */
static void mint(void *unused)
{
	frame_t own[2];

	(void)unused;
	tenant_frames(own, 2);
	got[0] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, run[0], 1);
	got[1] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, own[0], AEGIS_BATCH_MAX); /* his and whatever comes after */
	got[2] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, known.info, 1);
	got[3] = aegis_cap_mint(&other, CAP_SLICES, RIGHT_WRITE, position, 1);
	got[4] = aegis_cap_mint(&other, CAP_ENV, RIGHT_WRITE, known.env, 1);
	got[5] = aegis_cap_mint(&other, CAP_ENV, RIGHT_WRITE, victim.env, 1);
	got[6] = aegis_cap_mint(&other, CAP_DEVICE, RIGHT_WRITE, DEVICE_MACHINE, 1);
	got[7] = aegis_cap_mint(&other, 0, RIGHT_WRITE, 0, 1);
	got[8] = aegis_cap_mint(&other, CAP_FRAMES, 16, own[0], 1);
	got[9] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, own[0], 0);
	got[10] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, UINT64_MAX, 2);
	got[11] = aegis_cap_mint(&other, CAP_SLICES, RIGHT_READ, 1ul << 63, 1);
	got[12] = aegis_cap_mint(&other, CAP_ENV, RIGHT_READ, thief.env + (1ul << 32), 1);
	got[13] = aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, own[0], 1);
}

static void test_minted(void)
{
	static const int64_t expected[] = { -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_INVALID, -E_INVALID,
		-E_INVALID, -E_INVALID,
		-E_INVALID, -E_INVALID, -E_NOENV, 0 };
	static const char *const names[] = { "nobody_seals_another's_frame", "nor_a_range_that_has_one", "nor_what_the_kernel_exposes",
		"nor_another's_slice",
		"nor_who_made_him", "nor_a_stranger", "nor_a_device", "nor_what_is_no_kind", "nor_a_right_that_is_none", "nor_nothing", "nor_past_the_end",
		"nor_on_a_cpu_that_is_not_there", "a_name_is_not_cut_off", "only_what_is_his" };

	tenant_run(&thief, mint, NULL);
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	tenant_end(&thief);
}

/* The thief holds `given`: to read and grant, run[1] and run[2]. He sleeps between what the test asks for. */
static void frames_thief(void *unused)
{
	struct aegis_cap wide;

	(void)unused;
	tenant_tables(HERE);
	got[0] = tenant_bind(HERE, run[1], BIND_READ, &given);
	got[1] = tenant_bind(HERE + FRAME_SIZE, run[1], READ_WRITE, &given);
	got[2] = tenant_bind(HERE + FRAME_SIZE, run[0], BIND_READ, &given);
	got[3] = tenant_bind(HERE + FRAME_SIZE, run[3], BIND_READ, &given);
	got[4] = *(volatile int64_t *)HERE;
	wide = given;
	wide.rights = ALL_RIGHTS;
	got[5] = tenant_bind(HERE + FRAME_SIZE, run[1], READ_WRITE, &wide);
	got[6] = aegis_cap_narrow(&given, &wide, ALL_RIGHTS, run[1], 1);
	got[7] = aegis_cap_narrow(&given, &wide, RIGHT_READ, run[0], 2);
	got[8] = aegis_cap_narrow(&given, &wide, RIGHT_READ, run[1], UINT64_MAX);
	got[9] = aegis_cap_narrow(&given, &wide, RIGHT_READ, run[2], 2);
	got[10] = aegis_cap_narrow(&given, &other, RIGHT_READ, run[2], 1);
	got[11] = aegis_cap_narrow(&other, &wide, RIGHT_READ, run[2], 1);
	got[12] = tenant_bind(HERE + FRAME_SIZE, run[1], BIND_READ, &other);
	got[13] = tenant_bind(HERE + 2 * FRAME_SIZE, run[1], BIND_READ | BIND_EXEC, &given);
	got[14] = tenant_bind(HERE + 2 * FRAME_SIZE, run[2], BIND_READ | BIND_WRITE, NULL);
	tenant_pause(); /* frame_break meanwhile */
	got[0] = (int64_t)attempt(do_read, (void *)HERE);
	got[1] = tenant_bind(HERE, run[1], BIND_READ, &given);
	tenant_pause(); /* sealed anew meanwhile: `other` */
	got[2] = tenant_bind(HERE, run[1], BIND_READ, &other);
	got[3] = tenant_bind(HERE, run[1], BIND_READ, &given);
	bind_once(0, HERE, 0);
	tenant_pause(); /* freed meanwhile */
	got[4] = tenant_bind(HERE, run[1], BIND_READ, &other);
	tenant_pause(); /* and taken again */
	got[5] = tenant_bind(HERE, run[1], BIND_READ, &other);
}

static void test_frames(void)
{
	static const int64_t expected[] = { 1, -E_DENIED, -E_DENIED, -E_DENIED, SECRET, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED,
		-E_DENIED, 0, -E_DENIED, -E_DENIED,
		-E_DENIED, -E_DENIED };
	static const char *const names[] = { "a_capability_binds_what_it_names", "not_with_more_rights", "not_the_frame_before", "not_the_frame_behind",
		"what_it_names_shows", "rights_are_not_written_into_it", "it_is_not_narrowed_to_more_rights", "nor_to_what_comes_before",
		"nor_to_a_count_that_overflows",
		"nor_past_its_end", "it_is_narrowed_to_a_part", "which_goes_no_further_without_the_right_to", "and_not_back_to_the_whole", "nor_is_it_executed",
		"and_without_it_nothing_is_bound" };

	bind(0, SCRATCH, BIND_ENTRY(run[1], READ_WRITE));
	*(volatile uint64_t *)SCRATCH = SECRET;
	bind_once(0, SCRATCH, 0);
	aegis_cap_mint(&given, CAP_FRAMES, RIGHT_READ | RIGHT_GRANT, run[1], 2);
	tenant_start(&thief, frames_thief, NULL, NULL);
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	aegis_frame_break(&run[1], 1);
	is(frame_in_table(run[1]).bindings, 0, "a_broken_frame_is_bound_nowhere");
	tenant_go_on(&thief);
	is(got[0], PAGE_FAULT, "who_had_bound_it_faults");
	is(got[1], -E_DENIED, "and_cannot_replay_the_capability");
	is(aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, run[1], 2), -E_DENIED, "a_range_of_several_epochs_is_not_sealed");
	aegis_cap_mint(&other, CAP_FRAMES, RIGHT_READ, run[1], 1);
	tenant_go_on(&thief);
	ok(got[2] == 1 && got[3] == -E_DENIED, "one_sealed_anew_binds_it_and_the_old_one_does_not");
	is(aegis_frame_free(&run[1], 1), 1, "the_frame_is_freed");
	tenant_go_on(&thief);
	is(got[4], -E_DENIED, "a_free_frame's_capability_binds_nothing");
	is(aegis_frame_alloc(&run[1], 1), 1, "the_frame_is_taken_again");
	tenant_go_on(&thief);
	is(got[5], -E_DENIED, "and_its_old_capability_is_not_valid_again");
	tenant_end(&thief);
}

static void env_thief(void *unused)
{
	struct aegis_binding nothing = { HERE, 0 };
	struct aegis_cap wide;

	(void)unused;
	got[0] = aegis_notify(victim.env, EVENT_NOTIFY(0));
	got[1] = aegis_env_bind(&other); /* without RIGHT_WRITE */
	got[2] = aegis_cap_end(&other);  /* without RIGHT_GRANT */
	got[3] = aegis_env_bind(&given);
	got[4] = aegis_notify(victim.env, EVENT_NOTIFY(0));
	got[5] = aegis_bind(victim.env, &nothing, 1, NULL);
	got[6] = aegis_bind(0, &nothing, 1, &given); /* not one for frames */
	got[7] = aegis_cap_narrow(&given, &wide, RIGHT_WRITE, victim.env, 2);
	got[8] = aegis_notify(known.env, EVENT_NOTIFY(0));
	tenant_pause(); /* cap_end meanwhile */
	got[9] = aegis_notify(victim.env, EVENT_NOTIFY(0));
	got[10] = aegis_env_bind(&given);
	got[11] = aegis_bind(victim.env, &nothing, 1, NULL);
	got[12] = aegis_env_destroy(victim.env);
	got[13] = aegis_cap_end(&given);
}

static void test_environments(void)
{
	static const int64_t expected[] = { -E_DENIED, -E_DENIED, -E_DENIED, 0, 0, -E_NOTABLE, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED,
		-E_DENIED, -E_DENIED, -E_DENIED,
		-E_DENIED };
	static const char *const names[] = { "a_stranger_commands_nobody", "a_capability_to_read_commands_nobody", "and_without_the_right_to_ends_nothing",
		"one_to_write_binds_an_environment", "which_then_can_be_notified", "and_reached_into", "it_is_none_for_frames", "it_names_one",
		"and_not_who_sealed_it",
		"when_it_was_ended_the_environment_is_commanded_no_more", "it_cannot_be_replayed", "nor_reaches_into_it", "nor_destroys_it", "nor_ends_another" };

	aegis_cap_mint(&given, CAP_ENV, ALL_RIGHTS, victim.env, 1);
	aegis_cap_narrow(&given, &other, RIGHT_READ, victim.env, 1);
	tenant_start(&thief, env_thief, NULL, NULL);
	is(aegis_cap_end(&given), 0, "who_sealed_a_capability_ends_it");
	tenant_go_on(&thief);
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	tenant_end(&thief);
}

static void dead_thief(void *unused)
{
	(void)unused;
	got[0] = aegis_env_bind(&given);
}

static void do_nothing(void *unused) { (void)unused; }

static void test_the_dead(void)
{
	static struct child dead;

	child_make(&dead, do_nothing, NULL, SAME_ACCOUNT);
	aegis_cap_mint(&given, CAP_ENV, ALL_RIGHTS, dead.env, 1);
	child_end(&dead);
	tenant_run(&thief, dead_thief, NULL);
	is(got[0], -E_NOENV, "the_capability_of_one_who_is_gone_commands_nobody");
	tenant_end(&thief);
}

/* The test holds `position` and the one behind it. */
static void slice_thief(void *unused)
{
	struct aegis_cap one;
	uint32_t p = (uint32_t)position;

	(void)unused;
	got[0] = aegis_slice_alloc(0, p, thief.env, NULL);
	got[1] = aegis_slice_free(0, p);
	got[2] = aegis_slice_alloc(0, p, thief.env, &other);     /* without RIGHT_WRITE */
	aegis_cap_narrow(&given, &one, RIGHT_WRITE, position, 1);
	got[3] = aegis_slice_alloc(0, p + 1, thief.env, &one);
	got[4] = aegis_slice_alloc(0, p, known.env, &given);     /* for one whom he does not command */
	got[5] = aegis_cap_end(&given);                          /* holds none of them */
	got[6] = aegis_slice_alloc(0, p, thief.env, &given);
	got[7] = aegis_slice_alloc(0, p, thief.env, &given);     /* the epoch is over */
	got[8] = aegis_slice_free(0, p);
	tenant_pause(); /* the test takes it again, and ends the other's */
	got[9] = aegis_slice_alloc(0, p, thief.env, &one);
	got[10] = aegis_slice_alloc(0, p + 1, thief.env, &given);
}

static void test_slices(void)
{
	static const int64_t expected[] = { -E_BUSY, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, 0, -E_DENIED, 0, -E_DENIED, -E_DENIED };
	static const char *const names[] = { "a_held_slice_is_not_taken", "nor_given_back_for_its_holder", "a_capability_to_read_takes_none",
		"a_narrowed_one_not_its_neighbour",
		"one_takes_it_for_whom_one_commands", "who_does_not_hold_it_ends_no_capability", "by_capability_a_held_slice_is_taken", "once",
		"and_given_back", "the_capability_of_a_slice_that_came_back_is_not_valid_again", "nor_one_that_was_ended" };
	struct aegis_limits held = env_in_table(known.env).held;
	uint32_t p = (uint32_t)position;

	aegis_cap_mint(&given, CAP_SLICES, ALL_RIGHTS, position, 2);
	aegis_cap_narrow(&given, &other, RIGHT_READ, position, 2);
	tenant_start(&thief, slice_thief, NULL, NULL);
	is(env_in_table(known.env).held.slices, (int64_t)held.slices - 1, "who_lost_a_slice_holds_one_less");
	is(aegis_slice_alloc(0, p, known.env, NULL), (int64_t)position, "a_slice_given_back_is_free");
	aegis_cap_mint(&other, CAP_SLICES, ALL_RIGHTS, position + 1, 1);
	is(aegis_cap_end(&other), 0, "its_holder_ends_a_slice's_capabilities");
	tenant_go_on(&thief);
	got[6] -= (int64_t)position;
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	tenant_end(&thief);
}

static void limited_thief(void *unused)
{
	(void)unused;
	got[0] = aegis_slice_alloc(0, (uint32_t)position, thief.env, &given);
}

static void test_slice_limit(void)
{
	struct aegis_limits none = { .frames = TENANT_FRAMES, .slices = 0, .environments = 1 };

	aegis_cap_mint(&given, CAP_SLICES, ALL_RIGHTS, position, 1);
	child_make(&thief, limited_thief, NULL, TENANT_FRAMES);
	aegis_account_resize(thief.env, &none);
	child_finish(&thief);
	is(got[0], -E_LIMIT, "a_capability_is_no_way_past_a_limit");
	is(aegis_slice_alloc(0, (uint32_t)position, known.env, NULL), -E_BUSY, "and_the_slice_stays_where_it_is");
	tenant_end(&thief);
}

static void device_thief(void *unused)
{
	struct aegis_cap wide = other;

	(void)unused;
	got[0] = aegis_device_bind(&other, 0); /* without RIGHT_WRITE */
	got[1] = aegis_cap_end(&other);        /* without RIGHT_GRANT */
	wide.rights = ALL_RIGHTS;
	got[2] = aegis_device_bind(&wide, 0);
	got[3] = aegis_machine_off(&given, 1); /* for the serial line */
	got[4] = aegis_cap_narrow(&given, &wide, RIGHT_WRITE, DEVICE_MACHINE, 1);
	got[5] = aegis_device_bind(&given, NOBODY);
	got[6] = aegis_device_bind(&given, 0);
	got[7] = aegis_cap_end(&given);
	got[8] = aegis_device_bind(&given, 0);
	got[9] = aegis_cap_narrow(&given, &wide, RIGHT_WRITE, DEVICE_CONSOLE1, 1) ? -E_DENIED : aegis_device_bind(&wide, 0);
	got[10] = aegis_console_write(DEVICE_CONSOLE1, &wide, 1);
	got[11] = aegis_console_write(DEVICE_CONSOLE0, &wide, 1);
	got[12] = aegis_console_read(DEVICE_MACHINE, &wide, 1);
}

static void test_devices(void)
{
	static const int64_t expected[] = { -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_DENIED, -E_NOENV, 0, 0, -E_DENIED, -E_DENIED,
		-E_DENIED, -E_DENIED, -E_DENIED };
	static const char *const names[] = { "a_capability_to_read_binds_no_device", "nor_ends_others", "nor_is_widened", "one_device's_is_not_another's",
		"nor_is_it_narrowed_to_another", "a_device_is_bound_to_one_who_is_there", "to_write_is_to_bind", "to_grant_is_to_end",
		"it_ends_itself", "and_what_comes_from_it",
		"with_it_goes_the_device", "another's_device_is_not_written", "nor_read_what_is_no_serial_line" };

	aegis_cap_narrow(&known.devices[DEVICE_CONSOLE1], &given, ALL_RIGHTS, DEVICE_CONSOLE1, 1);
	aegis_cap_narrow(&given, &other, RIGHT_READ, DEVICE_CONSOLE1, 1);
	tenant_run(&thief, device_thief, NULL);
	for (uint32_t i = 0; i < OF(expected); i++)
		is(got[i], expected[i], names[i]);
	tenant_end(&thief);
	is(aegis_device_bind(&boot->devices[DEVICE_CONSOLE1], 0), 0, "but_not_the_root_of_all");
}

void test_main(void)
{
	uint64_t before;

	tables_see();
	known = *boot;
	run[0] = pair(), run[1] = run[0] + 1;
	run[2] = run[1] + 1, run[3] = run[2] + 1;
	while (aegis_frame_alloc(&run[2], 2) != 2) { /* until four in a row are free */
		run[0] = pair(), run[1] = run[0] + 1;
		run[2] = run[1] + 1, run[3] = run[2] + 1;
	}
	bind(0, SCRATCH, BIND_ENTRY(run[0], BIND_READ)); /* for the tables */
	bind_once(0, SCRATCH, 0);
	before = free_frames();
	victim_start(1);
	position = (uint64_t)aegis_slice_alloc(0, UINT32_MAX, boot->env, NULL);
	aegis_slice_alloc(0, (uint32_t)position + 1, boot->env, NULL);
	test_forged();
	test_minted();
	test_frames();
	test_environments();
	test_the_dead();
	test_slices();
	test_slice_limit();
	test_devices();
	victim_end();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
