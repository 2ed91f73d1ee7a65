/* Contents of files: random writes, reads, cuts against a plain array; holes, appending, limits, running out of memory;
 * sendfile; locks; poll. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/self.h>

#include "call.h"
#include "stubs.h"

#define SIZE 200000
static unsigned char model[SIZE], buffer[SIZE];
static size_t length;

static void write_at(int64_t fd, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buffer[i] = (unsigned char)rand();
	if (CALL(pwrite64, fd, buffer, n, at) != (int64_t)n)
		ok(false, "a write");
	memcpy(model + at, buffer, n);
	length = MAX(length, at + n);
}

static void cut(int64_t fd, size_t n)
{
	if (CALL(ftruncate, fd, n))
		ok(false, "a cut");
	if (n < length)
		memset(model + n, 0, length - n);
	length = n;
}

static void random_changes(void)
{
	int64_t fd = CALL(open, "/c", 0102, 0644), n;
	bool good = true;

	for (int round = 0; round < 3000 && good; round++) {
		size_t at = (size_t)rand() % (SIZE - 20000), size = (size_t)rand() % 20000 + 1;

		if (rand() % 10 == 0)
			cut(fd, rand() % 2 ? at : 0);
		else if (rand() % 2)
			write_at(fd, at, size);
		n = CALL(pread64, fd, buffer, size, at);
		good = n == (at >= length ? 0 : (int64_t)MIN(size, length - at)) &&
		       !memcmp(buffer, model + at, (size_t)n);
	}
	ok(good, "3,000 random changes");
	CALL(close, fd);
	CALL(unlink, "/c");
}

static void large_and_sparse(void)
{
	uint32_t frames = stub_frames_used, heap = stub_heap_used;
	int64_t fd = CALL(open, "/big", 0102, 0644);
	char byte = 'x';

	is(CALL(pwrite64, fd, &byte, 1, 1ul << 30), 1, "a byte at 1 GiB");
	ok(stub_frames_used - frames < 8, "takes few frames");
	is(CALL(lseek, fd, 0, 2), (1l << 30) + 1, "the end");
	is(CALL(lseek, fd, 0, 4), 0, "a hole at the start");
	is(CALL(lseek, fd, 1l << 29, 3), 1l << 30, "data after it"); /* 131,072 pages looked at */
	is(CALL(pread64, fd, &byte, 1, 12345), 1, "the hole");
	is(byte, 0, "reads as zero");
	is(CALL(pwrite64, fd, &byte, 1, 1ul << 41), -EFBIG, "too large");
	is(CALL(unlink, "/big"), 0, "unlinked while open");
	is(CALL(pread64, fd, &byte, 1, 1ul << 30), 1, "still readable");
	is(byte, 'x', "as it was");
	CALL(close, fd);
	is(stub_frames_used, frames, "then its frames go");
	is(stub_heap_used, heap, "and all else");
}

static void small_things(void)
{
	struct {
		uint64_t base, length;
	} v[2] = {{(uintptr_t)buffer, 3}, {(uintptr_t)buffer + 3, 5}};
	int64_t fd = CALL(open, "/s", 0102, 0644), second, fds[2];
	char bytes[16] = "";

	is(CALL(write, fd, "hello world", 11), 11, "write");
	is(CALL(lseek, fd, -5, 1), 6, "back");
	is(CALL(read, fd, bytes, 16), 5, "read");
	ok(!memcmp(bytes, "world", 5), "the end");
	is(CALL(lseek, fd, -1, 0), -EINVAL, "before the start");
	CALL(lseek, fd, 0, 0);
	is(CALL(readv, fd, v, 2), 8, "readv");
	ok(!memcmp(buffer, "hello wo", 8), "in order");
	is(CALL(writev, fd, v, 1025), -EINVAL, "too many");
	is(CALL(writev, fd, (void *)8, 2), -EFAULT, "a bad vector");
	is(CALL(pwrite64, fd, (void *)8, 5, 100), -EFAULT, "a bad buffer");
	is(CALL(lseek, fd, 0, 2), 11, "leaves the size");
	second = CALL(open, "/s", 02001);
	CALL(write, second, "!", 1);
	is(CALL(lseek, fd, 0, 2), 12, "appended");
	is(CALL(fcntl, second, 3), 02001, "its flags");
	is(CALL(read, second, bytes, 1), -EBADF, "opened for writing only");
	is(CALL(open, "/s", 01001), 2, "truncating");
	is(CALL(lseek, fd, 0, 2), 0, "empties");
	is(CALL(fallocate, fd, 0, 5000, 5000), 0, "fallocate");
	is(CALL(lseek, fd, 0, 2), 10000, "extends");
	is(CALL(fallocate, fd, 3, 0, 5000), -EOPNOTSUPP, "no holes on demand");
	stub_proc.limits[LIMIT_FILE_SIZE][0] = 10;
	stub_last_signal = 0;
	CALL(lseek, fd, 8, 0);
	is(CALL(write, fd, "12345", 5), 2, "up to the limit");
	is(CALL(write, fd, "12345", 5), -EFBIG, "not beyond");
	is(stub_last_signal, SIGXFSZ, "with a signal");
	stub_proc.limits[LIMIT_FILE_SIZE][0] = LIMIT_NONE;
	CALL(pipe, fds);
	int ends[2];
	memcpy(ends, fds, sizeof(ends));
	CALL(ftruncate, fd, 0);
	CALL(pwrite64, fd, "sendfile", 8, 0);
	CALL(lseek, fd, 4, 0);
	is(CALL(sendfile, ends[1], fd, 0, 100), 4, "sendfile");
	is(CALL(read, ends[0], bytes, 16), 4, "into a pipe");
	ok(!memcmp(bytes, "file", 4), "from where the file was");
	is(CALL(sendfile, fd, ends[0], 0, 1), -EINVAL, "not from a pipe");
	struct {
		int fd;
		short wanted, got;
	} polled[4] = {{ends[0], 1, 0}, {ends[1], 4, 0}, {-1, 1, 9}, {99, 1, 0}};
	is(CALL(poll, polled, 4, 0), 2, "poll");
	ok(!polled[0].got && polled[1].got == 4 && !polled[2].got && polled[3].got == 32, "each");
	is(CALL(poll, polled, 1, 10), 0, "poll in vain");
	CALL(write, ends[1], "x", 1);
	is(CALL(poll, polled, 1, -1), 1, "poll");
	uint64_t set[3] = {1ul << ends[0], 1ul << ends[1]}, time[2] = {0, 0};
	is(CALL(select, 64, &set[0], &set[1], 0, time), 2, "select");
	ok(set[0] == 1ul << ends[0] && set[1] == 1ul << ends[1], "each");
	CALL(read, ends[0], bytes, 1);
	is(CALL(select, 64, &set[0], 0, 0, time), 0, "select in vain");
	is(set[0], 0, "nothing");
	CALL(close, ends[1]);
	is(CALL(poll, polled, 1, -1), 1, "poll at the end");
	is(polled[0].got, 16, "hangup");
	for (int n = 0; n < 10; n++)
		CALL(close, n);
	CALL(unlink, "/s");
}

struct flock_view {
	int16_t type, whence;
	int64_t start, length;
	int32_t pid;
};

static void locks(void)
{
	uint32_t heap = stub_heap_used;
	int64_t fd = CALL(open, "/lock", 0102, 0644), second;
	struct flock_view lock = {1, 0, 10, 10, 0}, test = {0, 0, 15, 1, 0};
	struct file_table *other, *own = self->proc->files;

	is(CALL(fcntl, fd, 6, &lock), 0, "a range");
	is(CALL(fcntl, fd, 5, &test), 0, "ask");
	is(test.type, 2, "one's own are not in the way");
	other = file_table_copy(own);
	self->proc->files = other;
	self->proc->pid = 3;
	test = (struct flock_view){0, 0, 15, 1, 0};
	CALL(fcntl, fd, 5, &test);
	ok(test.type == 1 && test.start == 10 && test.length == 10 && test.pid == 2, "another's is");
	is(CALL(fcntl, fd, 6, &test), -EAGAIN, "and cannot be had");
	is(CALL(fcntl, fd, 7, &test), -ERESTART, "waiting is interrupted");
	self->proc->files = own;
	self->proc->pid = 2;
	lock = (struct flock_view){2, 0, 13, 3, 0};
	is(CALL(fcntl, fd, 6, &lock), 0, "the middle is given up");
	self->proc->files = other;
	test = (struct flock_view){1, 0, 13, 3, 0};
	is(CALL(fcntl, fd, 6, &test), 0, "and taken");
	test = (struct flock_view){1, 0, 12, 1, 0};
	is(CALL(fcntl, fd, 6, &test), -EAGAIN, "the part before is still held");
	test = (struct flock_view){1, 0, 16, 0, 0};
	is(CALL(fcntl, fd, 6, &test), -EAGAIN, "and the part behind");
	file_table_put(other);
	self->proc->files = own;
	test = (struct flock_view){1, 0, 0, 0, 0};
	is(CALL(fcntl, fd, 6, &test), 0, "closing gives up all");
	second = CALL(open, "/lock", 2);
	is(CALL(flock, fd, 2), 0, "flock");
	is(CALL(flock, second, 1 | 4), -EAGAIN, "another description");
	is(CALL(flock, fd, 1), 0, "shared");
	is(CALL(flock, second, 1 | 4), 0, "shared by both");
	CALL(close, fd);
	is(CALL(flock, second, 2 | 4), 0, "the other is gone");
	CALL(close, second);
	CALL(unlink, "/lock");
	is(stub_heap_used, heap, "nothing is left over");
}

/* Whatever allocation fails, the call fails cleanly and nothing leaks. */
static void exhaustion(void)
{
	static int ends[2];
	uint32_t frames = stub_frames_used, heap = stub_heap_used;
	uint64_t set[3] = {0};
	bool leak = false;

	for (uint64_t n = 0; n < 60; n++) {
		int64_t fd;

		stub_fail_after = n;
		CALL(mkdir, "/x", 0755);
		CALL(symlink, "/x", "/x/link");
		fd = CALL(open, "/x/link/file", 0102, 0644);
		CALL(pwrite64, fd, buffer, 20000, 5000000);
		CALL(rename, "/x/file", "/x/renamed");
		CALL(link, "/x/renamed", "/x/second");
		CALL(fallocate, fd, 0, 0, 100000);
		ends[0] = ends[1] = -1;
		CALL(pipe, ends);
		CALL(write, ends[1], buffer, 10000);
		CALL(poll, set, 1, 0);
		CALL(select, 10, set, set, set, 0);
		CALL(flock, fd, 2);
		CALL(memfd_create, "x", 0);
		CALL(open, "/proc/self/stat", 0);
		CALL(chdir, "/x");
		CALL(mknod, "/x/fifo", 0010600, 0);
		CALL(open, "/x/fifo", 2);
		stub_fail_after = UINT64_MAX;
		for (int close = 0; close < 10; close++)
			CALL(close, close);
		CALL(chdir, "/");
		CALL(unlink, "/x/file");
		CALL(unlink, "/x/renamed");
		CALL(unlink, "/x/second");
		CALL(unlink, "/x/fifo");
		CALL(unlink, "/x/link");
		CALL(rmdir, "/x");
		if (stub_frames_used != frames || stub_heap_used != heap) {
			printf("# after %d allocations: %u frames, %u objects more\n", (int)n,
				stub_frames_used - frames, stub_heap_used - heap);
			leak = true;
			break;
		}
	}
	ok(!leak, "memory that runs out anywhere leaks nothing");
}

int main(void)
{
	stubs_start();
	CALL(close, CALL(open, "/dev/null", 2));
	random_changes();
	large_and_sparse();
	small_things();
	locks();
	exhaustion();
	stubs_end();
	return done_testing();
}
