/* Files of a file system on a disk, mapped: what is written through a mapping lasts, ends where the file does, and never locks up with what reads and writes the same file. */
#include "volume.h"

#include <setjmp.h>

enum { PAGE = 4096 };
static sigjmp_buf faulted;

static void on_fault(int number) { siglongjmp(faulted, number); }

static uint8_t *map(int fd, size_t size)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static bool faults(volatile uint8_t *p)
{
	int number;

	signal(SIGBUS, on_fault);
	number = sigsetjmp(faulted, 1);
	if (!number)
		(void)*p;
	CHECK(!number || number == SIGBUS);
	return number;
}

static void fill(int fd, size_t size)
{
	static uint8_t bytes[PAGE];

	for (size_t at = 0; at < size; at += PAGE) {
		for (size_t i = 0; i < PAGE; i++)
			bytes[i] = (uint8_t)(i + at / PAGE * 7 + 1);
		IS(pwrite(fd, bytes, PAGE, (off_t)at), PAGE);
	}
}
static uint8_t filled(size_t at) { return (uint8_t)(at % PAGE + at / PAGE * 7 + 1); }

/* The pages that are copied from have to be fetched while the file is being written. */
static void a_file_is_written_from_its_own_mapping(void)
{
	enum { SIZE = 60 * PAGE, BY = 3 * PAGE + 100 };

	enter_folder();
	int fd = create("self");
	fill(fd, SIZE);
	uint8_t *p = map(fd, SIZE);
	forget("self");
	IS(pwrite(fd, p, SIZE, SIZE), SIZE);
	for (size_t i = 0; i < SIZE; i += 97) {
		uint8_t byte;
		IS(pread(fd, &byte, 1, (off_t)(SIZE + i)), 1);
		IS(byte, filled(i));
	}
	CHECK(!munmap(p, SIZE));
	forget("self");
	p = map(fd, 2 * SIZE);
	IS(pwrite(fd, p + BY, SIZE, 0), SIZE); /* onto itself */
	forget("self");
	IS(pread(fd, p, SIZE, SIZE), SIZE); /* into its own mapping */
	for (size_t i = 0; i < SIZE; i += 31)
		IS(p[i], filled(i));
}

static void both_ways(void *data, int n)
{
	uint8_t *a, *b;
	int one = open("one", O_RDWR), two = open("two", O_RDWR);

	(void)data;
	a = map(one, 40 * PAGE);
	b = map(two, 40 * PAGE);
	for (int i = 0; i < 20; i++) {
		IS(pwrite(n % 2 ? one : two, n % 2 ? b : a, 40 * PAGE, 0), 40 * PAGE);
		CHECK(!posix_fadvise(one, 0, 0, POSIX_FADV_DONTNEED) && !posix_fadvise(two, 0, 0, POSIX_FADV_DONTNEED));
		if (i % 5 == n)
			CHECK(!fsync(n % 2 ? one : two));
	}
}

static void two_files_are_written_from_each_other(void)
{
	enter_folder();
	fill(create("one"), 40 * PAGE);
	fill(create("two"), 40 * PAGE);
	in_processes(4, both_ways, NULL);
	uint8_t *p = map(open("one", O_RDWR), 40 * PAGE);
	for (size_t i = 0; i < 40 * PAGE; i += 13)
		IS(p[i], filled(i));
}

static void behind_the_end_there_are_zeros(void)
{
	char bytes[PAGE];

	enter_folder();
	int fd = create("tail");
	IS(write(fd, "abc", 3), 3);
	uint8_t *p = map(fd, PAGE);
	memset(p, 'x', PAGE);
	CHECK(!ftruncate(fd, 1000));
	for (int i = 3; i < 1000; i++)
		IS(p[i], 0);
	memset(p, 'y', PAGE);
	CHECK(!msync(p, PAGE, MS_SYNC));
	IS(pwrite(fd, "z", 1, 2000), 1);
	for (int i = 1000; i < 2000; i++)
		IS(p[i], 0);
	memset(p + 2001, 'w', PAGE - 2001);
	CHECK(!munmap(p, PAGE));
	forget("tail");
	CHECK(!ftruncate(fd, PAGE));
	IS(pread(fd, bytes, PAGE, 0), PAGE);
	for (int i = 0; i < PAGE; i++)
		IS(bytes[i], i < 1000 ? 'y' : i == 2000 ? 'z' : 0);
}

/* A mapping is of the file as it is, not of what it had before it was cut. */
static void a_mapping_follows_a_file_that_is_cut(void)
{
	uint8_t byte = 0;

	enter_folder();
	int fd = create("cut");
	fill(fd, 8 * PAGE);
	uint8_t *p = map(fd, 8 * PAGE);
	const uint8_t *private = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < 8; i++) {
		p[i * PAGE]++;
		IS(private[i * PAGE], p[i * PAGE]);
	}
	pid_t pid = fork();
	if (!pid) {
		CHECK(p[7 * PAGE]);
		CHECK(!ftruncate(fd, 2 * PAGE));
		CHECK(faults(p + 2 * PAGE) && faults(p + 7 * PAGE) && !faults(p));
		_exit(0);
	}
	ENDS(pid, 0);
	CHECK(faults(p + 2 * PAGE) && faults(p + 7 * PAGE) && !faults(p + 2 * PAGE - 1));
	CHECK(faults((uint8_t *)private + 2 * PAGE));
	CHECK(!ftruncate(fd, 8 * PAGE));
	IS(p[5 * PAGE], 0);
	p[5 * PAGE] = 77;
	IS(private[5 * PAGE], 77);
	IS(pread(fd, &byte, 1, 5 * PAGE), 1);
	IS(byte, 77);
	CHECK(!munmap(p, 8 * PAGE) && !munmap((void *)private, 8 * PAGE));
	forget("cut");
	IS(pread(fd, &byte, 1, 5 * PAGE), 1);
	IS(byte, 77);
}

/* Where on the device a page is that begins with these bytes. */
static off_t find_on_device(int disk, uint8_t *page, const char *mark)
{
	for (off_t at = 0; pread(disk, page, PAGE, at) == PAGE; at += 1024)
		if (!memcmp(page, mark, 16))
			return at;
	return -1;
}

enum how { BY_MSYNC, BY_FSYNC, BY_SYNC };

static void lasts(enum how how)
{
	static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
	char mark[32];
	uint32_t count = 0;
	int disk = open(device, O_RDONLY | O_DIRECT), fd = create("marked");

	CHECK(disk >= 0);
	snprintf(mark, sizeof mark, "mark%d%012d", how, getpid());
	memcpy(page, mark, 16);
	IS(write(fd, page, PAGE), PAGE);
	CHECK(!fsync(fd));
	off_t where = find_on_device(disk, page, mark);
	CHECK(where >= 0);
	pid_t pid = fork();
	if (!pid) /* has the page written all the time */
		for (int other = open("marked", O_RDWR);;)
			fdatasync(other);
	uint8_t *p = how == BY_MSYNC ? map(fd, PAGE) : NULL;
	for (int i = 0; i < 200; i++) {
		count++;
		if (p)
			memcpy(p + 16, &count, 4);
		else
			IS(pwrite(fd, &count, 4, 16), 4);
		if (how == BY_SYNC)
			sync();
		else
			CHECK(!(p ? msync(p, PAGE, MS_SYNC) : fsync(fd)));
		IS(pread(disk, page, PAGE, where), PAGE);
		CHECK(!memcmp(page, mark, 16));
		CHECK(!memcmp(page + 16, &count, 4));
	}
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

/* Also when a write of the same page, of older contents, is on its way. */
static void what_was_synced_is_on_the_disk(void)
{
	enter_folder();
	lasts(BY_FSYNC);
	lasts(BY_SYNC);
	lasts(BY_MSYNC);
}

static void write_and_die(void *data, int n)
{
	uint8_t *p = map(open("shared", O_RDWR), 64 * PAGE);

	(void)data;
	for (int i = n; i < 64; i += 4)
		p[i * PAGE + n] = 99;
	if (n == 2)
		CHECK(!msync(p, 64 * PAGE, MS_SYNC));
	if (n == 3)
		CHECK(!munmap(p, 64 * PAGE));
}

static void what_was_written_through_a_mapping_outlives_its_writer(void)
{
	uint8_t byte;

	enter_folder();
	int fd = create("shared");
	CHECK(!ftruncate(fd, 64 * PAGE)); /* holes */
	in_processes(4, write_and_die, NULL);
	forget("shared");
	for (int i = 0; i < 64; i++) {
		IS(pread(fd, &byte, 1, i * PAGE + i % 4), 1);
		IS(byte, 99);
	}
}

/* Where no block can be had, the writer is told by a signal, and the file is what it was. */
static void a_hole_cannot_be_written_on_a_full_disk(void)
{
	static uint8_t bytes[16 * PAGE];
	struct statvfs st;
	uint64_t written = 0;
	uint8_t byte = 1;

	enter_folder();
	int fd = create("holes"), full = create("full");
	CHECK(!statvfs(".", &st));
	CHECK(!ftruncate(fd, (off_t)(st.f_bfree * st.f_frsize * 2)));
	uint8_t *p = map(fd, st.f_bfree * st.f_frsize * 2);
	memset(bytes, 'f', sizeof bytes);
	for (ssize_t got; (got = write(full, bytes, sizeof bytes)) > 0;)
		written += (uint64_t)got;
	IS(errno, ENOSPC);
	CHECK(written > st.f_bavail * st.f_frsize * 9 / 10);
	CHECK(!fsync(full));
	uint32_t n = 0;
	signal(SIGBUS, on_fault);
	if (!sigsetjmp(faulted, 1))
		for (;; n++)
			p[n * (size_t)PAGE] = 1;
	CHECK(n < st.f_bfree * st.f_frsize / PAGE / 4);
	CHECK(!fsync(fd));
	IS(pread(fd, &byte, 1, (off_t)n * PAGE), 1);
	IS(byte, 0);
	CHECK(!ftruncate(full, 0) && !fsync(full));
	p[n * (size_t)PAGE] = 1; /* now it can */
	CHECK(!munmap(p, st.f_bfree * st.f_frsize * 2));
	forget("holes");
	for (uint32_t i = 0; i <= n; i++) {
		IS(pread(fd, &byte, 1, (off_t)i * PAGE), 1);
		IS(byte, 1);
	}
}

static void storm(void *data, int n)
{
	struct random random = { seed + (uint64_t)n };
	uint8_t *p = map(open("storm", O_RDWR), 32 * PAGE);
	int fd = open("storm", O_RDWR);

	(void)data;
	signal(SIGBUS, on_fault);
	for (volatile int i = 0; i < 150; i++) {
		size_t at = random_below(&random, 32 * PAGE);

		if (sigsetjmp(faulted, 1))
			continue;
		switch (random_below(&random, 6)) {
		case 0:
			CHECK(!ftruncate(fd, (off_t)at));
			break;
		case 1:
			CHECK(!msync(p, 32 * PAGE, MS_SYNC));
			break;
		case 2:
			CHECK(pwrite(fd, p, at, 0) > 0 || errno == EFAULT || !at);
			break;
		case 3:
			CHECK(pread(fd, p, at, 0) >= 0 || errno == EFAULT);
			break;
		case 4:
			CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
			break;
		default:
			for (volatile size_t b = at; b < 32 * PAGE; b += 900)
				p[b] = 's';
		}
	}
}

static void mapped_cut_synced_and_copied_at_once(void)
{
	char bytes[PAGE];
	ssize_t got;

	enter_folder();
	int fd = create("storm");
	in_processes(4, storm, NULL);
	while ((got = read(fd, bytes, PAGE)) > 0)
		for (ssize_t i = 0; i < got; i++)
			CHECK(!bytes[i] || bytes[i] == 's');
}

static void a_program_runs_while_its_file_is_unlinked_and_forgotten(void)
{
	static char bytes[65536];
	ssize_t got;

	enter_folder();
	int from = open("/proc/self/exe", O_RDONLY), to = open("program", O_CREAT | O_WRONLY, 0755);
	while ((got = read(from, bytes, sizeof bytes)) > 0)
		IS(write(to, bytes, (size_t)got), got);
	close(to);
	for (int i = 0; i < 10; i++) {
		forget("program");
		pid_t pid = fork();
		if (!pid) {
			freopen("/dev/null", "w", stdout);
			execl("program", "program", "--nothing", NULL);
			_exit(9);
		}
		if (i == 9)
			CHECK(!unlink("program"));
		int status;
		IS(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status));
	}
}

VOLUME_TESTS(T(a_file_is_written_from_its_own_mapping), T(two_files_are_written_from_each_other), T(behind_the_end_there_are_zeros), T(a_mapping_follows_a_file_that_is_cut),
	T(what_was_synced_is_on_the_disk), T(what_was_written_through_a_mapping_outlives_its_writer), T(a_hole_cannot_be_written_on_a_full_disk), T(mapped_cut_synced_and_copied_at_once),
	T(a_program_runs_while_its_file_is_unlinked_and_forgotten))
