/* A garbage collector for C objects, in which the memory's pages tell what has changed: generational by marks that stay (Demers and others, POPL'90), and marking
 * while the program goes on (Boehm, Demers and Shenker, PLDI'91: what Appel and Li call for a concurrent collector, with a write barrier of pages).
 *
 * Who calls it: programs, with a struct written that says how writes are known; the collector does not care which. It does not move objects, and marks lie outside of the heap, so that collecting
 * writes no page of it. What is promised: what can be reached from a root is kept; what cannot is free after collect_full, and after collect_minor if it was made
 * since the last collection. Nothing is collected but when these are called; whatever is to live then is reachable from a root.
 *
 * Collecting what the program has made since the last time costs what it has made and written. Where nearly all is written that is as much as all of it, and the barrier on top. */
#pragma once

#include <exos/lib/vm/written.h>

#define COLLECTOR_LARGEST FRAME_SIZE /* bytes of an object, which does not cross pages */

struct collector_page;
struct collector_class;
struct collector_root {
	void **slots;
	uint64_t n;
	struct collector_root *next;
};

struct collector {
	struct written *heap;
	struct collector_page *pages;
	struct collector_class *classes;
	struct collector_root *roots;
	void **stack; /* marked, their pointers not yet looked at */
	uint64_t depth;
	uint32_t free; /* pages without objects, chained */
	uint64_t objects;
	uint64_t marked; /* in the last collection */
};

/* All of the heap's memory is the collector's. 0, or -ENOMEM. Its tables take about a sixtieth of the heap, and room for the stack half of it, which is touched only as far as it is used. */
int collector_create(struct collector *, struct written *heap);
void collector_destroy(struct collector *); /* not the heap */

/* The roots: n pointers, each null or an object. The struct is the caller's, until the collector's end. */
void collector_root(struct collector *, struct collector_root *, void **slots, uint64_t n);
/* A zeroed object whose first `pointers` words are pointers, null or to objects. Null: the heap is full; or no such object (bytes 0, above COLLECTOR_LARGEST, or less than the pointers). */
void *collector_alloc(struct collector *, uint64_t pointers, uint64_t bytes);

/* What was made since the last collection, and cannot be reached, is free. Ends a marking that collect_begin has begun, and then all that cannot be reached is. Returns how many objects were freed. */
uint64_t collect_minor(struct collector *);
/* Everything that cannot be reached is free; the program waits. */
uint64_t collect_full(struct collector *);
/* The same while the program goes on: begin, then some marks of at most so many objects now and then, until it returns false; then collect_minor ends it. */
void collect_begin(struct collector *);
bool collect_some(struct collector *, uint64_t objects);
