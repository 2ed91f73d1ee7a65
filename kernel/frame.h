/* Page frames: who owns which, which are free. The table is exposed (include/aegis/info.h); owner of all of it: the kernel lock. */
#pragma once

#include <aegis/info.h>
#include <kernel/env.h>

extern struct aegis_frame_info *frame_table; /* by frame number */
extern uint64_t frame_count;

#define FRAME_CLEAN_BIT (1ul << 40) /* `clean`, in an entry's identity */

void frame_start(void); /* the table, from boot memory */
void frame_free_rest(env_id first_owner); /* after the last allocation from boot memory: what is left is free */
/* Takes f, or any for FRAME_ANY; cleared if another account has held it. FRAME_ANY returned: none. The account's limit is the caller's business. */
frame_t frame_take(struct env *account, frame_t f);
void frame_release(frame_t f, struct env *account); /* owned by it, unbound */
bool frame_owned(frame_t f, const struct env *account); /* exists, FRAME_OWNED, account's */
void frame_clear(frame_t f);
void frame_expose(const void *table, size_t bytes); /* a kernel table that everyone may read */
static inline frame_t kernel_frame(const void *table) { return (frame_t)(((uint64_t)table - PHYSICAL_MAP) >> FRAME_SHIFT); }
