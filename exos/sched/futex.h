/* Waiting on a word of a program's memory: known by where the word physically is if its mapping is shared, so that it is the same for all who have it, and else by
 * process and address, as a private page may be copied elsewhere while somebody waits. Domain lock held. */
#pragma once

#include <exos/base.h>

/* Sleeps if the word at `address` still is `expected`. 0, -EAGAIN (it is not), -EINTR, -ETIMEDOUT, -EFAULT, -ENOMEM. `mask`: which wakers count. private: the caller
 * says that only its own process has to do with it, which spares the look for its mapping. */
int futex_wait(uint64_t address, bool private, uint32_t expected, uint32_t mask, uint64_t deadline);
/* Wakes up to n of those whose mask meets `mask`; how many, or -EFAULT. */
int64_t futex_wake(uint64_t address, bool private, uint32_t n, uint32_t mask);
/* Changes the word at `other` as `operation` says (Linux's encoding: what to do, then a comparison with what was there), wakes up to n of those at `address`, and if the
 * comparison holds up to `other_n` of those at `other`. How many, -EFAULT, or -ENOSYS: no such operation. */
int64_t futex_wake_op(uint64_t address, uint64_t other, bool private, uint32_t n, uint32_t other_n, uint32_t operation);
/* A program's word by way of the window, as another process may change it at the same time. Null: it cannot be written. */
uint32_t *futex_word(uint64_t address);
/* A waiter that will never go on, nor its thread. */
struct futex_waiter;
void futex_forget(struct futex_waiter *w);
/* Wakes up to `wake` of those at `from`, and lets up to `move` of the others wait at `to` instead. How many were woken or moved, or -EFAULT. */
int64_t futex_requeue(uint64_t from, uint64_t to, bool private, uint32_t wake, uint32_t move);
