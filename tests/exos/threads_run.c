/* Which thread runs, and when another does: preemption, blocking calls, a policy of the program's, and everything at once. */
#include "threads.h"

/* Each waits for the other by computing alone: without preemption one would do so for ever. */
static void *turns(void *argument)
{
	long me = (long)argument;

	for (int i = 0; i < 20; i++) {
		progress[me]++;
		while (progress[!me] < progress[me])
			;
	}
	progress[me] += 1000;
	return NULL;
}

static void computing_threads_are_preempted(void)
{
	pthread_t a = start(turns, (void *)0), b = start(turns, (void *)1);

	join(a);
	join(b);
	IS(progress[0], 1020);
	IS(progress[1], 1020);
}

static void and_beside_another_process_too(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			;
	computing_threads_are_preempted();
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

/* Kernel-free: those who only compute, and one who does nothing but call. */
static void *call_only(void *argument)
{
	volatile long *mine = argument;

	while (!finish) {
		getppid();
		(*mine)++;
	}
	return NULL;
}

static void callers_are_preempted_too(void)
{
	pthread_t a = start(call_only, (void *)&progress[0]), b = start(call_only, (void *)&progress[1]);

	while (progress[0] < 10000 || progress[1] < 10000)
		;
	finish = 1;
	join(a);
	join(b);
}

static void one_reads_while_another_computes(void)
{
	int ends[2];
	pthread_t reader, computer;
	long before;

	CHECK(!pipe(ends));
	reader = start(read_byte, &ends[0]);
	computer = start(compute, (void *)&progress[0]);
	while (progress[0] < 1000)
		;
	before = progress[0];
	while (progress[0] == before)
		;
	IS(write(ends[1], "r", 1), 1);
	IS((long)join(reader), 'r');
	finish = 1;
	join(computer);
}

static void another_process_wakes_a_reader(void)
{
	int ends[2];
	pthread_t reader, computer;

	CHECK(!pipe(ends));
	pid_t pid = fork();
	if (!pid) {
		sleep_ms(5);
		_exit(write(ends[1], "q", 1) != 1);
	}
	reader = start(read_byte, &ends[0]);
	computer = start(compute, (void *)&progress[0]);
	IS((long)join(reader), 'q');
	finish = 1;
	join(computer);
	ENDS(pid, EXITED(0));
}

static void one_polls_what_another_writes(void)
{
	int ends[2];
	pthread_t t;

	CHECK(!pipe(ends));
	t = start(poll_pipe, &ends[0]);
	sleep_ms(5);
	IS(write(ends[1], "p", 1), 1);
	IS((long)join(t), 1);
}

static void *read_end(void *argument)
{
	char c;

	return (void *)read(*(int *)argument, &c, 1);
}

static void closing_is_seen_by_who_reads(void)
{
	int ends[2];
	pthread_t t;

	for (int i = 0; i < 50; i++) {
		CHECK(!pipe(ends));
		t = start(read_end, &ends[0]);
		if (i % 2)
			sched_yield();
		close(ends[1]);
		IS((long)join(t), 0);
		close(ends[0]);
	}
}

/* The reader's own end is closed under it: what it reads, if anything, is what was written. */
static void closing_under_a_reader_harms_nobody(void)
{
	int ends[2], copy;
	pthread_t t;

	for (int i = 0; i < 50; i++) {
		CHECK(!pipe(ends));
		copy = dup(ends[0]);
		t = start(read_end, &ends[0]);
		sleep_ms(1);
		close(ends[0]);
		CHECK(write(ends[1], "xx", 2) == 2);
		close(ends[1]);
		CHECK((long)join(t) <= 1);
		close(copy);
	}
}

static void *keep_vectors(void *argument)
{
	uint64_t seed = (uint64_t)argument * 0x9e3779b97f4a7c15, lost = 0;

	while (!finish) {
		uint64_t a = ++seed, b = 0;

		__asm__ volatile("movq %1, %%xmm15\n\tmovq %1, %%mm3\n\tmov $20000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b\n\tmovq %%xmm15, %0\n\txor %1, %0\n\t"
				 "movq %%mm3, %%rdx\n\txor %1, %%rdx\n\tor %%rdx, %0\n\temms"
				 : "+&r"(b)
				 : "r"(a)
				 : "rcx", "rdx", "xmm15", "mm3", "cc");
		lost += b != 0;
		if ((uint64_t)argument % 2)
			sched_yield();
	}
	return (void *)lost;
}

static void vectors_survive_preemption(void)
{
	pthread_t threads[4];

	for (long i = 0; i < 4; i++)
		threads[i] = start(keep_vectors, (void *)(i + 1));
	sleep_ms(60);
	finish = 1;
	for (int i = 0; i < 4; i++)
		IS((long)join(threads[i]), 0);
}

/* All wait, for seconds: the process sleeps and takes no time. */
static void those_who_wait_take_no_time(void)
{
	pid_t pid = fork();
	struct rusage usage;

	if (!pid) {
		sem_init(&ping, 0, 0);
		for (int i = 0; i < 20; i++)
			start(block_all_and_wait, NULL);
		sleep_ms(200);
		getrusage(RUSAGE_SELF, &usage);
		_exit(usage.ru_utime.tv_sec || usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 100000);
	}
	while (!is_asleep(pid))
		sleep_ms(1);
	ENDS(pid, EXITED(0));
}

/* Random kinds of work on the same locks, against a count that must come out. The seed is printed; ./exo runs repeat with --icount. */
static uint64_t random_state = 88172645463325252ul;
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}
static pthread_mutex_t storm_locks[4] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static long storm_counts[4], storm_expected;
static int storm_pipe[2];
static void *storm(void *argument)
{
	uint64_t seed = (uint64_t)argument;
	long done = 0;

	for (int i = 0; i < 400; i++) {
		int which = (int)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 60) & 3;
		char c = 'x';

		pthread_mutex_lock(&storm_locks[which]);
		storm_counts[which]++;
		done++;
		if (seed >> 40 & 1)
			sched_yield();
		pthread_mutex_unlock(&storm_locks[which]);
		switch (seed >> 50 & 7) {
		case 0:
			CHECK(write(storm_pipe[1], &c, 1) == 1);
			break;
		case 1:
			usleep((useconds_t)(seed >> 44 & 255));
			break;
		case 2:
			if (i % 16 == 0)
				join(start(give_back, NULL));
			break;
		case 3:
			pthread_kill(pthread_self(), SIGUSR1);
			break;
		case 4:
			kill(getpid(), SIGUSR2);
			break;
		}
	}
	return (void *)done;
}

static void a_storm_of_everything(void)
{
	pthread_t threads[12];
	char bytes[256];

	printf("# seed %lu\n", random_state);
	CHECK(!pipe(storm_pipe));
	fcntl(storm_pipe[0], F_SETFL, O_NONBLOCK);
	handle(SIGUSR1, note_thread, SA_RESTART);
	handle(SIGUSR2, note_thread, SA_RESTART);
	for (int i = 0; i < 12; i++)
		threads[i] = start(storm, (void *)random_next());
	for (int i = 0; i < 12; i++)
		storm_expected += (long)join(threads[i]);
	while (read(storm_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	IS(storm_counts[0] + storm_counts[1] + storm_counts[2] + storm_counts[3], storm_expected);
	IS(storm_expected, 12 * 400);
}

/* ---- A policy of the program's: always the same one of two, as long as that can run. */

static volatile int favourite, asked;
static int prefer(const int *ready, uint64_t n)
{
	asked++;
	for (uint64_t i = 0; i < n; i++)
		if (ready[i] == favourite)
			return favourite;
	return 0;
}

static void *compute_counted(void *argument)
{
	volatile long *mine = argument;

	if (mine == &progress[0])
		favourite = tid();
	while (!finish) {
		(*mine)++;
		if (mine == &progress[0] && *mine == 3000000)
			finish = 1;
	}
	return NULL;
}

static void a_program_chooses_who_runs(void)
{
	static char stack[16384] __attribute__((aligned(64)));
	struct exos_handlers handlers = {.next_thread = prefer, .stack = stack, .stack_size = sizeof(stack)};
	pthread_t threads[5];

	if (!exos_here())
		return;
	IS(exos_handlers(&handlers), 0);
	threads[0] = start(compute_counted, (void *)&progress[0]);
	while (!favourite)
		sched_yield();
	for (int i = 1; i < 5; i++)
		threads[i] = start(compute_counted, (void *)&progress[1]);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	CHECK(asked > 0);
	CHECK(progress[0] > 10 * progress[1]);
}

/* Policies that misbehave harm their own process at most. */
static volatile int refused;
static int block_instead(const int *ready, uint64_t n)
{
	struct timespec t = {.tv_sec = 1};

	(void)ready, (void)n;
	if (nanosleep(&t, NULL) < 0 && poll(NULL, 0, 1000) < 0)
		refused++;
	return 0;
}

static int loop_instead(const int *ready, uint64_t n)
{
	(void)ready;
	spin_until(&finish);
	return (int)n;
}

static int fault_instead(const int *ready, uint64_t n)
{
	(void)ready;
	*nowhere = (char)n;
	return 0;
}

static void *yield_often(void *argument)
{
	for (int i = 0; i < 50; i++)
		sched_yield();
	return argument;
}

static void yield_under(int (*policy)(const int *, uint64_t))
{
	static char stack[16384] __attribute__((aligned(64)));
	struct exos_handlers handlers = {.next_thread = policy, .stack = stack, .stack_size = sizeof(stack)};
	pthread_t threads[5];

	IS(exos_handlers(&handlers), 0);
	for (int i = 0; i < 5; i++)
		threads[i] = start(yield_often, NULL);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
}

static void a_policy_that_misbehaves_harms_its_process(void)
{
	pid_t pid;

	if (!exos_here())
		return;
	yield_under(block_instead);
	CHECK(refused > 0);
	pid = fork();
	if (!pid)
		yield_under(loop_instead);
	sleep_ms(10);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
	pid = fork();
	if (!pid)
		yield_under(fault_instead);
	ENDS(pid, SIGSEGV);
}

TESTS(T(computing_threads_are_preempted), T(and_beside_another_process_too), T(callers_are_preempted_too),
	T(one_reads_while_another_computes), T(another_process_wakes_a_reader), T(one_polls_what_another_writes), T(closing_is_seen_by_who_reads),
	T(closing_under_a_reader_harms_nobody), T(vectors_survive_preemption), T(those_who_wait_take_no_time), T(a_storm_of_everything),
	T(a_program_chooses_who_runs), T(a_policy_that_misbehaves_harms_its_process))
