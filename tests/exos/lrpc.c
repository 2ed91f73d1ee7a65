/* Calls by protected control transfer (exos/lib/ipc/lrpc.h) between processes that do not trust each other: garbage in every register, deaths on either side while a
 * call is served, two clients at once. On Linux there is nothing to test but that serving is refused. */
#include <sched.h>

#include <exos/lib/ipc/lrpc.h>
#include <exos/lib/ipc/word.h>
#include <exos/lib/x86_64/calls.h>
#include "lib.h"
#include "x86_64/garbage.h"

static uint64_t *shared; /* a page that all of a test's processes see */
enum { CALLED, GO_ON, TOTAL, SIGNALS };

static void make_shared(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
}

static uint64_t look(int i) { return __atomic_load_n(&shared[i], __ATOMIC_ACQUIRE); }
static void say(int i, uint64_t value) { __atomic_store_n(&shared[i], value, __ATOMIC_RELEASE); }
static void until(int i, uint64_t value)
{
	while (look(i) != value)
		sched_yield();
}

/* A server that serves this procedure for ever. */
static pid_t server(lrpc_procedure *procedure, bool trusted)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		for (;;)
			IS(lrpc_serve(procedure, trusted), -EINTR);
	return pid;
}

static pid_t client(void (*run)(const struct peer *), const struct peer *to)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		run(to);
		_exit(0);
	}
	return pid;
}

static struct peer find(pid_t pid)
{
	struct peer p;

	IS(peer_find(&p, pid), 0);
	return p;
}

static uint64_t counted;
static struct lrpc_words count(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	counted++;
	errno = (int)counted; /* through the FS base */
	return (struct lrpc_words){{a + 10 * b + 100 * c + 1000 * d + (uint64_t)errno, caller}};
}

static void words_go_over_and_come_back(void)
{
	struct lrpc_words reply;

	for (int trusted = 0; trusted < 2; trusted++) {
		pid_t pid = server(count, trusted);
		struct peer s = find(pid);

		for (uint64_t i = 1; i <= 1000; i++) {
			errno = 77;
			IS(trusted ? tlrpc_call(&s, i, 2, 3, 4, &reply) : lrpc_call(&s, i, 2, 3, 4, &reply), 0);
			IS(reply.word[0], i + 4320 + i);
			IS(reply.word[1], exos_environment(0));
			IS(errno, 77);
		}
		IS(counted, 0);
		kill(pid, SIGKILL);
		ENDS(pid, SIGKILL);
		IS(trusted ? tlrpc_call(&s, 1, 2, 3, 4, &reply) : lrpc_call(&s, 1, 2, 3, 4, &reply), -ESRCH);
	}
}

/* Leaves secrets in registers, computes with vectors, and would die of unmasked exceptions. */
static struct lrpc_words compute(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	volatile double third = 1.0 / 3;
	volatile long double seventh = 1.0L / 7;
	struct timespec now;

	(void)b, (void)c, (void)d, (void)caller;
	CHECK(third * 3 == 1.0 && seventh > 0.14L);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && getpid() > 0);
	return (struct lrpc_words){{a + 1, ++counted}};
}

static void garbage_in_every_register_reaches_nobody(void)
{
	static struct registers r;
	pid_t pid = server(compute, false);
	struct peer s = find(pid);
	const uint64_t *word = (const uint64_t *)&r;

	for (uint64_t i = 1; i <= 100; i++) {
		do {
			memset(&r, 0xd5, __builtin_offsetof(struct registers, rax));
			r.rsi = i;
			r.fs = i % 2 ? 0x7fffffffd000 : 0;
			garbage_transfer(&r, s.env);
			if (r.rax)
				sched_yield(); /* it does not serve yet */
		} while (r.rax);
		IS(r.rsi, i + 1);
		IS(r.rdx, i);
		for (const uint64_t *w = word; w < &r.rax; w++)
			if (w != &r.rsi && w != &r.rdx)
				IS(*w, 0);
		for (int x = 0; x < 8; x++) { /* eight registers of the x87, of 10 bytes */
			IS(r.x87[4 + 2 * x], 0);
			IS(r.x87[5 + 2 * x] & 0xffff, 0);
		}
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void a_server_that_returns_garbage_hurts_no_client(void)
{
	struct lrpc_words reply;
	double ten = 10, before = 10.0 / 3;
	volatile double third;
	volatile long double seventh;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5;
	struct peer s;
	pid_t pid = fork();

	if (!pid) {
		struct exos_service service = {garbage_entry, garbage_entry};

		exos_serve(&service);
		_exit(1);
	}
	s = find(pid);
	for (int i = 0; i < 100; i++) {
		errno = 55;
		KEEP_IN_REGISTERS(a, b, c, d, e);
		IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
		KEEP_IN_REGISTERS(a, b, c, d, e);
		IS(errno, 55);
		IS(reply.word[0], 0x1111);
		IS(reply.word[1], 0x2222);
		third = ten / 3;
		seventh = (long double)ten / 7;
		CHECK(third == before && seventh > 1.42L && seventh < 1.43L);
		CHECK(a == 1 && b == 2 && c == 3 && d == 4 && e == 5);
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

/* Is in the procedure until it is told to go on, or for ever. */
static struct lrpc_words linger(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	(void)b, (void)c, (void)d, (void)caller;
	if (a)
		for (say(CALLED, look(CALLED) + 1); look(GO_ON) != look(CALLED);)
			;
	return (struct lrpc_words){{++counted}};
}

static void call_and_linger(const struct peer *s)
{
	struct lrpc_words reply;

	IS(lrpc_call(s, 1, 0, 0, 0, &reply), 0);
	for (;;)
		pause();
}

/* It dies when it is its turn again: until then it has lent itself. */
static void a_client_that_is_killed_while_served_leaves_its_server_to_others(void)
{
	struct lrpc_words reply;
	struct peer s;
	pid_t pid;

	make_shared();
	pid = server(linger, false);
	s = find(pid);
	for (uint64_t i = 1; i <= 20; i++) {
		pid_t killed = client(call_and_linger, &s);

		until(CALLED, i);
		kill(killed, SIGKILL);
		say(GO_ON, i);
		ENDS(killed, SIGKILL);
		IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
		IS(reply.word[0], 2 * i);
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

/* As if each caller had died meanwhile: the entry for calls is entered asynchronously, so nobody waits for the reply. More often than the
 * library's stack could bear if each left something there. */
static void a_reply_that_nobody_waits_for_is_nothing(void)
{
	struct exos_service service = {lrpc_entry, lrpc_entry};
	struct lrpc_words reply;
	struct peer s;
	pid_t pid = fork();
	uint64_t sent = 0;

	if (!pid) {
		lrpc_server_procedure = count;
		for (;;)
			IS(lrpc_sleep(&service), -EINTR);
	}
	s = find(pid);
	for (uint64_t i = 1; i <= 300; i++) {
		sent += transfer_async(s.env) == 0;
		IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
		CHECK(counted == 0 && reply.word[0] == sent + i);
	}
	CHECK(sent > 250);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void call_the_dying(const struct peer *s)
{
	struct lrpc_words reply;

	IS(lrpc_call(s, 1, 0, 0, 0, &reply), -ESRCH);
}

static void a_server_that_dies_while_serving_is_an_error_at_once(void)
{
	make_shared();
	for (uint64_t i = 1; i <= 20; i++) {
		pid_t pid = server(linger, false), caller;
		struct peer s = find(pid);

		caller = client(call_the_dying, &s);
		until(CALLED, i);
		kill(pid, SIGKILL);
		ENDS(caller, EXITED(0)); /* before anybody has waited for the server */
		ENDS(pid, SIGKILL);
	}
}

static struct lrpc_words fault(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	(void)a, (void)b, (void)c, (void)d, (void)caller;
	*(volatile char *)8 = 1;
	return (struct lrpc_words){{0}};
}

static void a_server_that_faults_is_an_error_at_once(void)
{
	struct lrpc_words reply;
	pid_t pid = server(fault, false);
	struct peer s = find(pid);

	IS(lrpc_call(&s, 1, 0, 0, 0, &reply), -ESRCH);
	ENDS(pid, SIGSEGV);
}

/* Long enough for the slice to end inside, now and then. */
static struct lrpc_words work(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	static volatile uint64_t inside;
	uint64_t sum = 0;

	(void)b, (void)c, (void)d, (void)caller;
	CHECK(inside++ == 0);
	for (volatile uint64_t i = 0; i < 20000; i++)
		sum += a;
	inside--;
	counted++;
	return (struct lrpc_words){{sum, counted}};
}

static void call_often(const struct peer *s)
{
	struct lrpc_words reply;

	for (uint64_t i = 0; i < 300; i++) {
		IS(lrpc_call(s, i, 0, 0, 0, &reply), 0);
		IS(reply.word[0], 20000 * i);
	}
}

static void clients_at_once_are_served_one_after_the_other(void)
{
	struct lrpc_words reply;
	pid_t pid = server(work, false), clients[3];
	struct peer s = find(pid);

	for (int i = 0; i < 3; i++)
		clients[i] = client(call_often, &s);
	for (int i = 0; i < 3; i++)
		ENDS(clients[i], EXITED(0));
	IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
	IS(reply.word[1], 901);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void count_signal(int number)
{
	(void)number;
	say(SIGNALS, look(SIGNALS) + 1);
}

/* Signals come between calls, not inside one, and serving goes on. */
static void signals_come_between_calls(void)
{
	struct lrpc_words reply;
	struct peer s;
	pid_t pid;

	make_shared();
	signal(SIGUSR1, count_signal);
	pid = server(count, false);
	s = find(pid);
	for (uint64_t i = 1; i <= 200; i++) {
		kill(pid, SIGUSR1);
		IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
		IS(reply.word[0], i);
		until(SIGNALS, i);
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

/* Everything in order on one that is asynchronously transferred to: it goes back to sleep, and serves. */
static void asynchronous_transfers_are_nothing(void)
{
	struct lrpc_words reply;
	pid_t pid = server(count, false);
	struct peer s = find(pid);

	IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
	for (uint64_t i = 2; i <= 100; i++) {
		transfer_async(s.env);
		IS(lrpc_call(&s, 0, 0, 0, 0, &reply), 0);
		IS(reply.word[0], i);
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void who_does_not_serve_is_waited_for_until_it_is_dead(void)
{
	struct lrpc_words reply;
	struct peer s;
	pid_t pid = fork();

	if (!pid) {
		sleep_ms(30);
		_exit(0);
	}
	s = find(pid);
	IS(lrpc_call(&s, 0, 0, 0, 0, &reply), -ESRCH);
	ENDS(pid, EXITED(0));
}

static void linux_refuses_to_serve(void) { IS(lrpc_serve(count, false), -ENOSYS); }

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(words_go_over_and_come_back), T(garbage_in_every_register_reaches_nobody), T(a_server_that_returns_garbage_hurts_no_client),
		T(a_client_that_is_killed_while_served_leaves_its_server_to_others),
		T(a_reply_that_nobody_waits_for_is_nothing), T(a_server_that_dies_while_serving_is_an_error_at_once),
		T(a_server_that_faults_is_an_error_at_once), T(clients_at_once_are_served_one_after_the_other), T(signals_come_between_calls),
		T(asynchronous_transfers_are_nothing), T(who_does_not_serve_is_waited_for_until_it_is_dead), { NULL, NULL },
	};
	static const struct test on_linux[] = { T(linux_refuses_to_serve), { NULL, NULL } };

	(void)argc;
	return run_tests(exos_here() ? tests : on_linux, argv + 1);
}
