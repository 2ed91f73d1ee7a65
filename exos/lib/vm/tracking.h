/* Inside exos/lib/vm: what the ways to know written pages share. */
#pragma once

#include <exos/lib/vm/bind.h>
#include <exos/lib/vm/written.h>

/* The answer of those that protect: what the faults have noted in w->now, and these pages protected again, run by run. */
void tracking_take(struct written *w, void (*protect)(struct written *, uint64_t page, uint64_t n));
