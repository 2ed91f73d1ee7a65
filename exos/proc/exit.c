/* The end of a process: what it held is given back by itself, while it still runs; its environment, by whoever waits for it.
 *
 * A process whose environment the kernel stopped (a second fault in an upcall, say) could do none of that; the keeper does it in its place. */
#include <exos/events.h>
#include <exos/lock.h>
#include <exos/proc/deliver.h>
#include <exos/proc/environment.h>
#include <exos/proc/fork.h>
#include <exos/proc/table.h>
#include <exos/sched/futex.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/tty/tty.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>
#include <exos/x86_64/entry.h>

static void adopt_children(struct proc *p)
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

static bool has_stopped(int group)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group == group && p->state == PROC_STOPPED)
			return true;
	}
	return false;
}

/* A stopped group that p's end leaves without anybody who could continue it is told, and goes on. */
static void release_orphaned(int group)
{
	if (!proc_group_orphaned(group) || !has_stopped(group))
		return;
	signal_send_group(group, SIGHUP, NULL);
	signal_send_group(group, SIGCONT, NULL);
}

/* Groups in which a child of p's was led by p alone: p's own, and those of its children. p does not count any more. */
static void release_groups(struct proc *p)
{
	release_orphaned(p->group);
	LIST_FOR_EACH(l, &proc_keeper->children)
		release_orphaned(CONTAINER_OF(l, struct proc, sibling)->group);
}

static bool parent_waits(const struct proc *p)
{
	const struct signal_action *action = &p->parent->signals.actions[SIGCHLD];

	return p->exit_signal != SIGCHLD || (action->handler != SIGNAL_IGNORE && !(action->flags & ACTION_NOCLDWAIT));
}

/* All that makes a zombie of p but its memory. */
static void become_zombie(struct proc *p, int status)
{
	bool stopped_children = p->session == p->pid;

	p->exit_status = status;
	p->alarm_at = 0;
	proc_account_stop(p);
	table_release(p);
	p->state = PROC_ZOMBIE;
	adopt_children(p);
	if (stopped_children)
		tty_hangup_session(p->session);
	release_groups(p);
	if (p->pid == first_process)
		start_program_ended(status);
	signal_parent(p, status & 0x7f ? CHILD_KILLED : CHILD_EXITED, status & 0x7f ? status & 0x7f : status >> 8 & 0xff);
	if (!parent_waits(p))
		table_set_parent(p, proc_keeper);
	if (p->parent == proc_keeper)
		wake_proc(proc_keeper);
}

static void clear_tid(const struct proc *p)
{
	int none = 0;

	if (p->clear_child_tid && copy_out((void *)p->clear_child_tid, &none, sizeof(none)) == 0)
		futex_wake(p->clear_child_tid, 1, UINT32_MAX);
}

/* The end of one that has its environment on loan: that goes on as the lender. */
_Noreturn static void end_borrower(struct proc *p)
{
	struct regs regs;

	fork_give_back(p, &regs);
	p->env = 0;
	p->vm = NULL;
	regs.cause = CAUSE_FOREIGN;
	if (signals_due(&self->proc->signals))
		signal_deliver(&regs, true);
	domain_unlock_all();
	if (self->upcall.pending)
		events_take();
	exos_go(&regs);
}

_Noreturn void proc_exit(int status)
{
	struct proc *p = self->proc;

	clear_tid(p);
	if (p->vfork_parent) {
		become_zombie(p, status);
		end_borrower(p);
	}
	vm_clear(p->vm);
	vm_destroy(p->vm);
	p->vm = NULL;
	become_zombie(p, status);
	self->proc = NULL;
	exos_final_sleep();
}

static bool environment_stopped(const struct proc *p)
{
	const struct aegis_env_info *info = &env_table[env_slot(p->env)];

	LIST_FOR_EACH(l, &proc_list) /* a lender's environment is its borrower's to lose */
		if (CONTAINER_OF(l, struct proc, link)->vfork_parent == p)
			return false;
	return p->env && info->id == p->env && info->state == ENV_STOPPED;
}

/* In the keeper: what p would have done itself. */
static void end_stopped(struct proc *p)
{
	log_line("process %d (%s): its environment was stopped by the kernel", p->pid, p->name);
	if (p->vfork_parent) { /* both lived in it; the lender's end follows in the next round */
		p->env = 0;
		p->vm = NULL;
		frame_put(p->vfork_frame);
		p->vfork_parent = NULL;
	} else {
		environment_destroy(p);
		vm_destroy(p->vm);
		p->vm = NULL;
	}
	become_zombie(p, SIGKILL);
}

void proc_reap(void)
{
	LIST_FOR_EACH_SAFE(l, following, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p != proc_keeper && p->state != PROC_ZOMBIE && environment_stopped(p))
			end_stopped(p);
	}
	LIST_FOR_EACH_SAFE(l, following, &proc_keeper->children) {
		struct proc *p = CONTAINER_OF(l, struct proc, sibling);

		if (p->state == PROC_ZOMBIE) {
			environment_destroy(p);
			table_remove(p);
		}
	}
}
