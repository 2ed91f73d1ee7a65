/* The process at the other end: found by its pid, yielded to, and known to be dead when it is.
 *
 * Who calls it: the rest of exos/lib/ipc, and programs that wait for another process in memory that both share. A peer is a value: it is copied by fork and
 * needs no closing. On ExOS it names an environment, to which the CPU is given; on Linux, where that cannot be, only a pid. */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

struct peer {
	int pid;
	env_id env; /* 0: on Linux */
};

/* The process with this pid. 0, or -ESRCH if there is none (a zombie is none). */
int peer_find(struct peer *p, int pid);

/* Has it ended, been killed, been stopped by the kernel? Its pid may be another's by now, which is seen. Cost: a call. */
bool peer_gone(const struct peer *p);

/* One round of waiting for it, for when a directed yield was refused (it runs on another CPU, or sleeps): whoever else is there runs. 0, or -ESRCH if it
 * is gone, which is looked for from time to time. `round`: how many rounds have been in vain so far. */
int peer_wait(const struct peer *p, uint32_t round);
