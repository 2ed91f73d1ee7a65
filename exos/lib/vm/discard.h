/* Pages that can be made again: a cache whose memory the system may ask back.
 *
 * Who calls it: programs on ExOS that keep what they could recompute, decompress or read again. A range of pages is the program's own; a page that
 * is absent comes in zeroed when it is touched, by which the program sees that it has to fill it. How many are present at a time is bounded, by
 * `limit` and by what ExOS has; beyond that others are dropped, and when frames are asked back (exos/program.h, revoke) as many are given. Which
 * ones is the application's choice: `choose`. That is all that the application knows and a system does not, and all that it has to write.
 *
 * What is promised: a page that is pinned is not dropped. Frames that are taken by force all the same are noticed at the next touch, and are
 * absent pages then. Handlers are set by discard_create, which is for programs with one such range and no other handlers. Not thread safe; the
 * revoke handler may come between any two instructions of the program's and is put off while one of these functions runs. Cost: a fault on an
 * absent page is an upcall, clearing the page, a bind call, and a share of a choice, which is made for a batch. Paper 3.3 (visible revocation),
 * 3.4 (abort). */
#pragma once

#include <stdbool.h>

#include <exos/program.h>

#define DISCARD_BATCH	64 /* pages chosen at a time; fewer where few are held */
#define DISCARD_NO_PAGE UINT64_MAX

struct discard {
	uint64_t start, pages; /* of the range: its address, and how many */
	uint64_t limit;	       /* so many frames at most; lowered by what is given when it is asked back, and to what ExOS has */
	uint64_t held;	       /* frames */
	uint64_t pinned;       /* a page that must stay, or DISCARD_NO_PAGE: set while its contents are used, which a demand may interrupt */
	frame_t *frames;       /* by page; 0: absent */
	/* Writes up to n (at most DISCARD_BATCH) pages that are present, not the pinned one, those first that can best be spared. Returns how
	 * many: 0 only if there are none. Must not touch the range. */
	uint64_t (*choose)(struct discard *, uint64_t *victims, uint64_t n);
	uint64_t hand;	       /* discard_clock's */
	uint64_t chosen[DISCARD_BATCH], chosen_count; /* pages that go next when room is needed */
	uint64_t owed;	       /* asked back while this could not be interrupted */
	bool busy;
	struct { uint64_t faults, dropped, demands, asked, given, lost; } count; /* pages, but for demands */
};

/* Makes the range, absent. `choose` and `limit` are the caller's to have set; *d stays where it is. 0, ENOMEM, or what the handlers call returns. */
int discard_create(struct discard *d, uint64_t pages);

/* A policy for those who know nothing: the hand goes round, and what has been accessed since it last came by is spared. Reads the hardware's
 * accessed bits: nothing is paid when a page is used. */
uint64_t discard_clock(struct discard *d, uint64_t *victims, uint64_t n);

/* From now on so many frames at most; what is beyond is given back at once. */
void discard_limit(struct discard *d, uint64_t limit);
