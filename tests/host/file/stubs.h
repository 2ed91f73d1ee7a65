/* What stands in for the rest of ExOS in the tests of files: memory that can run out, waiting that the test scripts,
 * one process. */
#pragma once

#include <exos/file/file.h>
#include <exos/proc/proc.h>

void stubs_start(void); /* frames, heap, the process `stub_proc` with files at the root; file systems started */
void stubs_end(void);	/* the process's files closed */
extern struct proc stub_proc;

extern uint32_t stub_frames_used, stub_heap_used;
extern uint64_t stub_allocations; /* frames and heap objects, ever */
extern uint64_t stub_fail_after;  /* that many more allocations succeed, then none does; UINT64_MAX: all */
extern int stub_last_signal;	  /* sent to the process; 0 none */
extern uint32_t stub_wakes;	  /* calls of wake_one and wake_all that found somebody */
/* Called when the code under test goes to sleep: what other processes do meanwhile. 0 woken, or -EINTR. */
extern int (*stub_sleep)(void);
extern int (*stub_turn)(void); /* a turn that is due, and what others do in it (exos/sched/turn.h); null: none */
extern uint64_t stub_fault_from, stub_fault_to; /* program addresses that fault */

/* TAP. */
void ok(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
#define is(have, want, what) is_at((int64_t)(have), (int64_t)(want), what, __LINE__)
void is_at(int64_t have, int64_t want, const char *what, int line);
int done_testing(void); /* the exit status */
