/* Pipes and FIFOs: every byte in order, blocking at both ends, atomic writes, ends that go away, frames given back. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/ipc/pipe.h>

#include "call.h"
#include "stubs.h"

static int ends[2];
static char big[300000], got[300000];
static size_t drained, filled;

/* What the other process does while this one sleeps. */
static int drain_some(void)
{
	int64_t n = CALL(read, ends[0], got + drained, 5000);

	if (n > 0)
		drained += (size_t)n;
	return 0;
}

static int fill_some(void)
{
	int64_t n = CALL(write, ends[1], big + filled, 777);

	if (n > 0)
		filled += (size_t)n;
	return 0;
}

static int slept;
static int nothing(void) { return 0; }
static int fill_late(void)
{
	slept++;
	return fill_some();
}

static int close_writer(void)
{
	CALL(close, ends[1]);
	return 0;
}

static void reopen(void)
{
	CALL(close, ends[0]);
	CALL(close, ends[1]);
	CALL(pipe2, ends, 0);
}

/* Random sizes at both ends, without blocking, against what a pipe must deliver. */
static void random_sizes(void)
{
	size_t in = 0, out = 0;
	bool good = true;

	CALL(fcntl, ends[0], 4, 04000);
	CALL(fcntl, ends[1], 4, 04000);
	for (int n = 0; n < 20000 && good; n++) {
		size_t size = (size_t)rand() % (rand() % 4 ? 300 : 70000);
		size_t at = in % 100000;
		int64_t moved;

		if (rand() % 2) {
			moved = CALL(write, ends[1], big + at, MIN(size, 200000));
			good = moved >= 0 ? !size || moved : moved == -EAGAIN;
			good = good && (size > PIPE_ATOMIC || moved < 0 || (size_t)moved == size);
			in += moved > 0 ? (size_t)moved : 0;
		} else {
			moved = CALL(read, ends[0], got, size);
			good = moved >= 0 ? moved <= (int64_t)size : moved == -EAGAIN && in == out;
			for (int64_t b = 0; b < moved; b++)
				good = good && got[b] == big[(out + (size_t)b) % 100000];
			out += moved > 0 ? (size_t)moved : 0;
		}
		good = good && in - out <= PIPE_SIZE;
		if (!good)
			printf("# step %d: size %zu, moved %ld, written %zu, read %zu\n", n, size, (long)moved, in,
				out);
	}
	ok(good, "20,000 reads and writes of random sizes");
}

/* In a conversation the other process has a turn before this one sleeps. */
static void turns(void)
{
	slept = 0;
	stub_turn = fill_some;
	stub_sleep = fill_late;
	is(CALL(read, ends[0], got, 5000), 777, "a turn in which the answer comes");
	is(slept, 0, "and no sleep");
	stub_turn = nothing;
	is(CALL(read, ends[0], got, 5000), 777, "a turn in which nothing comes");
	is(slept, 1, "is one: then it sleeps");
	stub_turn = close_writer;
	is(CALL(read, ends[0], got, 1), 0, "a turn in which the last writer goes");
	CALL(close, ends[0]);
	CALL(pipe2, ends, 0);
	CALL(write, ends[1], big, 10);
	stub_turn = drain_some;
	drained = 0;
	is(CALL(write, ends[1], big + 10, PIPE_SIZE), PIPE_SIZE, "a writer gives turns as well");
	is(drained, 5000, "in one of which there was room made");
	stub_sleep = NULL;
}

int main(void)
{
	uint32_t frames, heap, one;
	int64_t n;
	int ready;

	stubs_start();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i % 100000 * 2654435761u >> 13);
	memcpy(big + 100000, big, 100000);
	memcpy(big + 200000, big, 100000);
	CALL(mkdir, "/f", 0755);
	frames = stub_frames_used;
	heap = stub_heap_used;

	is(CALL(pipe2, ends, 0), 0, "pipe");
	is(CALL(write, ends[0], "x", 1), -EBADF, "writing at the reading end");
	is(CALL(read, ends[1], got, 1), -EBADF, "reading at the writing end");
	is(CALL(lseek, ends[0], 0, 0), -ESPIPE, "no positions");
	is(CALL(write, ends[1], "hello", 5), 5, "write 5");
	is(CALL(ioctl, ends[0], 0x541b, &ready), 0, "FIONREAD");
	is(ready, 5, "5 bytes ready");
	is(CALL(read, ends[0], got, 100), 5, "read them");
	is(CALL(read, ends[0], got, 100), -ERESTART, "an empty pipe waits");
	one = stub_frames_used;
	for (n = 0; n < 10000; n++) {
		CALL(write, ends[1], "x", 1);
		CALL(read, ends[0], got, 1);
	}
	is(stub_frames_used, one, "10,000 bytes one by one: no more frames than for the first");

	stub_sleep = drain_some;
	is(CALL(write, ends[1], big, 250000), 250000, "a write larger than the pipe waits for the reader");
	stub_sleep = NULL;
	drained += (size_t)CALL(read, ends[0], got + drained, sizeof(got) - drained);
	is(drained, 250000, "all of it arrives");
	ok(!memcmp(got, big, 250000), "as it was");
	is(stub_frames_used, one, "and the frames went back");

	stub_sleep = fill_some;
	is(CALL(read, ends[0], got, 5000), 777, "a reader wakes for what there is");
	stub_sleep = NULL;
	is(CALL(read, ends[0], (char *)NULL + 8, 10), -ERESTART, "empty again");
	CALL(write, ends[1], "abc", 3);
	is(CALL(read, ends[0], (char *)8, 10), -EFAULT, "a bad address");
	is(CALL(read, ends[0], got, 10), 3, "loses nothing");
	is(CALL(write, ends[1], (char *)8, 10), -EFAULT, "writing from a bad address");

	CALL(fcntl, ends[1], 4, 04000);
	is(CALL(write, ends[1], big, 100000), PIPE_SIZE, "without waiting: as much as fits");
	is(CALL(write, ends[1], big, 1), -EAGAIN, "then nothing");
	CALL(read, ends[0], got, 4196);
	is(CALL(write, ends[1], big, 4096), 4096, "a page is free again");
	is(CALL(write, ends[1], big, 50), -EAGAIN, "the page being read is not");
	struct {
		uint64_t base, length;
	} v[3] = {{(uintptr_t)big, 2000}, {(uintptr_t)big, 2000}, {(uintptr_t)big, 96}};
	is(CALL(writev, ends[1], v, 3), -EAGAIN, "writev of PIPE_BUF bytes goes whole or not at all");
	CALL(read, ends[0], got, 4000);
	is(CALL(writev, ends[1], v, 3), 4096, "whole, when there is room");
	v[0].base = v[1].base = (uintptr_t)got;
	is(CALL(readv, ends[0], v, 2), 4000, "readv takes what there is");
	CALL(fcntl, ends[1], 4, 0);
	reopen();
	turns();
	reopen();
	random_sizes();
	reopen();

	stub_sleep = close_writer;
	is(CALL(read, ends[0], got, 1), 0, "the end, when the last writer goes");
	stub_sleep = NULL;
	CALL(pipe2, ends, 0);
	CALL(close, ends[0]);
	is(CALL(write, ends[1], "x", 1), -EPIPE, "no reader");
	is(stub_last_signal, SIGPIPE, "and its signal");
	CALL(close, ends[1]);
	for (n = 0; n < 3; n++)
		CALL(close, n);

	is(CALL(mknod, "/f/fifo", 0010600, 0), 0, "mkfifo");
	is(CALL(open, "/f/fifo", 04001), -ENXIO, "no reader yet");
	is(CALL(open, "/f/fifo", 0), -ERESTART, "opening for reading waits");
	ends[0] = (int)CALL(open, "/f/fifo", 04000);
	ok(ends[0] >= 0, "unless it is not to");
	ends[1] = (int)CALL(open, "/f/fifo", 1);
	ok(ends[1] >= 0, "then a writer");
	is(CALL(write, ends[1], "fifo", 4), 4, "write");
	is(CALL(read, ends[0], got, 10), 4, "read");
	CALL(close, ends[1]);
	is(CALL(read, ends[0], got, 10), 0, "end");
	CALL(close, ends[0]);
	is(CALL(unlink, "/f/fifo"), 0, "unlink");
	is(stub_frames_used, frames, "no frame is left over");
	is(stub_heap_used - 1, heap + 1,
		"nothing of the heap is left over"); /* the table's first block, and its list */
	stubs_end();
	return done_testing();
}
