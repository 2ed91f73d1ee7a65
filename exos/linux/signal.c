/* Signals and the timers that send them: Linux's structures, in terms of exos/proc/signal.h. Called from the table of calls. */
#include <exos/linux/linux.h>
#include <exos/linux/timeval.h>
#include <exos/proc/thread.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/sched/wait.h>

#define NS_PER_SECOND 1000000000ul
#define UNBLOCKABLE   (signal_bit(SIGKILL) | signal_bit(SIGSTOP))
/* What programs may ask of an action; other flags read back as 0, by which they learn that they are not known. */
#define ACTION_FLAGS                                                                                                   \
	((uint64_t)ACTION_NOCLDSTOP | ACTION_NOCLDWAIT | ACTION_SIGINFO | ACTION_RESTORER | ACTION_ONSTACK |           \
		ACTION_RESTART | ACTION_NODEFER | ACTION_RESETHAND)

struct linux_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static int set_in(uint64_t program, uint64_t size, signal_set *set)
{
	if (size != sizeof(*set))
		return -EINVAL;
	return copy_in(set, ADDRESS(const void, program), sizeof(*set));
}

int64_t linux_rt_sigaction(struct regs *r)
{
	uint64_t number = (uint32_t)A0(r);
	struct linux_sigaction new, old;
	const struct signal_action *current;
	int error;

	if (A3(r) != sizeof(signal_set) || number < 1 || number >= SIGNAL_COUNT)
		return -EINVAL;
	current = &self->proc->signals.actions[number];
	old = (struct linux_sigaction){current->handler, current->flags, current->restorer, current->mask};
	if (A1(r)) {
		if (copy_in(&new, ADDRESS(const void, A1(r)), sizeof(new)))
			return -EFAULT;
		error = signal_set_action(self->proc, (int)number,
			&(struct signal_action){new.handler, new.flags & ACTION_FLAGS, new.restorer, new.mask});
		if (error)
			return error;
	}
	return A2(r) ? copy_out(ADDRESS(void, A2(r)), &old, sizeof(old)) : 0;
}

int64_t linux_rt_sigprocmask(struct regs *r)
{
	enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
	signal_set old = self->proc->signals.mask, set;

	if (A3(r) != sizeof(set))
		return -EINVAL;
	if (A1(r)) {
		if (copy_in(&set, ADDRESS(const void, A1(r)), sizeof(set)))
			return -EFAULT;
		switch ((int)A0(r)) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(self->proc, set);
	}
	return A2(r) ? copy_out(ADDRESS(void, A2(r)), &old, sizeof(old)) : 0;
}

/* The result is whatever was in the register when the handler was entered. */
int64_t linux_rt_sigreturn(struct regs *r)
{
	signal_return(r);
	exos_foreign_go(r);
}

int64_t linux_rt_sigpending(struct regs *r)
{
	const struct signals *s = &self->proc->signals;
	signal_set set = s->pending & s->mask;

	if (A1(r) > sizeof(set))
		return -EINVAL;
	return copy_out(ADDRESS(void, A0(r)), &set, A1(r));
}

/* Until one of `set` is pending; it is taken. `deadline` in ticks, 0: never. The number, -EAGAIN or -EINTR. */
static int wait_for_signal(signal_set set, uint64_t deadline, struct signal_info *info)
{
	struct proc *p = self->proc;
	int number, error = 0;

	p->signals.waited = set;
	while (!(number = signal_take(p, set, info)) && error != -ETIMEDOUT) {
		error = wait_sleep(NULL, 0, deadline);
		if (error == -EINTR && signal_interrupts() && !(p->signals.pending & set))
			break;
	}
	p->signals.waited = 0;
	if (p->threads)
		thread_retarget(p);
	if (number)
		return number;
	return error == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

int64_t linux_rt_sigtimedwait(struct regs *r)
{
	uint8_t packed[SIGNAL_INFO_SIZE];
	struct signal_info info;
	uint64_t ns, deadline = 0;
	signal_set set;
	int number, error = set_in(A0(r), A3(r), &set);

	if (!error && A2(r)) {
		error = linux_time_in(ADDRESS(const struct linux_timespec, A2(r)), &ns);
		if (!error)
			deadline = time_deadline(ns);
	}
	if (error)
		return error;
	number = wait_for_signal(set & ~UNBLOCKABLE, deadline, &info);
	if (number > 0 && A1(r)) {
		signal_info_pack(packed, &info);
		error = copy_out(ADDRESS(void, A1(r)), packed, sizeof(packed));
	}
	return error ? error : number;
}

static int64_t wait_for_handler(void)
{
	while (wait_sleep(NULL, 0, 0) != -EINTR || !signal_interrupts())
		;
	return -EINTR;
}

int64_t linux_rt_sigsuspend(struct regs *r)
{
	signal_set mask;
	int error = set_in(A0(r), A1(r), &mask);

	if (error)
		return error;
	signal_set_mask_until_handled(self->proc, mask);
	return wait_for_handler();
}

int64_t linux_pause(struct regs *r)
{
	(void)r;
	return wait_for_handler();
}

struct linux_stack {
	uint64_t base;
	uint32_t flags, padding;
	uint64_t size;
};

int64_t linux_sigaltstack(struct regs *r)
{
	const struct signals *s = &self->proc->signals;
	struct linux_stack new, old = {.base = s->stack_base, .size = s->stack_size};
	bool on_it = s->stack_size && r->rsp - s->stack_base - 1 < s->stack_size && !(s->stack_flags & STACK_AUTODISARM);
	int error;

	old.flags = s->stack_size ? s->stack_flags | (on_it ? STACK_ON : 0) : STACK_DISABLED;
	if (A0(r)) {
		if (copy_in(&new, ADDRESS(const void, A0(r)), sizeof(new)))
			return -EFAULT;
		if (on_it)
			return -EPERM;
		if ((new.flags & (STACK_ON | STACK_DISABLED)) == (STACK_ON | STACK_DISABLED))
			return -EINVAL;
		error = signal_set_stack(self->proc, new.base, new.size, new.flags);
		if (error)
			return error;
	}
	return A1(r) ? copy_out(ADDRESS(void, A1(r)), &old, sizeof(old)) : 0;
}

static struct signal_info info_of(int number, int code)
{
	return (struct signal_info){.number = number, .code = code, .pid = self->proc->pid, .uid = self->proc->uid};
}

static bool is_number(uint64_t number) { return (uint32_t)number < SIGNAL_COUNT; }

/* Number 0 only asks whether it could be done. */
static int send_thread(struct proc *p, struct thread *t, int number, int code)
{
	struct signal_info info = info_of(number, code);

	if (!p)
		return -ESRCH;
	if (!signal_permitted(p, number))
		return -EPERM;
	if (number)
		signal_send_thread(p, t, number, &info);
	return 0;
}

static int send(struct proc *p, int number, int code) { return send_thread(p, NULL, number, code); }

/* To a group, or (0) to all but the sender and the keeper. It succeeds if it does for one. */
static int send_many(int group, int number)
{
	int result = -ESRCH;

	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p == proc_keeper || (group ? p->group != group : p == self->proc))
			continue;
		if (send(p, number, SIGNAL_USER) == 0)
			result = 0;
		else if (result)
			result = -EPERM;
	}
	return result;
}

int64_t linux_kill(struct regs *r)
{
	int pid = (int)A0(r), number = (int)A1(r);

	if (!is_number(A1(r)))
		return -EINVAL;
	if (pid > 0)
		return send(proc_find(pid), number, SIGNAL_USER);
	if (pid == INT32_MIN)
		return -ESRCH;
	return send_many(pid == 0 ? self->proc->group : pid == -1 ? 0 : -pid, number);
}

int64_t linux_tkill(struct regs *r)
{
	struct thread *t;
	struct proc *p;

	if ((int)A0(r) <= 0 || !is_number(A1(r)))
		return -EINVAL;
	t = thread_find((int)A0(r), &p);
	return send_thread(p, t, (int)A1(r), SIGNAL_TKILL);
}

int64_t linux_tgkill(struct regs *r)
{
	struct thread *t;
	struct proc *p;

	if ((int)A0(r) <= 0 || (int)A1(r) <= 0 || !is_number(A2(r)))
		return -EINVAL;
	t = thread_find((int)A1(r), &p);
	return p && p->pid == (int)A0(r) ? send_thread(p, t, (int)A2(r), SIGNAL_TKILL) : -ESRCH;
}

struct linux_itimerval {
	struct linux_timeval interval, left;
};
enum { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };

/* Time there is for each process; what it used in program and library is not told apart, nor watched. */
static int check_timer(uint64_t which)
{
	if ((uint32_t)which == ITIMER_REAL)
		return 0;
	return (uint32_t)which <= ITIMER_PROF ? -ENOSYS : -EINVAL;
}

/* ns until the alarm, 0: none is set. One that is due already is about to come, which is not the same as none. */
static uint64_t alarm_left(void)
{
	uint64_t at = self->proc->alarm_at, now = ticks_now();

	if (!at)
		return 0;
	return at > now ? MAX(time_of_ticks(at - now), 1000ul) : 1000ul;
}

static struct linux_itimerval timer_now(void)
{
	return (struct linux_itimerval){
		linux_timeval(time_of_ticks(self->proc->alarm_interval)), linux_timeval(alarm_left())};
}

static void set_alarm(uint64_t ns, uint64_t interval)
{
	proc_set_alarm(self->proc, ns ? time_deadline(ns) : 0, ns ? time_to_ticks(interval) : 0);
}

int64_t linux_alarm(struct regs *r)
{
	uint64_t left = alarm_left();

	set_alarm(MIN((uint32_t)A0(r), (uint32_t)INT32_MAX) * NS_PER_SECOND, 0);
	/* To the nearest second, but never to 0, which means that there was none. */
	return left ? (int64_t)MAX((left + NS_PER_SECOND / 2) / NS_PER_SECOND, 1ul) : 0;
}

int64_t linux_getitimer(struct regs *r)
{
	struct linux_itimerval now = timer_now();
	int error = check_timer(A0(r));

	return error ? error : copy_out(ADDRESS(void, A1(r)), &now, sizeof(now));
}

static int ns_of(const struct linux_timeval *t, uint64_t *ns)
{
	if (t->seconds < 0 || t->microseconds < 0 || t->microseconds >= 1000000)
		return -EINVAL;
	/* As far away as alarm(2) reaches is as good as never. */
	*ns = (uint64_t)MIN(t->seconds, (int64_t)INT32_MAX) * NS_PER_SECOND + (uint64_t)t->microseconds * 1000;
	return 0;
}

int64_t linux_setitimer(struct regs *r)
{
	struct linux_itimerval new = {0}, old = timer_now(); /* none given is as good as one of zeros */
	uint64_t ns, interval;

	if (A1(r) && copy_in(&new, ADDRESS(const void, A1(r)), sizeof(new)))
		return -EFAULT;
	if (ns_of(&new.left, &ns) || ns_of(&new.interval, &interval))
		return -EINVAL;
	if (check_timer(A0(r)))
		return check_timer(A0(r));
	set_alarm(ns, interval);
	return A2(r) ? copy_out(ADDRESS(void, A2(r)), &old, sizeof(old)) : 0;
}
