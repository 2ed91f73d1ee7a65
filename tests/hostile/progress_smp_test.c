/* Two CPUs at once: what runs on both makes progress on both, and nobody runs on two. */
#include <tests/hostile/smp.h>

#define STAGE_MS 200 /* how long a rate is measured */
#define TRIES 3
#define LEAST 90     /* percent of the rate alone that is asked for */
#define CHUNK 1000
#define STOLEN_US 50 /* a chunk that took longer was interrupted by the host, or by a slice's end: its time does not count */

static struct child runners[2], both, crowd[6];
static volatile uint64_t turns_counted[2], ticks_counted[2], token, stop;

/* Counts chunks that nobody interrupted, and the time that they took. The host may be busy elsewhere: how often it interrupts a CPU says nothing about
 * this kernel; how fast one runs beside the other meanwhile does. */
static void count(void *number)
{
	volatile uint64_t turns;
	uint64_t i = (uint64_t)number;

	while (!stop) {
		uint64_t before = ticks(), gone;

		for (turns = 0; turns < CHUNK; turns++)
			;
		gone = ticks() - before;
		if (gone < STOLEN_US * microsecond) {
			ticks_counted[i] += gone;
			turns_counted[i] += CHUNK;
		}
	}
}

/* Turns in a thousand ticks. */
static void rates(bool first, bool second, uint64_t rate[2])
{
	bool on[2] = { first, second };

	stop = 0;
	for (uint32_t i = 0; i < 2; i++) {
		turns_counted[i] = ticks_counted[i] = 0;
		if (on[i])
			start_on(i, &runners[i], count, (void *)(uint64_t)i);
	}
	sleep_until(0, ticks() + milliseconds(STAGE_MS));
	stop = 1;
	for (uint32_t i = 0; i < 2; i++)
		if (on[i]) {
			finish(&runners[i]);
			rate[i] = turns_counted[i] * 1000 / (ticks_counted[i] + 1);
		}
}

static void as_fast(void)
{
	uint64_t alone[2], together[2], best = 0;

	for (int try = 0; try < TRIES && best < LEAST; try++) {
		uint64_t least;

		rates(true, false, alone);
		rates(false, true, alone);
		rates(true, true, together);
		least = together[0] * 100 / (alone[0] + 1);
		if (together[1] * 100 / (alone[1] + 1) < least)
			least = together[1] * 100 / (alone[1] + 1);
		best = least > best ? least : best;
		print("# turns in 1000 ticks: alone %lu and %lu, together %lu and %lu; percent: %lu\n", alone[0], alone[1], together[0], together[1], least);
	}
	ok(best >= LEAST, "each_as_fast_as_one_alone");
}

/* The two hand a token to and fro in memory, with no kernel call. How often depends on the host, which may have one CPU to spare for the two. But if they took
 * turns on one of this machine's, each would be told of the end of every other slice. */
static void hand_on(void *number)
{
	while (!stop)
		if (token % 2 == (uint64_t)number)
			token++;
}

static void at_once(void)
{
	uint64_t slices = milliseconds(STAGE_MS) / info->quantum, ends = 0;
	uint32_t on[2];

	stop = token = 0;
	for (uint64_t i = 0; i < 2; i++)
		start_on((uint32_t)i, &runners[i], hand_on, (void *)i);
	sleep_until(0, ticks() + milliseconds(STAGE_MS));
	stop = 1;
	for (uint32_t i = 0; i < 2; i++) {
		ends += child_local(&runners[i])->slice_ends;
		on[i] = child_local(&runners[i])->upcall.cpu;
	}
	ok(on[0] == 0 && on[1] == 1 && token > 1 && ends < slices / 10, "two_cpus_run_two_environments_at_once");
	print("# they exchanged a token %lu times in %lu slices, %lu of which ended\n", token, slices, ends);
	ok(finish(&runners[0]) && finish(&runners[1]), "which_can_be_destroyed");
}

/* What an environment keeps in its private page to find that it runs twice. */
struct private {
	struct local local;
	volatile uint64_t inside, turns, cpus;
};
#define PRIVATE ((struct private *)LOCAL)
static volatile uint64_t all_started, twice[OF(crowd)], seen_cpus[OF(crowd)], turns[OF(crowd)];

/* Only one who runs twice finds himself inside already; and only then is the shared count ahead of the one kept in a register. */
static void turn(uint64_t i, uint64_t mine)
{
	if (__atomic_exchange_n(&PRIVATE->inside, 1, __ATOMIC_SEQ_CST) || __atomic_add_fetch(&PRIVATE->turns, 1, __ATOMIC_SEQ_CST) != mine)
		twice[i]++;
	seen_cpus[i] |= 1ul << LOCAL->upcall.cpu;
	turns[i] = mine;
	PRIVATE->inside = 0;
}

static void watch(void *number)
{
	for (uint64_t mine = 1; !stop; mine++)
		turn((uint64_t)number, mine);
}

static void watch_deaf(void *number)
{
	LOCAL->upcall.disabled = 1; /* preempted by force */
	watch(number);
}

/* Yields to one of the others, or to nobody, all the time. */
static void watch_and_yield(void *number)
{
	uint64_t state = (uint64_t)number;

	while (!all_started && !stop) /* whoever is of the same account may start one that is not set up yet */
		yield(0);
	for (uint64_t mine = 1; !stop; mine++) {
		turn((uint64_t)number, mine);
		yield(random_next(&state) % 4 ? crowd[random_next(&state) % OF(crowd)].env : 0);
	}
}

static bool all_were_on_both(void)
{
	for (uint64_t i = 0; i < OF(crowd); i++)
		if (seen_cpus[i] != 3 || !turns[i])
			return false;
	return true;
}

static void one_at_a_time(void (*run)(void *), const char *once, const char *everywhere)
{
	uint64_t on_both = 0, wrong = 0, sum = 0, least = UINT64_MAX, end = ticks() + milliseconds(15000);

	stop = all_started = 0;
	for (uint64_t i = 0; i < OF(crowd); i++) {
		twice[i] = seen_cpus[i] = turns[i] = 0;
		start_on(EITHER_CPU, &crowd[i], run, (void *)i);
	}
	all_started = 1;
	do /* a host that is busy may leave one of the two CPUs out for long */
		sleep_until(0, ticks() + milliseconds(1000));
	while (!all_were_on_both() && ticks() < end);
	stop = 1;
	for (uint64_t i = 0; i < OF(crowd); i++) {
		wrong += twice[i];
		on_both += seen_cpus[i] == 3;
		sum += turns[i];
		least = turns[i] < least ? turns[i] : least;
		if (!finish(&crowd[i]))
			wrong++;
	}
	is((int64_t)wrong, 0, once);
	print("# %lu turns, the slowest %lu; %lu of %lu were on both CPUs\n", sum, least, on_both, OF(crowd));
	ok(on_both == OF(crowd) && least, everywhere);
}

static void alone_on_both(void)
{
	twice[0] = turns[0] = stop = 0;
	start_on(EITHER_CPU, &both, watch, NULL);
	sleep_until(0, ticks() + milliseconds(300));
	stop = 1;
	is((int64_t)twice[0], 0, "one_with_slices_on_both_cpus_runs_on_one_at_a_time");
	ok(turns[0] > 0 && finish(&both), "and_goes_on");
}

void test_main(void)
{
	uint64_t before = free_frames();

	if (!two_cpus())
		return;
	at_once();
	as_fast();
	alone_on_both();
	one_at_a_time(watch, "of_many_with_slices_on_both_cpus_each_runs_on_one_at_a_time", "but_on_both_in_turn");
	one_at_a_time(watch_deaf, "nor_do_those_run_twice_who_are_preempted_by_force", "who_go_round_too");
	one_at_a_time(watch_and_yield, "nor_those_who_yield_to_each_other_all_the_time", "and_none_is_left_out");
	print("# %lu frames fewer are free\n", before - free_frames());
}
