/* What a test program inside the machine is made of. Each test is a function that runs in a process of its own and session, so that
 * it may be killed, crash or hang, and none harms the next; the first check that does not hold ends it.
 *
 * The programs are ordinary static Linux executables: EXO_ON=linux ./exo test runs them on Linux, where all must pass.
 * Arguments name the tests to run; none: all. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_SECONDS 30 /* one test may take so long */

struct test {
	const char *name;
	void (*run)(void);
};
#define T(function) { #function, function }

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, 0, 0, false))
#define IS(got, expected) is_equal(__FILE__, __LINE__, #got, (long)(got), (long)(expected))
/* A call that must fail with this error. */
#define FAILS(call, error) (errno = 0, IS((call), -1), IS(errno, error))

static _Noreturn void check_failed(const char *file, int line, const char *text, long got, long expected, bool values)
{
	int error = errno;

	if (values)
		printf("# %s:%d: %s is %ld, expected %ld (errno %d, %s)\n", file, line, text, got, expected, error, strerror(error));
	else
		printf("# %s:%d: %s does not hold (errno %d, %s)\n", file, line, text, error, strerror(error));
	fflush(stdout);
	_exit(1);
}

__attribute__((unused)) static void is_equal(const char *file, int line, const char *text, long got, long expected)
{
	if (got != expected)
		check_failed(file, line, text, got, expected, true);
}

/* Waits for a child that must end with this status, as wait gives it. */
#define ENDS(pid, wait_status) \
	do { \
		int ends_status = -1; \
		pid_t ends_pid = (pid); \
		IS(waitpid(ends_pid, &ends_status, 0), ends_pid); \
		IS(ends_status, wait_status); \
	} while (0)
#define EXITED(n) ((n) << 8)

__attribute__((unused)) static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

__attribute__((unused)) static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A process is asleep: nothing else says that a call waits. */
__attribute__((unused)) static void until_asleep(pid_t pid)
{
	char path[64], text[256], state;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	do {
		sched_yield();
		int fd = open(path, O_RDONLY);
		CHECK(fd >= 0);
		ssize_t n = read(fd, text, sizeof text - 1);
		close(fd);
		CHECK(n > 0);
		text[n] = 0;
		state = strrchr(text, ')')[2];
	} while (state != 'S');
}

/* For what ExOS promises and Linux does not. */
__attribute__((unused)) static bool on_exos(void)
{
	struct utsname system;

	CHECK(!uname(&system));
	return strstr(system.release, "exos");
}

static bool run_test(const struct test *t)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		setsid();
		alarm(TEST_SECONDS);
		t->run();
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	kill(-pid, SIGKILL); /* what it left behind */
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return status == 0;
}

static int run_tests(const struct test *tests, char **names)
{
	int n = 0, failed = 0;

	for (const struct test *t = tests; t->name; t++) {
		bool wanted = !*names;
		for (char **name = names; *name; name++)
			wanted |= !strcmp(*name, t->name);
		if (!wanted)
			continue;
		bool passed = run_test(t);
		printf("%sok %d - %s\n", passed ? "" : "not ", ++n, t->name);
		failed += !passed;
	}
	printf("1..%d\n", n);
	return failed > 0;
}

#define TESTS(...) \
	int main(int argc, char **argv) \
	{ \
		(void)argc; \
		return run_tests((struct test[]){ __VA_ARGS__, { NULL, NULL } }, argv + 1); \
	}
