/* Handlers of the program (exos/program.h), as the rest of ExOS calls them.
 *
 * The program then runs on the library's behalf: it has a stack of its own, upcalls and system calls in it use what is left of the library's stack, no signal is delivered,
 * and all events but the end of a slice stay pending. The same goes for a process that serves a transfer while it sleeps in the serve call.
 *
 * A child that is forked in a handler has the library's stack to itself, with nothing on it: it may exit or execute another program. If it returns from the handler it
 * finds itself at the end of that stack, which is an access to nothing like any other of a program's. So vfork is a fork there (proc/fork.c). */
#pragma once

#include <exos/events.h>
#include <exos/proc/proc.h>
#include <exos/regs.h>
#include <exos/self.h>
#include <exos/vm/vm.h>

/* Does the program run on the library's behalf, or the library on that program's? */
static inline bool handler_runs(void) { return self->library_top != self->stack_top; }
/* Is this address in a region of the program's, with a handler that may mend it? */
static inline bool handler_region(uint64_t address) { return self->handlers.fault && vm_region_at(self->proc->vm, address); }

/* Is there something to do for the current process before it waits on? A handler of its only makes way for the end. */
static inline bool handler_wait_ends(const struct proc *p)
{
	if (handler_runs())
		return p->signals.pending & signal_bit(SIGKILL);
	return signal_deliverable(p) || (self->events & EVENT_RECLAIM && p->state != PROC_STOPPED);
}

/* A page fault of the program's in a region. False: no handler mends it. No lock held. */
bool handler_fault(const struct regs *regs);
/* A system call has failed with EFAULT: was it for a page of a region, and is that mended now? Then the call is to be made again. No lock held. */
bool handler_missed(const struct regs *regs);
/* The slice is over, or frames are wanted back, while the program at regs ran. No lock held. */
void handler_slice_end(const struct regs *regs);
void handler_reclaim(const struct regs *regs);
/* Which of the threads that can run is to run next, in the program's opinion: a number, perhaps nobody's. Lock held; it is free meanwhile. */
struct threads;
int handler_next_thread(const struct threads *ts);
/* What is not to wait while a handler runs: the end of the slice, and of the process. */
void handler_interrupted(void);
/* In a handler, which holds them back: signals, or a demand, that no event is pending for. There is one again, for when it returns. */
void handler_holds_back(void);
/* A handler's own fault, which nothing mends. Lock held. */
void handler_failed(const struct regs *regs);
/* Forgotten: the process is another program from now on. */
void handlers_forget(void);

/* Asks the programs that can answer for frames; the lock is held. Called by the keeper for a demand that idle frames do not meet. Returns how many were asked. */
uint32_t handlers_demand(uint64_t frames, uint64_t deadline);
