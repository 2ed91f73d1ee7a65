/* Death at every point of a transfer, from the other CPU: whoever waited for the dead goes on, and whoever served them too. */
#include <tests/hostile/smp.h>

#define ROUNDS 500

static struct child server, client, killer, rival;
static volatile uint64_t calls, answers[3], strange, stop, killing, killed;
enum { ANSWERED, GONE, REFUSED };

static void serve_with(const char *transfer, const char *async)
{
	deaf(transfer, async);
	for (;;)
		sleep_until(EVENT_NOTIFY(1), 0);
}

static void serve(void *unused) { (void)unused, serve_with(smp_server, smp_async); }
static void serve_holding(void *unused) { (void)unused, serve_with(smp_holding, smp_computing); }

static void compute(void *counter)
{
	for (;;)
		++*(volatile uint64_t *)counter;
}

/* Transfers until the server is gone. */
static void call_until_gone(void *unused)
{
	int64_t result = 0;

	(void)unused;
	deaf(NULL, NULL);
	for (uint64_t n = 0; result != -E_NOENV && !stop; n++) {
		struct message m = { n, n, n % 100, 0 };

		result = send(server.env, &m);
		if (result == -E_STATE)
			yield(server.env);
		if (result != 0 && result != -E_STATE && result != -E_NOENV)
			strange++;
		if (result == 0 && (m.first != n + 1 || m.second != 2 * n))
			strange++;
		answers[result == 0 ? ANSWERED : result == -E_STATE ? REFUSED : GONE]++;
		calls++;
	}
}

static void reset(void)
{
	calls = stop = killing = killed = smp_holds = smp_hold = 0;
	smp_held_result = 1;
}

static void begin(uint32_t server_cpu, void (*serving)(void *), uint32_t client_cpu, void (*calling)(void *))
{
	reset();
	start_on(server_cpu, &server, serving, NULL);
	begin_to_serve(server.env);
	start_on(client_cpu, &client, calling, NULL);
}

static void server_dies(uint32_t server_cpu, uint32_t client_cpu, const char *name, const char *result)
{
	uint64_t n = 0;

	strange = answers[ANSWERED] = answers[GONE] = answers[REFUSED] = 0;
	for (; n < ROUNDS; n++) {
		bool went_on;

		begin(server_cpu, serve, client_cpu, call_until_gone);
		went_on = AWAIT(calls);
		random_spin(2000);
		went_on &= finish(&server) && AWAIT(client.done);
		stop = 1;
		if (!finish(&client) || !went_on)
			break;
	}
	is((int64_t)n, ROUNDS, name);
	is((int64_t)strange, 0, result);
	print("# %lu answers, %lu refusals, %lu times gone\n", answers[ANSWERED], answers[REFUSED], answers[GONE]);
}

static void call_once(void *unused)
{
	struct message m = { 0 };

	(void)unused;
	deaf(NULL, NULL);
	while (send(server.env, &m) == -E_STATE && !stop)
		yield(server.env);
}

/* The client dies while the server, on CPU 1 in the client's slice, holds it. There may be somebody else who wants that CPU: then the server is
 * preempted by force, and goes on in slices of its own. */
static void client_dies(bool crowded, const char *name, const char *again)
{
	uint64_t n = 0, refused = 0, unused;

	if (crowded)
		start_on(1, &rival, compute, &unused);
	for (; n < ROUNDS / 2; n++) {
		bool went_on;

		begin(1, serve_holding, 1, call_once);
		went_on = AWAIT(smp_holds);
		random_spin(crowded ? 200000 : 2000);
		went_on &= finish(&client);
		random_spin(2000);
		smp_hold = 1;
		went_on &= AWAIT(smp_held_result != 1);
		refused += smp_held_result == (uint64_t)-E_STATE;
		if (!finish(&server) || !went_on)
			break;
	}
	is((int64_t)n, ROUNDS / 2, name);
	is((int64_t)refused, ROUNDS / 2, again);
	if (crowded)
		finish(&rival);
}

static void hand_on(void *unused)
{
	(void)unused;
	*(uint64_t *)((uint64_t)LOCAL + RING_PLACE) = server.env;
	serve_with(smp_ring, NULL);
}

static void call_first(void *unused)
{
	struct message m = { .first = 1 };

	(void)unused;
	deaf(NULL, NULL);
	while (send(killer.env, &m) == -E_STATE && !stop)
		yield(killer.env);
}

/* A client's server has another server do the work, which has no slices. The client dies while that one is preempted: it goes on in the first server's slices. */
static void client_of_two_dies(void)
{
	uint64_t n = 0, unused;

	start_on(1, &rival, compute, &unused);
	for (; n < ROUNDS / 10; n++) {
		bool went_on;

		reset();
		start_on(NO_CPU, &server, serve_holding, NULL);
		begin_to_serve(server.env);
		start_on(1, &killer, hand_on, NULL); /* the first server */
		sleep_until(0, ticks() + 3 * info->quantum); /* it sleeps, and its slices are passed over */
		start_on(1, &client, call_first, NULL);
		went_on = AWAIT(smp_holds);
		sleep_until(0, ticks() + random_next(&seed) % (4 * info->quantum));
		went_on &= finish(&client);
		smp_hold = 1;
		went_on &= AWAIT(smp_held_result == (uint64_t)-E_STATE);
		if (!finish(&server) || !finish(&killer) || !went_on)
			break;
	}
	is((int64_t)n, ROUNDS / 10, "whose_client_is_destroyed_while_another_server_works_for_it_goes_on");
	finish(&rival);
}

/* In CPU 1: destroys the client when told to. */
static void kill_client(void *unused)
{
	(void)unused;
	while (!killing && !stop)
		pause();
	random_spin(300);
	killed = destroy(client.env) ? 1 : 2;
}

/* The client and the server are destroyed at once, by the two CPUs, at any point. */
static void both_die(void)
{
	uint64_t n = 0;

	for (; n < ROUNDS; n++) {
		bool went_on;

		begin(EITHER_CPU, serve, EITHER_CPU, call_until_gone);
		start_on(1, &killer, kill_client, NULL);
		random_spin(3000);
		killing = 1;
		random_spin(300);
		went_on = destroy(server.env);
		went_on &= AWAIT(killed) && killed == 1;
		stop = 1;
		went_on &= finish(&killer);
		for (struct child *c = &server; c; c = c == &server ? &client : NULL) {
			went_on &= aegis_env_destroy(c->env) == -E_NOENV;
			went_on &= aegis_frame_free(c->frames, 4) == 4;
			for (int level = 0; level < 3; level++)
				give_pair(c->tables[level]);
		}
		if (!went_on)
			break;
	}
	is((int64_t)n, ROUNDS, "client_and_server_can_be_destroyed_at_once_by_two_cpus");
}

/* An environment that was entered asynchronously is on its own: preempted in a slice that was given to it, it goes on in its own ones. */
static void entered_and_preempted(void)
{
	uint64_t unused, before;
	int64_t result;

	smp_computed = 0;
	start_on(1, &server, serve_holding, NULL);
	begin_to_serve(server.env);
	start_on(1, &rival, compute, &unused);
	while ((result = send_async(server.env)) == -E_STATE)
		;
	is(result, 0, "one_who_sleeps_is_entered_asynchronously");
	sleep_until(0, ticks() + 4 * info->quantum);
	before = smp_computed;
	ok(AWAIT(smp_computed > before), "and_goes_on_in_his_own_slices_when_that_one_is_over");
	ok(finish(&server) && finish(&rival), "until_he_is_destroyed");
}

static void serve_asleep(void *unused) { (void)unused, serve_with(smp_sleeping, NULL); }

/* A server may sleep while it serves; nobody else is served then, so that nobody is forgotten. */
static void asleep_while_serving(void)
{
	uint64_t end;

	begin(EITHER_CPU, serve_asleep, 1, call_once);
	sleep_until(0, ticks() + 4 * info->quantum); /* the server sleeps for its client now */
	start_on(0, &killer, call_once, NULL); /* a second client */
	end = ticks() + milliseconds(PATIENCE);
	sleep_until(0, ticks() + 4 * info->quantum);
	while (!(client.done && killer.done) && ticks() < end) {
		aegis_notify(server.env, EVENT_NOTIFY(0));
		sleep_until(0, ticks() + info->quantum);
	}
	ok(client.done && killer.done, "two_clients_of_a_server_that_sleeps_while_it_serves_both_are_answered");
	stop = 1;
	ok(finish(&client) && finish(&killer) && finish(&server), "and_can_be_destroyed");
}

void test_main(void)
{
	uint64_t before;

	if (!two_cpus())
		return;
	seed_print();
	entered_and_preempted();
	asleep_while_serving();
	before = free_frames();
	server_dies(NO_CPU, 1, "whose_server_is_destroyed_meanwhile_goes_on", "with_an_answer_a_refusal_or_that_it_is_gone");
	server_dies(EITHER_CPU, EITHER_CPU, "also_where_both_have_slices_on_both_cpus", "with_an_answer_a_refusal_or_that_it_is_gone_as_well");
	client_dies(false, "whose_client_is_destroyed_while_it_waits_goes_on", "and_its_reply_is_refused");
	client_dies(true, "in_its_own_slices_where_others_want_the_cpu", "and_its_reply_is_refused_as_well");
	client_of_two_dies();
	both_die();
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
