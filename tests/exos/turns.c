/* Conversations through pipes: whoever waits gives the other a turn before it sleeps. No wake-up is lost, whoever is preempted, signalled, stopped or killed in
 * between; and who has nothing to wait for but time leaves the machine idle. SEED: of the random moments. */
#include "lib.h"

#include <sys/resource.h>
#include <sys/time.h>

#define MOST 8

struct talk { /* a pipe each way; first: who asks */
	int to[2], from[2];
};

static uint32_t seed;
static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}
static void seed_random(void)
{
	seed = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : (uint32_t)now_ms() * 2654435761u;
	printf("# SEED=%u\n", seed);
	fflush(stdout);
}

static void spend(uint32_t loops)
{
	for (volatile uint32_t n = 0; n < loops; n++)
		;
}

/* Whole, whatever interrupts. */
static bool get(int fd, void *to, size_t n)
{
	ssize_t got;

	do
		got = read(fd, to, n);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)n;
}
static bool put(int fd, const void *from, size_t n)
{
	ssize_t done;

	do
		done = write(fd, from, n);
	while (done < 0 && errno == EINTR);
	return done == (ssize_t)n;
}

static pid_t answerer(struct talk *t)
{
	uint32_t n;

	CHECK(!pipe(t->to) && !pipe(t->from));
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid) {
		close(t->to[0]);
		close(t->from[1]);
		return pid;
	}
	close(t->to[1]);
	close(t->from[0]);
	while (get(t->to[0], &n, sizeof n)) {
		n = ~n;
		if (!put(t->from[1], &n, sizeof n))
			break;
	}
	_exit(0);
}

static bool ask(const struct talk *t, uint32_t n)
{
	uint32_t answer;

	return put(t->to[1], &n, sizeof n) && get(t->from[0], &answer, sizeof answer) && answer == ~n;
}

static void converse(uint32_t questions)
{
	struct talk t;
	pid_t pid = answerer(&t);

	for (uint32_t n = 0; n < questions; n++)
		CHECK(ask(&t, n));
	close(t.to[1]);
	ENDS(pid, EXITED(0));
}

static void every_question_is_answered(void) { converse(30000); }

static volatile sig_atomic_t alarms;
static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

static void interrupted(int flags)
{
	struct sigaction action = { .sa_handler = count_alarm, .sa_flags = flags };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };

	CHECK(!sigaction(SIGALRM, &action, NULL));
	CHECK(!setitimer(ITIMER_REAL, &often, NULL));
	for (int more = 0; more < 100 && alarms < 20; more++)
		converse(3000);
	CHECK(!setitimer(ITIMER_REAL, &never, NULL));
	CHECK(alarms >= 20);
}
static void signals_restart_it(void) { interrupted(SA_RESTART); }
static void signals_interrupt_it(void) { interrupted(0); }

static void others_that_compute_do_not_disturb_it(void)
{
	pid_t busy[2];

	for (int i = 0; i < 2; i++)
		if (!(busy[i] = fork()))
			for (;;)
				spend(1000);
	converse(5000);
	for (int i = 0; i < 2; i++) {
		kill(busy[i], SIGKILL);
		ENDS(busy[i], SIGKILL);
	}
}

static void three_tokens_go_round_eight(void)
{
	enum { ROUNDS = 1000, TOKENS = 3 };
	int ring[MOST][2];
	pid_t pids[MOST];
	char token;

	for (int i = 0; i < MOST; i++)
		CHECK(!pipe(ring[i]));
	for (int i = 1; i < MOST; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		for (int n = 0; n < ROUNDS * TOKENS; n++)
			CHECK(get(ring[i - 1][0], &token, 1) && put(ring[i][1], &token, 1));
		_exit(0);
	}
	CHECK(put(ring[0][1], "abc", TOKENS));
	for (int n = 0; n < ROUNDS * TOKENS; n++) {
		CHECK(get(ring[MOST - 1][0], &token, 1));
		IS(token, "abc"[n % TOKENS]);
		if (n < (ROUNDS - 1) * TOKENS)
			CHECK(put(ring[0][1], &token, 1));
	}
	for (int i = 1; i < MOST; i++)
		ENDS(pids[i], EXITED(0));
}

/* Clients ask through one pipe that several servers read, and are answered through their own. One of them is killed meanwhile. */
static void many_share_the_ends(void)
{
	enum { CLIENTS = 5, SERVERS = 3, QUESTIONS = 1500 };
	struct question {
		uint32_t client, n;
	} q;
	int requests[2], answers[CLIENTS][2];
	pid_t clients[CLIENTS], servers[SERVERS];

	seed_random();
	CHECK(!pipe(requests));
	for (uint32_t c = 0; c < CLIENTS; c++)
		CHECK(!pipe(answers[c]));
	for (int s = 0; s < SERVERS; s++) {
		servers[s] = fork();
		if (servers[s])
			continue;
		close(requests[1]);
		while (get(requests[0], &q, sizeof q))
			CHECK(put(answers[q.client][1], &q.n, sizeof q.n));
		_exit(0);
	}
	for (uint32_t c = 0; c < CLIENTS; c++) {
		clients[c] = fork();
		if (clients[c])
			continue;
		for (uint32_t n = 0, got; n < QUESTIONS || !c; n++) { /* the first goes on until it is killed */
			q = (struct question){ c, n };
			CHECK(put(requests[1], &q, sizeof q) && get(answers[c][0], &got, sizeof got));
			IS(got, n);
		}
		_exit(0);
	}
	spend(random_below(2000000));
	CHECK(!kill(clients[0], SIGKILL));
	ENDS(clients[0], SIGKILL);
	for (int c = 1; c < CLIENTS; c++)
		ENDS(clients[c], EXITED(0));
	close(requests[1]);
	for (int s = 0; s < SERVERS; s++)
		ENDS(servers[s], EXITED(0));
}

/* At a random moment of the conversation one of the two goes; the other finds the end of the pipe. */
static void the_other_may_die_at_any_moment(void)
{
	enum { TIMES = 60 };

	seed_random();
	signal(SIGPIPE, SIG_IGN);
	for (int time = 0; time < TIMES; time++) {
		struct talk t;
		pid_t answering = answerer(&t), asking = fork();

		if (!asking) {
			for (uint32_t n = 0; ask(&t, n); n++)
				;
			_exit(7);
		}
		close(t.to[1]);
		close(t.from[0]);
		spend(random_below(200000));
		if (random_below(2)) {
			CHECK(!kill(answering, SIGKILL));
			ENDS(answering, SIGKILL);
			ENDS(asking, EXITED(7));
		} else {
			CHECK(!kill(asking, SIGKILL));
			ENDS(asking, SIGKILL);
			ENDS(answering, EXITED(0));
		}
	}
}

static void who_is_stopped_goes_on_where_it_was(void)
{
	enum { TIMES = 30 };
	struct talk t;
	int status;

	seed_random();
	signal(SIGPIPE, SIG_IGN);
	pid_t answering = answerer(&t), asking = fork();
	if (!asking) {
		for (uint32_t n = 0; n < 200000; n++)
			CHECK(ask(&t, n));
		_exit(0);
	}
	close(t.to[1]);
	close(t.from[0]);
	for (int time = 0; time < TIMES; time++) {
		pid_t one = random_below(2) ? answering : asking;

		spend(random_below(20000));
		if (kill(one, SIGSTOP))
			break;
		CHECK(waitpid(one, &status, WUNTRACED) == one);
		if (!WIFSTOPPED(status)) /* the last question has been asked already */
			return IS(status, EXITED(0));
		CHECK(!kill(one, SIGCONT));
	}
	kill(asking, SIGKILL);
	ENDS(asking, SIGKILL);
	ENDS(answering, EXITED(0));
}

/* They make no system call in which they would be found out, and in the end nobody else wants the CPU. The area has the library take its lock whenever it interrupts, and
 * many that are signalled by one call hold it for long: so some hear of it while they wait for the lock. */
static void who_only_computes_is_killed_as_well(void)
{
	enum { TIMES = 12, MANY = 16, AREA = 32 };
	static char area[AREA] __attribute__((aligned(AREA)));
	pid_t pids[MANY];

	seed_random();
	for (int time = 0; time < TIMES; time++) {
		for (int i = 0; i < MANY; i++) {
			pids[i] = fork();
			CHECK(pids[i] >= 0);
			if (!pids[i]) {
				syscall(SYS_rseq, area, AREA, 0, 0x53053053);
				for (;;)
					spend(1000);
			}
			CHECK(!setpgid(pids[i], pids[0]));
		}
		spend(random_below(20000));
		CHECK(!kill(-pids[0], SIGTERM));
		for (int i = 0; i < MANY; i++)
			ENDS(pids[i], SIGTERM);
	}
}

/* Idle time of all CPUs, in hundredths of a second. */
static unsigned long idle_time(void)
{
	unsigned long user, nice, system, idle;
	FILE *f = fopen("/proc/stat", "r");

	CHECK(f && fscanf(f, "cpu %lu %lu %lu %lu", &user, &nice, &system, &idle) == 4);
	fclose(f);
	return idle;
}

/* They talk, and then both have nothing to do: a machine that they kept busy would be idle for no time at all. */
static void a_conversation_that_rests_leaves_the_machine_idle(void)
{
	struct talk t[3];

	for (int i = 0; i < 3; i++)
		answerer(&t[i]);
	for (uint32_t n = 0; n < 300; n++)
		CHECK(ask(&t[n % 3], n));
	unsigned long before = idle_time();
	sleep_ms(600);
	CHECK(idle_time() - before >= 30);
	for (uint32_t n = 0; n < 300; n++)
		CHECK(ask(&t[n % 3], n));
}

/* Each is charged for its own time: both together for no more than there was. */
static void time_is_charged_once(void)
{
	struct rusage own, children;
	int64_t start = now_ms(), used;

	converse(30000);
	int64_t passed = now_ms() - start;
	CHECK(!getrusage(RUSAGE_SELF, &own) && !getrusage(RUSAGE_CHILDREN, &children));
	used = (own.ru_utime.tv_sec + own.ru_stime.tv_sec + children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000 +
	       (own.ru_utime.tv_usec + own.ru_stime.tv_usec + children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1000;
	CHECK(used > 0);
	CHECK(used <= passed * sysconf(_SC_NPROCESSORS_ONLN) + 20);
}

TESTS(T(every_question_is_answered), T(signals_restart_it), T(signals_interrupt_it), T(others_that_compute_do_not_disturb_it),
	T(three_tokens_go_round_eight), T(many_share_the_ends), T(the_other_may_die_at_any_moment), T(who_is_stopped_goes_on_where_it_was),
	T(who_only_computes_is_killed_as_well), T(a_conversation_that_rests_leaves_the_machine_idle), T(time_is_charged_once))
