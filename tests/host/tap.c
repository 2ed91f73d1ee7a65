#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <tests/host/tap.h>

static uint64_t state;
static int points, failed;

void test_start(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	setlinebuf(stdout);
	printf("# seed %lu\n", seed);
	state = seed * 0x9e3779b97f4a7c15u | 1;
}

void ok(bool good, const char *what, ...)
{
	va_list arguments;

	printf("%sok %d - ", good ? "" : "not ", ++points);
	va_start(arguments, what);
	vprintf(what, arguments);
	va_end(arguments);
	putchar('\n');
	failed += !good;
}

int done_testing(void)
{
	printf("1..%d\n", points);
	return failed > 0;
}

uint64_t random_below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}
