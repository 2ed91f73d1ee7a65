/* Breaking a binding against its use on the other CPU: once the call that breaks or changes it has returned, no access of the old kind happens any more. A child
 * on CPU 1 writes all the time; the first environment, on CPU 0, takes what it writes to away and looks whether it still changes. */
#include <tests/hostile/smp.h>

#define ROUNDS 1000 /* of each kind */
#define HANDED 1000 /* of those that take an account of another */
#define SHARED 0x4000000000ul /* below the image's level-3 table: bound for all */
#define ALIASES 0x500000000000ul /* the first environment's own view of the frames */
#define LEAF (FRAME_SIZE << 9)
#define PAGE_FAULT 14

static struct child writer, tenant, owner;
static volatile uint64_t written, faults, other_faults, stop, place;
static volatile frame_t own_frame;
static frame_t frames[2], leaf;

static volatile uint64_t *alias(int i) { return (volatile uint64_t *)(ALIASES + (uint64_t)i * FRAME_SIZE); }

static void write_on(void *unused)
{
	volatile uint64_t *at = (volatile uint64_t *)place;

	(void)unused;
	while (!stop)
		*at = ++written;
}

static void write_always(void *unused)
{
	(void)unused;
	while (!stop) {
		uint64_t cause = attempt(write_on, NULL);

		if (cause == PAGE_FAULT)
			faults++;
		else if (cause != RETURNED)
			other_faults++;
	}
}

/* The writer writes, and the frame has it. */
static bool written_to(int i)
{
	uint64_t before = *alias(i);

	return AWAIT(*alias(i) != before);
}

/* For a random time; the writer goes on meanwhile, with another frame or with faults. */
static bool unchanged(int i)
{
	uint64_t before = *alias(i);

	random_spin(300);
	return *alias(i) == before;
}

static bool faults_now(void)
{
	uint64_t before = faults;

	return AWAIT(faults > before);
}

/* Kinds of rounds: each begins with frame 0 bound at `place` in env (0: the shared table), and leaves nothing bound there. */
static env_id where;
static bool bound(uint64_t rights) { return bind_once(where, place, BIND_ENTRY(frames[0], rights)) == 1; }

static bool round_break(void) { return bind_once(where, place, 0) == 1 && unchanged(0) && faults_now() && unchanged(0); }

static bool round_change(void)
{
	return bind_once(where, place, BIND_ENTRY(frames[1], READ_WRITE)) == 1 && unchanged(0) && written_to(1) && unchanged(0) &&
	       bind_once(where, place, 0) == 1 && unchanged(1);
}

static bool round_protect(void)
{
	return bound(BIND_READ) && unchanged(0) && faults_now() && unchanged(0) && bind_once(where, place, 0) == 1;
}

/* Everything bound to the frame goes, this test's view too. */
static bool round_frame_break(void)
{
	return aegis_frame_break(&frames[0], 1) == 1 && bind_once(0, ALIASES, BIND_ENTRY(frames[0], BIND_READ)) == 1 && unchanged(0) && faults_now();
}

/* The leaf goes with all that is bound in it; then it is ordinary memory, into which no processor may write what it does to page tables. */
static bool round_leaf(void)
{
	uint64_t base = place & ~(LEAF - 1);
	bool fine = bind_once(where, base, BIND_LEVEL(1)) == 1 && unchanged(0) && bind_once(0, ALIASES + 2 * FRAME_SIZE, BIND_ENTRY(leaf, BIND_READ)) == 1;

	fine = fine && faults_now() && unchanged(0);
	for (uint64_t i = 0; fine && i < 512; i++)
		fine = alias(2)[i] == 0;
	return fine && bind_once(0, ALIASES + 2 * FRAME_SIZE, 0) == 1 && bind_once(where, base, BIND_ENTRY(leaf, BIND_READ | BIND_LEVEL(1))) == 1;
}

static void rounds(bool (*round)(void), const char *name)
{
	uint64_t n = 0;

	while (n < ROUNDS && bound(READ_WRITE) && written_to(0) && round())
		n++;
	is((int64_t)n, ROUNDS, name);
}

/* A leaf of the test's own, in the place where the writer writes. */
static void races_at(env_id env, uint64_t va, const char *const names[5])
{
	where = env;
	place = va;
	bind(env, va, BIND_ENTRY(frames[0], READ_WRITE)); /* makes the tables above */
	bind_once(env, va & ~(LEAF - 1), BIND_LEVEL(1));
	leaf = pair();
	bind_once(env, va & ~(LEAF - 1), BIND_ENTRY(leaf, BIND_READ | BIND_LEVEL(1)));
	rounds(round_break, names[0]);
	rounds(round_change, names[1]);
	rounds(round_protect, names[2]);
	rounds(round_frame_break, names[3]);
	rounds(round_leaf, names[4]);
}

/* A tenant with an account of its own, given the CPU by yields: takes the frame that was freed, and watches it. */
static volatile frame_t handed;
static volatile uint64_t dirty, watched;

static void take_and_watch(void *unused)
{
	(void)unused;
	while (!stop) {
		frame_t f = handed;
		volatile uint64_t *at = (volatile uint64_t *)SCRATCH;

		if (aegis_frame_alloc(&f, 1) != 1 || bind_once(0, SCRATCH, BIND_ENTRY(f, BIND_READ)) != 1)
			dirty++;
		for (uint64_t i = 0; i < 200; i++)
			dirty += at[i % 512] != 0;
		bind_once(0, SCRATCH, 0);
		if (aegis_frame_free(&f, 1) != 1)
			dirty++;
		watched++;
		yield(0);
	}
}

static bool round_hand_over(void)
{
	uint64_t before = watched;

	if (bind_once(where, place, 0) != 1 || bind_once(0, ALIASES, 0) != 1 || aegis_frame_free(&frames[0], 1) != 1)
		return false;
	handed = frames[0];
	while (watched == before)
		if (yield(tenant.env) < 0)
			return false;
	return aegis_frame_alloc(&frames[0], 1) == 1 && bind_once(0, ALIASES, BIND_ENTRY(frames[0], BIND_READ)) == 1 && dirty == 0;
}

static void handing_over(void)
{
	uint64_t n = 0;

	child_make(&tenant, take_and_watch, NULL, 16);
	bind(tenant.env, SCRATCH, BIND_ENTRY(frames[1], BIND_READ)); /* makes the tables */
	bind_once(tenant.env, SCRATCH, 0);
	while (n < HANDED && bound(READ_WRITE) && written_to(0) && round_hand_over())
		n++;
	is((int64_t)n, HANDED, "a_frame_that_is_freed_and_taken_by_another_account_is_written_by_its_new_owner_only");
	is((int64_t)dirty, 0, "and_comes_to_him_clear_and_stays_so");
}

/* On CPU 1, in an account of its own: takes a frame, binds it, and writes until it faults. */
static void own_and_write(void *unused)
{
	struct aegis_binding page = { SCRATCH, 0 };

	(void)unused;
	while (!stop) {
		frame_t f = FRAME_ANY;

		if (aegis_frame_alloc(&f, 1) != 1)
			continue;
		page.entry = BIND_ENTRY(f, READ_WRITE);
		aegis_bind(0, &page, 1, NULL);
		own_frame = f;
		if (attempt(write_on, NULL) == PAGE_FAULT)
			faults++;
	}
}

/* One frame is asked back, its time is over at once, and it is taken by force while its owner writes. */
static bool round_repossess(void)
{
	struct aegis_demand demand = { .kind = REVOKE_FRAMES, .count = 1 };
	uint64_t before = written, name;
	frame_t f;
	bool fine;

	if (!AWAIT(own_frame) || !AWAIT(written > before + 2))
		return false;
	name = f = own_frame;
	own_frame = 0;
	if (aegis_revoke(owner.env, &demand) != 0 || aegis_repossess(owner.env, REVOKE_FRAMES, &name, 1) != 1)
		return false;
	if (aegis_frame_alloc(&f, 1) != 1)
		return true; /* the owner was faster, and has it again */
	fine = bind_once(0, ALIASES + 2 * FRAME_SIZE, BIND_ENTRY(f, BIND_READ)) == 1;
	random_spin(300);
	for (uint64_t i = 0; fine && i < 512; i++)
		fine = alias(2)[i] == 0;
	return bind_once(0, ALIASES + 2 * FRAME_SIZE, 0) == 1 && aegis_frame_free(&f, 1) == 1 && fine;
}

static void repossessing(void)
{
	uint64_t n = 0;

	stop = own_frame = 0;
	place = SCRATCH;
	child_make(&owner, own_and_write, NULL, 64);
	bind(owner.env, SCRATCH, BIND_ENTRY(frames[1], BIND_READ)); /* makes the tables */
	bind_once(owner.env, SCRATCH, 0);
	aegis_slice_alloc(1, UINT32_MAX, owner.env, NULL);
	while (n < ROUNDS && round_repossess())
		n++;
	is((int64_t)n, ROUNDS, "a_frame_that_is_repossessed_is_not_written_any_more");
	stop = 1;
}

void test_main(void)
{
	static const char *const shared[5] = { "a_binding_that_is_broken_is_used_no_more", "one_that_is_changed_leads_to_the_new_frame",
		"one_that_is_protected_is_not_written", "a_frame_that_is_broken_is_bound_nowhere", "what_was_bound_in_a_leaf_table_goes_with_it" };
	static const char *const private[5] = { "nor_is_one_in_another_address_space_used_any_more", "or_does_it_lead_to_the_old_frame",
		"or_is_it_written_when_protected", "or_bound_when_its_frame_is_broken", "or_when_its_leaf_table_is" };

	if (!two_cpus())
		return;
	seed_print();
	for (int i = 0; i < 2; i++) {
		frames[i] = frame();
		bind(0, ALIASES + (uint64_t)i * FRAME_SIZE, BIND_ENTRY(frames[i], BIND_READ));
	}
	place = SHARED;
	start_on(1, &writer, write_always, NULL);
	races_at(0, SHARED, shared);
	handing_over();
	stop = 1;
	ok(AWAIT(writer.done) && destroy(writer.env), "the_writer_ends");
	stop = 0;
	place = SCRATCH;
	start_on(1, &writer, write_always, NULL);
	races_at(writer.env, SCRATCH, private);
	is((int64_t)other_faults, 0, "and_had_page_faults_only");
	print("# %lu words, %lu faults\n", written, faults);
	stop = 1;
	AWAIT(writer.done);
	repossessing();
}
