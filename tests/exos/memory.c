/* mmap and its relatives: demand zero, sharing, protection, growing, and which requests are refused. */
#include "lib.h"

#include <setjmp.h>
#include <sys/syscall.h>

#define PAGE 4096ul
static sigjmp_buf back;
static volatile int caught;

static void catch(int signal)
{
	caught = signal;
	siglongjmp(back, 1);
}

/* The signal that an access gives, or 0. */
static int signal_of(volatile char *p, bool writing)
{
	caught = 0;
	signal(SIGSEGV, catch);
	signal(SIGBUS, catch);
	if (!sigsetjmp(back, 1)) {
		char c = *p;
		if (writing)
			*p = c;
	}
	return caught;
}
#define READ_SIGNAL(p) signal_of((volatile char *)(p), false)
#define WRITE_SIGNAL(p) signal_of((volatile char *)(p), true)

static char *map(size_t n, int protection)
{
	char *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}
#define RW (PROT_READ | PROT_WRITE)

static void fresh_memory_is_zero(void)
{
	for (int round = 0; round < 4; round++) {
		char *p = map(1 << 20, RW);
		for (size_t i = 0; i < 1 << 20; i += 512)
			IS(p[i], 0);
		memset(p, 0xff, 1 << 20);
		CHECK(!munmap(p, 1 << 20));
	}
}

static void large_mapping_costs_nothing_until_touched(void)
{
	size_t n = 1ul << 36;
	char *p = mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < n; i += n / 16)
		p[i] = 1;
	p[n - 1] = 2;
	CHECK(!munmap(p, n));
	IS(READ_SIGNAL(p), SIGSEGV);
}

static void unmapped_memory_faults(void)
{
	char *p = map(4 * PAGE, RW);

	memset(p, 1, 4 * PAGE);
	CHECK(!munmap(p + PAGE, 2 * PAGE));
	IS(READ_SIGNAL(p), 0);
	IS(READ_SIGNAL(p + PAGE), SIGSEGV);
	IS(READ_SIGNAL(p + 3 * PAGE - 1), SIGSEGV);
	IS(READ_SIGNAL(p + 3 * PAGE), 0);
	CHECK(!munmap(p, 4 * PAGE)); /* holes do not matter */
	IS(READ_SIGNAL(p), SIGSEGV);
}

static void protection_is_kept(void)
{
	char *p = map(3 * PAGE, RW);

	memset(p, 7, 3 * PAGE);
	CHECK(!mprotect(p + PAGE, PAGE, PROT_READ));
	IS(WRITE_SIGNAL(p), 0);
	IS(WRITE_SIGNAL(p + PAGE), SIGSEGV);
	IS(READ_SIGNAL(p + PAGE), 0);
	IS(WRITE_SIGNAL(p + 2 * PAGE), 0);
	CHECK(!mprotect(p + PAGE, PAGE, PROT_NONE));
	IS(READ_SIGNAL(p + PAGE), SIGSEGV);
	CHECK(!mprotect(p, 3 * PAGE, RW));
	IS(p[PAGE + 5], 7);
	IS(WRITE_SIGNAL(p + PAGE), 0);
	FAILS(syscall(SYS_mprotect, p + 1, PAGE, RW), EINVAL); /* the C library would round it */
	munmap(p, PAGE);
	FAILS(mprotect(p, 2 * PAGE, RW), ENOMEM);
}

static void data_is_not_executable(void)
{
	char *p = map(PAGE, RW);

	*p = (char)0xc3; /* ret */
	caught = 0;
	signal(SIGSEGV, catch);
	if (!sigsetjmp(back, 1))
		((void (*)(void))p)();
	IS(caught, SIGSEGV);
	CHECK(!mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	((void (*)(void))p)();
	IS(WRITE_SIGNAL(p), SIGSEGV);
}

static void fixed_mapping_replaces(void)
{
	char *p = map(3 * PAGE, RW);

	memset(p, 9, 3 * PAGE);
	CHECK(mmap(p + PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + PAGE);
	IS(p[0], 9);
	IS(p[PAGE], 0);
	IS(p[2 * PAGE], 9);
	FAILS((long)mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
}

static void shared_memory_is_seen_by_children_private_is_not(void)
{
	volatile char *shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *private = map(PAGE, RW);

	pid_t pid = fork();
	if (!pid) {
		shared[0] = 1;
		private[0] = 1;
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	IS(shared[0], 1);
	IS(private[0], 0);
}

static void read_only_page_is_still_copied_on_write_after_fork(void)
{
	char *p = map(PAGE, RW);

	p[0] = 1;
	pid_t pid = fork();
	if (!pid) {
		CHECK(!mprotect(p, PAGE, PROT_READ));
		IS(WRITE_SIGNAL(p), SIGSEGV);
		CHECK(!mprotect(p, PAGE, RW));
		p[0] = 2;
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	IS(p[0], 1);
}

static int file_of(const char *path, size_t n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	for (size_t i = 0; i < n; i++)
		CHECK(write(fd, &(char){ (char)('a' + i / PAGE) }, 1) == 1);
	return fd;
}

static void private_file_mapping_leaves_the_file_alone(void)
{
	char c;
	int fd = file_of("/tmp/map_private", PAGE + 100);
	char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	IS(p[0], 'a');
	IS(p[PAGE], 'b');
	IS(p[PAGE + 100], 0); /* past the end, in the last page */
	p[0] = 'X';
	IS(pread(fd, &c, 1, 0), 1);
	IS(c, 'a');
	close(fd);
	unlink("/tmp/map_private");
	IS(p[1], 'a');
	IS(p[0], 'X');
}

static void shared_file_mapping_is_the_file(void)
{
	char c;
	int fd = file_of("/tmp/map_shared", 2 * PAGE);
	char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0), *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)PAGE);

	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	p[PAGE + 3] = 'Y';
	IS(q[3], 'Y');
	IS(pread(fd, &c, 1, (off_t)PAGE + 3), 1);
	IS(c, 'Y');
	IS(pwrite(fd, "Z", 1, 5), 1);
	IS(p[5], 'Z');
	CHECK(!msync(p, 2 * PAGE, MS_SYNC));
	close(fd);
	unlink("/tmp/map_shared");
}

static void access_past_the_end_of_a_file_is_a_bus_error(void)
{
	int fd = file_of("/tmp/map_end", 100);
	char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	IS(READ_SIGNAL(p + PAGE - 1), 0);
	IS(READ_SIGNAL(p + PAGE), SIGBUS);
	CHECK(!ftruncate(fd, (off_t)(2 * PAGE)));
	IS(READ_SIGNAL(p + PAGE), 0);
	unlink("/tmp/map_end");
}

static void unsuitable_mappings_are_refused(void)
{
	int readable = open("/bin/busybox", O_RDONLY), ends[2];

	CHECK(!pipe(ends));
	FAILS((long)mmap(NULL, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS((long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0), EBADF);
	FAILS((long)mmap(NULL, PAGE, RW, MAP_SHARED, readable, 0), EACCES);
	FAILS((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, ends[0], 0), ENODEV);
	FAILS(syscall(SYS_mmap, NULL, PAGE, RW, MAP_PRIVATE, readable, 1), EINVAL);
	FAILS((long)mmap((void *)1, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	FAILS((long)mmap(NULL, 1ul << 48, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	FAILS(munmap((void *)1, PAGE), EINVAL);
	FAILS(munmap((void *)PAGE, 0), EINVAL);
	FAILS(munmap((void *)(1ul << 56), PAGE), EINVAL); /* with five-level page tables, too */
}

static void break_grows_and_shrinks(void)
{
	char *start = (char *)syscall(SYS_brk, 0), *end = start + 10 * PAGE;

	IS(syscall(SYS_brk, end), end);
	memset(start, 1, 10 * PAGE);
	IS(syscall(SYS_brk, start + PAGE), start + PAGE);
	char *page = (char *)(((uintptr_t)start + 3 * PAGE) & ~(PAGE - 1));
	IS(READ_SIGNAL(page), SIGSEGV);
	IS(syscall(SYS_brk, end), end);
	IS(page[0], 0);
	IS(syscall(SYS_brk, 1), end); /* refused: the old one is returned */
}

static void remapping_moves_and_resizes(void)
{
	char *p = map(4 * PAGE, RW);

	for (size_t i = 0; i < 4; i++)
		p[i * PAGE] = (char)(i + 1);
	CHECK(mremap(p, 4 * PAGE, 2 * PAGE, 0) == p);
	IS(READ_SIGNAL(p + 2 * PAGE), SIGSEGV);
	char *wall = mmap(p + 2 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(wall == p + 2 * PAGE);
	FAILS((long)mremap(p, 2 * PAGE, 4 * PAGE, 0), ENOMEM);
	char *q = mremap(p, 2 * PAGE, 1024 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	IS(q[0], 1);
	IS(q[PAGE], 2);
	IS(q[2 * PAGE], 0);
	IS(q[1023 * PAGE], 0);
	IS(READ_SIGNAL(p), SIGSEGV);
	FAILS((long)mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

static void advice_can_drop_contents(void)
{
	char *p = map(2 * PAGE, RW);

	p[0] = p[PAGE] = 1;
	CHECK(!madvise(p, PAGE, MADV_DONTNEED));
	IS(p[0], 0);
	IS(p[PAGE], 1);
	FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
}

static void calls_refuse_bad_buffers_and_keep_good_ones(void)
{
	char *p = map(2 * PAGE, RW);
	int fd = open("/dev/zero", O_RDONLY), ends[2];

	munmap(p + PAGE, PAGE);
	memset(p, 1, PAGE);
	FAILS(syscall(SYS_read, fd, p + PAGE, 10), EFAULT);
	CHECK(!mprotect(p, PAGE, PROT_READ));
	FAILS(syscall(SYS_read, fd, p, 10), EFAULT);
	CHECK(!pipe(ends));
	IS(write(ends[1], p, PAGE), PAGE);
	FAILS(syscall(SYS_write, ends[1], p + PAGE, 10), EFAULT);
	FAILS(syscall(SYS_write, ends[1], 0xffff800000000000, 10), EFAULT);
	FAILS(syscall(SYS_uname, p), EFAULT);
	FAILS(syscall(SYS_open, p + PAGE, O_RDONLY), EFAULT);
}

static void lazily_read_and_copied_pages_work_as_call_buffers(void)
{
	char *p = map(64 * PAGE, RW);
	int fd = open("/bin/busybox", O_RDONLY), null = open("/dev/null", O_WRONLY);

	IS(read(fd, p, 64 * PAGE), 64 * PAGE);
	CHECK(!memcmp(p, "\177ELF", 4));
	pid_t pid = fork();
	if (!pid) {
		IS(pread(fd, p, 64 * PAGE, 1), 64 * PAGE);
		CHECK(!memcmp(p, "ELF", 3));
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	CHECK(!memcmp(p, "\177ELF", 4));
	IS(write(null, p, 64 * PAGE), 64 * PAGE);
}

static void memory_that_runs_out_is_reported_or_kills_but_comes_back(void)
{
	/* In a child, more than the machine has: it must end, by ENOMEM or a signal, and leave room for the next. */
	for (int round = 0; round < 2; round++) {
		int status;
		pid_t pid = fork();
		if (!pid) {
			for (size_t total = 0; total < 1ul << 32; total += 1 << 20) {
				char *p = mmap(NULL, 1 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
				if (p == MAP_FAILED)
					_exit(3);
				memset(p, 1, 1 << 20);
			}
			_exit(0);
		}
		IS(waitpid(pid, &status, 0), pid);
		CHECK(status == EXITED(3) || WIFSIGNALED(status));
	}
	char *p = map(64 << 20, RW);
	memset(p, 1, 64 << 20);
}

TESTS(T(fresh_memory_is_zero), T(large_mapping_costs_nothing_until_touched), T(unmapped_memory_faults), T(protection_is_kept),
	T(data_is_not_executable), T(fixed_mapping_replaces), T(shared_memory_is_seen_by_children_private_is_not),
	T(read_only_page_is_still_copied_on_write_after_fork), T(private_file_mapping_leaves_the_file_alone), T(shared_file_mapping_is_the_file),
	T(access_past_the_end_of_a_file_is_a_bus_error), T(unsuitable_mappings_are_refused), T(break_grows_and_shrinks),
	T(remapping_moves_and_resizes), T(advice_can_drop_contents), T(calls_refuse_bad_buffers_and_keep_good_ones),
	T(lazily_read_and_copied_pages_work_as_call_buffers), T(memory_that_runs_out_is_reported_or_kills_but_comes_back))
