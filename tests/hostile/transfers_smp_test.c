/* Protected control transfer from two CPUs at once: exact, to one at a time, no wake-up lost, and nobody left waiting for the dead. */
#include <tests/hostile/smp.h>

#define CALLS 50000
#define HOPS_MS 1500
#define NOTIFIES 10000

static struct child server, clients[2], ring[6];
static volatile uint64_t replies[2], wrong_reply, wrong_result, refused, stop, hops, woken;

static void serve_with(const char *transfer, const char *async)
{
	deaf(transfer, async);
	for (;;)
		sleep_until(0, 0);
}

static void serve(void *unused) { (void)unused, serve_with(smp_server, smp_async); }

/* The result of a transfer, tried until the server takes it. A server that was preempted while it served is given the CPU. */
static int64_t send_surely(env_id to, struct message *m)
{
	int64_t result;

	while ((result = send(to, m)) == -E_STATE && !stop) {
		refused++;
		yield(to);
	}
	return result;
}

static void hammer(void *number)
{
	uint64_t i = (uint64_t)number, state = seed + i;

	deaf(NULL, NULL);
	for (uint64_t n = 0; n < CALLS && !stop; n++) {
		uint64_t first = i << 32 | n, second = random_next(&state);
		struct message m = { first, second, random_next(&state) % 64, 0 };

		if (send_surely(server.env, &m) != 0)
			wrong_result++;
		else if (m.first != first + 1 || m.second != first + second || m.seen != clients[i].env)
			wrong_reply++;
		replies[i]++;
	}
}

static void begin(struct child *s, uint32_t cpu, void (*run)(void *))
{
	stop = smp_served = smp_async_served = wrong_reply = wrong_result = refused = replies[0] = replies[1] = 0;
	start_on(cpu, s, run, NULL);
	begin_to_serve(s->env);
}

/* Waits asleep, so that the children have both CPUs. */
static bool done_both(void)
{
	uint64_t end = ticks() + milliseconds(4 * PATIENCE);

	while (!(clients[0].done && clients[1].done) && ticks() < end)
		sleep_until(0, ticks() + milliseconds(10));
	return clients[0].done && clients[1].done;
}

static void two_clients(void)
{
	begin(&server, NO_CPU, serve);
	for (uint64_t i = 0; i < 2; i++)
		start_on((uint32_t)i, &clients[i], hammer, (void *)i);
	ok(done_both(), "two_clients_on_two_cpus_transfer_to_one_server");
	stop = 1;
	is((int64_t)smp_served, 2 * CALLS, "which_serves_each_once_and_one_at_a_time");
	is((int64_t)wrong_result, 0, "each_transfer_is_done_or_refused");
	is((int64_t)wrong_reply, 0, "and_each_reply_is_the_right_one_for_the_right_client");
	print("# %lu served, %lu refused meanwhile\n", smp_served, refused);
	ok(finish(&clients[0]) && finish(&clients[1]) && finish(&server), "they_can_be_destroyed");
}

static void hammer_async(void *number)
{
	uint64_t i = (uint64_t)number;

	deaf(NULL, NULL);
	while (replies[i] < CALLS && !stop) {
		int64_t result = send_async(server.env);

		if (result == 0)
			replies[i]++;
		else if (result == -E_STATE)
			yield(server.env);
		else
			wrong_result++;
	}
}

/* The server sleeps anew after each one, with a deadline or without: what it was woken for is no matter here, that it goes on is. */
static void asynchronous(uint64_t deadline, const char *exact, const char *gone)
{
	smp_async_sleep = deadline;
	begin(&server, EITHER_CPU, serve);
	for (uint64_t i = 0; i < 2; i++)
		start_on((uint32_t)i, &clients[i], hammer_async, (void *)i);
	done_both();
	stop = 1;
	is((int64_t)(smp_async_served - replies[0] - replies[1] + wrong_result), 0, exact);
	ok(replies[0] == CALLS && replies[1] == CALLS, "all_of_them_are_taken");
	ok(finish(&clients[0]) && finish(&clients[1]) && finish(&server), gone);
}

/* A ring: each hands on to the next, until the hops are used up or the ring bites its own tail. */
static void ring_member(void *number)
{
	uint64_t *next = (uint64_t *)((uint64_t)LOCAL + RING_PLACE);

	*next = ring[((uint64_t)number + 1) % OF(ring)].env;
	serve_with(smp_ring, NULL);
}

static void ring_start(void *number)
{
	uint64_t state = seed ^ (uint64_t)number;

	deaf(NULL, NULL);
	while (!stop) {
		struct message m = { random_next(&state) % 12, 0, 0, 0 };
		int64_t result = send(ring[random_next(&state) % OF(ring)].env, &m);

		if (result == 0)
			__atomic_add_fetch(&hops, m.second, __ATOMIC_SEQ_CST);
		else if (result == -E_STATE)
			yield(ring[random_next(&state) % OF(ring)].env);
		else
			wrong_result++;
		replies[(uint64_t)number]++;
	}
}

static void storm(void)
{
	uint64_t counted = 0;

	stop = wrong_result = hops = replies[0] = replies[1] = 0;
	for (uint64_t i = 0; i < OF(ring); i++) /* all, before one reads another's name */
		start_on((uint32_t)i % 2, &ring[i], ring_member, (void *)i);
	sleep_until(0, ticks() + milliseconds(50));
	for (uint64_t i = 0; i < 2; i++)
		start_on((uint32_t)i, &clients[i], ring_start, (void *)i);
	sleep_until(0, ticks() + milliseconds(HOPS_MS));
	stop = 1;
	ok(done_both(), "transfers_storm_through_a_ring");
	for (uint64_t i = 0; i < OF(ring); i++)
		counted += *(const uint64_t *)((uint64_t)child_local(&ring[i]) + RING_PLACE + 8);
	is((int64_t)counted, (int64_t)hops, "and_each_hop_is_made_once");
	is((int64_t)wrong_result, 0, "none_fails_but_for_a_server_that_is_busy");
	print("# %lu hops in %lu and %lu storms\n", hops, replies[0], replies[1]);
	for (uint64_t i = 0; i < OF(ring); i++)
		finish(&ring[i]);
	finish(&clients[0]);
	finish(&clients[1]);
}

/* Serves, and counts how often a notification ends its sleep. */
static void serve_and_listen(void *unused)
{
	(void)unused;
	deaf(smp_server, NULL);
	for (;;)
		if (sleep_until(EVENT_NOTIFY(0), 0) & EVENT_NOTIFY(0) && take_events())
			woken++;
}

static void hammer_until(void *number)
{
	uint64_t i = (uint64_t)number;

	deaf(NULL, NULL);
	while (!stop) {
		struct message m = { i, replies[i], 0, 0 };

		if (send_surely(server.env, &m) != 0)
			wrong_result++;
		else
			replies[i]++;
	}
}

/* The first environment notifies from CPU 0 while a client on CPU 1 has the server served: each notification must end its sleep. */
static void notifications(void)
{
	uint64_t n = 0, served;

	woken = 0;
	begin(&server, EITHER_CPU, serve_and_listen);
	start_on(1, &clients[1], hammer_until, (void *)1);
	ok(AWAIT(replies[1]), "a_client_hammers_a_server");
	while (n < NOTIFIES) {
		uint64_t before = woken;

		if (aegis_notify(server.env, EVENT_NOTIFY(0)) != 0 || !AWAIT(woken != before))
			break;
		n++;
		random_spin(200);
	}
	is((int64_t)n, NOTIFIES, "no_notification_is_lost_to_a_server_that_transfers_back");
	served = replies[1];
	ok(AWAIT(replies[1] > served + 10), "and_the_client_goes_on");
	stop = 1;
	print("# %lu transfers meanwhile\n", served);
	ok(AWAIT(clients[1].done) && wrong_result == 0, "with_nothing_but_replies");
	finish(&clients[1]);
	finish(&server);
}

/* Sleeps with a deadline, which passes while it serves, and takes the event then: still its sleep ends. */
static void sleep_and_hold(void *unused)
{
	(void)unused;
	deaf(smp_holding, NULL);
	while (!stop) {
		sleep_until(0, ticks() + 20000 * microsecond);
		take_events();
		woken++;
	}
}

static void call_once(void *unused)
{
	struct message m = { 0 };

	(void)unused;
	deaf(NULL, NULL);
	replies[1] = send_surely(server.env, &m) == 0;
}

static void deadline_while_serving(void)
{
	uint64_t before;

	woken = smp_holds = smp_hold = 0;
	begin(&server, EITHER_CPU, sleep_and_hold);
	start_on(1, &clients[1], call_once, NULL);
	ok(AWAIT(smp_holds), "a_server_that_sleeps_with_a_deadline_serves");
	sleep_until(0, ticks() + milliseconds(40));
	before = woken;
	smp_hold = 1;
	ok(AWAIT(replies[1]), "past_it_and_replies");
	ok(AWAIT(woken > before), "and_its_sleep_ends_though_it_took_the_event_before");
	stop = 1;
	ok(finish(&clients[1]) && finish(&server), "both_can_be_destroyed");
}

void test_main(void)
{
	if (!two_cpus())
		return;
	seed_print();
	two_clients();
	asynchronous(0, "asynchronous_transfers_are_counted_exactly", "and_leave_nothing_behind");
	asynchronous(UINT64_MAX / 2, "also_where_the_server_sleeps_with_a_deadline", "and_has_one_alarm_at_most");
	storm();
	notifications();
	deadline_while_serving();
}
