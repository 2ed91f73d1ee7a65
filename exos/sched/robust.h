/* Robust lists: the futexes that a thread holds, in a list that its C library keeps, so that who waits for one hears of its holder's end. The layout is Linux's.
 * Domain lock held. */
#pragma once

#include <exos/base.h>

#define ROBUST_HEAD_SIZE 24 /* bytes */
/* The thread `tid` of the current process ends: marks what it holds by the list at `head` (program address; 0: none), and wakes one waiter each. The program may have
 * put anything there. */
void robust_list_end(uint64_t head, int tid);
