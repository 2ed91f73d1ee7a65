/* Frames that the program holds and does not use: taken from ExOS and given back in batches, so that a fault finds one at hand.
 *
 * Who calls it: space.h, its callers, and their fault handlers. One pool a program. It needs no memory of its own: idle frames are chained through
 * their own first words, which are in the window. What is promised: no frame is given out twice until it was put; what a program holds comes back to
 * ExOS when it ends, however it ends. Cost: a few instructions, and a call of ExOS's every POOL_BATCH frames. Paper 3.3 (who is asked for pages gives
 * the cheapest ones). */
#pragma once

#include <stdbool.h>

#include <exos/program.h>

#define POOL_BATCH 64	       /* frames a call; twice as many idle ones are kept, what is put beyond goes back */
#define NO_FRAME   ((frame_t)0) /* frame 0 is never a program's */

frame_t pool_get(void);	       /* whatever is in it, of this program or another of the domain. NO_FRAME: no memory */
frame_t pool_get_zeroed(void); /* a cleared one if there is one, else one is cleared now */
void pool_put(frame_t);	       /* bound nowhere any more */
/* Has so many cleared frames ready: for a program that has time now and will touch pages later. False: no memory for so many. */
bool pool_prepare(uint64_t frames);
uint64_t pool_idle(void);
/* Gives so many idle frames back, or all there are; returns how many. */
uint64_t pool_give(uint64_t frames);
/* Forgets all: in a fork's child, where the frames are its parent's. */
void pool_forget(void);
