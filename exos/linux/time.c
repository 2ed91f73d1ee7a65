/* Clocks and sleeping: nanoseconds of exos/sched/wait.h in Linux's structures. */
#include <exos/linux/linux.h>
#include <exos/proc/thread.h>
#include <exos/sched/wait.h>

#define NS_PER_SECOND 1000000000ul

enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME, CLOCK_THREAD_CPUTIME, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
#define TIMER_ABSOLUTE 1

struct linux_timeval {
	int64_t seconds, microseconds;
};

int linux_time_in(const struct linux_timespec *program, uint64_t *ns)
{
	struct linux_timespec t;

	if (copy_in(&t, program, sizeof(t)))
		return -EFAULT;
	if (t.seconds < 0 || t.nanoseconds < 0 || t.nanoseconds >= (int64_t)NS_PER_SECOND)
		return -EINVAL;
	/* Further away than the counter reaches is as good as never. */
	*ns = (uint64_t)t.seconds < UINT64_MAX / NS_PER_SECOND - 1 ? (uint64_t)t.seconds * NS_PER_SECOND + (uint64_t)t.nanoseconds : UINT64_MAX;
	return 0;
}

int linux_time_out(struct linux_timespec *program, uint64_t ns)
{
	struct linux_timespec t = { (int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND) };

	return copy_out(program, &t, sizeof(t));
}

/* A clock that is made from a number: how much CPU time a process, or a thread of the caller's, has used. */
enum { CLOCK_WHAT = 7, CLOCK_OF_THREAD = 4 };

static int clock_read_of(int32_t clock, uint64_t *ns)
{
	int number = ~(clock >> 3);
	struct proc *p = self->proc;
	struct thread *t = self->thread;

	if ((clock & CLOCK_WHAT & ~CLOCK_OF_THREAD) == 3) /* not of CPU time */
		return -EINVAL;
	if (clock & CLOCK_OF_THREAD) {
		if (number)
			t = thread_find(number, &p);
		if (p != self->proc)
			return -EINVAL;
	} else {
		t = NULL;
		p = number ? proc_find(number) : p;
	}
	if (!p)
		return -EINVAL;
	*ns = time_of_ticks(thread_ticks(p, t));
	return 0;
}

static int clock_read(uint64_t clock, uint64_t *ns)
{
	if ((int32_t)clock < 0)
		return clock_read_of((int32_t)clock, ns);
	switch ((uint32_t)clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		*ns = time_calendar();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = time_monotonic();
		return 0;
	case CLOCK_PROCESS_CPUTIME:
		*ns = time_of_ticks(proc_ticks(self->proc));
		return 0;
	case CLOCK_THREAD_CPUTIME:
		*ns = time_of_ticks(thread_ticks(self->proc, self->thread));
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t linux_clock_gettime(struct regs *r)
{
	uint64_t ns;
	int error = clock_read(A0(r), &ns);

	return error ? error : linux_time_out(ADDRESS(struct linux_timespec, A1(r)), ns);
}

int64_t linux_clock_getres(struct regs *r)
{
	uint64_t ns;
	int error = clock_read(A0(r), &ns);

	return error || !A1(r) ? error : linux_time_out(ADDRESS(struct linux_timespec, A1(r)), 1);
}

int64_t linux_clock_settime(struct regs *r)
{
	uint64_t ns;
	int error = linux_time_in(ADDRESS(const struct linux_timespec, A1(r)), &ns);

	if (error)
		return error;
	if (A0(r) != CLOCK_REALTIME)
		return -EINVAL;
	if (self->proc->euid)
		return -EPERM;
	time_set_calendar(ns);
	return 0;
}

int64_t linux_gettimeofday(struct regs *r)
{
	uint64_t ns = time_calendar();
	struct linux_timeval t = { (int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000) };
	int32_t zone[2] = { 0, 0 };

	if (A0(r) && copy_out(ADDRESS(void, A0(r)), &t, sizeof(t)))
		return -EFAULT;
	return A1(r) ? copy_out(ADDRESS(void, A1(r)), zone, sizeof(zone)) : 0;
}

int64_t linux_settimeofday(struct regs *r)
{
	struct linux_timeval t;

	if (!A0(r))
		return 0; /* only a time zone, which nobody here keeps */
	if (copy_in(&t, ADDRESS(const void, A0(r)), sizeof(t)))
		return -EFAULT;
	if (t.seconds < 0 || t.microseconds < 0 || t.microseconds >= 1000000)
		return -EINVAL;
	if (self->proc->euid)
		return -EPERM;
	time_set_calendar((uint64_t)t.seconds * NS_PER_SECOND + (uint64_t)t.microseconds * 1000);
	return 0;
}

int64_t linux_time(struct regs *r)
{
	int64_t seconds = (int64_t)(time_calendar() / NS_PER_SECOND);

	if (A0(r) && copy_out(ADDRESS(void, A0(r)), &seconds, sizeof(seconds)))
		return -EFAULT;
	return seconds;
}

/* Until `ns` from now; what is left goes to `left` when a signal ends it. */
static int64_t sleep_for(uint64_t ns, struct linux_timespec *left)
{
	uint64_t deadline = time_deadline(ns), now;
	int error;

	do
		error = wait_sleep(NULL, 0, deadline);
	while (error == -EINTR && !signal_interrupts());
	if (error != -EINTR)
		return 0;
	now = ticks_now();
	if (left && linux_time_out(left, now < deadline ? time_of_ticks(deadline - now) : 0))
		return -EFAULT;
	return -EINTR;
}

int64_t linux_nanosleep(struct regs *r)
{
	uint64_t ns;
	int error = linux_time_in(ADDRESS(const struct linux_timespec, A0(r)), &ns);

	return error ? error : sleep_for(ns, ADDRESS(struct linux_timespec, A1(r)));
}

int64_t linux_clock_nanosleep(struct regs *r)
{
	uint64_t ns, now;
	int error = linux_time_in(ADDRESS(const struct linux_timespec, A2(r)), &ns);

	if (error || (error = clock_read(A0(r), &now)))
		return error;
	if (A0(r) == CLOCK_PROCESS_CPUTIME || A0(r) == CLOCK_THREAD_CPUTIME || (int32_t)A0(r) < 0)
		return -EOPNOTSUPP;
	if (!(A1(r) & TIMER_ABSOLUTE))
		return sleep_for(ns, ADDRESS(struct linux_timespec, A3(r)));
	return ns > now ? sleep_for(ns - now, NULL) : 0;
}
