/* Signals: sending, masks, handlers, and what becomes of them on the way back to the program. Domain lock held. */
#pragma once

#include <exos/base.h>

struct proc;
struct regs;

enum {
	SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
	SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ,
	SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS, SIGNAL_COUNT = 65
};

#define SIGNAL_DEFAULT 0ul
#define SIGNAL_IGNORE 1ul

typedef uint64_t signal_set; /* bit n-1 is signal n */
static inline signal_set signal_bit(int n) { return 1ul << (n - 1); }

enum { ACTION_NOCLDSTOP = 1, ACTION_NOCLDWAIT = 2, ACTION_SIGINFO = 4, ACTION_RESTORER = 0x04000000, ACTION_ONSTACK = 0x08000000,
	ACTION_RESTART = 0x10000000, ACTION_NODEFER = 0x40000000, ACTION_RESETHAND = 0x80000000 };

struct signal_action {
	uint64_t handler, flags, restorer;
	signal_set mask;
};

/* What a handler is told of its signal. */
struct signal_info {
	int number, code;
	int pid;
	uint32_t uid;
	int status;
	uint64_t address;
	uint64_t value;
};
enum { SIGNAL_USER = 0, SIGNAL_KERNEL = 0x80, SIGNAL_TKILL = -6 };
/* Codes of SIGCHLD. */
enum { CHILD_EXITED = 1, CHILD_KILLED, CHILD_DUMPED, CHILD_TRAPPED, CHILD_STOPPED, CHILD_CONTINUED };

enum { STACK_ON = 1, STACK_DISABLED = 2 };
#define STACK_AUTODISARM 0x80000000u /* off while a handler runs on it */
#define STACK_MINIMUM 2048

/* Pending ones. */
struct signal_queue {
	signal_set set;
	struct signal_info *info[SIGNAL_COUNT]; /* heap; null: from ExOS. One each: signals do not queue (limit) */
};

/* Of a process with threads (thread.h), mask, waited, due and the alternate stack are those of the thread that runs. */
struct signals {
	signal_set pending, mask; /* pending: for whoever runs, shared and its own together */
	signal_set saved_mask; /* sigsuspend and the like: put back when the handler's frame is made */
	union {
		struct {
			bool restore_mask;
			bool files_gone; /* file_put has left something to thread_call_ends */
		};
		uint16_t due;
	};
	struct signal_action actions[SIGNAL_COUNT];
	signal_set waited;     /* blocked, but waited for by sigtimedwait */
	struct signal_queue shared, *own; /* sent to the process; to the thread that runs: null without threads */
	uint64_t stack_base, stack_size;       /* sigaltstack */
	uint32_t stack_flags;
};
/* Whether there is anything to do (besides the end of an interrupted call): the quick check on the way back to the program. */
static inline bool signals_due(const struct signals *s) { return (s->pending & ~s->mask) | s->due; }

struct thread;
void signal_send(struct proc *p, int number, const struct signal_info *info); /* info null: from ExOS */
/* To one of p's threads; null: as signal_send. */
void signal_send_thread(struct proc *p, struct thread *t, int number, const struct signal_info *info);
int signal_send_group(int group, int number, const struct signal_info *info); /* how many got it */
/* A fault of the current thread: cannot be ignored or blocked; if it is, the process ends. */
void signal_force(int number, int code, uint64_t address);
bool signal_deliverable(const struct proc *p); /* a signal pending for the thread that runs, and neither blocked nor ignored */
/* On the way back to the program: stops, ends, or rewrites regs (and the program's stack) so that a handler runs. `restartable`: regs are
 * those of a foreign call whose result is -ERESTART. Called with the lock held, may release it, may not return. */
void signal_deliver(struct regs *regs, bool from_call);
/* For a wait that a deliverable signal disturbs: if all that the signals ask is to stop (or nothing), stops here and now and returns false:
 * the wait goes on, with its deadline, as if nothing had been. True: the wait must end. May release the lock. */
bool signal_interrupts(void);
/* The current process has been sent what ends it on the way back to its program: what it would take from others now, a connection or an event, would be lost with it. */
bool signal_ends(void);
/* Takes the lowest pending signal out of `set`, blocked or not, without its handler: its number, or 0. */
int signal_take(struct proc *p, signal_set set, struct signal_info *info);
/* The end of a handler (sigreturn): all registers, mask and alternate stack as its frame on the program's stack has them. */
void signal_return(struct regs *regs);

int signal_set_action(struct proc *p, int number, const struct signal_action *action); /* 0 or -EINVAL */
void signal_set_mask(struct proc *p, signal_set mask);
/* For sigsuspend and its like: `mask` until the handlers of what ends the wait have been entered. */
void signal_set_mask_until_handled(struct proc *p, signal_set mask);
int signal_set_stack(struct proc *p, uint64_t base, uint64_t size, uint32_t flags); /* 0, -EINVAL or -ENOMEM */
bool signal_permitted(const struct proc *to, int number); /* may the current process send it? */
void signal_inherit(struct signals *to, const struct signals *from);
void signal_exec(struct signals *signals); /* handlers fall back to the default, the stack is forgotten */
void signal_drop_all(struct signals *signals);
