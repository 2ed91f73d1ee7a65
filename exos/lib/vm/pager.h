/* An application that pages to its own memory: a space larger than the frames that it allows itself. Pages that do not fit are squeezed (squeeze.h) and kept (store.h) until they are touched again.
 * Which ones go is a policy of the application's choice (replacement.h), also when the kernel asks for frames back (paper 3.3: visible revocation).
 *
 * Who calls it: programs on ExOS. What is promised: what was written is read again, whatever was evicted in between; the frames with pages in them are never more than the limit, but for the least that
 * makes progress, PAGER_LEAST. The squeezed pages' own frames come on top; a page that cannot be squeezed thus gains nothing, and if there is no memory for its copy it stays, and the access that wanted its frame is
 * SIGSEGV if there is no other. Not reentrant, as spaces; one thread. Errors are those of space.h. */
#pragma once

#include <exos/lib/vm/replacement.h>
#include <exos/lib/vm/space.h>
#include <exos/lib/vm/store.h>

/* The pages that came last are no victims: one instruction may touch four, and would never end if they threw each other out. */
#define PAGER_RECENT 4
#define PAGER_LEAST  (PAGER_RECENT + 1)

struct pager_page;
struct pager {
	struct space space;
	struct replacement *policy;
	struct pager_page *pages;
	struct store store;
	uint64_t limit;	   /* pages in memory */
	uint64_t resident; /* of it in use */
	uint32_t recent[PAGER_RECENT]; /* page + 1 or 0; the policy has not heard of them yet */
	uint32_t at_recent;
	struct pager *next;
	/* Counts, from the beginning. */
	uint64_t faults;   /* accesses to what was not in memory */
	uint64_t evicted;  /* pages that went, */
	uint64_t squeezed; /* of them squeezed: the others were zero, or had not been written since they came */
};

/* length: bytes, of 2 MiB; frames: the limit, at least PAGER_LEAST. Where the space lies: p->space.start. */
int pager_create(struct pager *p, const struct replacement_ops *policy, uint64_t length, uint64_t frames);
void pager_destroy(struct pager *p);
/* A new limit; what is above it goes at once. EINVAL: below PAGER_LEAST. ENOMEM: there was no memory to put it. */
int pager_limit(struct pager *p, uint64_t frames);
/* Hints of n pages. They will be needed: brought in now, as many as fit, the first ones last. Or they will not for long: as the policy takes it. */
int pager_will_need(struct pager *p, uint64_t va, uint64_t n);
int pager_done_with(struct pager *p, uint64_t va, uint64_t n);
/* For exos_handlers.revoke (space_start(&(struct exos_handlers){ .revoke = pager_revoke }) before the first pager): idle frames are given, then those of the pagers' victims, whose limits fall by as
 * much, until it is enough. In the middle of another call of this library's it is done at the end of the next fault or call of a pager. */
void pager_revoke(uint64_t frames, uint64_t deadline);
