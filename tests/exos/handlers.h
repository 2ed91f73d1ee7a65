/* What tests of handlers (exos/program.h) have in common: a region, a handler for it that gives frames, children that end in some way. */
#pragma once

#include "lib.h"

#include <sched.h>

#include <aegis/x86_64/stubs.h>
#include <exos/lib/x86_64/calls.h>

#define SPAN (2ul << 20)
#define REGION_LEAVES 8
static const uint64_t RW = BIND_READ | BIND_WRITE;

static char handler_stack[65536] __attribute__((aligned(64)));
static uint64_t region, flags;
__attribute__((unused)) static volatile int calls, signals;
__attribute__((unused)) static int ends[2];

__attribute__((unused)) static void make_region(void)
{
	region = (uint64_t)exos_region(0, REGION_LEAVES * SPAN);
	IS(region % SPAN, 0);
	for (uint64_t i = 0; i < REGION_LEAVES; i++)
		CHECK(exos_leaf(region + i * SPAN) > 0);
}

static void handle_on(bool (*fault)(uint64_t, uint64_t), void *stack, uint64_t size)
{
	struct exos_handlers h = { .fault = fault, .stack = stack, .stack_size = size, .flags = flags };

	IS(exos_handlers(&h), 0);
}

__attribute__((unused)) static void handle(bool (*fault)(uint64_t, uint64_t)) { handle_on(fault, handler_stack, sizeof(handler_stack)); }

__attribute__((unused)) static bool give_frame(uint64_t address, uint64_t error)
{
	struct aegis_binding b = { address & ~4095ul, 0 };
	frame_t f = FRAME_ANY;

	if (error & 1 || address - region >= REGION_LEAVES * SPAN || exos_frames_get(&f, 1) != 1)
		return false;
	b.entry = BIND_ENTRY(f, RW);
	calls++;
	return aegis_bind(0, &b, 1, NULL) == 1;
}

static void touch(uint64_t address) { *(volatile int *)address = 1; }

static void count_signal(int number)
{
	(void)number;
	signals++;
}

__attribute__((unused)) static void catch(int number)
{
	struct sigaction action = { .sa_handler = count_signal };

	IS(sigaction(number, &action, NULL), 0);
}

/* Runs in a child that must end with this status; and nothing of the machine is the worse for it. */
__attribute__((unused)) static void ends_with(void (*run)(void), int status)
{
	pid_t child = fork();

	if (child == 0) {
		run();
		_exit(0);
	}
	ENDS(child, status);
}

/* Every test for both kinds of handlers: the library calls those that leave vector registers alone another way. */
static int run_for_both(const struct test *tests, char **names)
{
	static const struct test none[] = { { NULL, NULL } };
	int failed;

	if (!exos_here())
		return run_tests(none, names);
	failed = run_tests(tests, names);
	flags = EXOS_HANDLERS_GENERAL;
	return run_tests(tests, names) | failed;
}
