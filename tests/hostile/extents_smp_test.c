/* The disk on two CPUs: who loses a frame that he has bound by an extent loses it on every CPU before its owner goes on, and requests from both CPUs come out right. */
#include <tests/hostile/smp.h>
#include <tests/kernel/disks.h>

#define PLACE 0x321000000000ul
#define HERE ((uint64_t)LOCAL + FRAME_SIZE) /* where the other binds pages: there are tables */
#define BLOCK (4u * STRIPE)
#define ROUNDS 3000
#define PUBLIC 0x7075626c6963ul
#define SECRET 0x736563726574ul

static struct disk_port port;
static frame_t f;
static struct child other;
static volatile struct aegis_cap lent;
static volatile uint64_t *const word = (volatile uint64_t *)PLACE;
static volatile bool stop;
static volatile uint64_t sightings, secrets, faults, writes;

static void look(void *at)
{
	uint64_t v = *(volatile uint64_t *)at;

	sightings += v == PUBLIC;
	secrets += v == SECRET;
}

static void scribble(void *at)
{
	for (uint32_t i = 0; i < 100; i++)
		((volatile uint64_t *)at)[1] = PUBLIC;
	writes++;
}

/* Binds the frame whenever it can, and uses it. */
static void use_frame(void (*how)(void *), uint64_t rights)
{
	while (!stop) {
		struct aegis_cap cap = { lent.kind, lent.rights, lent.epoch, lent.first, lent.count, lent.seal };
		struct aegis_binding page = { HERE, BIND_ENTRY(f, rights) };

		if (aegis_bind(0, &page, 1, &cap) == 1)
			for (uint32_t i = 0; i < 50 && attempt(how, (void *)HERE) == RETURNED; i++)
				;
		else
			faults++;
	}
}
static void read_it(void *unused) { (void)unused, use_frame(look, BIND_READ); }
static void write_it(void *unused) { (void)unused, use_frame(scribble, READ_WRITE); }

static int64_t enter(uint32_t state)
{
	struct aegis_block b = { .sector = BLOCK, .frame = f, .slot = 0, .state = (uint16_t)state };
	int64_t result;

	while ((result = aegis_block_register(port.name, &b, 1)) == -E_AGAIN)
		;
	return result;
}

static void lend(uint32_t rights)
{
	struct aegis_cap cap;

	aegis_cap_narrow(&boot->disks[0], &cap, rights, EXTENT(0, BLOCK), STRIPE);
	lent.seal = 0, lent.kind = cap.kind, lent.rights = cap.rights, lent.epoch = cap.epoch, lent.first = cap.first, lent.count = cap.count, lent.seal = cap.seal;
}

/* By turns the ways to end it. */
static int64_t withdraw(uint64_t round)
{
	struct aegis_cap all;
	int64_t left;

	if (round % 3)
		return enter(BLOCK_NONE) == 1 ? 0 : -1;
	aegis_cap_narrow(&boot->disks[0], &all, RIGHT_GRANT, EXTENT(0, BLOCK), STRIPE);
	while ((left = aegis_cap_end(&all)) > 0)
		;
	return left;
}

/* Until it is done, asleep: an emulator whose CPUs only wait for each other may not come to do what the disk is asked. */
static bool rest(const struct child *c)
{
	uint64_t end = ticks() + 4 * patience;

	while (!c->done && ticks() < end)
		sleep_until(0, ticks() + milliseconds(1));
	return c->done;
}

/* used: what the other counts when it has had the frame. */
static void race(void (*how)(void *), uint32_t rights, volatile uint64_t *used)
{
	uint64_t wrong = 0, changed = 0, end = ticks() + patience;

	stop = false;
	word[0] = PUBLIC;
	lend(rights);
	ok(child_make(&other, how, NULL, 64) != 0, "there_is_another_account");
	aegis_slice_alloc(1, UINT32_MAX, other.env, NULL);
	for (uint64_t round = 0; round < ROUNDS || (*used < 100 && ticks() < end); round++) {
		wrong += enter(BLOCK_CLEAN) != 1;
		random_spin(2000);
		wrong += withdraw(round) != 0;
		word[0] = SECRET, word[1] = SECRET;
		random_spin(500);
		changed += word[1] != SECRET;
		word[0] = PUBLIC;
		lend(rights);
	}
	stop = true;
	ok(rest(&other), "it_ends");
	is((int64_t)wrong, 0, "a_frame_is_registered_and_withdrawn");
	is((int64_t)changed, 0, "what_is_withdrawn_is_not_written_any_more");
	ok(finish(&other), "it_goes");
}

static struct disk_port its;
static frame_t its_frame;
static volatile uint64_t its_wrong, its_done;
static struct aegis_cap its_cap;

static uint64_t exercise(struct disk_port *p, frame_t frame_, volatile uint64_t *page, uint64_t first, volatile uint64_t *done)
{
	uint64_t bad = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		struct aegis_disk_request r = { .tag = i, .sector = first + i % 64 * 8, .count = 8, .operation = DISK_WRITE, .frames = (uint64_t)&frame_ };

		page[0] = first + i, page[511] = ~i;
		bad += disk_do(p, &r) != 0;
		page[0] = page[511] = 0;
		r.operation = DISK_READ, r.tag += 1000;
		bad += disk_do(p, &r) != 0;
		bad += page[0] != first + i || page[511] != ~i;
		++*done;
	}
	return bad;
}

static void exercise_there(void *unused)
{
	struct aegis_binding page = { HERE + FRAME_SIZE, 0 };

	(void)unused;
	its_frame = FRAME_ANY;
	if (disk_open(&its, HERE) < 0 || aegis_extent_bind(its.name, 0, &its_cap) || aegis_frame_alloc(&its_frame, 1) != 1)
		do_ud2(NULL);
	page.entry = BIND_ENTRY(its_frame, READ_WRITE);
	aegis_bind(0, &page, 1, NULL);
	its_wrong = exercise(&its, its_frame, (volatile uint64_t *)(HERE + FRAME_SIZE), 20 * STRIPE, &its_done);
	page.entry = 0;
	aegis_bind(0, &page, 1, NULL);
	its_wrong += disk_close(&its) != 0;
	aegis_frame_free(&its_frame, 1);
}

static void both_cpus_use_it(void)
{
	volatile uint64_t done = 0;

	aegis_cap_narrow(&boot->disks[0], &its_cap, RIGHT_READ | RIGHT_WRITE, EXTENT(0, 20 * STRIPE), STRIPE);
	child_make(&other, exercise_there, NULL, 64);
	aegis_slice_alloc(1, UINT32_MAX, other.env, NULL);
	is((int64_t)exercise(&port, f, word, 30 * STRIPE, &done), 0, "requests_of_one_cpu_are_right");
	ok(rest(&other), "as_are_the_others");
	is((int64_t)its_wrong, 0, "every_one");
	is(disk_info()->under_way, 0, "and_none_is_left");
	ok(finish(&other), "it_goes");
}

void test_main(void)
{
	if (!two_cpus())
		return;
	seed_print();
	f = frame();
	bind(0, PLACE, BIND_ENTRY(f, READ_WRITE));
	bind(0, PLACE + FRAME_SIZE, 0);
	disk_open(&port, PLACE + FRAME_SIZE);
	is(aegis_extent_bind(port.name, 0, &boot->disks[0]), 0, "the_disk_is_there");
	race(read_it, RIGHT_READ, &sightings);
	ok(sightings > 0, "it_has_read_what_it_may");
	is((int64_t)secrets, 0, "and_nothing_else");
	race(write_it, RIGHT_READ | RIGHT_WRITE, &writes);
	ok(writes > 0, "it_has_written_too");
	print("# read %lu times, written %lu times, refused %lu times\n", sightings, writes, faults);
	both_cpus_use_it();
	is(disk_close(&port), 0, "the_queue_goes");
}
