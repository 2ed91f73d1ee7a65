/* Threads: several flows of control in the one environment of a process, each with a library stack of its own (M:1).
 *
 * A process has none of this until its first clone; from then on, until it ends, every flow of control in it, the first one too, is a struct thread. What
 * struct proc and self hold of one flow of control (its number, mask, alternate stack and so on) is that of the thread that runs; of the others it is in `kept`.
 * Domain lock held for everything here. exos/sched/threads.h decides who runs. */
#pragma once

#include <exos/layout.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

enum thread_state { THREAD_RUNNING, THREAD_READY, THREAD_BLOCKED, THREAD_GONE };

/* What is in struct proc and self while the thread runs. */
struct thread_kept {
	signal_set mask, saved_mask, waited;
	uint64_t stack_base, stack_size;
	uint32_t stack_flags;
	uint16_t due;
	uint32_t restartable_signature;
	uint64_t restartable_area, clear_child_tid, robust_list;
	uint64_t library_top;
	uint64_t missed, missed_error;
};

struct thread {
	uint8_t xsave[sizeof(self->xsave)] __attribute__((aligned(64))); /* first: x86_64/switch.S */
	uint64_t rsp;                  /* where it goes on when it is switched to; x86_64/switch.S */
	struct proc *proc;
	struct list link;              /* all of the process, or the spare ones */
	struct list ready;             /* in the policy's queue */
	struct list timed;             /* those who wait with a deadline, the earliest first */
	enum thread_state state;
	int tid;
	bool dying;                    /* it ends at its way back to the program, and nothing else with it */
	uint64_t deadline;             /* of its wait, in ticks; 0: none */
	struct waiter *waiters;        /* of its wait: taken off their queues should it never go on */
	size_t waiter_count;
	struct waiter waiter;          /* wait_on's, */
	struct waiter sure;            /* and wait_surely's, which may come inside one: the program chooses who runs, and its handler wants something */
	bool waits_surely;             /* it is in that */
	struct futex_waiter *futex;    /* that it waits at, if it does */
	struct signal_queue own;       /* signals sent to it alone */
	struct file *gone_files;       /* that it was the last to use; they end when its call does */
	char name[16];                 /* linux/process.c; empty: the process's */
	struct thread_kept kept;
	uint64_t stack_top;            /* its library stack */
	uint32_t slot;                 /* the place of that, or THREAD_FIRST */
	frame_t stack_frames[LIBRARY_STACK_FRAMES]; /* NO_FRAME: none now */
	uint64_t ticks;                /* used until it was last switched away from */
};
#define THREAD_FIRST UINT32_MAX /* the process's first: its stack is the environment's */
_Static_assert(sizeof(struct thread) <= FRAME_SIZE, "one frame");
_Static_assert(offsetof(struct thread, rsp) == 2816, "switch.S");

struct thread_policy;
struct threads {
	struct list all;               /* of struct thread: those that have not ended */
	uint32_t count;
	struct thread *current;        /* who runs, or waited last */
	uint64_t current_since;        /* in ticks used by the process */
	struct thread *gone;           /* who has ended, and has had nobody else yet to give his stack back */
	struct list ready, timed;
	const struct thread_policy *policy;
	struct list spare;             /* ended, to be used again; the first spare_stacks of them have stacks */
	uint32_t spare_stacks;
	uint32_t slots;                /* that were ever used */
	uint32_t tables_made[3];       /* page tables of each level; thread_stack.c */
	struct list tables;            /* page tables for the stacks */
	struct wait_queue alone;       /* who waits to be the only one */
	bool ending;                   /* the process ends with `status` when the last thread has left */
	int status;
	int first_status;              /* of the first thread, if that has left: then the process's, unless somebody says otherwise */
};

struct thread_options {
	uint64_t stack, tls;           /* stack pointer and FS base of the new one; tls 0: the maker's */
	uint64_t clear_tid;            /* 0 is written there at its end, and who waits for that is woken */
};
/* A thread of the current process that continues at `regs` with rax 0. Its number, or -EAGAIN. */
int thread_make(const struct regs *regs, const struct thread_options *options);
/* Ends the current one, and if it is the last of them the process. status: the process's, should it come to that. */
_Noreturn void thread_exit(int status);
/* For proc_exit: the others are told to end. Returns in the last one, with the process's status. */
int thread_exit_all(int status);
/* For exec: the others end. 0, or -EINTR if the process is to end itself. */
int thread_alone(void);
/* A thread by number, and its process: null for either if there is none. A process without threads has but its own number. */
struct thread *thread_find(int tid, struct proc **process);
struct thread *thread_of(const struct proc *p, int tid);
bool thread_number_taken(int number);
int thread_next(struct proc *p, int from); /* the lowest number not below, or -1 */
static inline uint32_t thread_count(const struct proc *p) { return p->threads ? p->threads->count : 1; }
void thread_bury(struct thread *t); /* one that has ended, and whose stack nobody uses any more */
/* What is left of a process's threads when its environment is gone. */
void threads_release(struct proc *p);
/* Time used by a thread of p, in ticks; null: p has none but the one. */
uint64_t thread_ticks(const struct proc *p, const struct thread *t);
/* What was put off until the end of the current call. */
void thread_call_ends(void);

/* Signals (thread_signal.c). A signal is pending for a thread of p, or (null) for any: whoever is to see to it is woken. */
void thread_signal(struct proc *p, struct thread *t, signal_set bit);
/* The current one blocks signals now that are pending for anybody, or is at its end: others are to see to them. */
void thread_retarget(struct proc *p);
static inline signal_set thread_mask(const struct thread *t)
{
	return t->proc->threads->current == t ? t->proc->signals.mask : t->kept.mask;
}
