/* clone, and what is told and kept of threads. Called from the table of calls. */
#include <exos/linux/linux.h>
#include <exos/proc/thread.h>
#include <exos/program/handler.h>
#include <exos/sched/robust.h>

enum {
	CLONE_SIGNAL = 0xff, /* what the parent is sent at the child's end */
	CLONE_VM = 0x100,
	CLONE_FS = 0x200,
	CLONE_FILES = 0x400,
	CLONE_SIGHAND = 0x800,
	CLONE_PIDFD = 0x1000,
	CLONE_PTRACE = 0x2000,
	CLONE_VFORK = 0x4000,
	CLONE_PARENT = 0x8000,
	CLONE_THREAD = 0x10000,
	CLONE_SYSVSEM = 0x40000,
	CLONE_SETTLS = 0x80000,
	CLONE_PARENT_SETTID = 0x100000,
	CLONE_CHILD_CLEARTID = 0x200000,
	CLONE_CHILD_SETTID = 0x1000000,
};
#define CLONE_NAMESPACES 0x7e020000u
#define CLONE_SHARING    (CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM)
#define CLONE_MISSING    (CLONE_SHARING | CLONE_PIDFD | CLONE_PTRACE | CLONE_PARENT)
/* A thread shares all of these. */
#define CLONE_ALL (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

struct clone {
	uint32_t flags;
	uint64_t exit_signal, stack, parent_tid, child_tid, tls;
};

static void report_sharing(void)
{
	static bool reported; /* domain lock */

	if (!reported)
		log_line("%s: processes that share memory and are no threads are not implemented (ENOSYS)", self->proc->name);
	reported = true;
}

/* Children share everything (threads), are copies (fork), or borrow everything while the parent sleeps (vfork). Nothing in between. */
static int check(const struct clone *c)
{
	uint32_t flags = c->flags;

	if (flags & CLONE_NAMESPACES)
		return self->proc->euid ? -EPERM : -EINVAL;
	if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) || (flags & CLONE_SIGHAND && !(flags & CLONE_VM)))
		return -EINVAL;
	if (c->exit_signal >= SIGNAL_COUNT || c->tls >= PROGRAM_TOP) /* as a base, some of those would fault */
		return c->exit_signal >= SIGNAL_COUNT ? -EINVAL : -EPERM;
	if (flags & CLONE_THREAD)
		return (flags & CLONE_ALL) != CLONE_ALL || flags & (CLONE_VFORK | CLONE_PIDFD | CLONE_PTRACE) ? -ENOSYS : 0;
	if ((flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) {
		report_sharing();
		return -ENOSYS;
	}
	return flags & CLONE_MISSING || (flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VFORK ? -ENOSYS : 0;
}

/* The child is there: an address where this cannot be written no longer undoes it. */
static void tell(const struct clone *c, bool child_memory, int number)
{
	if (c->flags & CLONE_PARENT_SETTID)
		copy_out(ADDRESS(void, c->parent_tid), &number, sizeof(number));
	if (c->flags & CLONE_CHILD_SETTID && !child_memory)
		copy_out(ADDRESS(void, c->child_tid), &number, sizeof(number));
}

static int64_t make_thread(struct regs *r, const struct clone *c)
{
	struct thread_options options = {
		.stack = c->stack ? c->stack : r->rsp, .tls = c->tls, .clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0};
	int tid = self->proc->vfork_parent || handler_runs() ? -EAGAIN : thread_make(r, &options);

	if (tid > 0)
		tell(c, false, tid);
	return tid;
}

static int64_t make_process(struct regs *r, const struct clone *c)
{
	struct fork_options options = {
		.vfork = c->flags & CLONE_VFORK,
		.exit_signal = (int)c->exit_signal,
		.stack = c->stack,
		.tls = c->tls,
		.set_tid = c->flags & CLONE_CHILD_SETTID ? c->child_tid : 0,
		.clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0,
	};
	int result = proc_fork(r, &options);

	if (result >= 0) /* 0: it is the child that goes on here */
		tell(c, result, result ? result : self->proc->pid);
	return result;
}

static int64_t clone(struct regs *r, struct clone *c)
{
	int error;

	if (!(c->flags & CLONE_SETTLS))
		c->tls = 0;
	error = check(c);
	if (error)
		return error;
	return c->flags & CLONE_THREAD ? make_thread(r, c) : make_process(r, c);
}

int64_t linux_clone(struct regs *r)
{
	uint32_t flags = (uint32_t)A0(r);
	struct clone c = {flags & ~(uint32_t)CLONE_SIGNAL, flags & CLONE_SIGNAL, A1(r), A2(r), A3(r), A4(r)};

	return clone(r, &c);
}

/* The first version of clone's arguments as a structure; what later ones add is not here, and refused if it is wanted. */
int64_t linux_clone3(struct regs *r)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, others[3];
	} given = {0};
	struct clone c;

	if (A1(r) < offsetof(__typeof__(given), others))
		return -EINVAL;
	if (A1(r) > sizeof(given))
		return -E2BIG;
	if (copy_in(&given, ADDRESS(const void, A0(r)), A1(r)))
		return -EFAULT;
	if (given.flags >> 32 || given.flags & CLONE_SIGNAL || given.others[0] || given.others[1] || !given.stack != !given.stack_size)
		return -EINVAL;
	c = (struct clone){(uint32_t)given.flags, given.exit_signal, given.stack + given.stack_size, given.parent_tid, given.child_tid, given.tls};
	return clone(r, &c);
}

int64_t linux_exit(struct regs *r) { thread_exit((int)(A0(r) & 0xff) << 8); }

int64_t linux_set_tid_address(struct regs *r)
{
	self->proc->clear_child_tid = A0(r);
	return self->proc->tid;
}

int64_t linux_set_robust_list(struct regs *r)
{
	if (A1(r) != ROBUST_HEAD_SIZE)
		return -EINVAL;
	self->proc->robust_list = A0(r);
	return 0;
}

int64_t linux_get_robust_list(struct regs *r)
{
	uint64_t size = ROBUST_HEAD_SIZE;
	struct proc *p = self->proc;
	struct thread *t = NULL;

	if (A0(r))
		t = thread_find((int)A0(r), &p);
	if (!p)
		return -ESRCH;
	if (p != self->proc)
		return -EPERM;
	if (copy_out(ADDRESS(void, A2(r)), &size, sizeof(size)))
		return -EFAULT;
	return copy_out(ADDRESS(void, A1(r)), t && t != self->thread ? &t->kept.robust_list : &p->robust_list, sizeof(uint64_t));
}
