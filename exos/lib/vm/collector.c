/* See collector.h. A page has objects of one class: as many words, as many pointers. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <exos/lib/vm/collector.h>

#define WORD sizeof(void *)
#define PAGE_WORDS (FRAME_SIZE / WORD)
#define LEAST_WORDS 2
#define MOST_OBJECTS (PAGE_WORDS / LEAST_WORDS)
#define BITS (MOST_OBJECTS / 64)
#define NONE 0u /* page numbers are from 1 in chains */

struct collector_page {
	uint16_t words; /* of an object; 0: the page is free */
	uint16_t pointers;
	uint16_t objects; /* for which there is room */
	uint16_t has_new; /* objects that were not there at the last collection, or all are to be looked at */
	uint32_t next;	  /* in the chain of free ones, or of those of a class that have room */
	uint32_t chained;
	uint64_t made[BITS], marks[BITS];
};

struct collector_class {
	uint16_t words, pointers;
	uint32_t room; /* pages that may have some, chained */
	struct collector_class *next;
};

static struct collector_page *page_of(struct collector *c, uint32_t number) { return &c->pages[number - 1]; }
static size_t stack_bytes(const struct collector *c) { return c->heap->pages * MOST_OBJECTS * sizeof(void *); }

int collector_create(struct collector *c, struct written *heap)
{
	*c = (struct collector){ .heap = heap, .pages = calloc(heap->pages, sizeof(*c->pages)) };
	if (!c->pages)
		return -ENOMEM;
	c->stack = mmap(NULL, stack_bytes(c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->stack == MAP_FAILED) {
		free(c->pages);
		return -ENOMEM;
	}
	for (uint32_t i = (uint32_t)heap->pages; i; i--) {
		page_of(c, i)->next = c->free;
		c->free = i;
	}
	return 0;
}

void collector_destroy(struct collector *c)
{
	while (c->classes) {
		struct collector_class *class = c->classes;

		c->classes = class->next;
		free(class);
	}
	munmap(c->stack, stack_bytes(c));
	free(c->pages);
}

void collector_root(struct collector *c, struct collector_root *root, void **slots, uint64_t n)
{
	*root = (struct collector_root){ slots, n, c->roots };
	c->roots = root;
}

static struct collector_class *class_of(struct collector *c, uint64_t words, uint64_t pointers)
{
	struct collector_class *class = c->classes;

	while (class && (class->words != words || class->pointers != pointers))
		class = class->next;
	if (class)
		return class;
	class = malloc(sizeof(*class));
	if (!class)
		return NULL;
	*class = (struct collector_class){ (uint16_t)words, (uint16_t)pointers, NONE, c->classes };
	return c->classes = class;
}

static void free_page(struct collector *c, uint32_t number)
{
	struct collector_page *page = page_of(c, number);

	*page = (struct collector_page){ .next = c->free };
	c->free = number;
}

/* What the classes have in their chains without an object in it. */
static void free_empty(struct collector *c)
{
	for (struct collector_class *class = c->classes; class; class = class->next) {
		uint32_t *link = &class->room;

		while (*link != NONE) {
			uint32_t number = *link;
			struct collector_page *page = page_of(c, number);
			uint64_t any = 0;

			for (unsigned i = 0; i < BITS; i++)
				any |= page->made[i];
			if (any) {
				link = &page->next;
				continue;
			}
			*link = page->next;
			free_page(c, number);
		}
	}
}

static uint32_t fresh_page(struct collector *c, const struct collector_class *class)
{
	uint32_t number;
	struct collector_page *page;

	if (c->free == NONE)
		free_empty(c);
	number = c->free;
	if (number == NONE)
		return NONE;
	page = page_of(c, number);
	c->free = page->next;
	*page = (struct collector_page){
		.words = class->words, .pointers = class->pointers, .objects = (uint16_t)(PAGE_WORDS / class->words), .chained = 1
	};
	return number;
}

/* The number of an object that is made in a page, or -1. */
static int make_in(struct collector_page *page)
{
	for (unsigned i = 0; i * 64 < page->objects; i++) {
		unsigned object;

		if (!~page->made[i])
			continue;
		object = i * 64 + (unsigned)__builtin_ctzl(~page->made[i]);
		if (object >= page->objects)
			break;
		page->made[i] |= 1ul << object % 64;
		return (int)object;
	}
	return -1;
}

void *collector_alloc(struct collector *c, uint64_t pointers, uint64_t bytes)
{
	uint64_t words = (bytes + WORD - 1) / WORD;
	struct collector_class *class;

	if (!bytes || bytes > COLLECTOR_LARGEST || pointers > words)
		return NULL;
	class = class_of(c, words < LEAST_WORDS ? LEAST_WORDS : words, pointers);
	while (class && (class->room != NONE || (class->room = fresh_page(c, class)) != NONE)) {
		struct collector_page *page = page_of(c, class->room);
		int object = make_in(page);

		if (object >= 0) {
			void *p = c->heap->memory + (class->room - 1ul) * FRAME_SIZE + (unsigned)object * page->words * WORD;

			page->has_new = 1;
			c->objects++;
			return memset(p, 0, page->words * WORD);
		}
		page->chained = 0;
		class->room = page->next;
	}
	return NULL;
}

static inline void mark(struct collector *c, void *object)
{
	uint64_t offset = (uint64_t)((char *)object - c->heap->memory), bit;
	struct collector_page *page;
	unsigned number;

	if (!object)
		return;
	page = &c->pages[offset / FRAME_SIZE];
	number = (unsigned)(offset % FRAME_SIZE / WORD) / page->words;
	bit = 1ul << number % 64;
	if (page->marks[number / 64] & bit)
		return;
	page->marks[number / 64] |= bit;
	c->marked++;
	if (page->pointers)
		c->stack[c->depth++] = object;
}

static inline void mark_all(struct collector *c, void **slots, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		mark(c, slots[i]);
}

bool collect_some(struct collector *c, uint64_t objects)
{
	while (c->depth && objects--) {
		void **object = c->stack[--c->depth];

		mark_all(c, object, c->pages[((char *)object - c->heap->memory) / FRAME_SIZE].pointers);
	}
	return c->depth;
}

static void mark_roots(struct collector *c)
{
	for (struct collector_root *root = c->roots; root; root = root->next)
		mark_all(c, root->slots, root->n);
}

/* Those of a written page that are marked may point to what is not: as they were marked before they were written, or are as old as the last collection. */
static void mark_from_page(struct collector *c, uint64_t number)
{
	struct collector_page *page = &c->pages[number];
	char *memory = c->heap->memory + number * FRAME_SIZE;

	for (unsigned i = 0; i * 64 < page->objects; i++)
		for (uint64_t left = page->marks[i]; left; left &= left - 1)
			mark_all(c, (void **)(memory + (i * 64 + (unsigned)__builtin_ctzl(left)) * page->words * WORD), page->pointers);
}

/* Returns how many objects of a page are freed. */
static uint64_t sweep_page(struct collector *c, uint32_t number)
{
	struct collector_page *page = page_of(c, number);
	uint64_t freed = 0, left = 0;

	page->has_new = 0;
	for (unsigned i = 0; i < BITS; i++) {
		freed += (uint64_t)__builtin_popcountl(page->made[i] & ~page->marks[i]);
		page->made[i] = page->marks[i];
		left |= page->made[i];
	}
	if (!freed || page->chained)
		return freed;
	if (left) {
		struct collector_class *class = class_of(c, page->words, page->pointers);

		page->next = class->room;
		page->chained = 1;
		class->room = number;
	} else {
		free_page(c, number);
	}
	return freed;
}

static uint64_t sweep(struct collector *c)
{
	uint64_t freed = 0;

	for (uint32_t i = 1; i <= c->heap->pages; i++)
		if (page_of(c, i)->has_new)
			freed += sweep_page(c, i);
	c->objects -= freed;
	return freed;
}

uint64_t collect_minor(struct collector *c)
{
	c->marked = 0;
	written_take(c->heap);
	mark_roots(c);
	for (uint64_t i = 0; i < c->heap->pages; i++)
		if (c->heap->page[i] && c->pages[i].objects)
			mark_from_page(c, i);
	collect_some(c, UINT64_MAX);
	return sweep(c);
}

static void begin(struct collector *c)
{
	c->marked = c->depth = 0;
	for (uint64_t i = 0; i < c->heap->pages; i++) {
		struct collector_page *page = &c->pages[i];

		if (!page->words)
			continue;
		memset(page->marks, 0, sizeof(page->marks));
		page->has_new = 1;
	}
	mark_roots(c);
}

void collect_begin(struct collector *c)
{
	written_take(c->heap); /* from here on: what is written after it was marked */
	begin(c);
}

uint64_t collect_full(struct collector *c)
{
	begin(c);
	collect_some(c, UINT64_MAX);
	return sweep(c);
}
