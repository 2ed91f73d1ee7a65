/* The program of revoke.sh: holds frames of its own until some are asked back, and then does what its mode says. `revoked MODE FRAMES`. */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <aegis/x86_64/stubs.h>
#include <exos/lib/x86_64/calls.h>

#define SPAN (2ul << 20)
#define MOST 65536
#define BATCH 64

static char stack[65536] __attribute__((aligned(64)));
static frame_t list[MOST];
static uint64_t held, region;
static volatile uint64_t asked, deadline, given, busy, faults;
static volatile int *demands; /* shared with a child */
static const char *mode;

static bool is(const char *name) { return !strcmp(mode, name); }

/* The first bears losses, the second has not said so. */
static bool gives_nothing(void) { return is("mute") || is("frail"); }

static _Noreturn void give_up(const char *what)
{
	printf("%s\n", what);
	exit(20);
}

static void bind_page(uint64_t i, uint64_t entry)
{
	struct aegis_binding b = { region + i * 4096, entry };

	if (aegis_bind(0, &b, 1, NULL) != 1)
		give_up("bind");
}

static void give(uint64_t n)
{
	while (n && held) {
		uint64_t some = n < BATCH ? n : BATCH;

		some = some < held ? some : held;
		for (uint64_t i = held - some; i < held; i++)
			bind_page(i, 0);
		if (exos_frames_put(list + held - some, some) != (int64_t)some)
			give_up("frames_put");
		n -= some, held -= some, given += some;
	}
}

static void revoke(uint64_t n, uint64_t until)
{
	asked += n;
	deadline = until;
	++*demands;
	if (gives_nothing())
		return;
	if (is("dies"))
		*(volatile int *)8 = 1;
	busy += exos_frames_put(list, 1) == -EBUSY; /* it is bound */
	give(n);
}

/* A page that was taken by force. There is no other memory: the page before it, which is not looked at again, gives its frame. */
static bool fault(uint64_t address, uint64_t error)
{
	uint64_t i = (address - region) / 4096;

	if (error & 1 || !i)
		return false;
	faults++;
	list[i] = list[i - 1];
	bind_page(i - 1, 0);
	bind_page(i, BIND_ENTRY(list[i], BIND_READ | BIND_WRITE));
	return true;
}

static void hold(uint64_t wanted)
{
	region = (uint64_t)exos_region(0, (wanted * 4096 + SPAN - 1) / SPAN * SPAN);
	for (uint64_t va = region; va < region + wanted * 4096; va += SPAN)
		if (exos_leaf(va) < 0)
			give_up("leaf");
	for (; held < wanted; held++) {
		list[held] = FRAME_ANY;
		if (exos_frames_get(list + held, 1) != 1)
			give_up("frames_get");
		bind_page(held, BIND_ENTRY(list[held], BIND_READ | BIND_WRITE));
		*(volatile uint64_t *)(region + held * 4096) = held;
	}
}

/* Asleep in a system call when the demand comes; the child, which inherits nothing but memory, ends the sleep once it has come. */
static void sleep_in_read(void)
{
	int ends[2], c;

	if (pipe(ends))
		give_up("pipe");
	if (fork() == 0) {
		while (!*demands)
			sched_yield();
		_exit(write(ends[1], "x", 1) != 1);
	}
	printf("read %zd\n", read(ends[0], &c, 1));
	wait(NULL);
}

int main(int argc, char **argv)
{
	struct exos_handlers h = { .fault = fault, .revoke = revoke, .stack = stack, .stack_size = sizeof(stack) };
	uint64_t wrong = 0;

	if (argc != 3)
		return 2;
	mode = argv[1];
	if (!is("frail"))
		h.flags = EXOS_HANDLERS_BEARS;
	demands = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*demands = 0;
	asked = deadline = 0; /* these pages are there when there is no other memory */
	memset(stack, 1, sizeof(stack));
	hold(strtoul(argv[2], NULL, 10));
	if (exos_handlers(&h))
		give_up("handlers");
	if (is("sleeps"))
		sleep_in_read();
	while (!asked)
		if (is("calls"))
			getppid();
	while (gives_nothing() && __rdtsc() < deadline)
		;
	for (uint64_t i = 0; i < held; i++)
		wrong += *(volatile uint64_t *)(region + i * 4096) != i;
	printf("asked %lu given %lu busy %lu faults %lu wrong %lu\n", asked, given, busy, faults, wrong);
	return 0;
}
