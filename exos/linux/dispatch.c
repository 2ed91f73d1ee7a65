/* From the foreign entry to the handler of a Linux system call, and back by way of pending signals. */
#include <exos/events.h>
#include <exos/linux/linux.h>
#include <exos/proc/thread.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/x86_64/entry.h>
#include <exos/x86_64/offsets.h>

static int64_t missing(struct regs *r);

static int64_t wants_regs(struct regs *r)
{
	(void)r;
	return -ERROR_WANTS_REGS;
}

/* By number; last all that are beyond. Those that the second table names are called with all registers, later. For entry.S. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
int64_t (*const exos_calls[LAST_NUMBER + 2])(struct regs *r) = {
	[0 ... LAST_NUMBER + 1] = missing,
#define X(number, name) [number] = linux_##name,
	LINUX_CALLS(X)
#undef X
#define X(number, name) [number] = wants_regs,
	LINUX_REGS_CALLS(X)
#undef X
};
#pragma GCC diagnostic pop

/* By number: where entry.S answers those that it answers itself, or calls the others. */
#define X(number, field) extern char exos_field_##field[];
LINUX_FIELDS(X)
#undef X
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const char *const exos_field_calls[LINUX_FIELD_CALLS] = {
	[0 ... LINUX_FIELD_CALLS - 1] = exos_foreign_call,
#define X(number, field) [number] = exos_field_##field,
	LINUX_FIELDS(X)
#undef X
};
#pragma GCC diagnostic pop
_Static_assert(LINUX_FIELD_CALLS == FIELD_CALLS && ERROR_FAULT == EFAULT && ERROR_RESTART == ERESTART && offsetof(struct proc, signals.pending) == PROC_SIGNALS &&
		       offsetof(struct proc, signals.mask) == PROC_SIGNALS_MASK && offsetof(struct proc, signals.due) == PROC_SIGNALS_DUE && offsetof(struct proc, pid) == PROC_PID &&
		       offsetof(struct proc, group) == PROC_GROUP && offsetof(struct proc, parent_pid) == PROC_PARENT_PID && offsetof(struct proc, uid) == PROC_UID &&
		       offsetof(struct proc, euid) == PROC_EUID && offsetof(struct proc, gid) == PROC_GID && offsetof(struct proc, egid) == PROC_EGID && offsetof(struct proc, tid) == PROC_TID,
	"entry.S");

static uint64_t reported[LAST_NUMBER / 64 + 1]; /* which missing calls the log has named; domain lock */

static int64_t missing(struct regs *r)
{
	uint64_t number = (uint32_t)r->rax;

	if (number > LAST_NUMBER)
		return program_call(r);
	if (!(reported[number / 64] & 1ul << number % 64)) {
		reported[number / 64] |= 1ul << number % 64;
		log_line("%s: Linux system call %lu is not implemented (ENOSYS)", self->proc->name, number);
	}
	return -ENOSYS;
}

static int64_t call_with_regs(struct regs *r)
{
	switch ((uint32_t)r->error) {
#define X(number, name) 	case number: 		return linux_##name(r);
		LINUX_REGS_CALLS(X)
#undef X
	}
	panic("system call %lu", r->error);
}

static int64_t call_locked(int64_t (*call)(struct regs *), struct regs *r)
{
	int64_t result;

	domain_lock_outermost();
	result = call(r);
	domain_unlock_outermost();
	return result;
}

static void files_gone(void)
{
	domain_lock();
	thread_call_ends();
	domain_unlock();
}

static bool page_waited(void)
{
	bool mended;

	domain_lock();
	mended = copy_wait();
	domain_unlock();
	return mended;
}

/* A call that has failed, or signals, before the program goes on. */
static void on_return(struct regs *r)
{
	bool call = r->cause == CAUSE_FOREIGN;

	if (call && r->rax == (uint64_t)-EFAULT && (page_waited() || handler_missed(r)))
		processor_restart_call(r); /* by the program, as one that never tires of this must be open to signals */
	if (handler_runs()) {
		if (call && r->rax == (uint64_t)-ERESTART)
			r->rax = (uint64_t)-EINTR;
		handler_holds_back();
		handler_interrupted();
		return;
	}
	if (self->events & EVENT_RECLAIM)
		handler_reclaim(r);
	if (self->proc->signals.files_gone)
		files_gone();
	if (signals_due(&self->proc->signals) || r->rax == (uint64_t)-ERESTART)
		signals_take(r, call);
}

void exos_foreign_due(struct regs *r)
{
	if (r->rax == (uint64_t)-ERROR_WANTS_REGS)
		r->rax = (uint64_t)call_locked(call_with_regs, r);
	if (signals_due(&self->proc->signals) || r->rax > (uint64_t)-ERRORS)
		on_return(r);
}

void exos_foreign_go(struct regs *r)
{
	domain_unlock_outermost();
	if (signals_due(&self->proc->signals) || r->rax > (uint64_t)-ERRORS)
		on_return(r);
	exos_go(r);
}
