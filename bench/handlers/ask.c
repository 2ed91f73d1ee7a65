/* A handler (include/aegis/ash.h) that asks again as soon as it has the answer: the other end of round trips without pause, for bench/kernel/ash.c. Memory word 0 counts down the
 * round trips that are left; the owner is told of the last. The request lies behind it. */
#include "packet.h"

#define REQUEST 64 /* its offset, */
#define LENGTH 60  /* and how long it is */

uint64_t handler(struct ash_context *c)
{
	uint64_t *memory = (uint64_t *)c->memory;

	if (--memory[0] == 0)
		return ASH_TELL;
	return ash_send(c->memory + REQUEST, LENGTH) < 0 ? ASH_RING : ASH_DONE;
}
