/* What the kernel itself costs: a program that is the first environment, with no library operating system. Prints `row value` lines on the first
 * serial line: guest instructions an operation, the loop's own subtracted. */
#include <tests/kernel/lib.h>

enum { N = 1000, PAGES = 100 };

uint64_t exception_loop(uint64_t n);
uint64_t transfer_loop(uint64_t n, env_id to);
uint64_t null_loop(uint64_t n);
uint64_t empty_loop(uint64_t n);
extern char skip_entry[], count_entry[];

static void row(const char *name, uint64_t ticks_taken, uint64_t n, uint64_t overhead) { print("%s %lu\n", name, (ticks_taken - overhead) / n); }

static void sleeper(void *unused)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry, .transfer = (uint64_t)count_entry };

	(void)unused;
	aegis_env_entries(&entries);
	for (;;)
		sleep_until(0, 0);
}

static env_id main_env;
static void yielder(void *unused)
{
	(void)unused;
	for (;;)
		yield(main_env);
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
	uint64_t start;

	main_env = boot->env;
	child_make(&partner, yielder, NULL, 0);
	yield(partner.env);
	start = ticks();
	for (int i = 0; i < N; i++)
		yield(partner.env);
	row("yield.directed", ticks() - start, 2 * N, 0);
}

static void bindings(void)
{
	static frame_t frames[PAGES];
	static struct aegis_binding list[PAGES];
	uint64_t va = 0x300000000000ul, start;

	for (int i = 0; i < PAGES; i++) {
		frames[i] = frame();
		list[i] = (struct aegis_binding){ va + (uint64_t)i * FRAME_SIZE, BIND_ENTRY(frames[i], BIND_READ | BIND_WRITE) };
	}
	bind(0, va, list[0].entry);
	start = ticks();
	for (int i = 0; i < N; i++)
		aegis_bind(0, list, 1, NULL);
	row("bind.one", ticks() - start, N, 0);
	aegis_bind(0, list, PAGES, NULL);
	start = ticks();
	aegis_bind(0, list, PAGES, NULL);
	row("bind.hundred", ticks() - start, PAGES, 0);
}

void test_main(void)
{
	struct aegis_entries entries = { .exception = (uint64_t)skip_entry, .event = (uint64_t)upcall_entry };
	uint64_t overhead = empty_loop(N);

	print("boot.aegis %lu\n", ticks() - info->boot_tsc);
	row("call.aegis.null", null_loop(N), N, overhead);
	aegis_env_entries(&entries);
	row("exc.ill.roundtrip", exception_loop(N), N, overhead);
	entries.exception = (uint64_t)upcall_entry;
	aegis_env_entries(&entries);
	bindings();
	transfers(overhead);
	yields();
}
