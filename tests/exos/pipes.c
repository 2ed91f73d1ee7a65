/* Pipes, and waiting for several descriptors: order, atomicity, ends, limits. */
#include "lib.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>

#define PIPE_SIZE 65536
#define PIPE_ATOMIC 4096

static void bytes_come_out_in_order(void)
{
	enum { TOTAL = 1 << 20 };
	int ends[2];
	static unsigned char buffer[7777];
	unsigned char expected = 0;
	size_t total = 0;

	CHECK(!pipe(ends));
	pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		for (size_t done = 0; done < TOTAL;) {
			size_t n = TOTAL - done < 5000 ? TOTAL - done : 5000;
			for (size_t i = 0; i < n; i++)
				buffer[i] = (unsigned char)(done + i);
			CHECK(write(ends[1], buffer, n) == (ssize_t)n);
			done += n;
		}
		_exit(0);
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0; total += (size_t)n)
		for (ssize_t i = 0; i < n; i++)
			CHECK(buffer[i] == expected++);
	IS(total, TOTAL);
	ENDS(pid, EXITED(0));
}

static void end_of_file_comes_with_the_last_writer(void)
{
	int ends[2];
	char c;

	CHECK(!pipe(ends));
	int second = dup(ends[1]);
	close(ends[1]);
	IS(write(second, "x", 1), 1);
	close(second);
	IS(read(ends[0], &c, 1), 1);
	IS(read(ends[0], &c, 1), 0);
	IS(read(ends[0], &c, 1), 0);
}

static void write_without_reader_fails_and_signals(void)
{
	int ends[2];

	CHECK(!pipe(ends));
	close(ends[0]);
	pid_t pid = fork();
	if (!pid) {
		IS(write(ends[1], "x", 1), 1);
		_exit(0);
	}
	ENDS(pid, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(ends[1], "x", 1), EPIPE);
}

static void blocked_writer_learns_that_the_reader_is_gone(void)
{
	int ends[2];
	static char buffer[2 * PIPE_SIZE];

	CHECK(!pipe(ends));
	pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		(void)!write(ends[1], buffer, sizeof buffer);
		_exit(0);
	}
	close(ends[1]);
	sleep_ms(30);
	close(ends[0]);
	ENDS(pid, SIGPIPE);
}

static void small_writes_are_not_torn(void)
{
	enum { WRITERS = 4, ROUNDS = 50, SIZE = PIPE_ATOMIC };
	int ends[2], counts[WRITERS] = { 0 };
	static char buffer[SIZE];

	CHECK(!pipe(ends));
	for (int i = 0; i < WRITERS; i++) {
		if (fork())
			continue;
		memset(buffer, 'a' + i, SIZE);
		for (int round = 0; round < ROUNDS; round++)
			CHECK(write(ends[1], buffer, SIZE) == SIZE);
		_exit(0);
	}
	close(ends[1]);
	for (;;) {
		size_t got = 0;
		for (ssize_t n; got < SIZE && (n = read(ends[0], buffer + got, SIZE - got)) > 0;)
			got += (size_t)n;
		if (!got)
			break;
		IS(got, SIZE);
		for (int i = 1; i < SIZE; i++)
			CHECK(buffer[i] == buffer[0]);
		CHECK(buffer[0] >= 'a' && buffer[0] < 'a' + WRITERS);
		counts[buffer[0] - 'a']++;
	}
	for (int i = 0; i < WRITERS; i++)
		IS(counts[i], ROUNDS);
	while (wait(NULL) > 0)
		;
}

static void full_and_empty_say_so_without_blocking(void)
{
	int ends[2];
	static char buffer[PIPE_SIZE];

	CHECK(!pipe2(ends, O_NONBLOCK));
	FAILS(read(ends[0], buffer, 1), EAGAIN);
	IS(write(ends[1], buffer, PIPE_SIZE), PIPE_SIZE);
	FAILS(write(ends[1], buffer, 1), EAGAIN);
	int waiting = 0;
	CHECK(!ioctl(ends[0], FIONREAD, &waiting));
	IS(waiting, PIPE_SIZE);
	IS(read(ends[0], buffer, PIPE_ATOMIC), PIPE_ATOMIC);
	IS(write(ends[1], buffer, PIPE_ATOMIC), PIPE_ATOMIC);
	IS(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK(!fcntl(ends[0], F_SETFL, 0));
	IS(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
}

static void large_write_without_blocking_is_partial(void)
{
	int ends[2];
	static char buffer[2 * PIPE_SIZE];

	CHECK(!pipe2(ends, O_NONBLOCK));
	IS(write(ends[1], buffer, sizeof buffer), PIPE_SIZE);
	IS(read(ends[0], buffer, 100), 100);
	/* Atomic or not at all. */
	FAILS(write(ends[1], buffer, PIPE_ATOMIC), EAGAIN);
}

static void poll_sees_both_ends(void)
{
	int ends[2];
	char c;

	CHECK(!pipe(ends));
	struct pollfd fds[] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 }, { -1, POLLIN, 7 }, { 999, POLLIN, 0 } };
	IS(poll(fds, 3, 0), 1);
	IS(fds[0].revents, 0);
	IS(fds[1].revents, POLLOUT);
	IS(fds[2].revents, 0);
	IS(poll(fds, 4, 0), 2);
	IS(fds[3].revents, POLLNVAL);
	IS(write(ends[1], "x", 1), 1);
	IS(poll(fds, 1, -1), 1);
	IS(fds[0].revents, POLLIN);
	IS(read(ends[0], &c, 1), 1);
	close(ends[1]);
	IS(poll(fds, 1, -1), 1);
	IS(fds[0].revents, POLLHUP);
	CHECK(!pipe(ends));
	close(ends[0]);
	fds[1].fd = ends[1];
	IS(poll(&fds[1], 1, -1), 1);
	IS(fds[1].revents, POLLOUT | POLLERR);
}

static void poll_wakes_up_and_times_out(void)
{
	int ends[2];

	CHECK(!pipe(ends));
	struct pollfd fd = { ends[0], POLLIN, 0 };
	int64_t start = now_ms();
	IS(poll(&fd, 1, 50), 0);
	CHECK(now_ms() - start >= 49);
	pid_t pid = fork();
	if (!pid) {
		sleep_ms(30);
		_exit(write(ends[1], "x", 1) != 1);
	}
	IS(poll(&fd, 1, 10000), 1);
	CHECK(now_ms() - start < 9000);
	ENDS(pid, EXITED(0));
}

static void select_sees_both_ends(void)
{
	int ends[2];
	fd_set readable, writable;
	struct timeval soon = { 0, 30000 };

	CHECK(!pipe(ends));
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(ends[0], &readable);
	IS(select(ends[1] + 1, &readable, NULL, NULL, &soon), 0);
	CHECK(!FD_ISSET(ends[0], &readable));
	IS(write(ends[1], "x", 1), 1);
	FD_SET(ends[0], &readable);
	FD_SET(ends[1], &writable);
	IS(select(ends[1] + 1, &readable, &writable, NULL, NULL), 2);
	CHECK(FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable));
	FD_SET(50, &readable);
	FAILS(select(51, &readable, NULL, NULL, &soon), EBADF);
}

static void vectors_are_gathered_and_scattered(void)
{
	int ends[2];
	char a[3] = "", b[4] = "";
	struct iovec out[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } }, in[] = { { a, 2 }, { b, 3 } };

	CHECK(!pipe(ends));
	IS(writev(ends[1], out, 3), 5);
	IS(readv(ends[0], in, 2), 5);
	CHECK(!strcmp(a, "ab") && !strcmp(b, "cde"));
	FAILS(writev(ends[1], out, -1), EINVAL);
	FAILS(writev(ends[1], out, 1025), EINVAL);
}

static void wrong_use_is_refused(void)
{
	int ends[2];
	char c;

	CHECK(!pipe(ends));
	FAILS(read(ends[1], &c, 1), EBADF);
	FAILS(write(ends[0], &c, 1), EBADF);
	FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
	FAILS(pread(ends[0], &c, 1, 0), ESPIPE);
	IS(write(ends[1], "x", 1), 1);
	FAILS(syscall(SYS_read, ends[0], 1, 1), EFAULT);
	FAILS(syscall(SYS_write, ends[1], 1, 1), EFAULT);
	FAILS(syscall(SYS_pipe2, ends, 0x1), EINVAL);
	FAILS(syscall(SYS_pipe2, 1, 0), EFAULT);
}

static void named_pipe_joins_two_processes(void)
{
	char c;

	unlink("/tmp/fifo");
	CHECK(!mkfifo("/tmp/fifo", 0600));
	FAILS(open("/tmp/fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	pid_t pid = fork();
	if (!pid) {
		int fd = open("/tmp/fifo", O_WRONLY);
		_exit(write(fd, "z", 1) != 1);
	}
	int fd = open("/tmp/fifo", O_RDONLY);
	CHECK(fd >= 0);
	IS(read(fd, &c, 1), 1);
	CHECK(c == 'z');
	ENDS(pid, EXITED(0));
	IS(read(fd, &c, 1), 0);
	CHECK(!unlink("/tmp/fifo"));
}

static void status_of_a_pipe_is_that_of_a_pipe(void)
{
	int ends[2];
	struct stat st;

	CHECK(!pipe(ends));
	CHECK(!fstat(ends[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK(!isatty(ends[0]));
	FAILS(ftruncate(ends[1], 0), EINVAL);
}

/* By /proc, as shells do for process substitution; the writer may have come and gone. */
static void pipe_without_writer_can_be_opened_anew(void)
{
	char name[40], c;
	int ends[2];

	CHECK(!pipe(ends));
	IS(write(ends[1], "z", 1), 1);
	close(ends[1]);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
	int fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	IS(read(fd, &c, 1), 1);
	IS(read(fd, &c, 1), 0);
}

TESTS(T(bytes_come_out_in_order), T(end_of_file_comes_with_the_last_writer), T(write_without_reader_fails_and_signals),
	T(blocked_writer_learns_that_the_reader_is_gone), T(small_writes_are_not_torn), T(full_and_empty_say_so_without_blocking),
	T(large_write_without_blocking_is_partial), T(poll_sees_both_ends), T(poll_wakes_up_and_times_out), T(select_sees_both_ends),
	T(vectors_are_gathered_and_scattered), T(wrong_use_is_refused), T(named_pipe_joins_two_processes),
	T(status_of_a_pipe_is_that_of_a_pipe), T(pipe_without_writer_can_be_opened_anew))
