/* What tests/disk/device.sh runs inside the machine: many users of a block device at once, and what they do to each other. Prints `ok` where all is well, else why not. An ordinary static program, right on Linux too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux's linux/fs.h, which musl has not. */
#define BLKROGET 0x125e
#define BLKGETSIZE 0x1260
#define BLKFLSBUF 0x1261
#define BLKSSZGET 0x1268
#define BLKDISCARD 0x1277
#define BLKGETSIZE64 0x80081272

#define CHECK(condition) ((condition) ? (void)0 : fail("%s:%d: %s (errno %d)", __FILE__, __LINE__, #condition, errno))

static const char *device;
static uint64_t seed;

static _Noreturn void fail(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vprintf(text, arguments);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* What is to be at a position: different for each. */
static uint8_t pattern(uint64_t position, uint64_t salt) { return (uint8_t)((position * 0x9e3779b97f4a7c15u ^ salt * 0xff51afd7ed558ccdu) >> 37); }

static void pattern_fill(uint8_t *to, size_t n, uint64_t position, uint64_t salt)
{
	for (size_t i = 0; i < n; i++)
		to[i] = pattern(position + i, salt);
}

static void pattern_check(const uint8_t *bytes, size_t n, uint64_t position, uint64_t salt)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(position + i, salt))
			fail("at %lu there is %02x, not %02x", position + i, bytes[i], pattern(position + i, salt));
}

static int open_device(int flags)
{
	int fd = open(device, flags);

	CHECK(fd >= 0);
	return fd;
}

static void wait_all(int n)
{
	int status;

	for (int i = 0; i < n; i++) {
		CHECK(wait(&status) > 0);
		CHECK(status == 0);
	}
}

/* Processes write chunks that share sectors with their neighbours', each in an order of its own: none is lost. */
#define CHUNK 700
#define CHUNKS 600
#define WRITERS 6
static void write_chunks(int me)
{
	uint64_t state = seed * 31 + (uint64_t)me + 1;
	uint8_t bytes[CHUNK];
	int fd = open_device(O_RDWR), order[CHUNKS / WRITERS];

	for (int i = 0; i < CHUNKS / WRITERS; i++)
		order[i] = i * WRITERS + me;
	for (int i = CHUNKS / WRITERS - 1; i > 0; i--) {
		int other = (int)(next(&state) % (uint64_t)(i + 1)), kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
	for (int i = 0; i < CHUNKS / WRITERS; i++) {
		uint64_t at = (uint64_t)order[i] * CHUNK;

		pattern_fill(bytes, CHUNK, at, seed);
		CHECK(pwrite(fd, bytes, CHUNK, (off_t)at) == CHUNK);
	}
	CHECK(fsync(fd) == 0);
	_exit(0);
}

static void shared_sectors(void)
{
	static uint8_t all[CHUNK * CHUNKS];
	int fd = open_device(O_RDONLY);

	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			write_chunks(i);
	wait_all(WRITERS);
	CHECK(pread(fd, all, sizeof(all), 0) == (ssize_t)sizeof(all));
	pattern_check(all, sizeof(all), 0, seed);
}

/* Large and small transfers at any address and length beside each other, each process in a region of its own. */
#define REGION (1 << 20)
static void use_region(int me)
{
	uint64_t state = seed * 77 + (uint64_t)me + 1, start = (uint64_t)me * REGION;
	uint8_t *bytes = malloc(REGION + 64), *model = malloc(REGION);
	int fd = open_device(O_RDWR);

	CHECK(bytes && model);
	pattern_fill(model, REGION, start, 0);
	CHECK(pwrite(fd, model, REGION, (off_t)start) == REGION);
	for (int round = 0; round < 40; round++) {
		uint64_t from = next(&state) % REGION, n = 1 + next(&state) % (next(&state) % 4 ? 5000 : REGION);
		uint8_t *at = bytes + next(&state) % 64;

		n = n < REGION - from ? n : REGION - from;
		if (next(&state) % 2) {
			pattern_fill(model + from, n, start + from, (uint64_t)round + 1);
			memcpy(at, model + from, n);
			CHECK(pwrite(fd, at, n, (off_t)(start + from)) == (ssize_t)n);
		} else {
			memset(at, 0, n);
			CHECK(pread(fd, at, n, (off_t)(start + from)) == (ssize_t)n);
			CHECK(memcmp(at, model + from, n) == 0);
		}
	}
	_exit(0);
}

static void regions(void)
{
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			use_region(i);
	wait_all(4);
}

/* More requests at a time than any queue has room for: each is served, and gets its own. */
#define CROWD 48
static void crowd(void)
{
	uint8_t *all = malloc(REGION);
	int fd = open_device(O_RDWR);

	pattern_fill(all, REGION, 0, seed);
	CHECK(pwrite(fd, all, REGION, 0) == REGION);
	for (int i = 0; i < CROWD; i++) {
		if (fork())
			continue;
		for (int round = 0; round < 3; round++) {
			memset(all, 0, REGION);
			CHECK(pread(fd, all, REGION - (size_t)i, i) == REGION - i);
			pattern_check(all, REGION - (size_t)i, (uint64_t)i, seed);
		}
		_exit(0);
	}
	wait_all(CROWD);
}

/* Reads in order, in small pieces, see what is written between them, through whatever file. */
static void read_ahead_is_no_cache(void)
{
	uint8_t bytes[4096], other[4096];
	int reader = open_device(O_RDONLY), writer = open_device(O_WRONLY);

	for (uint64_t i = 0; i < 200; i++) {
		uint64_t later = (i + 1) * sizeof(bytes);

		CHECK(read(reader, bytes, sizeof(bytes)) == sizeof(bytes));
		if (i)
			pattern_check(bytes, sizeof(bytes), i * sizeof(bytes), i);
		pattern_fill(other, sizeof(other), later, i + 1);
		CHECK(pwrite(writer, other, sizeof(other), (off_t)later) == sizeof(other));
	}
}

/* Users die at any time, in the middle of a transfer; others neither wait for them nor lose what they do. */
static void killed_users(void)
{
	uint64_t state = seed + 1;
	uint8_t bytes[9000];
	int fd = open_device(O_RDWR), fds[2];

	for (int round = 0; round < 60; round++) {
		uint64_t mine = 3 * REGION;
		pid_t child;
		char c;

		CHECK(pipe(fds) == 0);
		if ((child = fork()) == 0) {
			uint8_t *large = calloc(1, REGION);

			for (;;) {
				CHECK(write(fds[1], "x", 1) == 1);
				CHECK(pwrite(fd, large, REGION - 100, 50) == REGION - 100);
				CHECK(pread(fd, large, REGION, REGION) == REGION);
			}
		}
		for (uint64_t n = 1 + next(&state) % 3; n; n--)
			CHECK(read(fds[0], &c, 1) == 1);
		kill(child, round % 2 ? SIGKILL : SIGSTOP);
		pattern_fill(bytes, sizeof(bytes), mine, (uint64_t)round);
		CHECK(pwrite(fd, bytes, sizeof(bytes), (off_t)mine + 7) == sizeof(bytes));
		memset(bytes, 0, sizeof(bytes));
		CHECK(pread(fd, bytes, sizeof(bytes), (off_t)mine + 7) == sizeof(bytes));
		pattern_check(bytes, sizeof(bytes), mine, (uint64_t)round);
		kill(child, SIGKILL);
		CHECK(waitpid(child, NULL, 0) == child);
		close(fds[0]);
		close(fds[1]);
	}
	CHECK(fsync(fd) == 0);
}

/* Threads that read while signals come, and one that ends the process while the others read. */
static volatile int stop_threads;
static void on_alarm(int number) { (void)number; }

static void *reader_thread(void *argument)
{
	uint64_t state = (uintptr_t)argument + seed + 1;
	int fd = open_device(O_RDONLY);
	uint8_t bytes[6000];

	while (!stop_threads) {
		uint64_t at = next(&state) % (4 * REGION - sizeof(bytes));

		CHECK(pread(fd, bytes, sizeof(bytes), (off_t)at) == sizeof(bytes));
		pattern_check(bytes, sizeof(bytes), at, 5);
	}
	close(fd);
	return NULL;
}

static void *counting_thread(void *argument)
{
	volatile uint64_t *count = argument;

	while (!stop_threads)
		++*count;
	return NULL;
}

static void threads(void)
{
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm};
	uint8_t *all = malloc(4 * REGION);
	pthread_t ids[5];
	uint64_t count = 0;
	int fd = open_device(O_RDWR);

	pattern_fill(all, 4 * REGION, 0, 5);
	CHECK(pwrite(fd, all, 4 * REGION, 0) == 4 * REGION);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&ids[i], NULL, reader_thread, (void *)i) == 0);
	CHECK(pthread_create(&ids[4], NULL, counting_thread, &count) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(pread(fd, all, 70000, 0) == 70000);
	stop_threads = 1;
	for (int i = 0; i < 5; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(count > 0);
	for (int round = 0; round < 30; round++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			stop_threads = 0;
			for (uintptr_t i = 0; i < 3; i++)
				CHECK(pthread_create(&ids[i], NULL, reader_thread, (void *)i) == 0);
			CHECK(pread(fd, all, 4096L << round % 6, 0) > 0);
			_exit(7);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

/* What may be asked of a device, and what may not. The argument: its size in bytes. */
static void controls(uint64_t size)
{
	int fd = open_device(O_RDWR), word = 0;
	uint64_t bytes = 0, range[2] = {4096, 8192}, beyond[2] = {size - 512, 1024}, odd[2] = {100, 512};
	unsigned long sectors = 0;
	uint8_t sector[512];

	CHECK(ioctl(fd, BLKGETSIZE64, &bytes) == 0 && bytes == size);
	CHECK(ioctl(fd, BLKGETSIZE, &sectors) == 0 && sectors == size / 512);
	CHECK(ioctl(fd, BLKSSZGET, &word) == 0 && word == 512);
	CHECK(ioctl(fd, BLKROGET, &word) == 0 && word == 0);
	CHECK(ioctl(fd, BLKFLSBUF, 0) == 0);
	CHECK(ioctl(fd, BLKGETSIZE64, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, BLKDISCARD, range) == 0);
	CHECK(ioctl(fd, BLKDISCARD, beyond) == -1 && errno == EINVAL);
	CHECK(ioctl(fd, BLKDISCARD, odd) == -1 && errno == EINVAL);
	CHECK(ioctl(open_device(O_RDONLY), BLKDISCARD, range) == -1 && errno == EBADF);
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)size);
	CHECK(read(fd, sector, 1) == 0);
	CHECK(write(fd, sector, 1) == -1 && errno == ENOSPC);
	CHECK(lseek(fd, -100, SEEK_END) == (off_t)size - 100);
	CHECK(read(fd, sector, sizeof(sector)) == 100);
	CHECK(pwrite(fd, sector, sizeof(sector), (off_t)size - 100) == 100);
	CHECK(pread(fd, sector, 1, (off_t)size + 1000000) == 0);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
	CHECK(pread(fd, (void *)16, 1000, 0) == -1 && errno == EFAULT);
	CHECK(pwrite(fd, (void *)16, 1000, 0) == -1 && errno == EFAULT);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	device = argv[2];
	seed = strtoull(argv[3], NULL, 0);
	if (!strcmp(argv[1], "shared_sectors"))
		shared_sectors();
	else if (!strcmp(argv[1], "regions"))
		regions();
	else if (!strcmp(argv[1], "crowd"))
		crowd();
	else if (!strcmp(argv[1], "read_ahead_is_no_cache"))
		read_ahead_is_no_cache();
	else if (!strcmp(argv[1], "killed_users"))
		killed_users();
	else if (!strcmp(argv[1], "threads"))
		threads();
	else if (!strcmp(argv[1], "controls"))
		controls(seed);
	else
		return 2;
	puts("ok");
	return 0;
}
