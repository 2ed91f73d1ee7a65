/* A page table that an application chooses: one interface, several structures behind it (paper 6.2, 7.2).
 *
 * Who calls it: space.h, and programs that want a page table by itself. It is a map from the pages of a range, numbered from 0, to entries. It tells
 * nobody of changes: what the hardware has is space.h's business. What is promised: nothing here calls malloc or uses a vector register, so all of it
 * may be used inside a fault handler; memory comes from the page source alone. Not thread safe, nor reentrant: whoever interrupts a change must not
 * look.
 *
 * An entry is frame << 12 | BIND_ rights | bits 5 and 6, which are the user's (space.h); 0 is absent. A pointer to an entry is good until the next
 * insert or remove. Through it a present entry may be changed to another present one, never to 0 and never from it, as the structures count what they
 * hold.
 *
 * Which to choose (docs/vm.md has the figures): radix2 where the range is small or dense; radix4 where it is vast and pages come in clumps; inverted
 * where single pages are far apart; btree where memory counts more than time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <exos/lib/vm/page_source.h>

struct page_table;
typedef void page_visitor(void *context, uint64_t page, uint64_t *entry);

/* A structure. Pages given are below the table's `pages`. */
struct page_table_ops {
	const char *name;
	size_t size; /* of its struct, which begins with a struct page_table; a page at most */
	/* The rest of a table whose struct is zero behind its head. False: no memory, or the range is too large for it. */
	bool (*create)(struct page_table *);
	/* Null: absent. */
	uint64_t *(*find)(struct page_table *, uint64_t page);
	/* Sets the entry (not 0) of a page that has one or not. Null: no memory; the table is as it was. */
	uint64_t *(*insert)(struct page_table *, uint64_t page, uint64_t entry);
	/* Returns the entry that was there, or 0. Needs no memory. */
	uint64_t (*remove)(struct page_table *, uint64_t page);
	/* The entries of up to *count pages from `page` on, if they lie in a row: *count becomes how many do, at least 1; some may be absent. Null:
	 * so many pages are absent. A hundred pages thus cost as many lookups as the structure needs, not a hundred. */
	uint64_t *(*run)(struct page_table *, uint64_t page, uint64_t *count);
	/* Visits all present entries, in order where the structure has one. The visitor may change them, and may not insert or remove. */
	void (*walk)(struct page_table *, page_visitor *visit, void *context);
	/* Gives the structure's memory back, without its struct. */
	void (*destroy)(struct page_table *);
};

struct page_table {
	uint64_t *(*find)(struct page_table *, uint64_t page); /* the one of ops, nearer */
	const struct page_table_ops *ops;
	struct page_source *source;
	uint64_t pages;	  /* in the range */
	uint64_t present; /* entries */
	uint64_t bytes;	  /* of memory taken from the source, the struct's own page with it */
};

extern const struct page_table_ops page_table_radix2;	/* two levels: a root as large as the range wants, leaves of 512 entries */
extern const struct page_table_ops page_table_radix4;	/* four levels of 512, as the hardware's */
extern const struct page_table_ops page_table_inverted; /* hashed, blocks of eight pages in a row */
extern const struct page_table_ops page_table_btree;	/* a B+-tree of single pages */
extern const struct page_table_ops page_table_linear;	/* the paper's: a vector in order */
extern const struct page_table_ops *const page_tables[]; /* these, and null */

/* Null: no memory, or a range of no pages, or more than the structure can hold. source null: page_source_mmap. */
struct page_table *page_table_create(const struct page_table_ops *ops, struct page_source *source, uint64_t pages);
void page_table_destroy(struct page_table *);
/* Inserts into `to` all that `from` has. False: no memory, and `to` has a part. */
bool page_table_copy(struct page_table *to, struct page_table *from);

static inline uint64_t *page_find(struct page_table *t, uint64_t page) { return t->find(t, page); }
static inline uint64_t *page_insert(struct page_table *t, uint64_t page, uint64_t entry) { return t->ops->insert(t, page, entry); }
static inline uint64_t page_remove(struct page_table *t, uint64_t page) { return t->ops->remove(t, page); }
static inline uint64_t *page_run(struct page_table *t, uint64_t page, uint64_t *count) { return t->ops->run(t, page, count); }
static inline void page_walk(struct page_table *t, page_visitor *visit, void *context) { t->ops->walk(t, visit, context); }

/* What mostly is so. */
#define LIKELY(x) __builtin_expect((x) != 0, 1)

/* For those who write a structure: memory that is counted, and `run` for one whose entries do not lie in a row. */
void *page_table_get(struct page_table *, size_t pages);
void page_table_put(struct page_table *, void *memory, size_t pages);
uint64_t *page_run_one(struct page_table *, uint64_t page, uint64_t *count);
