/* What an ordinary program pays for: system calls, pipes, processes, memory, signals. Prints `row value` lines, the value in ticks of
 * the time-stamp counter an operation, which under instruction counting are guest instructions; the loop's own three or four are in it. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

static uint64_t started;
static void start(void) { started = __rdtsc(); }
static uint64_t each(uint64_t n) { return (__rdtsc() - started) / n; }
static void row(const char *name, uint64_t value) { printf("%s %lu\n", name, value); }

static void __attribute__((noipa)) nothing(void) {}

/* By the difference of two loops, as the loop's own would be more than the call. */
static void procedure_call(void)
{
	enum { N = 10000 };
	uint64_t once, twice;

	start();
	for (int i = 0; i < N; i++)
		nothing();
	once = each(N);
	start();
	for (int i = 0; i < N; i++) {
		nothing();
		nothing();
	}
	twice = each(N);
	row("call.null", twice - once);
}

static void system_call(void)
{
	enum { N = 10000 };

	syscall(SYS_getppid);
	start();
	for (int i = 0; i < N; i++)
		syscall(SYS_getppid);
	row("syscall.null", each(N));
}

static void pipes(void)
{
	enum { N = 2000 };
	int to[2], from[2];
	char c = 'x';
	pid_t child;
	uint64_t trip;

	if (pipe(to) || pipe(from))
		exit(1);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < N; i++)
			if (write(to[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
				exit(1);
	}
	row("pipe.self", each(N));
	child = fork();
	if (child == 0) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < N; i++)
			if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
				exit(1);
	}
	trip = each(N);
	row("pipe.roundtrip", trip);
	row("ipc.pipe", trip / 2);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void children(void)
{
	enum { N = 40 };
	static char *const true_arguments[] = { "true", NULL };

	for (int how = 0; how < 3; how++) {
		for (int warm = 1; warm >= 0; warm--) {
			start();
			for (int i = 0; i < N; i++) {
				pid_t child = how == 2 ? vfork() : fork();

				if (child == 0) {
					if (how)
						execv("/bin/busybox", true_arguments);
					_exit(how ? 127 : 0);
				}
				waitpid(child, NULL, 0);
			}
		}
		row(how == 0 ? "fork.exit.wait" : how == 1 ? "fork.exec.wait" : "vfork.exec.wait", each(N));
	}
}

static void memory(void)
{
	enum { N = 256, PAGE = 4096 };
	char *p;

	for (int warm = 1; warm >= 0; warm--) {
		p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		start();
		for (int i = 0; i < N; i++)
			p[i * PAGE] = 1;
		if (!warm)
			row("mem.touch", each(N));
		else
			munmap(p, N * PAGE);
	}
	start();
	for (int i = 0; i < N; i++)
		mprotect(p + i % 2 * PAGE, PAGE, i & 2 ? PROT_READ | PROT_WRITE : PROT_READ);
	row("mem.protect1", each(N));
}

static void skip(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
}

static void signals(void)
{
	enum { N = 1000 };
	struct sigaction action = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO };
	uint64_t trip;

	sigaction(SIGILL, &action, NULL);
	__asm__ volatile("ud2");
	start();
	for (int i = 0; i < N; i++)
		__asm__ volatile("ud2");
	trip = each(N);
	row("signal.ill", trip);
	row("exc.ill.roundtrip", trip); /* on Linux nothing nearer to it is to be had */
}

int main(void)
{
	uint64_t now = __rdtsc();

	setvbuf(stdout, NULL, _IOLBF, 0);
	row("boot.first", now);
	procedure_call();
	system_call();
	pipes();
	children(); /* before memory, which would make all of them larger */
	memory();
	signals();
	return 0;
}
