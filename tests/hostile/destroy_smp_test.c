/* Environments made, run on the other CPU and destroyed there in whatever they do; and the two ways in which one CPU wakes what sleeps on another. */
#include <tests/hostile/smp.h>

#define ROUNDS 200 /* of each kind */
#define PINGS 100000
#define PINGS_MS 8000 /* a busy host has so long for them */
#define SLEEPERS 4 /* on each CPU */

static struct child victim, other, players[2], sleepers[2 * SLEEPERS];
static volatile env_id target; /* the victim, once it can run */
static volatile int64_t strange_result;
static volatile uint64_t alive, strange, stop, ready, rounds_played[2], slept[2 * SLEEPERS], early, latest;

/* Victims: what they do when they are destroyed. */
static void compute(void *unused)
{
	(void)unused;
	for (;;)
		alive++;
}

static void compute_deaf(void *unused)
{
	LOCAL->upcall.disabled = 1;
	compute(unused);
}

static void sleep_for_ever(void *unused)
{
	(void)unused;
	alive++;
	for (;;)
		sleep_until(0, 0);
}

/* Sleeps as briefly as can be: is on its way to sleep or from it, with an alarm. */
static void sleep_briefly(void *unused)
{
	(void)unused;
	deaf(NULL, NULL);
	for (;;) {
		alive++;
		sleep_until(EVENT_NOTIFY(0), ticks() + 10 * microsecond);
	}
}

/* With an alarm that is far away: one that was left behind would be in the next one's way. */
static void sleep_long(void *unused)
{
	(void)unused;
	deaf(NULL, NULL);
	for (;;) {
		alive++;
		sleep_until(EVENT_NOTIFY(0), ticks() + 1000000 * microsecond);
		take_events();
	}
}

static void yield_always(void *unused)
{
	(void)unused;
	for (;;) {
		alive++;
		yield(0);
	}
}

/* Yields to the victim, and has it yielded back, whatever becomes of it. */
static void yield_to_victim(void *unused)
{
	(void)unused;
	while (!stop) {
		int64_t result = yield(target);

		if (result != 0 && result != -E_NOENV && result != -E_STATE)
			strange++, strange_result = result;
	}
}

static void yield_to_other(void *unused)
{
	(void)unused;
	for (;;) {
		alive++;
		yield(other.env);
	}
}

static void fault(void *unused)
{
	(void)unused;
	alive++;
	do_write((void *)8); /* with no attempt(): the second exception stops it */
}

/* Notifies it all the time, while it lives. */
static void nothing(void) {}
static void notify_victim(void) { aegis_notify(victim.env, EVENT_NOTIFY(0)); }
static void give_slices(void)
{
	int64_t position = aegis_slice_alloc(1, UINT32_MAX, victim.env, NULL);

	if (position >= 0)
		aegis_slice_free(1, (uint32_t)position);
}
static void yield_now_and_then(void)
{
	int64_t result = yield(victim.env);

	if (result != 0 && result != -E_STATE)
		strange++, strange_result = result;
}

static void destroyed(uint32_t cpu, void (*run)(void *), void (*meanwhile)(void), const char *name)
{
	uint64_t n = 0, before = free_frames();

	for (; n < ROUNDS; n++) {
		alive = 0;
		target = start_on(cpu, &victim, run, NULL);
		if (!AWAIT((meanwhile(), alive > n % 4)) && run != sleep_for_ever && run != fault)
			break;
		random_spin(1000);
		if (!finish(&victim))
			break;
	}
	ok(n == ROUNDS && free_frames() == before, name);
	if (n != ROUNDS || free_frames() != before)
		print("# %lu of %u rounds, %ld frames are lost\n", n, (uint32_t)ROUNDS, (int64_t)(before - free_frames()));
}

static void destroying(void)
{
	destroyed(1, compute, nothing, "one_that_computes_on_the_other_cpu_can_be_destroyed_and_no_frame_is_lost");
	destroyed(1, compute_deaf, nothing, "or_computes_deaf_to_events");
	destroyed(1, sleep_briefly, nothing, "or_goes_to_sleep_and_wakes");
	destroyed(1, sleep_long, notify_victim, "or_sleeps_with_an_alarm_and_is_notified");
	destroyed(1, yield_always, give_slices, "or_yields_and_is_given_slices");
	destroyed(EITHER_CPU, compute, nothing, "or_has_slices_on_both_cpus");
	destroyed(EITHER_CPU, yield_always, yield_now_and_then, "or_is_yielded_to");
	target = 0;
	start_on(1, &other, yield_to_victim, NULL);
	destroyed(NO_CPU, yield_to_other, nothing, "or_runs_when_the_other_cpu_yields_to_it");
	destroyed(EITHER_CPU, yield_to_other, yield_now_and_then, "or_when_both_do");
	stop = 1;
	is((int64_t)strange, 0, "a_yield_to_one_who_is_destroyed_is_done_or_refused");
	if (strange)
		print("# the last strange one: %ld\n", strange_result);
	ok(AWAIT(other.done) && finish(&other), "whoever_yielded_to_them_goes_on");
}

/* Each destroyed a little after it began to do nothing more. */
static void stopped_and_destroyed(void (*run)(void *), const char *name)
{
	uint64_t n = 0, before = free_frames();

	for (; n < ROUNDS; n++) {
		alive = 0;
		start_on(1, &victim, run, NULL);
		if (!AWAIT(alive))
			break;
		random_spin(500);
		if (!finish(&victim))
			break;
	}
	ok(n == ROUNDS && free_frames() == before, name);
}

/* Each wakes the other and sleeps until it is woken. With no event entry, a notification that comes before the sleep stays pending. */
static void play(void *number)
{
	uint64_t i = (uint64_t)number;

	deaf(NULL, NULL);
	__atomic_or_fetch(&ready, 1ul << i, __ATOMIC_SEQ_CST); /* before that a notification would be taken by an upcall */
	while (ready != 3 && !stop)
		yield(0);
	while (rounds_played[i] < PINGS && !stop) {
		if (i == 0)
			aegis_notify(players[1].env, EVENT_NOTIFY(0));
		while (!(take_events() & EVENT_NOTIFY(0)) && !stop)
			sleep_until(EVENT_NOTIFY(0), 0);
		rounds_played[i]++;
		if (i == 1)
			aegis_notify(players[0].env, EVENT_NOTIFY(0));
	}
}

static void ping_pong(uint32_t first, uint32_t second, const char *name)
{
	uint64_t before, end = ticks() + milliseconds(PINGS_MS);

	stop = ready = rounds_played[0] = rounds_played[1] = 0;
	start_on(second, &players[1], play, (void *)1);
	start_on(first, &players[0], play, NULL);
	do { /* as long as it gets on */
		before = rounds_played[0];
		for (int i = 0; i < 20 && !players[0].done && ticks() < end; i++)
			sleep_until(0, ticks() + milliseconds(100));
	} while (!players[0].done && ticks() < end && rounds_played[0] != before);
	ok(players[0].done || (ticks() >= end && rounds_played[0] != before), name);
	print("# %lu of %u rounds\n", rounds_played[0], (uint32_t)PINGS);
	stop = 1;
	finish(&players[0]);
	finish(&players[1]);
}

static void sleep_at_random(void *number)
{
	uint64_t i = (uint64_t)number, state = seed + i;

	deaf(NULL, NULL);
	while (!stop) {
		uint64_t deadline = ticks() + random_next(&state) % (2000 * microsecond), now;

		sleep_until(0, deadline);
		now = ticks();
		take_events();
		early += now < deadline;
		if (now > deadline && now - deadline > latest)
			latest = now - deadline;
		slept[i]++;
	}
}

static void alarms(void)
{
	uint64_t least = UINT64_MAX, all_end = 1;

	stop = early = latest = 0;
	for (uint64_t i = 0; i < OF(sleepers); i++)
		start_on((uint32_t)i % 2, &sleepers[i], sleep_at_random, (void *)i);
	sleep_until(0, ticks() + milliseconds(1500));
	stop = 1;
	for (uint64_t i = 0; i < OF(sleepers); i++) {
		least = slept[i] < least ? slept[i] : least;
		all_end &= AWAIT((sleep_until(0, ticks() + info->quantum), sleepers[i].done));
	}
	ok(all_end, "alarms_on_both_cpus_all_go_off");
	is((int64_t)early, 0, "none_too_early");
	ok(least > 20, "and_none_is_left_out");
	print("# the one that slept least did so %lu times; the latest was %lu us late\n", least, latest / microsecond);
	for (uint64_t i = 0; i < OF(sleepers); i++)
		finish(&sleepers[i]);
}

void test_main(void)
{
	if (!two_cpus())
		return;
	seed_print();
	child_make(&victim, sleep_for_ever, NULL, SAME_ACCOUNT); /* what the harness makes once is there before frames are counted */
	finish(&victim);
	stopped_and_destroyed(sleep_for_ever, "one_that_sleeps_can_be_destroyed");
	stopped_and_destroyed(fault, "or_one_that_was_stopped");
	destroying();
	ping_pong(0, 1, "two_on_two_cpus_wake_each_other_and_no_wake_up_is_lost");
	ping_pong(EITHER_CPU, EITHER_CPU, "nor_where_each_has_slices_on_both");
	alarms();
}
