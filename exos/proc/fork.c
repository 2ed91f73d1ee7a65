/* Making children: with a copy of the address space (fork), or in the parent's own (vfork).
 *
 * A vfork child is only another entry of the table: the environment goes on running, as another process. Nothing is copied, what
 * the child writes is the parent's, and the parent is as asleep as it must be, since its environment is taken. exec.c moves the
 * child to an environment of its own, exit.c ends it; both then give the environment back. Loans nest. */
#include <exos/lock.h>
#include <exos/proc/environment.h>
#include <exos/proc/fork.h>
#include <exos/proc/memory.h>
#include <exos/proc/table.h>
#include <exos/program/handler.h>
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>
#include <exos/x86_64/entry.h>

/* What the lender goes on with. */
struct lender {
	uint8_t xsave[sizeof(self->xsave)] __attribute__((aligned(64)));
	struct regs regs;
	uint64_t fs, gs;
	struct thread *thread; /* its others wait as well: the environment is another process's */
};
_Static_assert(sizeof(struct lender) <= FRAME_SIZE, "one frame");

static int borrow_environment(struct proc *child, struct regs *regs, const struct fork_options *options)
{
	struct proc *parent = self->proc;
	struct lender *lender;

	/* Zeroed, because xsave leaves the reserved bytes of its header as they are, and xrstor refuses others than zero. */
	child->vfork_frame = frame_get_zeroed();
	if (child->vfork_frame == NO_FRAME)
		return -ENOMEM;
	lender = frame_address(child->vfork_frame);
	exos_fpu_save(lender->xsave);
	lender->regs = *regs;
	lender->fs = exos_fs_base();
	lender->gs = exos_gs_base();
	lender->thread = self->thread;

	child->vfork_parent = parent;
	child->env = parent->env;
	child->vm = parent->vm;
	proc_account_stop(parent);
	proc_account_start(child);
	self->proc = child;
	self->thread = NULL;
	self->who = self->env;
	if (options->stack)
		regs->rsp = options->stack;
	if (options->tls)
		exos_set_fs_base(options->tls);
	return 0;
}

void fork_give_back(struct proc *borrower, struct regs *regs)
{
	struct lender *lender = frame_address(borrower->vfork_frame);
	struct proc *parent = borrower->vfork_parent;
	struct thread *thread = lender->thread;

	exos_fpu_restore(lender->xsave);
	exos_set_fs_base(lender->fs);
	exos_set_gs_base(lender->gs);
	self->library_top = self->stack_top; /* the borrower may have ended in a handler */
	*regs = lender->regs;
	regs->rax = (uint64_t)borrower->pid;
	frame_put(borrower->vfork_frame);
	borrower->vfork_frame = NO_FRAME;
	borrower->vfork_parent = NULL;
	self->proc = parent;
	self->thread = thread;
	if (thread)
		self->who = (uintptr_t)thread;
	proc_account_start(parent);
	/* The memory where that belongs is the lender's; whoever it is wrong for is not there any more. */
	if (borrower->clear_child_tid)
		clear_out((void *)borrower->clear_child_tid, sizeof(borrower->pid));
	borrower->clear_child_tid = 0;
}

static int copy_environment(struct proc *child, const struct regs *regs, const struct fork_options *options)
{
	struct regs child_regs = *regs;
	struct self_page *data;
	int error = environment_create(child);

	if (error)
		return error;
	child->vm = vm_create(child->env);
	if (!child->vm)
		return -ENOMEM;
	error = vm_fork(self->proc->vm, child->vm);
	if (error)
		return error;
	data = environment_self(child);
	exos_fpu_save(data->xsave);
	data->stubs_scratch[0] = options->tls ? options->tls : exos_fs_base();
	data->stubs_scratch[1] = exos_gs_base();
	child_regs.rax = 0;
	if (options->stack)
		child_regs.rsp = options->stack;
	if (options->set_tid)
		memory_write(child->vm, options->set_tid, &child->pid, sizeof(child->pid));
	return environment_start(child, &child_regs);
}

static void undo(struct proc *child)
{
	environment_destroy(child);
	if (child->vm)
		vm_destroy(child->vm);
	table_remove(child);
}

int proc_fork(struct regs *regs, const struct fork_options *options)
{
	bool borrows = options->vfork && !handler_runs(); /* two cannot share what the library has on its stack then */
	struct proc *child = table_add(self->proc);
	int error;

	if (!child)
		return -EAGAIN;
	error = table_inherit(child, self->proc);
	if (!error)
		error = borrows ? borrow_environment(child, regs, options) : copy_environment(child, regs, options);
	if (error) {
		undo(child);
		return error;
	}
	child->exit_signal = options->exit_signal;
	child->restartable_area = self->proc->restartable_area;
	child->restartable_signature = self->proc->restartable_signature;
	child->clear_child_tid = options->clear_tid;
	proc_forks++;
	return borrows ? 0 : child->pid;
}
