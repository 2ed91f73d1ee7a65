/* Frames that the domain holds: taken from and given back to the kernel in batches, counted, all visible in the window.
 * Domain lock held for all but frame_address and address_frame. */
#pragma once

#include <aegis/bind.h>
#include <aegis/info.h>
#include <exos/base.h>
#include <exos/layout.h>

#define NO_FRAME 0u /* frame 0 is never the domain's */

/* One word a frame of the machine: the references to a frame in use; of an idle one, the next idle frame. Only these
 * functions use it. */
#define frame_references    ((uint32_t *)FRAME_REFERENCES_VA)

static inline void *frame_address(frame_t f) { return (void *)(EXOS_WINDOW_VA + (uint64_t)f * FRAME_SIZE); }
static inline frame_t address_frame(const void *p) { return (frame_t)(((uintptr_t)p - EXOS_WINDOW_VA) / FRAME_SIZE); }

/* Before any other call here, once, in the first environment. False: the machine has too little memory even for this. */
bool frames_start(const struct aegis_info *info);

frame_t frame_get(void); /* one reference; contents: anything of this domain. NO_FRAME when memory is exhausted */
frame_t frame_get_zeroed(void);
static inline void frame_ref(frame_t f) { frame_references[f]++; }
void frame_put(frame_t f); /* drops a reference; the last one frees: no program may have the frame bound any more */
static inline uint32_t frame_refs(frame_t f) { return frame_references[f]; }
/* This very frame, if the kernel has it free; else NO_FRAME. */
frame_t frame_get_named(frame_t f);
/* A frame in use by the library, with one reference, becomes a program's own (program/memory.c), and back. Whose it is is kept in place of the references. */
#define FRAME_PROGRAM 0x80000000u
static inline void frame_give_program(frame_t f, uint32_t pid) { frame_references[f] = FRAME_PROGRAM | pid; }
static inline void frame_take_program(frame_t f) { frame_references[f] = 1; }
/* Programs can bind, break and free by the kernel's calls what they hold. These mend that for a frame that is held: it is in the window afterwards, and the second: nowhere
 * else. False: it is no ordinary frame now. */
bool frame_show(frame_t f);
bool frame_break_all(frame_t f);
uint32_t frame_program(frame_t f); /* the process, or 0; f may be anything */
/* Frames to be environment objects; and pairs of a frame and the next, to be page tables (bind.h). Not in the window. */
frame_t frame_get_bare(void);
void frame_put_bare(frame_t f);
frame_t frame_get_pair(void); /* the first of the two */
void frame_put_pair(frame_t f);
/* Binds frames one after the other at `va` of the shared slot, adding page tables where they are missing. False: no
 * memory for those. */
bool frame_bind_shared(uint64_t va, frame_t first, uint32_t count, uint64_t flags);
void frames_trim(void); /* gives every idle frame back to the kernel */
uint32_t frames_give(uint32_t count); /* ... so many of them, or all; returns how many */
/* Is it the domain's still? A frame can be repossessed (revoke.h). */
bool frame_held(frame_t f);
uint32_t frames_lose_idle(void); /* forgets idle frames that are not held any more; returns how many */

void frame_zero(void *page); /* 4,096 bytes, as fast as the CPU can; alters no program register */
void frame_copy(void *to, const void *from);

struct frame_counts {
	uint64_t total;	    /* usable frames of the machine */
	uint64_t free;	    /* in the kernel */
	uint64_t held_idle; /* held by the domain but unused */
};
struct frame_counts frame_counts(void);
