/* Threads and signals, and cancellation, which is made of them. */
#include "threads.h"

static void *pause_for_signal(void *argument)
{
	ready_tid = tid();
	while (!handled)
		usleep(1000);
	return argument;
}
static void pthread_kill_reaches_that_thread(void)
{
	routine kinds[2] = {pause_for_signal, spin_for_signal};

	handle(SIGUSR1, note_thread, 0);
	for (int i = 0; i < 2; i++) {
		pthread_t t, other;

		ready_tid = handled = finish = 0;
		t = start(kinds[i], NULL);
		other = start(compute, (void *)&progress[0]);
		while (!ready_tid)
			sched_yield();
		IS(pthread_kill(t, SIGUSR1), 0);
		join(t);
		IS(handled_by, ready_tid);
		IS(handled, 1);
		finish = 1;
		join(other);
	}
}

static void block(int how, int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	IS(pthread_sigmask(how, &set, NULL), 0);
}

static void *unblock_and_wait(void *argument)
{
	block(SIG_UNBLOCK, SIGUSR2);
	ready_tid = tid();
	while (!handled)
		usleep(2000);
	return argument;
}

static void a_process_signal_goes_to_who_does_not_block_it(void)
{
	pthread_t t;

	handle(SIGUSR2, note_thread, 0);
	block(SIG_BLOCK, SIGUSR2);
	t = start(unblock_and_wait, NULL);
	while (!ready_tid)
		sched_yield();
	kill(getpid(), SIGUSR2);
	join(t);
	IS(handled_by, ready_tid);
}

/* Blocked by all it waits; the first to unblock it gets it. */
static void a_signal_waits_for_who_unblocks_it(void)
{
	pthread_t t;

	sem_init(&ping, 0, 0);
	handle(SIGUSR2, note_thread, 0);
	block(SIG_BLOCK, SIGUSR2);
	t = start(block_all_and_wait, NULL);
	kill(getpid(), SIGUSR2);
	sleep_ms(3);
	IS(handled, 0);
	block(SIG_UNBLOCK, SIGUSR2);
	IS(handled, 1);
	IS(handled_by, getpid());
	sem_post(&ping);
	join(t);
}

static void a_directed_one_is_nobody_elses(void)
{
	pthread_t t;
	sigset_t pending;

	sem_init(&ping, 0, 0);
	handle(SIGUSR1, note_thread, 0);
	sem_init(&pong, 0, 0);
	t = start(block_all_and_wait, NULL);
	sem_wait(&pong);
	pthread_kill(t, SIGUSR1);
	sleep_ms(3);
	IS(handled, 0);
	sigpending(&pending);
	IS(sigismember(&pending, SIGUSR1), 0);
	kill(getpid(), SIGUSR1); /* the same number for the process is not lost in it */
	IS(handled, 1);
	sem_post(&ping);
	join(t);
}

static void *wait_signals(void *argument)
{
	sigset_t set;
	int number = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sem_post(&ping);
	for (int i = 0; i < 2; i++) {
		IS(sigwait(&set, &number), 0);
		counter = counter * 100 + number;
		sem_post(&pong);
	}
	return argument;
}

static void sigwait_in_a_thread(void)
{
	pthread_t t;

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	block(SIG_BLOCK, SIGUSR1);
	block(SIG_BLOCK, SIGUSR2);
	t = start(wait_signals, NULL);
	sem_wait(&ping);
	sleep_ms(2);
	kill(getpid(), SIGUSR2);
	sem_wait(&pong);
	pthread_kill(t, SIGUSR1);
	join(t);
	IS(counter, SIGUSR2 * 100 + SIGUSR1);
}

static __thread sigjmp_buf back;
static void jump_back(int number) { siglongjmp(back, number); }
static void *fault_and_recover(void *argument)
{
	for (int i = 0; i < 20; i++) {
		if (!sigsetjmp(back, 1)) {
			*nowhere = 1;
			return NULL;
		}
		counter++;
		sched_yield();
	}
	return argument;
}

static void each_handles_its_own_faults(void)
{
	pthread_t threads[5];

	handle(SIGSEGV, jump_back, 0);
	for (int i = 0; i < 5; i++)
		threads[i] = start(fault_and_recover, (void *)9);
	for (int i = 0; i < 5; i++)
		IS((long)join(threads[i]), 9);
	IS(counter, 100);
}

static int __attribute__((noinline)) deeper(volatile int n)
{
	volatile char bytes[512];

	bytes[0] = (char)n;
	return n == INT32_MAX ? 0 : deeper(n + 1) + bytes[0];
}

static void *overflow(void *argument)
{
	static char stacks[3][65536];
	stack_t stack = {.ss_sp = stacks[(long)argument], .ss_size = sizeof(stacks[0])};

	IS(sigaltstack(&stack, NULL), 0);
	if (!sigsetjmp(back, 1))
		deeper(0);
	return argument;
}

static void a_stack_that_overflows_has_an_alternate_one(void)
{
	pthread_t threads[3];

	handle(SIGSEGV, jump_back, SA_ONSTACK);
	for (long i = 0; i < 3; i++)
		threads[i] = start(overflow, (void *)i);
	for (long i = 0; i < 3; i++)
		IS((long)join(threads[i]), i);
}

/* Two things end a thread's wait at once, and it takes but one: a signal that it would have taken in the wait is another's then. */
static int idle_ends[2];

static void *read_for_ever(void *argument)
{
	char byte;

	block(SIG_UNBLOCK, SIGUSR2);
	ready_tid = tid();
	CHECK(read(idle_ends[0], &byte, 1) == 1);
	return argument;
}

static void leave_it_to_the_other(bool polls)
{
	sigset_t both, none;
	int ends[2];
	pthread_t t;
	pid_t child;

	ready_tid = handled = 0;
	CHECK(!pipe(ends) && !pipe(idle_ends));
	t = start(read_for_ever, NULL);
	while (!ready_tid)
		sched_yield();
	sched_yield(); /* it has gone to sleep when this comes back, or else it takes the signal itself */
	child = fork();
	if (!child) {
		while (!is_asleep(getppid()))
			sched_yield();
		if (polls)
			CHECK(write(ends[1], "x", 1) == 1);
		else
			kill(getppid(), SIGUSR1);
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	sigemptyset(&none);
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	if (polls) /* which comes first there is a matter of chance */
		CHECK(ppoll(&(struct pollfd){ends[0], POLLIN, 0}, 1, NULL, &none) == 1 || handled);
	else
		IS(sigtimedwait(&both, NULL, NULL), SIGUSR1);
	ENDS(child, 0);
	for (int64_t until = now_ms() + 5000; !handled && now_ms() < until;)
		usleep(1000);
	IS(handled, 1);
	CHECK(write(idle_ends[1], "x", 1) == 1);
	join(t);
}

static void what_a_wait_leaves_is_anothers(void)
{
	handle(SIGUSR2, note_thread, SA_RESTART);
	block(SIG_BLOCK, SIGUSR1);
	block(SIG_BLOCK, SIGUSR2);
	leave_it_to_the_other(false);
	leave_it_to_the_other(true);
}

static void an_alarm_finds_a_thread(void)
{
	struct itimerval timer = {.it_value = {.tv_usec = 10000}};
	pthread_t t;

	handle(SIGVTALRM, note_thread, 0);
	handle(SIGALRM, note_thread, 0);
	block(SIG_BLOCK, SIGALRM);
	handled = ready_tid = 0;
	handle(SIGUSR2, note_thread, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	block(SIG_UNBLOCK, SIGALRM);
	t = start(spin_for_signal, NULL);
	join(t);
	CHECK(handled == 1);
	alarm(TEST_SECONDS);
}

/* ---- Cancellation. */

static int cleaned;
static void clean(void *argument) { cleaned += (int)(long)argument; }
static void *cancelled_in_read(void *argument)
{
	char c;

	pthread_cleanup_push(clean, (void *)5);
	sem_post(&ping);
	CHECK(read(*(int *)argument, &c, 1) < 0);
	pthread_cleanup_pop(0);
	return NULL;
}
static void *cancelled_computing(void *argument)
{
	(void)argument;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(clean, (void *)6);
	sem_post(&ping);
	spin_until(&finish);
	pthread_cleanup_pop(0);
	return NULL;
}
static void *cancelled_later(void *argument)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	sem_post(&ping);
	sem_wait(&pong); /* which would be a place to be cancelled at */
	counter++;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	return argument;
}

static void cancellation(void)
{
	int ends[2];
	pthread_t threads[3];

	CHECK(!pipe(ends));
	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	threads[0] = start(cancelled_in_read, &ends[0]);
	threads[1] = start(cancelled_computing, NULL);
	threads[2] = start(cancelled_later, NULL);
	for (int i = 0; i < 3; i++)
		sem_wait(&ping);
	for (int i = 0; i < 3; i++)
		IS(pthread_cancel(threads[i]), 0);
	sem_post(&pong);
	for (int i = 0; i < 3; i++)
		CHECK(join(threads[i]) == PTHREAD_CANCELED);
	IS(cleaned, 11);
	IS(counter, 1);
}

TESTS(T(pthread_kill_reaches_that_thread), T(a_process_signal_goes_to_who_does_not_block_it), T(a_signal_waits_for_who_unblocks_it),
	T(a_directed_one_is_nobody_elses), T(sigwait_in_a_thread), T(what_a_wait_leaves_is_anothers), T(each_handles_its_own_faults), T(a_stack_that_overflows_has_an_alternate_one),
	T(an_alarm_finds_a_thread), T(cancellation))
