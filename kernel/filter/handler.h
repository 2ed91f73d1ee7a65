/* Downloaded handlers: inspection, and compilation to machine code (paper 6.3; eBPF: RFC 9669). The interface to their owners is include/aegis/ash.h.
 *
 * kernel/net.c uses it, and so do the host tests. Nothing here trusts a word of the program: what cannot be shown safe at inspection is checked by the code that is made of it, and a
 * failed check ends the run. */
#pragma once

#include <aegis/ash.h>
#include <aegis/net.h>

/* What the compiled code gets: written by the kernel for each run. */
struct handler_run {
	struct ash_context context;   /* the addresses in it are the kernel's own: never shown to the handler but as pointers it can only use through checks */
	uint8_t *stack;               /* ASH_STACK bytes, zero where it has not written: it cannot read what others left */
	int64_t steps;                /* left; ASH_STEPS at first */
	void *owner;                  /* the kernel's: handed to the calls */
	int64_t (*send)(void *owner, const uint8_t *from, uint64_t length);
	int64_t (*copy)(void *owner, uint64_t offset, const uint8_t *from, uint64_t length);
	int64_t (*sum)(void *owner, const uint8_t *from, uint64_t length);
	int64_t (*time)(void *owner);
};

/* Inspects a program of n instructions and compiles it into `code`: the size of the code, or -E_INVALID: unsafe, not understood, or it does not fit. *reason (may be null): a text for tests and logs that says
 * which instruction and why. `work`: HANDLER_WORK bytes of memory for the inspection. The time is bounded by the program's length. */
#define HANDLER_WORK 65536
int64_t handler_compile(const struct aegis_ebpf *program, uint32_t n, uint8_t *code, size_t room, void *work, const char **reason);
/* Runs it: ASH_DONE, ASH_RING or ASH_TELL; anything else it returned counts as ASH_RING, and so does a run that was ended by a check. */
uint64_t handler_run(const uint8_t *code, struct handler_run *run);
/* The same by an interpreter, for tests. */
uint64_t handler_interpret(const struct aegis_ebpf *program, uint32_t n, struct handler_run *run);
