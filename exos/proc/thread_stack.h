/* The library stacks of threads: bound when a slot is first used, in page tables that are added as slots are. For thread.c; domain lock held. */
#pragma once

#include <exos/proc/thread.h>

/* Frames for t's slot, bound in the current environment. False: no memory. */
bool thread_stack_bind(struct threads *ts, struct thread *t);
void thread_stack_unbind(struct thread *t); /* and gives them back */
/* The frames alone, when the environment is gone; and the page tables. */
void thread_stack_put(struct thread *t);
void thread_tables_put(struct threads *ts);
