/* TCP between processes of one machine, over 127.0.0.1 and ::1: connections, ends, waiting, big transfers. The stack's own behaviour is tested in tests/host/tcp. */
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

static socklen_t local(struct sockaddr_storage *a, int family, uint16_t port)
{
	memset(a, 0, sizeof *a);
	if (family == AF_INET) {
		*(struct sockaddr_in *)a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		return sizeof(struct sockaddr_in);
	}
	*(struct sockaddr_in6 *)a = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	return sizeof(struct sockaddr_in6);
}

/* A listener at a port that the system chooses. */
static int serve(int family, uint16_t *port, int backlog)
{
	struct sockaddr_storage a;
	socklen_t length = local(&a, family, 0);
	int l = socket(family, SOCK_STREAM, 0);

	CHECK(l >= 0);
	CHECK(!bind(l, (struct sockaddr *)&a, length) && !listen(l, backlog));
	CHECK(!getsockname(l, (struct sockaddr *)&a, &length));
	*port = ntohs(((struct sockaddr_in *)&a)->sin_port); /* at the same place in both */
	CHECK(*port);
	return l;
}

static int reach(int family, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t length = local(&a, family, port);
	int s = socket(family, SOCK_STREAM, 0);

	CHECK(s >= 0 && !connect(s, (struct sockaddr *)&a, length));
	return s;
}

static void both(int family, int ends[2])
{
	uint16_t port;
	int l = serve(family, &port, 5);

	ends[0] = reach(family, port);
	CHECK((ends[1] = accept(l, NULL, NULL)) >= 0);
	close(l);
}

static void talk(int family)
{
	struct sockaddr_storage a, b;
	socklen_t length = sizeof a, other = sizeof b;
	int ends[2];
	char text[16];

	both(family, ends);
	CHECK(!getsockname(ends[0], (struct sockaddr *)&a, &length) && !getpeername(ends[1], (struct sockaddr *)&b, &other));
	CHECK(length == other && !memcmp(&a, &b, length));
	IS(write(ends[0], "hello", 5), 5);
	IS(recv(ends[1], text, 5, MSG_PEEK), 5);
	IS(recv(ends[1], text, 5, MSG_WAITALL), 5);
	CHECK(!memcmp(text, "hello", 5));
	FAILS(recv(ends[1], text, 5, MSG_DONTWAIT), EAGAIN);
	IS(write(ends[1], "back", 4), 4);
	IS(read(ends[0], text, sizeof text), 4);
	FAILS(connect(ends[0], (struct sockaddr *)&a, length), EISCONN);
	/* One direction ends, the other goes on. */
	CHECK(!shutdown(ends[0], SHUT_WR));
	IS(read(ends[1], text, 1), 0);
	IS(write(ends[1], "more", 4), 4);
	IS(read(ends[0], text, sizeof text), 4);
	FAILS(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(ends[1]);
	IS(read(ends[0], text, 1), 0);
}

static void talk_by_ipv4(void) { talk(AF_INET); }
static void talk_by_ipv6(void) { talk(AF_INET6); }

static void nobody_there(void)
{
	struct sockaddr_storage a;
	uint16_t port;
	int error = 0, s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t length, size = sizeof error;

	close(serve(AF_INET, &port, 1));
	length = local(&a, AF_INET, port);
	CHECK(connect(s, (struct sockaddr *)&a, length) == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
	if (errno == EINPROGRESS) {
		CHECK(poll(&(struct pollfd){ s, POLLOUT, 0 }, 1, -1) == 1);
		CHECK(!getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size));
		IS(error, ECONNREFUSED);
	}
	s = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(connect(s, (struct sockaddr *)&a, length), ECONNREFUSED);
	FAILS(send(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_NOSIGNAL), EPIPE);
	FAILS(recv(socket(AF_INET, SOCK_STREAM, 0), &error, 1, 0), ENOTCONN);
	FAILS(accept(socket(AF_INET, SOCK_STREAM, 0), NULL, NULL), EINVAL);
	FAILS(connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&a, length), EINVAL);
}

static void connect_without_waiting(void)
{
	struct sockaddr_storage a;
	uint16_t port;
	int error = -1, l = serve(AF_INET, &port, 5), s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t length = local(&a, AF_INET, port), size = sizeof error;

	CHECK(connect(s, (struct sockaddr *)&a, length) == 0 || errno == EINPROGRESS);
	CHECK(poll(&(struct pollfd){ s, POLLOUT, 0 }, 1, -1) == 1);
	CHECK(!getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size));
	IS(error, 0);
	CHECK(accept(l, NULL, NULL) >= 0);
}

static void names_in_use(void)
{
	struct sockaddr_storage a;
	uint16_t port;
	int l = serve(AF_INET, &port, 5), s = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = local(&a, AF_INET, port);

	CHECK(l >= 0);
	FAILS(bind(s, (struct sockaddr *)&a, length), EADDRINUSE);
	((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(0x01020304);
	FAILS(bind(s, (struct sockaddr *)&a, length), EADDRNOTAVAIL);
	FAILS(bind(s, (struct sockaddr *)&a, 4), EINVAL);
}

static void a_reset_is_told(void)
{
	struct linger now = { 1, 0 };
	int ends[2];
	char c;

	both(AF_INET, ends);
	CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &now, sizeof now));
	close(ends[0]);
	FAILS(read(ends[1], &c, 1), ECONNRESET);
	FAILS(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE);
}

static unsigned char pattern(size_t at) { return (unsigned char)(at * 131 >> 5 ^ at); }

/* Through a file as well: what is sent is the file's own pages. */
static void big_transfers(void)
{
	enum { SIZE = 4 << 20 };
	static unsigned char bytes[SIZE];
	int ends[2];

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = pattern(i);
	for (int by_file = 0; by_file < 2; by_file++) {
		both(AF_INET, ends);
		pid_t pid = fork();
		if (!pid) {
			close(ends[1]);
			int f = open("/tmp/tcp.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
			off_t at = 0;
			if (by_file)
				IS(write(f, bytes, SIZE), SIZE);
			while (at < SIZE && by_file)
				CHECK(sendfile(ends[0], f, &at, SIZE) > 0);
			for (size_t done = 0, n; done < SIZE && !by_file; done += n) {
				n = SIZE - done < 12345 ? SIZE - done : 12345;
				IS(write(ends[0], bytes + done, n), n);
			}
			unlink("/tmp/tcp.file");
			_exit(0);
		}
		close(ends[0]);
		static unsigned char got[10000];
		size_t total = 0;
		for (ssize_t n; (n = read(ends[1], got, sizeof got)) > 0; total += (size_t)n)
			for (ssize_t i = 0; i < n; i++)
				CHECK(got[i] == pattern(total + (size_t)i));
		IS(total, SIZE);
		ENDS(pid, EXITED(0));
		close(ends[1]);
	}
}

/* Small writes one after the other, which share frames. */
static void small_writes(void)
{
	enum { COUNT = 3000 };
	int ends[2], got[COUNT];

	both(AF_INET, ends);
	CHECK(!setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)));
	pid_t pid = fork();
	if (!pid) {
		for (int i = 0; i < COUNT; i++)
			IS(write(ends[0], &i, sizeof i), sizeof i);
		_exit(0);
	}
	IS(recv(ends[1], got, sizeof got, MSG_WAITALL), sizeof got);
	for (int i = 0; i < COUNT; i++)
		IS(got[i], i);
	ENDS(pid, EXITED(0));
}

static pid_t echo_server(int l)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	while (!pid) {
		char c;
		int s = accept(l, NULL, NULL);
		CHECK(s >= 0);
		while (read(s, &c, 1) == 1)
			IS(write(s, &c, 1), 1);
		close(s);
	}
	return pid;
}

static void many_connections_to_many_servers(void)
{
	enum { SERVERS = 3, CONNECTIONS = 1000 };
	uint16_t port;
	int l = serve(AF_INET, &port, 128);
	pid_t pids[SERVERS];

	for (int i = 0; i < SERVERS; i++)
		pids[i] = echo_server(l);
	for (int i = 0; i < CONNECTIONS; i++) {
		char c = (char)i, back;
		int s = reach(AF_INET, port);
		IS(write(s, &c, 1), 1);
		IS(read(s, &back, 1), 1);
		IS(back, c);
		close(s);
		if (i == CONNECTIONS / 2)
			kill(pids[0], SIGKILL);
	}
	for (int i = 0; i < SERVERS; i++)
		kill(pids[i], SIGKILL);
}

/* Once kill has returned, no connection goes to who is killed: it would be lost with him. The first that sleeps is who would be woken. */
static void the_killed_accept_no_more(void)
{
	enum { SERVERS = 20 };
	pid_t pids[SERVERS];
	uint16_t port;
	int l = serve(AF_INET, &port, 128);

	for (int i = 0; i < SERVERS; i++)
		until_asleep(pids[i] = echo_server(l));
	for (int i = 0; i < SERVERS - 1; i++) {
		char c = (char)i, back;
		kill(pids[i], SIGKILL);
		int s = reach(AF_INET, port);
		IS(write(s, &c, 1), 1);
		IS(read(s, &back, 1), 1);
		IS(back, c);
		close(s);
		ENDS(pids[i], SIGKILL);
		until_asleep(pids[SERVERS - 1]);
	}
}

/* Without a descriptor for it a connection is not taken: it waits until there is one. */
static void no_descriptor_no_accept(void)
{
	struct rlimit limit;
	uint16_t port;
	int l = serve(AF_INET, &port, 5), s = reach(AF_INET, port), server;
	char c;

	IS(write(s, "x", 1), 1);
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)s + 1;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < 3; i++)
		FAILS(accept(l, NULL, NULL), EMFILE);
	CHECK(ready(l, POLLIN) == POLLIN);
	limit.rlim_cur++;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	CHECK((server = accept(l, NULL, NULL)) >= 0);
	IS(read(server, &c, 1), 1);
}

static void epoll_watches_them(void)
{
	struct epoll_event event = { EPOLLIN | EPOLLET, { 0 } };
	uint16_t port;
	int l = serve(AF_INET, &port, 5), e = epoll_create1(0);

	CHECK(!epoll_ctl(e, EPOLL_CTL_ADD, l, &event));
	IS(epoll_wait(e, &event, 1, 0), 0);
	int s = reach(AF_INET, port);
	IS(epoll_wait(e, &event, 1, -1), 1);
	int server = accept(l, NULL, NULL);
	event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
	CHECK(!epoll_ctl(e, EPOLL_CTL_ADD, server, &event));
	IS(epoll_wait(e, &event, 1, 0), 0);
	IS(write(s, "x", 1), 1);
	IS(epoll_wait(e, &event, 1, -1), 1);
	IS(event.events, EPOLLIN);
	close(s);
	IS(epoll_wait(e, &event, 1, -1), 1);
	CHECK(event.events & EPOLLRDHUP);
}

static void the_dead_close_theirs(void)
{
	int ends[2];
	char c;

	both(AF_INET, ends);
	pid_t pid = fork();
	if (!pid) {
		close(ends[1]);
		(void)!read(ends[0], &c, 1);
		_exit(1);
	}
	close(ends[0]);
	until_asleep(pid);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
	IS(read(ends[1], &c, 1), 0);
}

static void options(void)
{
	struct tcp_info info;
	socklen_t length = sizeof info;
	int ends[2], value = 30;
	char name[16];

	both(AF_INET, ends);
	CHECK(!setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof value));
	value = 0;
	length = sizeof value;
	CHECK(!getsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, &length));
	IS(value, 30);
	value = 1;
	CHECK(!setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
	value = 0;
	CHECK(!getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, &length));
	IS(value, 1);
	length = sizeof info;
	CHECK(!getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &length));
	IS(info.tcpi_state, TCP_ESTABLISHED);
	length = sizeof name;
	CHECK(!getsockopt(ends[0], IPPROTO_TCP, TCP_CONGESTION, name, &length) && !strcmp(name, "cubic"));
	FAILS(setsockopt(ends[0], IPPROTO_TCP, TCP_CONGESTION, "none", 4), ENOENT);
	value = 0;
	FAILS(setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPCNT, &value, sizeof value), EINVAL);
	FAILS(setsockopt(ends[0], IPPROTO_TCP, 99, &value, sizeof value), ENOPROTOOPT);
	FAILS(setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value), ENOPROTOOPT);
	value = 9;
	CHECK(!setsockopt(ends[0], IPPROTO_IP, IP_TTL, &value, sizeof value));
	value = 256;
	FAILS(setsockopt(ends[0], IPPROTO_IP, IP_TTL, &value, sizeof value), EINVAL);
	FAILS(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, (void *)8, 4), EFAULT);
}

static void datagrams(void)
{
	struct sockaddr_storage a, from;
	static char large[60000], got[65536];
	socklen_t length = local(&a, AF_INET, 0), size = sizeof from;
	int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(!bind(s, (struct sockaddr *)&a, length) && !getsockname(s, (struct sockaddr *)&a, &length));
	FAILS(send(c, "x", 1, 0), EDESTADDRREQ);
	IS(sendto(c, "one", 3, 0, (struct sockaddr *)&a, length), 3);
	IS(recvfrom(s, got, sizeof got, 0, (struct sockaddr *)&from, &size), 3);
	IS(size, sizeof(struct sockaddr_in));
	CHECK(!connect(c, (struct sockaddr *)&a, length));
	IS(send(c, "second", 6, 0), 6);
	IS(recv(s, got, 2, MSG_TRUNC), 6);
	FAILS(recv(s, got, 1, MSG_DONTWAIT), EAGAIN);
	memset(large, 'x', sizeof large);
	IS(send(c, large, sizeof large, 0), sizeof large);
	IS(recv(s, got, sizeof got, 0), sizeof large);
	CHECK(!memcmp(large, got, sizeof large));
	FAILS(send(c, got, 65536, 0), EMSGSIZE);
	/* Nobody is there any more. */
	close(s);
	IS(send(c, "x", 1, 0), 1);
	FAILS(recv(c, got, 1, 0), ECONNREFUSED);
}

TESTS(T(talk_by_ipv4), T(talk_by_ipv6), T(nobody_there), T(connect_without_waiting), T(names_in_use), T(a_reset_is_told), T(small_writes), T(big_transfers),
	T(many_connections_to_many_servers), T(the_killed_accept_no_more), T(no_descriptor_no_accept), T(epoll_watches_them), T(the_dead_close_theirs), T(options), T(datagrams))
