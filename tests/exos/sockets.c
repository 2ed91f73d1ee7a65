/* Calls of sockets: options, timeouts, several messages and buffers at a time, what is inherited; and calls with bad arguments, of which none may harm. */
#include "sockets.h"
#include "random.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>

static int option(int s, int name)
{
	int value = -1;
	socklen_t length = sizeof value;

	CHECK(!getsockopt(s, SOL_SOCKET, name, &value, &length));
	IS(length, sizeof value);
	return value;
}

static void options(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), value = 4096, on = 1;
	socklen_t length = 2;
	struct timeval time = { 1, 500000 };

	IS(option(s, SO_TYPE), SOCK_STREAM);
	IS(option(s, SO_DOMAIN), AF_UNIX);
	IS(option(s, SO_PROTOCOL), 0);
	IS(option(s, SO_ERROR), 0);
	IS(option(s, SO_ACCEPTCONN), 0);
	IS(option(s, SO_SNDBUF), 212992);
	CHECK(!setsockopt(s, SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
	IS(option(s, SO_SNDBUF), 8192);
	value = 1;
	CHECK(!setsockopt(s, SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
	IS(option(s, SO_SNDBUF), 4608);
	CHECK(!setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	IS(option(s, SO_PASSCRED), 1);
	CHECK(!setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	time = (struct timeval){ 0, 0 };
	length = sizeof time;
	CHECK(!getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, &length));
	IS(time.tv_sec * 1000000 + time.tv_usec, 1500000);
	time.tv_usec = 1000000;
	FAILS(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), EDOM);
	length = 2; /* as much as there is room for */
	value = -1;
	CHECK(!getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &length));
	IS(length, 2);
	IS(value, (int)0xffff0001);
	FAILS(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &value, 3), EINVAL);
	FAILS(setsockopt(s, SOL_SOCKET, 12345, &value, sizeof value), ENOPROTOOPT);
	FAILS(setsockopt(s, 6, 1, &value, sizeof value), EOPNOTSUPP);
	FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, (void *)8, &(socklen_t){ 4 }), EFAULT);
	FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, (void *)8), EFAULT);
	FAILS(setsockopt(s, SOL_SOCKET, SO_SNDBUF, (void *)8, 4), EFAULT);
}

static void timeouts(void)
{
	static char buffer[1 << 18];
	struct timeval time = { 0, 30000 };
	int ends[2];
	char c;

	PAIR(SOCK_STREAM, ends);
	CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) && !setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
	int64_t start = now_ms();
	FAILS(read(ends[0], &c, 1), EAGAIN);
	CHECK(now_ms() - start >= 29);
	CHECK(write(ends[0], buffer, sizeof buffer) > 0); /* part of it */
	FAILS(write(ends[0], buffer, sizeof buffer), EAGAIN);
	int l = listener(SOCK_STREAM, "@timeout", 5);
	CHECK(!setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	FAILS(accept(l, NULL, NULL), EAGAIN);
}

static void caught(int number) { (void)number; }

static void signals_interrupt(void)
{
	int ends[2];
	char c;
	struct sigaction action = { .sa_handler = caught };

	for (int kind = 0; kind < 3; kind++) {
		PAIR(kind == 1 ? SOCK_DGRAM : SOCK_STREAM, ends);
		int l = listener(SOCK_STREAM, "@interrupted", 1);
		pid_t pid = fork();
		if (!pid) {
			CHECK(!sigaction(SIGUSR1, &action, NULL));
			if (kind == 2)
				FAILS(accept(l, NULL, NULL), EINTR);
			else
				FAILS(read(ends[0], &c, 1), EINTR);
			_exit(0);
		}
		until_asleep(pid);
		kill(pid, SIGUSR1);
		ENDS(pid, EXITED(0));
		/* With SA_RESTART it goes on. */
		pid = fork();
		if (!pid) {
			action.sa_flags = SA_RESTART;
			CHECK(!sigaction(SIGUSR1, &action, NULL));
			if (kind == 2)
				CHECK(accept(l, NULL, NULL) >= 0);
			else
				IS(read(ends[0], &c, 1), 1);
			_exit(0);
		}
		until_asleep(pid);
		kill(pid, SIGUSR1);
		until_asleep(pid);
		if (kind == 2)
			connected(SOCK_STREAM, "@interrupted");
		else
			IS(write(ends[1], "x", 1), 1);
		ENDS(pid, EXITED(0));
		close(l);
	}
}

static void several_buffers_and_messages(void)
{
	enum { COUNT = 5 };
	char text[COUNT][8], all[16];
	struct iovec iov[COUNT];
	struct mmsghdr many[COUNT] = { 0 };
	int ends[2];

	PAIR(SOCK_STREAM, ends);
	iov[0] = (struct iovec){ "abc", 3 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ "defg", 4 };
	IS(writev(ends[0], iov, 3), 7);
	iov[0] = (struct iovec){ all, 2 };
	iov[2] = (struct iovec){ all + 2, 5 };
	IS(readv(ends[1], iov, 3), 7);
	CHECK(!memcmp(all, "abcdefg", 7));
	PAIR(SOCK_DGRAM, ends);
	for (int i = 0; i < COUNT; i++) {
		memset(text[i], 'a' + i, 8);
		iov[i] = (struct iovec){ text[i], (size_t)i + 1 };
		many[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	IS(sendmmsg(ends[0], many, COUNT, 0), COUNT);
	IS(many[2].msg_len, 3);
	for (int i = 0; i < COUNT; i++)
		iov[i].iov_len = 8;
	memset(text, 0, sizeof text);
	IS(recvmmsg(ends[1], many, COUNT, MSG_WAITFORONE, NULL), COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK(many[i].msg_len == (unsigned)i + 1 && text[i][i] == 'a' + i);
	FAILS(recvmmsg(ends[1], many, COUNT, MSG_DONTWAIT, NULL), EAGAIN);
}

static void inherited_by_fork_and_exec(void)
{
	int ends[2], closed[2];
	char number[16], text[8];

	PAIR(SOCK_STREAM, ends);
	PAIR(SOCK_STREAM | SOCK_CLOEXEC, closed);
	IS(fcntl(closed[0], F_GETFD), FD_CLOEXEC);
	pid_t pid = fork();
	if (!pid) {
		snprintf(number, sizeof number, "%d", ends[1]);
		dup2(ends[1], 1);
		execl("/bin/busybox", "busybox", "echo", "hi", NULL);
		_exit(9);
	}
	close(ends[1]);
	close(closed[1]);
	IS(read(closed[0], text, 1), 0);
	IS(recv(ends[0], text, 8, MSG_WAITALL), 3);
	ENDS(pid, EXITED(0));
}

static void files_are_sent(void)
{
	enum { SIZE = 300000 };
	static unsigned char bytes[SIZE], got[SIZE];
	int ends[2], f = open("/tmp/sent", O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t total = 0;

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i * 7 >> 3);
	IS(write(f, bytes, SIZE), SIZE);
	PAIR(SOCK_STREAM, ends);
	pid_t pid = fork();
	if (!pid) {
		off_t at = 0;
		while (at < SIZE)
			CHECK(sendfile(ends[0], f, &at, SIZE) > 0);
		_exit(0);
	}
	close(ends[0]);
	for (ssize_t n; (n = read(ends[1], got + total, SIZE - total)) > 0; total += (size_t)n)
		;
	IS(total, SIZE);
	CHECK(!memcmp(bytes, got, SIZE));
	ENDS(pid, EXITED(0));
	unlink("/tmp/sent");
}

static void select_and_poll(void)
{
	int ends[2];
	fd_set in, out;

	PAIR(SOCK_STREAM, ends);
	FD_ZERO(&in);
	FD_SET(ends[0], &in);
	out = in;
	IS(select(ends[0] + 1, &in, &out, NULL, &(struct timeval){ 0, 0 }), 1);
	CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(ends[0], &out));
	pid_t pid = fork();
	if (!pid) {
		struct pollfd p = { ends[0], POLLIN, 0 };
		IS(poll(&p, 1, -1), 1);
		IS(p.revents, POLLIN);
		_exit(0);
	}
	until_asleep(pid);
	IS(write(ends[1], "x", 1), 1);
	ENDS(pid, EXITED(0));
}

static void what_is_no_socket(void)
{
	int ends[2], on = 1;
	char c;

	CHECK(!pipe(ends));
	FAILS(listen(ends[0], 1), ENOTSOCK);
	FAILS(accept(ends[0], NULL, NULL), ENOTSOCK);
	FAILS(recv(ends[0], &c, 1, 0), ENOTSOCK);
	FAILS(send(999, &c, 1, 0), EBADF);
	FAILS(setsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), ENOTSOCK);
	FAILS(socket(AF_UNIX, 77, 0), EINVAL);
	FAILS(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	FAILS(socket(AF_UNIX, SOCK_STREAM, 17), EPROTONOSUPPORT);
	FAILS(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8), EFAULT);
	PAIR(SOCK_STREAM, ends);
	FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
	FAILS(ftruncate(ends[0], 0), EINVAL);
	FAILS(pread(ends[0], &c, 1, 0), ESPIPE);
	struct stat st;
	CHECK(!fstat(ends[0], &st) && S_ISSOCK(st.st_mode));
	FAILS(accept4(ends[0], NULL, NULL, 1), EINVAL);
}

/* Bytes that could not be read or stored are neither sent nor lost. */
static void bad_addresses(void)
{
	struct sockaddr_un a;
	struct msghdr m = { 0 };
	struct iovec iov = { (void *)8, 4 };
	int ends[2], s = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[8], *bad = (char *)8;

	for (int kind = 0; kind < 3; kind++) {
		PAIR(kind == 0 ? SOCK_STREAM : kind == 1 ? SOCK_DGRAM : SOCK_SEQPACKET, ends);
		FAILS(write(ends[0], bad, 4), EFAULT);
		FAILS(send(ends[0], bad, 4, 0), EFAULT);
		FAILS(send(ends[0], (char *)-4096l, 4, 0), EFAULT);
		FAILS(recv(ends[1], text, 8, MSG_DONTWAIT), EAGAIN);
		IS(write(ends[0], "abc", 3), 3);
		if (kind == 0) {
			FAILS(read(ends[1], bad, 3), EFAULT);
			IS(read(ends[1], text, 8), 3);
		}
		m.msg_iov = &iov;
		m.msg_iovlen = 1;
		FAILS(sendmsg(ends[0], &m, 0), EFAULT);
		m.msg_iov = (void *)8;
		FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EFAULT);
		FAILS(syscall(SYS_sendmsg, ends[0], bad, 0), EFAULT);
		FAILS(syscall(SYS_recvmsg, ends[0], bad, MSG_DONTWAIT), EFAULT);
		m.msg_iovlen = 5000;
		m.msg_iov = &iov;
		FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EMSGSIZE);
		m.msg_iovlen = 0;
		m.msg_control = bad;
		m.msg_controllen = 64;
		FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EFAULT);
		m.msg_control = NULL;
		m.msg_controllen = 0;
		close(ends[0]);
		close(ends[1]);
	}
	FAILS(bind(s, (void *)8, 16), EFAULT);
	FAILS(bind(s, (void *)&a, 200), EINVAL);
	FAILS(syscall(SYS_bind, s, &a, -1), EINVAL);
	FAILS(connect(s, (void *)8, 16), EFAULT);
	FAILS(getsockname(s, (void *)&a, (void *)8), EFAULT);
	FAILS(getsockname(s, (void *)8, &(socklen_t){ 16 }), EFAULT);
	FAILS(getsockname(s, (void *)&a, &(socklen_t){ (socklen_t)-1 }), EINVAL);
}

/* Control data that lies about its lengths. */
static void bad_control_data(void)
{
	struct iovec iov = { "x", 1 };
	struct { struct cmsghdr h; int fds[4]; } c = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };
	int ends[2];
	char text[4];

	PAIR(SOCK_STREAM, ends);
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	for (int i = 0; i < 3; i++) {
		c.h.cmsg_len = (unsigned[]){ 0, 15, sizeof c + 8 }[i];
		FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EINVAL);
	}
	c.h.cmsg_len = CMSG_LEN(8);
	c.fds[1] = -1;
	FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EBADF);
	c.h.cmsg_type = 77;
	FAILS(syscall(SYS_sendmsg, ends[0], &m, 0), EINVAL);
	c.h.cmsg_type = SCM_RIGHTS;
	m.msg_controllen = c.h.cmsg_len = CMSG_LEN(0); /* no descriptors at all */
	IS(syscall(SYS_sendmsg, ends[0], &m, 0), 1);
	IS(read(ends[1], text, 4), 1);
}

/* Socket calls with arguments that are often nearly right. None may do more than fail; the sockets that matter go on. */
static void random_calls(void)
{
	static const long calls[] = { SYS_bind, SYS_connect, SYS_listen, SYS_accept4, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown, SYS_getsockname,
		SYS_getpeername, SYS_setsockopt, SYS_getsockopt, SYS_sendmmsg, SYS_recvmmsg, SYS_socket, SYS_socketpair, SYS_epoll_ctl, SYS_epoll_create1 };
	static long memory[512];
	int ends[2];
	char c;
	struct random r = { random_seed() };

	PAIR(SOCK_STREAM, ends);
	pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		close(ends[1]);
		alarm(10); /* it may have come to wait where nothing will happen */
		signal(SIGPIPE, SIG_IGN);
		for (int i = 0; i < 20; i++) {
			int s = socket(AF_UNIX, ((int[]){ SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET })[i % 3] | SOCK_NONBLOCK, 0);
			CHECK(s >= 0);
		}
		for (int i = 0; i < 12; i++) /* where there is a network interface */
			socket(i & 1 ? AF_INET : AF_INET6, (i & 2 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
		for (int i = 0; i < 20000; i++) {
			long a[6];
			for (int n = 0; n < 512; n += 7)
				memory[n] = (long)random_below(&r, 12); /* families, too */
			for (int n = 0; n < 6; n++) {
				uint32_t kind = random_below(&r, 8);
				a[n] = kind < 3 ? (long)random_below(&r, 40) : kind < 6 ? (long)&memory[random_below(&r, 500)] : kind == 6 ? -(long)random_below(&r, 5000) : (long)random_below(&r, 0xffffffff) << random_below(&r, 32);
			}
			a[0] = 3 + (long)random_below(&r, 40);
			long number = calls[random_below(&r, sizeof calls / sizeof *calls)];
			if (number == SYS_socket || number == SYS_socketpair)
				a[0] = ((int[]){ AF_UNIX, AF_INET, AF_INET6 })[random_below(&r, 3)], a[1] |= SOCK_NONBLOCK;
			if (number == SYS_sendto || number == SYS_recvfrom)
				a[3] |= MSG_DONTWAIT;
			syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
			if (i % 64 == 0)
				close(3 + (int)random_below(&r, 60));
		}
		_exit(0);
	}
	int status;
	IS(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGALRM); /* it may have its own memory written to */
	IS(write(ends[0], "x", 1), 1);
	IS(read(ends[1], &c, 1), 1);
}

TESTS(T(options), T(timeouts), T(signals_interrupt), T(several_buffers_and_messages), T(inherited_by_fork_and_exec), T(files_are_sent), T(select_and_poll),
	T(what_is_no_socket), T(bad_addresses), T(bad_control_data), T(random_calls))
