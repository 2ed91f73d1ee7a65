/* Schedulers that are programs (exos/lib/sched/run.h): shares as the clients themselves see them, and clients and schedulers that sleep, die or hold on to the CPU. On Linux there is
 * nothing to test but the refusal. */
#include "lib.h"

#include <sched.h>

#include <exos/lib/sched/edf.h>
#include <exos/lib/sched/lottery.h>
#include <exos/lib/sched/run.h>
#include <exos/lib/sched/stride.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

#define CLIENTS 300
#define WINDOW STRIDE_HORIZON
static volatile struct aegis_upcall *const upcall = (volatile struct aegis_upcall *)SELF_VA;

/* What the processes of a test share. */
static struct shared {
	volatile uint64_t work[CLIENTS], slices[CLIENTS]; /* each counts its own */
	volatile uint64_t nested[2]; /* turns of the inner clients, as the inner scheduler counts them */
	volatile pid_t pids[CLIENTS];
} *shared;

static struct run_child *children[CLIENTS];
static struct run run;
static int ended_count, ended_status;

static void ended(struct run *r, struct run_child *c, int status)
{
	(void)r;
	for (int i = 0; i < CLIENTS; i++)
		if (children[i] == c)
			children[i] = NULL;
	ended_count++;
	ended_status = status;
}

static void begin(const struct sched_ops *ops, uint64_t option)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	CHECK(run_start(&run, ops, option));
	run.ended = ended;
}

/* Works for ever and counts the slices in which it does, by what the kernel writes into its upcall page. */
static void spin(int i)
{
	for (uint64_t last = 0;; shared->work[i]++)
		if (upcall->slice_end != last) {
			last = upcall->slice_end;
			shared->slices[i]++;
		}
}

static void add(int i, struct sched_share share, void (*body)(int))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		body(i);
		_exit(0);
	}
	shared->pids[i] = pid;
	children[i] = run_add(&run, pid, &share);
	CHECK(children[i]);
}

static void add_tickets(int i, uint32_t tickets, void (*body)(int)) { add(i, (struct sched_share){ .tickets = tickets }, body); }

static void turns(int n)
{
	while (n--)
		CHECK(run_turn(&run));
}

/* Turns that all have had since the last call, from 0. */
static uint64_t turns_had[CLIENTS];
static uint64_t turns_of(int i) { return children[i]->turns - turns_had[i]; }
static void turns_begin(int n)
{
	for (int i = 0; i < n; i++) {
		turns_had[i] = children[i] ? children[i]->turns : 0;
		shared->slices[i] = 0;
	}
}

static bool within(uint64_t a, uint64_t b, uint64_t most) { return a <= b + most && b <= a + most; }

static void shares_are_as_tickets_say(void)
{
	begin(&sched_stride, 0);
	for (int i = 0; i < 3; i++)
		add_tickets(i, 3 - (uint32_t)i, spin);
	turns(10); /* each has begun */
	turns_begin(3);
	turns(600);
	for (int i = 0; i < 3; i++) {
		CHECK(within(turns_of(i), 100 * (3 - (uint64_t)i), 2));
		CHECK(within(shared->slices[i], turns_of(i), 6)); /* a host that stops the machine for long can take a slice whole */
	}
}

static void three_hundred_have_their_shares(void)
{
	static uint64_t had[CLIENTS][WINDOW + 201];
	uint64_t total = 0;

	begin(&sched_stride, 0);
	for (int i = 0; i < CLIENTS; i++) {
		add_tickets(i, 1 + (uint32_t)i % 3, spin);
		total += 1 + (uint64_t)i % 3;
	}
	turns(CLIENTS);
	for (int t = 0; t <= WINDOW + 200; t++) {
		for (int i = 0; i < CLIENTS; i++)
			had[i][t] = children[i]->turns;
		turns(1);
	}
	for (int i = 0; i < CLIENTS; i++) {
		int64_t share = WINDOW * (1 + i % 3); /* in slices * total */

		CHECK(shared->work[i] && within(shared->slices[i], children[i]->turns, 2));
		for (int t = 0; t + WINDOW <= WINDOW + 200; t++)
			CHECK(llabs((int64_t)((had[i][t + WINDOW] - had[i][t]) * total) - share) <= (int64_t)total);
	}
}

static void a_lottery_is_fair_in_the_long_run(void)
{
	begin(&sched_lottery, 42);
	add_tickets(0, 3, spin);
	add_tickets(1, 1, spin);
	turns(1000);
	CHECK(within(turns_of(0), 750, 70)); /* five times the deviation to expect */
	IS(turns_of(0) + turns_of(1), 1000);
}

static void tickets_can_change(void)
{
	struct sched_share more = { .tickets = 9 }, none = { .tickets = 0 };

	begin(&sched_stride, 0);
	add_tickets(0, 1, spin);
	add_tickets(1, 1, spin);
	turns(100);
	CHECK(within(turns_of(0), 50, 2));
	turns_begin(2);
	IS(sched_stride.share(run.sched, children[0]->client, &more), 0);
	CHECK(sched_stride.share(run.sched, children[1]->client, &none) < 0);
	turns(200);
	CHECK(within(turns_of(0), 180, 2));
}

/* Sleeps and works a little, in turn. */
static void sleeper(int i)
{
	for (;; shared->work[i]++)
		sleep_ms(3);
}

static void who_sleeps_costs_nobody_and_comes_back(void)
{
	begin(&sched_stride, 0);
	add_tickets(0, 1, spin);
	add_tickets(1, 1, sleeper);
	turns(400);
	CHECK(shared->work[1] > 20); /* it woke, again and again */
	CHECK(shared->slices[0] > 180 && turns_of(0) > 180);
	/* No more than its share after a long sleep: it starts at the present. */
	add_tickets(2, 1, sleeper);
	turns(100);
	CHECK(shared->work[2] > 5);
}

static void if_all_sleep_the_scheduler_sleeps(void)
{
	const volatile struct aegis_info *machine = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);
	uint64_t from, idle;

	begin(&sched_stride, 0);
	add_tickets(0, 1, sleeper);
	add_tickets(1, 1, sleeper);
	from = __builtin_ia32_rdtsc();
	idle = machine->idle_ticks;
	while (shared->work[0] < 50 || shared->work[1] < 50)
		CHECK(run_turn(&run));
	CHECK(2 * (machine->idle_ticks - idle) > __builtin_ia32_rdtsc() - from);
}

static void the_dead_leave_their_share_to_the_others(void)
{
	begin(&sched_stride, 0);
	for (int i = 0; i < 3; i++)
		add_tickets(i, 1, spin);
	add_tickets(3, 5, sleeper);
	turns(60);
	IS(kill(shared->pids[1], SIGKILL), 0);
	while (children[1])
		turns(1);
	IS(ended_status, SIGKILL);
	IS(kill(shared->pids[3], SIGKILL), 0); /* in its sleep, or out of it */
	while (children[3])
		turns(1);
	IS(ended_count, 2);
	turns_begin(3);
	turns(100);
	CHECK(within(turns_of(0), 50, 2));
	IS(turns_of(0) + turns_of(2), 100);
	kill(shared->pids[0], SIGTERM); /* a signal that it takes itself, in one of its turns */
	kill(shared->pids[2], SIGTERM);
	while (run_turn(&run))
		;
	IS(ended_count, 4);
	IS(ended_status, SIGTERM);
	run_end(&run);
}

/* Preempted by force: for a while it takes no upcalls at all. */
static void deaf(int i)
{
	uint64_t until = __builtin_ia32_rdtsc() + 40 * ((const struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->quantum;

	shared->work[i] = 1; /* no page may be missing while there are no upcalls */
	upcall->disabled = 1;
	while (__builtin_ia32_rdtsc() < until)
		shared->work[i]++;
	upcall->disabled = 0;
	spin(i);
}

static void who_holds_on_to_the_cpu_loses_it(void)
{
	begin(&sched_stride, 0);
	add_tickets(0, 1, spin);
	add_tickets(1, 1, deaf);
	turns(10);
	turns_begin(2);
	turns(100);
	CHECK(within(turns_of(0), 50, 3));
	CHECK(shared->slices[0] > 40 && shared->work[1]);
}

/* Every second time it is told that its slice is over it goes on until it is stopped by force. */
static void slow_end(void)
{
	static int calls;

	if (calls++ % 2)
		for (uint64_t end = upcall->slice_end; upcall->slice_end == end;)
			shared->work[2]++;
}

static void late_now_and_then(int i)
{
	static char stack[16384] __attribute__((aligned(64)));
	struct exos_handlers handlers = { .slice_end = slow_end, .stack = stack, .stack_size = sizeof(stack) };

	IS(exos_handlers(&handlers), 0);
	spin(i);
}

/* Which is not being late EXCESS_LIMIT times in a row, though it is never run but by directed yields. */
static void who_is_late_now_and_then_is_not_stopped(void)
{
	begin(&sched_stride, 0);
	add_tickets(0, 2, late_now_and_then);
	add_tickets(1, 1, spin);
	turns(4 * EXCESS_LIMIT);
	IS(ended_count, 0);
	CHECK(shared->work[2] && turns_of(0) > 2 * EXCESS_LIMIT);
}

/* A process that is a scheduler of two, which run. The test sees what they share. */
static pid_t scheduler_start(void)
{
	struct shared *ours = mmap(NULL, sizeof(*ours), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		begin(&sched_stride, 0);
		shared = ours;
		add_tickets(0, 1, spin);
		add_tickets(1, 1, spin);
		for (;;)
			run_turn(&run);
	}
	shared = ours;
	while (shared->slices[0] < 3 || shared->slices[1] < 3)
		sched_yield();
	return pid;
}

static void clients_of_a_dead_scheduler_go_on(void)
{
	pid_t pid = scheduler_start();

	IS(kill(pid, SIGKILL), 0);
	ENDS(pid, SIGKILL);
	for (int i = 0; i < 2; i++)
		for (uint64_t before = shared->work[i]; shared->work[i] == before;)
			sched_yield(); /* they have slices of their own again */
	for (int i = 0; i < 2; i++) {
		IS(kill(shared->pids[i], SIGKILL), 0);
		while (!kill(shared->pids[i], 0)) /* and end */
			sched_yield();
	}
}

static void a_scheduler_takes_signals(void)
{
	pid_t pid = scheduler_start();

	IS(kill(pid, SIGINT), 0); /* while it does nothing but yield */
	ENDS(pid, SIGINT);
}

/* A client that is a stride scheduler of two clients, at 3:1. */
static void nested(int i)
{
	struct shared *ours = shared;

	(void)i;
	begin(&sched_stride, 0);
	shared = ours;
	add_tickets(10, 3, spin);
	add_tickets(11, 1, spin);
	for (;;) {
		run_turn(&run);
		shared->nested[0] = children[10]->turns;
		shared->nested[1] = children[11]->turns;
	}
}

static void schedulers_nest(void)
{
	uint64_t all;

	begin(&sched_lottery, 7);
	add_tickets(0, 1, nested);
	add_tickets(1, 1, spin);
	turns(20);
	turns_begin(CLIENTS);
	turns(600);
	CHECK(within(turns_of(0), 300, 62)); /* five deviations */
	all = shared->slices[10] + shared->slices[11];
	CHECK(within(all, turns_of(0), 12)); /* the slices that the inner clients have seen are those that the inner scheduler was given */
	CHECK(within(4 * shared->slices[10], 3 * all, 24));
	CHECK(within(shared->nested[0], 3 * shared->nested[1], 6));
}

/* A job is a number of rounds; its end is told by giving the CPU back. */
static void job(int i)
{
	env_id scheduler = (env_id)exos_environment(getppid());

	for (;;) {
		for (int n = 0; n < 1000; n++)
			shared->work[i]++;
		give_yield(scheduler);
	}
}

static void jobs_are_released_in_each_period(void)
{
	const struct aegis_info *machine = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);
	uint64_t ms = machine->tsc_hz / 1000, from, periods;
	struct edf_client *good, *bad;

	begin(&sched_edf, machine->quantum);
	from = __builtin_ia32_rdtsc();
	add(0, (struct sched_share){ .budget = 5 * ms, .period = 20 * ms }, job);
	add(1, (struct sched_share){ .budget = 10 * ms, .period = 40 * ms }, spin); /* its jobs never end */
	CHECK(sched_edf.share(run.sched, children[0]->client, &(struct sched_share){ .budget = 16 * ms, .period = 20 * ms }) == -EBUSY);
	while (__builtin_ia32_rdtsc() - from < 800 * ms)
		CHECK(run_turn(&run));
	periods = (__builtin_ia32_rdtsc() - from) / (20 * ms);
	good = (struct edf_client *)children[0]->client;
	bad = (struct edf_client *)children[1]->client;
	CHECK(within(good->jobs, periods, 3));
	CHECK(!bad->jobs && within(bad->overran, periods / 2, 3));
	CHECK(within(children[1]->ticks / ms, periods / 2 * 10, 25)); /* it has its budget and no more */
}

static void refusals(void)
{
	struct sched_share share = { .tickets = 1 };
	pid_t pid;

	begin(&sched_stride, 0);
	CHECK(!run_add(&run, 999999, &share));
	IS(errno, ESRCH);
	share.tickets = 0;
	if (!(pid = fork()))
		spin(0);
	CHECK(!run_add(&run, pid, &share));
	IS(errno, EINVAL);
	CHECK(!run_turn(&run));
	for (uint64_t before = shared->work[0]; shared->work[0] == before;)
		sched_yield(); /* it has its slices still */
	share.tickets = 1;
	CHECK(run_add(&run, pid, &share));
	turns(10);
	run_end(&run);
	for (uint64_t before = shared->work[0]; shared->work[0] == before;)
		sched_yield(); /* and again */
}

static void there_is_none_on_linux(void)
{
	CHECK(!run_start(&run, &sched_stride, 0));
	IS(errno, ENOSYS);
}

int main(int argc, char **argv)
{
	static const struct test here[] = {
		T(shares_are_as_tickets_say), T(three_hundred_have_their_shares), T(a_lottery_is_fair_in_the_long_run), T(tickets_can_change),
		T(who_sleeps_costs_nobody_and_comes_back), T(if_all_sleep_the_scheduler_sleeps), T(the_dead_leave_their_share_to_the_others),
		T(who_holds_on_to_the_cpu_loses_it), T(who_is_late_now_and_then_is_not_stopped), T(clients_of_a_dead_scheduler_go_on), T(a_scheduler_takes_signals), T(schedulers_nest),
		T(jobs_are_released_in_each_period), T(refusals), { NULL, NULL },
	};
	static const struct test elsewhere[] = { T(there_is_none_on_linux), { NULL, NULL } };

	(void)argc;
	return run_tests(exos_here() ? here : elsewhere, argv + 1);
}
