/* The inverted table: a hash table, as large as what is mapped and not as the range, whatever lies how far apart. It hashes blocks of eight pages and
 * not single ones, so that neighbours cost one lookup (the clustered table of Talluri, Hill and Khalidi, SOSP'95): a page by itself pays with seven
 * words that are not used.
 *
 * Open addressing, linear probing, at most two thirds full. What is taken out is closed up, so there are no marks of the dead. An insert that doubles
 * the table moves all of it: constant on average, not each time. It does not shrink. */
#include <exos/lib/vm/page_table.h>

#define BLOCK_PAGES 8ul
#define BLOCK_BYTES (sizeof(uint64_t) * (1 + BLOCK_PAGES))
#define FIRST_BLOCKS 32ul

struct inverted {
	struct page_table head;
	uint64_t *tags;	   /* number of the block + 1; 0: the place is free */
	uint64_t *entries; /* eight for each tag */
	uint64_t places;   /* a power of two */
	uint32_t shift;	   /* takes a place from the top bits of a product */
	uint64_t used;
};

static size_t pages_for(uint64_t places) { return (places * BLOCK_BYTES + PAGE_SIZE - 1) / PAGE_SIZE; }

static uint64_t home(const struct inverted *v, uint64_t tag) { return tag * 0x9e3779b97f4a7c15ul >> v->shift; } /* Knuth: multiplicative, golden ratio */
static uint64_t after(const struct inverted *v, uint64_t place) { return (place + 1) & (v->places - 1); }

static bool make_places(struct inverted *v, uint64_t places)
{
	uint64_t *memory = page_table_get(&v->head, pages_for(places));

	if (!memory)
		return false;
	v->tags = memory;
	v->entries = memory + places;
	v->places = places;
	v->shift = 64 - (uint32_t)__builtin_ctzl(places);
	return true;
}

static bool create(struct page_table *t) { return make_places((struct inverted *)t, FIRST_BLOCKS); }

/* Where the block of this tag is, or the free place that ends its search. */
static inline uint64_t place_of(const struct inverted *v, uint64_t tag)
{
	uint64_t place = home(v, tag);

	while (!LIKELY(v->tags[place] == tag) && v->tags[place])
		place = after(v, place);
	return place;
}

static uint64_t *find(struct page_table *t, uint64_t page)
{
	struct inverted *v = (struct inverted *)t;
	uint64_t place = place_of(v, page / BLOCK_PAGES + 1), *entry = &v->entries[place * BLOCK_PAGES + page % BLOCK_PAGES];

	if (LIKELY(*entry)) /* of a free place all are 0 */
		return entry;
	return NULL;
}

static void move_block(struct inverted *v, uint64_t to, uint64_t tag, const uint64_t *entries)
{
	v->tags[to] = tag;
	for (uint64_t i = 0; i < BLOCK_PAGES; i++)
		v->entries[to * BLOCK_PAGES + i] = entries[i];
}

static bool grow(struct inverted *v)
{
	struct inverted old = *v;

	if (!make_places(v, old.places * 2))
		return false;
	for (uint64_t i = 0; i < old.places; i++)
		if (old.tags[i])
			move_block(v, place_of(v, old.tags[i]), old.tags[i], &old.entries[i * BLOCK_PAGES]);
	page_table_put(&v->head, old.tags, pages_for(old.places));
	return true;
}

static uint64_t *insert(struct page_table *t, uint64_t page, uint64_t entry)
{
	struct inverted *v = (struct inverted *)t;
	uint64_t tag = page / BLOCK_PAGES + 1, place = place_of(v, tag), *at;

	if (!v->tags[place]) {
		if ((v->used + 1) * 3 > v->places * 2) {
			if (!grow(v))
				return NULL;
			place = place_of(v, tag);
		}
		v->tags[place] = tag;
		v->used++;
	}
	at = &v->entries[place * BLOCK_PAGES + page % BLOCK_PAGES];
	t->present += !*at;
	*at = entry;
	return at;
}

/* Takes a block without entries out: whoever comes after it in the row, and could be found no more across the gap, moves into it. */
static void close_up(struct inverted *v, uint64_t gap)
{
	for (uint64_t i = after(v, gap); v->tags[i]; i = after(v, i)) {
		uint64_t wanted = home(v, v->tags[i]);

		if (((i - wanted) & (v->places - 1)) < ((i - gap) & (v->places - 1)))
			continue; /* its home is behind the gap */
		move_block(v, gap, v->tags[i], &v->entries[i * BLOCK_PAGES]);
		gap = i;
	}
	v->tags[gap] = 0;
	for (uint64_t i = 0; i < BLOCK_PAGES; i++)
		v->entries[gap * BLOCK_PAGES + i] = 0;
	v->used--;
}

static uint64_t take(struct page_table *t, uint64_t page)
{
	struct inverted *v = (struct inverted *)t;
	uint64_t place = place_of(v, page / BLOCK_PAGES + 1), *block = &v->entries[place * BLOCK_PAGES], entry, any = 0;

	if (!v->tags[place])
		return 0;
	entry = block[page % BLOCK_PAGES];
	block[page % BLOCK_PAGES] = 0;
	t->present -= entry != 0;
	for (uint64_t i = 0; i < BLOCK_PAGES; i++)
		any |= block[i];
	if (!any)
		close_up(v, place);
	return entry;
}

static uint64_t *run(struct page_table *t, uint64_t page, uint64_t *count)
{
	struct inverted *v = (struct inverted *)t;
	uint64_t place = place_of(v, page / BLOCK_PAGES + 1), rest = BLOCK_PAGES - page % BLOCK_PAGES;

	*count = *count < rest ? *count : rest;
	return v->tags[place] ? &v->entries[place * BLOCK_PAGES + page % BLOCK_PAGES] : NULL;
}

static void walk(struct page_table *t, page_visitor *visit, void *context)
{
	struct inverted *v = (struct inverted *)t;

	for (uint64_t i = 0; i < v->places * BLOCK_PAGES; i++)
		if (v->tags[i / BLOCK_PAGES] && v->entries[i])
			visit(context, (v->tags[i / BLOCK_PAGES] - 1) * BLOCK_PAGES + i % BLOCK_PAGES, &v->entries[i]);
}

static void destroy(struct page_table *t)
{
	struct inverted *v = (struct inverted *)t;

	page_table_put(t, v->tags, pages_for(v->places));
}

const struct page_table_ops page_table_inverted = { "inverted", sizeof(struct inverted), create, find, insert, take, run, walk, destroy };
