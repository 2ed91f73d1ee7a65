/* A small coder for pages of memory: runs and repeats (after Lempel and Ziv, 1977), made for speed and for what memory is full of: zeroes, and the same words again.
 *
 * Who calls it: pager.h. Needs nothing of a system; compiled for the host its tests feed it garbage. What is promised: what was coded comes back as it was; decoding reads and writes nothing outside of
 * what it is given, whatever it reads. 2 KiB of stack.
 *
 * The code is a row of items, each begins with a byte c. c < 128: c + 1 bytes follow, as they are. Else a match: c - 128 + 4 bytes (for c = 255 two bytes more, which are added,
 * low one first), the same as those so far back as the last two bytes say (low one first, at least 1; it may be less than the length: a run). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SQUEEZE_BAD SIZE_MAX

/* Returns the length of the code of n bytes (at most 65535), or 0: it would not fit into room. Cost: about 15 instructions a byte that repeats nothing, 2 and less a byte that does. */
size_t squeeze(uint8_t *code, size_t room, const uint8_t *bytes, size_t n);
/* Returns how many bytes came out, or SQUEEZE_BAD: no code, or of more than room. */
size_t unsqueeze(uint8_t *bytes, size_t room, const uint8_t *code, size_t n);
