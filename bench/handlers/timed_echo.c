/* echo.c, which also notes how long its answer took: for bench/kernel/ash.c. Memory word 0 counts the answers; word 1 is the time when a program last ran, as programs that
 * compute keep writing it, or 0; words 2 and 3 are the sum and the most of the times from then (or else from the interrupt) until ash_send had returned. */
#include "packet.h"

static inline __attribute__((always_inline)) uint64_t echo(struct ash_context *c);
#define handler echo
#include "echo.c"
#undef handler

uint64_t handler(struct ash_context *c)
{
	uint64_t verdict = echo(c), now = ash_time(), *memory = (uint64_t *)c->memory, took;

	took = now - (memory[1] ? memory[1] : c->arrived);
	memory[2] += took;
	if (took > memory[3])
		memory[3] = took;
	return verdict;
}
