/* Stands in for exos/sched/turn.h, which gives the CPU away: what another process does in its turn is scripted (stubs.h). */
#pragma once

#include <exos/sched/wait.h>

extern int (*stub_turn)(void);

static inline bool turn_due(void) { return stub_turn; }
static inline void turn_give(struct wait_queue *q)
{
	q->turn = 1;
	stub_turn();
	stub_turn = NULL; /* one for each time that the process has woken another */
}
