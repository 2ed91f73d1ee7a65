/* Clocks, sleeping, and that processes share the CPU. */
#include "lib.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	CHECK(!clock_gettime(clock, &t));
	CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void clocks_only_go_forward(void)
{
	int64_t last = ns_of(CLOCK_MONOTONIC);

	for (int i = 0; i < 10000; i++) {
		int64_t now = ns_of(CLOCK_MONOTONIC);
		CHECK(now >= last);
		last = now;
	}
	CHECK(ns_of(CLOCK_BOOTTIME) > 0);
	FAILS(syscall(SYS_clock_gettime, 77, NULL), EINVAL);
}

static void the_year_is_right(void)
{
	struct timeval t;

	CHECK(!gettimeofday(&t, NULL));
	CHECK(t.tv_sec > 1735689600 && t.tv_sec < 4102444800); /* 2025 to 2100 */
	CHECK(labs(time(NULL) - t.tv_sec) <= 1);
	CHECK(llabs(ns_of(CLOCK_REALTIME) / 1000000000 - t.tv_sec) <= 1);
}

static void sleeping_takes_as_long_as_asked(void)
{
	static const long ms[] = { 0, 1, 10, 100 };

	for (int i = 0; i < 4; i++) {
		int64_t start = ns_of(CLOCK_MONOTONIC);
		struct timespec t = { 0, ms[i] * 1000000 };
		IS(nanosleep(&t, NULL), 0);
		int64_t took = ns_of(CLOCK_MONOTONIC) - start;
		CHECK(took >= ms[i] * 1000000);
		CHECK(took < (ms[i] + 2000) * 1000000);
	}
	FAILS(nanosleep(&(struct timespec){ 0, 1000000000 }, NULL), EINVAL);
	FAILS(nanosleep(&(struct timespec){ -1, 0 }, NULL), EINVAL);
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec = 0; /* at the latest now */
	IS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
}

static void many_sleepers_wake_in_order(void)
{
	int ends[2];
	char order[6] = "";

	CHECK(!pipe(ends));
	for (int i = 5; i > 0; i--) {
		if (fork())
			continue;
		sleep_ms(i * 60);
		_exit(write(ends[1], &(char){ (char)('0' + i) }, 1) != 1);
	}
	close(ends[1]);
	for (int i = 0; i < 5; i++)
		IS(read(ends[0], order + i, 1), 1);
	CHECK(!strcmp(order, "12345"));
}

static void busy_processes_share_the_cpu(void)
{
	volatile int64_t *work = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[3];

	for (int i = 0; i < 3; i++)
		if (!(pids[i] = fork()))
			for (;;)
				work[i * 64]++;
	sleep_ms(1500);
	for (int i = 0; i < 3; i++)
		kill(pids[i], SIGKILL);
	int64_t least = INT64_MAX, most = 0;
	for (int i = 0; i < 3; i++) {
		ENDS(pids[i], SIGKILL);
		least = work[i * 64] < least ? work[i * 64] : least;
		most = work[i * 64] > most ? work[i * 64] : most;
	}
	CHECK(least > 0);
	CHECK(most / 3 < least);
}

static void sleeper_wakes_while_others_are_busy(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			;
	for (int i = 0; i < 10; i++) {
		int64_t start = now_ms();
		sleep_ms(10);
		CHECK(now_ms() - start < 1000);
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void processor_time_is_counted(void)
{
	struct rusage usage;
	struct tms times_now;
	int64_t start = ns_of(CLOCK_PROCESS_CPUTIME_ID);

	for (int64_t end = now_ms() + 100; now_ms() < end;)
		;
	int64_t used = ns_of(CLOCK_PROCESS_CPUTIME_ID) - start;
	CHECK(used > 20000000 && used < 5000000000);
	CHECK(!getrusage(RUSAGE_SELF, &usage));
	CHECK(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 0);
	CHECK(times(&times_now) != (clock_t)-1);
	start = ns_of(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(100);
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - start < 90000000);
}

static void yielding_lets_others_run(void)
{
	volatile int *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	for (int i = 0; i < 1000; i++) {
		while (*turn != !pid)
			sched_yield();
		*turn = !*turn;
	}
	if (!pid)
		_exit(0);
	ENDS(pid, EXITED(0));
}

TESTS(T(clocks_only_go_forward), T(the_year_is_right), T(sleeping_takes_as_long_as_asked), T(many_sleepers_wake_in_order),
	T(busy_processes_share_the_cpu), T(sleeper_wakes_while_others_are_busy), T(processor_time_is_counted), T(yielding_lets_others_run))
