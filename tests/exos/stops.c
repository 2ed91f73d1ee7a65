/* A wait with a time, stopped and continued, goes on. */
#include "lib.h"

static void stop_and_go_on(pid_t pid)
{
	int status;

	until_asleep(pid);
	kill(pid, SIGSTOP);
	IS(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	kill(pid, SIGCONT);
}

static void a_stop_ends_no_wait_for_a_word(void)
{
	volatile uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct timespec long_time = { 20, 0 };

		_exit(syscall(SYS_futex, word, 0 /* FUTEX_WAIT */, 0, &long_time, NULL, 0) ? errno : 0);
	}
	stop_and_go_on(pid);
	while (syscall(SYS_futex, word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0) == 0 && !waitpid(pid, &status, WNOHANG))
		sched_yield();
	if (waitpid(pid, &status, 0) < 0)
		IS(errno, ECHILD);
	IS(status, 0);
}

static void a_stop_ends_no_sleep(void)
{
	int64_t start = now_ms();
	pid_t pid = fork();

	if (!pid) {
		struct timespec time = { 0, 300000000 };

		_exit(nanosleep(&time, NULL) ? errno : 0);
	}
	stop_and_go_on(pid);
	ENDS(pid, 0);
	CHECK(now_ms() - start >= 299);
}

TESTS(T(a_stop_ends_no_wait_for_a_word), T(a_stop_ends_no_sleep))
