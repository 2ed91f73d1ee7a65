/* What an environment does when the kernel calls it up: mends page faults, turns exceptions into signals, yields at the end of its slice. */
#include <exos/disk/disk.h>
#include <exos/events.h>
#include <exos/interface/interface.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/proc/restartable.h>
#include <exos/program/handler.h>
#include <exos/sched/threads.h>
#include <exos/self.h>
#include <exos/vm/vm.h>
#include <exos/x86_64/entry.h>
#include <exos/x86_64/offsets.h>

_Static_assert(offsetof(struct self_page, upcall.foreign_rip) == SELF_FOREIGN_RIP && offsetof(struct self_page, upcall.frame.address) == SELF_FRAME_ADDRESS &&
		       offsetof(struct self_page, stubs_scratch) == SELF_SCRATCH && offsetof(struct self_page, xsave) == SELF_XSAVE &&
		       offsetof(struct self_page, library_top) == SELF_TOP && offsetof(struct self_page, stack_top) == SELF_STACK_TOP &&
		       offsetof(struct self_page, handlers.flags) == SELF_HANDLER_FLAGS &&
		       offsetof(struct self_page, handlers.fault) == SELF_HANDLER_FAULT && offsetof(struct self_page, handlers.stack_top) == SELF_HANDLER_STACK &&
		       offsetof(struct self_page, handlers.region) == SELF_REGION && offsetof(struct self_page, handlers.region_length) == SELF_REGION_LENGTH &&
		       offsetof(struct self_page, upcall.pending) == SELF_PENDING && offsetof(struct self_page, serving) == SELF_SERVING &&
		       offsetof(struct self_page, handlers.missed) == SELF_HANDLER_MISSED && offsetof(struct self_page, nested) == SELF_NESTED &&
		       offsetof(struct self_page, env) == SELF_ENV && offsetof(struct self_page, lock_depth) == SELF_LOCK_DEPTH && offsetof(struct self_page, proc) == SELF_PROC &&
		       offsetof(struct regs, r15) == REGS_R15 && offsetof(struct regs, rax) == REGS_RAX && offsetof(struct regs, rdi) == REGS_RDI &&
		       offsetof(struct regs, rip) == REGS_RIP && offsetof(struct regs, ss) == REGS_SS && sizeof(struct regs) == REGS_SIZE,
	"offsets.h");

#define VECTOR_PAGE_FAULT 14
#define FAULT_WRITE 2
#define FAULT_FETCH 16
#define SYSCALL_LENGTH 2
#define IMAGE_SPAN (1ul << 30)

enum { FPE_INTDIV = 1, ILL_ILLOPN = 2, SEGV_MAPERR = 1, SEGV_ACCERR = 2, BUS_ADRALN = 1, BUS_ADRERR = 2, TRAP_TRACE = 2 };

/* Which signal an exception vector is to the program. Those not named are the general protection kind. */
static const struct {
	uint8_t signal, code;
} vector_signals[32] = {
	[0] = { SIGFPE, FPE_INTDIV },
	[1] = { SIGTRAP, TRAP_TRACE },
	[3] = { SIGTRAP, SIGNAL_KERNEL },
	[6] = { SIGILL, ILL_ILLOPN },
	[7] = { SIGFPE, 0 },
	[12] = { SIGBUS, 0 },
	[16] = { SIGFPE, 0 },
	[17] = { SIGBUS, BUS_ADRALN },
	[19] = { SIGFPE, 0 },
};

void events_devices(void)
{
	uint64_t bits = self->events & EVENTS_DEVICES;

	self->events &= ~bits;
	if (bits & EVENT_NET)
		interface_event();
	if (bits & EVENT_DISK)
		disk_event();
}

/* `program`: what was interrupted, if that is the program; else null. may_switch: another thread may run now. */
static void take(const struct regs *program, bool may_switch)
{
	uint64_t bits = __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE), end = self->upcall.slice_end;

	self->events |= bits & ~(uint64_t)EVENT_SLICE_END;
	events_devices();
	/* The library may be on its way back to the program, past the last look at these: they stay pending until the program, or a wait, is interrupted by them. */
	if (!program && bits & (EVENT_SIGNAL | EVENT_RECLAIM))
		__atomic_fetch_or(&self->upcall.pending, bits & (EVENT_SIGNAL | EVENT_RECLAIM), __ATOMIC_RELEASE);
	if (!(bits & EVENT_SLICE_END))
		return;
	if (ticks_now() >= end) { /* else it was the end of a slice that was then taken by force, or the kernel tells of each (told_always) */
		if (program && self->handlers.slice_end)
			handler_slice_end(program);
		if (self->upcall.slice_end == end)
			exos_yield(0);
		/* What has come while others ran; coming back from a yield is no upcall. */
		self->events |= __atomic_fetch_and(&self->upcall.pending, ~EVENTS_DEVICES, __ATOMIC_ACQUIRE) & EVENTS_DEVICES;
		events_devices();
	}
	if (self->thread)
		threads_slice_over(may_switch);
}

void events_take(void)
{
	if (handler_runs())
		handler_interrupted();
	else
		take(NULL, true);
}

void signals_take(struct regs *regs, bool from_call)
{
	domain_lock();
	signal_deliver(regs, from_call);
	domain_unlock();
}

/* Where the library runs, whoever jumped there; and who runs, wherever he jumped to: the library alone has its stack. Both together, as a program may have
 * any stack pointer, and any address to jump to, by accident. An event may come on the library's first instructions, before it has changed to it, so for events the place
 * counts. At the very top of that stack is a child that was forked
 * in a handler, and has returned from it: there is nothing that it could go back to (program/handler.h). */
static bool in_image(const struct regs *regs) { return regs->rip - EXOS_IMAGE_VA < IMAGE_SPAN; }
static bool on_library_stack(const struct regs *regs) { return regs->rsp > self->stack_top - LIBRARY_STACK_SIZE && regs->rsp < self->stack_top; }
static bool from_program(const struct regs *regs)
{
	return !in_image(regs) || (regs->cause != CAUSE_EVENT && !on_library_stack(regs));
}

static void signal_fault(const struct regs *regs, int error)
{
	switch (error) {
	case -EIO:
	case -ENOSPC:
		signal_force(SIGBUS, BUS_ADRERR, regs->address);
		break;
	case -ENOMEM:
		log_line("out of memory: process %d is killed", self->proc->pid);
		signal_force(SIGKILL, 0, 0);
		break;
	default:
		signal_force(SIGSEGV, error == -EACCES ? SEGV_ACCERR : SEGV_MAPERR, regs->address);
	}
}

/* In a region of the program's own: its handler's business. What the library itself misses there it goes without, and the call is made again (linux/dispatch.c). */
static bool region_fault(const struct regs *regs)
{
	if (from_program(regs))
		return handler_fault(regs);
	self->handlers.missed = regs->address;
	self->handlers.missed_error = regs->error;
	return false;
}

static void page_fault(struct regs *regs)
{
	int error = -EFAULT;

	domain_lock();
	if (self->proc && regs->address < PROGRAM_TOP)
		error = (from_program(regs) ? vm_fault : vm_fault_at_once)(self->proc->vm, regs->address, regs->error & FAULT_WRITE, regs->error & FAULT_FETCH);
	if (error == -EAGAIN) {
		self->handlers.missed = regs->address;
		self->handlers.missed_error = regs->error;
	}
	if (error) {
		if (from_program(regs) && handler_runs())
			handler_failed(regs);
		else if (from_program(regs))
			signal_fault(regs, error);
		else if (self->fault_resume)
			regs->rip = self->fault_resume;
		else
			panic("page fault in the library at %lx, address %lx, error %d", regs->rip, regs->address, error);
	}
	domain_unlock();
}

static void exception(struct regs *regs)
{
	uint32_t vector = (uint32_t)regs->cause;

	if (!from_program(regs) || !self->proc)
		panic("exception %u (error %lx) in the library at %lx", vector, regs->error, regs->rip);
	domain_lock();
	if (handler_runs())
		handler_failed(regs);
	if (vector < ARRAY_LENGTH(vector_signals) && vector_signals[vector].signal)
		signal_force(vector_signals[vector].signal, vector_signals[vector].code, regs->rip);
	else
		signal_force(SIGSEGV, SIGNAL_KERNEL, 0);
	domain_unlock();
}

/* What the program finds when it goes on after an upcall. */
static void interrupted_take(struct regs *regs)
{
	if (self->events & EVENT_RECLAIM)
		handler_reclaim(regs);
	if (!signal_deliverable(self->proc) && !(regs->cause == CAUSE_EVENT && self->proc->restartable_area))
		return;
	domain_lock();
	restartable_interrupted(regs);
	if (signal_deliverable(self->proc)) /* one may have come while the lock was waited for */
		signal_deliver(regs, false);
	domain_unlock();
}

static bool within(const struct regs *regs, const char *from, const char *to)
{
	return regs->rip >= (uint64_t)from && regs->rip < (uint64_t)to;
}

/* Interrupted on the last instructions before the program goes on, after the last look at its signals: then it is the program that was
 * interrupted, and `regs` become its registers. */
static void finish_return(struct regs *regs)
{
	const uint64_t top = self->library_top - sizeof(*regs);
	const struct regs *program = (const struct regs *)top;

	if (within(regs, exos_foreign_field, exos_foreign_field_end)) {
		uint64_t answered = (uint64_t)(exos_foreign_field_answered - exos_field_pid);
		bool is = regs->rip >= (uint64_t)exos_field_pid && (regs->rip - (uint64_t)exos_field_pid) % FIELD_SIZE == answered;

		regs->rip = self->upcall.foreign_rip - (is ? 0 : SYSCALL_LENGTH);
	} else if (within(regs, exos_foreign_left, exos_foreign_leave_end)) {
		regs->rip = regs->rcx;
	} else if (within(regs, exos_foreign_leave, exos_foreign_left)) {
		regs->rdi = program->rdi;
		regs->rsi = program->rsi;
		regs->rdx = program->rdx;
		regs->r10 = program->r10;
		regs->r8 = program->r8;
		regs->r9 = program->r9;
		regs->rip = program->rip;
		regs->rflags = program->rflags;
		regs->rsp = program->rsp;
	} else if ((within(regs, exos_resume_regs, exos_resume_regs_end) || within(regs, exos_region_return, exos_region_return_end)) && regs->rsp >= top) {
		/* What has been popped is in its register; the rest still is where it was. */
		uint64_t popped = regs->rsp - top;

		memcpy((char *)regs + popped, (const char *)top + popped, sizeof(*regs) - popped);
		regs->cause = CAUSE_EVENT; /* that, and not what it was coming back from */
	}
}

static void upcall(struct regs *regs)
{
	if (regs->cause == VECTOR_PAGE_FAULT)
		page_fault(regs);
	else if (regs->cause != CAUSE_EVENT)
		exception(regs);
	if (self->lock_depth)
		return; /* whoever holds the lock takes the events when releasing it */
	if (handler_runs()) {
		handler_interrupted();
		return;
	}
	if (self->upcall.pending)
		take(from_program(regs) ? regs : NULL, from_program(regs));
	if (self->proc && from_program(regs))
		interrupted_take(regs);
}

void exos_upcall(struct regs *regs)
{
	if (regs->cause == CAUSE_EVENT && !from_program(regs))
		finish_return(regs);
	if (regs->cause == VECTOR_PAGE_FAULT && handler_region(regs->address) && region_fault(regs))
		regs->cause = CAUSE_EVENT; /* nothing is left of it */
	upcall(regs);
}

/* From entry.S: a fault in a region that its handler did not mend, or with the cause of an event, one that it did. */
void exos_region_declined(struct regs *regs) { upcall(regs); }
