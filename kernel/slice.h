/* The CPUs: for each a vector of time slices, run round robin by position (paper 5.1.1), and the dispatcher that passes over those whose owners sleep.
 *
 * Owner: the kernel lock. Which environment should have which slice is its owner's choice; the kernel only goes round. */
#pragma once

#include <kernel/env.h>

void slice_start(uint32_t cpus, uint32_t positions, uint64_t quantum, uint64_t grace);
struct vector *slice_vector(uint32_t cpu);
extern uint64_t slice_quantum, slice_grace; /* ticks; written once */
extern uint32_t slice_positions;
void slice_list(struct env *e, bool runnable); /* its positions are gone round to, or not */
bool slice_unlist_sleeper(struct env *e); /* if it sleeps, they are not any more */
void slice_ready(struct env *e); /* whoever has it claimed lets it be run again, in its slices or by others */
bool slice_free_some(struct env *e); /* a bounded part of its positions; false: it has more */
int64_t slice_repossess(struct env *account, uint64_t name); /* 0 or -E_DENIED: not the account's */
void slice_give(struct env *e); /* the first environment's, at start */
/* Where it has become runnable: CPUs that are idle and have slices of it look again. */
void slice_wake_all(const struct env *e);
bool slice_other_runnable(const struct cpu *cpu);  /* is a slice runnable that is not the running one's owner's? */
/* For capabilities: do these positions exist, are all held by the account, and of one epoch? 0 or -E_. */
int64_t slice_check_range(const struct env *account, uint64_t first, uint64_t count, uint32_t *epoch);
/* Of positions that exist and have one epoch, whoever holds them. 0 or -E_. */
int64_t slice_epoch(uint64_t first, uint64_t count, uint32_t *epoch);
void slice_end_epoch(uint64_t first, uint64_t count);
/* For dispatch.c: finds and changes of a CPU's runnable positions */
uint32_t vector_after(const struct vector *v, uint32_t position); /* the next runnable one, going round; NO_POSITION: none */
struct env *vector_owner(const struct vector *v, uint32_t position);

/* The CPU goes to the next runnable slice; waits if there is none. Does not return: whoever called is forgotten. */
_Noreturn void dispatch(void);
/* ... to this environment, claimed, for the rest of the running slice. */
_Noreturn void dispatch_to(struct env *e);
/* Sets the timer for what comes first: the end of the running slice, or an alarm. */
void slice_set_timer(struct cpu *cpu);
