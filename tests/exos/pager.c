/* Paging to one's own squeezed memory (exos/lib/vm/pager.h), with every policy, against a copy of what was written. On ExOS only. */
#include "lib.h"

#include <exos/lib/vm/pager.h>
#include <exos/lib/x86_64/calls.h>

#define PAGE 4096ul
#define WORDS (PAGE / 8)
#define PAGES 1024ul
#define SPACE (PAGES * PAGE)

static struct pager pager;
static uint64_t *words; /* the space */
static uint64_t seed;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static void begin(const struct replacement_ops *policy, uint64_t frames)
{
	const char *given = getenv("SEED");

	seed = given ? strtoull(given, NULL, 0) : 88172645463325252ul;
	IS(space_start(&(struct exos_handlers){ .revoke = pager_revoke }), 0);
	IS(pager_create(&pager, policy, SPACE, frames), 0);
	words = (uint64_t *)pager.space.start;
}

static uint64_t holds(void)
{
	uint64_t present = pager.space.table->present;

	IS(pager.resident, present);
	CHECK(present <= pager.limit);
	return present;
}

static uint64_t model[PAGES * WORDS];

/* Writes of all kinds: words here and there, pages of noise, pages of one value, pages of zeroes. */
static void write_something(void)
{
	uint64_t page = random_below(PAGES), kind = random_below(10), value = random_below(3) ? random_below(1000) : 0;

	for (uint64_t i = 0; i < (kind ? 3 : WORDS); i++) {
		uint64_t at = page * WORDS + (kind ? random_below(WORDS) : i), word = kind || value ? value : random_below(~0ul);

		model[at] = word;
		words[at] = word;
	}
}

static void read_something(void)
{
	uint64_t at = random_below(PAGES * WORDS);

	if (words[at] != model[at])
		IS(words[at], model[at]);
}

static void operate(int times, bool revoked)
{
	for (int i = 0; i < times; i++) {
		uint64_t n = random_below(20), page = random_below(PAGES - n);

		write_something();
		read_something();
		switch (random_below(200)) {
		case 0:
			IS(pager_limit(&pager, PAGER_LEAST + random_below(PAGES)), 0);
			break;
		case 1:
			IS(pager_will_need(&pager, (uintptr_t)&words[page * WORDS], n), 0);
			break;
		case 2:
			IS(pager_done_with(&pager, (uintptr_t)&words[page * WORDS], n), 0);
			break;
		case 3:
			if (revoked)
				pager_revoke(random_below(100), 0);
			break;
		}
		holds();
	}
	for (uint64_t i = 0; i < PAGES * WORDS; i++)
		if (words[i] != model[i])
			IS(words[i], model[i]);
}

static void what_was_written_is_read_again(void)
{
	if (!exos_here())
		return;
	for (const struct replacement_ops *const *policy = replacements; *policy; policy++) {
		begin(*policy, 100);
		printf("# %s: SEED=%lu\n", (*policy)->name, seed);
		fflush(stdout);
		memset(model, 0, sizeof(model));
		operate(6000, true);
		CHECK(pager.evicted > 1000);
		CHECK(pager.store.frames > 0);
		pager_destroy(&pager);
	}
}

static void two_pagers_stand_side_by_side(void)
{
	struct pager other;

	if (!exos_here())
		return;
	begin(&replacement_clock, 64);
	IS(pager_create(&other, &replacement_mru, SPACE, PAGER_LEAST), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		words[i * WORDS] = i;
		((uint64_t *)other.space.start)[i * WORDS] = words[i * WORDS] + 1; /* one faults in the other's loop */
	}
	memcpy(words, (void *)other.space.start, SPACE);
	for (uint64_t i = 0; i < PAGES; i++)
		IS(words[i * WORDS], i + 1);
	pager_destroy(&pager);
	pager_destroy(&other);
}

/* With the least that there may be, and every policy: an instruction that touches four pages ends. */
static void the_least_makes_progress(void)
{
	if (!exos_here())
		return;
	for (const struct replacement_ops *const *policy = replacements; *policy; policy++) {
		begin(*policy, PAGER_LEAST);
		for (uint64_t i = 1; i + 8 < PAGES; i += 8) {
			char *from = (char *)words + i * PAGE - 4, *to = from + 4 * PAGE;

			memcpy(from, &i, 8);
			__asm__ volatile("movsq" : "+S"(from), "+D"(to) : : "memory");
			CHECK(!memcmp(to - 8, &i, 8));
		}
		pager_destroy(&pager);
	}
}

static void squeezed_pages_take_less(void)
{
	if (!exos_here())
		return;
	begin(&replacement_clock, 32);
	for (uint64_t i = 0; i < PAGES; i++)
		for (uint64_t k = 0; k < WORDS; k++)
			words[i * WORDS + k] = k % 2 ? i : 0;
	CHECK(pager.store.frames < PAGES / 20);
	memset(words, 0, SPACE);
	IS(pager_limit(&pager, PAGER_LEAST), 0);
	CHECK(pager.store.frames <= 1); /* zeroes take nothing; the last ones are in memory */
	pager_destroy(&pager);
}

static void what_is_clean_is_not_squeezed_again(void)
{
	uint64_t squeezed, sum = 0;

	if (!exos_here())
		return;
	begin(&replacement_clock, 32);
	for (uint64_t i = 0; i < PAGES; i++)
		words[i * WORDS] = i + 1;
	IS(pager_limit(&pager, PAGER_LEAST), 0);
	for (int round = 0; round < 3; round++) {
		squeezed = pager.squeezed;
		for (uint64_t i = 0; i < PAGES; i++)
			sum += words[i * WORDS];
	}
	IS(sum, 3 * PAGES * (PAGES + 1) / 2);
	IS(pager.squeezed, squeezed);
	pager_destroy(&pager);
}

static void hints_bring_in_and_let_go(void)
{
	uint64_t faults;

	if (!exos_here())
		return;
	begin(&replacement_told, 64);
	for (uint64_t i = 0; i < PAGES; i++)
		words[i * WORDS] = i + 1;
	IS(pager_will_need(&pager, (uintptr_t)words, 40), 0);
	faults = pager.faults;
	for (uint64_t i = 0; i < 40; i++)
		IS(words[i * WORDS], i + 1);
	IS(pager.faults, faults);
	IS(pager_done_with(&pager, (uintptr_t)(words + 10 * WORDS), 5), 0);
	IS(pager_limit(&pager, 59), 0);
	for (uint64_t i = 0; i < 40; i++)
		IS(space_entry(&pager.space, (uintptr_t)(words + i * WORDS)) == 0, i >= 10 && i < 15);
}

static void refuses(void)
{
	if (!exos_here())
		return;
	IS(pager_create(&pager, &replacement_clock, SPACE, PAGER_LEAST - 1), -EINVAL);
	IS(pager_create(&pager, &replacement_clock, SPACE + PAGE, 10), -EINVAL);
	begin(&replacement_clock, 10);
	IS(pager_limit(&pager, PAGER_LEAST - 1), -EINVAL);
	IS(pager_will_need(&pager, (uintptr_t)words - PAGE, 1), -EINVAL);
	IS(pager_will_need(&pager, (uintptr_t)words, PAGES + 1), -EINVAL);
	IS(pager_done_with(&pager, (uintptr_t)words + SPACE, 1), -EINVAL);
	pid_t child = fork();
	if (!child) {
		words[0] = 1; /* a child has no pager */
		_exit(0);
	}
	ENDS(child, SIGSEGV);
}

/* Until memory has been asked back several times, or for two seconds: tests/linux/paging.sh runs this beside tenants that want memory. It takes nearly all that there is first. */
#define SPARE 2000 /* frames: for the squeezed pages, the tables, and the rest of the system */
#define LARGE (64ul << 20)

static uint64_t frames_to_be_had(uint64_t most)
{
	static frame_t frames[LARGE / PAGE];
	uint64_t n = 0;

	while (n < most && (frames[n] = pool_get()) != NO_FRAME)
		n++;
	for (uint64_t i = 0; i < n; i++)
		pool_put(frames[i]);
	return n;
}

static void works_while_frames_are_asked_back(void)
{
	uint64_t limit, pages = LARGE / PAGE, first, demands = 0;
	int64_t end = now_ms() + 2000;

	if (!exos_here() || !getenv("PAGER_TAKES_ALL"))
		return;
	IS(space_start(&(struct exos_handlers){ .revoke = pager_revoke }), 0);
	first = frames_to_be_had(pages) - SPARE;
	CHECK(first < pages);
	IS(pager_create(&pager, &replacement_clock, LARGE, first), 0);
	words = (uint64_t *)pager.space.start;
	for (uint64_t round = 0; now_ms() < end; round++) {
		for (uint64_t i = 0; i < pages; i++) {
			limit = pager.limit;
			IS(words[i * WORDS], round ? i + round : 0);
			words[i * WORDS] = i + round + 1;
			demands += pager.limit < limit;
		}
	}
	printf("# frames were asked back %lu times, the limit fell from %lu to %lu\n", demands, first, pager.limit);
}

static void dying_half_way_leaves_nothing(void)
{
	if (!exos_here())
		return;
	for (int i = 0; i < 150; i++) { /* some 5 MiB each */
		pid_t child = fork();

		if (!child) {
			begin(&replacement_clock, 800);
			memset(words, i + 1, SPACE);
			for (uint64_t k = 0; k < 300; k++)
				for (uint64_t j = 0; j < WORDS; j++)
					words[k * WORDS + j] = random_below(~0ul);
			kill(getpid(), SIGKILL);
		}
		ENDS(child, SIGKILL);
	}
}

TESTS(T(what_was_written_is_read_again), T(two_pagers_stand_side_by_side), T(the_least_makes_progress), T(squeezed_pages_take_less),
      T(what_is_clean_is_not_squeezed_again), T(hints_bring_in_and_let_go), T(refuses), T(works_while_frames_are_asked_back), T(dying_half_way_leaves_nothing))
