/* A cache of query results, as a database has: each is a page that takes real work to make again, some much more than others, and its memory
 * shrinks and grows while it works.
 *
 * *cheapest*: when pages have to go, those go first that were cheapest to make and are used least (GreedyDual with frequencies: Young 1994,
 * Cherkasova 1998). *default*: the system chooses, which knows which pages were used and nothing else: on ExOS its library's clock over the
 * hardware's accessed bits (exos/lib/vm/discard.h), on Linux its own replacement of pages that the program has marked MADV_FREE, in a control
 * group whose limit is moved. All three make a page when it is found empty, and have the same queries and the same limits at the same queries.
 *
 * *skewed*: costs differ by up to 64 to 1. *uniform*: all cost the same. *moving*: so they do, and which are used most changes all the time, so
 * that what was learnt about them misleads. Rows are instructions a query, all work counted, and misses in a thousand queries. `cache
 * cheapest|default FRAMES QUERIES` is one run in which nothing moves but what others ask back (./exo run --arbiter). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include <exos/lib/vm/discard.h>
#include <exos/lib/x86_64/calls.h>

enum {
	KEYS = 4096,	    /* a page each */
	FRAMES = 2048,	    /* that the cache has at first, */
	FRAMES_LEAST = 1024, /* and when it is smallest */
	STEP = 256,	    /* frames that go or come at a time, */
	STEP_QUERIES = 2000, /* after so many queries */
	QUERIES = 20000,
	WARM_UP = 10000,
	SEGMENTS = 256, /* of the table that queries are about: so many values each, packed */
	VALUES = 256,
	GROUPS = 511, /* of a result */
};

struct result {
	uint64_t key; /* + 1; 0: the page is empty */
	uint64_t groups[GROUPS];
};
_Static_assert(sizeof(struct result) == 4096, "a page");

struct workload {
	const char *name;
	bool skewed; /* costs */
	bool moving; /* which keys are asked for most */
};

static uint8_t packed[SEGMENTS * VALUES * 5];
static uint32_t segment_at[SEGMENTS];
static uint32_t seed;
static struct result *results;
static uint8_t weights[KEYS]; /* segments that a query has to read */

static uint64_t misses;

/* Set by the policy that chooses by cost, which alone writes them. */
static bool by_cost;
static uint32_t costs[KEYS];   /* what making it took, in 64 ticks */
static uint32_t uses[KEYS];    /* since it was made */
static uint64_t credits[KEYS]; /* inflation when it was last used + cost * uses: the least go first */
static uint64_t inflation;

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

/* Values that grow, as differences, seven bits a byte. */
static void pack_table(void)
{
	uint32_t at = 0;

	seed = 1;
	for (uint32_t s = 0; s < SEGMENTS; s++) {
		segment_at[s] = at;
		for (uint32_t v = 0; v < VALUES; v++) {
			uint32_t difference = next_random() % (v % 8 ? 100 : 10000);

			for (; difference > 127; difference >>= 7)
				packed[at++] = (uint8_t)(difference | 128);
			packed[at++] = (uint8_t)difference;
		}
	}
}

/* Reads the segments of this query, and counts their values by group. */
static void __attribute__((noipa)) make(struct result *r, uint32_t key)
{
	for (uint32_t i = 0; i < weights[key]; i++) {
		const uint8_t *p = packed + segment_at[(key * 7 + i) % SEGMENTS];
		uint32_t value = 0;

		for (uint32_t v = 0; v < VALUES; v++) {
			uint32_t shift = 0, difference = 0;

			do
				difference |= (*p & 127u) << shift, shift += 7;
			while (*p++ & 128);
			value += difference;
			r->groups[(value ^ key) % GROUPS] += value;
		}
	}
	r->key = key + 1;
}

static struct discard range = { .pinned = DISCARD_NO_PAGE };

static uint64_t look_up(uint32_t key)
{
	struct result *r = &results[key];
	uint64_t sum = 0;

	range.pinned = key;
	if (r->key != key + 1) {
		uint64_t since = __rdtsc();

		misses++;
		make(r, key);
		if (!exos_here())
			madvise(r, sizeof(*r), MADV_FREE);
		costs[key] = (uint32_t)((__rdtsc() - since) >> 6);
		uses[key] = 0;
	}
	if (by_cost)
		credits[key] = inflation + (uint64_t)costs[key] * ++uses[key];
	for (uint32_t i = 0; i < 32; i++)
		sum += r->groups[(key + i * 16) % GROUPS];
	range.pinned = DISCARD_NO_PAGE;
	return sum;
}

/* A quarter of the keys have half of the queries; which ones moves on, if it does, by all keys in 16,384 queries. */
static uint32_t next_key(uint32_t i, bool moving)
{
	uint64_t u = next_random() & 0xffff;

	return ((uint32_t)(u * u * KEYS >> 32) + (moving ? i / 4 : 0)) * 2654435761u % KEYS;
}

static void sift_down(uint64_t *heap, uint64_t n)
{
	for (uint64_t i = 0, child; (child = 2 * i + 1) < n; i = child) {
		uint64_t page = heap[i];

		if (child + 1 < n && credits[heap[child + 1]] > credits[heap[child]])
			child++;
		if (credits[heap[child]] <= credits[page])
			break;
		heap[i] = heap[child];
		heap[child] = page;
	}
}

static void sift_up(uint64_t *heap, uint64_t i)
{
	for (uint64_t page = heap[i]; i && credits[heap[(i - 1) / 2]] < credits[page]; i = (i - 1) / 2) {
		heap[i] = heap[(i - 1) / 2];
		heap[(i - 1) / 2] = page;
	}
}

/* The n of least credit, found with a heap of which the greatest is on top. What is left is worth less by that much from now on, as it was not
 * used. */
static uint64_t choose_cheapest(struct discard *d, uint64_t *heap, uint64_t n)
{
	uint64_t found = 0;

	for (uint64_t page = 0; page < d->pages; page++) {
		if (!d->frames[page] || page == d->pinned)
			continue;
		if (found < n) {
			heap[found] = page;
			sift_up(heap, found++);
		} else if (credits[page] < credits[heap[0]]) {
			heap[0] = page;
			sift_down(heap, n);
		}
	}
	if (found && credits[heap[0]] > inflation)
		inflation = credits[heap[0]];
	return found;
}

static void write_text(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) != (ssize_t)strlen(text) || close(f))
		give_up(path);
}

static uint64_t group_base; /* what the control group has besides the cache */

static uint64_t group_now(void)
{
	char text[32] = "";
	int f = open("/groups/cache/memory.current", O_RDONLY);

	if (f < 0 || read(f, text, sizeof(text) - 1) <= 0)
		give_up("memory.current");
	close(f);
	return strtoul(text, NULL, 10);
}

static void set_limit(uint64_t frames)
{
	char text[32];

	if (exos_here()) {
		discard_limit(&range, frames);
	} else {
		snprintf(text, sizeof(text), "%lu", group_base + frames * 4096);
		write_text("/groups/cache/memory.max", text);
	}
}

static void make_group(void)
{
	mkdir("/groups", 0755);
	if (mount("none", "/groups", "cgroup2", 0, NULL))
		give_up("cgroup2");
	write_text("/groups/cgroup.subtree_control", "+memory");
	if (mkdir("/groups/cache", 0755))
		give_up("/groups/cache");
	write_text("/groups/cache/cgroup.procs", "0");
}

/* Also for the second run, which finds all pages absent. */
static void start(bool cheapest, uint64_t frames)
{
	by_cost = cheapest;
	inflation = 0;
	if (exos_here()) {
		range.choose = cheapest ? choose_cheapest : discard_clock;
		if (!results) {
			range.limit = frames;
			if (discard_create(&range, KEYS))
				give_up("no memory for the cache");
			results = (struct result *)range.start;
		}
		discard_limit(&range, 0);
	} else {
		if (!results) {
			results = mmap(NULL, KEYS * sizeof(*results), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (results == MAP_FAILED || madvise(results, KEYS * sizeof(*results), MADV_NOHUGEPAGE))
				give_up("no memory for the cache");
			make_group();
		}
		madvise(results, KEYS * sizeof(*results), MADV_DONTNEED);
		group_base = group_now();
	}
	set_limit(frames);
}

/* Frames that it may have at query i: less and less, and then more and more. */
static uint64_t limit_at(uint32_t i)
{
	uint64_t step = i / STEP_QUERIES, down = (FRAMES - FRAMES_LEAST) / STEP;

	return step <= down ? FRAMES - step * STEP : step <= 2 * down ? FRAMES_LEAST + (step - down) * STEP : FRAMES;
}

static uint64_t run(const struct workload *w, uint32_t queries, bool driven)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < queries; i++) {
		if (driven && i && limit_at(i) != limit_at(i - 1))
			set_limit(limit_at(i));
		sum = sum * 31 + look_up(next_key(i, w->moving));
	}
	return sum;
}

static void check(uint64_t sum, uint64_t expected)
{
	static struct result fresh;

	for (uint32_t key = 0; key < KEYS; key += 61) {
		memset(&fresh, 0, sizeof(fresh));
		make(&fresh, key);
		look_up(key);
		if (memcmp(&fresh, &results[key], sizeof(fresh))) {
			fprintf(stderr, "the result of query %u is wrong\n", key);
			exit(1);
		}
	}
	if (expected && sum != expected) {
		fprintf(stderr, "the sums of all results differ\n");
		exit(1);
	}
}

static void set_weights(bool skewed)
{
	for (uint32_t key = 0; key < KEYS; key++)
		weights[key] = skewed ? (uint8_t)(1 << (key * 40503u >> 4) % 7) : 8;
}

static uint64_t measure(const struct workload *w, bool cheapest, uint64_t expected)
{
	const char *policy = cheapest ? "cheapest" : "default";
	uint64_t taken, sum;

	set_weights(w->skewed);
	start(cheapest, FRAMES);
	seed = 7;
	run(w, WARM_UP, false);
	misses = 0;
	taken = __rdtsc();
	sum = run(w, QUERIES, true);
	taken = __rdtsc() - taken;
	printf("cache.%s.%s %lu\ncache.%s.%s.misses %lu\n", w->name, policy, taken / QUERIES, w->name, policy, misses * 1000 / QUERIES);
	check(sum, expected);
	return sum;
}

static const struct workload workloads[] = { { "skewed", true, false }, { "uniform", false, false }, { "moving", false, true } };

static int run_once(bool cheapest, uint64_t frames, uint32_t queries)
{
	uint64_t taken = __rdtsc(), sum;

	set_weights(true);
	start(cheapest, frames);
	seed = 7;
	sum = run(&workloads[0], queries, false);
	taken = __rdtsc() - taken;
	printf("queries %u instructions %lu misses %lu sum %lx\n", queries, taken, misses, sum);
	printf("demands %lu asked %lu given %lu lost %lu\n", range.count.demands, range.count.asked, range.count.given, range.count.lost);
	check(sum, 0);
	return 0;
}

int main(int argc, char **argv)
{
	pack_table();
	if (argc == 4)
		return run_once(!strcmp(argv[1], "cheapest"), strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		uint64_t sum = measure(&workloads[i], false, 0);

		if (exos_here())
			measure(&workloads[i], true, sum);
	}
	return 0;
}
