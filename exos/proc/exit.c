/* The end of a process.
 *
 * It gives back its memory and files itself, tells parent, children, terminal and groups, and goes to sleep for good in an
 * environment that whoever waits for it takes apart (wait.c). One that runs in a borrowed environment (vfork) turns back into its lender. */
#include <exos/interface/interface.h>
#include <exos/lock.h>
#include <exos/proc/environment.h>
#include <exos/proc/exit.h>
#include <exos/proc/fork.h>
#include <exos/proc/group.h>
#include <exos/proc/table.h>
#include <exos/proc/thread.h>
#include <exos/program/program.h>
#include <exos/program/x86_64/handler.h>
#include <exos/sched/robust.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/tty/tty.h>
#include <exos/vm/vm.h>
#include <exos/volume/volume.h>
#include <exos/x86_64/entry.h>

static void inform(struct proc *child, int number, int code, int status)
{
	struct signal_info info = {.code = code, .pid = child->pid, .uid = child->uid, .status = status};

	signal_send(child->parent, number, &info);
}

void exit_tell_parent(struct proc *child, int code, int status)
{
	struct proc *parent = child->parent;

	if (!(parent->signals.actions[SIGCHLD].flags & ACTION_NOCLDSTOP))
		inform(child, SIGCHLD, code, status);
	wake_all(&parent->child_news);
}

/* A parent that ignores its children's ends leaves them to the keeper: then the zombie is its. */
static void tell_end(struct proc *p)
{
	struct proc *parent = p->parent;
	const struct signal_action *action = &parent->signals.actions[SIGCHLD];
	bool ignores = p->exit_signal == SIGCHLD && (action->handler == SIGNAL_IGNORE || (action->flags & ACTION_NOCLDWAIT));
	int status = p->exit_status;

	if (p->exit_signal && parent != proc_keeper) {
		if (status & 0x7f)
			inform(p, p->exit_signal, CHILD_KILLED, status & 0x7f);
		else
			inform(p, p->exit_signal, CHILD_EXITED, status >> 8);
	}
	wake_all(&parent->child_news);
	if (ignores)
		table_set_parent(p, proc_keeper);
	if (p->parent == proc_keeper)
		wake_proc(proc_keeper);
}

static void leave_children(struct proc *p)
{
	LIST_FOR_EACH_SAFE(l, following, &p->children) {
		struct proc *child = CONTAINER_OF(l, struct proc, sibling);

		table_set_parent(child, proc_keeper);
		child->exit_signal = SIGCHLD;
		if (child->death_signal)
			signal_send(child, child->death_signal, NULL);
		if (child->state == PROC_ZOMBIE)
			wake_proc(proc_keeper);
	}
}

/* All that does not depend on whether the process itself still runs. Its memory is gone already. */
static void become_zombie(struct proc *p, int exit_status)
{
	p->alarm_at = 0;
	p->exit_status = exit_status;
	/* While its files are being closed it can still be found, but signals are nothing to it any more. */
	p->state = PROC_ZOMBIE;
	table_release(p);
	interface_forget(p);
	if (p->session == p->pid)
		tty_hangup_session(p->session);
	group_leave(p);
	program_slices_release(p);
	leave_children(p);
	if (p->pid == first_process)
		start_program_ended(exit_status);
	tell_end(p);
}

/* The process goes on as another: from here on `borrower` is only a zombie. */
static _Noreturn void go_back_to_lender(struct proc *borrower)
{
	struct regs regs;

	borrower->env = 0;
	fork_give_back(borrower, &regs);
	signal_deliver(&regs, false);
	while (self->lock_depth)
		domain_unlock();
	exos_go(&regs);
}

_Noreturn void proc_exit(int exit_status)
{
	struct proc *p = self->proc;
	struct vm *vm = p->vm;

	ASSERT(domain_locked());
	if (self->thread)
		exit_status = thread_exit_all(exit_status);
	if (!p->vfork_parent)
		robust_list_end(p->robust_list, p->tid);
	program_net_release(p);
	p->vm = NULL;
	if (!p->vfork_parent) {
		vm_clear(vm);
		vm_destroy(vm);
		program_frames_release(p);
	}
	become_zombie(p, exit_status);
	if (self->thread)
		thread_call_ends();
	proc_account_stop(p);
	if (p->vfork_parent)
		go_back_to_lender(p);
	if (p->serves) { /* perhaps at this moment: whoever it serves is told by the kernel */
		domain_unlock_all();
		exos_final_stop();
	}
	exos_final_sleep();
}

void exit_stopped(struct proc *p)
{
	struct vm *vm = p->vm;

	volumes_forget(p->env);
	proc_account_stop(p);
	p->vm = NULL;
	if (p->vfork_parent) {
		frame_put(p->vfork_frame);
		p->vfork_parent = NULL;
		p->env = 0;
	} else {
		if (p->waiter.link.next) /* it may have been in a wait, which nothing ends now */
			wait_remove(&p->waiter);
		environment_destroy(p);
		if (vm) /* else it was stopped at its own end */
			vm_destroy(vm);
		program_net_stop(p);
		program_frames_release(p);
	}
	become_zombie(p, SIGKILL);
}
