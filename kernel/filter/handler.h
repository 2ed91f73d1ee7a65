/* Downloaded handlers: inspection, and compilation to machine code (paper 6.3; eBPF: RFC 9669). The interface to their owners is include/aegis/ash.h.
 *
 * kernel/net.c uses it, and so do the host tests. Nothing here trusts a word of the program: what cannot be shown safe at inspection is checked by the code
 * that is made of it, and a failed check ends the run. */
#pragma once

#include <aegis/ash.h>
#include <aegis/net.h>

/* What the compiled code gets: written by the kernel for each run. */
struct handler_run {
	struct ash_context context;   /* the addresses in it are the kernel's own: never shown to the handler but as pointers it can only use through checks.
	                               * memory_end is as handler_compile was told; no region lies within 16 KiB of an end of the address space */
	uint8_t *stack;               /* ASH_STACK bytes, aligned to 8, of any contents: the compiled code clears what might be read before it is written */
	int64_t steps;                /* left; ASH_STEPS at first */
	uint64_t room[4];             /* the compiled code's own: the last offset in the packet for an access of 1, 2, 4, 8 bytes */
	void *owner;                  /* the kernel's: handed to the calls */
	int64_t (*send)(void *owner, const uint8_t *from, uint64_t length);
	int64_t (*copy)(void *owner, uint64_t offset, const uint8_t *from, uint64_t length);
	int64_t (*sum)(void *owner, const uint8_t *from, uint64_t length);
	int64_t (*time)(void *owner);
};

/* Inspects a program of n instructions and compiles it into `code`, from where it may be moved: the size of the code, or -E_INVALID: unsafe, not understood,
 * or it does not fit. *reason (may be null): a text for tests and logs that says which instruction and why; it lies in `work`. `work`: HANDLER_WORK bytes of
 * memory for the inspection, aligned to 8, of any contents. memory: bytes that the memory will have, whole frames, less than 2^30. The program must not change
 * meanwhile. The time is bounded by the program's length: each instruction is looked at 8 times at worst, two or three in what compilers write. */
#define HANDLER_WORK 65536
int64_t handler_compile(const struct aegis_ebpf *program, uint32_t n, uint32_t memory, uint8_t *code, size_t room, void *work, const char **reason);
/* Runs it: ASH_DONE, ASH_RING or ASH_TELL; anything else it returned counts as ASH_RING, and so does a run that was ended by a check, and a frame of less than
 * 14 bytes, for which no code is run. */
#define HANDLER_PACKET_MIN 14
uint64_t handler_enter(const uint8_t *code, struct handler_run *run); /* a frame that is long enough */
static inline uint64_t handler_run(const uint8_t *code, struct handler_run *run)
{
	return run->context.packet_end - run->context.packet < HANDLER_PACKET_MIN ? (uint64_t)ASH_RING : handler_enter(code, run);
}
/* The same by an interpreter, for tests: it believes nothing that inspection found out, but follows addresses as it runs. HANDLER_UNSAFE: the program did
 * what no inspected one may; nothing was harmed. */
#define HANDLER_UNSAFE 3
uint64_t handler_interpret(const struct aegis_ebpf *program, uint32_t n, struct handler_run *run);
