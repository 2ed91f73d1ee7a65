/* What a program that specialises asks of ExOS (exos/program.h), call by call: it works, it refuses, and nothing is left of it afterwards. On Linux there is nothing to test
 * but that the calls are refused. */
#include "lib.h"

#include <sched.h>

#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

#define SPAN (2ul << 20)
static const uint64_t RW = BIND_READ | BIND_WRITE;

static char handler_stack[65536] __attribute__((aligned(64)));
static uint64_t region;
static frame_t frames[AEGIS_BATCH_MAX];
static volatile int faults, wrote;
static uint64_t handler_flags;

static void bind_page(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = { va, entry };

	IS(aegis_bind(0, &b, 1, NULL), 1);
}

static void get(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		frames[i] = FRAME_ANY;
	IS(exos_frames_get(frames, n), n);
}

static void handle(bool (*fault)(uint64_t, uint64_t))
{
	struct exos_handlers h = { .flags = handler_flags, .fault = fault, .stack = handler_stack, .stack_size = sizeof(handler_stack) };

	IS(exos_handlers(&h), 0);
}

/* Pages in order, a frame each. */
static bool first_touch(uint64_t address, uint64_t error)
{
	if (error & 1)
		return false;
	bind_page(address & ~4095ul, BIND_ENTRY(frames[faults++], RW));
	return true;
}

static void make_region(uint64_t leaves)
{
	region = (uint64_t)exos_region(0, leaves * SPAN);
	IS(region % SPAN, 0);
	for (uint64_t i = 0; i < leaves; i++)
		CHECK(exos_leaf(region + i * SPAN) > 0);
}

static void a_region_is_the_programs_own(void)
{
	make_region(2);
	get(16);
	handle(first_touch);
	for (int i = 0; i < 16; i++)
		*(volatile int *)(region + SPAN + (uint64_t)i * 4096) = i;
	IS(faults, 16);
	for (int i = 0; i < 16; i++) {
		IS(*(volatile int *)(region + SPAN + (uint64_t)i * 4096), i);
		IS(*(int *)exos_frame_bytes(frames[i]), i);
	}
}

static void nested_fault(uint64_t address)
{
	if (address - region < SPAN)
		*(volatile int *)(address + SPAN) = 1;
}

static bool touches_another(uint64_t address, uint64_t error)
{
	char path[64];

	nested_fault(address);
	wrote += readlink("/proc/self/exe", path, sizeof(path)) > 0; /* system calls work in a handler */
	return first_touch(address, error);
}

static void handlers_nest_and_call(void)
{
	make_region(2);
	get(4);
	handle(touches_another);
	*(volatile int *)region = 7;
	IS(faults, 2);
	IS(wrote, 2);
	IS(*(volatile int *)region, 7);
	IS(*(volatile int *)(region + SPAN), 1);
}

static void vectors_are_kept(void)
{
	double before = 1.5, after;

	make_region(1);
	get(4);
	handle(touches_another);
	region -= SPAN; /* touches_another finds no other place below */
	__asm__ volatile("movsd %1, %%xmm7; movl $1, (%2); movsd %%xmm7, %0" : "=m"(after) : "m"(before), "r"(region + SPAN) : "xmm7", "memory");
	CHECK(after == before);
}

static void a_system_call_finds_pages_that_are_missing(void)
{
	int ends[2];

	make_region(1);
	get(4);
	handle(first_touch);
	IS(pipe(ends), 0);
	IS(write(ends[1], "hello", 5), 5);
	IS(read(ends[0], (void *)region, 5), 5);
	IS(memcmp((void *)region, "hello", 5), 0);
	IS(write(ends[1], (void *)(region + 4096), 100), 100);
	IS(faults, 2);
}

static bool declines(uint64_t address, uint64_t error) { return address == 0 && error; }

static void dies_in_its_region(void)
{
	pid_t child;

	make_region(1);
	handle(declines);
	child = fork();
	if (child == 0) { /* has no region */
		*(volatile int *)region = 1;
		_exit(0);
	}
	ENDS(child, SIGSEGV);
	FAILS(write(1, (void *)region, 1), EFAULT);
	*(volatile int *)region = 1;
}

static void what_no_handler_mends_is_a_segmentation_fault(void)
{
	pid_t child = fork();

	if (child == 0) {
		dies_in_its_region();
		_exit(0);
	}
	ENDS(child, SIGSEGV);
}

static bool runs_wild(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	*(volatile int *)8 = 1;
	return true;
}

static void a_handler_that_faults_ends_its_process(void)
{
	pid_t child = fork();

	if (child == 0) {
		make_region(1);
		handle(runs_wild);
		*(volatile int *)region = 1;
		_exit(0);
	}
	ENDS(child, SIGSEGV);
}

static volatile int *reached; /* shared */
static bool never_returns(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	*reached = 1;
	while (*reached)
		;
	return false;
}

static void a_process_is_killed_in_its_handler(void)
{
	reached = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();

	if (child == 0) {
		make_region(1);
		get(AEGIS_BATCH_MAX);
		handle(never_returns);
		*(volatile int *)region = 1;
		_exit(0);
	}
	while (!*reached)
		sched_yield();
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
}

/* The same without C in between (EXOS_HANDLERS_GENERAL). No handler here uses vector registers. */
static void a_region_without_vectors(void)
{
	handler_flags = EXOS_HANDLERS_GENERAL;
	a_region_is_the_programs_own();
}

static void handlers_nest_without_vectors(void)
{
	handler_flags = EXOS_HANDLERS_GENERAL;
	handlers_nest_and_call();
}

static void what_is_not_mended_without_vectors(void)
{
	handler_flags = EXOS_HANDLERS_GENERAL;
	what_no_handler_mends_is_a_segmentation_fault();
	a_handler_that_faults_ends_its_process();
	a_process_is_killed_in_its_handler();
}

static void registers_are_kept_without_vectors(void)
{
	uint64_t r[9];

	handler_flags = EXOS_HANDLERS_GENERAL;
	make_region(1);
	get(1);
	handle(first_touch);
	__asm__ volatile("mov $1, %%rax; mov $2, %%rcx; mov $3, %%rdx; mov $4, %%rsi; mov $5, %%rdi; mov $6, %%r8; mov $7, %%r9; mov $8, %%r10; mov $9, %%r11\n\t"
			 "stc\n\t"
			 "movl $1, (%1)\n\t"
			 "adc $0, %%r11\n\t" /* the flag was kept */
			 "mov %%rax, (%0); mov %%rcx, 8(%0); mov %%rdx, 16(%0); mov %%rsi, 24(%0); mov %%rdi, 32(%0); mov %%r8, 40(%0); mov %%r9, 48(%0)\n\t"
			 "mov %%r10, 56(%0); mov %%r11, 64(%0)"
			 :
			 : "b"(r), "r"(region)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	for (int i = 0; i < 8; i++)
		IS(r[i], i + 1);
	IS(r[8], 10);
	IS(faults, 1);
}

static void regions_are_refused(void)
{
	IS(exos_region(0, 4096), -EINVAL);
	IS(exos_region(SPAN / 2, SPAN), -EINVAL);
	IS(exos_region(0x400000, SPAN), -EEXIST); /* the program itself */
	IS(exos_region(0x7f8000000000, SPAN), -EINVAL);
	IS(exos_region(0, ~0ul << 21), -EINVAL);
	IS(exos_leaf(0x400000), -EINVAL);
	make_region(2);
	FAILS(munmap((void *)region, 4096), EINVAL);
	FAILS(mprotect((void *)region, 4096, PROT_READ), EACCES);
	IS(munmap((void *)region, SPAN), 0);
	IS(exos_leaf(region), -EINVAL);
	CHECK(exos_leaf(region + SPAN) > 0);
	IS(munmap((void *)(region + SPAN), SPAN), 0);
}

static void frames_are_refused(void)
{
	frame_t one = 1;

	IS(exos_frames_put(&one, 1), -EINVAL);
	one = 0x7fffffff;
	IS(exos_frames_put(&one, 1), -EINVAL);
	IS(exos_frames_get(&one, 1), -EBUSY);
	IS(exos_frames_get(NULL, 1), -EFAULT);
	IS(exos_frames_get(frames, AEGIS_BATCH_MAX + 1), -EINVAL);
	get(2);
	make_region(1);
	bind_page(region, BIND_ENTRY(frames[0], RW));
	IS(exos_frames_put(frames, 1), -EBUSY);
	IS(exos_frames_put(frames + 1, 1), 1);
	IS(exos_frames_put(frames + 1, 1), -EINVAL);
	bind_page(region, 0);
	IS(exos_frames_put(frames, 1), 1);
}

static void frames_are_had_by_name(void)
{
	const struct aegis_frame_info *table = (const void *)exos_info(EXOS_INFO_FRAMES);
	const struct aegis_info *info = (const void *)exos_info(EXOS_INFO_MACHINE);
	frame_t f = info->frames_first_free;

	CHECK(f != UINT32_MAX);
	IS(table[f].state, FRAME_FREE);
	frames[0] = f;
	IS(exos_frames_get(frames, 1), 1);
	IS(table[f].state, FRAME_OWNED);
	IS(exos_frames_get(frames, 1), -EBUSY);
	*(volatile int *)exos_frame_bytes(f) = 1;
	IS(exos_frames_put(frames, 1), 1);
}

static long free_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void nothing_is_left_of_a_process(void)
{
	long before = free_kib(); /* the first reading takes memory itself */

	for (int round = 0; round < 6; round++) {
		pid_t child = fork();

		if (child == 0) {
			make_region(3);
			for (int i = 0; i < 10; i++) {
				get(AEGIS_BATCH_MAX);
				bind_page(region + (uint64_t)i * 4096, BIND_ENTRY(frames[0], RW));
			}
			bind_page(region + SPAN, BIND_ENTRY(exos_leaf(region), BIND_READ));
			if (round & 1)
				kill(getpid(), SIGKILL);
			_exit(0);
		}
		ENDS(child, round & 1 ? SIGKILL : 0);
		if (round == 3)
			before = free_kib();
	}
	IS(free_kib(), before);
}

static void exec_forgets_it_all(void)
{
	pid_t child = fork();

	if (child == 0) {
		make_region(1);
		get(10);
		bind_page(region, BIND_ENTRY(frames[0], RW));
		handle(first_touch);
		execl("/bin/busybox", "true", NULL);
		_exit(127);
	}
	ENDS(child, 0);
}

/* A child without slices runs when somebody yields to it. */
static void slices_can_be_given_up(void)
{
	volatile int *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int64_t env;
	int before;

	if (child == 0)
		for (;;) {
			++*counter;
			give_yield(0);
		}
	env = exos_environment(child);
	CHECK(env > 0);
	IS(exos_slices(child, 0), 0);
	while (give_yield((env_id)env)) /* until it has begun */
		give_yield(0);
	before = *counter;
	for (int i = 0; i < 10000 && *counter - before < 100; i++) /* the end of our own slice may come in between */
		IS(give_yield((env_id)env), 0);
	CHECK(*counter - before >= 100);
	before = *counter;
	for (int i = 0; i < 100; i++)
		give_yield(0);
	IS(*counter, before);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL); /* which it can do without us */
	IS(exos_environment(child), -ESRCH);
	IS(exos_slices(child, 1), -ESRCH);
}

static void linux_refuses_the_calls(void) { IS(exos_call(EXOS_CALL_here, 0, 0), -ENOSYS); }

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(a_region_is_the_programs_own), T(handlers_nest_and_call), T(vectors_are_kept), T(a_system_call_finds_pages_that_are_missing),
		T(what_no_handler_mends_is_a_segmentation_fault), T(a_handler_that_faults_ends_its_process), T(a_process_is_killed_in_its_handler), T(a_region_without_vectors), T(handlers_nest_without_vectors),
		T(what_is_not_mended_without_vectors), T(registers_are_kept_without_vectors),
		T(regions_are_refused), T(frames_are_refused), T(frames_are_had_by_name), T(nothing_is_left_of_a_process), T(exec_forgets_it_all),
		T(slices_can_be_given_up), { NULL, NULL },
	};
	static const struct test on_linux[] = { T(linux_refuses_the_calls), { NULL, NULL } };

	(void)argc;
	return run_tests(exos_here() ? tests : on_linux, argv + 1);
}
