/* What servers ask of the system beside files, processes and the network: counters to wait on, words changed and waiters woken at once, the CPU time of
 * each thread, what memory costs, and questions whose answer here is always the same. With glibc, as the kernel's headers come with it. */
#include "threads.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

static uint64_t event_take(int fd)
{
	uint64_t value = 0;

	IS(read(fd, &value, sizeof(value)), sizeof(value));
	return value;
}

static void event_give(int fd, uint64_t value) { IS(write(fd, &value, sizeof(value)), sizeof(value)); }

static short polled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void a_counter_adds_and_is_taken_whole(void)
{
	int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), single = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
	uint64_t value = UINT64_MAX;

	CHECK(fd >= 0 && single >= 0);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	event_give(fd, 4);
	IS(polled(fd), POLLIN | POLLOUT);
	IS(event_take(fd), 7);
	IS(polled(fd), POLLOUT);
	FAILS(read(fd, &value, 8), EAGAIN);
	FAILS(write(fd, &value, 8), EINVAL);
	FAILS(syscall(SYS_read, fd, &value, 7L), EINVAL);
	FAILS(syscall(SYS_write, fd, &value, 7L), EINVAL);
	FAILS(syscall(SYS_write, fd, 8L, 8L), EFAULT);
	event_give(fd, UINT64_MAX - 1);
	IS(polled(fd), POLLIN);
	value = 1;
	FAILS(write(fd, &value, 8), EAGAIN);
	FAILS(syscall(SYS_read, fd, 8L, 8L), EFAULT);
	CHECK(event_take(fd) == UINT64_MAX - 1); /* what could not be handed over is still there */
	IS(event_take(single), 1);
	IS(event_take(single), 1);
	FAILS(read(single, &value, 8), EAGAIN);
	FAILS(eventfd(0, 0x10), EINVAL);
}

static void a_counter_wakes_a_process(void)
{
	int there = eventfd(0, 0), back = eventfd(0, 0);
	pid_t child = fork();

	if (!child) {
		for (uint64_t n = 1; n <= 100; n++) {
			IS(event_take(there), n);
			event_give(back, n);
		}
		_exit(0);
	}
	for (uint64_t n = 1; n <= 100; n++) {
		event_give(there, n);
		IS(event_take(back), n);
	}
	ENDS(child, 0);
}

static void *give_soon(void *fd)
{
	sched_yield();
	event_give((int)(intptr_t)fd, 9);
	return NULL;
}

static void a_counter_wakes_a_thread_in_poll(void)
{
	int fd = eventfd(0, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	pthread_t t = start(give_soon, (void *)(intptr_t)fd);

	IS(poll(&p, 1, -1), 1);
	IS(event_take(fd), 9);
	pthread_join(t, NULL);
}

/* Its reader is killed while it waits, and its writer: the counter is none the worse. */
static void a_waiter_may_die(void)
{
	int fd = eventfd(0, 0), ready[2];
	char byte;

	CHECK(!pipe(ready));
	for (int n = 0; n < 20; n++) {
		pid_t child = fork();

		if (!child) {
			CHECK(write(ready[1], "x", 1) == 1);
			event_take(fd);
			_exit(0);
		}
		IS(read(ready[0], &byte, 1), 1);
		kill(child, SIGKILL);
		ENDS(child, SIGKILL);
	}
	event_give(fd, 5);
	IS(event_take(fd), 5);
}

static uint32_t words[2];

static long wake_op(int n, int other, uint32_t operation) { return syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, n, (long)other, &words[1], operation); }

static void a_word_is_changed_as_others_are_woken(void)
{
	words[1] = 10;
	IS(wake_op(1, 1, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10)), 0);
	IS(words[1], 15);
	IS(wake_op(1, 1, FUTEX_OP(FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_LT, 0)), 0); /* -1 */
	IS(words[1], 14);
	IS(wake_op(1, 1, FUTEX_OP(FUTEX_OP_ANDN, 6, FUTEX_OP_CMP_GT, 0)), 0);
	IS(words[1], 8);
	IS(wake_op(1, 1, FUTEX_OP(FUTEX_OP_XOR, 9, FUTEX_OP_CMP_NE, 0)), 0);
	IS(words[1], 1);
	IS(wake_op(1, 1, FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_LE, 1)), 0);
	IS(words[1], 17);
	IS(wake_op(1, 1, FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_GE, 17)), 0);
	IS(words[1], 3);
	FAILS(wake_op(1, 1, FUTEX_OP(5, 0, 0, 0)), ENOSYS);
	FAILS(wake_op(1, 1, FUTEX_OP(0, 0, 6, 0)), ENOSYS);
	FAILS(syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1L, 16, 0), EFAULT);
	FAILS(syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1L, (char *)words + 5, 0), EINVAL);
}

static _Atomic int waiting;
static void *wait_at(void *word)
{
	waiting++;
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL); /* who comes too late finds the word changed */
	return NULL;
}

static void waiters_at_both_words_are_woken(void)
{
	pthread_t first, second;

	words[0] = words[1] = 0;
	first = start(wait_at, &words[0]);
	second = start(wait_at, &words[1]);
	while (waiting < 2)
		sched_yield();
	words[0] = 1;
	CHECK(wake_op(1, 1, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)) <= 2);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	IS(words[1], 1);
}

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	CHECK(!clock_gettime(clock, &t));
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static volatile int spun;
static int64_t spin(clockid_t clock)
{
	int64_t before = cpu_ns(clock);

	for (int n = 0; n < 3000000; n++)
		spun = n;
	return cpu_ns(clock) - before;
}

static _Atomic int64_t measured;
static void *spin_and_measure(void *unused)
{
	(void)unused;
	measured = spin(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void each_thread_has_its_own_cpu_time(void)
{
	clockid_t clock;
	int64_t before = cpu_ns(CLOCK_THREAD_CPUTIME_ID), all = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), own;
	struct rusage usage;
	pthread_t t = start(spin_and_measure, NULL);

	IS(pthread_getcpuclockid(t, &clock), 0);
	CHECK(cpu_ns(clock) >= 0);
	pthread_join(t, NULL);
	own = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	all = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - all;
	CHECK(measured > 0 && own < measured / 2 && all >= measured);
	IS(pthread_getcpuclockid(pthread_self(), &clock), 0);
	CHECK(cpu_ns(clock) - before < measured / 2);
	IS(getrusage(RUSAGE_THREAD, &usage), 0);
	CHECK(usage.ru_utime.tv_sec * 1000000000 + usage.ru_utime.tv_usec * 1000 < cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - measured / 2);
	IS(clock_getcpuclockid(getpid(), &clock), 0);
	CHECK(cpu_ns(clock) >= all);
	FAILS(syscall(SYS_clock_gettime, (clockid_t)((~30000u << 3) | 2), &(struct timespec){0}), EINVAL);
}

static long smaps_sum(const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];
	long sum = 0, kib;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) && sscanf(line + strlen(field), "%ld kB", &kib) == 1)
			sum += kib;
	fclose(f);
	return sum;
}

/* As a server asks after a fork what its snapshot costs. */
static void smaps_tells_shared_from_private(void)
{
	enum { SIZE = 2 << 20 };
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long before = smaps_sum("Private_Dirty:"), touched;
	pid_t child;

	memset(at, 1, SIZE);
	touched = smaps_sum("Private_Dirty:") - before;
	CHECK(touched >= SIZE / 1024 && touched < SIZE / 1024 + 256);
	child = fork();
	if (!child) {
		CHECK(smaps_sum("Shared_Dirty:") >= SIZE / 1024);
		before = smaps_sum("Private_Dirty:");
		memset(at, 2, SIZE / 2);
		touched = smaps_sum("Private_Dirty:") - before;
		CHECK(touched >= SIZE / 2 / 1024 && touched < SIZE / 2 / 1024 + 256);
		_exit(0);
	}
	ENDS(child, 0);
	CHECK(smaps_sum("Size:") >= smaps_sum("Rss:"));
}

static void everybody_has_the_ordinary_policy(void)
{
	struct sched_param p = {.sched_priority = 7};

	IS(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	IS(syscall(SYS_sched_getparam, 0, &p), 0);
	IS(p.sched_priority, 0);
	IS(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p), 0);
	p.sched_priority = 1;
	FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, 99, &p), EINVAL);
	FAILS(syscall(SYS_sched_getscheduler, 30000), ESRCH);
	FAILS(syscall(SYS_sched_getscheduler, -1), EINVAL);
	IS(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
	IS(syscall(SYS_sched_get_priority_min, SCHED_FIFO), 1);
	IS(syscall(SYS_sched_get_priority_max, SCHED_OTHER), 0);
	FAILS(syscall(SYS_sched_get_priority_max, 99), EINVAL);
}

static void barriers_are_for_those_who_have_registered(void)
{
	long offered = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0);

	CHECK(offered > 0 && offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED && offered & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
	IS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	IS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
	FAILS(syscall(SYS_membarrier, 1 << 30, 0), EINVAL);
}

static void no_new_rights_are_inherited(void)
{
	pid_t child;

	IS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	FAILS(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL);
	IS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	child = fork();
	if (!child)
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ENDS(child, EXITED(1));
}

static void advice_is_heard_or_refused(void)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	at[0] = at[4096] = 1;
	IS(madvise(at, 8192, MADV_DONTDUMP), 0);
	IS(at[0], 1);
	IS(madvise(at, 4096, MADV_DONTNEED), 0);
	IS(at[0], 0);
	IS(at[4096], 1);
	FAILS(madvise(at, 4096, 77), EINVAL);
	FAILS(madvise(at + 1, 4096, MADV_DONTNEED), EINVAL);
}

static void file_systems_without_extended_attributes_say_so(void)
{
	char buffer[16];

	FAILS(getxattr("/no/such", "user.a", buffer, 16), ENOENT);
	FAILS(getxattr("/proc", "user.a", buffer, 16), EOPNOTSUPP);
	IS(listxattr("/proc", buffer, 16), 0);
	FAILS(fgetxattr(99, "user.a", buffer, 16), EBADF);
}

TESTS(T(a_counter_adds_and_is_taken_whole), T(a_counter_wakes_a_process), T(a_counter_wakes_a_thread_in_poll), T(a_waiter_may_die),
	T(a_word_is_changed_as_others_are_woken), T(waiters_at_both_words_are_woken), T(each_thread_has_its_own_cpu_time), T(smaps_tells_shared_from_private),
	T(everybody_has_the_ordinary_policy), T(barriers_are_for_those_who_have_registered), T(no_new_rights_are_inherited), T(advice_is_heard_or_refused),
	T(file_systems_without_extended_attributes_say_so))
