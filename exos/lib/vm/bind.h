/* Inside exos/lib/vm: telling the kernel. */
#pragma once

#include <aegis/x86_64/stubs.h>
#include <exos/lib/vm/space.h>

#define LEAF_SPAN (FRAME_SIZE << 9)

/* Between these two nothing may look (space_busy). They cost an instruction each; the fences are the compiler's only, as an interruption is on the
 * same CPU. */
extern uint32_t space_changing;
static inline void space_change_begin(void)
{
	space_changing++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void space_change_end(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	space_changing--;
}

/* Carries out a list of at most AEGIS_BATCH_MAX. Missing leaf tables are made; where one is missing and nothing is to be bound, there is nothing to
 * do. Returns how many entries were done; the next one failed. If none was, a negative Linux error. */
int64_t bind_list(const struct aegis_binding *list, uint64_t n);

int bind_one(const struct aegis_binding *); /* of one: 0 or the error */

static inline int bind_page(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = { va, entry };

	return aegis_bind(0, &b, 1, NULL) == 1 ? 0 : bind_one(&b);
}
