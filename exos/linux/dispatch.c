/* From the foreign entry to the handler of a Linux system call, and back by way of pending signals. */
#include <exos/events.h>
#include <exos/linux/linux.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/x86_64/entry.h>
#include <exos/x86_64/offsets.h>

#define LAST_NUMBER 463
#define ERRORS 4096 /* results above -ERRORS are errors */

static int64_t (*const calls[LAST_NUMBER + 1])(struct regs *r) = {
#define X(number, name) [number] = linux_##name,
	LINUX_CALLS(X)
#undef X
};

/* Where in struct proc the answer of a call is; 0: it is no such call. For entry.S. */
const uint16_t exos_field_calls[LINUX_FIELD_CALLS] = {
#define X(number, field) [number] = offsetof(struct proc, field),
	LINUX_FIELDS(X)
#undef X
};
_Static_assert(LINUX_FIELD_CALLS == FIELD_CALLS, "entry.S");

static uint64_t reported[LAST_NUMBER / 64 + 1]; /* which missing calls the log has named; domain lock */

static int64_t missing(struct regs *r)
{
	uint64_t number = r->rax;

	if (number > LAST_NUMBER)
		return program_call(r);
	if (!(reported[number / 64] & 1ul << number % 64)) {
		reported[number / 64] |= 1ul << number % 64;
		log_line("%s: Linux system call %lu is not implemented (ENOSYS)", self->proc->name, number);
	}
	return -ENOSYS;
}

/* A call that has failed, or signals, before the program goes on. */
static void on_return(struct regs *r)
{
	bool call = r->cause == CAUSE_FOREIGN;

	if (call && r->rax == (uint64_t)-EFAULT && handler_missed(r))
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
	if (signals_due(&self->proc->signals) || r->rax == (uint64_t)-ERESTART)
		signals_take(r, call);
}

void exos_foreign(struct regs *r)
{
	uint64_t number = (uint32_t)r->rax;

	self->handlers.missed = 0;
	domain_lock_outermost();
	r->rax = (uint64_t)(number <= LAST_NUMBER && calls[number] ? calls[number](r) : missing(r));
	domain_unlock_outermost();
	if (signals_due(&self->proc->signals) || r->rax > (uint64_t)-ERRORS)
		on_return(r);
}
