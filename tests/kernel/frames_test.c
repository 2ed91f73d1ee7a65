/* Page frames: taking, choosing, giving back, limits of accounts, clearing between accounts. */
#include <tests/kernel/lib.h>

#define MOST_FRAMES 262144
static frame_t all[MOST_FRAMES];

static int64_t take(frame_t *f) { return aegis_frame_alloc(f, 1); }

static void test_choice(void)
{
	frame_t f = frame(), again = f, batch[3] = { FRAME_ANY, f, FRAME_ANY };
	struct aegis_frame_info entry = frame_in_table(f);

	ok(entry.state == FRAME_OWNED && entry.owner == boot->env && entry.bindings == 0, "a_taken_frame_is_owned_and_bound_nowhere");
	is(take(&again), -E_NOFRAME, "a_taken_frame_is_refused");
	is(aegis_frame_alloc(batch, 3), 1, "a_batch_stops_at_the_first_refusal");
	give(batch[0]);
	give(f);
	ok(frame_in_table(f).state == FRAME_FREE, "a_frame_given_back_is_free");
	is(take(&again), 1, "a_chosen_free_frame_is_taken");
	is(again, f, "a_chosen_frame_is_the_one_asked_for");
	give(f);
}

static void test_refused_names(void)
{
	frame_t names[] = { 0, info->frame_table.first, info->frames, info->frames + 1, FRAME_ANY - 1 };
	uint64_t refused = 0, kept = 0;

	for (uint32_t i = 0; i < 5; i++) {
		frame_t f = names[i];

		refused += take(&f) == -E_NOFRAME;
		f = names[i];
		kept += aegis_frame_free(&f, 1) == -E_DENIED;
	}
	is((int64_t)refused, 5, "kernel_frames_and_frames_that_do_not_exist_are_refused");
	is((int64_t)kept, 5, "what_one_does_not_own_cannot_be_freed");
}

static void test_refused_arguments(void)
{
	frame_t f[AEGIS_BATCH_MAX + 1];
	uint64_t before, faults = 0, free_faults = 0;
	uint64_t bad[] = { 0, AEGIS_USER_TOP, AEGIS_USER_TOP - 4, 0x800000000000, 0xffff800000000000, 0xffffffff80100000, UINT64_MAX, UINT64_MAX - 3,
		(uint64_t)info /* read-only */, (uint64_t)test_refused_names };

	for (uint32_t i = 0; i <= AEGIS_BATCH_MAX; i++)
		f[i] = FRAME_ANY;
	is(aegis_frame_alloc(f, 0), -E_INVALID, "an_empty_list_is_refused");
	is(aegis_frame_alloc(f, AEGIS_BATCH_MAX + 1), -E_INVALID, "too_long_a_list_is_refused");
	is(aegis_frame_alloc(f, UINT64_MAX / 4 + 2), -E_INVALID, "a_length_that_overflows_is_refused");
	is(aegis_frame_free(f, AEGIS_BATCH_MAX + 1), -E_INVALID, "too_long_a_list_to_free_is_refused");
	before = free_frames();
	for (uint32_t i = 0; i < 10; i++) {
		faults += aegis_frame_alloc((frame_t *)bad[i], 2) == -E_FAULT;
		free_faults += i >= 8 || aegis_frame_free((frame_t *)bad[i], 2) == -E_FAULT;
	}
	is((int64_t)faults, 10, "a_list_that_cannot_be_written_faults");
	is((int64_t)free_faults, 10, "a_list_that_cannot_be_read_faults");
	is((int64_t)free_frames(), (int64_t)before, "a_refused_call_takes_no_frame");
}

static void test_freeing(void)
{
	frame_t f = frame(), pair[2];
	uint64_t before;

	bind(0, SCRATCH, BIND_ENTRY(f, BIND_READ));
	is(aegis_frame_free(&f, 1), -E_BUSY, "a_bound_frame_cannot_be_freed");
	bind_once(0, SCRATCH, 0);
	before = free_frames();
	is(aegis_frame_free(&f, 1), 1, "a_frame_whose_binding_is_broken_can_be_freed");
	is((int64_t)free_frames(), (int64_t)before + 1, "the_count_of_free_frames_is_exact");
	is(aegis_frame_free(&f, 1), -E_DENIED, "a_frame_cannot_be_freed_twice");
	pair[0] = pair[1] = frame();
	is(aegis_frame_free(pair, 2), 1, "a_frame_named_twice_in_a_list_is_freed_once");
	f = boot->root;
	is(aegis_frame_free(&f, 1), -E_DENIED, "a_root_of_page_tables_cannot_be_freed");
	f = boot->upcall;
	is(aegis_frame_free(&f, 1), -E_DENIED, "an_upcall_page_cannot_be_freed");
}

static void test_all(void)
{
	uint64_t before = free_frames(), n = 0, taken = 0;
	int64_t got;

	do {
		for (uint32_t i = 0; i < AEGIS_BATCH_MAX; i++)
			all[n + i] = FRAME_ANY;
		got = aegis_frame_alloc(all + n, AEGIS_BATCH_MAX);
		n += got > 0 ? (uint64_t)got : 0;
	} while (got > 0 && n + AEGIS_BATCH_MAX < MOST_FRAMES);
	is((int64_t)n, (int64_t)before, "all_free_memory_can_be_taken");
	is(got, -E_NOFRAME, "without_a_free_frame_the_call_says_so");
	is((int64_t)free_frames(), 0, "no_frame_is_left_then");
	for (uint64_t i = 0; i < n; i += AEGIS_BATCH_MAX)
		taken += (uint64_t)aegis_frame_free(all + i, n - i < AEGIS_BATCH_MAX ? n - i : AEGIS_BATCH_MAX);
	is((int64_t)taken, (int64_t)n, "and_given_back");
	is((int64_t)free_frames(), (int64_t)before, "taking_all_and_giving_back_leaks_nothing");
}

static void test_random_order(void)
{
	uint64_t before = free_frames(), seed = 7, held = 0, bad = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		if (held == 0 || (held < 500 && random_next(&seed) % 2)) {
			all[held] = random_next(&seed) % 2 ? FRAME_ANY : (frame_t)(random_next(&seed) % info->frames);
			held += take(&all[held]) == 1;
		} else {
			uint64_t victim = random_next(&seed) % held;

			bad += aegis_frame_free(&all[victim], 1) != 1;
			all[victim] = all[--held];
		}
	}
	while (held)
		bad += aegis_frame_free(&all[--held], 1) != 1;
	ok(bad == 0 && free_frames() == before, "twenty_thousand_random_takings_and_freeings_keep_the_list_whole");
}

/* Children of accounts of their own. */
static volatile int64_t results[8];
static volatile uint64_t secret_words;
static frame_t chosen;

static void child_to_limit(void *unused)
{
	uint64_t n = 0;

	for (frame_t f; f = FRAME_ANY, n < 100 && (results[0] = take(&f)) == 1; n++)
		all[n] = f;
	results[1] = (int64_t)n;
	results[2] = aegis_frame_alloc((all[n] = all[n + 1] = FRAME_ANY, &all[n]), 2);
	results[3] = aegis_frame_free(all, n);
	(void)unused;
}

static void child_looks(void *unused)
{
	const volatile uint64_t *words = (const volatile uint64_t *)((uint64_t)LOCAL + 16 * FRAME_SIZE);
	frame_t f = chosen;

	results[0] = take(&f);
	results[1] = bind_once(0, (uint64_t)words, BIND_ENTRY(f, BIND_READ));
	for (uint32_t i = 0; i < FRAME_SIZE / 8; i++)
		secret_words += words[i] != 0;
	results[2] = bind_once(0, (uint64_t)words, 0);
	results[3] = aegis_frame_free(&f, 1);
	(void)unused;
}

static void child_frees_what_is_not_its_own(void *unused)
{
	frame_t f = chosen;

	results[0] = aegis_frame_free(&f, 1);
	results[1] = bind_once(0, (uint64_t)LOCAL + 16 * FRAME_SIZE, BIND_ENTRY(f, BIND_READ));
	(void)unused;
}

static void test_accounts(void)
{
	static struct child looker;
	uint64_t before = free_frames();

	ok(run_child(child_to_limit, NULL, 10), "an_account_of_its_own_runs");
	is(results[0], -E_LIMIT, "an_account_is_held_to_its_limit");
	is(results[1], 10, "an_account_gets_all_of_its_limit");
	is(results[2], -E_LIMIT, "a_batch_past_the_limit_is_refused");
	is(results[3], 10, "an_account_frees_its_frames");

	chosen = frame();
	bind(0, SCRATCH, BIND_ENTRY(chosen, BIND_READ | BIND_WRITE));
	for (uint32_t i = 0; i < FRAME_SIZE / 8; i++)
		((volatile uint64_t *)SCRATCH)[i] = 0x5ec2e7;
	bind_once(0, SCRATCH, 0);
	ok(run_child(child_frees_what_is_not_its_own, NULL, 10) && results[0] == -E_DENIED && results[1] == -E_DENIED,
		"another_accounts_frame_can_be_neither_freed_nor_bound");
	child_make(&looker, child_looks, NULL, 10);
	give(chosen); /* only now, lest the child's own tables are made of it */
	ok(child_finish(&looker) && results[0] == 1 && results[1] == 1, "a_freed_frame_goes_to_another_account_by_name");
	is((int64_t)secret_words, 0, "a_frame_is_cleared_before_another_account_sees_it");
	ok(results[2] == 1 && results[3] == 1 && child_end(&looker) == 0, "and_is_given_back");
	is((int64_t)free_frames(), (int64_t)before, "accounts_that_come_and_go_leave_no_frame_behind");
}

void test_main(void)
{
	test_choice();
	test_refused_names();
	test_refused_arguments();
	test_freeing();
	test_all();
	test_random_order();
	test_accounts();
}
