/* What an application gains by choosing which page goes. It works in a space a third larger than what it allows itself, paged to its own squeezed memory (exos/lib/vm/pager.h).
 * Prints `row value` lines: faults, and for one of them what it costs. `replacement figure` prints faults against memory: columns under a header line.
 *
 * On ExOS only. What the kernel of Linux replaces by cannot be chosen there, and its own choice shows only when the whole machine is short; the clock here is what it approximates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include <exos/lib/vm/pager.h>
#include <exos/lib/x86_64/calls.h>

#define PAGE 4096ul
#define SPACE (2ul << 20)
#define PAGES 256u
#define ACCESSES 8192u

static uint64_t state;
static uint64_t random_below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

/* Strings of references. `done`: the application knows that it will not come back soon. */
static struct reference {
	uint16_t page;
	bool done;
} references[ACCESSES];

static void cyclic(void)
{
	for (uint32_t i = 0; i < ACCESSES; i++)
		references[i] = (struct reference){ (uint16_t)(i % PAGES), false };
}

/* Round and round, and the program says so: of what it has just used it keeps what there is room for, a part that it does not give up. */
static void cyclic_told(uint32_t frames)
{
	cyclic();
	for (uint32_t i = 0; i < ACCESSES; i++)
		references[i].done = references[i].page >= frames - PAGER_LEAST;
}

static void at_random(void)
{
	for (uint32_t i = 0; i < ACCESSES; i++)
		references[i] = (struct reference){ (uint16_t)random_below(PAGES), false };
}

/* The k-th page about 1/k as often as the first: by the inverse of the harmonic sums. */
static uint16_t zipf_page(uint32_t among)
{
	static uint64_t sums[PAGES + 1];
	uint64_t at;
	uint32_t k = 1;

	for (uint32_t i = 1; !sums[PAGES] && i <= PAGES; i++)
		sums[i] = sums[i - 1] + (1ul << 32) / i;
	for (at = random_below(sums[among]); sums[k] <= at; k++)
		;
	return (uint16_t)((k - 1) * 37 % among); /* not in the order of addresses */
}

static void zipf(void)
{
	for (uint32_t i = 0; i < ACCESSES; i++)
		references[i] = (struct reference){ zipf_page(PAGES), false };
}

/* A database: lookups in 64 pages, as of an index, and all along a scan of the others, each used four times in a row and then not for long. */
#define INDEX 65u /* prime to 37 */
static void mixed(void)
{
	uint32_t scan = 0;

	for (uint32_t i = 0; i < ACCESSES; i++) {
		references[i] = (struct reference){ zipf_page(INDEX), false };
		if (i % 2) {
			references[i].page = (uint16_t)(INDEX + scan / 4 % (PAGES - INDEX));
			references[i].done = scan++ % 4 == 3;
		}
	}
}

static void (*const loads[])(void) = { cyclic, at_random, zipf, mixed };
static const char *const names[] = { "cyclic", "random", "zipf", "mixed" };
#define LOADS 4

static void make(int load, uint32_t frames, const struct replacement_ops *policy)
{
	state = 88172645463325252ul;
	if (loads[load] == cyclic && policy == &replacement_told)
		cyclic_told(frames);
	else
		loads[load]();
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "replacement: %s\n", what);
	exit(1);
}

/* Words as programs have them: small numbers, pointers into one region, zeroes; each its own page's. */
static void fill(uint64_t *words, uint64_t page)
{
	for (uint64_t i = 0; i < PAGE / 8; i++)
		words[i] = i % 4 == 0 ? page * 512 + i : i % 4 == 1 ? 0x7f0000000000ul + i * 24 : 0;
}

static void fill_little(uint64_t *words, uint64_t page) { words[0] = page * 512; }

static uint64_t cycles;
static struct pager pager;
/* The faults of a string of references; every third access writes, and what is read is checked. */
static uint64_t faults(int load, uint32_t frames, const struct replacement_ops *policy, void (*contents)(uint64_t *words, uint64_t page))
{
	uint64_t count, started;

	if (pager_create(&pager, policy, SPACE, frames))
		fail("no pager");
	for (uint64_t i = 0; i < PAGES; i++)
		contents((uint64_t *)(pager.space.start + i * PAGE), i);
	make(load, frames, policy);
	count = pager.faults;
	started = __rdtsc();
	for (uint32_t i = 0; i < ACCESSES; i++) {
		volatile uint64_t *words = (volatile uint64_t *)(pager.space.start + references[i].page * PAGE);

		if (words[0] != references[i].page * 512ul)
			fail("a page is not what it was");
		if (i % 3 == 0)
			words[3]++;
		if (references[i].done)
			pager_done_with(&pager, (uintptr_t)words, 1);
	}
	cycles = __rdtsc() - started;
	count = pager.faults - count;
	pager_destroy(&pager);
	return count;
}

/* The least that is possible with that many pages (Belady, 1966): what is needed last of all goes. */
static uint64_t least(int load, uint32_t frames)
{
	static uint32_t next[ACCESSES], coming[PAGES];
	uint32_t in[PAGES], used = 0, count = 0;

	make(load, frames, NULL);
	for (uint32_t i = 0; i < PAGES; i++)
		coming[i] = ACCESSES;
	for (uint32_t i = ACCESSES; i--;) {
		next[i] = coming[references[i].page];
		coming[references[i].page] = i;
	}
	for (uint32_t i = 0; i < ACCESSES; i++) {
		uint32_t at = 0, last = 0;

		for (; at < used && in[at] != references[i].page; at++)
			last = coming[in[at]] > coming[in[last]] ? at : last;
		coming[references[i].page] = next[i];
		if (at < used)
			continue;
		if (used < frames) { /* it begins with the best that there can be, whatever the others begin with */
			in[used++] = references[i].page;
			continue;
		}
		count++;
		in[last] = references[i].page;
	}
	return count;
}

static void rows(void)
{
	for (int load = 0; load < LOADS; load++)
		for (const struct replacement_ops *const *policy = replacements; *policy; policy++) {
			uint64_t count = faults(load, PAGES / 4 * 3, *policy, fill);

			printf("pager.%s.%s %lu\n", names[load], (*policy)->name, count);
			if (loads[load] == at_random && *policy == &replacement_clock)
				printf("pager.fault %lu\n", cycles / count);
		}
}

static void figure(void)
{
	printf("percent");
	for (int load = 0; load < LOADS; load++) {
		for (const struct replacement_ops *const *policy = replacements; *policy; policy++)
			printf(" %s_%s", names[load], (*policy)->name);
		printf(" %s_least", names[load]);
	}
	printf("\n");
	for (uint32_t frames = PAGES / 8; frames <= PAGES; frames += PAGES / 16) {
		printf("%u", frames * 100 / PAGES);
		for (int load = 0; load < LOADS; load++) {
			for (const struct replacement_ops *const *policy = replacements; *policy; policy++)
				printf(" %lu", faults(load, frames, *policy, fill_little));
			printf(" %lu", least(load, frames));
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!exos_here()) {
		printf("# on ExOS only\n");
		return 0;
	}
	if (space_start(&(struct exos_handlers){ .revoke = pager_revoke, .flags = EXOS_HANDLERS_GENERAL }))
		fail("no handlers");
	if (argc > 1 && !strcmp(argv[1], "figure"))
		figure();
	else
		rows();
	return 0;
}
