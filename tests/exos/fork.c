/* fork, vfork, wait, exit: who exists, who is told, and what a child has of its parent. */
#include "lib.h"

#include <sys/resource.h>

static void child_sees_memory_as_it_was_and_writes_its_own(void)
{
	static volatile int data = 1;
	volatile int on_stack = 2;
	volatile int *heap = malloc(sizeof *heap);
	int done[2];

	*heap = 3;
	CHECK(!pipe(done));
	pid_t pid = fork();
	if (!pid) {
		char c;
		CHECK(data == 1 && on_stack == 2 && *heap == 3);
		data = on_stack = *heap = 10;
		IS(read(done[0], &c, 1), 1);
		CHECK(data == 10 && on_stack == 10 && *heap == 10);
		_exit(0);
	}
	data = on_stack = *heap = 20;
	IS(write(done[1], "x", 1), 1);
	ENDS(pid, EXITED(0));
	CHECK(data == 20 && on_stack == 20 && *heap == 20);
}

static void many_generations_share_and_separate(void)
{
	static volatile char pages[64][4096];

	for (int i = 0; i < 64; i++)
		pages[i][0] = 1;
	for (int depth = 0; depth < 10; depth++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid) {
			ENDS(pid, EXITED(0));
			for (int i = 0; i < 64; i++)
				IS(pages[i][0], depth + 1);
			_exit(0);
		}
		for (int i = 0; i < 64; i++)
			pages[i][0] = (char)(depth + 2);
	}
}

static void identities_are_right(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		CHECK(getpid() != parent);
		IS(getppid(), parent);
		IS(getpgrp(), parent);
		IS(getsid(0), parent);
		_exit(0);
	}
	CHECK(pid > 0 && pid != parent);
	ENDS(pid, EXITED(0));
}

static void orphan_gets_a_new_parent(void)
{
	int ends[2];
	pid_t reported = 0, grandparent = getpid();

	CHECK(!pipe(ends));
	pid_t pid = fork();
	if (!pid) {
		pid_t middle = getpid();
		if (!fork()) {
			while (getppid() == middle)
				sleep_ms(1);
			reported = getppid();
			CHECK(write(ends[1], &reported, sizeof reported) == sizeof reported);
		}
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	IS(read(ends[0], &reported, sizeof reported), sizeof reported);
	CHECK(reported != pid && reported != grandparent && reported > 0);
}

static void wait_without_child_says_echild(void)
{
	FAILS(wait(NULL), ECHILD);
	FAILS(waitpid(getpid(), NULL, 0), ECHILD);
	FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
	FAILS(waitpid(-1, NULL, 0x100000), EINVAL);
}

static void wait_nohang_returns_at_once(void)
{
	int go[2], status;

	CHECK(!pipe(go));
	pid_t pid = fork();
	if (!pid) {
		char c;
		_exit(read(go[0], &c, 1) == 1 ? 7 : 1);
	}
	IS(waitpid(pid, &status, WNOHANG), 0);
	IS(write(go[1], "x", 1), 1);
	ENDS(pid, EXITED(7));
}

static void exit_statuses_keep_eight_bits(void)
{
	static const int given[] = { 0, 1, 127, 255, 256, 511, -1 };

	for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(given[i]);
		ENDS(pid, EXITED(given[i] & 255));
	}
}

static void every_child_is_reported_once(void)
{
	enum { CHILDREN = 50 };
	pid_t pids[CHILDREN];
	int seen = 0, status;

	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (!pids[i])
			_exit(i);
	}
	for (pid_t pid; (pid = wait(&status)) > 0; seen++) {
		int i = 0;
		while (i < CHILDREN && pids[i] != pid)
			i++;
		CHECK(i < CHILDREN);
		IS(status, EXITED(i));
		pids[i] = -1;
	}
	IS(errno, ECHILD);
	IS(seen, CHILDREN);
}

static void wait_for_a_group_takes_no_other(void)
{
	pid_t mine = fork();

	if (!mine)
		_exit(1);
	pid_t other = fork();
	if (!other) {
		setpgid(0, 0);
		_exit(2);
	}
	setpgid(other, other);
	sleep_ms(20);
	int status = 0;
	IS(waitpid(0, &status, 0), mine);
	IS(status, EXITED(1));
	FAILS(waitpid(0, &status, WNOHANG), ECHILD);
	IS(waitpid(-other, &status, 0), other);
	IS(status, EXITED(2));
}

static void waitid_can_leave_the_child(void)
{
	siginfo_t info = { 0 };
	pid_t pid = fork();

	if (!pid)
		_exit(5);
	IS(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	IS(info.si_pid, pid);
	IS(info.si_code, CLD_EXITED);
	IS(info.si_status, 5);
	IS(info.si_signo, SIGCHLD);
	ENDS(pid, EXITED(5));
}

static void vfork_child_runs_first_and_shares_memory(void)
{
	static volatile int shared = 0;
	pid_t pid = vfork();

	if (!pid) {
		shared = 1;
		_exit(3);
	}
	IS(shared, 1);
	ENDS(pid, EXITED(3));
}

static void descriptors_share_their_offset(void)
{
	char c;
	int fd = open("/tmp/fork_offset", O_RDWR | O_CREAT | O_TRUNC, 0600);

	IS(write(fd, "abc", 3), 3);
	IS(lseek(fd, 0, SEEK_SET), 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(read(fd, &c, 1) == 1 && c == 'a');
		close(fd);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	CHECK(read(fd, &c, 1) == 1 && c == 'b');
	unlink("/tmp/fork_offset");
}

static void vector_registers_survive_a_fork_and_switches(void)
{
	uint64_t in[2] = { 0x0123456789abcdef, 0xfedcba9876543210 }, out[2];

	__asm__ volatile("movdqu %0, %%xmm7" : : "m"(in) : "xmm7");
	long pid;
	__asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_fork) : "rcx", "r11", "memory");
	for (int i = 0; i < 20; i++) {
		long result;
		__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_sched_yield) : "rcx", "r11", "memory");
	}
	__asm__ volatile("movdqu %%xmm7, %0" : "=m"(out));
	if (!pid)
		_exit(memcmp(in, out, sizeof in) != 0);
	CHECK(!memcmp(in, out, sizeof in));
	ENDS((pid_t)pid, EXITED(0));
}

static void registers_survive_a_system_call(void)
{
	/* All but rax, rcx and r11 keep their values: programs rely on rdi, rsi, rdx, r8, r9, r10 as well. */
	uint64_t ok;
	__asm__ volatile("mov $1, %%rdi\n mov $2, %%rsi\n mov $3, %%rdx\n mov $4, %%r8\n mov $5, %%r9\n mov $6, %%r10\n"
			 "mov $7, %%r12\n mov $8, %%r13\n mov $9, %%r14\n mov $10, %%r15\n mov $11, %%rbx\n"
			 "mov %1, %%eax\n syscall\n"
			 "xor %%eax, %%eax\n"
			 "cmp $1, %%rdi\n jne 1f\n cmp $2, %%rsi\n jne 1f\n cmp $3, %%rdx\n jne 1f\n cmp $4, %%r8\n jne 1f\n"
			 "cmp $5, %%r9\n jne 1f\n cmp $6, %%r10\n jne 1f\n cmp $7, %%r12\n jne 1f\n cmp $8, %%r13\n jne 1f\n"
			 "cmp $9, %%r14\n jne 1f\n cmp $10, %%r15\n jne 1f\n cmp $11, %%rbx\n jne 1f\n inc %%eax\n1:\n"
			 : "=&a"(ok)
			 : "i"(SYS_getppid)
			 : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	IS(ok, 1);
}

static void usage_of_children_is_added_up(void)
{
	struct rusage usage;
	pid_t pid = fork();

	if (!pid) {
		for (int64_t end = now_ms() + 60; now_ms() < end;)
			;
		_exit(0);
	}
	IS(wait4(pid, NULL, 0, &usage), pid);
	CHECK(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 0);
	CHECK(!getrusage(RUSAGE_CHILDREN, &usage));
	CHECK(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 0);
}

TESTS(T(child_sees_memory_as_it_was_and_writes_its_own), T(many_generations_share_and_separate), T(identities_are_right),
	T(orphan_gets_a_new_parent), T(wait_without_child_says_echild), T(wait_nohang_returns_at_once), T(exit_statuses_keep_eight_bits),
	T(every_child_is_reported_once), T(wait_for_a_group_takes_no_other), T(waitid_can_leave_the_child),
	T(vfork_child_runs_first_and_shares_memory), T(descriptors_share_their_offset), T(vector_registers_survive_a_fork_and_switches),
	T(registers_survive_a_system_call), T(usage_of_children_is_added_up))
