/* What bench/ipc.c and bench/rpc.c measure with: a clock, checks that end the program, and another process. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

enum { ROUNDS = 2000 };

static uint64_t started;
static inline void start(void) { started = __rdtsc(); }
static inline uint64_t each(uint64_t n) { return (__rdtsc() - started) / n; }

static inline void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

/* Forks the other end; in it, `run` never returns. */
static inline pid_t other_end(void (*run)(void))
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (!pid) {
		run();
		_exit(1);
	}
	return pid;
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
