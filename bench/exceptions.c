/* What it costs to hear of an exception, one way: from before the instruction that raises it to the first of the handler (the paper's dispatch, 5.3).
 * Here the handler is an unmodified program's for a signal, the only one that Linux has; bench/kernel/native.c has the same four for an environment of
 * its own. Prints `row value` lines in ticks of the time-stamp counter, with the three or four instructions that take the time. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <x86intrin.h>

enum { PAGE = 4096, N = 1000 };

static uint64_t begun, taken;
static sigjmp_buf after;

static void handler(int number)
{
	taken += __rdtsc() - begun;
	siglongjmp(after, number);
}

static volatile int least = INT_MIN, minus_one = -1, result;
static float numbers[8] __attribute__((aligned(16)));
static const float *volatile unaligned = numbers + 1;
static volatile __m128 loaded;
static volatile char *read_only;

static void unalign(void)
{
	begun = __rdtsc();
	loaded = _mm_load_ps(unaligned);
}

static void overflow(void)
{
	begun = __rdtsc();
	result = least / minus_one;
}

/* User code may not read the performance counters as long as nobody has enabled that. */
static void coproc(void)
{
	begun = __rdtsc();
	result = (int)__rdpmc(0);
}

static void prot(void)
{
	begun = __rdtsc();
	*read_only = 1;
}

/* The signal that it raised, 0 for none. */
static int once(void (*raise_it)(void))
{
	int number = sigsetjmp(after, 0);

	if (number == 0)
		raise_it();
	return number;
}

static void measure(const char *row, int expected, void (*raise_it)(void))
{
	for (int warm = 1; warm >= 0; warm--) {
		taken = 0;
		for (int i = 0; i < N; i++) {
			int number = once(raise_it);

			if (number != expected) {
				fprintf(stderr, "%s: signal %d, not %d\n", row, number, expected);
				exit(1);
			}
		}
	}
	printf("%s %lu\n", row, taken / N);
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_NODEFER };

	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (read_only == MAP_FAILED || sigaction(SIGSEGV, &action, NULL) || sigaction(SIGFPE, &action, NULL))
		return 1;
	(void)*read_only;
	measure("exc.unalign", SIGSEGV, unalign);
	measure("exc.overflow", SIGFPE, overflow);
	measure("exc.coproc", SIGSEGV, coproc);
	measure("exc.prot", SIGSEGV, prot);
	return 0;
}
