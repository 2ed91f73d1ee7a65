/* Page frames: who owns which, which are free. The table is exposed (include/aegis/info.h); owner of all of it: the kernel lock. */
#pragma once

#include <aegis/info.h>
#include <aegis/net.h>
#include <kernel/env.h>

extern struct aegis_frame_info *frame_table; /* by frame number */
extern uint64_t frame_count;

#define FRAME_CLEAN_BIT (1ul << 40) /* `clean`, in an entry's identity, */
#define FRAME_PIN_BITS (0xfffful << 48) /* and `pins` */

void frame_start(void); /* the table, from boot memory */
void frame_free_rest(env_id first_owner); /* after the last allocation from boot memory: what is left is free */
/* Takes f, or any for FRAME_ANY; cleared if another account has held it. FRAME_ANY returned: none. The account's limit is the caller's business. */
frame_t frame_take(struct env *account, frame_t f);
void frame_release(frame_t f, struct env *account); /* owned by it, unbound */
bool frame_owned(frame_t f, const struct env *account); /* exists, FRAME_OWNED, account's */
void frame_clear(frame_t f);
/* Pins. A frame that is held by a ring, a queue, a handler or the block table, or that a device reads from or writes, stays FRAME_OWNED and its owner may bind and break it, but it is not freed and becomes nothing
 * else: so whoever writes it by its number needs no check. What the kernel writes there is not known to be zero any more. */
static inline void frame_hold(frame_t f)
{
	frame_table[f].next++;
	frame_table[f].pins |= PIN_HELD;
	frame_table[f].clean = 0;
}
static inline void frame_let_go(frame_t f)
{
	if (--frame_table[f].next == 0)
		frame_table[f].pins &= (uint16_t)~PIN_HELD;
}
static inline bool frame_can_pin(frame_t f, uint32_t n) { return (uint32_t)(frame_table[f].pins & ~PIN_HELD) + n < PIN_HELD; } /* n times more */
static inline bool frame_can_send(frame_t f) { return frame_can_pin(f, NET_PIECES); } /* all the pieces of one frame may lie in it */
static inline void frame_pin(frame_t f) { frame_table[f].pins++; }
static inline void frame_unpin(frame_t f) { frame_table[f].pins--; }
static inline bool frame_in_use(frame_t f) { return frame_table[f].bindings || frame_table[f].pins; }
/* The account's, in no use: 0, -E_DENIED or -E_BUSY. */
int64_t frame_check_unused(frame_t f, const struct env *account);
void frame_expose(const void *table, size_t bytes); /* a kernel table that everyone may read */
static inline frame_t kernel_frame(const void *table) { return (frame_t)(((uint64_t)table - PHYSICAL_MAP) >> FRAME_SHIFT); }
