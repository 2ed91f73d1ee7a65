/* Waiting on a word of a program's memory, by where the word physically is: so that it is the same for all who share the frame. */
#pragma once

#include <exos/base.h>

/* Sleeps if the word at `address` still is `expected`. 0, -EAGAIN (it is not), -EINTR, -ETIMEDOUT, -EFAULT, -ENOMEM. `mask`: which wakers count. */
int futex_wait(uint64_t address, uint32_t expected, uint32_t mask, uint64_t deadline);
/* Wakes up to n of those whose mask meets `mask`; how many, or -EFAULT. */
int64_t futex_wake(uint64_t address, uint32_t n, uint32_t mask);
