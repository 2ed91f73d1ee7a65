/* Inside exos/lib/dsm: the pages of one node of a dsm, by a space on ExOS and by mprotect on Linux. */
#pragma once

#include <exos/lib/dsm/dsm.h>

enum { DSM_ABSENT, DSM_READABLE, DSM_WRITABLE };

int dsm_pages_create(struct dsm *); /* all as d->state has them; node 0's are zero */
void dsm_pages_destroy(struct dsm *);
/* Sets state and rights of a page, whose bytes become these if any are given; null: as they are, zero if there are none. False: no memory. */
bool dsm_page_set(struct dsm *, uint64_t page, uint8_t state, const void *bytes);
/* The bytes of a page that is here; false: it has never been touched and is zero. */
bool dsm_page_read(struct dsm *, uint64_t page, void *bytes);

/* dsm.c: the page comes. Called in the fault. */
int dsm_have(struct dsm *, uint64_t page, bool write);
