/* Schedulers as programs: how exactly they share, and what it costs. Prints `row value` lines; `sched figure` prints the data of the paper's figure instead (7.3: three clients, tickets
 * 3:2:1, a hundred quanta). On Linux the kernel shares, by weights: nice 0, 2 and 5, which are 1024, 655 and 335. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <exos/lib/sched/edf.h>
#include <exos/lib/sched/run.h>
#include <exos/lib/sched/stride.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

enum { MOST = 300, WINDOW = STRIDE_HORIZON, SLICES = WINDOW + 300, QUANTA = 100, SWITCHES = 60, DECISIONS = 20000 };
enum { CLASSES = 3 };
static const int nices[CLASSES] = { 0, 2, 5 };
static const uint32_t nice_weights[CLASSES] = { 1024, 655, 335 }; /* of Linux: sched_prio_to_weight */

static struct shared {
	volatile uint64_t rounds[MOST]; /* each client's work */
	volatile uint64_t last;         /* when a client last ran */
	volatile uint32_t gaps;
	volatile uint64_t gap[SWITCHES];
	volatile uint64_t start;
	volatile uint32_t jobs, late;
} *shared;

static struct run run;

static void fail(const char *what)
{
	fprintf(stderr, "sched: %s: %s\n", what, strerror(errno));
	kill(0, SIGKILL);
}

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static void work(int i)
{
	for (;;)
		shared->rounds[i]++;
}

static pid_t start(int i, void (*body)(int))
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		body(i);
		_exit(0);
	}
	return pid;
}

static void start_under(const struct sched_share *share, int i, void (*body)(int))
{
	if (!run_add(&run, start(i, body), share))
		fail("a client");
}

static void turns(int n)
{
	while (n--)
		if (!run_turn(&run))
			fail("the clients are gone");
}

static void end_all(pid_t *pids, int n)
{
	if (exos_here()) {
		for (struct run_child *c = run.children; c; c = c->next)
			kill(c->pid, SIGKILL);
		while (run_turn(&run))
			;
		run_end(&run);
		return;
	}
	for (int i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Linux: one slice's time, seen by who is always first. */
static void linux_slice(void)
{
	static struct timespec next;

	if (!next.tv_sec)
		clock_gettime(CLOCK_MONOTONIC, &next);
	next.tv_nsec += 1000000;
	if (next.tv_nsec >= 1000000000) {
		next.tv_nsec -= 1000000000;
		next.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
}

static uint32_t tickets_of(int i) { return exos_here() ? CLASSES - (uint32_t)(i % CLASSES) : nice_weights[i % CLASSES]; }

static void clients_start(int n, pid_t *pids)
{
	if (exos_here() && !run_start(&run, &sched_stride, 0))
		fail("stride");
	for (int i = 0; i < n; i++) {
		struct sched_share share = { .tickets = tickets_of(i) };

		if (exos_here()) {
			start_under(&share, i, work);
			continue;
		}
		pids[i] = start(i, work);
		setpriority(PRIO_PROCESS, (id_t)pids[i], nices[i % CLASSES]);
	}
}

/* Over all windows of 1,000 slices and all clients: how far the work of one is from its share of the work of all, in slices. */
static double deviation(int n, uint64_t (*had)[MOST])
{
	double total = 0, worst = 0;

	for (int i = 0; i < n; i++)
		total += tickets_of(i);
	for (int t = 0; t + WINDOW < SLICES; t++) {
		double all = 0;

		for (int i = 0; i < n; i++)
			all += (double)(had[t + WINDOW][i] - had[t][i]);
		for (int i = 0; i < n; i++) {
			double off = (double)(had[t + WINDOW][i] - had[t][i]) - all * tickets_of(i) / total;

			off = (off < 0 ? -off : off) * WINDOW / all;
			worst = off > worst ? off : worst;
		}
	}
	return worst;
}

static void measure_shares(const char *row, int n)
{
	uint64_t (*had)[MOST] = calloc(SLICES, sizeof(*had));
	pid_t pids[MOST];

	memset((void *)shared->rounds, 0, sizeof(shared->rounds));
	clients_start(n, pids);
	if (exos_here())
		turns(2 * n); /* each begins, and touches its pages */
	for (int t = 0; t < SLICES; t++) {
		for (int i = 0; i < n; i++)
			had[t][i] = shared->rounds[i];
		if (exos_here())
			turns(1);
		else
			linux_slice();
	}
	end_all(pids, n);
	printf("%s %.3f\n", row, deviation(n, had));
	free(had);
}

static void figure(void)
{
	static uint64_t had[QUANTA + 1][CLASSES];
	pid_t pids[CLASSES];
	uint64_t all = 0;

	clients_start(CLASSES, pids);
	turns(CLASSES * 2); /* six slices are one round */
	for (int t = 0; t <= QUANTA; t++) {
		for (int i = 0; i < CLASSES; i++)
			had[t][i] = shared->rounds[i];
		if (t < QUANTA)
			turns(1);
	}
	end_all(pids, CLASSES);
	for (int i = 0; i < CLASSES; i++)
		all += had[QUANTA][i] - had[0][i];
	printf("quantum tickets3 tickets2 tickets1 ideal3 ideal2 ideal1\n");
	for (int t = 0; t <= QUANTA; t++) {
		printf("%d", t);
		for (int i = 0; i < CLASSES; i++)
			printf(" %lu", had[t][i] - had[0][i]);
		for (int i = 0; i < CLASSES; i++)
			printf(" %.0f", (double)all * t / QUANTA * (CLASSES - i) / 6);
		printf("\n");
	}
}

/* A client that notes how long nobody has run. `last` is read before the clock: who is interrupted in between finds that it is his own, and takes no note. */
static void watch(int i)
{
	uint64_t before = 0, last, t;

	for (;; shared->rounds[i]++) {
		last = shared->last;
		t = now();
		if (before && last != before && shared->gaps < SWITCHES)
			shared->gap[shared->gaps++] = t - last;
		shared->last = before = t;
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure_switch(void)
{
	struct sched_share share = { .tickets = 1 };
	uint64_t gaps[SWITCHES];
	pid_t pids[CLASSES];

	if (exos_here() && !run_start(&run, &sched_stride, 0))
		fail("stride");
	for (int i = 0; i < CLASSES; i++)
		if (exos_here())
			start_under(&share, i, watch);
		else
			pids[i] = start(i, watch);
	while (shared->gaps < SWITCHES)
		if (exos_here())
			turns(1);
		else
			linux_slice();
	end_all(pids, CLASSES);
	memcpy(gaps, (const void *)shared->gap, sizeof(gaps));
	qsort(gaps, SWITCHES, sizeof(*gaps), by_value);
	printf("sched.switch %lu\n", gaps[SWITCHES / 2]);
}

/* The mean of many decisions, each with its charge; no process is involved. */
static void measure_choice(const char *row, uint32_t n)
{
	struct sched *s = sched_stride.make(0);
	struct stride_client *clients = calloc(n, sizeof(*clients));
	uint64_t from, seed = 1;

	for (uint32_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		clients[i].client.share.tickets = 1 + (uint32_t)(seed >> 33) % 1000;
		if (s->ops->join(s, &clients[i].client))
			fail("join");
		s->ops->wake(s, &clients[i].client, 0);
	}
	from = now();
	for (int k = 0; k < 2 * DECISIONS; k++) {
		struct sched_client *c;

		if (k == DECISIONS)
			from = now(); /* the first half warms up */
		c = s->ops->choose(s, 0);
		s->ops->charge(s, c, &(struct sched_use){ .part = SCHED_SLICE });
	}
	printf("%s %lu\n", row, (now() - from) / DECISIONS);
	free(clients);
	s->ops->free(s);
}

/* Jobs of a set that wants 0.947 of the CPU: milliseconds in each period of so many. */
static const struct {
	uint32_t budget, period;
} tasks[] = { { 6, 25 }, { 8, 30 }, { 12, 50 }, { 15, 75 } };
enum { TASKS = sizeof(tasks) / sizeof(*tasks), JOBS_MS = 600 };
static uint64_t ticks_a_ms, rounds_a_ms;
static bool gives_back;

static void compute(uint64_t rounds)
{
	for (volatile uint64_t n = 0; n < rounds; n++)
		;
}

static void calibrate(void)
{
	struct timespec a, b;
	uint64_t from = now();

	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 10000000);
	ticks_a_ms = (now() - from) / 10;
	rounds_a_ms = UINT64_MAX;
	for (int k = 0; k < 3; k++) { /* the quickest of three was not interrupted */
		uint64_t rounds;

		from = now();
		compute(100000);
		rounds = 100000 * ticks_a_ms / (now() - from);
		rounds_a_ms = k && rounds < rounds_a_ms ? rounds_a_ms : rounds;
	}
}

/* A job in each period, 0.98 of its budget, due at the period's end; then it waits for the next one as the scheduler wants it. */
static void periodic(int i)
{
	env_id scheduler = gives_back ? (env_id)exos_environment(getppid()) : 0;
	uint64_t period = tasks[i].period * ticks_a_ms, release = shared->start;

	for (; release < shared->start + JOBS_MS * ticks_a_ms; release += period) {
		while (now() < release)
			nanosleep(&(struct timespec){ .tv_nsec = (long)((release - now()) * 1000000 / ticks_a_ms) }, NULL);
		compute(tasks[i].budget * rounds_a_ms * 98 / 100);
		__atomic_fetch_add(&shared->jobs, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&shared->late, now() > release + period, __ATOMIC_RELAXED);
		if (gives_back)
			give_yield(scheduler);
	}
}

static void measure_jobs(const char *row, const struct sched_ops *ops)
{
	shared->jobs = shared->late = 0;
	gives_back = ops == &sched_edf;
	if (exos_here() && !run_start(&run, ops, ops == &sched_edf ? ((const struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->quantum : 0))
		fail(row);
	shared->start = now() + 3 * ticks_a_ms;
	if (gives_back)
		shared->start = now();
	for (int i = 0; i < (int)TASKS; i++) {
		struct sched_share share = { .tickets = 1, .budget = tasks[i].budget * ticks_a_ms, .period = tasks[i].period * ticks_a_ms };

		if (exos_here())
			start_under(&share, i, periodic);
		else
			start(i, periodic);
	}
	if (exos_here()) {
		while (run_turn(&run))
			;
		run_end(&run);
	}
	while (wait(NULL) > 0)
		;
	printf("%s %u\n# of %u jobs\n", row, shared->late, shared->jobs);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");
	if (argc > 1 && !strcmp(argv[1], "figure")) {
		if (exos_here())
			figure();
		return !exos_here();
	}
	if (!exos_here() && syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ .sched_priority = 1 }))
		fail("the observer's priority");
	calibrate();
	measure_choice("sched.choose", 3);
	measure_choice("sched.choose.300", 300);
	measure_choice("sched.choose.3000", 3000);
	measure_switch();
	if (exos_here())
		measure_jobs("sched.late.edf", &sched_edf);
	measure_jobs("sched.late", &sched_stride);
	measure_shares("stride", CLASSES);
	if (exos_here()) /* in the emulator Linux takes minutes for it */
		measure_shares("stride.300", MOST);
	return 0;
}
