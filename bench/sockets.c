/* A byte there and back between two processes, by sockets. Prints `row value`, ticks of the time-stamp counter a round trip, which under instruction counting are guest instructions. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "processes.h"

static int ends[2], listener;

static void echo(int s)
{
	char c;

	while (read(s, &c, 1) == 1)
		check(write(s, &c, 1) == 1, "echo");
}

static void echo_pair(void)
{
	close(ends[0]);
	echo(ends[1]);
	exit(0);
}

static void pair(void)
{
	char c = 'x';

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	pid_t pid = other_end(echo_pair);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++)
			check(write(ends[0], &c, 1) == 1 && read(ends[0], &c, 1) == 1, "pair");
	}
	printf("socketpair.rt %lu\n", each(ROUNDS));
	end(pid);
}

/* The other waits by epoll, as servers do. */
static void echo_by_epoll(void)
{
	struct epoll_event event = { EPOLLIN, { .fd = ends[1] } };
	int e = epoll_create1(0);

	check(e >= 0 && !epoll_ctl(e, EPOLL_CTL_ADD, ends[1], &event), "epoll_ctl");
	for (;;) {
		char c;

		check(epoll_wait(e, &event, 1, -1) == 1, "epoll_wait");
		check(read(event.data.fd, &c, 1) == 1 && write(event.data.fd, &c, 1) == 1, "echo");
	}
}

static void by_epoll(void)
{
	char c = 'x';

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	pid_t pid = other_end(echo_by_epoll);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++)
			check(write(ends[0], &c, 1) == 1 && read(ends[0], &c, 1) == 1, "pair");
	}
	printf("epoll.rt %lu\n", each(ROUNDS));
	end(pid);
}

static const struct sockaddr_un name = { AF_UNIX, "\0bench" };
#define NAME_LENGTH (sizeof(sa_family_t) + 6)

static void serve(void)
{
	for (;;) {
		int s = accept(listener, NULL, NULL);

		check(s >= 0, "accept");
		echo(s);
		close(s);
	}
}

static void connections(void)
{
	char c = 'x';

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	check(!bind(listener, (const struct sockaddr *)&name, NAME_LENGTH) && !listen(listener, 8), "listen");
	pid_t pid = other_end(serve);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS / 4; i++) {
			int s = socket(AF_UNIX, SOCK_STREAM, 0);

			check(!connect(s, (const struct sockaddr *)&name, NAME_LENGTH), "connect");
			check(write(s, &c, 1) == 1 && read(s, &c, 1) == 1, "request");
			close(s);
		}
	}
	printf("unix.rt %lu\n", each(ROUNDS / 4));
	end(pid);
}

/* The same over the loopback address. */
static void tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char c = 'x';

	if (l < 0) { /* the machine has no network interface */
		printf("# tcp.loopback.rt: no internet sockets here\n");
		return;
	}
	check(!bind(l, (struct sockaddr *)&a, length) && !listen(l, 1) && !getsockname(l, (struct sockaddr *)&a, &length), "listen");
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	check(!connect(ends[0], (struct sockaddr *)&a, length), "connect");
	ends[1] = accept(l, NULL, NULL);
	check(ends[1] >= 0 && !setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) && !setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), "accept");
	pid_t pid = other_end(echo_pair);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++)
			check(write(ends[0], &c, 1) == 1 && read(ends[0], &c, 1) == 1, "tcp");
	}
	printf("tcp.loopback.rt %lu\n", each(ROUNDS));
	end(pid);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	pair();
	by_epoll();
	connections();
	tcp();
	return 0;
}
