/* Threads made and ended, and what they wait for each other with: exact counts. */
#include "threads.h"

/* ---- Making and ending. */

static void join_returns_what_a_thread_returned(void)
{
	for (long i = 0; i < 200; i++)
		IS((long)join(start(give_back, (void *)i)), i + 1);
}

static void *exit_deep(void *argument)
{
	pthread_exit((char *)argument + 2);
}

static void exit_is_as_good_as_return(void) { IS((long)join(start(exit_deep, (void *)40)), 42); }

static void *own_number(void *argument)
{
	*(int *)argument = tid();
	return (void *)(long)getpid();
}

static void each_has_a_number_and_the_process_one(void)
{
	int numbers[3] = {tid()};

	IS(numbers[0], getpid());
	for (int i = 1; i < 3; i++)
		IS((long)join(start(own_number, &numbers[i])), getpid());
	CHECK(numbers[1] != numbers[0] && numbers[2] != numbers[0] && numbers[1] > 0);
}

static pthread_barrier_t meeting;
static int met[MANY];
static void *meet(void *argument)
{
	int serial = pthread_barrier_wait(&meeting);

	met[(long)argument]++;
	pthread_barrier_wait(&meeting);
	return (void *)(long)(serial == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void a_thousand_live_at_once(void)
{
	static pthread_t threads[MANY];
	pthread_attr_t attributes;
	long serials = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, SMALL_STACK);
	pthread_barrier_init(&meeting, NULL, MANY + 1);
	for (long i = 0; i < MANY; i++)
		IS(pthread_create(&threads[i], &attributes, meet, (void *)i), 0);
	IS(thread_count(), MANY + 1);
	serials += pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD;
	pthread_barrier_wait(&meeting);
	for (int i = 0; i < MANY; i++)
		serials += (long)join(threads[i]);
	IS(serials, 1);
	for (int i = 0; i < MANY; i++)
		IS(met[i], 1);
}

static sem_t detached_done;
static void *post(void *argument)
{
	sem_post(&detached_done);
	return argument;
}

static void detached_ones_leave_nothing(void)
{
	pthread_attr_t attributes;
	pthread_t t;

	sem_init(&detached_done, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 300; i++) {
		IS(pthread_create(&t, &attributes, post, NULL), 0);
		sem_wait(&detached_done);
	}
	while (thread_count() > 1)
		sched_yield();
}

/* ---- Locks and the like: exact counts. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *count_locked(void *argument)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		long value = counter;
		if (i % 500 == 0)
			sched_yield(); /* the others find it locked */
		counter = value + 1;
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static void a_mutex_excludes(void)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		threads[i] = start(count_locked, NULL);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	IS(counter, 8 * 20000);
}

static int queue[4], queued, produced_sum, consumed_sum;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER;
static void *produce(void *argument)
{
	for (int i = 1; i <= 2000; i++) {
		pthread_mutex_lock(&mutex);
		while (queued == 4)
			pthread_cond_wait(&room, &mutex);
		queue[queued++] = i;
		produced_sum += i;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}
static void *consume(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		while (!queued)
			pthread_cond_wait(&changed, &mutex);
		consumed_sum += queue[--queued];
		pthread_cond_signal(&room);
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static void conditions_lose_no_wake_up(void)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		threads[i] = start(i % 2 ? produce : consume, NULL);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	IS(consumed_sum, produced_sum);
	IS(consumed_sum, 3 * 2000 * 2001 / 2);
}

static int released, waiting;
static void *wait_released(void *argument)
{
	pthread_mutex_lock(&mutex);
	waiting++;
	while (!released)
		pthread_cond_wait(&changed, &mutex);
	counter++;
	pthread_mutex_unlock(&mutex);
	return argument;
}

static void start_waiters(pthread_t *threads, int n)
{
	for (int i = 0; i < n; i++)
		threads[i] = start(wait_released, NULL);
	for (int seen = 0; seen < n; sched_yield()) {
		pthread_mutex_lock(&mutex);
		seen = waiting;
		pthread_mutex_unlock(&mutex);
	}
}

static void release(void)
{
	pthread_mutex_lock(&mutex);
	released = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void a_broadcast_wakes_all(void)
{
	pthread_t threads[50];

	start_waiters(threads, 50);
	release();
	for (int i = 0; i < 50; i++)
		join(threads[i]);
	IS(counter, 50);
}

/* What they wait at is copied on write meanwhile. */
static void a_fork_does_not_lose_those_who_wait(void)
{
	pthread_t threads[5];

	start_waiters(threads, 5);
	pid_t pid = fork();
	if (!pid)
		_exit(released + 3);
	ENDS(pid, EXITED(3));
	release();
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	IS(counter, 5);
}

static void timed_waits_end_in_time(void)
{
	struct timespec at;
	int64_t before = now_ms();

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += 20000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mutex);
	IS(pthread_cond_timedwait(&changed, &mutex, &at), ETIMEDOUT);
	CHECK(now_ms() - before >= 19);
	IS(pthread_mutex_unlock(&mutex), 0);
}

static void *nap(void *argument)
{
	sleep_ms((long)argument);
	return (void *)now_ms();
}

static void many_sleep_at_once(void)
{
	pthread_t threads[20];
	int64_t before = now_ms();

	for (long i = 0; i < 20; i++)
		threads[i] = start(nap, (void *)(20 + i * 7 % 20));
	for (long i = 0; i < 20; i++)
		CHECK((int64_t)join(threads[i]) - before >= 20 + i * 7 % 20 - 1);
	CHECK(now_ms() - before < 20 * 20);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int pair[2];
static void *read_pair(void *argument)
{
	for (int i = 0; i < 3000; i++) {
		pthread_rwlock_rdlock(&rwlock);
		int first = pair[0];
		if (i % 100 == 0)
			sched_yield();
		CHECK(first == pair[1]);
		pthread_rwlock_unlock(&rwlock);
	}
	return argument;
}
static void *write_pair(void *argument)
{
	for (int i = 0; i < 1000; i++) {
		pthread_rwlock_wrlock(&rwlock);
		pair[0]++;
		if (i % 50 == 0)
			sched_yield();
		pair[1]++;
		pthread_rwlock_unlock(&rwlock);
	}
	return argument;
}

static void readers_see_no_half_writes(void)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		threads[i] = start(i % 3 ? read_pair : write_pair, NULL);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	IS(pair[0], 2000);
	IS(pair[1], 2000);
}

static void semaphores_take_turns(void)
{
	pthread_t t;

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	t = start(answer, NULL);
	for (int i = 0; i < 5000; i++) {
		IS(counter, i);
		sem_post(&ping);
		sem_wait(&pong);
	}
	join(t);
}

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int destroyed, made;
static __thread long local = 7;
static void destroy_value(void *value) { destroyed += (int)(long)value; }
static void make_key(void)
{
	made++;
	pthread_key_create(&key, destroy_value);
}
static void *use_local(void *argument)
{
	CHECK(local == 7);
	for (int i = 0; i < 100; i++) {
		local += (long)argument;
		pthread_once(&once, make_key);
		pthread_setspecific(key, argument);
		sched_yield();
		CHECK(local == 7 + (i + 1) * (long)argument && pthread_getspecific(key) == argument);
	}
	return argument;
}

static void what_is_a_threads_own_stays_so(void)
{
	pthread_t threads[10];

	for (long i = 0; i < 10; i++)
		threads[i] = start(use_local, (void *)(i + 1));
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	IS(local, 7);
	IS(made, 1);
	IS(destroyed, 55);
}

TESTS(T(join_returns_what_a_thread_returned), T(exit_is_as_good_as_return), T(each_has_a_number_and_the_process_one), T(a_thousand_live_at_once),
	T(detached_ones_leave_nothing), T(a_mutex_excludes), T(conditions_lose_no_wake_up), T(a_broadcast_wakes_all),
	T(a_fork_does_not_lose_those_who_wait), T(timed_waits_end_in_time), T(many_sleep_at_once), T(readers_see_no_half_writes),
	T(semaphores_take_turns), T(what_is_a_threads_own_stays_so))
