/* Several CPUs: the kernel lock, and what one CPU asks of another.
 *
 * The lock is held by whoever runs C in the kernel, from entry to exit; user code never runs with it. The paths that entry.S does
 * whole (null call, foreign calls, exceptions, transfers, directed yields) do without: they touch their own CPU's state and what they claim.
 * Whoever waits for the lock, interrupts off as always in the kernel, does meanwhile what other CPUs ask of him: so the holder may wait for an answer. */
#pragma once

#include <kernel/env.h>

extern struct cpu **cpus;  /* by number; written at start */
extern uint32_t cpu_count;

extern uint32_t kernel_lock; /* 0: free. entry.S takes and gives it too */
void kernel_lock_take(void);
static inline void kernel_unlock(void) { __atomic_store_n(&kernel_lock, 0, __ATOMIC_RELEASE); }

/* Other CPUs that run e, or with null any environment, forget every translation; returns when they have. */
void smp_forget(const struct env *e);
static inline void forget_everywhere(void) /* on this CPU too */
{
	write_cr3(read_cr3());
	smp_forget(NULL);
}
/* No other CPU is on a path without the lock any more on which it was when this began. */
void smp_quiesce(void);
/* If e runs on another CPU, that CPU is interrupted and looks what is new. */
void smp_kick(const struct env *e);
/* If that CPU is idle, it looks for something to run. */
void smp_wake_idle(uint32_t cpu);
/* From the interrupt: does what was asked of this CPU. */
void smp_asked(struct cpu *cpu);
