/* Memory shared by messages (exos/lib/dsm): counters, in turns and under a lock that needs sequential consistency; what two nodes did at random against a model; and the death of either. */
#include "lib.h"

#include <exos/lib/dsm/dsm.h>
#include <exos/lib/x86_64/calls.h>

#define ADDRESS 0x200000000000ul
#define PAGES 512ul
#define WORD(page) (*(volatile uint64_t *)(ADDRESS + (uint64_t)(page) * 4096))

static struct dsm dsm;
static uint64_t seed;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

/* Both nodes do it; the parent, node 0, waits for the child to have done so and reads what it needs then: who leaves takes its pages away. */
static pid_t begin(void (*child_does)(int node))
{
	pid_t child;

	IS(dsm_create(&dsm, ADDRESS, PAGES), 0);
	child = fork();
	if (!child) {
		IS(dsm_join(&dsm, 1), 0);
		child_does(1);
		fflush(stdout);
		while (!WORD(PAGES - 1)) /* until the parent has seen all */
			dsm_yield(&dsm);
		_exit(0);
	}
	IS(dsm_join(&dsm, 0), 0);
	return child;
}

static void end(pid_t child)
{
	WORD(PAGES - 1) = 1;
	WORD(PAGES - 1);
	ENDS(child, 0);
	dsm_leave(&dsm);
}

#define DONE 500 /* page of the child's */
#define TURNS 300ul
static void take_turns(int node)
{
	for (uint64_t i = 0; i < TURNS; i++) {
		while (WORD(0) % 2 != (uint64_t)node)
			dsm_yield(&dsm);
		WORD(0)++;
	}
}
static void counts_in_turns(void)
{
	pid_t child = begin(take_turns);

	take_turns(0);
	while (WORD(0) < 2 * TURNS)
		dsm_yield(&dsm);
	IS(WORD(0), 2 * TURNS);
	CHECK(dsm.fetched >= TURNS && dsm.served >= TURNS); /* the page was here and there */
	end(child);
}

/* Peterson's lock: right where memory is sequentially consistent, and only there (the fence is for the processor's own store buffer). */
static void lock(int node)
{
	WORD(1 + node) = 1;
	WORD(3) = (uint64_t)!node;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (WORD(1 + !node) && WORD(3) == (uint64_t)!node)
		dsm_yield(&dsm);
}
static void unlock(int node) { WORD(1 + node) = 0; }

static void count_under_a_lock(int node)
{
	for (int i = 0; i < 150; i++) {
		lock(node);
		uint64_t before = WORD(10);
		WORD(11 + i % 3)++;
		if (random_below(3) == 0)
			dsm_yield(&dsm);
		WORD(10) = before + 1;
		unlock(node);
	}
	WORD(DONE + node) = 1;
}
static void counts_under_a_lock(void)
{
	pid_t child;

	seed = 99;
	child = begin(count_under_a_lock);
	count_under_a_lock(0);
	while (!WORD(DONE + 1))
		dsm_yield(&dsm);
	IS(WORD(10), 300);
	IS(WORD(11) + WORD(12) + WORD(13), 300);
	end(child);
}

/* Both at random, each operation noted in ordinary shared memory under the lock: in that order every read must have what was written last. */
#define OPERATIONS 400
static struct note {
	uint64_t page, value;
	bool write;
} *notes;
static uint64_t *noted;
static void operate_at_random(int node)
{
	seed += (uint64_t)node * 77777;
	for (int i = 0; i < OPERATIONS; i++) {
		struct note n = { 20 + random_below(6), random_below(1000000), random_below(2) };

		lock(node);
		if (n.write)
			WORD(n.page) = n.value;
		else
			n.value = WORD(n.page);
		notes[(*noted)++] = n;
		unlock(node);
		if (random_below(8) == 0)
			dsm_yield(&dsm);
	}
	WORD(DONE + node) = 1;
}
static void random_operations_agree_with_a_model(void)
{
	const char *given = getenv("SEED");
	uint64_t model[64] = { 0 };
	pid_t child;

	seed = given ? strtoull(given, NULL, 0) : 88172645463325252ul;
	printf("# SEED=%lu\n", seed);
	fflush(stdout);
	notes = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	noted = (uint64_t *)((char *)notes + (1 << 20) - 8);
	child = begin(operate_at_random);
	operate_at_random(0);
	while (!WORD(DONE + 1))
		dsm_yield(&dsm);
	IS(*noted, 2 * OPERATIONS);
	for (uint64_t i = 0; i < *noted; i++) {
		if (!notes[i].write)
			IS(notes[i].value, model[notes[i].page]);
		model[notes[i].page] = notes[i].value;
	}
	end(child);
}

/* Store buffering: each writes its own and reads the other's; that both read the old is what sequential consistency forbids. */
#define LITMUS 100
static void litmus(int node)
{
	for (uint64_t i = 1; i <= LITMUS; i++) {
		while (WORD(DONE + 2 + !node) < i - 1)
			dsm_yield(&dsm);
		for (volatile uint64_t spin = random_below(3000); spin; spin--)
			;
		WORD(30 + node) = i;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		*(volatile uint64_t *)(ADDRESS + (uint64_t)(40 + node) * 4096 + i * 8) = WORD(30 + !node) < i; /* it read the old one */
		WORD(DONE + 2 + node) = i;
	}
}
static void never_do_both_read_the_old(void)
{
	pid_t child;

	seed = 4711;
	child = begin(litmus);
	litmus(0);
	while (WORD(DONE + 3) < LITMUS)
		dsm_yield(&dsm);
	for (uint64_t i = 1; i <= LITMUS; i++)
		CHECK(!((volatile uint64_t *)&WORD(40))[i] || !((volatile uint64_t *)&WORD(41))[i]);
	end(child);
}

static void write_and_die(int node)
{
	WORD(0) = 5; /* only here */
	WORD(1) = 6;
	(void)node;
	while (WORD(2) != 1)
		dsm_yield(&dsm);
	kill(getpid(), SIGKILL);
}
static void the_dead_are_found_out(void)
{
	pid_t child = begin(write_and_die);

	while (WORD(1) != 6)
		dsm_yield(&dsm);
	CHECK(WORD(0) == 5);
	WORD(2) = 1;
	while (waitpid(child, NULL, WNOHANG) != child) /* it takes the page back until it has seen that */
		dsm_yield(&dsm);
	IS(WORD(1), 6); /* there was a copy here */
	WORD(1) = 7;	/* and now it is the only one */
	IS(WORD(1), 7);
	dsm_leave(&dsm);
}

static void write_and_be_killed(int node)
{
	(void)node;
	for (;;)
		WORD(0)++;
}
static void pages_of_the_dead_are_an_error(void)
{
	pid_t child = begin(write_and_be_killed);

	while (WORD(0) < 3)
		dsm_yield(&dsm);
	while (dsm.state[0]) /* until the child has the page to write, and nobody asks for it */
		dsm_yield(&dsm);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
	IS(dsm_fetch(&dsm, (uintptr_t)&WORD(0), false), -EPIPE);
	IS(dsm_fetch(&dsm, (uintptr_t)&WORD(0), true), -EPIPE);
	IS(dsm_fetch(&dsm, (uintptr_t)&WORD(5), true), 0); /* ours from the beginning */
	WORD(0) = 1;					  /* SIGSEGV */
}
static void an_access_to_what_died_is_a_segmentation_fault(void)
{
	pid_t child = fork();

	if (!child) {
		pages_of_the_dead_are_an_error();
		_exit(0);
	}
	ENDS(child, SIGSEGV);
}

/* Killed wherever it is, in handlers and in the middle of a message: the other one ends, one way or the other, and never hangs. */
static void killed_at_any_point_nobody_hangs(void)
{
	srandom(5);
	for (int i = 0; i < 25; i++) {
		pid_t pair = fork();

		if (!pair) {
			pid_t child;

			seed = (uint64_t)i + 1;
			child = begin(write_and_be_killed);
			for (long n = random() % 200; n; n--) {
				WORD(n % 3)++;
				if (n % 2)
					dsm_yield(&dsm);
			}
			for (volatile long spin = random() % 50000; spin; spin--)
				;
			kill(child, SIGKILL);
			for (int n = 0; n < 3; n++)
				if (!dsm_fetch(&dsm, (uintptr_t)&WORD(n), true))
					WORD(n)++;
			ENDS(child, SIGKILL);
			_exit(0);
		}
		ENDS(pair, 0);
	}
}

static void refuses(void)
{
	IS(dsm_create(&dsm, ADDRESS + 4096, PAGES), -EINVAL);
	IS(dsm_create(&dsm, ADDRESS, 0), -EINVAL);
	IS(dsm_create(&dsm, ADDRESS, 100), -EINVAL);
	IS(dsm_create(&dsm, ADDRESS, PAGES), 0);
	IS(dsm_join(&dsm, 0), 0);
	IS(dsm_fetch(&dsm, ADDRESS - 4096, false), -EINVAL);
	IS(dsm_fetch(&dsm, ADDRESS + PAGES * 4096, false), -EINVAL);
	IS(dsm_fetch(&dsm, ADDRESS, true), 0);
	dsm_leave(&dsm);
}

TESTS(T(counts_in_turns), T(counts_under_a_lock), T(random_operations_agree_with_a_model), T(never_do_both_read_the_old), T(the_dead_are_found_out),
      T(an_access_to_what_died_is_a_segmentation_fault), T(killed_at_any_point_nobody_hangs), T(refuses))
