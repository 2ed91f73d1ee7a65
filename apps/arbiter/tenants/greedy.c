/* A tenant that takes every frame it may have, writes to each, computes with them, and never gives one back. What is taken from it by force it
 * notices by the fault, and goes on. A deaf one does not even yield at the end of its slice. */
#include <aegis/x86_64/stubs.h>
#include <apps/arbiter/tenants/start.h>
#include <apps/arbiter/x86_64/places.h>

_Static_assert(STACK_TOP == TENANT_STACK_TOP, "places.h");
#define WINDOW_VA 0x100000000000ul /* frame f is bound at page f of it */
#define STEP 64                    /* pages that are computed with before more are asked for */

static uint64_t address(frame_t f) { return WINDOW_VA + (uint64_t)f * FRAME_SIZE; }

/* The last two of the list that are neighbours become a page table. False: there are none, or no table is missing. */
static bool add_table(uint64_t va, const frame_t *list, uint32_t *n)
{
	for (; *n >= 2; --*n) {
		frame_t low = list[*n - 1] < list[*n - 2] ? list[*n - 1] : list[*n - 2];

		if (list[*n - 1] + list[*n - 2] != 2 * low + 1)
			continue; /* held, and of no use */
		for (uint32_t level = 3; level > 0; level--) {
			struct aegis_binding table = { va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(low, BIND_READ | BIND_LEVEL(level)) };

			if (aegis_bind(0, &table, 1, NULL) == 1) {
				*n -= 2;
				return true;
			}
		}
		return false;
	}
	return false;
}

static void use(struct tenant_start *s, frame_t f)
{
	*(volatile uint64_t *)address(f) = f;
	if (f < s->lowest)
		s->lowest = f;
	if (f > s->highest)
		s->highest = f;
}

static void take(struct tenant_start *s)
{
	frame_t list[AEGIS_BATCH_MAX];
	int64_t taken;
	uint32_t n;

	for (uint32_t i = 0; i < AEGIS_BATCH_MAX; i++)
		list[i] = FRAME_ANY;
	taken = aegis_frame_alloc(list, AEGIS_BATCH_MAX);
	n = taken > 0 ? (uint32_t)taken : 0;
	for (uint32_t i = 0; i < n; i++) {
		struct aegis_binding page = { address(list[i]), BIND_ENTRY(list[i], BIND_READ | BIND_WRITE) };
		int64_t result;

		while ((result = aegis_bind(0, &page, 1, NULL)) == -E_NOTABLE && add_table(page.va, list, &n) && i < n)
			;
		if (result == 1)
			use(s, list[i]);
	}
}

static _Noreturn void work(struct tenant_start *s)
{
	for (;;) {
		take(s);
		for (uint32_t i = 0; i < STEP; i++) {
			s->cursor = s->cursor < s->highest ? s->cursor + 1 : s->lowest;
			s->sum += *(volatile uint64_t *)address(s->cursor);
		}
	}
}

_Noreturn void greedy_upcall(void)
{
	struct tenant_start *s = (struct tenant_start *)TENANT_START_VA;
	bool event = tenant_upcall->frame.cause == CAUSE_EVENT;
	uint64_t bits = event ? __atomic_exchange_n(&tenant_upcall->pending, 0, __ATOMIC_ACQUIRE) : 0;

	tenant_upcall->disabled = 0;
	if (!event)
		s->lost++; /* the cursor goes past it */
	if (bits & EVENT_SLICE_END && !s->deaf)
		switch_call(CALL_yield, 0, 0, 0);
	work(s);
}

_Noreturn void greedy_main(struct tenant_start *start)
{
	start->lowest = UINT32_MAX;
	take(start);
	start->cursor = start->lowest;
	work(start);
}
