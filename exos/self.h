/* The library's own data of one environment: `self`, at the same address in every one. */
#pragma once

#include <aegis/upcall.h>
#include <exos/base.h>
#include <exos/layout.h>

struct proc;
struct regs;

struct self_page {
	struct aegis_upcall upcall; /* the kernel's side of the page */
	env_id env;
	uint32_t lock_depth;        /* how often this environment holds the domain lock */
	env_id woken;               /* whom this environment has woken last: when it sleeps itself, the rest of its slice goes to him */
	struct proc *proc;          /* the process that this environment is, null in the keeper */
	uint64_t stubs_scratch[8];  /* exos/x86_64/entry.S */
	uint64_t fault_resume;      /* copy_in/copy_out: where to go on when the program's memory faults; 0 outside of them */
	uint64_t events;            /* taken from upcall.pending and not acted on yet */
	uint8_t xsave[2816] __attribute__((aligned(64))); /* the program's vector registers while this environment does not run */
};
_Static_assert(sizeof(struct self_page) <= REPOSSESSED_OFFSET, "behind it in the page the kernel writes the repossession vector");

#define self ((struct self_page *)SELF_VA)
