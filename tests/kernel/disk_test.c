/* The disk's calls: what each does, what each refuses, and that nothing is lost by it. Tenants against each other: hostile/extents_test.c. */
#include <tests/kernel/disks.h>

#define QUEUE 0x320000000000ul /* where the queue's page is bound, */
#define PLACE 0x321000000000ul /* and pages of the tests */
#define READ_WRITE (BIND_READ | BIND_WRITE)
#define PAGE_FAULT 14
#define FRAMES 16

static struct disk_port port;
static frame_t frames[FRAMES];
static uint8_t *const pages = (uint8_t *)PLACE;
static uint8_t *page(uint32_t i) { return pages + i * FRAME_SIZE; }

static bool event(void)
{
	bool was = (LOCAL->events | LOCAL->upcall.pending) & EVENT_DISK;

	LOCAL->events = LOCAL->upcall.pending = 0;
	return was;
}

/* Sectors first.. of the disk, with these rights. */
static struct aegis_cap narrowed(uint64_t first, uint64_t count, uint32_t rights)
{
	struct aegis_cap cap = { 0 };

	is(aegis_cap_narrow(&boot->disks[0], &cap, rights, EXTENT(0, first), count), 0, "an_extent_is_narrowed");
	return cap;
}

static void the_disk_is_shown(void)
{
	const volatile struct aegis_disk_info *d = disk_info();

	is(info->disks, 1, "the_disk_is_found");
	is((int64_t)d->sectors, 64 << 11, "with_its_size");
	is((int64_t)d->stripe_sectors, STRIPE, "its_stripes");
	is(d->stripes, 64, "of_which_there_are_so_many");
	ok(d->flags & DISK_CAN_WRITE && d->flags & DISK_CAN_FLUSH && !(d->flags & DISK_GONE), "and_what_it_can");
	ok(d->depth >= 16 && d->pieces_max >= DISK_FRAMES_MAX, "and_how_much_at_a_time");
	ok(info->block_hashes && !(info->block_hashes & (info->block_hashes - 1)), "there_is_a_block_table");
	is(boot->disks[0].kind, CAP_EXTENT, "the_first_environment_has_all_of_it");
	is((int64_t)boot->disks[0].count, 64 << 11, "and_no_more");
}

static void queues_are_made_of_ones_own(void)
{
	frame_t object = frame(), control = frame();
	struct aegis_queue_spec spec = { object, control };

	is(aegis_queue_create((void *)8), -E_FAULT, "a_queue_needs_a_specification");
	spec.control = boot->info;
	is(aegis_queue_create(&spec), -E_DENIED, "a_control_page_of_ones_own");
	spec.control = object;
	is(aegis_queue_create(&spec), -E_DENIED, "that_is_not_the_object");
	spec.control = control;
	bind(0, PLACE, BIND_ENTRY(object, BIND_READ));
	is(aegis_queue_create(&spec), -E_BUSY, "which_is_bound_nowhere");
	bind_once(0, PLACE, 0);
	is(aegis_queue_create(&spec), object, "then_it_is_made");
	is(frame_in_table(object).state, FRAME_QUEUE, "its_object_is_the_kernels");
	is(aegis_queue_create(&spec), -E_DENIED, "once");
	is(bind(0, PLACE, BIND_ENTRY(object, BIND_READ)), -E_DENIED, "and_cannot_be_read");
	is(aegis_frame_free(&object, 1), -E_DENIED, "or_freed");
	is(aegis_frame_free(&control, 1), -E_BUSY, "nor_can_the_control_page");
	is(aegis_queue_destroy(control), -E_DENIED, "what_is_no_queue_is_not_destroyed");
	is(aegis_queue_destroy(object), 0, "a_queue_is");
	give(object), give(control);
}

static void set_up(void)
{
	bind(0, QUEUE, BIND_ENTRY(boot->info, BIND_READ)); /* the tables */
	ok(disk_open(&port, QUEUE) > 0, "a_queue_is_made");
	for (uint32_t i = 0; i < FRAMES; i++)
		bind(0, (uint64_t)page(i), BIND_ENTRY(frames[i] = frame(), READ_WRITE));
	is(aegis_extent_bind(port.name, 0, &boot->disks[0]), 0, "the_whole_disk_is_bound");
}

static void what_is_written_is_read(void)
{
	const volatile struct aegis_disk_info *d = disk_info();
	uint64_t writes = d->writes, reads = d->sectors_read;
	struct aegis_disk_request *r;
	frame_t some[3] = { frames[0], frames[5], frames[2] }; /* no neighbours */
	struct aegis_completion c;

	for (uint32_t i = 0; i < 4; i++)
		pattern_fill(page(i), 100 + i);
	is(disk_do(&port, request_of(DISK_WRITE, 0, 800, 32, frames)), 0, "four_pages_are_written");
	is((int64_t)(d->writes - writes), 1, "by_one_request");
	pattern_fill(page(0), 1), pattern_fill(page(5), 2), pattern_fill(page(2), 3);
	is(disk_do(&port, request_of(DISK_READ, 0, 808, 24, some)), 0, "three_are_read");
	ok(pattern_is(page(0), 101) && pattern_is(page(5), 102) && pattern_is(page(2), 103), "as_they_were_written_wherever_the_frames_are");
	is((int64_t)(d->sectors_read - reads), 24, "which_is_counted");
	r = request_of(DISK_READ, 0, 800, 9, some);
	r->offset = 3584;
	pattern_fill(page(0), 7), pattern_fill(page(5), 8);
	is(disk_do(&port, r), 0, "part_of_a_page_is_read");
	ok(*(uint64_t *)(page(0) + 3584) == 100 * 0x9e3779b97f4a7c15 && *(uint64_t *)page(0) == 7 * 0x9e3779b97f4a7c15, "to_its_offset");
	ok(*(uint64_t *)page(5) == 100 * 0x9e3779b97f4a7c15 + 64 && *(uint64_t *)(page(5) + 3584) == 101 * 0x9e3779b97f4a7c15, "and_on_in_the_next");
	r = request_of(DISK_WRITE, 0, 800, 8, frames);
	r->flags = DISK_FUA;
	is(disk_do(&port, r), 0, "a_write_can_be_forced_to_the_medium");
	is(disk_do(&port, request_of(DISK_FLUSH, 0, 0, 0, NULL)), 0, "and_all_that_was_written");
	event();
	r = request_of(DISK_READ, 0, 0, 8, frames);
	r->tell = boot->env;
	is(disk_hand(&port, r), 1, "a_request_is_taken");
	is(port.queue->accepted, port.seen + 1, "which_is_counted");
	while (!(LOCAL->events & EVENT_DISK))
		sleep_until(EVENT_DISK, 0);
	ok(event() && disk_next(&port, &c) && c.tag == r->tag && c.result == 0, "who_was_to_be_told_is");
	is(frame_in_table(frames[0]).pins, 0, "and_nothing_is_pinned");
}

static void what_makes_no_sense_is_refused(void)
{
	struct aegis_disk_request *r;
	frame_t bad[2] = { frames[0], boot->info };

	is(aegis_disk_submit(port.name, (void *)8, 1), -E_FAULT, "a_request_must_be_readable");
	is(aegis_disk_submit(frames[0], request_of(DISK_READ, 0, 0, 8, frames), 1), -E_DENIED, "a_queue_must_be_one");
	is(aegis_disk_submit(port.name, request_of(DISK_READ, 0, 0, 8, frames), DISK_SUBMIT_MAX + 1), -E_INVALID, "not_too_many_at_once");
	is(disk_hand(&port, request_of(DISK_DISCARD + 1, 0, 0, 8, frames)), -E_INVALID, "an_operation_must_be_known");
	is(disk_hand(&port, request_of(DISK_READ, QUEUE_SLOTS, 0, 8, frames)), -E_INVALID, "a_slot_there");
	is(disk_hand(&port, request_of(DISK_READ, 1, 0, 8, frames)), -E_DENIED, "and_bound");
	is(disk_hand(&port, request_of(DISK_READ, 0, 0, 0, frames)), -E_INVALID, "something_is_read");
	is(disk_hand(&port, request_of(DISK_READ, 0, 0, DISK_FRAMES_MAX * BLOCK_SECTORS + 1, frames)), -E_INVALID, "not_too_much");
	is(disk_hand(&port, request_of(DISK_FLUSH, 0, 0, 1, frames)), -E_INVALID, "a_flush_is_for_no_sectors");
	is(disk_hand(&port, request_of(DISK_READ, 0, 64 << 11, 8, frames)), -E_DENIED, "there_is_nothing_behind_the_end");
	is(disk_hand(&port, request_of(DISK_READ, 0, (64 << 11) - 7, 8, frames)), -E_DENIED, "or_across_it");
	is(disk_hand(&port, request_of(DISK_READ, 0, UINT64_MAX - 3, 8, frames)), -E_DENIED, "or_around_it");
	is(disk_hand(&port, request_of(DISK_READ, 0, 0, 8, (void *)8)), -E_FAULT, "frames_must_be_readable");
	is(disk_hand(&port, request_of(DISK_READ, 0, 0, 16, bad)), -E_DENIED, "and_ones_own");
	is(frame_in_table(frames[0]).pins, 0, "of_a_refused_request_nothing_is_pinned");
	r = request_of(DISK_READ, 0, 0, 8, frames), r->offset = 100;
	is(disk_hand(&port, r), -E_INVALID, "offsets_are_whole_sectors");
	r = request_of(DISK_READ, 0, 0, 8, frames), r->offset = FRAME_SIZE;
	is(disk_hand(&port, r), -E_INVALID, "within_the_first_page");
	r = request_of(DISK_READ, 0, 0, 512, frames), r->offset = 512;
	is(disk_hand(&port, r), -E_INVALID, "and_there_are_not_too_many_frames_then");
	r = request_of(DISK_READ, 0, 0, 8, frames), r->flags = DISK_FUA;
	is(disk_hand(&port, r), -E_INVALID, "no_read_is_forced");
	r = request_of(DISK_READ, 0, 4, 8, frames), r->flags = DISK_REGISTER;
	is(disk_hand(&port, r), -E_INVALID, "only_whole_blocks_are_registered");
	r = request_of(DISK_READ, 0, 0, 8, frames), r->tell = 0x7ff00001;
	is(disk_hand(&port, r), -E_NOENV, "who_is_told_must_be_there");
}

static void extents_are_narrowed(void)
{
	struct aegis_cap read = narrowed(4096, 100, RIGHT_READ), write = narrowed(4096, 100, RIGHT_WRITE), more = { 0 }, all = narrowed(4096, 100, RIGHT_READ | RIGHT_GRANT);

	is(aegis_cap_narrow(&read, &more, RIGHT_READ, EXTENT(0, 4096), 10), -E_DENIED, "not_without_the_right_to");
	is(aegis_cap_narrow(&all, &more, RIGHT_READ | RIGHT_WRITE, EXTENT(0, 4096), 100), -E_DENIED, "not_to_more_rights");
	is(aegis_cap_narrow(&all, &more, RIGHT_READ, EXTENT(0, 4095), 100), -E_DENIED, "or_more_sectors");
	is(aegis_cap_narrow(&all, &more, RIGHT_READ, EXTENT(0, 4096), 101), -E_DENIED, "at_either_end");
	is(aegis_cap_narrow(&all, &more, RIGHT_READ, EXTENT(1, 4096), 100), -E_DENIED, "or_another_disk");
	is(aegis_cap_narrow(&all, &more, RIGHT_READ, EXTENT(0, 4100), 10), 0, "only_to_less");
	is(aegis_extent_bind(port.name, QUEUE_SLOTS, &more), -E_INVALID, "a_slot_must_be_there");
	is(aegis_extent_bind(port.name, 1, &boot->devices[0]), -E_DENIED, "and_an_extent");
	is(aegis_extent_bind(port.name, 1, (void *)8), -E_FAULT, "that_can_be_read");
	more.count++;
	is(aegis_extent_bind(port.name, 1, &more), -E_DENIED, "as_it_was_sealed");
	is(aegis_extent_bind(port.name, 1, &read), 0, "then_it_is_bound");
	is(disk_do(&port, request_of(DISK_READ, 1, 4096, 100, frames)), 0, "and_read");
	is(disk_hand(&port, request_of(DISK_READ, 1, 4095, 2, frames)), -E_DENIED, "but_not_before_it");
	is(disk_hand(&port, request_of(DISK_READ, 1, 4096, 101, frames)), -E_DENIED, "or_behind_it");
	is(disk_hand(&port, request_of(DISK_WRITE, 1, 4096, 8, frames)), -E_DENIED, "or_written");
	is(disk_hand(&port, request_of(DISK_FLUSH, 1, 0, 0, NULL)), -E_DENIED, "or_flushed");
	is(disk_hand(&port, request_of(DISK_DISCARD, 1, 4096, 8, NULL)), -E_DENIED, "or_discarded");
	is(aegis_extent_bind(port.name, 1, &write), 0, "another_takes_its_place");
	is(disk_do(&port, request_of(DISK_WRITE, 1, 4096, 8, frames)), 0, "which_is_written");
	is(disk_hand(&port, request_of(DISK_READ, 1, 4096, 8, frames)), -E_DENIED, "and_not_read");
	is(aegis_extent_bind(port.name, 1, NULL), 0, "or_none");
	is(disk_hand(&port, request_of(DISK_WRITE, 1, 4096, 8, frames)), -E_DENIED, "then_nothing_is_there");
}

static void extents_are_revoked(void)
{
	struct aegis_cap both = narrowed(2 * STRIPE, 2 * STRIPE, RIGHT_READ | RIGHT_GRANT), second, part = narrowed(2 * STRIPE, STRIPE + 8, RIGHT_READ | RIGHT_GRANT), again;
	uint32_t epoch = disk_info()->epoch;

	is(aegis_cap_narrow(&both, &second, RIGHT_READ | RIGHT_GRANT, EXTENT(0, 3 * STRIPE), STRIPE), 0, "a_stripe_of_two");
	aegis_extent_bind(port.name, 1, &both);
	aegis_extent_bind(port.name, 2, &second);
	is(aegis_cap_end(&part), -E_INVALID, "only_whole_stripes_are_revoked");
	is(aegis_cap_end(&second), 0, "one_is");
	is(disk_info()->epoch, epoch + 1, "which_is_a_new_epoch");
	is(disk_do(&port, request_of(DISK_READ, 1, 2 * STRIPE, 8, frames)), 0, "the_other_goes_on");
	is(disk_hand(&port, request_of(DISK_READ, 1, 3 * STRIPE, 8, frames)), -E_STATE, "this_one_does_not");
	is(disk_hand(&port, request_of(DISK_READ, 2, 3 * STRIPE, 8, frames)), -E_STATE, "by_neither");
	is(disk_hand(&port, request_of(DISK_READ, 1, 3 * STRIPE - 4, 8, frames)), -E_STATE, "or_in_part");
	again = narrowed(2 * STRIPE, 2 * STRIPE, RIGHT_READ);
	aegis_extent_bind(port.name, 2, &again);
	is(disk_do(&port, request_of(DISK_READ, 2, 3 * STRIPE - 4, 8, frames)), 0, "a_new_one_is_good");
	is(disk_do(&port, request_of(DISK_READ, 0, 3 * STRIPE, 8, frames)), 0, "as_the_roots_is_always");
	is(aegis_cap_end(&second), 0, "who_was_revoked_revokes");
	is(disk_info()->epoch, epoch + 1, "nothing_more");
	is(aegis_cap_end(&both), 0, "but_what_he_still_had");
	is(disk_do(&port, request_of(DISK_READ, 2, 3 * STRIPE, 8, frames)), 0, "and_so_the_new_one_is_good_yet");
	is(disk_hand(&port, request_of(DISK_READ, 2, 2 * STRIPE, 8, frames)), -E_STATE, "where_he_had_nothing");
	is(aegis_cap_end(&again), -E_DENIED, "who_may_not_grant_may_not_revoke");
	aegis_extent_bind(port.name, 1, NULL), aegis_extent_bind(port.name, 2, NULL);
}

static int64_t enter(uint32_t slot, uint64_t sector, frame_t f, uint32_t state)
{
	struct aegis_block b = { .sector = sector, .frame = f, .slot = (uint16_t)slot, .state = (uint16_t)state };

	return aegis_block_register(port.name, &b, 1);
}

static void frames_are_registered(void)
{
	struct aegis_cap part = narrowed(1024, 68, RIGHT_READ | RIGHT_WRITE), read = narrowed(1024, 64, RIGHT_READ);
	struct aegis_disk_request *r;
	frame_t spare = frame();

	aegis_extent_bind(port.name, 1, &part), aegis_extent_bind(port.name, 2, &read);
	is(aegis_block_register(port.name, (void *)8, 1), -E_FAULT, "a_list_must_be_readable");
	is(enter(1, 1028, frames[0], BLOCK_CLEAN), -E_INVALID, "a_block_is_aligned");
	is(enter(1, 1024, frames[0], BLOCK_DIRTY + 1), -E_INVALID, "clean_or_dirty");
	is(enter(1, 1016, frames[0], BLOCK_CLEAN), -E_DENIED, "within_the_extent");
	is(enter(1, 1088, frames[0], BLOCK_CLEAN), -E_DENIED, "with_all_of_it");
	is(enter(2, 1024, frames[0], BLOCK_CLEAN), -E_DENIED, "which_may_be_written");
	is(enter(1, 1024, boot->info, BLOCK_CLEAN), -E_DENIED, "the_frame_is_ones_own");
	is(block_frame(EXTENT(0, 1024)), 0, "nothing_is_there_yet");
	is(enter(1, 1024, frames[0], BLOCK_DIRTY), 1, "then_it_is_registered");
	is(block_frame(EXTENT(0, 1024)), frames[0], "and_found");
	is(block_in_table(frames[0]).state, BLOCK_DIRTY, "as_dirty");
	is(enter(1, 1024, frames[0], BLOCK_CLEAN), 1, "or_clean");
	is(block_in_table(frames[0]).state, BLOCK_CLEAN, "which_shows");
	is(enter(1, 1032, frames[0], BLOCK_CLEAN), 1, "it_is_one_blocks_at_a_time");
	is(block_frame(EXTENT(0, 1024)), 0, "the_last");
	is(enter(1, 1032, frames[1], BLOCK_CLEAN), 1, "a_block_has_one_frame");
	is(block_in_table(frames[0]).state, BLOCK_NONE, "the_last");
	is(enter(0, 0, frames[1], BLOCK_NONE), 1, "it_is_taken_out");
	is(enter(0, 0, frames[1], BLOCK_NONE), 1, "twice_if_one_likes");
	is(block_frame(EXTENT(0, 1032)), 0, "and_is_there_no_more");
	r = request_of(DISK_READ, 1, 1024, 64, frames), r->flags = DISK_REGISTER;
	is(disk_do(&port, r), 0, "what_is_read_is_registered");
	is(block_frame(EXTENT(0, 1080)), frames[7], "every_block");
	is(enter(1, 1024, frames[0], BLOCK_DIRTY), 1, "one_is_changed");
	r = request_of(DISK_WRITE, 1, 1024, 8, frames), r->flags = DISK_REGISTER;
	is(disk_do(&port, r), 0, "and_written");
	is(block_in_table(frames[0]).state, BLOCK_CLEAN, "it_is_clean_again");
	r = request_of(DISK_READ, 2, 1024, 8, frames), r->flags = DISK_REGISTER;
	is(disk_hand(&port, r), -E_DENIED, "who_may_not_write_registers_nothing");
	is(enter(1, 1024, spare, BLOCK_DIRTY), 1, "a_frame_that_is_bound_nowhere");
	is(aegis_frame_free(&spare, 1), 1, "can_be_freed");
	is(block_frame(EXTENT(0, 1024)), 0, "and_has_left_the_table");
	is(frame_in_table(spare).pins, 0, "unpinned");
	is(aegis_frame_free(&frames[3], 1), -E_BUSY, "one_that_is_bound_cannot");
	is(block_frame(EXTENT(0, 1024 + 24)), frames[3], "and_is_still_there");
	for (uint32_t i = 0; i < 8; i++)
		enter(0, 0, frames[i], BLOCK_NONE);
}

static void completions_must_be_consumed(void)
{
	uint32_t taken = 0;
	int64_t result = 0;
	struct aegis_completion c;

	event();
	while (taken <= QUEUE_COMPLETIONS && (result = disk_hand(&port, request_of(DISK_READ, 0, taken * 8, 8, &frames[taken % FRAMES])) ) != -E_FULL)
		taken += result == 1;
	while (port.queue->produced != port.seen + taken)
		;
	while ((result = disk_hand(&port, request_of(DISK_READ, 0, taken * 8, 8, &frames[taken % FRAMES]))) == 1)
		while (port.queue->produced != port.seen + ++taken)
			;
	is(result, -E_FULL, "a_queue_takes_no_more");
	is(taken, QUEUE_COMPLETIONS, "than_its_page_has_places_for");
	ok(disk_next(&port, &c), "one_is_consumed");
	is(disk_do(&port, request_of(DISK_READ, 0, 0, 8, frames)), 0, "then_there_is_room");
}

static void bursts_are_all_done(void)
{
	uint32_t handed = 0, done = 0, before = 0, wrong = 0, told = 0;
	struct aegis_completion c;

	while (disk_next(&port, &c))
		;
	event();
	while (done < 1000) {
		struct aegis_disk_request *r = request_of(DISK_READ, 0, handed * 8 % 4096, 8, &frames[handed % FRAMES]);

		if (handed < 1000 && disk_hand(&port, r) == 1) {
			handed++;
			continue;
		}
		while (disk_next(&port, &c))
			done++, wrong += c.result != 0;
		if (done == before && handed < 1000) { /* all is under way that may be */
			sleep_until(EVENT_DISK, 0);
			told += event();
		}
		before = done;
	}
	is(wrong, 0, "a_thousand_requests_are_done");
	print("# %u times there was no room, and who waited for it was told\n", told); /* else it would wait yet */
	is(disk_info()->under_way, 0, "and_nothing_is_left");
}

static struct child child;
static struct aegis_cap lent;
static frame_t child_frame;
static volatile int64_t child_bound, child_wrote;
static uint64_t child_fault, child_saw;

/* A reader in an account of its own. */
static void read_by_extent(void *unused)
{
	struct aegis_binding page = { (uint64_t)LOCAL + FRAME_SIZE, BIND_ENTRY(child_frame, READ_WRITE) };

	(void)unused;
	child_wrote = aegis_bind(0, &page, 1, &lent);
	page.entry = BIND_ENTRY(child_frame, BIND_READ);
	child_bound = aegis_bind(0, &page, 1, &lent);
	if (child_bound == 1)
		child_saw = *(volatile uint64_t *)((uint64_t)LOCAL + FRAME_SIZE);
	sleep_until(EVENT_NOTIFY(0), 0);
	child_fault = attempt(do_read, (void *)((uint64_t)LOCAL + FRAME_SIZE));
}

/* In turn: what the owner does about the frame, and whether the reader still reads it. */
static void reader(frame_t f, int64_t bound, bool keeps, void (*meanwhile)(void))
{
	child_frame = f;
	child_wrote = child_bound = 0, child_fault = RETURNED - 1;
	child_make(&child, read_by_extent, NULL, 64);
	while (yield(child.env) == 0)
		;
	is(child_bound, bound, "another_account_binds_it");
	if (bound == 1) {
		is(child_wrote, -E_DENIED, "but_not_to_write");
		is((int64_t)child_saw, (int64_t)*(uint64_t *)page(0), "and_sees_it");
		meanwhile();
		aegis_notify(child.env, EVENT_NOTIFY(0));
		while (yield(child.env) == 0)
			;
		is((int64_t)child_fault, keeps ? (int64_t)RETURNED : PAGE_FAULT, keeps ? "and_keeps_it" : "and_has_it_no_more");
	}
	is(child_end(&child), 0, "and_goes");
}

static void do_nothing(void) { is(enter(0, 5 * STRIPE, frames[0], BLOCK_DIRTY), 1, "it_is_made_dirty"); }
static void do_take_out(void) { is(enter(0, 0, frames[0], BLOCK_NONE), 1, "it_is_taken_out"); }
static void do_other_block(void) { is(enter(0, 5 * STRIPE + 8, frames[0], BLOCK_CLEAN), 1, "it_becomes_another_blocks"); }
static void do_revoke(void)
{
	struct aegis_cap all = narrowed(5 * STRIPE, STRIPE, RIGHT_GRANT);
	is(aegis_cap_end(&all), 0, "the_extent_is_revoked");
}
static void do_break(void) { is(aegis_frame_break(&frames[0], 1), 1, "its_bindings_are_broken"); bind(0, (uint64_t)page(0), BIND_ENTRY(frames[0], READ_WRITE)); }
static void do_replace(void) { is(enter(0, 5 * STRIPE, frames[1], BLOCK_CLEAN), 1, "another_frame_is_the_blocks"); }

static void blocks_are_shared_by_extents(void)
{
	uint64_t block = 5 * STRIPE;

	pattern_fill(page(0), 77);
	lent = narrowed(block, 8, RIGHT_READ);
	reader(frames[0], -E_DENIED, false, do_nothing);
	enter(0, block, frames[0], BLOCK_CLEAN);
	reader(frames[0], 1, true, do_nothing);
	reader(frames[0], 1, false, do_take_out);
	enter(0, block, frames[0], BLOCK_CLEAN);
	reader(frames[0], 1, false, do_other_block);
	reader(frames[0], -E_DENIED, false, do_nothing);
	enter(0, block, frames[0], BLOCK_CLEAN);
	reader(frames[0], 1, false, do_break);
	reader(frames[0], 1, false, do_replace);
	enter(0, block, frames[0], BLOCK_CLEAN);
	reader(frames[0], 1, false, do_revoke);
	is(block_in_table(frames[0]).state, BLOCK_NONE, "what_was_registered_there_is_not_any_more");
	enter(0, block, frames[0], BLOCK_CLEAN);
	reader(frames[0], -E_DENIED, false, do_nothing);
	lent = narrowed(block + 1, 8, RIGHT_READ);
	reader(frames[0], -E_DENIED, false, do_nothing);
	lent = narrowed(block, 7, RIGHT_READ);
	reader(frames[0], -E_DENIED, false, do_nothing);
	enter(0, 0, frames[0], BLOCK_NONE);
}

void test_main(void)
{
	uint64_t before;

	the_disk_is_shown();
	queues_are_made_of_ones_own();
	block_in_table(1), block_frame(0), frame_in_table(1), env_in_table(boot->env), bind(0, QUEUE, BIND_ENTRY(boot->info, BIND_READ)), bind(0, PLACE, 0); /* the tables for that */
	bind(0, PLACE, BIND_ENTRY(boot->info, BIND_READ));
	before = free_frames();
	set_up();
	what_is_written_is_read();
	what_makes_no_sense_is_refused();
	extents_are_narrowed();
	extents_are_revoked();
	frames_are_registered();
	completions_must_be_consumed();
	bursts_are_all_done();
	blocks_are_shared_by_extents();
	is(disk_close(&port), 0, "the_queue_is_destroyed");
	for (uint32_t i = 0; i < FRAMES; i++) {
		bind_once(0, (uint64_t)page(i), 0);
		give(frames[i]);
	}
	is((int64_t)free_frames(), (int64_t)before, "nothing_is_lost");
}
