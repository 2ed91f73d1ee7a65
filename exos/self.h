/* The library's own data of one environment: `self`, at the same address in every one. */
#pragma once

#include <aegis/upcall.h>
#include <exos/base.h>
#include <exos/layout.h>

struct proc;
struct regs;

struct self {
	struct aegis_upcall upcall; /* the kernel's side of the page */
	env_id env;
	uint32_t lock_depth;        /* how often this environment holds the domain lock */
	bool slice_over;            /* the slice ended while the lock was held: yield when it is released */
	bool events_due;            /* events came while the lock was held: handle when it is released */
	struct proc *proc;          /* the process that this environment is, null in the keeper */
	uint64_t stubs_scratch[8];  /* exos/x86_64/entry.S */
	uint64_t fault_resume;      /* copy_in/copy_out: where to go on when the program's memory faults; 0 outside of them */
	uint8_t xsave[2816] __attribute__((aligned(64))); /* the program's vector registers while this environment does not run */
};
_Static_assert(sizeof(struct self) <= FRAME_SIZE, "self is one page");

#define self ((struct self *)SELF_VA)
