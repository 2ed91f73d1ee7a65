/* Which pages of a piece of memory have been written since one last asked: what collectors, checkpoints and whoever else repeats only what has changed want to know.
 *
 * Who calls it: collector.h, checkpoint.h, and programs. Four ways to know, one interface; the program names one and nothing else changes. On ExOS (exos_here): written_dirty reads the bits that
 * the hardware keeps, so that a write costs nothing at all; written_protect takes the right to write away and hears of the first write to each page from its fault handler
 * (Appel and Li, ASPLOS'91). Wherever there is Unix: written_signal does that by mprotect and SIGSEGV, which is all that most systems offer; on Linux only written_soft reads the
 * kernel's soft-dirty bits in /proc, which the kernel keeps by faults of its own.
 *
 * What is promised: a page that was written is never missed; one that was not may be named after written_create, before the first written_take. Not reentrant, and one thread. A fork's child may not use it. Writes by
 * system calls (read into the memory) count, but with written_signal they fail with EFAULT. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <exos/lib/vm/space.h>

struct written;
struct written_ops {
	const char *name;
	int (*create)(struct written *);
	/* w->page[] becomes the answer, and from here on nothing is written. */
	void (*take)(struct written *);
	/* Gives back memory and all that create made. */
	void (*destroy)(struct written *);
	bool tells; /* calls `before` */
};

struct written {
	const struct written_ops *ops;
	char *memory; /* zeroed at first */
	uint64_t pages;
	uint8_t *page;	 /* the last answer: 1 for each page that had been written */
	uint64_t faults; /* so far, of those that are taken to keep count (written_soft: of all that the process has had since) */
	/* Called in the fault at the first write to a page, before it happens, if the way is one that `tells`; may make system calls, and may not touch this memory but to read it. */
	void (*before)(struct written *, uint64_t page);
	void *context; /* of the caller's */
	uint8_t *now;  /* of pages: not protected */
	struct space space;
	struct written *next;
	int clear, pagemap; /* written_soft: files of /proc/self */
	uint64_t *map;
};

extern const struct written_ops written_dirty, written_protect, written_signal, written_soft;

/* Memory of so many pages (multiples of 512). 0, or a negative Linux error: EINVAL, ENOMEM, ENOSYS (not on this system). w is the caller's memory until written_destroy. */
int written_create(struct written *w, const struct written_ops *ops, uint64_t pages);
void written_destroy(struct written *w);

/* Cost: dirty: some ten instructions a page and some thirty more a written one. protect: the same, and a call of the kernel for each run of written pages. */
static inline void written_take(struct written *w) { w->ops->take(w); }
