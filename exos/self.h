/* The library's own data of one environment: `self`, at the same address in every one. */
#pragma once

#include <aegis/upcall.h>
#include <exos/base.h>
#include <exos/layout.h>

struct proc;
struct regs;
struct thread;
struct waiter;

/* What the program has set by the handlers call, and where its regions lie. */
struct handlers {
	uint64_t fault, revoke, slice_end; /* functions of the program's, or 0 */
	uint64_t stack_top, flags;
	uint64_t region, region_length;    /* the largest of its regions, or nothing: where the upcall's entry asks nobody whose a page is */
	uint64_t transfer, async;          /* the entries of its service, while it serves */
	uint64_t missed, missed_error;     /* a page of a region, or of a file on a disk, that the library itself missed in a system call; 0: none */
	uint64_t next_thread;              /* a function of the program's, or 0 */
};

struct self_page {
	struct aegis_upcall upcall; /* the kernel's side of the page */
	env_id env;
	uint32_t lock_depth;        /* how often this environment holds the domain lock */
	env_id woken;               /* whom this environment has woken last: when it sleeps itself, the rest of its slice goes to him */
	struct proc *proc;          /* the process that this environment is, null in the keeper */
	uint64_t stubs_scratch[8];  /* exos/x86_64/entry.S */
	uint64_t fault_resume;      /* copy_in/copy_out: where to go on when the program's memory faults; 0 outside of them */
	uint64_t events;            /* taken from upcall.pending and not acted on yet */
	uint64_t library_top;       /* where the library's stack begins for who comes from the program; lower while the program runs on the library's
				     * behalf (program/handler.h) */
	uint64_t serving, nested;   /* the library's stack in the sleep between transfers, and in that of a service; 0: there is none (handler.S) */
	uint8_t xsave[2816] __attribute__((aligned(64))); /* the program's vector registers while this environment does not run */
	struct handlers handlers;   /* the program's: program/handler.h */
	struct thread *thread;      /* the thread that runs, or waited last; null: the process has but one flow of control */
	uint64_t who;               /* in waiters (sched/wait.h): env, or thread */
	struct waiter *waiter;      /* wait_on's */
	uint64_t stack_top;         /* the end of the library's stack in use: this environment's, or the thread's */
};
_Static_assert(sizeof(struct self_page) <= REPOSSESSED_OFFSET, "behind it in the page the kernel writes the repossession vector");

#define self ((struct self_page *)SELF_VA)
