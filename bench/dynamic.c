/* What a dynamic program costs, as `row value` lines: /dynamic is coreutils' `true`, which tools/bench.sh puts there with its interpreter and the C library. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define N 40

static void run(void)
{
	static char *const arguments[] = {"true", NULL};
	int status;
	pid_t child = fork();

	if (child == 0) {
		execv("/dynamic", arguments);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status)
		exit(1);
}

int main(void)
{
	uint64_t started, took;

	run();
	started = __rdtsc();
	for (int i = 0; i < N; i++)
		run();
	took = __rdtsc() - started;
	printf("fork.exec.dynamic %lu\n", took / N);
	return 0;
}
