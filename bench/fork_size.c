/* What a fork costs a process that has so much memory: fork, exit of the child, wait. Prints columns with a header line, for a figure (bench/figures):
 * megabytes of private memory that have been written to, and ticks of the time-stamp counter, which under instruction counting are guest instructions. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

enum { MIB = 1 << 20, MOST = 32, STEP = 4, N = 4 };

/* Of one fork; 0: it failed. */
static uint64_t fork_once(void)
{
	uint64_t begun = __rdtsc();
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child > 0 && waitpid(child, NULL, 0) == child ? __rdtsc() - begun : 0;
}

int main(void)
{
	char *memory = mmap(NULL, (size_t)MOST * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	printf("megabytes instructions\n");
	for (int size = 0; size <= MOST; size += STEP) {
		uint64_t sum = 0;

		if (size)
			memset(memory + (size_t)(size - STEP) * MIB, 1, (size_t)STEP * MIB);
		for (int i = -1; i < N; i++) {
			uint64_t taken = fork_once();

			if (taken == 0)
				return 1;
			sum += i < 0 ? 0 : taken; /* the first warms up */
		}
		printf("%d %lu\n", size, sum / N);
	}
	return 0;
}
