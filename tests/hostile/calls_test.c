/* A million kernel calls with random, boundary and plausible arguments, half of them by tenants with accounts of their own, who may do to themselves
 * whatever comes, and half by the first environment, which spares only what the test stands on. The kernel goes on, a victim beside computes right,
 * a server of others' is there to be transferred to, and in the end everything can be taken back. TEST_SEED sets the seed at build time. */
#include <tests/hostile/calls.h>

#ifndef TEST_SEED
#define TEST_SEED 20261125
#endif
#define CALLS 1000000

/* Arguments that could be meant, of the calls of the network. False: this is none of them. */
static bool plausible_network(struct caller *c, uint32_t call, struct aegis_cap *cap, uint64_t a[5])
{
	struct pool *p = &c->pool;

	switch (call) {
	case CALL_ring_create:
		a[0] = (uint64_t)&p->ring;
		break;
	case CALL_ring_destroy:
		a[0] = c->frames[roll(c, NAMES)];
		break;
	case CALL_filter_install:
		a[0] = (uint64_t)&p->filter, a[1] = (uint64_t)(roll(c, 2) ? cap : &p->caps[1 + roll(c, 2)]);
		break;
	case CALL_filter_change:
	case CALL_filter_remove:
		a[0] = c->filters[roll(c, NAMES)], a[1] = some_env(c);
		break;
	case CALL_guard_add:
		a[0] = c->frames[roll(c, NAMES)], a[1] = (uint64_t)p->atoms, a[2] = roll(c, 3), a[3] = (uint64_t)(roll(c, 2) ? cap : &p->caps[1 + roll(c, 2)]);
		break;
	case CALL_net_send:
		a[0] = c->frames[roll(c, NAMES)], a[1] = (uint64_t)p->sends, a[2] = 1 + roll(c, 4);
		break;
	case CALL_handler_attach:
		a[0] = (uint64_t)&p->handler;
		break;
	default:
		return false;
	}
	return true;
}

/* The same of the disk's. */
static bool plausible_disk(struct caller *c, uint32_t call, struct aegis_cap *cap, uint64_t a[5])
{
	struct pool *p = &c->pool;
	frame_t queue = c->queues[roll(c, OF(c->queues))];

	switch (call) {
	case CALL_queue_create:
		a[0] = (uint64_t)&p->queue;
		break;
	case CALL_queue_destroy:
		a[0] = roll(c, 4) ? c->frames[roll(c, NAMES)] : queue;
		break;
	case CALL_extent_bind:
		a[0] = queue, a[1] = roll(c, 3), a[2] = roll(c, 8) ? (uint64_t)(roll(c, 4) ? &p->caps[3 + roll(c, 2)] : cap) : 0;
		break;
	case CALL_disk_submit:
		a[0] = queue, a[1] = (uint64_t)p->requests, a[2] = 1 + roll(c, 4);
		break;
	case CALL_block_register:
		a[0] = queue, a[1] = (uint64_t)p->blocks, a[2] = 1 + roll(c, 4);
		break;
	default:
		return false;
	}
	return true;
}

/* The same of all calls. */
static void plausible(struct caller *c, uint32_t call, uint64_t a[5])
{
	struct pool *p = &c->pool;
	struct aegis_cap *cap = &p->caps[roll(c, OF(p->caps))], *out = &p->caps[roll(c, OF(p->caps))];
	uint64_t kind = roll(c, 6), first = kind == CAP_FILTER ? c->filters[roll(c, NAMES)] : kind == CAP_ENV ? some_env(c) : kind == CAP_SLICES ? c->positions[roll(c, NAMES)] : c->frames[roll(c, NAMES)];
	uint64_t n = 1 + roll(c, 8), rights = roll(c, 16);

	switch (call) {
	case CALL_frame_alloc:
		for (uint32_t i = 0; i < 8; i++)
			p->frames[i] = roll(c, 4) ? FRAME_ANY : c->frames[roll(c, NAMES)] + 1; /* neighbours make pairs */
		a[0] = (uint64_t)p->frames, a[1] = n;
		break;
	case CALL_frame_free:
	case CALL_frame_break:
		a[0] = (uint64_t)p->frames, a[1] = n;
		break;
	case CALL_bind:
		a[0] = roll(c, 4) ? 0 : some_env(c), a[1] = (uint64_t)p->bindings, a[2] = n, a[3] = roll(c, 2) ? 0 : (uint64_t)cap;
		break;
	case CALL_env_create:
		a[0] = (uint64_t)&p->spec;
		break;
	case CALL_env_entries:
		a[0] = (uint64_t)&p->entries;
		break;
	case CALL_env_bind:
	case CALL_cap_end:
		a[0] = (uint64_t)cap;
		break;
	case CALL_account_resize:
		a[0] = some_env(c), a[1] = (uint64_t)&p->limits;
		break;
	case CALL_slice_alloc:
		a[0] = 0, a[1] = roll(c, 2) ? UINT32_MAX : c->positions[roll(c, NAMES)], a[2] = some_env(c), a[3] = roll(c, 2) ? 0 : (uint64_t)cap;
		break;
	case CALL_slice_free:
		a[0] = 0, a[1] = c->positions[roll(c, NAMES)];
		break;
	case CALL_sleep:
		a[0] = EVENT_NOTIFY(0) | EVENT_ALARM, a[1] = ticks() + roll(c, 5000), a[2] = some_env(c);
		break;
	case CALL_notify:
		a[0] = some_env(c), a[1] = EVENT_NOTIFY(roll(c, 16));
		break;
	case CALL_cap_mint:
		a[0] = (uint64_t)out, a[1] = kind, a[2] = rights, a[3] = first, a[4] = 1 + roll(c, 3);
		break;
	case CALL_cap_narrow:
		a[0] = (uint64_t)cap, a[1] = (uint64_t)out, a[2] = rights & cap->rights, a[3] = cap->first + roll(c, 2), a[4] = 1 + roll(c, 2);
		break;
	case CALL_revoke:
		a[0] = roll(c, 2) ? target.env : some_env(c), a[1] = (uint64_t)&p->demand;
		break;
	case CALL_repossess:
		a[0] = roll(c, 2) ? target.env : some_env(c), a[1] = roll(c, 2), a[2] = (uint64_t)p->names, a[3] = n;
		break;
	case CALL_device_bind:
		a[0] = (uint64_t)(roll(c, 2) ? cap : &p->caps[0]), a[1] = some_env(c);
		break;
	case CALL_console_write:
	case CALL_console_read:
		a[0] = DEVICE_CONSOLE1, a[1] = (uint64_t)p, a[2] = roll(c, 100);
		break;
	case CALL_machine_off:
		a[0] = (uint64_t)cap, a[1] = 1;
		break;
	default: /* those that take an environment */
		if (!plausible_network(c, call, cap, a) && !plausible_disk(c, call, cap, a))
			a[0] = some_env(c);
	}
}

/* A list where there is something else: numbers that may be its program's. */
static bool misread(uint64_t at, const void *meant)
{
	return at != (uint64_t)meant && at < AEGIS_USER_TOP && at >= 0x400000;
}

/* What the first environment spares: itself, those whom the test needs, and its own console. */
static bool spared(const struct caller *c, uint32_t call, const uint64_t a[5])
{
	const env_id needed[] = { 0, c->self, victim.env, server.env, target.env, tenant.env };
	bool of_needed = false;

	if (!c->first)
		return false;
	for (uint32_t i = 0; i < OF(needed); i++)
		of_needed |= (env_id)a[0] == needed[i];
	if (call == CALL_cap_end && a[0] - (uint64_t)c->pool.caps < sizeof(c->pool.caps))
		return ((const struct aegis_cap *)a[0])->kind == CAP_DEVICE; /* it could not be sealed again */
	if (call == CALL_env_destroy)
		return of_needed;
	if (call == CALL_slice_free)
		return a[1] < positions_kept;
	if (call == CALL_slice_alloc)
		return a[3] && a[1] < positions_kept; /* sealed by itself */
	if (call == CALL_repossess || call == CALL_revoke || call == CALL_account_resize)
		return (env_id)a[0] == victim.env || (env_id)a[0] == server.env;
	if (call == CALL_bind)
		return (a[0] && (env_id)a[0] != c->self && of_needed) || misread(a[1], c->pool.bindings);
	if (call == CALL_console_write || call == CALL_console_read)
		return a[0] == DEVICE_CONSOLE0;
	if (call == CALL_sleep)
		return a[1] == 0 || a[1] > ticks() + info->tsc_hz / 1000;
	if (call == CALL_frame_break || call == CALL_frame_free)
		return misread(a[0], c->pool.frames);
	if (call == CALL_ring_create || call == CALL_handler_attach)
		return misread(a[0], &c->pool.ring) && misread(a[0], &c->pool.handler);
	if (call == CALL_queue_create)
		return misread(a[0], &c->pool.queue);
	if (call == CALL_disk_submit)
		return misread(a[1], c->pool.requests);
	return call == CALL_env_entries && a[0] != (uint64_t)&c->pool.entries;
}

static void remember(struct caller *c, uint32_t call, int64_t result)
{
	if (call == CALL_frame_alloc)
		for (int64_t i = 0; i < result && i < 8; i++)
			c->frames[roll(c, NAMES)] = c->pool.frames[i];
	else if (call == CALL_env_create)
		c->envs[roll(c, NAMES)] = (env_id)result;
	else if (call == CALL_filter_install)
		for (uint32_t i = 0; i < NAMES / 2; i++) /* there are few */
			c->filters[roll(c, NAMES)] = (uint32_t)result;
	else if (call == CALL_queue_create)
		c->queues[roll(c, OF(c->queues))] = (frame_t)result;
	else if (call == CALL_slice_alloc)
		c->positions[roll(c, NAMES)] = (uint32_t)result;
}

static bool gives_away(uint32_t call)
{
	return call == CALL_yield || call == CALL_sleep || call == CALL_transfer || call == CALL_transfer_async || call == CALL_transfer_back;
}

static void call_once(struct caller *c)
{
	uint32_t call = (uint32_t)roll(c, CALL_COUNT);
	uint64_t a[5];
	int64_t result;

	if (((call == CALL_yield || call == CALL_sleep) && roll(c, 32)) || (call == CALL_transfer_async && roll(c, 8)))
		call = CALL_bind; /* each of those costs up to a slice: fewer of them */
	fill_frames(c);
	if (call == CALL_bind)
		fill_bindings(c);
	fill_structures(c);
	for (uint32_t i = 0; i < 5; i++)
		a[i] = anything(c);
	if (roll(c, 5))
		plausible(c, call, a);
	if (roll(c, 8) == 0)
		a[roll(c, 5)] = anything(c);
	if (spared(c, call, a))
		return;
	c->calls++;
	result = gives_away(call) ? switch_call(call, a[0], a[1], a[2]) : aegis_call(call, a[0], a[1], a[2], a[3], a[4]);
	c->refused += result < 0;
	c->odd += result < -E_IO;
	c->deep[call] += result >= 0;
	if (result > 0)
		remember(c, call, result);
}

static void call_for_ever(void *argument)
{
	struct caller *c = argument;

	c->self = tenant.env;
	while (c->calls < CALLS / 2)
		call_once(c);
}

static void serve(void *unused)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry, .transfer = (uint64_t)server_entry,
		.async = (uint64_t)async_entry };

	(void)unused;
	aegis_env_entries(&entries);
	for (;;)
		sleep_until(0, 0);
}

/* Has something that can be asked back and taken. */
static void be_target(void *unused)
{
	(void)unused;
	tenant_frames(target_frames, OF(target_frames));
	positions_kept = (uint32_t)aegis_slice_alloc(0, UINT32_MAX, 0, NULL) + 1;
	for (;;)
		sleep_until(0, 0);
}

/* Tables of its own for the program's image, so that a tenant who binds there does it to himself. */
static frame_t image_tables[16];
static uint32_t image_count;

static uint64_t entry_of(frame_t table, uint64_t index)
{
	uint64_t entry;

	bind(0, SCRATCH, BIND_ENTRY(table, BIND_READ));
	entry = ((volatile uint64_t *)SCRATCH)[index];
	bind_once(0, SCRATCH, 0);
	return entry & 1 ? entry : 0;
}
static frame_t entry_frame(uint64_t entry) { return (frame_t)(entry >> FRAME_SHIFT & UINT32_MAX); }

static void add_table(env_id env, uint64_t va, uint64_t level)
{
	frame_t f = image_tables[image_count++] = pair();

	bind_once(env, va, BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level)));
}

static void private_image(struct child *c)
{
	static frame_t top;
	frame_t above;

	for (frame_t f = 0; !top; f++) /* as the harness finds it */
		if (frames_seen[f].state == FRAME_TABLE3 && frames_seen[f].owner == boot->env)
			top = f;
	above = entry_frame(entry_of(top, 0));
	bind_once(c->env, 0, BIND_LEVEL(3));
	image_count = 0;
	add_table(c->env, 0, 3);
	add_table(c->env, 0, 2);
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t leaf = entry_of(above, i);

		if (!leaf)
			continue;
		add_table(c->env, i * (FRAME_SIZE << 9), 1);
		bind(0, SCRATCH, BIND_ENTRY(entry_frame(leaf), BIND_READ));
		for (uint64_t page = 0; page < 512; page++) {
			uint64_t entry = ((volatile uint64_t *)SCRATCH)[page];

			if (entry & 1)
				bind_once(c->env, i * (FRAME_SIZE << 9) + page * FRAME_SIZE,
					BIND_ENTRY(entry_frame(entry), BIND_READ | (entry & 2) | (entry >> 63 ? 0 : BIND_EXEC)));
		}
		bind_once(0, SCRATCH, 0);
	}
}

/* Anew when somebody has ended them. */
static void disk_lend(void)
{
	static const uint32_t rights[3] = { RIGHT_READ, RIGHT_READ | RIGHT_WRITE, RIGHT_READ | RIGHT_WRITE | RIGHT_GRANT };

	for (uint32_t i = 0; i < 3; i++)
		aegis_cap_narrow(&boot->disks[0], &disk_caps[i], rights[i], EXTENT(0, 0), 4096);
}

/* Lives of the tenant, until he has made his calls: he ends when he is stopped, or has slept or given away all that he had. */
static uint64_t run_tenants(void)
{
	uint64_t lives = 0, left = 0;

	for (; tenant_caller.calls < CALLS / 2 && lives < 100000; lives++) {
		uint64_t before;

		told(0);
		disk_lend();
		child_make(&tenant, call_for_ever, &tenant_caller, 200);
		private_image(&tenant);
		aegis_slice_alloc(0, UINT32_MAX, tenant.env, NULL);
		do {
			before = tenant_caller.calls;
			sleep_until(EVENT_PEER, ticks() + info->quantum * 8);
			LOCAL->upcall.pending = 0;
		} while (tenant_caller.calls != before && env_in_table(tenant.env).state == ENV_LIVE);
		left += tenant_end(&tenant) != 0;
		for (uint32_t i = 0; i < image_count; i++)
			give_pair(image_tables[i]);
	}
	is((int64_t)left, 0, "each_tenant_can_be_destroyed_with_all_that_he_made");
	return lives;
}

/* All that the first environment has made meanwhile. kept: a bit for each frame that it had before. */
static uint64_t kept[MOST_FRAMES / 64];
static bool mine(frame_t f) { return frames_seen[f].state != FRAME_FREE && frames_seen[f].owner == boot->env; }

/* A page table of the first environment's: the way up from it says where it is bound. */
static void unbind_table(frame_t f)
{
	uint64_t level = frames_seen[f].state - FRAME_TABLE1 + 1, va = 0;
	frame_t table = f;

	for (uint64_t above = level; above <= 3; above++) {
		uint64_t binding = frames_seen[table].first;

		table = (frame_t)(binding / 512);
		va |= binding % 512 << (FRAME_SHIFT + 9 * above);
		if (frames_seen[table].state != FRAME_TABLE1 + above)
			return; /* it is read as a page there: until that is gone */
	}
	bind_once(0, va, BIND_LEVEL(level));
}

/* Rings go with their filters, and those without a ring by number. */
static void network_end(void)
{
	uint32_t slots = device_info(DEVICE_NET0)->filter_slots;

	for (frame_t f = 0; f < info->frames; f++)
		if (mine(f) && frames_seen[f].state == FRAME_RING)
			while (aegis_ring_destroy(f) == -E_AGAIN)
				;
	for (uint32_t n = 1; n <= slots; n++)
		aegis_filter_remove(n);
	is(device_info(DEVICE_NET0)->filters + device_info(DEVICE_NET0 + 1)->filters, 0, "no_filter_is_left");
}

/* Its queues' frames, and what it has lent. */
static void disk_end(void)
{
	for (frame_t f = 0; f < info->frames; f++)
		if (mine(f) && frames_seen[f].state == FRAME_QUEUE)
			while (aegis_queue_destroy(f) == -E_AGAIN)
				;
}

static void clean_up(void)
{
	env_id needed[] = { boot->env, victim.env };

	network_end();
	disk_end();
	tenant_end(&server);
	tenant_end(&target);
	for (uint32_t slot = 0; slot < info->env_slots; slot++) {
		env_id id = envs_seen[slot].id;
		bool spare = envs_seen[slot].state == ENV_FREE;

		for (uint32_t i = 0; i < OF(needed); i++)
			spare |= id == needed[i];
		if (!spare)
			tenant_take(id);
	}
	for (uint32_t position = positions_kept; position < info->slice_positions; position++)
		aegis_slice_free(0, position);
	for (uint32_t round = 0; round < 6; round++)
		for (frame_t f = 0; f < info->frames; f++)
			if (mine(f) && !(kept[f / 64] >> f % 64 & 1) && frames_seen[f].state >= FRAME_TABLE1 && frames_seen[f].state <= FRAME_TABLE3)
				unbind_table(f);
	for (frame_t f = 0; f < info->frames; f++)
		if (mine(f) && !(kept[f / 64] >> f % 64 & 1)) {
			while (aegis_frame_break(&f, 1) == -E_AGAIN)
				;
			if (aegis_frame_free(&f, 1) != 1)
				print("# frame %u stays: state %u, bound %u times\n", f, frames_seen[f].state, frames_seen[f].bindings);
		}
}

static void report(const char *who, const struct caller *c)
{
	uint64_t shallow = 0;

	print("# %s: %lu calls, %lu refused; done, by number:", who, c->calls, c->refused);
	for (uint32_t call = 0; call < CALL_COUNT; call++) {
		print(" %lu", c->deep[call]);
		shallow += c->deep[call] == 0 && call != CALL_transfer_back &&
			   (call > CALL_machine_off || call < (c->first ? (uint32_t)CALL_machine_off : (uint32_t)CALL_repossess));
	}
	print("\n");
	is((int64_t)c->odd, 0, "what_is_refused_is_with_an_error_of_the_list");
	is((int64_t)shallow, 0, "every_call_was_also_done");
	ok(c->refused > c->calls / 4, "and_nonsense_refused");
}

void test_main(void)
{
	uint64_t before, rounds, lives;

	print("# seed %u\n", TEST_SEED);
	tenant_caller.state = TEST_SEED;
	first_caller.state = TEST_SEED + 1;
	first_caller.self = boot->env;
	first_caller.first = true;
	info_frame = boot->info;
	device_cap = boot->devices[DEVICE_CONSOLE1];
	for (uint32_t i = 0; i < 2; i++)
		aegis_cap_narrow(&boot->devices[DEVICE_NET0 + i], &net_caps[i], RIGHT_WRITE, DEVICE_NET0 + i, 1);
	device_info(DEVICE_NET0); /* its page tables stay */
	tables_see();
	victim_start(1);
	for (frame_t f = 0; f < info->frames; f++)
		if (mine(f))
			kept[f / 64] |= 1ul << f % 64;
	before = free_frames();
	child_make(&server, serve, NULL, TENANT_FRAMES);
	yield(server.env);
	child_make(&target, be_target, NULL, TENANT_FRAMES);
	yield(target.env);
	while (first_caller.calls < CALLS / 2) {
		if (first_caller.calls % 1024 == 0)
			disk_lend();
		call_once(&first_caller);
	}
	report("the first environment", &first_caller);
	rounds = victim_rounds;
	ok(rounds > 0, "the_victim_was_not_starved");
	disk_end();
	network_end(); /* one filter for everything would leave nothing to them */
	lives = run_tenants();
	report("tenants", &tenant_caller);
	print("# in %lu lives; after %lu ms\n", lives, (ticks() - info->boot_tsc) / milliseconds(1));
	ok(victim_rounds > rounds, "nor_by_them");
	clean_up();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
	is(env_in_table(boot->env).held.slices, 1, "nor_a_slice");
	is(env_in_table(boot->env).held.environments, 1, "nor_an_environment");
	victim_end();
}
