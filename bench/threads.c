/* What threads cost: `row value` lines, in ticks of the time-stamp counter, which under instruction counting are guest instructions. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#define MANY 1000
#define ROUNDS 2000

static uint64_t started;
static void start(void) { started = __rdtsc(); }
static uint64_t each(uint64_t n) { return (__rdtsc() - started) / n; }
static void row(const char *name, uint64_t value) { printf("%s %lu\n", name, value); }

static void make(pthread_t *t, void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	if (pthread_create(t, &attributes, run, argument))
		exit(1);
}

static void *nothing(void *argument) { return argument; }

static void create_join(void)
{
	pthread_t t;

	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++) {
			make(&t, nothing, NULL);
			pthread_join(t, NULL);
		}
	}
	row("thread.create.join", each(ROUNDS));
}

static void *yield(void *argument)
{
	for (int i = 0; i < 2 * ROUNDS + 10; i++)
		sched_yield();
	return argument;
}

/* Two that yield to each other: each call is a switch. */
static void switches(void)
{
	pthread_t t;

	make(&t, yield, NULL);
	for (int i = 0; i < 10; i++)
		sched_yield();
	start();
	for (int i = 0; i < ROUNDS; i++)
		sched_yield();
	row("thread.switch", each(2 * ROUNDS));
	pthread_join(t, NULL);
}

static sem_t ping, pong;
static void *answer(void *argument)
{
	for (int i = 0; i < 2 * ROUNDS; i++) {
		sem_wait(&ping);
		sem_post(&pong);
	}
	return argument;
}

static void handshake(void)
{
	pthread_t t;

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	make(&t, answer, NULL);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++) {
			sem_post(&ping);
			sem_wait(&pong);
		}
	}
	row("thread.handshake", each(2 * ROUNDS));
	pthread_join(t, NULL);
}

static pthread_barrier_t all;
static void *meet(void *argument)
{
	pthread_barrier_wait(&all);
	return argument;
}

/* So many alive at once, each of which waits for the last. */
static void crowd(void)
{
	static pthread_t threads[MANY];

	pthread_barrier_init(&all, NULL, MANY + 1);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < MANY; i++)
			make(&threads[i], meet, NULL);
		pthread_barrier_wait(&all);
		for (int i = 0; i < MANY; i++)
			pthread_join(threads[i], NULL);
	}
	row("thread.crowd", each(MANY));
}

int main(void)
{
	create_join();
	switches();
	handshake();
	crowd();
	return 0;
}
