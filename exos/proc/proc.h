/* Processes: an environment each, and beside it what Unix wants to know. The table is the domain's shared state; domain lock held.
 *
 * Life: proc_fork makes one; it runs; proc_exit turns it into a zombie, which has given back its memory but keeps its
 * environment, since nobody can take away the ground he stands on; its parent's wait (or the keeper, for those
 * nobody waits for) destroys that. */
#pragma once

#include <exos/base.h>
#include <exos/frames.h>
#include <exos/proc/signal.h>
#include <exos/regs.h>
#include <exos/sched/cpus.h>
#include <exos/sched/wait.h>

struct vm;
struct file_table;
struct inode;
struct program_net;
struct threads;
struct tty;

/* Resource limits. Those on the stack and on open files are enforced, by vm and file; the rest is only kept. */
enum { LIMIT_CPU, LIMIT_FILE_SIZE, LIMIT_DATA, LIMIT_STACK, LIMIT_CORE, LIMIT_RESIDENT, LIMIT_PROCESSES, LIMIT_FILES, LIMIT_COUNT = 16 };
#define LIMIT_NONE UINT64_MAX

/* Programs are put at the same addresses every time, for debuggers. */
#define PERSONALITY_FIXED_ADDRESSES 0x40000u

enum proc_state { PROC_RUNNING, PROC_STOPPED, PROC_ZOMBIE };

struct proc {
	struct list link;                 /* all processes, by pid */
	int pid;
	int group, session;
	struct proc *parent;              /* the keeper's entry (pid 1) for orphans */
	int parent_pid;                   /* the same, for those who ask without the lock */
	int exit_signal;                  /* what the parent is sent at the end; 0: nothing */
	int death_signal;                 /* what this one wants to be sent at its parent's end; 0: nothing */
	struct list children, sibling;
	enum proc_state state;
	bool state_news;                  /* stopped or continued since the parent last asked */
	bool continued;
	bool sleeping;                    /* in a wait: for ps */
	bool service;                     /* the library's own (service.h): signals are nothing to it */
	struct waiter waiter;             /* wait_on's, without threads */
	bool execed;
	int exit_status;                  /* as wait reports it: code << 8, or signal (| 0x80 core) */
	env_id env;
	struct cpu_slices slices;
	frame_t env_frames[3];            /* object, root (a pair), self page */
	frame_t stack_frames[4];          /* LIBRARY_STACK_FRAMES */
	frame_t private_tables[3];        /* page tables of the private region (pairs) */
	struct vm *vm;
	struct file_table *files;
	struct inode *cwd, *root;
	char *cwd_path;                   /* absolute, heap */
	char *executable;                 /* absolute path, heap */
	uint32_t umask;
	uint32_t uid, euid, suid, gid, egid, sgid;
	struct signals signals;
	struct wait_queue child_news;     /* the parent waits here for its children */
	struct proc *vfork_parent;        /* whose environment and memory this one borrows until it execs or exits */
	frame_t vfork_frame;              /* the registers that the lender will go on with */
	struct wait_queue resumed;        /* where a stopped process waits */
	struct tty *tty;                  /* controlling terminal */
	char name[16];
	char *arguments;                  /* argv as /proc/PID/cmdline has it: a frame, shared with children; or null */
	uint32_t arguments_length;
	uint64_t start_time;              /* monotonic ns */
	int64_t ticks_used;               /* of the time-stamp counter; while it runs less the time at which that began, and so negative */
	uint64_t children_ticks;
	uint64_t restartable_area;        /* program address (restartable.h), or 0 */
	uint32_t restartable_signature;
	uint64_t own_frames;              /* that its program holds itself: program/memory.c */
	bool reclaims;                    /* its program has a handler for when frames are asked back: so many, by then */
	bool bears_losses;                /* and may be robbed of them */
	bool serves;                      /* it takes transfers: program/serve.c */
	uint64_t reclaim_frames, reclaim_deadline;
	uint64_t clear_child_tid;         /* program address, or 0 */
	uint64_t robust_list;             /* program address (sched/robust.h), or 0 */
	uint64_t alarm_at;                /* ITIMER_REAL: ticks, 0 none */
	uint64_t alarm_interval;          /* ticks */
	struct threads *threads;          /* thread.h; null: none but the one flow of control */
	int tid;                          /* of the thread that runs; the same number for who has no others */
	uint32_t personality;             /* PERSONALITY_... */
	struct program_net *net;          /* a ring of the program's own (program/net.c), or null */
	bool no_new_rights;               /* exec gives none, whatever the file says */
	bool barriers;                    /* it has said that it will use them: linux/scheduling.c */
	uint32_t net_filters;             /* whose packets it is told of: interface/filter.c */
	uint64_t limits[LIMIT_COUNT][2];  /* resource limits: soft, hard */
};

#define PROC_PID_MAX 32768         /* process numbers stay below */
extern struct list proc_list;
extern struct proc *proc_keeper;      /* pid 1 */
extern uint64_t proc_forks;

/* Sets up the table with its first entry, the keeper, which is the calling environment. Before all else here. */
void proc_start(void);
struct proc *proc_find(int pid);

struct fork_options {
	bool vfork;                       /* the child borrows the parent's environment; the parent goes on when it execs or exits */
	int exit_signal;
	uint64_t stack;                   /* the child's stack pointer; 0: the parent's */
	uint64_t tls;                     /* the child's FS base; 0: the parent's */
	uint64_t set_tid, clear_tid;      /* addresses in the child: its pid is written there now, 0 at its end; 0: nowhere */
};
/* A child of the current process that continues at `regs` with rax 0. Returns the pid or -errno. With `vfork` it returns 0 at once, in the
 * child: self->proc is another; the parent's registers come back, with the pid in rax, by proc_exec or proc_exit. */
int proc_fork(struct regs *regs, const struct fork_options *options);
/* Makes a fresh process (the first one) that will run `path`, without files; the keeper only. It may run when the lock is released. */
int proc_spawn(const char *path, char *const *argv, char *const *envp, const char *cwd, struct proc **out);
/* argv and envp are in library memory, packed as exec_strings. */
struct exec_strings {
	frame_t *frames;                  /* the bytes, NUL-terminated strings one after the other; from the heap */
	uint32_t frame_count, length;
	uint32_t argc, envc;
};
/* On success `regs` are no longer the caller's: the new program's, or (after vfork) those of the process that lent the environment. Returns what
 * is to be in their rax, or -errno with everything as it was. When it is too late to go back, the process is killed. */
int proc_exec(struct regs *regs, const char *path, struct exec_strings *strings);
_Noreturn void proc_exit(int exit_status);
enum { WAIT_NOHANG = 1, WAIT_STOPPED = 2, WAIT_EXITED = 4, WAIT_CONTINUED = 8, WAIT_NOREAP = 0x01000000,
	WAIT_OTHERS = 0x10, /* only children whose end is told by another signal than SIGCHLD, */
	WAIT_ALL = 0x20 /* or all children, whatever their signal */ };
struct wait_result {
	int pid, status;
	uint32_t uid;
	uint64_t ticks; /* that the child and those it waited for have used */
};
/* which: pid > 0, 0 own group, -1 any, < -1 that group. Returns 1 with a result, 0 (WAIT_NOHANG, none yet) or -errno. */
int proc_wait(int which, uint32_t options, struct wait_result *result);
int proc_set_group(int pid, int group);
int proc_new_session(void);
bool proc_group_orphaned(int group);
/* Zombies of the keeper's, environments stopped by force: the keeper calls this when it is told. */
void proc_reap(void);
uint64_t proc_ticks(const struct proc *p); /* used so far, in ticks */
/* Called when a process stops or goes on using a CPU: around sleeps and yields. */
static inline void proc_account_stop(struct proc *p)
{
	if (p->ticks_used < 0)
		p->ticks_used += (int64_t)ticks_now();
}
static inline void proc_account_start(struct proc *p)
{
	if (p->ticks_used >= 0)
		p->ticks_used -= (int64_t)ticks_now();
}
/* ITIMER_REAL. The keeper calls proc_check_alarms when the time that proc_next_alarm named (ticks; 0: none) has come; it is woken
 * when an earlier one is set. */
void proc_set_alarm(struct proc *p, uint64_t at, uint64_t interval);
void proc_check_alarms(void);
uint64_t proc_next_alarm(void);
