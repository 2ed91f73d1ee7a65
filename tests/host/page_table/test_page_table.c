/* Page tables of all structures, through the one interface, against a model: a plain array of entries over the pages that the test uses, which are
 * picked so that some are neighbours and some far apart. Memory fails at random, and all of it must come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <exos/lib/vm/page_table.h>

#define RANGE (1ul << 27) /* pages: 512 GiB */
#define CLUMPS 60ul
#define CLUMP 64ul /* pages around each */
#define PLACES (CLUMPS * CLUMP)

static uint64_t seed, points, failed;

static void ok(bool good, const char *structure, const char *what)
{
	printf("%sok %lu - %s %s\n", good ? "" : "not ", ++points, structure, what);
	failed += !good;
}

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

#define LARGE 8192 /* pages: memory that is mostly not touched */

/* A source that counts what is out and refuses one request in so many. */
struct counting_source {
	struct page_source source;
	uint64_t out, one_in;
};

static void *get(struct page_source *source, size_t pages)
{
	struct counting_source *c = (struct counting_source *)source;
	void *p;

	if (c->one_in && random_below(c->one_in) == 0)
		return NULL;
	if (pages > LARGE) {
		p = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	} else {
		p = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
		memset(p, 0, pages * PAGE_SIZE);
	}
	c->out += pages;
	return p;
}

static void put(struct page_source *source, void *memory, size_t pages)
{
	((struct counting_source *)source)->out -= pages;
	if (pages > LARGE)
		munmap(memory, pages * PAGE_SIZE);
	else
		free(memory);
}

static struct counting_source source = { { get, put }, 0, 0 };

static struct model {
	uint64_t pages[PLACES], entries[PLACES], present; /* pages ascend */
} model;

/* Clumps that ascend, some touching, the first and the last at the ends of the range. */
static void model_place(void)
{
	uint64_t base = 0;

	memset(&model, 0, sizeof(model));
	for (uint64_t c = 0; c < CLUMPS; c++) {
		if (c == CLUMPS - 1)
			base = RANGE - CLUMP;
		for (uint64_t i = 0; i < CLUMP; i++)
			model.pages[c * CLUMP + i] = base + i;
		base += CLUMP + (random_below(3) ? random_below(RANGE / CLUMPS - CLUMP) : 0);
	}
}

static uint64_t model_place_of(uint64_t page)
{
	uint64_t low = 0, high = PLACES;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (model.pages[middle] < page)
			low = middle + 1;
		else
			high = middle;
	}
	return low < PLACES && model.pages[low] == page ? low : PLACES;
}

static uint64_t model_entry(uint64_t page)
{
	uint64_t i = model_place_of(page);

	return i < PLACES ? model.entries[i] : 0;
}

static bool run_agrees(struct page_table *t, uint64_t i)
{
	uint64_t page = model.pages[i], limit = RANGE - page, wanted = 1 + random_below(limit < 200 ? limit : 200), count = wanted;
	uint64_t *entries = page_run(t, page, &count);

	if (!count || count > wanted)
		return false;
	for (uint64_t k = 0; k < count; k++)
		if ((entries ? entries[k] : 0) != model_entry(page + k))
			return false;
	return true;
}

static bool find_agrees(struct page_table *t, uint64_t i)
{
	uint64_t *entry = page_find(t, model.pages[i]);

	return entry ? *entry == model.entries[i] : !model.entries[i];
}

static bool insert_agrees(struct page_table *t, uint64_t i)
{
	uint64_t entry = 1 + random_below(1ul << 44), *at = page_insert(t, model.pages[i], entry);

	if (!at)
		return source.one_in && find_agrees(t, i);
	model.present += !model.entries[i];
	model.entries[i] = entry;
	return *at == entry;
}

static bool remove_agrees(struct page_table *t, uint64_t i)
{
	uint64_t was = model.entries[i];

	model.present -= was != 0;
	model.entries[i] = 0;
	return page_remove(t, model.pages[i]) == was;
}

struct seen {
	uint64_t next, count;
	bool wrong, disorder;
};

static void see(void *context, uint64_t page, uint64_t *entry)
{
	struct seen *seen = context;

	seen->wrong |= model_entry(page) != *entry;
	seen->disorder |= page < seen->next;
	seen->next = page + 1;
	seen->count++;
}

static bool walk_agrees(struct page_table *t)
{
	struct seen seen = { 0, 0, false, false };

	page_walk(t, see, &seen);
	return !seen.wrong && seen.count == model.present && t->present == model.present && (!seen.disorder || t->ops == &page_table_inverted) &&
		t->bytes == source.out * PAGE_SIZE;
}

/* One operation; mostly inserts while `filling`, so that the table grows and shrinks through all its sizes. */
static bool step(struct page_table *t, bool filling)
{
	uint64_t i = random_below(PLACES), what = random_below(10);

	if (what < 2)
		return find_agrees(t, i);
	if (what < 4)
		return run_agrees(t, i);
	return (what < 5) == filling ? remove_agrees(t, i) : insert_agrees(t, i);
}

static void random_operations(const struct page_table_ops *ops, uint64_t rounds)
{
	struct page_table *t;
	bool good = true;

	model_place();
	source.one_in = 0;
	t = page_table_create(ops, &source.source, RANGE);
	for (uint64_t i = 0; i < rounds && good; i++) {
		if (i % 16 == 0)
			source.one_in = random_below(2) ? 1 + random_below(4) : 0;
		good = step(t, i / 6000 % 2 == 0);
		if (i % 1000 == 0)
			good &= walk_agrees(t);
	}
	ok(good, ops->name, "random operations agree with the model, memory failing or not");
	for (uint64_t i = 0; i < PLACES && good; i++)
		good = remove_agrees(t, i);
	ok(good && walk_agrees(t), ops->name, "all that was in it comes out");
	source.one_in = 0;
	for (uint64_t i = PLACES; i-- && good;)
		good = insert_agrees(t, i);
	ok(good && walk_agrees(t), ops->name, "it can be filled again, downwards");
	page_table_destroy(t);
	ok(source.out == 0, ops->name, "its memory comes back");
}

static void copies(const struct page_table_ops *ops)
{
	bool good = true, failing = true;

	source.one_in = 0;
	for (const struct page_table_ops *const *to = page_tables; *to; to++) {
		struct page_table *from, *t;

		model_place();
		from = page_table_create(ops, &source.source, RANGE);
		t = page_table_create(*to, &source.source, RANGE);
		for (int i = 0; i < 1000; i++)
			good &= insert_agrees(from, random_below(PLACES));
		good &= page_table_copy(t, from);
		page_table_destroy(from);
		good &= walk_agrees(t);
		source.one_in = 1;
		from = page_table_create(*to, &source.source, RANGE);
		failing &= !from;
		source.one_in = 0;
		page_table_destroy(t);
		good &= source.out == 0;
	}
	ok(good, ops->name, "copied into each structure, it is the same");
	ok(failing, ops->name, "without memory none is made");
}

static void copy_without_memory(const struct page_table_ops *ops)
{
	struct page_table *from, *t;
	uint64_t had;
	bool good;

	model_place();
	from = page_table_create(&page_table_radix4, &source.source, RANGE);
	for (uint64_t i = 0; i < PLACES; i++)
		page_insert(from, model.pages[i], 1 + i);
	t = page_table_create(ops, &source.source, RANGE);
	had = t->bytes;
	source.one_in = 1;
	good = !page_table_copy(t, from) || t->bytes == had; /* it may need no more than it had */
	source.one_in = 0;
	page_table_destroy(t);
	page_table_destroy(from);
	ok(good && source.out == 0, ops->name, "a copy that finds no memory says so");
}

static void small_ranges(const struct page_table_ops *ops)
{
	bool good = true;

	for (uint64_t pages = 1; pages < 1100 && good; pages += 1 + pages / 3) {
		struct page_table *t = page_table_create(ops, NULL, pages);
		uint64_t count = pages, *last;

		page_insert(t, pages - 1, 77);
		page_insert(t, 0, pages == 1 ? 77 : 78);
		last = page_find(t, pages - 1);
		good = last && *last == 77 && page_run(t, 0, &count) && count >= 1 && count <= pages;
		page_table_destroy(t);
	}
	ok(good, ops->name, "ranges down to one page, from the default source");
	ok(!page_table_create(ops, NULL, 0), ops->name, "a range of no pages is refused");
}

int main(void)
{
	const char *wanted = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t first = wanted ? strtoul(wanted, NULL, 0) : (uint64_t)time(NULL);

	printf("# SEED=%lu\n", first);
	seed = first * 2 + 1;
	for (const struct page_table_ops *const *ops = page_tables; *ops; ops++) {
		random_operations(*ops, rounds ? strtoul(rounds, NULL, 0) : 60000);
		copies(*ops);
		copy_without_memory(*ops);
		small_ranges(*ops);
	}
	ok(!page_table_create(&page_table_radix4, NULL, (1ul << 36) + 1), "radix4", "a range beyond its four levels is refused");
	printf("1..%lu\n", points);
	return failed != 0;
}
