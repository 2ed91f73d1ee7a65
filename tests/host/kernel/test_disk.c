/* The disk's calls, at random, by three accounts, against a model: what an extent allows by when it was made and when its stripes were revoked, which frame is registered for which block, who has bound it by an extent, and what the disk holds.
 * SEED: another sequence; CALLS: how many. */
#include "test_disk.h"

/* ---- Calls ---------------------------------------------------------------------------------------------------------------- */

static uint64_t some_block(void)
{
	uint64_t block = random_below(SOME_BLOCKS) * BLOCK_SECTORS, stripe = random_below(STRIPES);

	return stripe * STRIPE + (block < SOME_BLOCKS / 2 * BLOCK_SECTORS ? block : STRIPE - SOME_BLOCKS * BLOCK_SECTORS + block);
}

/* Mostly one of its own for this; else any that is not its own, as tables are not. */
static frame_t some_frame(const struct account *a)
{
	frame_t f = a->frames[random_below(FRAMES)];

	while (random_below(16) == 0 || (owner_of(f) != a - accounts && frame_owned(f, a->env)))
		f = (frame_t)random_below(MACHINE_FRAMES);
	return f;
}

static void lend(void)
{
	uint32_t i = (uint32_t)random_below(CAPS);
	uint64_t first = random_below(4) ? random_below(STRIPES) * STRIPE : some_block(), count = random_below(4) ? STRIPE * (1 + random_below(2)) : 1 + random_below(SOME_BLOCKS * BLOCK_SECTORS);
	uint32_t rights = (uint32_t)(RIGHT_READ | random_below(2) * RIGHT_WRITE | (random_below(4) == 0) * RIGHT_GRANT);

	if (first + count > DISK_SECTORS)
		count = DISK_SECTORS - first;
	run(accounts[0].env);
	*(struct aegis_cap *)user(AT_CAP) = (struct aegis_cap){ .kind = CAP_EXTENT, .rights = RIGHT_READ | RIGHT_WRITE | RIGHT_GRANT, .epoch = EPOCH_ANY, .count = DISK_SECTORS };
	cap_seal(user(AT_CAP));
	CHECK(call_cap_narrow(AT_CAP, AT_OUT, rights, EXTENT(0, first), count) == 0);
	caps[i] = *(struct aegis_cap *)user(AT_OUT);
	extents[i] = (struct extent){ first, count, now, rights };
}

static void narrow(void)
{
	uint32_t from = (uint32_t)random_below(CAPS), to = (uint32_t)random_below(CAPS);
	uint64_t first = extents[from].first + random_below(32), count = 1 + random_below(2 * STRIPE), rights = random_below(4);
	int64_t result;

	if (!extents[from].made)
		return;
	*(struct aegis_cap *)user(AT_CAP) = caps[from];
	result = call_cap_narrow(AT_CAP, AT_OUT, rights, EXTENT(0, first), count);
	CHECK((result == 0) == (extents[from].rights & RIGHT_GRANT && !(rights & ~(uint64_t)extents[from].rights) && covers(&extents[from], first, count)));
	if (result)
		return;
	caps[to] = *(struct aegis_cap *)user(AT_OUT);
	extents[to] = (struct extent){ first, count, extents[from].made, (uint32_t)rights };
}

static void revoke(void)
{
	uint32_t i = (uint32_t)random_below(CAPS);
	const struct extent *e = &extents[i];
	int64_t left = 0, result;

	*(struct aegis_cap *)user(AT_CAP) = caps[i];
	result = call_cap_end(AT_CAP, 0, 0, 0, 0);
	if (!e->rights || !(e->rights & RIGHT_GRANT)) {
		CHECK(result == -E_DENIED);
		return;
	}
	if (e->first % STRIPE || (e->first + e->count) % STRIPE) {
		CHECK(result == -E_INVALID);
		return;
	}
	now++;
	for (uint64_t s = e->first / STRIPE; s < (e->first + e->count) / STRIPE; s++)
		if (revoked[s] <= e->made)
			revoked[s] = now;
	for (frame_t f = 1; f < MACHINE_FRAMES; f++)
		if (registered[f].state && !(taken[f] && pinned(f)) && !is_fresh(f) && registered[f].block >= e->first && registered[f].block < e->first + e->count)
			registered[f] = (struct registered){ 0 };
	for (uint32_t k = 0; k < DISK_DEPTH; k++)
		left += asked[k].count && asked[k].operation != DISK_FLUSH && asked[k].sector < e->first + e->count && e->first < asked[k].sector + asked[k].count &&
			!good(asked[k].made, asked[k].sector, asked[k].count);
	CHECK(result == left);
	done[0]++;
}

static void bind_slot(struct account *a)
{
	uint32_t slot = (uint32_t)random_below(SLOTS), i = (uint32_t)random_below(CAPS);
	bool forged = random_below(8) == 0, none = random_below(8) == 0;
	int64_t result;

	*(struct aegis_cap *)user(AT_CAP) = caps[i];
	if (forged)
		((uint64_t *)user(AT_CAP))[random_below(4)] ^= 1ul << random_below(64);
	result = call_extent_bind(a->queue, slot, none ? 0 : AT_CAP, 0, 0);
	CHECK(result == (!none && (forged || !extents[i].made) ? -E_DENIED : 0));
	if (!result)
		a->slots[slot] = none ? (struct extent){ 0 } : extents[i];
}

static void submit(int who)
{
	struct account *a = &accounts[who];
	struct aegis_disk_request r = { .tag = ++tag, .sector = some_block(), .count = (uint32_t)(1 + random_below(4)) * BLOCK_SECTORS, .slot = (uint16_t)random_below(SLOTS),
		.operation = (uint8_t)random_below(2), .flags = (uint8_t)(random_below(2) * DISK_REGISTER), .frames = AT_LIST };
	const struct extent *e = &a->slots[r.slot];
	bool owned = true, allowed;
	frame_t list[4];
	int64_t result;
	uint32_t n, i;

	if (random_below(4) == 0)
		r.flags = 0, r.sector += random_below(9), r.count = (uint32_t)(1 + random_below(24));
	n = (r.count + BLOCK_SECTORS - 1) / BLOCK_SECTORS;
	for (i = 0; i < 4; i++) {
		list[i] = some_frame(a);
		owned &= i >= n || (owner_of(list[i]) == who && !taken[list[i]]);
	}
	put_frames(list, 4);
	memcpy(user(AT_SPEC), &r, sizeof(r));
	allowed = owned && covers(e, r.sector, r.count) && (e->rights & (r.operation == DISK_WRITE || r.flags ? (uint32_t)RIGHT_WRITE : 0)) == (r.operation == DISK_WRITE || r.flags ? (uint32_t)RIGHT_WRITE : 0) &&
		  (r.operation == DISK_WRITE || e->rights & RIGHT_READ) && good(e->made, r.sector, r.count);
	result = call_disk_submit(a->queue, AT_SPEC, 1, 0, 0);
	CHECK(result == 1 ? allowed : result == -E_FULL ? allowed && a->under_way > 0 : !allowed);
	if (result != 1)
		return;
	done[1]++;
	for (i = 0; asked[i].count; i++)
		;
	asked[i] = (struct asked){ .account = who, .operation = r.operation, .n = n, .flags = r.flags, .sector = r.sector, .count = r.count, .tag = r.tag, .made = e->made };
	memcpy(asked[i].frames, list, sizeof(list));
	for (uint32_t k = 0; k < n && r.flags; k++) /* what is to be registered leaves the table */
		if (registered[list[k]].state && (registered[list[k]].block != r.sector + k * BLOCK_SECTORS || !is_fresh(list[k])))
			registered[list[k]] = (struct registered){ 0 };
	a->accepted++, a->under_way++;
}

/* What the disk does to frames is done to those that were named, which are their account's still. */
static void check_pieces(const struct asked *q, const struct disk_request *r)
{
	uint64_t at = 0, bytes = 0;

	for (uint32_t i = 0; i < r->n; i++)
		bytes += r->pieces[i].length;
	CHECK(r->operation == q->operation && r->sector == q->sector && r->count == q->count && bytes == q->count * SECTOR_SIZE);
	for (uint32_t i = 0; i < r->n; i++)
		for (uint64_t part = 0; part < r->pieces[i].length; part += SECTOR_SIZE, at += SECTOR_SIZE)
			CHECK(r->pieces[i].address + part == ((uint64_t)q->frames[at / FRAME_SIZE] << FRAME_SHIFT) + at % FRAME_SIZE);
	for (uint32_t i = 0; i < q->n; i++)
		CHECK(frame_table[q->frames[i]].pins & ~PIN_HELD && (q->account < 0 || owner_of(q->frames[i]) == q->account) &&
			frame_table[q->frames[i]].state == (taken[q->frames[i]] ? FRAME_TAKEN : FRAME_OWNED) && (q->account >= 0 || taken[q->frames[i]]));
}

static void finish(void)
{
	uint32_t which = (uint32_t)random_below(disk_waiting), i = 0;
	const struct request *kernels = &disks[0].requests[disk_requests[which].cookie];
	struct asked q;

	for (i = 0; !asked[i].count || asked[i].tag != kernels->tag || (asked[i].account < 0) != !kernels->queue || (asked[i].account < 0 && asked[i].frames[0] != kernels->frames[0]); i++)
		CHECK(i + 1 < DISK_DEPTH);
	q = asked[i];
	check_pieces(&q, &disk_requests[which]);
	disk_fails = random_below(8) == 0;
	asked[i].count = 0;
	disk_finish(which);
	for (uint64_t s = 0; s < q.count && q.operation == DISK_WRITE && !disk_fails; s++)
		contents[q.sector + s] = *((uint8_t *)frame_pointer(q.frames[s / BLOCK_SECTORS]) + s % BLOCK_SECTORS * SECTOR_SIZE);
	done[2]++;
	if (q.account < 0) {
		registered[q.frames[0]].state = disk_fails ? BLOCK_UNWRITTEN : BLOCK_WRITTEN;
		return;
	}
	accounts[q.account].under_way--;
	for (uint32_t k = 0; k < q.n && q.flags && !disk_fails && good(q.made, q.sector, q.count); k++) {
		frame_t f = q.frames[k];
		uint64_t block = q.sector + k * BLOCK_SECTORS;

		if (registered[f].state) {
			if (registered[f].block == block && is_fresh(f))
				registered[f].state = BLOCK_CLEAN;
		} else if (!frame_of_block(block)) {
			register_model(f, block, q.made, BLOCK_CLEAN);
		}
	}
	{
		struct account *a = &accounts[q.account];
		const struct aegis_queue *page = frame_pointer(a->control);
		const struct aegis_completion *c = &page->completions[a->produced % QUEUE_COMPLETIONS];

		a->produced++;
		CHECK(page->produced == a->produced && c->tag == q.tag && c->result == (disk_fails ? -E_IO : 0));
	}
}

static void enter(int who)
{
	struct account *a = &accounts[who];
	struct aegis_block b = { .sector = some_block(), .frame = some_frame(a), .slot = (uint16_t)random_below(SLOTS),
		.state = (uint16_t)random_below(3) };
	const struct extent *e = &a->slots[b.slot];
	bool owned = owner_of(b.frame) == who && !taken[b.frame];
	frame_t other = frame_of_block(b.sector);
	int64_t result, expected;

	memcpy(user(AT_SPEC), &b, sizeof(b));
	result = call_block_register(a->queue, AT_SPEC, 1, 0, 0);
	if (b.state == BLOCK_NONE) {
		CHECK(result == (owned ? 1 : -E_DENIED));
		if (owned)
			registered[b.frame] = (struct registered){ 0 };
		return;
	}
	if (!covers(e, b.sector, BLOCK_SECTORS) || !(e->rights & RIGHT_WRITE))
		expected = -E_DENIED;
	else if (!good(e->made, b.sector, BLOCK_SECTORS))
		expected = -E_STATE;
	else if (!owned)
		expected = -E_DENIED;
	else if (other && other != b.frame && ((taken[other] && (pinned(other) || registered[other].state == BLOCK_DIRTY)) || (is_fresh(other) && registered[other].state == BLOCK_DIRTY && owner_of(other) != who)))
		expected = -E_BUSY;
	else
		expected = 1;
	CHECK(result == expected);
	if (result != 1)
		return;
	done[3]++;
	if (other == b.frame && is_fresh(other)) {
		registered[other].state = b.state;
		return;
	}
	if (other)
		registered[other] = (struct registered){ 0 };
	register_model(b.frame, b.sector, e->made, b.state);
}

static void borrow(int who)
{
	struct account *a = &accounts[who];
	uint32_t page = (uint32_t)random_below(FRAMES), i = (uint32_t)random_below(CAPS);
	int from = (who + 1 + (int)random_below(ACCOUNTS - 1)) % ACCOUNTS;
	frame_t f = accounts[from].frames[random_below(FRAMES)];
	bool writes = random_below(2), unbind = random_below(4) == 0;
	struct aegis_binding b = { VA + page * FRAME_SIZE, BIND_ENTRY(f, BIND_READ | (writes ? BIND_WRITE : 0)) };
	const struct extent *e = &extents[i];
	const struct registered *r = &registered[f];
	bool allowed = r->state && !taken[f] && is_fresh(f) && covers(e, r->block, BLOCK_SECTORS) && e->rights & RIGHT_READ && (!writes || e->rights & RIGHT_WRITE) && good(e->made, r->block, BLOCK_SECTORS);

	if (unbind)
		b.entry = 0, allowed = true;
	*(struct aegis_binding *)user(AT_LIST) = b;
	*(struct aegis_cap *)user(AT_CAP) = caps[i];
	CHECK(call_bind(0, AT_LIST, 1, unbind ? 0 : AT_CAP, 0) == (allowed ? 1 : -E_DENIED));
	if (!allowed)
		return;
	done[4] += !unbind;
	a->pages[page] = unbind ? (struct lent){ 0 } : (struct lent){ f, r->serial };
}

static void give_back(int who)
{
	struct account *a = &accounts[who];
	frame_t *f = &a->frames[random_below(FRAMES)], was = *f;
	int64_t result;

	put_frames(f, 1);
	result = call_frame_free(AT_LIST, 1, 0, 0, 0);
	CHECK(result == (taken[was] ? -E_DENIED : pinned(was) ? -E_BUSY : 1));
	if (result != 1)
		return;
	registered[was] = (struct registered){ 0 };
	CHECK(call_frame_alloc(AT_LIST, 1, 0, 0, 0) == 1); /* the same one again */
	done[5]++;
}

/* The first account takes a frame from one of the others by force; which gets another for it. */
static void take(int who)
{
	struct account *a = &accounts[who];
	uint32_t place = (uint32_t)random_below(FRAMES);
	frame_t f = a->frames[place];
	struct registered *r = &registered[f];
	const struct aegis_repossessed *vector = (const void *)((const uint8_t *)env_upcall(a->env) + REPOSSESSED_OFFSET);
	bool written = r->state == BLOCK_DIRTY && is_fresh(f), busy = pinned(f);
	uint64_t losses = vector->count;
	int64_t result;

	run(accounts[0].env);
	*(struct aegis_demand *)user(AT_SPEC) = (struct aegis_demand){ .kind = REVOKE_FRAMES, .count = 1 };
	CHECK(call_revoke(a->env->id, AT_SPEC, 0, 0, 0) == 0);
	*(uint64_t *)user(AT_LIST) = f;
	result = call_repossess(a->env->id, REVOKE_FRAMES, AT_LIST, 1, 0);
	if (busy || written) {
		CHECK(result == -E_AGAIN && frame_table[f].state == FRAME_TAKEN);
		taken[f] = true;
		if (!busy && frame_table[f].pins & ~PIN_HELD) {
			uint32_t i = 0;

			for (; asked[i].count; i++)
				;
			asked[i] = (struct asked){ .account = -1, .operation = DISK_WRITE, .n = 1, .sector = r->block, .count = BLOCK_SECTORS, .made = r->since, .frames = { f } };
		}
	} else {
		const struct aegis_loss *last = &vector->entries[(vector->count - 1) % REPOSSESSED_ENTRIES], *before = &vector->entries[(vector->count - 2) % REPOSSESSED_ENTRIES];
		bool told = r->state >= BLOCK_DIRTY;

		CHECK(result == 1 && vector->count == losses + 1 + told && last->kind == REVOKE_FRAMES && last->first == f && frame_table[f].state == FRAME_FREE);
		if (told)
			CHECK(before->kind == (r->state == BLOCK_WRITTEN ? LOSS_WRITTEN : LOSS_UNWRITTEN) && before->first == r->block);
		done[6] += told;
		*r = (struct registered){ 0 };
		taken[f] = false;
		run(a->env);
		put_frames(&f, 1);
		CHECK(call_frame_alloc(AT_LIST, 1, 0, 0, 0) == 1);
	}
}

/* ---- After each step ------------------------------------------------------------------------------------------------------- */

static void check_table(void)
{
	uint32_t in_index = 0, in_stripes = 0, in_model = 0;

	for (frame_t f = 1; f < MACHINE_FRAMES; f++) {
		CHECK(block_table[f].state == registered[f].state && (!registered[f].state || block_table[f].block == registered[f].block));
		in_model += registered[f].state != 0;
	}
	for (uint32_t h = 0; h < machine_info->block_hashes; h++)
		for (frame_t f = ((frame_t *)frame_pointer(machine_info->block_index.first))[h], previous = 0; f; previous = f, f = block_table[f].next, in_index++)
			CHECK(in_index <= in_model && registered[f].state && block_hash(block_table[f].block, machine_info->block_hashes) == h && block_table[f].previous == previous && frame_of_block(block_table[f].block) == f);
	for (uint32_t s = 0; s < STRIPES; s++)
		in_stripes += disks[0].stripes[s].first != 0;
	CHECK(in_index == in_model && (in_stripes > 0) == (in_model > 0));
}

static void check_pages(void)
{
	for (int who = 0; who < ACCOUNTS; who++)
		for (uint32_t i = 0; i < FRAMES; i++) {
			struct lent *l = &accounts[who].pages[i];
			uint64_t entry = machine_walk(accounts[who].env->root, VA + i * FRAME_SIZE);

			if (l->frame && (registered[l->frame].serial != l->serial || taken[l->frame]))
				*l = (struct lent){ 0 };
			CHECK(l->frame ? entry_frame(entry) == l->frame && entry & ENTRY_LENT : !entry);
		}
}

static void check_counts(void)
{
	uint32_t under_way = 0;

	for (int who = 0; who < ACCOUNTS; who++)
		for (uint32_t u = 0; u < DISK_DEPTH; u++)
			if (disks[0].users[u].account == accounts[who].env->id)
				under_way += disks[0].users[u].under_way, CHECK(disks[0].users[u].under_way == accounts[who].under_way);
	CHECK(disks[0].info->under_way == disk_waiting && under_way <= disk_waiting && under_way < DISK_DEPTH);
	for (frame_t f = 1; f < MACHINE_FRAMES; f++)
		if (owner_of(f) >= 0)
			CHECK((frame_table[f].pins & (PIN_HELD - 1)) == pinned(f) && frame_table[f].next == (registered[f].state != 0));
	for (uint64_t s = 0; s < DISK_SECTORS; s += step % 64 ? DISK_SECTORS : 1)
		CHECK(disk_contents[s * SECTOR_SIZE] == contents[s]);
}

static void one_step(void)
{
	int who = (int)random_below(ACCOUNTS);
	struct account *a = &accounts[who];

	run(a->env);
	switch (random_below(12)) {
	case 0:
		random_below(2) ? lend() : narrow();
		break;
	case 1:
		random_below(6) ? lend() : revoke();
		break;
	case 2:
		bind_slot(a);
		break;
	case 3:
	case 4:
		submit(who);
		break;
	case 5:
	case 6:
		if (disk_waiting)
			finish();
		break;
	case 7:
	case 8:
		enter(who);
		break;
	case 9:
		borrow(who);
		break;
	case 10:
		random_below(2) ? give_back(who) : who ? take(who) : (void)0;
		break;
	default:
		((struct aegis_queue *)frame_pointer(a->control))->consumed = a->produced;
		memset(frame_pointer(a->frames[random_below(FRAMES)]), (int)random_below(256), FRAME_SIZE);
	}
	check_table();
	check_pages();
	check_counts();
}

/* ---- Start ------------------------------------------------------------------------------------------------------------------ */

static void alloc(const frame_t *list, uint32_t n)
{
	put_frames(list, n);
	CHECK(call_frame_alloc(AT_LIST, n, 0, 0, 0) == n);
}

static void account_start(struct account *a, frame_t from)
{
	struct aegis_queue_spec spec = { from, from + 1 };
	frame_t list[2 + 6 + FRAMES];

	run(a->env);
	for (uint32_t i = 0; i < 2 + 6 + FRAMES; i++)
		list[i] = from + i;
	alloc(list, 2 + 6 + FRAMES);
	for (uint32_t level = 3; level > 0; level--) {
		*(struct aegis_binding *)user(AT_LIST) = (struct aegis_binding){ VA, BIND_ENTRY(list[2 + 2 * (level - 1)], BIND_READ | BIND_LEVEL(level)) };
		CHECK(call_bind(0, AT_LIST, 1, 0, 0) == 1);
	}
	for (uint32_t i = 0; i < FRAMES; i++) {
		a->frames[i] = list[8 + i];
		memset(frame_pointer(a->frames[i]), 0, FRAME_SIZE);
	}
	memcpy(user(AT_SPEC), &spec, sizeof(spec));
	CHECK(call_queue_create(AT_SPEC, 0, 0, 0, 0) == from);
	a->queue = from, a->control = from + 1;
}

static struct env *account_make(frame_t from)
{
	const frame_t list[4] = { from, from + 1, from + 2, from + 3 };
	struct aegis_env_spec spec = { .object = from, .root = from + 1, .upcall = from + 3, .flags = ENV_NEW_ACCOUNT, .limits = { .frames = 60, .environments = 1 } };
	int64_t id;

	run(accounts[0].env);
	alloc(list, 4);
	memcpy(user(AT_SPEC), &spec, sizeof(spec));
	id = call_env_create(AT_SPEC, 0, 0, 0, 0);
	CHECK(id > 0);
	memset(frame_pointer(from + 3), 0, FRAME_SIZE);
	return env_find((env_id)id);
}

/* All is done, and everything goes: with the account, what it has under way. */
static void end(void)
{
	for (int who = 0; who < ACCOUNTS; who++) {
		struct account *a = &accounts[who];
		bool waits = a->under_way;

		run(a->env);
		CHECK(call_queue_destroy(a->queue, 0, 0, 0, 0) == (waits ? -E_AGAIN : 0));
		while (disk_waiting && waits)
			finish();
		CHECK(!waits || call_queue_destroy(a->queue, 0, 0, 0, 0) == 0);
		CHECK(frame_table[a->control].pins == 0 && frame_table[a->queue].state == FRAME_OWNED);
	}
	CHECK(disks[0].user_count == 0 && disks[0].waiting == 0);
}

int main(void)
{
	const char *given = getenv("SEED"), *calls = getenv("CALLS");
	uint64_t steps = calls ? strtoul(calls, NULL, 0) : 100000;
	bool reached = true;

	seed = random_state = given ? strtoul(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	printf("# SEED=%lu\n", seed);
	disk_attach();
	accounts[0].env = machine_boot();
	accounts[1].env = account_make(220);
	accounts[2].env = account_make(230);
	for (int who = 0; who < ACCOUNTS; who++)
		account_start(&accounts[who], (frame_t)(250 + 30 * who));
	for (; step < steps; step++)
		one_step();
	ok(1, "%lu steps are as in the model", steps);
	end();
	ok(1, "and in the end nothing is held");
	printf("# revoked %lu, submitted %lu, done %lu, registered %lu, lent %lu, freed %lu, told of contents %lu\n", done[0], done[1], done[2], done[3], done[4], done[5], done[6]);
	for (uint32_t i = 0; i < 7; i++)
		reached &= done[i] > steps / 4000;
	ok(reached, "everything has happened");
	return done_testing();
}
