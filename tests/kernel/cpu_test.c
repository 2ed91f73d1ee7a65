/* The CPU's slices, the ways to give it away, and what survives when it is taken: tests of slice.c, event.c and the transfers. */
#include <tests/kernel/lib.h>

static struct child worker, rival, server;
static volatile uint64_t progress[2], damage;

/* Computes for ever, and notices if a register was lost. The vector register only counts where the kernel saves it: one who is told of the end of
 * his slice saves what he wants himself, and these tests' upcall entry does not want vectors. */
static void compute(void *argument)
{
	volatile uint64_t *counter = argument;
	uint64_t vectors_count = LOCAL->upcall.disabled;

	for (uint64_t i = 1;; i++) {
		uint64_t a = i, b = i * 3, c = ~i, lost = 0;

		__asm__ volatile("movq %0, %%xmm3\n mov $1000, %%ecx\n 1: dec %%ecx\n jnz 1b\n movq %%xmm3, %%rax\n cmp %0, %%rax\n je 2f\n incq %3\n 2:"
				 : "+r"(a), "+r"(b), "+r"(c), "+m"(lost) : : "rax", "rcx", "cc", "memory");
		damage += lost & vectors_count;
		if (a != i || b != i * 3 || c != ~i)
			damage++;
		(*counter)++;
	}
}

/* The same by one who never can be told that his slice is over. */
static void compute_deaf(void *argument)
{
	LOCAL->upcall.disabled = 1;
	compute(argument);
}

static void share(void (*other)(void *), const char *fair, const char *whole)
{
	uint64_t sum;

	progress[0] = progress[1] = damage = 0;
	child_make(&worker, compute, (void *)&progress[0], 0);
	child_make(&rival, other, (void *)&progress[1], 0);
	aegis_slice_alloc(0, UINT32_MAX, worker.env, NULL);
	aegis_slice_alloc(0, UINT32_MAX, rival.env, NULL);
	sleep_until(0, ticks() + info->quantum * 40);
	sum = progress[0] + progress[1];
	ok(progress[0] > sum / 100 * 40, fair); /* half is its share; the grace time at a slice's end is the other's gain */
	is((int64_t)damage, 0, whole);
	print("# %lu and %lu\n", progress[0], progress[1]);
	child_end(&worker);
	child_end(&rival);
}

static void slices(void)
{
	int64_t position = aegis_slice_alloc(0, UINT32_MAX, boot->env, NULL);

	ok(position > 0, "an_environment_can_have_several_slices");
	is(aegis_slice_alloc(0, (uint32_t)position, boot->env, NULL), -E_BUSY, "a_position_is_given_once");
	is(aegis_slice_free(0, (uint32_t)position), 0, "and_given_back");
	is(aegis_slice_free(0, (uint32_t)position), -E_INVALID, "once");
	is(aegis_slice_alloc(1, 0, boot->env, NULL), -E_INVALID, "of_a_cpu_that_is_there");
	is(aegis_slice_alloc(0, info->slice_positions, boot->env, NULL), -E_INVALID, "within_its_vector");
	is(aegis_slice_alloc(0, UINT32_MAX, 0x7ff00001, NULL), -E_NOENV, "to_an_environment_that_is_there");
	share(compute, "two_that_compute_share_the_cpu", "and_keep_their_registers");
	share(compute_deaf, "one_that_does_not_yield_is_preempted_by_force", "and_loses_no_register_by_it");
}

/* Computes until then, and says how often he was told that his slice is over. */
static uint64_t count_until;
static void count_told(void *always)
{
	LOCAL->upcall.told_always = always != NULL;
	while (ticks() < count_until)
		;
	progress[0] = LOCAL->slice_ends;
}

static void told_always(void)
{
	for (uint64_t always = 0; always < 2; always++) {
		progress[0] = UINT64_MAX;
		count_until = ticks() + info->quantum * 10;
		child_make(&worker, count_told, (void *)always, 0);
		aegis_slice_alloc(0, UINT32_MAX, worker.env, NULL);
		sleep_until(0, count_until + info->quantum * 4);
		if (always)
			ok(progress[0] >= 5 && progress[0] <= 11, "unless_he_asks_to_be_told_always");
		else
			is((int64_t)progress[0], 0, "one_who_is_alone_is_not_told_of_the_ends_of_his_slices");
		is((int64_t)env_in_table(worker.env).excess, 0, "and_owes_nothing");
		child_end(&worker);
	}
}

static void sleep_then_count(void *argument)
{
	for (;;) {
		sleep_until(EVENT_NOTIFY(0), 0);
		LOCAL->upcall.pending = 0;
		++*(volatile uint64_t *)argument;
	}
}

static void events(void)
{
	uint64_t before = ticks();

	is(sleep_until(0, before + 100000) & EVENT_ALARM, EVENT_ALARM, "a_deadline_ends_a_sleep");
	ok(ticks() - before >= 100000, "not_too_early");
	LOCAL->upcall.pending = EVENT_NOTIFY(3);
	is(sleep_until(EVENT_NOTIFY(3), 0), EVENT_NOTIFY(3), "a_pending_event_lets_nobody_sleep");
	LOCAL->upcall.pending = 0;
	progress[0] = 0;
	child_make(&worker, sleep_then_count, (void *)&progress[0], 0);
	aegis_slice_alloc(0, UINT32_MAX, worker.env, NULL);
	for (int i = 0; i < 100; i++) {
		yield(0);
		aegis_notify(worker.env, EVENT_NOTIFY(0));
	}
	yield(0);
	is((int64_t)progress[0], 100, "no_wake_up_is_lost");
	is(aegis_notify(worker.env, EVENT_SLICE_END), -E_INVALID, "the_kernels_own_events_are_not_for_notifying");
	child_end(&worker);
	is(aegis_notify(worker.env, EVENT_NOTIFY(0)), -E_NOENV, "nor_is_one_who_is_gone");
}

static void serve(void *unused)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry, .transfer = (uint64_t)server_entry, .async = (uint64_t)server_entry };

	(void)unused;
	aegis_env_entries(&entries);
	for (;;)
		sleep_until(0, 0);
}

static void transfers(void)
{
	uint64_t message = 20, extra = 22;

	child_make(&server, serve, NULL, 0);
	is(transfer_message(server.env, &message, &extra), -E_STATE, "nobody_transfers_to_one_who_has_not_asked_for_it");
	yield(server.env);
	is(transfer_message(server.env, &message, &extra), 0, "a_transfer_comes_back");
	is((int64_t)extra, 42, "registers_carry_the_message");
	is((int64_t)message, 21, "and_the_reply");
	is(switch_call(CALL_transfer_back, 0, 0, 0), -E_STATE, "nobody_transfers_back_who_was_not_transferred_to");
	is(transfer_message(0x7ff00001, &message, &extra), -E_NOENV, "or_to_nobody");
	is(transfer_message(boot->env, &message, &extra), -E_STATE, "or_to_oneself");
	child_end(&server);
	is(transfer_message(server.env, &message, &extra), -E_NOENV, "the_dead_are_not_transferred_to");
}

/* One that is not set up yet would fault at its first instruction: so only who commands it may start it. */
static int64_t strangers_yield;
static void yield_to_fresh(void *unused)
{
	(void)unused;
	strangers_yield = yield(worker.env);
}

static void strangers(void)
{
	progress[0] = 0;
	child_make(&worker, compute, (void *)&progress[0], 0);
	ok(run_child(yield_to_fresh, NULL, 20) && strangers_yield == -E_STATE, "a_stranger_does_not_start_what_has_not_run");
	is((int64_t)progress[0], 0, "and_it_has_not_run_then");
	is(yield(worker.env), 0, "who_commands_it_does");
	ok(progress[0] > 0, "and_it_runs");
	child_end(&worker);
}

void test_main(void)
{
	strangers();
	slices();
	told_always();
	events();
	transfers();
}
