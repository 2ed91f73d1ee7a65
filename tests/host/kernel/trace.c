/* The last calls, printed with the seed when something is wrong: by a check, by a sanitizer, by a fault. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sanitizer/common_interface_defs.h>

#include "model.h"

#define KEPT 20

uint64_t trace_step;
static uint64_t first_seed, count;
static char calls[KEPT][320];

static void report(void)
{
	printf("# seed %lu, step %lu; the last calls:\n", first_seed, trace_step);
	for (uint64_t i = count < KEPT ? 0 : count - KEPT; i < count; i++)
		printf("#   %s\n", calls[i % KEPT]);
	printf("# again: SEED=%lu\n", first_seed);
	fflush(stdout);
}

void trace_start(uint64_t seed)
{
	first_seed = seed;
	__sanitizer_set_death_callback(report);
}

void trace_call(const char *text, ...)
{
	char *line = calls[count++ % KEPT];
	va_list arguments;
	int n = snprintf(line, sizeof(calls[0]), "%lu: cpu %u env %x: ", trace_step, machine_cpu, m_running[machine_cpu]);

	va_start(arguments, text);
	vsnprintf(line + n, sizeof(calls[0]) - (size_t)n, text, arguments);
	va_end(arguments);
}

void trace_fail(const char *text, ...)
{
	va_list arguments;

	printf("# ");
	va_start(arguments, text);
	vprintf(text, arguments);
	va_end(arguments);
	printf("\n");
	report();
	ok(0, "the kernel agrees with the model");
	done_testing();
	exit(1);
}
