/* What inspection tells the compiler of handlers. For handler.c and x86_64/handler.c, and for nobody else. */
#pragma once

#include <kernel/filter/ebpf.h>
#include <kernel/filter/handler.h>

/* What a register may hold. Three bits; an offset in the other 13 (VALUE_UNKNOWN: not known) fills 16. */
enum {
	KIND_UNUSABLE, /* nothing yet, or different kinds on different ways here: it cannot be read */
	KIND_SCALAR,   /* a number; the offset is its value */
	KIND_LENGTH,   /* the packet's length minus the offset, which is not negative: a number that teaches what the packet holds when it is compared */
	KIND_CONTEXT,
	KIND_PACKET,   /* start of the packet plus offset */
	KIND_PACKET_END,
	KIND_MEMORY,
	KIND_STACK,    /* its lowest byte plus offset */
};

/* Before an instruction, on every way that leads to it. */
struct handler_state {
	uint16_t registers[EBPF_FRAME_POINTER];
	uint16_t packet; /* bytes that the packet has at least */
	uint16_t seen;   /* 0: no way found yet */
	uint64_t slots[ASH_STACK / 8 / 16]; /* what each 8 bytes of the stack hold, 4 bits each (handler.c) */
};

struct handler_work {
	struct handler_state states[ASH_LENGTH_MAX]; /* at targets of jumps, and at the beginning */
	uint32_t code_at[ASH_LENGTH_MAX];            /* the compiler's */
	/* Of each instruction: */
	uint8_t flags[ASH_LENGTH_MAX]; /* HANDLER_* below */
	uint8_t check[ASH_LENGTH_MAX]; /* the region (KIND_*) that an access, a call or a comparison of pointers is checked against when it runs; 0: none */
	uint64_t zero;                 /* slots of the stack that might be read before they are written: zero at the beginning */
	char text[128];                /* why it was refused */
};
_Static_assert(sizeof(struct handler_work) <= HANDLER_WORK, "the inspection's memory");

enum { HANDLER_INSIDE = 1, HANDLER_TARGET = 2, HANDLER_PENDING = 4, HANDLER_REACHED = 8 };


/* Inspects a program: 0, or -E_INVALID and the reason in work->text. */
int64_t handler_inspect(const struct aegis_ebpf *program, uint32_t n, uint32_t memory, struct handler_work *work);
