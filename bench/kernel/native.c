/* What the kernel itself costs: a program that is the first environment, with no library operating system. Prints `row value` lines on the first
 * serial line: guest instructions an operation, the loop's own subtracted. */
#include <tests/kernel/lib.h>

enum { N = 1000, PAGES = 100 };

uint64_t exception_loop(uint64_t n);
uint64_t transfer_loop(uint64_t n, env_id to);
uint64_t exception_way(void *), unalign_way(void *), overflow_way(void *), coproc_way(void *), prot_way(void *);
#define WAY_OWN 2 /* of each way: the first rdtsc and the mov. The emulator counts ud2 too, but not an instruction that faults while it runs. */
uint64_t null_loop(uint64_t n);
uint64_t yield_loop(uint64_t n, env_id to);
void yield_for_ever(env_id to);
extern volatile uint64_t yields_taken;
uint64_t empty_loop(uint64_t n);
extern char way_entry[], skip_entry[], count_entry[];

static const char *suffix = "";
/* To the nearest. */
static void row(const char *name, uint64_t ticks_taken, uint64_t n, uint64_t overhead) { print("%s%s %lu\n", name, suffix, (ticks_taken - overhead + n / 2) / n); }

static void sleeper(void *unused)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry, .transfer = (uint64_t)count_entry, .async = (uint64_t)count_entry };

	(void)unused;
	aegis_env_entries(&entries);
	for (;;)
		sleep_until(0, 0);
}

static env_id main_env; /* the boot page is bound in the first environment only */
static void yielder(void *unused)
{
	(void)unused;
	yield_for_ever(main_env);
}

static struct child server, partner;

/* A child that sleeps and takes transfers: its page tables are this one's. */
static void transfers(uint64_t overhead)
{
	uint64_t taken;

	child_make(&server, sleeper, NULL, 0);
	aegis_slice_alloc(0, UINT32_MAX, server.env, NULL);
	yield(server.env); /* until it sleeps */
	taken = transfer_loop(N, server.env);
	row("pct.roundtrip", taken, N, overhead);
	row("pct", taken, 2 * N, overhead);
}

static void yields(void)
{
	uint64_t before, taken;

	main_env = boot->env;
	child_make(&partner, yielder, NULL, 0);
	yield(partner.env);
	before = yields_taken;
	taken = yield_loop(N, partner.env);
	if (yields_taken - before != N)
		print("# %lu of %u yields arrived\n", yields_taken - before, N);
	else
		row("yield.directed", taken, 2 * N, 0);
}

/* Pages of one's own where nothing is bound, frames that are bound nowhere: one a call, and a hundred; then the same hundred again with other rights. */
static void bindings(void)
{
	static struct aegis_binding list[2 * PAGES], broken[2 * PAGES];
	uint64_t va = 0x300000000000ul, start;

	for (int i = 0; i < 2 * PAGES; i++) {
		uint64_t at = va + (uint64_t)i * FRAME_SIZE;

		list[i] = (struct aegis_binding){ at, BIND_ENTRY(frame(), BIND_READ | BIND_WRITE) };
		broken[i] = (struct aegis_binding){ at, 0 };
	}
	for (int warm = 1; warm >= 0; warm--) { /* the first time makes the tables, and the frames' contents are not known to be zero any more */
		bind(0, va, list[0].entry);
		aegis_bind(0, list, PAGES, NULL);
		aegis_bind(0, list + PAGES, PAGES, NULL);
		aegis_bind(0, broken, PAGES, NULL);
		aegis_bind(0, broken + PAGES, PAGES, NULL);
	}
	start = ticks();
	for (int i = 0; i < PAGES; i++)
		aegis_bind(0, &list[i], 1, NULL);
	row("bind.one", ticks() - start, PAGES, 0);
	start = ticks();
	aegis_bind(0, list + PAGES, PAGES, NULL);
	row("bind.hundred", ticks() - start, PAGES, 0);
	for (int i = 0; i < PAGES; i++)
		list[i].entry &= ~BIND_WRITE;
	start = ticks();
	aegis_bind(0, list, PAGES, NULL);
	row("bind.protect.hundred", ticks() - start, PAGES, 0);
	start = ticks();
	for (int i = 0; i < PAGES; i++)
		aegis_bind(0, &list[i], 1, NULL);
	row("bind.protect.one", ticks() - start, PAGES, 0);
	start = ticks();
	aegis_bind(0, &(struct aegis_binding){ va, BIND_ENTRY(PAGES, BIND_READ | BIND_WRITE | BIND_SAME) }, 1, NULL);
	row("bind.same.hundred", ticks() - start, 1, 0);
	start = ticks();
	aegis_bind(0, broken, PAGES, NULL);
	row("bind.unbind.hundred", ticks() - start, PAGES, 0);
	aegis_bind(0, broken + PAGES, PAGES, NULL);
	for (int i = 0; i < 2 * PAGES; i++)
		give((frame_t)(list[i].entry >> FRAME_SHIFT));
}

/* Frames bound in another environment's address space: their owner breaks each, wherever it is. */
static struct child holder;
static void nothing(void *unused) { (void)unused; }

static void breaking(void)
{
	uint64_t va = 0x300000000000ul, start;
	static frame_t frames[PAGES];

	child_make(&holder, nothing, NULL, 0);
	for (int i = 0; i < PAGES; i++)
		bind(holder.env, va + (uint64_t)i * FRAME_SIZE, BIND_ENTRY(frames[i] = frame(), BIND_READ | BIND_WRITE));
	start = ticks();
	for (int i = 0; i < PAGES; i++)
		aegis_frame_break(&frames[i], 1);
	row("bind.break", ticks() - start, PAGES, 0);
	aegis_frame_free(frames, PAGES);
}

/* A page of another account's, by its sealed capability. */
static struct aegis_cap sealed;
static frame_t sealed_frame;
static struct child owner;

static void own(void *unused)
{
	(void)unused;
	sealed_frame = frame();
	aegis_cap_mint(&sealed, CAP_FRAMES, RIGHT_READ | RIGHT_WRITE, sealed_frame, 1);
}

static void sealed_binding(void)
{
	static struct aegis_binding list[PAGES];
	uint64_t va = 0x300000000000ul, start;

	child_make(&owner, own, NULL, 100);
	child_finish(&owner);
	for (int i = 0; i < PAGES; i++)
		list[i] = (struct aegis_binding){ va + (uint64_t)i * FRAME_SIZE, BIND_ENTRY(sealed_frame, BIND_READ | BIND_WRITE) };
	start = ticks();
	for (int i = 0; i < PAGES; i++)
		if (aegis_bind(0, &list[i], 1, &sealed) != 1)
			return;
	row("bind.sealed", ticks() - start, PAGES, 0);
	for (int i = 0; i < PAGES; i++)
		bind_once(0, list[i].va, 0);
}

/* Environments that are alive and asleep beside the one that measures: the cost of an operation must not depend on them. */
static void crowd(uint32_t n)
{
	static struct child member; /* its struct is used up once it sleeps */

	for (uint32_t i = 0; i < n; i++) {
		if (!child_make(&member, nothing, NULL, 0)) {
			print("# only %u environments\n", i);
			return;
		}
		aegis_slice_alloc(0, UINT32_MAX, member.env, NULL);
		yield(member.env);
	}
}

/* One way to the handler, with the exceptions of the paper's table beside the invalid opcode, and that each was the one which is meant. */
static void way(const char *name, uint64_t (*raise)(void *), void *at, uint64_t own, uint64_t cause)
{
	uint64_t taken = raise(at), got = LOCAL->upcall.frame.cause;

	if (got == cause)
		row(name, taken, 1, own);
	else
		print("# %s raised %lu, not %lu\n", name, got, cause);
}

static void ways(void)
{
	enum { DIVIDE = 0, OPCODE = 6, PROTECTION = 13, PAGE_FAULT = 14 };
	struct aegis_entries entries = { .exception = (uint64_t)way_entry, .event = (uint64_t)upcall_entry };
	frame_t f = frame();

	bind(0, SCRATCH, BIND_ENTRY(f, BIND_READ));
	aegis_env_entries(&entries);
	way("exc.dispatch", exception_way, NULL, WAY_OWN + 1, OPCODE);
	way("exc.unalign", unalign_way, (void *)(SCRATCH + 1), WAY_OWN, PROTECTION);
	way("exc.overflow", overflow_way, NULL, WAY_OWN + 3, DIVIDE);
	way("exc.coproc", coproc_way, NULL, WAY_OWN + 1, PROTECTION);
	way("exc.prot", prot_way, (void *)SCRATCH, WAY_OWN, PAGE_FAULT);
	bind(0, SCRATCH, 0);
	give(f);
}

static void rows(void)
{
	struct aegis_entries entries = { .event = (uint64_t)upcall_entry };
	uint64_t overhead = empty_loop(N);

	row("call.aegis.null", null_loop(N), N, overhead);
	ways();
	entries.exception = (uint64_t)skip_entry;
	aegis_env_entries(&entries);
	row("exc.ill.roundtrip", exception_loop(N), N, overhead);
	entries.exception = (uint64_t)upcall_entry;
	aegis_env_entries(&entries);
	bindings();
	breaking();
	sealed_binding();
	transfers(overhead);
	yields();
}

void test_main(void)
{
	print("boot.aegis %lu\n", ticks() - info->boot_tsc);
	rows();
	crowd(1000);
	suffix = ".crowd";
	rows();
}
