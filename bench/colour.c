/* Matrix multiply with chosen page colours: cache misses in a model of the cache (tools/cachesim), and the instructions that it takes to have the
 * memory.
 *
 * c = a * b, row by row: for each row of a all of b is read, so b is what a cache should keep; a and c stream past. *default*: ordinary memory,
 * its frames as the system hands them out after its free memory has been through a churn (below), the mean of several churns. *chosen*: on ExOS b
 * has colours of its own, which a and c do not use; on Linux, which has no such thing, all three lie in one huge page, which is the nearest that a
 * program can have there: its frames are neighbours.
 *
 * A row's value `@N.CACHE` is replaced by the misses of phase N in the model's results, and `@N+M.CACHE` by the mean of phases N to M
 * (tools/bench.sh). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <bench/x86_64/mark.h>
#include <exos/lib/vm/colour.h>
#include <exos/lib/x86_64/calls.h>

enum {
	FITS = 240,	   /* side of b: 225 KiB, of a cache of 256 */
	LARGE = 480,	   /* 900 KiB */
	LARGE_ROWS = 60,   /* of a and c: as many multiplications as a quarter of a square */
	COLOURS = 64,	   /* 256 KiB, one way: pages that differ in it differ or are evenly spread in every cache of that size with more ways */
	STREAMS = 7,	   /* colours of a and c */
	CHURN_PAGES = 4096, /* 16 MiB */
	HUGE_BYTES = 2 << 20,
};

struct product {
	int rows, side;
	int32_t *a, *b, *c; /* rows x side, side x side, rows x side */
};

static uint32_t seed;

static uint32_t next_random(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t pages(uint64_t ints) { return (ints * sizeof(int32_t) + 4095) / 4096; }
static uint64_t pages_a(const struct product *p) { return pages((uint64_t)p->rows * (uint64_t)p->side); }
static uint64_t pages_b(const struct product *p) { return pages((uint64_t)p->side * (uint64_t)p->side); }

static void *map(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		give_up("mmap");
	return memory;
}

static void touch(void *memory, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		((volatile char *)memory)[i * 4096] = 1;
}

/* Machines that have run for a while do not have their free frames in order. Half of some memory, in random order, is given back, and stays
 * between what is kept until the next churn. */
static void churn(uint32_t with)
{
	static char *memory;
	static uint16_t order[CHURN_PAGES];

	seed = with;
	if (memory)
		munmap(memory, CHURN_PAGES * 4096ul);
	memory = map(CHURN_PAGES * 4096ul);
	madvise(memory, CHURN_PAGES * 4096ul, MADV_NOHUGEPAGE);
	touch(memory, CHURN_PAGES);
	for (uint32_t i = 0; i < CHURN_PAGES; i++) {
		uint32_t j = next_random() % (i + 1);

		order[i] = order[j];
		order[j] = (uint16_t)i;
	}
	for (uint32_t i = 0; i < CHURN_PAGES / 2; i++)
		if (madvise(memory + order[i] * 4096ul, 4096, MADV_DONTNEED))
			give_up("madvise");
}

static void place(struct product *p, char *memory)
{
	p->b = (int32_t *)memory;
	p->a = (int32_t *)(memory + pages_b(p) * 4096);
	p->c = (int32_t *)(memory + (pages_b(p) + pages_a(p)) * 4096);
}

static uint64_t pages_all(const struct product *p) { return pages_b(p) + 2 * pages_a(p); }

static void make_default(struct product *p)
{
	char *memory = map(pages_all(p) * 4096);

	touch(memory, pages_all(p));
	place(p, memory);
}

static void make_coloured(struct product *p)
{
	static frame_t list[1024];
	const struct colours reused = { COLOURS, 0, COLOURS - STREAMS }, streams = { COLOURS, COLOURS - STREAMS, STREAMS };
	int64_t region = exos_region(0, HUGE_BYTES);

	if (region < 0 || colour_frames(&reused, list, pages_b(p)) || colour_frames(&streams, list + pages_b(p), 2 * pages_a(p)) ||
	    colour_bind((uint64_t)region, list, pages_all(p))) {
		fprintf(stderr, "no coloured frames\n");
		exit(1);
	}
	place(p, (char *)region);
}

/* Linux does not say no: it only does not do it. */
static bool is_huge(const char *memory)
{
	char line[256];
	uint64_t from, to, kib = 0;
	bool in = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && !kib && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = from <= (uint64_t)memory && (uint64_t)memory < to;
		if (in)
			sscanf(line, "AnonHugePages: %lu", &kib);
	}
	if (f)
		fclose(f);
	return kib;
}

static void make_huge(struct product *p)
{
	char *memory = map(2 * HUGE_BYTES);

	memory += -(uintptr_t)memory % HUGE_BYTES;
	if (madvise(memory, HUGE_BYTES, MADV_HUGEPAGE))
		give_up("madvise");
	touch(memory, pages_all(p));
	place(p, memory);
}

static void make_chosen(struct product *p)
{
	if (exos_here())
		make_coloured(p);
	else
		make_huge(p);
}

static void confirm_chosen(const struct product *p)
{
	if (exos_here() || is_huge((const char *)p->b))
		return;
	fprintf(stderr, "no huge page: the machine needs more than 512 MiB\n");
	exit(1);
}

static void fill(const struct product *p)
{
	seed = 1;
	for (int i = 0; i < p->rows * p->side; i++) {
		p->a[i] = (int32_t)(next_random() & 255) - 128;
		p->c[i] = 0;
	}
	for (int i = 0; i < p->side * p->side; i++)
		p->b[i] = (int32_t)(next_random() & 255) - 128;
}

static void __attribute__((noipa)) multiply(const struct product *p)
{
	int n = p->side;

	for (int i = 0; i < p->rows; i++)
		for (int k = 0; k < n; k++)
			for (int j = 0; j < n; j++)
				p->c[i * n + j] += p->a[i * n + k] * p->b[k * n + j];
}

/* The same by sums of outer products: now all of c is gone through for each row of b. */
static void __attribute__((noipa)) multiply_turned(const struct product *p)
{
	int n = p->side;

	for (int k = 0; k < n; k++)
		for (int i = 0; i < p->rows; i++)
			for (int j = 0; j < n; j++)
				p->c[i * n + j] += p->a[i * n + k] * p->b[k * n + j];
}

/* What every placement must come to, so that no figure is of something else. */
static void check(const struct product *p)
{
	static uint32_t sums[2];
	uint32_t sum = 0, *expected = &sums[p->side == LARGE];

	for (int i = 0; i < p->rows * p->side; i++)
		sum = sum * 31 + (uint32_t)p->c[i];
	if (*expected && sum != *expected) {
		fprintf(stderr, "the products differ\n");
		exit(1);
	}
	*expected = sum;
}

/* A mark's phase is a constant of the program's text. */
#define MEASURE(phase, multiplication, product) \
	do { \
		fill(product); \
		CACHE_MARK(phase); \
		multiplication(product); \
		CACHE_MARK(0); \
		check(product); \
	} while (0)

static uint64_t make(void (*how)(struct product *), struct product *p)
{
	uint64_t since = __rdtsc();

	how(p);
	return __rdtsc() - since;
}

static void rows(void)
{
	static const char *const caches[][2] = { { "", "256K/4" }, { ".direct", "256K/1" }, { ".ways8", "256K/8" } };

	for (size_t i = 0; i < 3; i++) {
		const char *name = caches[i][0], *cache = caches[i][1];

		printf("colour%s.fits.default @1+3.%s\ncolour%s.fits.chosen @4.%s\n", name, cache, name, cache);
		printf("colour%s.large.default @5.%s\ncolour%s.large.chosen @6.%s\n", name, cache, name, cache);
		printf("colour%s.turned.default @7.%s\ncolour%s.turned.chosen @8.%s\n", name, cache, name, cache);
	}
}

int main(void)
{
	struct product fits = { .rows = FITS, .side = FITS }, large = { .rows = LARGE_ROWS, .side = LARGE };

	churn(1);
	make_default(&fits);
	MEASURE(1, multiply, &fits);
	churn(2);
	make_default(&fits);
	MEASURE(2, multiply, &fits);
	churn(3);
	printf("colour.make.default %lu\n", make(make_default, &fits));
	MEASURE(3, multiply, &fits);
	MEASURE(7, multiply_turned, &fits);
	make_default(&large);
	MEASURE(5, multiply, &large);
	printf("colour.make.chosen %lu\n", make(make_chosen, &fits));
	confirm_chosen(&fits);
	MEASURE(4, multiply, &fits);
	MEASURE(8, multiply_turned, &fits);
	make_chosen(&large);
	confirm_chosen(&large);
	MEASURE(6, multiply, &large);
	rows();
	return 0;
}
