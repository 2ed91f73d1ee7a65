/* What the tests of threads share: they see what POSIX promises of threads, as an unmodified static program does. Each is made twice, with musl and
 * (..._glibc.c) with glibc. */
#pragma once

#pragma GCC diagnostic ignored "-Wunused-function" /* not every file uses all of it */
#pragma GCC diagnostic ignored "-Wunused-variable"

#include "lib.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <exos/lib/x86_64/calls.h>

#define MANY 1000
#define SMALL_STACK 32768

typedef void *(*routine)(void *);

static pthread_t start(void *(*run)(void *), void *argument)
{
	pthread_t t;

	IS(pthread_create(&t, NULL, run, argument), 0);
	return t;
}

static void *join(pthread_t t)
{
	void *result;

	IS(pthread_join(t, &result), 0);
	return result;
}

static int tid(void) { return (int)syscall(SYS_gettid); }

static int thread_count(void)
{
	char text[4096], *at;
	FILE *f = fopen("/proc/self/status", "r");
	size_t n;

	CHECK(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	at = strstr(text, "Threads:");
	CHECK(at);
	return atoi(at + 8);
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	IS(sigaction(number, &action, NULL), 0);
}

/* Computes, without a single system call, until the word is set. */
static void spin_until(const volatile int *word)
{
	while (!*word)
		;
}

static int is_asleep(int number)
{
	char path[64], text[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", number);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	return strstr(text, ") S") != NULL;
}

/* ---- What threads do in several of the files. */

static void *give_back(void *argument) { return (char *)argument + 1; }

static volatile long progress[2];
static volatile int finish;
static void *compute(void *argument)
{
	volatile long *mine = argument;

	while (!finish)
		(*mine)++;
	return NULL;
}

static void *read_byte(void *argument)
{
	char c;

	IS(read(*(int *)argument, &c, 1), 1);
	return (void *)(long)c;
}

static void *poll_pipe(void *argument)
{
	struct pollfd p = {.fd = *(int *)argument, .events = POLLIN};

	return (void *)(long)poll(&p, 1, -1);
}

static sem_t ping, pong;
static volatile long counter;
static void *block_all_and_wait(void *argument)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	sem_post(&pong);
	sem_wait(&ping);
	return argument;
}

static volatile int handled_by, handled;
static void note_thread(int number)
{
	(void)number;
	handled_by = tid();
	handled++;
}

static volatile int ready_tid;
static void *spin_for_signal(void *argument)
{
	ready_tid = tid();
	spin_until(&handled);
	return argument;
}

static void *answer(void *argument)
{
	for (int i = 0; i < 5000; i++) {
		sem_wait(&ping);
		counter++;
		sem_post(&pong);
	}
	return argument;
}

static volatile char *nowhere = (char *)16; /* nothing is mapped there */
