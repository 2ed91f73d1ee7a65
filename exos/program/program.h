/* The calls of exos/program.h. */
#pragma once

#include <exos/program.h>
#include <exos/regs.h>

struct proc;

/* From linux/dispatch.c: a call with one of ExOS's own numbers. Domain lock held. The result, or -ENOSYS. */
int64_t program_call(struct regs *r);
/* Frames that became a program's own come back: at its end, and at its exec. Nothing of the program's has them bound any more. */
void program_frames_release(struct proc *p);
/* The kernel's sleep of a process that serves a transfer at the moment, as part of that. Upcalls are disabled. */
int64_t serve_sleep(uint64_t deadline, env_id to);
/* Takes up to n of them from it, which it finds out by a fault where it had them bound, and puts them with the idle ones. Returns how many. */
uint32_t program_frames_force(struct proc *p, uint32_t n);
/* The ring that it has, if any (net.c), is taken back; waits, with the lock released at times, for what is being sent from it. At its end and its exec. */
void program_net_release(struct proc *p);
/* The same for a process that the keeper ends, which waits for nothing: the filters end at once, and the handlers on them, which use frames of the program's;
 * the ring does, if the device has yet to send from it, when program_net_reap finds that it has. To be looked at at program_net_due (ticks; 0: nothing is left),
 * which needs no lock in the keeper. */
void program_net_stop(struct proc *p);
void program_net_reap(void);
uint64_t program_net_due(void);
/* EVENT_NET has come to this environment: a program that waits looks at its ring. Lock held. */
void program_net_event(void);
/* Its children that hold no slices hold some again: who scheduled them is gone. */
void program_slices_release(struct proc *p);
