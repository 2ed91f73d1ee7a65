/* The CPU: a vector of time slices, run round robin by position (paper 5.1.1), and the dispatcher that passes over those whose owners sleep.
 *
 * Owner: the kernel lock. Which environment should have which slice is its owner's choice; the kernel only goes round. */
#pragma once

#include <kernel/env.h>

void slice_start(uint32_t positions, uint64_t quantum, uint64_t grace);
extern uint64_t slice_quantum, slice_grace; /* ticks; written once */
extern uint32_t slice_positions;
void slice_runnable(struct env *e, bool runnable); /* its positions are gone round to, or not */
void slice_free_all(struct env *e);
bool slice_other_runnable(const struct cpu *cpu);  /* is a slice runnable that is not the running one? */

/* The CPU goes to the next runnable slice; waits if there is none. Does not return: whoever called is forgotten. */
_Noreturn void dispatch(void);
/* ... to this environment, for the rest of the running slice. It must be ENV_RUNNABLE. */
_Noreturn void dispatch_to(struct env *e);
/* Sets the timer for what comes first: the end of the running slice, or an alarm. */
void slice_set_timer(struct cpu *cpu);
