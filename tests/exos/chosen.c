/* Memory by the program's own choice: frames by colour (exos/lib/vm/colour.h), and pages that can be made again (discard.h). What a demand from
 * outside does is in tests/linux/revoke.sh. */
#include "lib.h"

#include <sched.h>

#include <aegis/bind.h>
#include <exos/lib/vm/colour.h>
#include <exos/lib/vm/discard.h>
#include <exos/lib/x86_64/calls.h>

#define SPAN (2ul << 20)
#define SEED 20260101u

static uint32_t seed;
static frame_t list[1 << 18];

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static const volatile struct aegis_frame_info *frame_table(void) { return (const void *)exos_info(EXOS_INFO_FRAMES); }
static const volatile struct aegis_info *machine(void) { return (const void *)exos_info(EXOS_INFO_MACHINE); }

static void give_back(uint64_t n)
{
	for (uint64_t done = 0; done < n; done += AEGIS_BATCH_MAX) {
		uint64_t some = n - done < AEGIS_BATCH_MAX ? n - done : AEGIS_BATCH_MAX;

		IS(exos_frames_put(list + done, some), some);
	}
}

static void frames_have_their_colours(void)
{
	printf("# seed %u\n", seed = SEED);
	for (int round = 0; round < 50; round++) {
		struct colours c = { .all = 1u << random_below(9) };
		uint64_t n = 1 + random_below(400);

		c.count = 1 + random_below(c.all);
		c.first = random_below(c.all - c.count + 1);
		IS(colour_frames(&c, list, n), 0);
		for (uint64_t i = 0; i < n; i++) {
			IS(list[i] % c.all, c.first + i % c.count);
			IS(frame_table()[list[i]].state, FRAME_OWNED);
			*(volatile uint32_t *)exos_frame_bytes(list[i]) = list[i]; /* each once only */
		}
		for (uint64_t i = 0; i < n; i++)
			IS(*(volatile uint32_t *)exos_frame_bytes(list[i]), list[i]);
		give_back(n);
	}
}

static void colours_are_bound_in_a_region(void)
{
	struct colours c = { 64, 3, 5 };
	uint64_t region = (uint64_t)exos_region(0, 2 * SPAN), n = 700;

	IS(colour_frames(&c, list, n), 0);
	IS(colour_bind(region + 4096, list, n), 0);
	for (uint64_t i = 0; i < n; i++) {
		*(volatile uint64_t *)(region + (i + 1) * 4096) = i;
		IS(*(volatile uint64_t *)exos_frame_bytes(list[i]), i);
	}
	IS(colour_bind(0x400000, list, 1), -EINVAL);
}

static void colours_are_refused(void)
{
	uint32_t free_before;

	IS(colour_frames(&(struct colours){ 64, 0, 0 }, list, 1), -EINVAL);
	IS(colour_frames(&(struct colours){ 64, 60, 5 }, list, 1), -EINVAL);
	IS(colour_frames(&(struct colours){ 48, 0, 4 }, list, 1), -EINVAL);
	IS(colour_frames(&(struct colours){ 64, UINT32_MAX, 1 }, list, 1), -EINVAL);
	free_before = machine()->frames_free;
	IS(colour_frames(&(struct colours){ 64, 7, 1 }, list, machine()->frames / 64 + 1), -ENOMEM);
	IS(machine()->frames_free, free_before);
}

/* All of one colour, wanted by several at once: each frame goes to one of them. */
static void colours_are_fought_over(void)
{
	enum { RIVALS = 3, EACH = 200 };
	volatile frame_t *all = mmap(NULL, RIVALS * EACH * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[RIVALS];

	for (int r = 0; r < RIVALS; r++) {
		children[r] = fork();
		if (children[r])
			continue;
		for (int i = 0; i < EACH; i++) {
			IS(colour_frames(&(struct colours){ 128, 9, 1 }, list, 1), 0);
			all[r * EACH + i] = list[0];
			sched_yield();
		}
		__atomic_fetch_add(ready, 1, __ATOMIC_SEQ_CST);
		while (*ready < RIVALS) /* none is given back before */
			sched_yield();
		_exit(0);
	}
	for (int r = 0; r < RIVALS; r++)
		ENDS(children[r], 0);
	for (int i = 0; i < RIVALS * EACH; i++)
		for (int j = 0; j < i; j++)
			CHECK(all[i] != all[j]);
}

static struct discard range = { .choose = discard_clock };
static volatile uint64_t *page_at(uint64_t page) { return (volatile uint64_t *)(range.start + page * 4096); }

static void make_range(uint64_t pages, uint64_t limit)
{
	range.limit = limit;
	IS(discard_create(&range, pages), 0);
}

/* What is found on a page is what was written there last, or nothing; and what is pinned is found. */
static void pages_are_whole_or_empty(void)
{
	enum { PAGES = 700, LIMIT = 100, ROUNDS = 20000 };
	static uint64_t written[PAGES];
	uint64_t kept = 0;

	printf("# seed %u\n", seed = SEED);
	make_range(PAGES, LIMIT);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		uint64_t page = random_below(PAGES), limit = 1 + random_below(LIMIT);

		range.pinned = page;
		CHECK(!page_at(page)[0] || page_at(page)[0] == written[page]);
		kept += page_at(page)[0] != 0;
		IS(page_at(page)[511], page_at(page)[0]);
		page_at(page)[0] = page_at(page)[511] = written[page] = round;
		if (round % 100 == 0) {
			discard_limit(&range, limit);
			CHECK(range.held <= limit);
			IS(page_at(page)[0], round); /* pinned */
			discard_limit(&range, LIMIT);
		}
		CHECK(range.held <= LIMIT);
		range.pinned = DISCARD_NO_PAGE;
	}
	CHECK(kept > ROUNDS / 50);
	CHECK(range.count.faults + kept >= ROUNDS);
}

/* First in, first out would drop it once for as many others as there is room for. */
static void what_is_used_is_spared(void)
{
	enum { PAGES = 4096, LIMIT = 128 };
	int dropped = 0;

	make_range(PAGES, LIMIT);
	*page_at(0) = 1;
	for (uint64_t page = 1; page < PAGES; page++) {
		*page_at(page) = 1;
		dropped += !*page_at(0);
		*page_at(0) = 1;
	}
	CHECK(dropped < PAGES / LIMIT / 4);
}

static uint64_t chooses_none(struct discard *d, uint64_t *victims, uint64_t n)
{
	(void)d, (void)victims, (void)n;
	return 0;
}

static void who_spares_nothing_gets_nothing(void)
{
	pid_t child = fork();

	if (child == 0) {
		range.choose = chooses_none;
		make_range(16, 2);
		*page_at(0) = *page_at(1) = 1;
		*page_at(2) = 1;
		_exit(0);
	}
	ENDS(child, SIGSEGV);
}

static void all_memory_is_not_enough(void)
{
	pid_t child = fork();

	if (child == 0) {
		make_range(2 * machine()->frames, UINT64_MAX);
		_exit(0);
	}
	CHECK(waitpid(child, NULL, 0) == child); /* refused or made, as the tables fit */
	make_range(64, 8);
	for (uint64_t page = 0; page < 64; page++)
		*page_at(page) = page;
	IS(range.held, 8);
}

static void linux_has_none_of_it(void) { CHECK(!exos_here()); }

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(frames_have_their_colours), T(colours_are_bound_in_a_region), T(colours_are_refused), T(colours_are_fought_over),
		T(pages_are_whole_or_empty), T(what_is_used_is_spared), T(who_spares_nothing_gets_nothing), T(all_memory_is_not_enough), { NULL, NULL },
	};
	static const struct test on_linux[] = { T(linux_has_none_of_it), { NULL, NULL } };

	(void)argc;
	return run_tests(exos_here() ? tests : on_linux, argv + 1);
}
