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

struct signals {
	signal_set pending, mask;
	signal_set saved_mask; /* sigsuspend and the like: put back when the handler's frame is made */
	bool restore_mask;
	struct signal_action actions[SIGNAL_COUNT];
	struct signal_info info[SIGNAL_COUNT]; /* of the pending ones; one each: signals do not queue (limit) */
	uint64_t stack_base, stack_size;       /* sigaltstack */
	uint32_t stack_flags;
};

void signal_send(struct proc *p, int number, const struct signal_info *info); /* info null: from ExOS */
int signal_send_group(int group, int number, const struct signal_info *info); /* how many got it */
/* A fault of the current process: cannot be ignored or blocked; if it is, the process ends. */
void signal_force(int number, int code, uint64_t address);
bool signal_deliverable(const struct proc *p); /* a pending signal that is neither blocked nor ignored */
/* On the way back to the program: stops, ends, or rewrites regs (and the program's stack) so that a handler runs. `restartable`: regs are
 * those of a foreign call whose result is -ERESTART. Called with the lock held, may release it, may not return. */
void signal_deliver(struct regs *regs, bool from_call);
int signal_return(struct regs *regs); /* rt_sigreturn */
