/* Frames that the domain holds: taken from and given back to the kernel in batches, counted, all visible in the window.
 * Domain lock held for all but frame_address. */
#pragma once

#include <aegis/bind.h>
#include <exos/base.h>
#include <exos/layout.h>

#define NO_FRAME 0u /* frame 0 is never the domain's */

static inline void *frame_address(frame_t f) { return (void *)(EXOS_WINDOW_VA + (uint64_t)f * FRAME_SIZE); }
static inline frame_t address_frame(const void *p) { return (frame_t)(((uintptr_t)p - EXOS_WINDOW_VA) / FRAME_SIZE); }

frame_t frame_get(void);        /* one reference; contents: anything of this domain. NO_FRAME when memory is exhausted */
frame_t frame_get_zeroed(void);
void frame_ref(frame_t f);
void frame_put(frame_t f);      /* drops a reference; the last one frees */
uint32_t frame_refs(frame_t f);
/* Frames to be page tables or environment objects. Not in the window; all zero when given back. */
frame_t frame_get_bare(void);
void frame_put_bare(frame_t f);
void frame_zero(void *page);    /* 4,096 bytes, as fast as the CPU can; alters no program register */
void frame_copy(void *to, const void *from);

struct frame_counts {
	uint64_t total, free, held_idle; /* usable frames of the machine, free in the kernel, held by the domain but unused */
};
struct frame_counts frame_counts(void);
