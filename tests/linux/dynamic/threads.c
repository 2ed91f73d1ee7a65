/* Threads of a program that is linked dynamically: prints `ok NAME` or `not ok NAME` for each property, and ends with the number of those that do not hold.
 *
 * threads LIBRARY   the path of library.so, with which it is not linked */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS  200

static int failed;

static void point(bool holds, const char *name)
{
	failed += !holds;
	printf("%sok %s\n", holds ? "" : "not ", name);
	fflush(stdout);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;
static int *(*own_address)(void);

/* Each in its turn, round after round: a condition variable that all wait on. */
static void *take_turns(void *argument)
{
	int number = (int)(intptr_t)argument;
	char name[16], got[16] = "";

	snprintf(name, sizeof(name), "worker %d", number);
	pthread_setname_np(pthread_self(), name);
	for (int n = 0; n < ROUNDS; n++) {
		pthread_mutex_lock(&lock);
		while (turn % THREADS != number)
			pthread_cond_wait(&turned, &lock);
		turn++;
		*own_address() += 1;
		pthread_cond_broadcast(&turned);
		pthread_mutex_unlock(&lock);
	}
	pthread_getname_np(pthread_self(), got, sizeof(got));
	return (void *)(intptr_t)(*own_address() == 5 + ROUNDS && !strcmp(name, got));
}

static void turns(void)
{
	pthread_t threads[THREADS];
	bool all = true;

	for (intptr_t n = 0; n < THREADS; n++)
		all = !pthread_create(&threads[n], NULL, take_turns, (void *)n) && all;
	for (int n = 0; n < THREADS; n++) {
		void *result = NULL;

		pthread_join(threads[n], &result);
		all = result && all;
	}
	point(all && turn == THREADS * ROUNDS, "condition variables, names, and a thread's own data of a library opened later");
}

static int pipe_ends[2];
static volatile int computed;
static void *read_byte(void *unused)
{
	char byte = 0;

	(void)unused;
	return (void *)(intptr_t)(read(pipe_ends[0], &byte, 1) == 1 ? byte : -1);
}

static void *compute(void *unused)
{
	for (volatile int n = 0; n < 1000000; n++)
		computed = n;
	return unused;
}

static void blocked_reader(void)
{
	pthread_t reader, computer;
	void *result = NULL;

	if (pipe(pipe_ends) || pthread_create(&reader, NULL, read_byte, NULL) || pthread_create(&computer, NULL, compute, NULL))
		exit(99);
	pthread_join(computer, NULL);
	point(computed == 999999, "one thread's blocked read does not stop another");
	point(write(pipe_ends[1], "x", 1) == 1 && !pthread_join(reader, &result) && (intptr_t)result == 'x', "and ends when there is something");
}

static uint64_t thread_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *burn(void *unused)
{
	uint64_t before = thread_time();

	compute(unused);
	return (void *)(uintptr_t)(thread_time() - before);
}

static void own_time(void)
{
	pthread_t thread;
	struct timespec all;
	uint64_t before = thread_time(), mine;
	void *result = NULL;

	pthread_create(&thread, NULL, burn, NULL);
	pthread_join(thread, &result);
	mine = thread_time() - before;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
	point((uint64_t)(uintptr_t)result > 2 * mine, "a thread's CPU time is its own");
	point((uint64_t)all.tv_sec * 1000000000u + (uint64_t)all.tv_nsec >= (uint64_t)(uintptr_t)result, "and part of the process's");
}

static void let_go(void *unused)
{
	(void)unused;
	pthread_mutex_unlock(&lock);
}

static void *wait_for_ever(void *unused)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(let_go, NULL);
	for (;;)
		pthread_cond_wait(&turned, &lock);
	pthread_cleanup_pop(1);
	return unused;
}

/* A snapshot by fork while others wait: the child has one thread, and works. */
static void fork_with_threads(void)
{
	pthread_t waiting[2];
	char *data = malloc(1 << 20);
	int status = -1;
	pid_t child;

	memset(data, 7, 1 << 20);
	for (int n = 0; n < 2; n++)
		pthread_create(&waiting[n], NULL, wait_for_ever, NULL);
	child = fork();
	if (!child) {
		char *more = malloc(1 << 20);

		memcpy(more, data, 1 << 20);
		_exit(more[12345] == 7 ? 0 : 1);
	}
	memset(data, 9, 1 << 20);
	waitpid(child, &status, 0);
	point(status == 0 && data[12345] == 9, "fork of a process with threads");
	for (int n = 0; n < 2; n++) {
		pthread_cancel(waiting[n]);
		pthread_join(waiting[n], NULL);
	}
	point(true, "threads that wait are cancelled");
}

int main(int argc, char **argv)
{
	void *handle = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);

	own_address = handle ? (int *(*)(void))dlsym(handle, "library_own_address") : NULL;
	point(own_address, "a library is opened while the program runs");
	if (!own_address)
		return 1;
	turns();
	blocked_reader();
	own_time();
	fork_with_threads();
	return failed;
}
