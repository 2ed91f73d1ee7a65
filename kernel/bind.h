/* Bindings: entries of page tables that live in donated frames. */
#pragma once

#include <aegis/bind.h>
#include <aegis/cap.h>
#include <kernel/frame.h>

/* Compiled for few instructions. */
#define RUN __attribute__((noinline, optimize("O2", "omit-frame-pointer", "no-stack-protector")))

/* What is remembered of translations that a change has made wrong. */
struct stale {
	bool all;     /* all that this CPU remembers */
	bool others;  /* other CPUs too */
};

/* Makes, changes or breaks one binding of e, with frames of `account`; cap: verified, for frames that it does not own, or null. 0 or -E_. */
int64_t bind_one(struct env *e, const struct env *account, const struct aegis_binding *b, const struct aegis_cap *cap, struct stale *stale);
/* May this frame be bound as a page with these rights? 0 or -E_DENIED. */
int64_t bind_check_page(const struct env *account, frame_t f, uint64_t flags, const struct aegis_cap *cap);
/* Other rights for the pages at slot.. end of a leaf table, each of which keeps its frame (rights.c): all or none. What CPUs remember is the caller's business. 0 or -E_DENIED. */
int64_t rights_change(const struct env *account, uint64_t *slot, uint64_t *end, uint64_t flags, const struct aegis_cap *cap);
/* Breaks bindings of f, as pages and as a table, wherever they are; *budget limits the steps. 0; -E_AGAIN: the budget is used up; -E_BUSY: f is a table of
 * tables that are in use. Losers of other accounts than f's find it in their repossession vectors. */
int64_t bind_break_all(frame_t f, uint32_t *budget);
/* Breaks bindings of f, which are pages, that were made by an extent; all that f has are looked at. Losers as above. False: the budget is used up and more is left. */
bool bind_break_lent(frame_t f, uint32_t *budget);
/* Breaks bindings of f, which are pages, in tables of other accounts than its own. False: the budget is used up and more is left. */
bool bind_break_foreign(frame_t f, uint32_t *budget);
/* Takes apart a bounded part of e's page tables. False: more is left. */
bool bind_take_apart(struct env *e);
/* A frame and the next, both the account's and bound nowhere: 0, or why they cannot be a pair. */
int64_t bind_check_pair(const struct env *account, frame_t f);
#define BREAK_BUDGET 8192 /* steps in one call */
