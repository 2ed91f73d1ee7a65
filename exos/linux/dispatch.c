/* From the foreign entry to the handler of a Linux system call, and back by way of pending signals. */
#include <exos/events.h>
#include <exos/linux/linux.h>
#include <exos/x86_64/entry.h>

#define LAST_NUMBER 463

enum { FREE, LOCKED };
static const struct {
	int64_t (*handler)(struct regs *r);
	const char *name;
	uint8_t locking;
} calls[LAST_NUMBER + 1] = {
#define X(number, label, lock) [number] = { linux_##label, #label, lock },
	LINUX_CALLS(X)
#undef X
};
static uint64_t reported[LAST_NUMBER / 64 + 1]; /* which missing calls the log has named; domain lock */

static int64_t missing(const struct regs *r)
{
	uint64_t number = r->rax;

	if (number > LAST_NUMBER)
		return -ENOSYS;
	domain_lock();
	if (!(reported[number / 64] & 1ul << number % 64)) {
		reported[number / 64] |= 1ul << number % 64;
		log_line("%s: Linux system call %lu is not implemented (ENOSYS)", self->proc->name, number);
	}
	domain_unlock();
	return -ENOSYS;
}

void exos_foreign(struct regs *r)
{
	uint64_t number = (uint32_t)r->rax;

	if (number > LAST_NUMBER || !calls[number].handler) {
		r->rax = (uint64_t)missing(r);
	} else if (calls[number].locking == FREE) {
		r->rax = (uint64_t)calls[number].handler(r);
	} else {
		domain_lock();
		r->rax = (uint64_t)calls[number].handler(r);
		domain_unlock();
	}
	if (signals_due(&self->proc->signals) || r->rax == (uint64_t)-ERESTART)
		signals_take(r, r->cause == CAUSE_FOREIGN);
}
