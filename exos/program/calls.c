/* What a program that specialises asks for: the calls, their checks, and those that need no more than that. Domain lock held. */
#include <exos/disk/disk.h>
#include <exos/linux/linux.h>
#include <exos/program/calls.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/sched/threads.h>
#include <exos/start.h>
#include <exos/vm/vm.h>

static int64_t (*const calls[])(struct regs *r) = {
#define X(number, name, arguments, text) [number] = program_##name,
	EXOS_CALLS(X)
#undef X
};

int64_t program_call(struct regs *r)
{
	uint64_t number = (uint32_t)r->rax - EXOS_CALL_FIRST;

	return number < ARRAY_LENGTH(calls) ? calls[number](r) : -ENOSYS;
}

int64_t program_here(struct regs *r)
{
	(void)r;
	return 0;
}

int64_t program_environment(struct regs *r)
{
	struct proc *p = (int)A0(r) ? proc_find((int)A0(r)) : self->proc;

	return p && p->env && p->state != PROC_ZOMBIE ? (int64_t)p->env : -ESRCH;
}

int64_t program_info(struct regs *r)
{
	const volatile void *const tables[] = {
		[EXOS_INFO_MACHINE] = machine_info,
		[EXOS_INFO_FRAMES] = frame_table,
		[EXOS_INFO_ENVIRONMENTS] = env_table,
		[EXOS_INFO_CLAIMS] = claim_table,
		[EXOS_INFO_BLOCKS] = NULL,
	};

	if (A0(r) == EXOS_INFO_BLOCKS)
		return (int64_t)(uintptr_t)block_table();
	return A0(r) < ARRAY_LENGTH(tables) ? (int64_t)(uintptr_t)tables[A0(r)] : -EINVAL;
}

int64_t program_slices(struct regs *r)
{
	struct proc *p = (int)A0(r) ? proc_find((int)A0(r)) : self->proc;
	uint64_t cpus = A1(r);

	if (!p || p->state == PROC_ZOMBIE || p == proc_keeper || p->service)
		return -ESRCH;
	if (p != self->proc && p->parent != self->proc && self->proc->euid)
		return -EPERM;
	if (cpus && !(cpus & cpus_all()))
		return -EINVAL;
	p->slices.lent = !cpus;
	if (cpus)
		p->slices.mask = cpus;
	if (p->vfork_parent) /* it gets them with an environment of its own */
		return 0;
	return cpus_give(p) ? 0 : -EAGAIN;
}

void program_slices_release(struct proc *p)
{
	LIST_FOR_EACH(l, &p->children) {
		struct proc *child = CONTAINER_OF(l, struct proc, sibling);

		if (child->slices.lent && child->state != PROC_ZOMBIE) {
			child->slices.lent = false;
			cpus_give(child);
		}
	}
}

int64_t program_handlers(struct regs *r)
{
	struct exos_handlers h;
	struct handlers *to = &self->handlers;

	if (copy_in(&h, ADDRESS(const void, A0(r)), sizeof(h)))
		return -EFAULT;
	if (handler_runs() || h.flags & ~(EXOS_HANDLERS_GENERAL | EXOS_HANDLERS_BEARS) || (uint64_t)h.stack >= PROGRAM_TOP || h.stack_size > PROGRAM_TOP - (uint64_t)h.stack)
		return -EINVAL;
	to->fault = (uint64_t)h.fault;
	to->revoke = (uint64_t)h.revoke;
	to->slice_end = (uint64_t)h.slice_end;
	to->next_thread = (uint64_t)h.next_thread;
	if (self->thread)
		self->proc->threads->policy = h.next_thread ? &threads_program : &threads_round_robin;
	to->stack_top = ROUND_DOWN((uint64_t)h.stack + h.stack_size, 64ul);
	to->flags = h.flags;
	self->proc->reclaims = h.revoke;
	self->proc->bears_losses = h.flags & EXOS_HANDLERS_BEARS;
	return 0;
}
