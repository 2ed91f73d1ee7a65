#include "check.h"

struct sched_client *whole_slice(struct sched *s)
{
	struct sched_client *c = s->ops->choose(s, 0);

	if (c)
		s->ops->charge(s, c, &(struct sched_use){ .part = SCHED_SLICE });
	return c;
}
