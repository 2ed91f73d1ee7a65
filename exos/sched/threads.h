/* Who runs of the threads of a process, and how one gives way to another: without the kernel. Domain lock held.
 *
 * A thread gives way where it would sleep, when its slice is over, when it yields, and when it ends; the lock stays with the environment meanwhile, and is held as
 * often as it was when the thread goes on. The kernel's sleep is only for a process none of whose threads can run. */
#pragma once

#include <exos/proc/thread.h>

/* How the next one is chosen. */
struct thread_policy {
	void (*ready)(struct threads *ts, struct thread *t); /* it can run from now on */
	struct thread *(*next)(struct threads *ts);          /* takes one of those that can; null: there is none. May release the lock */
};
extern const struct thread_policy threads_round_robin;
extern const struct thread_policy threads_program; /* asks the program (exos/program.h, next_thread) */

/* wait_sleep (wait.h) for a process with threads. */
int threads_sleep(struct waiter *w, size_t n, uint64_t deadline);
/* wait_surely for a process with threads. */
void threads_sleep_surely(struct waiter *w);
/* What ends its wait has come, from whatever environment. */
void threads_wake(struct thread *t);
void threads_ready(struct thread *t); /* the same, but its environment is told otherwise */
/* The current one lets the others run that can, and comes after them. False: there are none. */
bool threads_yield(void);
/* The slice is over. may_switch: not between two instructions that belong together; then it is put off. No lock held. */
void threads_slice_over(bool may_switch);
/* Goes to others for good. */
_Noreturn void threads_leave(struct thread *t);
/* Whoever runs from now on gives back what the last one to end has left. */
void threads_switched(void);
/* From x86_64/switch.S: the first thing that a new thread does. */
void exos_thread_begin(struct regs *regs);
