/* Threads and the process: fork, exec, the ends of both, robust mutexes. */
#include "threads.h"

#include <sys/sysinfo.h>

static __thread long local = 7;
static void *fork_here(void *argument)
{
	pid_t pid;

	(void)argument;
	pid = fork();
	if (!pid) {
		bool good = tid() == getpid() && thread_count() == 1 && local == 7;

		good = good && (long)join(start(give_back, (void *)1)) == 2; /* it can have threads of its own */
		_exit(good ? 21 : 1);
	}
	ENDS(pid, EXITED(21));
	return NULL;
}

static void a_fork_copies_only_the_thread_that_asks(void)
{
	pthread_t a = start(compute, (void *)&progress[0]), t;

	for (int i = 0; i < 5; i++)
		join(start(fork_here, NULL));
	t = start(fork_here, NULL);
	fork_here(NULL);
	join(t);
	finish = 1;
	join(a);
}

static void be_quiet(void)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 1);
}

static void *exec_here(void *argument)
{
	be_quiet();
	execl("/proc/self/exe", "threads", argument, NULL);
	_exit(99);
}

static void *sleep_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* As the program that another turned into: alone, with the process's number. */
static void is_a_lone_process(void)
{
	IS(thread_count(), 1);
	IS(tid(), getpid());
	IS((long)join(start(give_back, (void *)1)), 2);
}

static void exec_ends_the_others(void)
{
	for (int from_thread = 0; from_thread < 2; from_thread++) {
		pid_t pid = fork();
		if (!pid) {
			start(sleep_for_ever, NULL);
			start(compute, (void *)&progress[0]);
			sleep_ms(3);
			if (from_thread)
				join(start(exec_here, "is_a_lone_process"));
			else
				exec_here("is_a_lone_process");
		}
		ENDS(pid, EXITED(0));
	}
}

extern char **environ;
static void *spawn_here(void *argument)
{
	pid_t pid;
	char *arguments[] = {"threads", "is_a_lone_process", NULL};
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	IS(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
	ENDS(pid, EXITED(0));
	return argument;
}

static void threads_spawn_processes(void)
{
	pthread_t threads[3], computer = start(compute, (void *)&progress[0]);

	for (int i = 0; i < 3; i++)
		threads[i] = start(spawn_here, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	finish = 1;
	join(computer);
}

static void *exit_later(void *argument)
{
	sleep_ms(5);
	exit((int)(long)argument);
}

static void the_first_thread_may_end_before_the_others(void)
{
	pid_t pid = fork();

	if (!pid) {
		start(exit_later, (void *)7);
		pthread_exit(NULL);
	}
	sleep_ms(2);
	IS(kill(pid, 0), 0);
	ENDS(pid, EXITED(7));
}

static void *sleep_long(void *argument)
{
	sleep_ms(100000);
	return argument;
}

static void many_kinds_of_waits(void)
{
	static int ends[2];

	CHECK(!pipe(ends));
	sem_init(&ping, 0, 0);
	start(read_byte, &ends[0]);
	start(poll_pipe, &ends[0]);
	start(sleep_long, NULL);
	start(sleep_for_ever, NULL);
	start(answer, NULL);
	start(block_all_and_wait, NULL);
	start(compute, (void *)&progress[0]);
	sleep_ms(3);
}

static void *exit_here(void *argument) { exit((int)(long)argument); }

static void exit_ends_all_whatever_they_wait_for(void)
{
	for (int from_thread = 0; from_thread < 2; from_thread++) {
		pid_t pid = fork();
		if (!pid) {
			many_kinds_of_waits();
			if (from_thread)
				join(start(exit_here, (void *)3));
			_exit(3);
		}
		ENDS(pid, EXITED(3));
	}
}

static void *fault(void *argument)
{
	*nowhere = 1;
	return argument;
}

static void a_fault_in_one_ends_all(void)
{
	pid_t pid = fork();

	if (!pid) {
		many_kinds_of_waits();
		join(start(fault, NULL));
	}
	ENDS(pid, SIGSEGV);
}

static void a_kill_ends_all(void)
{
	for (int computing = 0; computing < 2; computing++) {
		pid_t pid = fork();
		if (!pid) {
			many_kinds_of_waits();
			finish = !computing;
			sleep_for_ever(NULL);
		}
		sleep_ms(10);
		kill(pid, SIGKILL);
		ENDS(pid, SIGKILL);
	}
}

static void all_stop_and_go_on(void)
{
	volatile long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long seen;
	int status;
	pid_t pid = fork();

	if (!pid) {
		start(compute, (void *)&shared[0]);
		compute((void *)&shared[1]);
	}
	while (!shared[0] || !shared[1])
		sched_yield();
	kill(pid, SIGSTOP);
	IS(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	seen = shared[0] + shared[1];
	sleep_ms(5);
	IS(shared[0] + shared[1], seen);
	kill(pid, SIGCONT);
	for (int i = 0; i < 2; i++)
		for (seen = shared[i]; shared[i] == seen;)
			sched_yield();
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static pthread_mutex_t *robust_mutex(bool shared)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	IS(pthread_mutex_init(m, &attributes), 0);
	return m;
}

static void *lock_and_die(void *m)
{
	pthread_mutex_lock(m);
	sem_post(&ping);
	sleep_ms(5);
	return NULL;
}

static void a_robust_mutex_tells_of_its_holders_end(void)
{
	pthread_mutex_t *m = robust_mutex(false);
	pthread_t t;

	sem_init(&ping, 0, 0);
	t = start(lock_and_die, m);
	sem_wait(&ping);
	IS(pthread_mutex_lock(m), EOWNERDEAD); /* waiting for it meanwhile */
	join(t);
	IS(pthread_mutex_consistent(m), 0);
	IS(pthread_mutex_unlock(m), 0);
	m = robust_mutex(true);
	pid_t pid = fork();
	if (!pid) {
		pthread_mutex_lock(m);
		kill(getpid(), SIGKILL);
	}
	ENDS(pid, SIGKILL);
	IS(pthread_mutex_lock(m), EOWNERDEAD);
	IS(pthread_mutex_consistent(m), 0);
	IS(pthread_mutex_unlock(m), 0);
}

static void *lock_and_exec(void *m)
{
	pthread_mutex_lock(m);
	execl("/bin/busybox", "true", NULL);
	return NULL;
}

/* The program that held it is gone with its memory, though the process is not. */
static void a_robust_mutex_tells_of_its_holders_exec(void)
{
	pthread_mutex_t *m = robust_mutex(true);

	for (int threads = 0; threads < 2; threads++) {
		pid_t pid = fork();

		if (!pid && threads)
			join(start(lock_and_exec, m));
		if (!pid)
			lock_and_exec(m);
		ENDS(pid, 0);
		IS(pthread_mutex_trylock(m), EOWNERDEAD);
		IS(pthread_mutex_consistent(m), 0);
		IS(pthread_mutex_unlock(m), 0);
	}
}

static uint64_t free_bytes(void)
{
	struct sysinfo info;

	IS(sysinfo(&info), 0);
	return info.freeram;
}

static void *make_more(void *argument)
{
	for (;;) {
		pthread_t t = start(give_back, NULL);
		if (finish)
			pthread_detach(t);
		else
			join(t);
	}
	return argument;
}

/* Killed at any moment of their threads' beginnings and ends. */
static void the_killed_leave_no_memory_behind(void)
{
	uint64_t before = 0;

	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		if (!pid) {
			many_kinds_of_waits();
			start(make_more, NULL);
			make_more(NULL);
		}
		usleep((useconds_t)(4000 + i * 137 % 5000));
		kill(pid, SIGKILL);
		ENDS(pid, SIGKILL);
		if (i == 20) /* what the library keeps for the next ones it has by now */
			before = free_bytes();
	}
	if (exos_here())
		CHECK(free_bytes() + 64 * 4096 >= before);
}

/* Its upcalls disabled, a program that faults is stopped as it is: its other threads never come back from their waits. */
static void waits_of_the_stopped_are_forgotten(void)
{
	int ends[2];

	if (!exos_here())
		return;
	CHECK(!pipe(ends));
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (!pid) {
			many_kinds_of_waits();
			for (int n = 0; n < 5; n++)
				start(n % 2 ? poll_pipe : read_byte, &ends[0]);
			sleep_ms(3);
			*(volatile uint32_t *)SELF_VA = 1;
			__builtin_trap();
		}
		ENDS(pid, SIGKILL);
		IS(write(ends[1], "w", 1), 1);
		CHECK((long)read_byte(&ends[0]) == 'w');
	}
}

static void mutexes_between_processes(void)
{
	struct {
		pthread_mutex_t mutex;
		volatile long count;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &attributes);
	pid_t pid = fork();
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&shared->mutex);
		long value = shared->count;
		if (i % 100 == 0)
			sched_yield();
		shared->count = value + 1;
		pthread_mutex_unlock(&shared->mutex);
	}
	if (!pid)
		_exit(0);
	ENDS(pid, EXITED(0));
	IS(shared->count, 6000);
}

static void a_thread_is_listed(void)
{
	char path[64];
	pthread_t t;
	int number;

	sem_init(&ping, 0, 0);
	ready_tid = handled = 0;
	t = start(spin_for_signal, NULL);
	while (!ready_tid)
		sched_yield();
	number = ready_tid;
	IS(thread_count(), 2);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", number);
	CHECK(!access(path, R_OK));
	handled = 1;
	join(t);
	while (thread_count() > 1)
		sched_yield();
	CHECK(access(path, R_OK));
}

TESTS(T(a_fork_copies_only_the_thread_that_asks), T(is_a_lone_process), T(exec_ends_the_others), T(threads_spawn_processes),
	T(the_first_thread_may_end_before_the_others), T(exit_ends_all_whatever_they_wait_for), T(a_fault_in_one_ends_all), T(a_kill_ends_all),
	T(all_stop_and_go_on), T(a_robust_mutex_tells_of_its_holders_end), T(a_robust_mutex_tells_of_its_holders_exec),
	T(the_killed_leave_no_memory_behind),
	T(waits_of_the_stopped_are_forgotten), T(mutexes_between_processes), T(a_thread_is_listed))
