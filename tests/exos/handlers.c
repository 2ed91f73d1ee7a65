/* Handlers of a program that specialises (exos/program.h), misused: whatever one does, its process is the worst that it ends. */
#include "handlers.h"

#include <setjmp.h>

static bool unexpected(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	calls++;
	return false;
}

/* Between two regions lies ordinary memory, which is none of the handler's business; and so is what a region has left. */
static void it_is_asked_for_its_regions_only(void)
{
	uint64_t between = 0x200000000000, low = between - 64 * SPAN, high = between + 64 * SPAN;

	IS(exos_region(low, SPAN), low);
	IS(exos_region(high, SPAN), high);
	handle(unexpected);
	IS(mmap((void *)between, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), between);
	touch(between);
	IS(read(open("/bin/busybox", O_RDONLY), (void *)(between + 8), 8), 8);
	IS(munmap((void *)low, SPAN), 0);
	IS(mmap((void *)low, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), low);
	touch(low);
	IS(calls, 0);
}

static void its_stack_may_lie_between_regions(void)
{
	uint64_t between = 0x200000000000;

	IS(exos_region(between - SPAN, SPAN), between - SPAN);
	region = between + 64 * SPAN;
	IS(exos_region(region, REGION_LEAVES * SPAN), region);
	CHECK(exos_leaf(region) > 0);
	IS(mmap((void *)between, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), between);
	handle_on(give_frame, (void *)between, 65536);
	touch(region);
	IS(calls, 1);
}

static bool recurses(uint64_t address, uint64_t error)
{
	(void)error;
	touch(address + 4096);
	return true;
}

static void recurse(void)
{
	make_region();
	handle_on(recurses, mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8 << 20);
	touch(region);
}

/* As above, with the library at work at each depth. */
static bool recurses_and_calls(uint64_t address, uint64_t error)
{
	char name[64], *memory;
	int fd;

	(void)error;
	snprintf(name, sizeof(name), "/tmp/recursion.%lx", address);
	fd = open(name, O_CREAT | O_RDWR, 0600);
	memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || ftruncate(fd, 8192) || memory == MAP_FAILED)
		_exit(1);
	touch((uint64_t)memory);
	unlink(name);
	return recurses(address, error);
}

static void recurse_and_call(void)
{
	make_region();
	handle_on(recurses_and_calls, mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8 << 20);
	touch(region);
}

static void endless_recursion_ends_the_process(void)
{
	ends_with(recurse, SIGSEGV);
	ends_with(recurse_and_call, SIGSEGV);
}

static void stack_at(void *stack, uint64_t size)
{
	make_region();
	handle_on(give_frame, stack, size);
	touch(region);
}
static void no_stack(void) { stack_at(NULL, 0); }
static void low_stack(void) { stack_at((void *)64, 64); }
static void small_stack(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page, 4096, PROT_NONE);
	stack_at(page + 4096, 0);
}
static void read_only_stack(void) { stack_at(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536); }
static void stack_in_its_region(void)
{
	make_region();
	handle_on(give_frame, (void *)(region + SPAN), SPAN);
	touch(region);
}
static void code_nowhere(void)
{
	make_region();
	handle((bool (*)(uint64_t, uint64_t))8);
	touch(region);
}
static void code_in_no_half(void)
{
	make_region();
	handle((bool (*)(uint64_t, uint64_t))0x8000000000000000ul);
	touch(region);
}
static void code_in_its_region(void)
{
	make_region();
	handle((bool (*)(uint64_t, uint64_t))(region + SPAN));
	touch(region);
}

static void nonsense_ends_the_process(void)
{
	ends_with(no_stack, SIGSEGV);
	ends_with(low_stack, SIGSEGV);
	ends_with(small_stack, SIGSEGV);
	ends_with(read_only_stack, SIGSEGV);
	ends_with(stack_in_its_region, SIGSEGV);
	ends_with(code_nowhere, SIGSEGV);
	ends_with(code_in_no_half, SIGSEGV);
	ends_with(code_in_its_region, SIGSEGV);
}

/* It says that it has mended what it has not, for ever. */
static bool lies(uint64_t address, uint64_t error) { return address + error != 1; }

static void lie_to_a_call(void)
{
	make_region();
	handle(lies);
	IS(write(ends[1], "x", 1), 1);
	write(ends[1], (void *)region, 1);
}
static void lie_to_itself(void)
{
	make_region();
	handle(lies);
	IS(write(ends[1], "x", 1), 1);
	touch(region);
}

static void lies_until(void (*run)(void), int number)
{
	pid_t child = fork();
	char byte;

	if (child == 0)
		run();
	IS(read(ends[0], &byte, 1), 1);
	kill(child, number);
	ENDS(child, number);
}

static void one_that_lies_can_be_ended(void)
{
	IS(pipe(ends), 0);
	lies_until(lie_to_a_call, SIGTERM);
	lies_until(lie_to_a_call, SIGKILL);
	lies_until(lie_to_itself, SIGTERM);
	lies_until(lie_to_itself, SIGKILL);
}

/* What a call has missed and gone without is not asked for again when another fails. */
static void a_failure_is_not_blamed_on_a_page_that_is_there(void)
{
	make_region();
	handle(give_frame);
	IS(pipe(ends), 0);
	touch(region);
	IS(calls, 1);
	CHECK(write(ends[1], (void *)region, 8192) > 0); /* in part, perhaps */
	touch(region + 4096);
	calls = 0;
	*(volatile int *)(region + 4096) = 42;
	FAILS(write(ends[1], (void *)8, 1), EFAULT);
	IS(*(volatile int *)(region + 4096), 42);
	IS(calls, 0);
}

static void a_call_needs_many_pages(void)
{
	static char file[] = "/tmp/handlers.XXXXXX";
	int fd = mkstemp(file);
	uint64_t done = 0;

	IS(unlink(file), 0);
	make_region();
	handle(give_frame);
	while (done < 300 * 4096) {
		ssize_t n = write(fd, (void *)(region + done), 300 * 4096 - done);

		CHECK(n > 0);
		done += (uint64_t)n;
	}
	IS(calls, 300);
}

static jmp_buf out;
static bool jumps(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	longjmp(out, 1);
}

static void jump_out(void)
{
	make_region();
	handle(jumps);
	for (volatile int i = 0; i < 1000; i++)
		if (!setjmp(out))
			touch(region + (uint64_t)i * 4096);
	for (;;)
		getpgid(0);
}

static void who_jumps_out_harms_himself(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		jump_out();
	usleep(20000);
	kill(child, SIGKILL);
	IS(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(it_is_asked_for_its_regions_only), T(its_stack_may_lie_between_regions), T(endless_recursion_ends_the_process),
		T(nonsense_ends_the_process), T(one_that_lies_can_be_ended), T(a_failure_is_not_blamed_on_a_page_that_is_there),
		T(a_call_needs_many_pages), T(who_jumps_out_harms_himself), { NULL, NULL },
	};

	(void)argc;
	return run_for_both(tests, argv + 1);
}
