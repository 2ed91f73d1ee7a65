/* Memory that two processes share by messages and not by frames: each has its own region at the same addresses, and pages move between them when they are touched (Li and Hudak, 1989;
 * Appel and Li's shared virtual memory). One of them may write a page, or both may read it.
 *
 * Who calls it: a process and one that it forks. On ExOS the pages are those of a space; on Linux mprotect and SIGSEGV do the same. What is promised: memory is sequentially consistent, so that algorithms
 * work which ordinary shared memory breaks; what one has written the other reads. Who is asked for a page, by words in a shared mailbox and DSM_SIGNAL, lets it go once it has had the time to use it. When the
 * other one has died, by whatever cause, its pages are gone with it: dsm_fetch says EPIPE, and the access that needs one is SIGSEGV; pages of which a copy is here go on as they are. An instruction that
 * touches two pages for which both contend may have to wait long.
 *
 * ExOS's own calls find pages that are elsewhere, Linux's fail with EFAULT. A program with spaces of its own does not set EXOS_HANDLERS_GENERAL, as who waits gives the CPU away. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <exos/lib/vm/space.h>

#define DSM_SIGNAL SIGURG /* which is ignored where nobody expects it */

struct dsm_mailbox;
struct dsm {
	char *memory;
	uint64_t pages;
	uint64_t fetched; /* pages that came, or whose other copy went, by message */
	uint64_t served;
	struct dsm_mailbox *box; /* shared */
	int node;
	int hold[2], watch[2]; /* pipes: the one end is held as long as its node lives, which is watched at the other */
	uint8_t *state;
	uint8_t *fresh; /* it has come and may not have been used yet */
	bool busy;	 /* outside of handlers: the signal does nothing then */
	struct space space;
};

/* Before the fork: memory of so many pages (multiples of 512) at an address (multiple of 2 MiB) that is free in both. 0 or a negative Linux error. */
int dsm_create(struct dsm *, uint64_t address, uint64_t pages);
/* After it: the parent is node 0, which has all pages, zeroed; the child is node 1. Once each. Processes that are neither must not be forked in between. */
int dsm_join(struct dsm *, int node);
/* What this node has is gone, for the other too. */
void dsm_leave(struct dsm *);

/* Has the page of an address here, to be read or written too; it may go again at any time. EPIPE: the other has died with it. EINVAL. */
int dsm_fetch(struct dsm *, uint64_t va, bool write);
/* Gives the CPU to the other one, for who waits for what it writes. */
void dsm_yield(struct dsm *);
