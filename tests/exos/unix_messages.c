/* UNIX sockets: datagrams and messages, credentials and descriptors beside the bytes, and those that nobody can reach any more. */
#include "sockets.h"

static void datagrams_keep_their_ends(void)
{
	struct sockaddr_un from;
	socklen_t length = sizeof from;
	char text[16];
	int a = bound(SOCK_DGRAM, "@dgram.a"), b = bound(SOCK_DGRAM, "@dgram.b"), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un to;
	socklen_t to_length = unix_name(&to, "@dgram.a");

	IS(sendto(b, "first", 5, 0, (struct sockaddr *)&to, to_length), 5);
	IS(sendto(b, "", 0, 0, (struct sockaddr *)&to, to_length), 0);
	IS(sendto(c, "third one", 9, 0, (struct sockaddr *)&to, to_length), 9);
	IS(recvfrom(a, text, sizeof text, MSG_PEEK, NULL, NULL), 5);
	IS(recvfrom(a, text, sizeof text, 0, (struct sockaddr *)&from, &length), 5);
	IS(length, offsetof(struct sockaddr_un, sun_path) + 8);
	CHECK(!memcmp(from.sun_path, "\0dgram.b", 8));
	IS(ready(a, POLLIN), POLLIN);
	IS(recv(a, text, sizeof text, 0), 0);
	IS(recv(a, text, 5, MSG_TRUNC), 9);
	FAILS(recv(a, text, 5, MSG_DONTWAIT), EAGAIN);
	FAILS(send(b, "x", 1, 0), ENOTCONN);
	CHECK(!connect(b, (struct sockaddr *)&to, to_length));
	IS(send(b, "x", 1, 0), 1);
	/* One that has a peer hears nobody else. */
	to_length = unix_name(&to, "@dgram.b");
	FAILS(sendto(c, "x", 1, 0, (struct sockaddr *)&to, to_length), EPERM);
	close(a);
	FAILS(send(b, "x", 1, 0), ECONNREFUSED);
	FAILS(send(b, "x", 1, 0), ENOTCONN);
	static char large[1 << 20];
	to_length = unix_name(&to, "@dgram.c");
	bound(SOCK_DGRAM, "@dgram.c");
	FAILS(sendto(c, large, sizeof large, 0, (struct sockaddr *)&to, to_length), EMSGSIZE);
}

static void a_datagram_waits_for_room(void)
{
	static char text[1000];
	int ends[2], sent = 0;

	PAIR(SOCK_DGRAM | SOCK_NONBLOCK, ends);
	while (send(ends[0], text, sizeof text, 0) == sizeof text)
		sent++;
	IS(errno, EAGAIN);
	IS(ready(ends[0], POLLOUT), 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(!fcntl(ends[0], F_SETFL, 0));
		IS(send(ends[0], text, sizeof text, 0), sizeof text);
		_exit(0);
	}
	until_asleep(pid);
	for (int i = 0; i < sent; i++)
		IS(recv(ends[1], text, sizeof text, 0), sizeof text);
	ENDS(pid, EXITED(0));
	IS(ready(ends[0], POLLOUT), POLLOUT);
	/* Empty ones fill it too. */
	CHECK(!fcntl(ends[0], F_SETFL, O_NONBLOCK));
	for (sent = 0; send(ends[0], text, 0, 0) == 0; sent++)
		CHECK(sent < 1000000);
	IS(errno, EAGAIN);
}

static void seqpacket_is_a_connection_of_messages(void)
{
	char text[16];
	int l = listener(SOCK_SEQPACKET, "@seqpacket", 5), s = connected(SOCK_SEQPACKET, "@seqpacket"), server = accept(l, NULL, NULL);

	IS(send(s, "one", 3, 0), 3);
	IS(send(s, "three", 5, 0), 5);
	struct iovec iov = { text, sizeof text };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	IS(recvmsg(server, &m, 0), 3);
	IS(m.msg_flags, MSG_EOR);
	iov.iov_len = 2;
	IS(recvmsg(server, &m, 0), 2);
	IS(m.msg_flags, MSG_EOR | MSG_TRUNC);
	close(s);
	IS(recv(server, text, sizeof text, 0), 0);
	FAILS(send(server, "x", 1, MSG_NOSIGNAL), EPIPE);
	s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	FAILS(recv(s, text, 1, 0), ENOTCONN);
	FAILS(send(s, text, 1, 0), ENOTCONN);
}

static void credentials_of_the_peer(void)
{
	struct ucred c;
	socklen_t length = sizeof c;
	int l = listener(SOCK_STREAM, "@peercred", 5), s = -1;
	pid_t pid = fork();

	if (!pid) {
		CHECK(!setgid(1001) && !setuid(1002));
		s = connected(SOCK_STREAM, "@peercred");
		CHECK(!getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &length));
		IS(c.pid, getppid());
		IS(c.uid, 0);
		_exit(0);
	}
	int server = accept(l, NULL, NULL);
	CHECK(!getsockopt(server, SOL_SOCKET, SO_PEERCRED, &c, &length));
	IS(c.pid, pid);
	IS(c.uid, 1002);
	IS(c.gid, 1001);
	ENDS(pid, EXITED(0));
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(!getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &length));
	IS(c.pid, 0);
	IS(c.uid, -1u);
}

static struct ucred receive_credentials(int s, char *text, size_t n, ssize_t expected)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { text, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct ucred c;

	IS(recvmsg(s, &m, 0), expected);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS);
	IS(h->cmsg_len, CMSG_LEN(sizeof c));
	memcpy(&c, CMSG_DATA(h), sizeof c);
	return c;
}

static void credentials_go_with_messages(void)
{
	char text[16], control[CMSG_SPACE(sizeof(struct ucred))] = { 0 };
	int ends[2], on = 1;

	PAIR(SOCK_STREAM, ends);
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	pid_t pid = fork();
	if (!pid) {
		IS(write(ends[0], "child", 5), 5);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	IS(write(ends[0], "parent", 6), 6);
	struct ucred c = receive_credentials(ends[1], text, sizeof text, 5); /* one sender's bytes at a time */
	IS(c.pid, pid);
	c = receive_credentials(ends[1], text, sizeof text, 6);
	IS(c.pid, getpid());
	/* Nobody may say that he is another. */
	struct iovec iov = { text, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	*h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof c) };
	pid = fork();
	if (!pid) {
		CHECK(!setgid(1000) && !setuid(1000));
		c = (struct ucred){ getpid(), 0, 1000 };
		memcpy(CMSG_DATA(h), &c, sizeof c);
		FAILS(sendmsg(ends[0], &m, 0), EPERM);
		c = (struct ucred){ getppid(), 1000, 1000 };
		memcpy(CMSG_DATA(h), &c, sizeof c);
		FAILS(sendmsg(ends[0], &m, 0), EPERM);
		c = (struct ucred){ getpid(), 1000, 1000 };
		memcpy(CMSG_DATA(h), &c, sizeof c);
		IS(sendmsg(ends[0], &m, 0), 1);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	IS(receive_credentials(ends[1], text, sizeof text, 1).uid, 1000);
}

static void descriptors_are_passed(void)
{
	int ends[2], pipes[2], fds[8], result;
	size_t count = 8;
	char text[16];

	PAIR(SOCK_STREAM, ends);
	CHECK(!pipe(pipes));
	IS(send_fds(ends[0], "x", 1, pipes, 2), 1);
	close(pipes[1]);
	IS(receive_fds(ends[1], text, sizeof text, fds, &count, MSG_CMSG_CLOEXEC, &result), 1);
	IS(count, 2);
	IS(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	IS(write(fds[1], "abc", 3), 3);
	IS(read(pipes[0], text, sizeof text), 3);
	close(fds[1]);
	IS(read(pipes[0], text, sizeof text), 0); /* it was the last */
	/* By a read they are lost, and end. */
	CHECK(!pipe(pipes));
	IS(send_fds(ends[0], "x", 1, &pipes[1], 1), 1);
	close(pipes[1]);
	IS(read(ends[1], text, sizeof text), 1);
	IS(read(pipes[0], text, sizeof text), 0);
	/* Where there is no room for them it is said. */
	IS(send_fds(ends[0], "x", 1, (int[]){ 0, 1, 2 }, 3), 1);
	count = 0;
	IS(receive_fds(ends[1], text, sizeof text, fds, &count, 0, &result), 1);
	CHECK(result & MSG_CTRUNC);
	FAILS(send_fds(ends[0], "x", 1, (int[]){ 999 }, 1), EBADF);
	FAILS(send_fds(ends[0], "x", 1, (int[256]){ 0 }, 254), EINVAL);
	IS(send_fds(ends[0], "x", 1, (int[256]){ 0 }, 253), 1);
	static int many[256];
	count = 256;
	IS(receive_fds(ends[1], text, sizeof text, many, &count, 0, &result), 1);
	IS(count, 253);
}

static void descriptors_stay_with_their_bytes(void)
{
	int ends[2], fds[4];
	size_t count;
	char text[16];

	PAIR(SOCK_STREAM, ends);
	IS(send_fds(ends[0], "abc", 3, (int[]){ 0 }, 1), 3);
	IS(send_fds(ends[0], "def", 3, (int[]){ 0, 1 }, 2), 3);
	IS(write(ends[0], "ghi", 3), 3);
	count = 4;
	IS(receive_fds(ends[1], text, 2, fds, &count, MSG_PEEK, NULL), 2);
	IS(count, 1);
	count = 4;
	IS(receive_fds(ends[1], text, sizeof text, fds, &count, 0, NULL), 3);
	IS(count, 1);
	count = 4;
	IS(receive_fds(ends[1], text, 2, fds, &count, 0, NULL), 2);
	IS(count, 2);
	count = 4;
	IS(receive_fds(ends[1], text, sizeof text, fds, &count, 0, NULL), 4);
	IS(count, 0);
	CHECK(!memcmp(text, "fghi", 4));
}

/* Pairs of sockets that nothing but their own queues hold, with a pipe's end in them that shows when they are gone. */
static void what_nobody_can_reach_ends(void)
{
	int ends[2], other[2], pipes[2];
	char c;

	CHECK(!pipe(pipes));
	PAIR(SOCK_DGRAM, ends);
	IS(send_fds(ends[0], "x", 1, (int[]){ ends[0], ends[1], pipes[1] }, 3), 1);
	close(ends[0]);
	close(ends[1]);
	close(pipes[1]);
	CHECK(!fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	FAILS(read(pipes[0], &c, 1), EAGAIN);
	PAIR(SOCK_STREAM, other); /* the end of any UNIX socket makes the library look */
	close(other[0]);
	close(other[1]);
	CHECK(!fcntl(pipes[0], F_SETFL, 0)); /* on Linux it looks in its own time */
	IS(read(pipes[0], &c, 1), 0);
	/* Two pairs, each in the other's queue; one can still be reached, so that all can. */
	CHECK(!pipe(pipes));
	PAIR(SOCK_STREAM, ends);
	PAIR(SOCK_STREAM, other);
	IS(send_fds(ends[0], "x", 1, (int[]){ other[0], other[1], pipes[1] }, 3), 1);
	IS(send_fds(other[0], "y", 1, (int[]){ ends[0] }, 1), 1);
	close(other[0]);
	close(other[1]);
	close(ends[0]);
	close(pipes[1]);
	int third[2];
	PAIR(SOCK_STREAM, third);
	close(third[0]);
	close(third[1]);
	int fds[4];
	size_t count = 4;
	IS(receive_fds(ends[1], &c, 1, fds, &count, 0, NULL), 1);
	IS(count, 3);
	IS(write(fds[2], "z", 1), 1);
	IS(read(pipes[0], &c, 1), 1);
}

/* A socket in the queue of a socket in the queue ...: their end is not a recursion that deep. */
static void a_long_chain_ends(void)
{
	enum { LINKS = 5000 };
	int ends[2], next[2], pipes[2];
	char c;

	CHECK(!pipe(pipes));
	PAIR(SOCK_DGRAM, ends);
	IS(send_fds(ends[0], "x", 1, &pipes[1], 1), 1);
	close(pipes[1]);
	for (int i = 0; i < LINKS; i++) {
		PAIR(SOCK_DGRAM, next);
		if (send_fds(next[0], "x", 1, ends, 2) != 1) { /* Linux limits how many may be on their way */
			IS(errno, ETOOMANYREFS);
			break;
		}
		close(ends[0]);
		close(ends[1]);
		memcpy(ends, next, sizeof ends);
	}
	close(ends[0]);
	close(ends[1]);
	IS(read(pipes[0], &c, 1), 0);
}

TESTS(T(datagrams_keep_their_ends), T(a_datagram_waits_for_room), T(seqpacket_is_a_connection_of_messages), T(credentials_of_the_peer),
	T(credentials_go_with_messages), T(descriptors_are_passed), T(descriptors_stay_with_their_bytes), T(what_nobody_can_reach_ends),
	T(a_long_chain_ends))
