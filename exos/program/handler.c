/* Handlers of the program: calling them at the right moment, on the right stack. */
#include <aegis/x86_64/stubs.h>
#include <exos/events.h>
#include <exos/lock.h>
#include <exos/proc/exit.h>
#include <exos/heap.h>
#include <exos/program/handler.h>
#include <exos/sched/wait.h>
#include <exos/program/x86_64/handler.h>
#include <exos/sched/threads.h>
#include <exos/x86_64/entry.h>
#include <exos/x86_64/offsets.h>

#define RED_ZONE 128 /* what a function may keep below its stack pointer */
#define STACK_ALIGN 64

/* On the handlers' stack, or below what is interrupted there. */
static uint64_t stack_below(const struct regs *regs)
{
	return handler_runs() ? ROUND_DOWN(regs->rsp - RED_ZONE, STACK_ALIGN) : self->handlers.stack_top;
}

/* An overflow of the library's stack would end the process where it happens, perhaps with the domain's lock held and something half changed. */
static uint64_t call(const struct regs *regs, uint64_t handler, uint64_t a, uint64_t b)
{
	if ((uintptr_t)regs - (self->stack_top - LIBRARY_STACK_SIZE) < HANDLER_STACK_LEFT) {
		domain_lock();
		handler_failed(regs);
	}
	return exos_handler_call(handler, a, b, stack_below(regs));
}

bool handler_fault(const struct regs *regs)
{
	uint64_t handler = self->handlers.fault;

	return handler && call(regs, handler, regs->address, regs->error) & 0xff;
}

bool handler_missed(const struct regs *regs)
{
	uint64_t address = self->handlers.missed;

	self->handlers.missed = 0;
	return address && self->handlers.fault && call(regs, self->handlers.fault, address, self->handlers.missed_error) & 0xff;
}

void handler_slice_end(const struct regs *regs)
{
	call(regs, self->handlers.slice_end, 0, 0);
}

void handler_reclaim(const struct regs *regs)
{
	struct proc *p = self->proc;
	uint64_t frames, deadline;

	domain_lock();
	self->events &= ~EVENT_RECLAIM;
	frames = p->reclaim_frames;
	deadline = p->reclaim_deadline;
	p->reclaim_frames = 0;
	domain_unlock();
	if (frames && self->handlers.revoke)
		call(regs, self->handlers.revoke, frames, deadline);
}

/* The list is the library's, in memory that the program can read: its numbers, those who have waited longest first. */
int handler_next_thread(const struct threads *ts)
{
	uint64_t n = 0, room = HEAP_MAX / sizeof(int);
	int *list = heap_alloc(HEAP_MAX), tid;
	uint32_t depth;

	if (!list)
		return 0;
	LIST_FOR_EACH(l, &ts->ready)
		if (n < room)
			list[n++] = CONTAINER_OF(l, struct thread, ready)->tid;
	depth = domain_unlock_all();
	tid = (int)exos_handler_call(self->handlers.next_thread, (uintptr_t)list, n, self->handlers.stack_top);
	domain_relock(depth);
	heap_free(list);
	return tid;
}

void handler_interrupted(void)
{
	if (self->upcall.pending & EVENT_SLICE_END) {
		__atomic_fetch_and(&self->upcall.pending, ~(uint64_t)EVENT_SLICE_END, __ATOMIC_ACQUIRE);
		if (ticks_now() >= self->upcall.slice_end)
			exos_yield(0);
	}
	if (self->proc && self->proc->signals.pending & signal_bit(SIGKILL)) {
		domain_lock();
		proc_exit(SIGKILL);
	}
}

void handler_holds_back(void)
{
	if (signal_deliverable(self->proc) || self->events & EVENT_RECLAIM)
		__atomic_fetch_or(&self->upcall.pending, EVENT_SIGNAL, __ATOMIC_RELEASE);
}

void handler_failed(const struct regs *regs)
{
	log_line("%s: a handler's own access to %lx failed: process %d is killed", self->proc->name, regs->address, self->proc->pid);
	proc_exit(SIGSEGV);
}

void handlers_forget(void)
{
	self->handlers = (struct handlers){0};
	self->library_top = self->stack_top;
	self->proc->reclaims = false;
	if (self->thread)
		self->proc->threads->policy = &threads_round_robin;
}

uint32_t handlers_demand(uint64_t frames, uint64_t deadline)
{
	uint32_t asked = 0;

	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (!p->reclaims || p->state == PROC_ZOMBIE)
			continue;
		p->reclaim_frames = frames;
		p->reclaim_deadline = deadline;
		aegis_notify(p->env, EVENT_RECLAIM);
		asked++;
	}
	return asked;
}
