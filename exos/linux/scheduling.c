/* What a program asks of who runs where and when: CPUs, policies, barriers between threads. Called from the table of calls.
 *
 * Everybody has the ordinary policy; a process that wants another decides by itself which of its threads runs (docs/threads.md). */
#include <exos/linux/linux.h>
#include <exos/sched/threads.h>

int64_t linux_getcpu(struct regs *r)
{
	uint32_t cpu = self->upcall.cpu, node = 0;

	if (A0(r) && copy_out(ADDRESS(void, A0(r)), &cpu, sizeof(cpu)))
		return -EFAULT;
	return A1(r) ? copy_out(ADDRESS(void, A1(r)), &node, sizeof(node)) : 0;
}

int64_t linux_sched_yield(struct regs *r)
{
	(void)r;
	if (!self->thread || !threads_yield())
		sched_yield_slice();
	return 0;
}

/* Threads run where their process does. */
static struct proc *process_named(int tid)
{
	struct proc *p = tid < 0 ? NULL : self->proc;

	if (tid > 0)
		thread_find(tid, &p);
	return p;
}

int64_t linux_sched_getaffinity(struct regs *r)
{
	struct proc *p = process_named((int)A0(r));
	uint64_t mask;

	if (A1(r) < sizeof(mask))
		return -EINVAL;
	if (!p)
		return -ESRCH;
	mask = p->slices.mask ? p->slices.mask & cpus_all() : cpus_all();
	return copy_out(ADDRESS(void, A2(r)), &mask, sizeof(mask)) ? -EFAULT : (int64_t)sizeof(mask);
}

int64_t linux_sched_setaffinity(struct regs *r)
{
	struct proc *p = process_named((int)A0(r));
	uint64_t mask = 0;

	if (!p)
		return -ESRCH;
	if (copy_in(&mask, ADDRESS(const void, A2(r)), MIN(A1(r), sizeof(mask))))
		return -EFAULT;
	if (!(mask & cpus_all()))
		return -EINVAL;
	p->slices.mask = mask;
	if (p->slices.held)
		cpus_give(p);
	return 0;
}

enum { POLICY_OTHER, POLICY_FIFO, POLICY_RR, POLICY_BATCH, POLICY_IDLE = 5, POLICY_RESET_ON_FORK = 0x40000000 };
#define REAL_TIME_LOWEST  1
#define REAL_TIME_HIGHEST 99

static int check_process(uint64_t tid)
{
	if ((int)tid < 0)
		return -EINVAL;
	return process_named((int)tid) ? 0 : -ESRCH;
}

int64_t linux_sched_getscheduler(struct regs *r)
{
	int error = check_process(A0(r));

	return error ? error : POLICY_OTHER;
}

int64_t linux_sched_getparam(struct regs *r)
{
	int priority = 0, error = check_process(A0(r));

	if (!A1(r))
		return -EINVAL;
	return error ? error : copy_out(ADDRESS(void, A1(r)), &priority, sizeof(priority));
}

/* The real-time policies are refused as to somebody without the right to them. */
static int check_policy(uint32_t policy, int priority)
{
	switch (policy & ~(uint32_t)POLICY_RESET_ON_FORK) {
	case POLICY_OTHER:
		return priority ? -EINVAL : 0;
	case POLICY_FIFO:
	case POLICY_RR:
		return priority < REAL_TIME_LOWEST || priority > REAL_TIME_HIGHEST ? -EINVAL : -EPERM;
	default:
		return -EINVAL;
	}
}

static int64_t set_policy(uint64_t tid, uint32_t policy, uint64_t program)
{
	int priority, error;

	if (!program)
		return -EINVAL;
	if (copy_in(&priority, ADDRESS(const void, program), sizeof(priority)))
		return -EFAULT;
	error = check_process(tid);
	return error ? error : check_policy(policy, priority);
}

int64_t linux_sched_setparam(struct regs *r) { return set_policy(A0(r), POLICY_OTHER, A1(r)); }
int64_t linux_sched_setscheduler(struct regs *r) { return set_policy(A0(r), (uint32_t)A1(r), A2(r)); }

static int64_t priority_of(uint32_t policy, int real_time)
{
	switch (policy) {
	case POLICY_FIFO:
	case POLICY_RR:
		return real_time;
	case POLICY_OTHER:
	case POLICY_BATCH:
	case POLICY_IDLE:
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t linux_sched_get_priority_max(struct regs *r) { return priority_of((uint32_t)A0(r), REAL_TIME_HIGHEST); }
int64_t linux_sched_get_priority_min(struct regs *r) { return priority_of((uint32_t)A0(r), REAL_TIME_LOWEST); }

/* Barriers among the threads of one process. They share its CPU, and that one sees its own accesses in order: the call itself is the barrier. Those among
 * all processes are not offered, as they would have to reach the other CPUs. */
int64_t linux_membarrier(struct regs *r)
{
	enum { BARRIER_QUERY = 0, BARRIER_PRIVATE = 8, BARRIER_REGISTER_PRIVATE = 16 };
	struct proc *p = self->proc;

	if (A1(r))
		return -EINVAL;
	switch ((int)A0(r)) {
	case BARRIER_QUERY:
		return BARRIER_PRIVATE | BARRIER_REGISTER_PRIVATE;
	case BARRIER_REGISTER_PRIVATE:
		p->barriers = true;
		return 0;
	case BARRIER_PRIVATE:
		return p->barriers ? 0 : -EPERM;
	default:
		return -EINVAL;
	}
}
