/* Memory whose physical address is known: pieces of frames of the program's own, so that a device reads from them without a copy.
 *
 * Who calls it: the stack, for all its memory, and programs for what they send. What is promised: a piece is aligned to 16, does not cross a frame's end, and
 * is cleared by memory_get only. Sizes are rounded up to powers of two, from 32 to MEMORY_MAX bytes. A frame whose pieces are all free stays cut as it is: a
 * program that has needed so much once will again. */
#pragma once

#include <exos/base.h>
#include <exos/program.h>

#define MEMORY_MAX 4096

void *memory_get(size_t n);         /* zeroed; null: none left */
void *memory_get_dirty(size_t n);
void memory_put(void *p, size_t n); /* n as it was got with */
/* For owners who do not know the size any more. */
void *memory_get_sized(size_t n);   /* zeroed; n <= MEMORY_MAX - 16 */
void memory_put_sized(void *p);     /* null: nothing */
uint64_t memory_frames(void);       /* that are in use for it */
static inline uint64_t memory_physical(const void *p) { return (uintptr_t)p - EXOS_WINDOW_VA; } /* in frames of the window */
