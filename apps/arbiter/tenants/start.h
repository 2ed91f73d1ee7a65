/* What the arbiter and a tenant's first instructions share: where things are bound in a new tenant, and the page that says what it is to do.
 *
 * A tenant starts as a function of the arbiter's image, whose text and constants are bound in it; it has none of the arbiter's data. Its start
 * pages (this struct, its upcall page, its stack) are the arbiter's frames: they are never taken from it. */
#pragma once

#include <aegis/info.h>
#include <aegis/upcall.h>
#include <stdbool.h>

#define TENANT_START_VA 0x10000000ul /* struct tenant_start; the upcall page is the next, the stack what follows */
#define TENANT_STACK_PAGES 4
#define TENANT_START_PAGES (1 + TENANT_STACK_PAGES)
#define TENANT_UPCALL_VA (TENANT_START_VA + FRAME_SIZE)
#define TENANT_STACK_TOP (TENANT_UPCALL_VA + FRAME_SIZE + TENANT_STACK_PAGES * FRAME_SIZE)
#define TENANT_MODULE_VA 0x40000000ul /* the arbiter's own module, readable, while ExOS is being loaded */
#define TENANT_RANGES 64

struct tenant_start {
	struct aegis_boot boot; /* for ExOS: its boot page but for what only it knows; for the others devices and module are empty */
	uint64_t module_at;     /* where ExOS's module begins */
	frame_t run_first;      /* free neighbours for it: the module, then pairs for page tables */
	uint32_t run_count;
	bool deaf;              /* ignores the ends of its slices, too */
	uint64_t tick;          /* how long a polite one sleeps */
	/* The greedy one's own: what it has bound lies between these. */
	volatile frame_t lowest, highest, cursor;
	volatile uint64_t lost, sum;
	/* The polite one's own: what it holds. */
	uint32_t ranges;
	struct aegis_range held[TENANT_RANGES];
};
_Static_assert(sizeof(struct tenant_start) <= FRAME_SIZE, "one page");

#define tenant_upcall ((struct aegis_upcall *)TENANT_UPCALL_VA)

_Noreturn void loader_main(struct tenant_start *start);
_Noreturn void greedy_main(struct tenant_start *start);
_Noreturn void polite_main(struct tenant_start *start);
/* Called on an empty stack, with upcalls possible again, after every upcall of a tenant that has this entry: it begins anew. */
_Noreturn void greedy_upcall(void);

/* x86_64/start.S */
extern char greedy_entry[];
extern char loader_leave[], loader_leave_end[]; /* copied to the new tenant's own page: breaks a list of bindings, and goes to the library */
int64_t switch_call(uint32_t call, uint64_t a, uint64_t b, uint64_t c); /* yield and sleep: everything that must live on is saved */

static inline uint64_t ticks(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}
