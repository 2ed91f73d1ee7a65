/* Bindings: pages and page tables, what each right means to the hardware, everything that must be refused, and the counts. */
#include <tests/kernel/lib.h>

#define PAGE_FAULT 14
#define ERROR_PRESENT 1
#define ERROR_WRITE 2
#define ERROR_USER 4
#define ERROR_FETCH 16
#define SPAN(level) (FRAME_SIZE << 9 * (level))
#define OTHER (SCRATCH + SPAN(1)) /* the next leaf table's */

static const uint64_t R = BIND_READ, RW = BIND_READ | BIND_WRITE, RX = BIND_READ | BIND_EXEC, RWX = BIND_READ | BIND_WRITE | BIND_EXEC;

static bool readable(uint64_t va) { return attempt(do_read, (void *)va) == RETURNED; }
static bool writable(uint64_t va) { return attempt(do_write, (void *)va) == RETURNED; }
static bool faulted_with(uint64_t va, uint64_t error)
{
	return LOCAL->last.cause == PAGE_FAULT && LOCAL->last.address == va && LOCAL->last.error == error;
}

static void test_rights(frame_t f)
{
	uint8_t *page = (uint8_t *)SCRATCH;

	is(bind(0, SCRATCH, BIND_ENTRY(f, RW)), 1, "a_page_is_bound");
	page[5] = 0xc3; /* ret */
	ok(readable(SCRATCH) && writable(SCRATCH), "a_bound_page_is_readable_and_writable");
	ok(attempt(do_execute, page + 5) == PAGE_FAULT && faulted_with(SCRATCH + 5, ERROR_PRESENT | ERROR_USER | ERROR_FETCH),
		"a_page_without_exec_cannot_be_executed");
	is(bind_once(0, SCRATCH, BIND_ENTRY(f, R)), 1, "write_access_is_taken_away");
	ok(!writable(SCRATCH) && faulted_with(SCRATCH, ERROR_PRESENT | ERROR_WRITE | ERROR_USER), "a_protected_page_faults_at_once");
	ok(readable(SCRATCH), "and_stays_readable");
	is(bind_once(0, SCRATCH, BIND_ENTRY(f, RX)), 1, "exec_is_given");
	ok(attempt(do_execute, page + 5) == RETURNED, "an_executable_page_is_executed");
	is(bind_once(0, SCRATCH, BIND_ENTRY(f, RWX)), 1, "write_access_is_given_back");
	ok(writable(SCRATCH), "an_unprotected_page_is_writable_at_once");
	is(bind_once(0, SCRATCH, 0), 1, "a_binding_is_broken");
	ok(!readable(SCRATCH) && faulted_with(SCRATCH, ERROR_USER), "a_revoked_page_faults_at_once");
	is(bind_once(0, SCRATCH, 0), 1, "breaking_what_is_not_bound_does_nothing");
}

static void test_replacement(frame_t f)
{
	frame_t g = frame();

	bind(0, SCRATCH, BIND_ENTRY(f, RW));
	*(volatile uint64_t *)SCRATCH = 1;
	bind(0, SCRATCH, BIND_ENTRY(g, RW));
	*(volatile uint64_t *)SCRATCH = 2;
	is(frame_in_table(f).bindings, 0, "a_replaced_frame_is_bound_no_more");
	bind(0, SCRATCH, BIND_ENTRY(f, R));
	is(*(volatile int64_t *)SCRATCH, 1, "a_replaced_binding_shows_the_new_frame_at_once");
	bind(0, SCRATCH + FRAME_SIZE, BIND_ENTRY(f, RW));
	is(frame_in_table(f).bindings, 2, "bindings_are_counted");
	*(volatile uint64_t *)(SCRATCH + FRAME_SIZE) = 3;
	is(*(volatile int64_t *)SCRATCH, 3, "two_bindings_of_a_frame_show_the_same_bytes");
	bind(0, SCRATCH + FRAME_SIZE, 0);
	bind(0, SCRATCH, 0);
	is(frame_in_table(f).bindings, 0, "and_counted_down");
	give(g);
}

static void test_refused_places(frame_t f)
{
	struct {
		uint64_t va;
		const char *name;
	} bad[] = {
		{ AEGIS_USER_TOP, "the_page_below_the_hole_is_refused" },
		{ 0x800000000000, "a_non_canonical_address_is_refused" },
		{ 0xffff800000000000, "the_physical_map_is_refused" },
		{ 0xffffffff80100000, "the_kernels_image_is_refused" },
		{ UINT64_MAX - 4095, "the_last_page_is_refused" },
		{ SCRATCH + 1, "an_unaligned_address_is_refused" },
	};
	frame_t table = pair();

	for (uint32_t i = 0; i < 6; i++)
		is(bind_once(0, bad[i].va, BIND_ENTRY(f, RW)), -E_INVALID, bad[i].name);
	is(bind_once(0, SCRATCH + FRAME_SIZE, BIND_ENTRY(table, R | BIND_LEVEL(1))), -E_INVALID, "a_table_that_is_not_aligned_to_its_span_is_refused");
	is(bind_once(0, 0x350000000000, BIND_ENTRY(f, RW)), -E_NOTABLE, "a_page_without_its_table_is_refused");
	is(bind_once(0, 0x350000000000, 0), -E_NOTABLE, "so_is_breaking_one");
	is(bind_once(0, SCRATCH, BIND_ENTRY((uint64_t)info->frames, RW)), -E_INVALID, "a_frame_that_does_not_exist_is_refused");
	is(bind_once(0, SCRATCH, UINT64_MAX), -E_INVALID, "the_largest_frame_number_is_refused");
	is(bind_once(0, SCRATCH, BIND_ENTRY((uint64_t)f + (1ul << 32), RW)), -E_INVALID, "a_frame_number_is_not_truncated");
	give_pair(table);
}

static void test_refused_frames(void)
{
	frame_t free_one = frame();
	struct {
		uint64_t va;
		frame_t f;
		uint64_t flags;
		const char *name;
	} bad[] = {
		{ SCRATCH, 0, R, "the_kernels_frames_are_refused" },
		{ SCRATCH, 0x100, R, "the_kernels_image_is_refused_by_number" },
		{ SCRATCH, boot->root, RW, "a_root_is_refused_for_writing" },
		{ SCRATCH, boot->info, RW, "what_the_kernel_exposes_is_not_writable" },
		{ SCRATCH, boot->info, RX, "nor_executable" },
		{ SCRATCH, info->frame_table.first, RW, "the_frame_table_is_not_writable" },
		{ SCRATCH, info->env_table.first, RW, "the_environment_table_is_not_writable" },
		{ SCRATCH, free_one, R, "a_free_frame_is_refused" },
		{ SCRATCH + SPAN(3), boot->root, R | BIND_LEVEL(3), "a_root_is_no_table" },
		{ OTHER, boot->upcall, R | BIND_LEVEL(1), "an_upcall_page_is_no_table" },
		{ OTHER, info->frame_table.first, R | BIND_LEVEL(1), "an_exposed_frame_is_no_table" },
	};

	give(free_one);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is(bind_once(0, bad[i].va, BIND_ENTRY(bad[i].f, bad[i].flags)),
			-E_DENIED, bad[i].name);
	is(bind_once(0, SCRATCH, BIND_ENTRY(boot->info, R)), 1, "what_the_kernel_exposes_is_readable");
	is(((volatile const struct aegis_info *)SCRATCH)->magic == AEGIS_MAGIC, true, "and_is_what_it_says");
	bind_once(0, SCRATCH, 0);
}

static void test_tables(frame_t f)
{
	frame_t table = pair(), second = pair();
	uint64_t region = OTHER;

	bind(0, SCRATCH, BIND_ENTRY(table, RW));
	((volatile uint64_t *)SCRATCH)[0] = (uint64_t)boot->root << FRAME_SHIFT | 7; /* what a liar would prepare */
	is(bind_once(0, region, BIND_ENTRY(table, R | BIND_LEVEL(1))), -E_BUSY, "a_frame_bound_as_a_page_cannot_become_a_table");
	bind_once(0, SCRATCH, 0);
	is(bind_once(0, region, BIND_ENTRY(table, R | BIND_LEVEL(1))), 1, "a_frame_becomes_a_table");
	is(frame_in_table(table).state, FRAME_TABLE1, "its_state_says_so");
	is(frame_in_table(table + 1).state, FRAME_LINKS, "and_the_next_one_holds_its_links");
	is(bind_once(0, SCRATCH, BIND_ENTRY(table + 1, R)), -E_DENIED, "which_nobody_can_see");
	is(bind_once(0, region + SPAN(1), BIND_ENTRY(second + 1, R | BIND_LEVEL(1))), -E_DENIED, "a_frame_whose_neighbour_is_not_ones_own_is_no_table");
	ok(!readable(region), "a_table_starts_empty_whatever_was_in_it");
	is(bind_once(0, SCRATCH, BIND_ENTRY(table, RW)), -E_DENIED, "a_table_cannot_be_bound_writable");
	is(aegis_frame_free(&table, 1), -E_DENIED, "a_table_cannot_be_freed");
	is(bind_once(0, region, BIND_ENTRY(second, R | BIND_LEVEL(1))), -E_BUSY, "a_table_is_not_replaced");
	is(bind_once(0, 0x300080000000, BIND_ENTRY(table, R | BIND_LEVEL(2))), -E_DENIED, "a_table_has_one_level");
	is(bind_once(0, region, BIND_ENTRY(f, RW)), 1, "a_page_is_bound_in_it");
	is(bind_once(0, region & ~(SPAN(2) - 1), BIND_LEVEL(2)), -E_BUSY, "a_table_of_tables_that_holds_one_stays");
	is(bind_once(0, SCRATCH, BIND_ENTRY(table, R)), 1, "ones_own_table_can_be_read");
	(void)*(volatile uint8_t *)region;
	is(((volatile int64_t *)SCRATCH)[0] & 0x7f, 0x27, "it_shows_the_accessed_bit");
	*(volatile uint8_t *)region = 1;
	is(((volatile int64_t *)SCRATCH)[0] & 0x7f, 0x67, "and_the_dirty_bit");
	is(bind_once(0, region, BIND_LEVEL(1)), 1, "a_leaf_table_goes_with_what_is_bound_in_it");
	is(frame_in_table(f).bindings, 0, "whose_bindings_are_counted_down");
	ok(!readable(region), "and_whose_pages_fault_at_once");
	is(((volatile int64_t *)SCRATCH)[0], 0, "it_is_empty_then_though_still_read_as_a_page");
	bind_once(0, SCRATCH, 0);
	is(frame_in_table(table).state, FRAME_OWNED, "and_is_an_ordinary_frame_again_when_nothing_shows_it");
	is(bind_once(0, SCRATCH, BIND_ENTRY(table, RW)), 1, "which_can_be_written_again");
	bind_once(0, SCRATCH, 0);
	give_pair(table);
	give_pair(second);
}

/* The same leaf table at two places: what is broken through one must not linger in the translation buffer of the other. */
static void test_aliases(frame_t f)
{
	frame_t table = pair();
	uint64_t first = OTHER, second = OTHER + SPAN(1);

	bind_once(0, first, BIND_ENTRY(table, R | BIND_LEVEL(1)));
	is(bind_once(0, second, BIND_ENTRY(table, R | BIND_LEVEL(1))), 1, "a_table_can_be_bound_at_two_places");
	bind_once(0, first, BIND_ENTRY(f, RW));
	ok(writable(second) && writable(first), "what_is_bound_in_it_shows_at_both");
	bind_once(0, first, BIND_ENTRY(f, R));
	ok(!writable(second), "a_page_protected_at_one_place_is_protected_at_the_other");
	bind_once(0, first, BIND_ENTRY(f, RW));
	ok(writable(second), "and_unprotected");
	bind_once(0, first, 0);
	ok(!readable(second), "a_page_broken_at_one_place_faults_at_the_other_at_once");
	is(bind_once(0, first, BIND_LEVEL(1)), 1, "one_place_of_the_table_goes");
	is(frame_in_table(table).state, FRAME_TABLE1, "it_stays_a_table");
	is(bind_once(0, second, BIND_LEVEL(1)), 1, "the_other_place_goes");
	give_pair(table);
}

static void test_batches(frame_t f)
{
	struct aegis_binding list[AEGIS_BATCH_MAX + 1];
	int64_t before;

	for (uint32_t i = 0; i <= AEGIS_BATCH_MAX; i++)
		list[i] = (struct aegis_binding){ OTHER + i * FRAME_SIZE, BIND_ENTRY(f, R) };
	bind(0, OTHER, 0);
	before = frame_in_table(f).bindings;
	is(aegis_bind(0, list, AEGIS_BATCH_MAX, NULL), AEGIS_BATCH_MAX, "a_full_batch_is_bound");
	is(frame_in_table(f).bindings, before + AEGIS_BATCH_MAX, "each_binding_counts");
	list[3].entry = BIND_ENTRY(0, R);
	is(aegis_bind(0, list, 8, NULL), 3, "a_batch_says_how_far_it_came");
	is(frame_in_table(f).bindings, before + AEGIS_BATCH_MAX, "rebinding_the_same_frame_keeps_the_count");
	is(aegis_bind(0, list + 3, 2, NULL), -E_DENIED, "a_batch_that_fails_at_once_says_why");
	for (uint32_t i = 0; i < AEGIS_BATCH_MAX; i++)
		list[i].entry = 0;
	is(aegis_bind(0, list, AEGIS_BATCH_MAX, NULL), AEGIS_BATCH_MAX, "a_full_batch_is_broken");
	is(frame_in_table(f).bindings, before, "none_is_left");
	is(aegis_bind(0, list, 0, NULL), -E_INVALID, "an_empty_batch_is_refused");
	is(aegis_bind(0, list, AEGIS_BATCH_MAX + 1, NULL), -E_INVALID, "too_long_a_batch_is_refused");
	is(aegis_bind(0, NULL, 1, NULL), -E_FAULT, "a_batch_that_cannot_be_read_faults");
	is(aegis_bind(0, (void *)(AEGIS_USER_TOP - 8), 1, NULL), -E_FAULT, "so_does_one_that_leaves_user_memory");
	is(aegis_bind(0, (void *)0xffff800000100000, 1, NULL), -E_FAULT, "and_one_in_the_kernel");
	is(aegis_bind(0x7fffff01, list, 1, NULL), -E_NOENV, "an_environment_that_does_not_exist_is_refused");
	bind_once(0, OTHER, BIND_LEVEL(1));
}

static uint64_t same(uint64_t n, uint64_t rights) { return BIND_ENTRY(n, rights | BIND_SAME); }

/* Rights of a run of pages, which keep their frames. */
static void test_same(frame_t f)
{
	frame_t g = frame(), table = boot->root;
	struct aegis_binding two[2] = { { OTHER, same(1, R) }, { OTHER + FRAME_SIZE, same(1, R) } };

	bind(0, OTHER, BIND_ENTRY(f, RW));
	bind(0, OTHER + 2 * FRAME_SIZE, BIND_ENTRY(g, RW));
	*(volatile uint64_t *)OTHER = 11;
	*(volatile uint64_t *)(OTHER + 2 * FRAME_SIZE) = 12;
	is(bind_once(0, OTHER, same(3, R)), 1, "a_run_of_pages_is_protected");
	ok(!writable(OTHER) && !writable(OTHER + 2 * FRAME_SIZE), "all_that_are_bound_fault_at_once");
	ok(!readable(OTHER + FRAME_SIZE), "where_nothing_was_bound_nothing_is");
	ok(readable(OTHER) && *(volatile int64_t *)OTHER == 11 && *(volatile int64_t *)(OTHER + 2 * FRAME_SIZE) == 12, "the_frames_are_the_same");
	is(bind_once(0, OTHER, same(3, RW)), 1, "a_run_of_pages_is_unprotected");
	ok(writable(OTHER) && writable(OTHER + 2 * FRAME_SIZE), "all_are_writable_at_once");
	is(bind_once(0, OTHER, same(512, R)), 1, "a_run_may_be_a_whole_leaf");
	ok(!writable(OTHER) && !writable(OTHER + 2 * FRAME_SIZE), "and_is_forgotten_wholly");
	is(bind_once(0, OTHER + FRAME_SIZE, same(512, R)), -E_INVALID, "no_more_than_the_leaf");
	is(bind_once(0, OTHER, same(0, R)), -E_INVALID, "nor_less_than_a_page");
	is(bind_once(0, OTHER, same(1, 0)), -E_INVALID, "a_run_without_rights_is_refused");
	is(bind_once(0, OTHER + 1, same(1, R)), -E_INVALID, "so_is_an_unaligned_one");
	is(bind_once(0, AEGIS_USER_TOP - FRAME_SIZE, same(2, R)), -E_INVALID, "so_is_one_past_the_top");
	is(bind_once(0, OTHER + SPAN(2), same(1, R)), -E_NOTABLE, "so_is_one_where_there_is_no_table");
	is(aegis_bind(0, two, 2, NULL), 1, "a_call_ends_after_a_run");
	bind(0, OTHER + 3 * FRAME_SIZE, BIND_ENTRY(table, R));
	is(bind_once(0, OTHER, same(4, RW)), -E_DENIED, "a_page_table_among_them_gets_no_write_access");
	ok(!writable(OTHER) && !writable(OTHER + 3 * FRAME_SIZE), "and_none_gets_any_then");
	bind_once(0, OTHER + 3 * FRAME_SIZE, 0);
	is(bind_once(0, OTHER, same(1, RX)), 1, "exec_can_be_given");
	bind_once(0, OTHER + 2 * FRAME_SIZE, 0);
	bind_once(0, OTHER, BIND_LEVEL(1));
	give(g);
}

/* One page a call, the frame bound elsewhere too: what finds its bindings must be whole after any of them went, in any order. */
static void test_many_bindings(frame_t f)
{
	enum { PLACES = 40 };
	uint64_t random = 12345;
	frame_t g = frame();
	bool there[PLACES] = { false };
	uint32_t bound = 0, wrong = 0;

	bind(0, OTHER, BIND_ENTRY(f, R));
	there[0] = true;
	bound = frame_in_table(f).bindings;
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t place;

		random = random * 6364136223846793005ul + 1442695040888963407ul;
		place = random >> 33 & 63;
		if (place >= PLACES)
			continue;
		bind_once(0, OTHER + place * FRAME_SIZE, there[place] ? random >> 62 ? 0 : BIND_ENTRY(f, RW) : BIND_ENTRY(f, random >> 40 & 1 ? R : RW));
		if (there[place] && random >> 62) {
			there[place] = false;
			bound--;
		} else if (!there[place]) {
			there[place] = true;
			bound++;
		}
		wrong += frame_in_table(f).bindings != bound;
	}
	is(wrong, 0, "single_bindings_are_counted_whatever_their_order");
	bind_once(0, OTHER + PLACES * FRAME_SIZE, BIND_ENTRY(g, RW));
	is(aegis_frame_break(&f, 1), 1, "a_frame_bound_at_many_places_is_broken");
	is(frame_in_table(f).bindings, 0, "at_all_of_them");
	for (uint32_t i = 0; i < PLACES; i++)
		wrong += readable(OTHER + i * FRAME_SIZE);
	is(wrong, 0, "none_can_be_read");
	ok(writable(OTHER + PLACES * FRAME_SIZE), "what_is_between_them_can");
	bind_once(0, OTHER, BIND_LEVEL(1));
	give(g);
}

/* An environment with an account of its own stands on frames of its maker's. */
static int64_t own[4];
static frame_t makers_upcall;
static void bind_own(void *c)
{
	const struct child *child = c;
	uint64_t at = (uint64_t)LOCAL + FRAME_SIZE; /* in the same leaf table */

	own[0] = bind_once(0, at, BIND_ENTRY(child->frames[2], RW));
	own[1] = bind_once(0, at, BIND_ENTRY(child->frames[1], R));
	own[2] = bind_once(0, at, BIND_ENTRY(child->frames[1], RW));
	own[3] = bind_once(0, at, BIND_ENTRY(makers_upcall, R));
	bind_once(0, at, 0);
}

static void test_own_frames(void)
{
	static struct child c;

	makers_upcall = boot->upcall;
	child_make(&c, bind_own, &c, 8);
	child_finish(&c);
	is(own[0], 1, "an_environment_in_an_account_of_its_own_may_bind_its_upcall_page");
	is(own[1], 1, "and_read_its_root");
	is(own[2], -E_DENIED, "not_write_it");
	is(own[3], -E_DENIED, "nor_bind_the_upcall_page_of_its_maker");
	is(child_end(&c), 0, "and_can_be_destroyed");
}

void test_main(void)
{
	frame_t f = frame();

	test_rights(f);
	test_replacement(f);
	test_refused_places(f);
	test_refused_frames();
	test_batches(f);
	bind(0, SCRATCH, BIND_ENTRY(f, R));
	bind_once(0, SCRATCH, 0);
	test_same(f);
	test_many_bindings(f);
	test_tables(f);
	test_aliases(f);
	test_own_frames();
	is(frame_in_table(f).bindings, 0, "nothing_is_bound_in_the_end");
	give(f);
}
