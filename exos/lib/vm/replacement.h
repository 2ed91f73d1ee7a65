/* Which page goes when room is wanted: a policy that an application chooses, or writes (docs/paging.md).
 *
 * Who calls it: pager.h, in fault handlers; policies call no malloc. Pages are numbers from 0. The pages that are in memory are in a ring, which begins at the next victim of most policies and
 * is all that most of them keep. What is promised to a policy: a page is loaded once before it is a victim or told of; the pager takes it out of the ring when it goes, for whatever reason. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replacement;
struct replacement_ops {
	const char *name;
	size_t size; /* of its struct, which begins with a struct replacement and is zero behind it */
	/* The page has come into memory: goes into the ring, by ring_add_last or ring_add_first. */
	void (*loaded)(struct replacement *, uint32_t page);
	/* A page of the ring, which is not empty. */
	uint32_t (*victim)(struct replacement *);
	/* The application is done with a page in memory. May be null: it is not believed. */
	void (*done_with)(struct replacement *, uint32_t page);
};

struct replacement {
	const struct replacement_ops *ops;
	uint32_t pages; /* in all; its place in the ring is where that begins and ends */
	uint32_t loaded; /* in the ring */
	struct ring_link {
		uint32_t next, previous;
	} *ring;
	uint8_t *note; /* a byte for each page, 0 when it is loaded: the policy's */
	/* The hardware has noted an access since this was last asked: about 40 instructions for no, 150 for yes, as the note is wiped out. */
	bool (*accessed)(struct replacement *, uint32_t page);
	void *context; /* of who asks */
};

extern const struct replacement_ops replacement_clock; /* second chance (Corbato, 1968) */
extern const struct replacement_ops replacement_lru;   /* least recently used, as far as looking at all accessed bits now and then can tell */
extern const struct replacement_ops replacement_mru;   /* the one that was loaded last: for who goes round and round more than there is room for */
extern const struct replacement_ops replacement_told;  /* what the application is done with; then as the clock */
extern const struct replacement_ops *const replacements[]; /* these, and null */

/* Null: no memory. */
struct replacement *replacement_create(const struct replacement_ops *, uint32_t pages);
void replacement_destroy(struct replacement *);

/* The ring: for policies. */
static inline uint32_t ring_first(const struct replacement *r) { return r->ring[r->pages].next; }
static inline uint32_t ring_last(const struct replacement *r) { return r->ring[r->pages].previous; }
void ring_add_first(struct replacement *, uint32_t page);
void ring_add_last(struct replacement *, uint32_t page);
void ring_remove(struct replacement *, uint32_t page);
static inline void ring_move_last(struct replacement *r, uint32_t page)
{
	ring_remove(r, page);
	ring_add_last(r, page);
}
