/* futex, in terms of exos/sched/futex.h. Called from the table of calls. */
#include <exos/linux/linux.h>
#include <exos/sched/futex.h>

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10, FUTEX_PRIVATE = 128,
	FUTEX_CALENDAR = 256 };

static int futex_deadline(struct regs *r, bool absolute, uint64_t *deadline)
{
	uint64_t ns, now;
	int error;

	*deadline = 0;
	if (!A3(r))
		return 0;
	error = linux_time_in(ADDRESS(const struct linux_timespec, A3(r)), &ns);
	if (error)
		return error;
	if (absolute) {
		now = A1(r) & FUTEX_CALENDAR ? time_calendar() : time_monotonic();
		ns = ns > now ? ns - now : 0;
	}
	*deadline = time_deadline(ns);
	return 0;
}

static int64_t wait(struct regs *r, bool private, bool absolute, uint32_t mask)
{
	uint64_t deadline;
	int error = futex_deadline(r, absolute, &deadline);

	if (error)
		return error;
	do
		error = futex_wait(A0(r), private, (uint32_t)A2(r), mask, deadline);
	while (error == -EINTR && !signal_interrupts());
	return error == -EINTR && !A3(r) ? -ERESTART : error;
}

static int64_t requeue(struct regs *r, bool private, bool compare)
{
	uint32_t value;

	if ((int32_t)A2(r) < 0 || (int32_t)A3(r) < 0)
		return -EINVAL;
	if (compare && copy_in(&value, ADDRESS(const void, A0(r)), sizeof(value)))
		return -EFAULT;
	if (compare && value != (uint32_t)A5(r))
		return -EAGAIN;
	return futex_requeue(A0(r), A4(r), private, (uint32_t)A2(r), (uint32_t)A3(r));
}

int64_t linux_futex(struct regs *r)
{
	uint32_t operation = A1(r) & 127, mask = UINT32_MAX;
	bool private = A1(r) & FUTEX_PRIVATE;

	if (operation == FUTEX_WAIT_BITSET || operation == FUTEX_WAKE_BITSET)
		mask = (uint32_t)A5(r);
	if (!mask || A0(r) & 3)
		return -EINVAL;
	switch (operation) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return wait(r, private, operation == FUTEX_WAIT_BITSET, mask);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return futex_wake(A0(r), private, (uint32_t)A2(r), mask);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return requeue(r, private, operation == FUTEX_CMP_REQUEUE);
	case FUTEX_WAKE_OP:
		if (A4(r) & 3)
			return -EINVAL;
		return futex_wake_op(A0(r), A4(r), private, (uint32_t)A2(r), (uint32_t)A3(r), (uint32_t)A5(r));
	default:
		return -ENOSYS;
	}
}
