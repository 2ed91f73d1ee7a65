/* Processes: an environment each, and beside it what Unix wants to know. The table is the domain's shared state; domain lock held.
 *
 * Life: proc_fork makes one; it runs; proc_exit turns it into a zombie, which has given back its memory but keeps its
 * environment, since nobody can take away the ground he stands on; its parent's wait (or the keeper, for those
 * nobody waits for) destroys that. */
#pragma once

#include <exos/base.h>
#include <exos/proc/signal.h>
#include <exos/regs.h>
#include <exos/sched/wait.h>

struct vm;
struct file_table;
struct inode;
struct tty;

enum proc_state { PROC_RUNNING, PROC_STOPPED, PROC_ZOMBIE };

struct proc {
	struct list link;                 /* all processes, by pid */
	int pid;
	int group, session;
	struct proc *parent;              /* the keeper's entry (pid 1) for orphans */
	struct list children, sibling;
	enum proc_state state;
	bool state_news;                  /* stopped or continued since the parent last asked */
	bool continued;
	bool sleeping;                    /* in a wait: for ps */
	bool execed;
	int exit_status;                  /* as wait reports it: code << 8, or signal (| 0x80 core) */
	env_id env;
	uint32_t slice_cpu, slice_position;
	frame_t env_frames[3];            /* object, root, self page */
	frame_t stack_frames[4];          /* LIBRARY_STACK_FRAMES */
	frame_t private_tables[3];        /* page tables of the private region */
	struct vm *vm;
	struct file_table *files;
	struct inode *cwd, *root;
	char *cwd_path;                   /* absolute, heap */
	char *executable;                 /* absolute path, heap */
	uint32_t umask;
	uint32_t uid, euid, suid, gid, egid, sgid;
	struct signals signals;
	struct wait_queue child_news;     /* the parent waits here for its children */
	struct proc *vfork_parent;        /* waits until this one execs or exits */
	struct wait_queue vfork_done;
	struct tty *tty;                  /* controlling terminal */
	char name[16];
	char *arguments;                  /* argv as /proc/PID/cmdline has it, one heap frame */
	uint32_t arguments_length;
	uint64_t start_time;              /* monotonic ns */
	uint64_t ticks_used;              /* of the time-stamp counter, running; children's after wait */
	uint64_t ticks_started;           /* since when it runs, 0 when not */
	uint64_t children_ticks;
	uint64_t clear_child_tid;         /* program address, or 0 */
	uint64_t alarm_at;                /* ITIMER_REAL: ticks, 0 none */
	uint64_t alarm_interval;          /* ticks */
	uint64_t limits[16][2];           /* resource limits: soft, hard */
};

extern struct list proc_list;
extern struct proc *proc_keeper;      /* pid 1 */
extern uint64_t proc_forks;

struct proc *proc_find(int pid);
/* A child of the current process that continues at `regs` with rax 0. `share_vm`: vfork: the child borrows the parent's memory, and the
 * parent waits until it execs or exits. `stack`: the child's rsp if not 0. Returns the pid or -errno. */
int proc_fork(struct regs *regs, bool vfork, uint64_t stack);
/* Makes a fresh process (the first one) that will run `path`; used by start.c only. */
struct proc *proc_spawn(const char *path, char *const *argv, char *const *envp, const char *cwd);
/* argv and envp are in library memory, packed as exec_strings. On success does not return to the old program: regs are the new one's. */
struct exec_strings {
	frame_t *frames;                  /* the bytes, NUL-terminated strings one after the other */
	uint32_t frame_count, length;
	uint32_t argc, envc;
};
int proc_exec(struct regs *regs, const char *path, struct exec_strings *strings);
_Noreturn void proc_exit(int exit_status);
enum { WAIT_NOHANG = 1, WAIT_STOPPED = 2, WAIT_EXITED = 4, WAIT_CONTINUED = 8, WAIT_NOREAP = 0x01000000 };
struct wait_result {
	int pid, status;
	uint32_t uid;
	uint64_t ticks;
};
/* which: pid > 0, 0 own group, -1 any, < -1 that group. Returns 1 with a result, 0 (WAIT_NOHANG, none yet) or -errno. */
int proc_wait(int which, uint32_t options, struct wait_result *result);
int proc_set_group(int pid, int group);
int proc_new_session(void);
bool proc_group_orphaned(int group);
/* Zombies of the keeper's, environments stopped by force: the keeper calls this when it is told. */
void proc_reap(void);
uint64_t proc_ticks(const struct proc *p); /* used so far, in ticks */
