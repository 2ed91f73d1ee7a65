/* ASHs, application-specific safe handlers (paper 6.3): a program that its owner attaches to a filter (handler_attach), and that the kernel runs when a
 * packet of the filter comes, in bounded time and whether or not the owner is scheduled.
 *
 * A handler is eBPF bytecode (RFC 9669), so that it can be written in C: `gcc-bpf` or `clang -target bpf`. It is one function without calls to others:
 *     uint64_t handler(struct ash_context *c)
 * The kernel inspects it once, and compiles it to machine code with what checks remain to be made when it runs:
 *  - It reads the context, its stack (512 bytes), the packet, and reads and writes its memory and the packet. Which of those a register points to is known at
 *    inspection; that an access lies inside is either known then or checked when it is made. An access outside ends the handler, as if it had returned
 *    ASH_RING.
 *  - Every backward jump takes its program's length off the steps that a run may take (ASH_STEPS), every call with a length ASH_STEPS_CALL and an eighth of
 *    the bytes: so a run is bounded whatever it does. One that has none left is ended, as if it had returned ASH_RING.
 *  - It calls nothing but the functions below, by number. */
#pragma once

#include <aegis/types.h>

struct ash_context {
	uint8_t *packet;       /* from the Ethernet header on */
	uint8_t *packet_end;
	uint8_t *memory;       /* its state: the first frame of the handler's memory, and those behind it as far as each has the number after the one before */
	uint8_t *memory_end;
	uint64_t tag;          /* the filter's */
	uint64_t arrived;      /* time-stamp counter when the interrupt was taken */
};

/* What it returns: */
enum {
	ASH_DONE = 0, /* the packet has been dealt with: nobody is told */
	ASH_RING = 1, /* it goes to the ring, and the owner is told, as without a handler */
	ASH_TELL = 2, /* it has been dealt with, and the owner is told (EVENT_NET): control initiation */
};

/* Functions, called by number. They return a negative number (of aegis/error.h) when something is refused. */
enum {
	/* (const void *from, uint64_t length): sends a frame of 14 to 1514 bytes that lies in the packet, the memory or the stack, from the filter's ring,
	 * past its guards: message initiation. */
	ASH_CALL_SEND = 1,
	/* (uint64_t offset, const void *from, uint64_t length): copies from the packet, memory or stack to the handler's memory at that offset, over all of
	 * its frames; direct vectoring. Returns the Internet checksum's sum (16 bits, not complemented) of what was copied: integrated layer processing. */
	ASH_CALL_COPY = 2,
	/* (const void *from, uint64_t length): that sum alone. */
	ASH_CALL_SUM = 3,
	/* (): the time-stamp counter */
	ASH_CALL_TIME = 4,
};

#if defined(__BPF__) || defined(__bpf__) /* in a handler: gcc says the one, clang both */
#define ash_send ((int64_t (*)(const void *from, uint64_t length))ASH_CALL_SEND)
#define ash_copy ((int64_t (*)(uint64_t offset, const void *from, uint64_t length))ASH_CALL_COPY)
#define ash_sum ((int64_t (*)(const void *from, uint64_t length))ASH_CALL_SUM)
#define ash_time ((int64_t (*)(void))ASH_CALL_TIME)
#endif

#define ASH_STACK 512
#define ASH_STEPS 4096      /* instructions of a run, at most, backward jumps counted with the whole program */
#define ASH_STEPS_CALL 32   /* steps that a call with a length takes, besides one for each 8 bytes */
#define ASH_LENGTH_MAX 1024 /* instructions of a program */
#define ASH_FRAMES_MAX 256  /* frames of memory */

struct aegis_ebpf { /* one instruction, as the compilers write it */
	uint8_t code;
	uint8_t registers; /* destination in the low half, source in the high */
	int16_t offset;
	int32_t immediate;
};

struct aegis_handler_spec {
	uint32_t filter;      /* of the caller's account */
	uint32_t length;      /* instructions; 0: the filter's handler is taken away */
	uint64_t program;     /* address of the instructions */
	uint64_t frames;      /* address of frame numbers: its memory, frames of the account's (they may be bound: shared with the owner). It reads and writes the
	                       * run of numbers that they begin with; ash_copy writes to all */
	uint32_t frame_count; /* 1 to ASH_FRAMES_MAX */
	uint32_t code_count;  /* 2 to 5: frames for what the kernel keeps of it, bound nowhere: one for its object, the rest for machine code */
	frame_t code[5];      /* returned when the handler or its filter is removed */
	uint32_t reserved;
};
