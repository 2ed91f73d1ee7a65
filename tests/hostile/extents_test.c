/* Tenants with narrowed extents of one disk, each of whom would like to have the other's blocks: by capability, by DMA, by the block table, by frames that were or are somebody else's, by dying. Beside them one computes. */
#include <tests/hostile/extents.h>

static void forge(void *unused)
{
	struct aegis_cap cap = mine, out;
	uint64_t state = 1;
	uint32_t passed = 0;

	(void)unused;
	begin(4);
	cap.count++;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "a_wider_extent_is_refused");
	cap = mine, cap.first -= 8;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "or_another");
	cap = to_read, cap.rights |= RIGHT_WRITE;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "or_more_rights");
	cap = mine, cap.epoch++;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "or_a_later_epoch");
	cap = mine, cap.epoch = UINT32_MAX;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "or_any_epoch");
	cap = mine, cap.kind = CAP_FRAMES;
	note(aegis_extent_bind(its.name, 1, &cap), -E_DENIED, "or_another_kind");
	for (uint32_t i = 0; i < 1000; i++) {
		cap = mine, cap.first = EXTENT(0, HIS), cap.seal = random_next(&state);
		passed += aegis_extent_bind(its.name, 1, &cap) == 0;
	}
	note(passed, 0, "no_seal_is_guessed");
	note(aegis_cap_narrow(&mine, &out, RIGHT_READ, mine.first, 8), -E_DENIED, "who_may_not_grant_narrows_nothing");
	note(aegis_cap_mint(&out, CAP_EXTENT, RIGHT_READ, EXTENT(0, HIS), 8), -E_INVALID, "and_nobody_mints");
	note(aegis_cap_end(&his), -E_DENIED, "nor_ends_what_is_the_others");
	note(hand(DISK_READ, 1, HIS, 8, its_frames), -E_DENIED, "and_nothing_is_bound_by_all_that");
	note(disk_close(&its), 0, "the_queue_goes");
}

static void reach(void *unused)
{
	static const struct {
		uint64_t sector;
		uint32_t count;
	} beyond[] = { { MINE - 1, 1 }, { MINE - 8, 16 }, { MINE + STRIPES * STRIPE, 1 }, { MINE + STRIPES * STRIPE - 1, 2 }, { HIS, 8 }, { UINT64_MAX, 1 }, { UINT64_MAX - 3, 8 },
		{ UINT64_MAX - MINE, 8 }, { 1ul << 48 | MINE, 8 }, { 1ul << 63 | MINE, 8 }, { 0, 8 } };
	uint32_t wrong = 0;

	(void)unused;
	begin(8);
	for (uint32_t i = 0; i < OF(beyond); i++)
		for (uint32_t operation = DISK_READ; operation <= DISK_DISCARD; operation++)
			wrong += operation != DISK_FLUSH && hand(operation, 0, beyond[i].sector, beyond[i].count, its_frames) != -E_DENIED;
	note(wrong, 0, "no_request_leaves_the_extent");
	note(hand(DISK_DISCARD, 0, MINE, UINT32_MAX, NULL) < 0, 1, "however_long_it_is");
	note(hand(DISK_READ, 0, MINE, UINT32_MAX, its_frames), -E_INVALID, "or_counts_around");
	note(hand(DISK_READ, QUEUE_SLOTS, MINE, 8, its_frames), -E_INVALID, "slots_end_as_well");
	note(hand(DISK_READ, UINT16_MAX, MINE, 8, its_frames), -E_INVALID, "there_too");
	note(hand(DISK_READ, QUEUE_SLOTS - 1, MINE, 8, its_frames), -E_DENIED, "and_are_empty_before");
	note(aegis_extent_bind(its.name, 1, &to_read), 0, "what_may_be_read");
	note(hand(DISK_WRITE, 1, HIS, 8, its_frames), -E_DENIED, "is_not_written");
	note(hand(DISK_DISCARD, 1, HIS, 8, NULL), -E_DENIED, "or_discarded");
	note(aegis_queue_destroy(port.name), -E_DENIED, "anothers_queue_is_not_destroyed");
	note(aegis_extent_bind(port.name, 0, &mine), -E_DENIED, "or_bound");
	note(aegis_disk_submit(port.name, request_of(DISK_READ, 0, 0, 8, its_frames), 1), -E_DENIED, "or_used");
	note(its.queue->produced, 0, "and_nothing_was_done");
	note(disk_close(&its), 0, "the_queue_goes");
}

/* Frames as targets of DMA that are not his to overwrite. */
static frame_t targets[8]; /* the test's own, the kernel's, exposed ones */
static void aim(void *unused)
{
	frame_t table, gone, list[2];
	uint32_t wrong = 0;

	(void)unused;
	begin(8);
	table = tenant_pair();
	bind_once(0, 0x330000000000ul, BIND_ENTRY(table, BIND_READ | BIND_LEVEL(3)));
	gone = its_frames[7];
	aegis_frame_free(&gone, 1);
	for (uint32_t i = 0; i < OF(targets) + 4; i++) {
		const frame_t more[4] = { table, table + 1, its.name, gone };

		list[0] = its_frames[0], list[1] = i < OF(targets) ? targets[i] : more[i - OF(targets)];
		wrong += hand(DISK_READ, 0, MINE, 16, list) != -E_DENIED;
		wrong += hand(DISK_WRITE, 0, MINE, 16, list) != -E_DENIED;
		wrong += enter_as(0, MINE, list[1], BLOCK_DIRTY) != -E_DENIED;
	}
	note(wrong, 0, "what_is_not_ones_own_is_no_target_no_source_and_not_registered");
	note(its.queue->accepted, 0, "and_nothing_is_begun");
	list[0] = table;
	note(bind_once(0, 0x330000000000ul, BIND_LEVEL(3)), 1, "a_table_that_is_none_any_more");
	note(disk_do(&its, request_of(DISK_READ, 0, MINE, 8, list)), 0, "is_ones_own_again");
	note(disk_close(&its), 0, "the_queue_goes");
}

/* A frame is given away while the disk has it: refused, or the disk was done with it. */
static void pull(void *unused)
{
	uint32_t busy = 0, wrong = 0;
	struct aegis_completion c;

	(void)unused;
	begin(16);
	for (uint32_t i = 0; i < 200; i++) {
		frame_t pair_ = its_frames[i % 8];
		struct aegis_env_spec spec = { .object = its_frames[8], .root = pair_, .upcall = its_frames[9] };
		int64_t freed = 0, made = 0, became = 0;

		for (uint32_t n = 0; n < 16; n++)
			wrong += hand(i % 2 ? DISK_READ : DISK_WRITE, 0, MINE + n * 64, 64, its_frames) != 1;
		if (i % 4 == 0)
			made = aegis_env_create(&spec);
		else if (i % 4 == 1)
			became = bind_once(0, 0x330000000000ul, BIND_ENTRY(pair_, BIND_READ | BIND_LEVEL(3)));
		else
			freed = aegis_frame_free(&its_frames[7], 1);
		wrong += (made > 0 || became == 1 || freed == 1) && its.queue->produced != its.queue->accepted;
		busy += freed == -E_BUSY;
		while (made > 0 && aegis_env_destroy((env_id)made) == -E_AGAIN)
			;
		if (became == 1)
			bind_once(0, 0x330000000000ul, BIND_LEVEL(3));
		for (uint32_t n = 0; n < 16; n++) {
			c = disk_wait(&its);
			wrong += c.result != 0;
		}
		if (freed == 1 && aegis_frame_alloc(&its_frames[7], 1) != 1)
			break;
	}
	note(wrong, 0, "what_the_disk_has_becomes_nothing_else");
	note(busy > 0, 1, "and_is_not_freed");
	note(disk_close(&its), 0, "the_queue_goes");
}

/* The block table: of others' blocks, frames, and of times that are past. */
static volatile int64_t stage[8];
static void poison(void *unused)
{
	struct aegis_binding at = { HERE(1), 0 };

	(void)unused;
	begin(4);
	aegis_extent_bind(its.name, 1, &to_read);
	note(enter_as(1, HIS, its_frames[0], BLOCK_CLEAN), -E_DENIED, "who_may_only_read_registers_nothing");
	note(enter_as(0, HIS, its_frames[0], BLOCK_CLEAN), -E_DENIED, "nor_who_may_write_elsewhere");
	note(enter_as(0, MINE + STRIPES * STRIPE - 4, its_frames[0], BLOCK_CLEAN) < 0, 1, "nor_across_the_end");
	at.entry = BIND_ENTRY(own[0], BIND_READ);
	note(aegis_bind(0, &at, 1, &to_read), 1, "a_block_that_may_be_read_is_bound");
	at.entry = BIND_ENTRY(own[0], READ_WRITE);
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "not_to_write");
	at.entry = BIND_ENTRY(1, BIND_READ | BIND_WRITE) | BIND_SAME;
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "by_no_way");
	at.entry = BIND_ENTRY(own[0], BIND_READ | BIND_EXEC);
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "or_to_execute");
	at.entry = BIND_ENTRY(own[1], BIND_READ);
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "nor_is_a_frame_of_a_block_outside");
	at.entry = BIND_ENTRY(own[2], BIND_READ);
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "or_of_none");
	note(enter_as(0, MINE, own[0], BLOCK_CLEAN), -E_DENIED, "anothers_frame_is_not_registered");
	note(enter_as(0, 0, own[0], BLOCK_NONE), -E_DENIED, "or_taken_out");
	at.entry = BIND_ENTRY(its_frames[1], READ_WRITE);
	aegis_bind(0, &at, 1, NULL);
	aegis_extent_bind(its.name, 2, &his);
	note(enter_as(2, HIS, its_frames[1], BLOCK_CLEAN), -E_BUSY, "what_is_dirty_is_not_displaced");
	note(enter_as(2, HIS + 8, its_frames[1], BLOCK_DIRTY), 1, "he_registers_one_of_his_own");
	tenant_pause(); /* the stripes are revoked */
	note(enter_as(2, HIS + 8, its_frames[1], BLOCK_DIRTY), -E_STATE, "with_an_extent_that_is_revoked_nothing_is_registered");
	at.entry = BIND_ENTRY(own[0], BIND_READ);
	note(aegis_bind(0, &at, 1, &to_read), -E_DENIED, "or_bound");
	note(hand(DISK_READ, 1, HIS, 8, its_frames), -E_STATE, "or_read");
	note(hand(DISK_WRITE, 2, HIS, 8, its_frames), -E_STATE, "or_written");
	note(hand(DISK_DISCARD, 2, HIS, 8, its_frames) < 0, 1, "or_discarded");
	note(aegis_extent_bind(its.name, 3, &his), 0, "a_slot_takes_it");
	note(hand(DISK_WRITE, 3, HIS, 8, its_frames), -E_STATE, "and_does_not_help");
	note(disk_close(&its), 0, "the_queue_goes");
}

static void enter_own(uint64_t sector, frame_t f, uint32_t state)
{
	struct aegis_block b = { .sector = sector, .frame = f, .slot = 0, .state = (uint16_t)state };

	while (aegis_block_register(port.name, &b, 1) == -E_AGAIN)
		;
}

static void the_table_is_poisoned(void)
{
	struct aegis_cap all;

	lend_all();
	enter_own(HIS, own[0], BLOCK_DIRTY);
	enter_own(HIS - 8, own[1], BLOCK_CLEAN);
	ok(tenant_start(&tenant, poison, NULL, NULL), "a_tenant_attacks_the_block_table");
	all = lend(HIS, STRIPES * STRIPE, RIGHT_GRANT);
	while (aegis_cap_end(&all) > 0)
		;
	is(block_in_table(own[0]).state, BLOCK_NONE, "what_was_registered_there_is_not");
	is(block_frame(EXTENT(0, HIS + 8)), 0, "his_neither");
	is(block_in_table(own[1]).state, BLOCK_CLEAN, "the_neighbour_is");
	enter_own(HIS, own[0], BLOCK_DIRTY);
	tenant_go_on(&tenant);
	tell_notes();
	is(block_in_table(own[0]).state, BLOCK_DIRTY, "and_what_is_there_now_stays");
	is(tenant_end(&tenant), 0, "he_goes");
	enter_own(0, own[0], BLOCK_NONE), enter_own(0, own[1], BLOCK_NONE);
}

/* Ends with as much under way as it can have. */
static void flood(uint32_t operation)
{
	for (uint32_t i = 0; i < 1000; i++)
		if (hand(operation, 0, MINE + i * 8 % (STRIPES * STRIPE), 8, &its_frames[i % 16]) != 1)
			break;
}

static uint32_t under_way; /* queues that were destroyed with requests */
static void leave_under_way(void *unused)
{
	uint32_t wrong = 0;

	(void)unused;
	for (uint32_t i = 0; i < 20; i++) {
		int64_t first, last;

		begin(i ? 0 : 16);
		flood(DISK_WRITE);
		first = aegis_queue_destroy(its.name);
		last = disk_close(&its);
		under_way += first == -E_AGAIN;
		wrong += first == -E_AGAIN ? last != 0 : first != 0;
	}
	note(wrong, 0, "a_queue_is_destroyed_when_its_requests_are_done");
	note(aegis_frame_free(its_frames, 16), 16, "and_all_frames_are_ones_own");
	note(tenant_frames(its_frames, 16), 16, "again");
	begin(0);
	flood(DISK_READ); /* and dies */
}

static void dying_in_flight(void)
{
	uint32_t wrong = 0, got = 0;
	static frame_t all[64];

	for (uint32_t round = 0; round < 8; round++) {
		for (uint32_t i = 0; i < OF(all); i++)
			all[i] = frame();
		attack_by(leave_under_way);
		for (uint32_t i = 0; i < OF(all); i++)
			give(all[i]);
		for (uint32_t i = 0; i < 16; i++) { /* those that the disk read into, if they are to be had */
			all[i] = its_frames[i];
			if (aegis_frame_alloc(&all[i], 1) != 1)
				continue;
			got++;
			bind(0, PLACE + 8 * FRAME_SIZE, BIND_ENTRY(all[i], READ_WRITE));
			pattern_fill(page(8), i);
			disk_do(&port, request_of(DISK_READ, 0, 0, 8, &own[3]));
			wrong += !pattern_is(page(8), i);
			bind_once(0, PLACE + 8 * FRAME_SIZE, 0);
			give(all[i]);
		}
	}
	ok(got > 0 && wrong == 0, "nothing_is_written_into_frames_that_have_changed_hands");
}

/* As many queues as he has frames for, all full for ever. */
static volatile bool enough;
static void exhaust(void *unused)
{
	static struct disk_port many[4];

	(void)unused;
	begin(16);
	for (uint32_t i = 0; i < OF(many); i++) {
		if (disk_open(&many[i], HERE(1 + i)) < 0 || aegis_extent_bind(many[i].name, 0, &mine))
			do_ud2(NULL);
	}
	while (!enough)
		for (uint32_t i = 0; i < OF(many); i++) {
			struct aegis_completion c;

			while (disk_next(&many[i], &c))
				;
			for (uint32_t n = 0; n < 64; n++)
				if (disk_hand(&many[i], request_of(DISK_WRITE, 0, MINE + n * 64 % 4096, 64, its_frames)) != 1)
					break;
		}
	for (uint32_t i = 0; i < OF(many); i++)
		disk_close(&many[i]);
	disk_close(&its);
}

static void a_full_queue_is_shared(void)
{
	const volatile struct aegis_disk_info *d = disk_info();
	uint32_t most = 0, done = 0;
	uint64_t writes;

	lend_all();
	enough = false;
	child_make(&tenant, exhaust, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, tenant.env, NULL);
	while (d->under_way < 2)
		wait_quanta(1);
	writes = d->writes;
	for (; done < 200; done++) {
		struct aegis_disk_request *r = request_of(DISK_READ, 0, done * 8, 8, own);

		if (d->under_way > most)
			most = d->under_way;
		if (disk_hand(&port, r) != 1)
			break; /* with nothing of its own under way the test is never refused */
		disk_wait(&port);
	}
	is(done, 200, "who_asks_for_little_gets_it_at_once");
	ok(d->writes > writes, "beside_one_who_asks_for_all_that_he_can");
	ok(most <= (d->depth - 1) / 2, "and_has_no_more_than_his_share");
	enough = true;
	child_finish(&tenant);
	is(tenant_end(&tenant), 0, "he_goes");
}

/* Has frames that are dirty, of blocks of his, and one of a block that is his no more. */
static void be_dirty(void *unused)
{
	struct aegis_binding at = { HERE(1), 0 };

	(void)unused;
	begin(3);
	aegis_extent_bind(its.name, 1, &his);
	for (uint32_t i = 0; i < 3; i++) {
		at.entry = BIND_ENTRY(its_frames[i], READ_WRITE);
		aegis_bind(0, &at, 1, NULL);
		pattern_fill((void *)HERE(1), 500 + i);
		stage[i] = enter_as(i == 2, i == 2 ? HIS + 80 : MINE + 80 + 8 * i, its_frames[i], i == 1 ? BLOCK_CLEAN : BLOCK_DIRTY);
	}
	tenant_pause();
	/* by now it is being written, and his no more, or written, and not there */
	at.entry = BIND_ENTRY(its_frames[0], READ_WRITE);
	stage[3] = aegis_bind(0, &at, 1, NULL);
	stage[4] = enter_as(0, 0, its_frames[0], BLOCK_NONE);
	stage[5] = aegis_frame_free(&its_frames[0], 1);
	tenant_pause();
	look_at_losses();
	tenant_pause();
}

static void fill_around(uint64_t sector)
{
	for (uint32_t i = 0; i < 3; i++) {
		pattern_fill(page(0), 900 + i);
		disk_do(&port, request_of(DISK_WRITE, 0, sector - 8 + 8 * i, 8, own));
	}
}

static bool holds(uint64_t sector, uint64_t of) { return disk_do(&port, request_of(DISK_READ, 0, sector, 8, own)) == 0 && pattern_is(page(0), of); }

static int64_t take(frame_t f)
{
	uint64_t name = f;
	int64_t result;

	while ((result = aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1)) == -E_AGAIN)
		;
	return result;
}

static void dirty_frames_are_written_where_they_were_named(void)
{
	struct aegis_cap all;
	uint64_t name;
	int64_t result;

	lend_all();
	fill_around(MINE + 80), fill_around(HIS + 80);
	enter_own(HIS + 80, own[1], BLOCK_NONE);
	ok(tenant_start(&tenant, be_dirty, NULL, NULL), "a_tenant_has_dirty_frames");
	ok(stage[0] == 1 && stage[1] == 1 && stage[2] == 1, "of_his_blocks");
	all = lend(HIS, STRIPES * STRIPE, RIGHT_GRANT);
	is(aegis_cap_end(&all), 0, "of_which_one_is_revoked");
	is(ask(tenant.env, REVOKE_FRAMES, 3, 1), 0, "they_are_asked_back");
	name = its_frames[0];
	result = aegis_repossess(tenant.env, REVOKE_FRAMES, &name, 1);
	is(result, -E_AGAIN, "a_dirty_one_is_taken_when_it_is_written");
	tenant_go_on(&tenant);
	ok(stage[3] == -E_DENIED && stage[4] == -E_DENIED && stage[5] == -E_DENIED, "from_then_on_it_is_not_his");
	is(take(its_frames[0]), 1, "then_it_is_taken");
	is(take(its_frames[1]), 1, "a_clean_one_too");
	is(take(its_frames[2]), 1, "and_one_whose_block_is_another_s");
	ok(frame_in_table(its_frames[0]).state == FRAME_FREE && block_in_table(its_frames[0]).state == BLOCK_NONE, "they_are_free_and_no_blocks");
	ok(holds(MINE + 80, 500), "what_was_dirty_is_where_it_was_named");
	ok(holds(MINE + 72, 900) && holds(MINE + 88, 902), "and_nowhere_beside_it");
	ok(holds(HIS + 72, 900) && holds(HIS + 80, 901) && holds(HIS + 88, 902), "nor_where_it_may_not_be_any_more");
	tenant_go_on(&tenant);
	is((int64_t)losses_count, 4, "he_is_told");
	ok(losses[0].kind == LOSS_WRITTEN && losses[0].first == EXTENT(0, MINE + 80), "where_it_went");
	ok(losses[1].kind == REVOKE_FRAMES && losses[1].first == its_frames[0], "from_which_frame");
	ok(losses[2].kind == REVOKE_FRAMES && losses[2].first == its_frames[1], "that_one_was_clean");
	is(losses[3].kind, REVOKE_FRAMES, "and_of_what_was_revoked_there_is_only_the_frame");
	is(tenant_end(&tenant), 0, "he_goes");
}

/* Whose frame the disk has at all times. */
static void hold_on(void *unused)
{
	struct aegis_completion c;

	(void)unused;
	begin(1);
	while (!enough) {
		while (disk_next(&its, &c))
			;
		while (hand(DISK_WRITE, 0, MINE, 8, its_frames) == 1)
			;
	}
	disk_close(&its);
}

static void what_the_disk_always_has_is_taken_too(void)
{
	lend_all();
	enough = false;
	child_make(&tenant, hold_on, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, UINT32_MAX, tenant.env, NULL);
	while (disk_info()->under_way < 2)
		wait_quanta(1);
	is(ask(tenant.env, REVOKE_FRAMES, 1, 1), 0, "a_frame_is_asked_back_that_the_disk_always_has");
	is(take(its_frames[0]), 1, "it_is_taken");
	is(frame_in_table(its_frames[0]).pins, 0, "when_the_disk_is_done_with_it");
	enough = true;
	child_finish(&tenant);
	is(tenant_end(&tenant), 0, "he_goes");
}

/* His program ends with a dirty frame, and then his account. */
static void die_dirty(void *unused)
{
	struct aegis_binding at = { HERE(1), 0 };

	(void)unused;
	begin(1);
	at.entry = BIND_ENTRY(its_frames[0], READ_WRITE);
	aegis_bind(0, &at, 1, NULL);
	pattern_fill((void *)HERE(1), 600);
	note(enter_as(0, MINE + 160, its_frames[0], BLOCK_DIRTY), 1, "he_has_one_that_is_dirty");
}

static void so_are_those_of_the_dead(void)
{
	fill_around(MINE + 160);
	attack_by(die_dirty);
	ok(holds(MINE + 160, 600) && holds(MINE + 152, 900) && holds(MINE + 168, 902), "when_he_is_gone_it_is_written");
}

void test_main(void)
{
	uint64_t before;

	tables_see();
	disk_info(), block_in_table(1), block_frame(EXTENT(0, 0)), frame_in_table(1); /* page tables for that stay */
	bind(0, PLACE, BIND_ENTRY(boot->info, BIND_READ)), bind_once(0, PLACE, 0);
	before = free_frames();
	victim_start(1);
	for (uint32_t i = 0; i < OF(own); i++)
		bind(0, (uint64_t)page(i), BIND_ENTRY(own[i] = frame(), READ_WRITE));
	disk_open(&port, (uint64_t)page(4));
	aegis_extent_bind(port.name, 0, &boot->disks[0]);
	targets[0] = 0, targets[1] = 1, targets[2] = own[0], targets[3] = boot->info, targets[4] = info->frames - 1, targets[5] = info->frames, targets[6] = UINT32_MAX, targets[7] = info->block_table.first;
	attack_by(forge);
	attack_by(reach);
	attack_by(aim);
	attack_by(pull);
	the_table_is_poisoned();
	dying_in_flight();
	ok(under_way > 0, "some_queues_were_destroyed_under_way");
	a_full_queue_is_shared();
	dirty_frames_are_written_where_they_were_named();
	so_are_those_of_the_dead();
	what_the_disk_always_has_is_taken_too();
	is(disk_close(&port), 0, "the_tests_queue_goes");
	for (uint32_t i = 0; i < OF(own); i++) {
		bind_once(0, (uint64_t)page(i), 0);
		give(own[i]);
	}
	victim_end();
	is((int64_t)free_frames(), (int64_t)before, "nothing_is_lost");
}
