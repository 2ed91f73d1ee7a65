/* Processes are killed at any moment of accept, connect, send, receive and epoll_wait, on sockets that they share: those who are left are served, and of the dead nothing is left. */
#include "random.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>

enum { FAMILIES = 2, SERVERS = 4, POLLERS = 3, CLIENTS = 5, WORKERS = SERVERS + POLLERS + CLIENTS, KILLS = 60, LARGE = 20000 };

static int listeners[FAMILIES], shared; /* shared: an epoll of all, which watches the listeners */
static struct sockaddr_in tcp_name = { .sin_family = AF_INET };
static uint64_t seed;

static int reach(int family)
{
	int s;

	if (family)
		return connected(SOCK_STREAM, "@deaths");
	s = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(s >= 0 && !connect(s, (struct sockaddr *)&tcp_name, sizeof tcp_name));
	return s;
}

/* The other end may die in the middle. */
static bool echo(int s)
{
	static char bytes[LARGE];
	ssize_t n = read(s, bytes, sizeof bytes), done = 0, part;

	while (done < n && (part = send(s, bytes + done, (size_t)(n - done), MSG_NOSIGNAL)) > 0)
		done += part;
	return n > 0 && done == n;
}

static _Noreturn void server(int family)
{
	for (;;) {
		int s = accept(listeners[family], NULL, NULL);

		CHECK(s >= 0);
		while (echo(s))
			;
		close(s);
	}
}

/* By an epoll that all pollers share, or one of its own that waits exclusively. */
static _Noreturn void poller(bool own)
{
	int e = own ? epoll_create1(0) : shared;

	for (int i = 0; i < FAMILIES && own; i++)
		CHECK(!epoll_ctl(e, EPOLL_CTL_ADD, listeners[i], &(struct epoll_event){ EPOLLIN | EPOLLEXCLUSIVE, { .fd = listeners[i] } }));
	for (;;) {
		struct epoll_event event;
		int s;

		IS(epoll_wait(e, &event, 1, -1), 1);
		s = accept4(event.data.fd, NULL, NULL, 0);
		CHECK(s >= 0 || errno == EAGAIN);
		while (s >= 0 && echo(s))
			;
		if (s >= 0)
			close(s);
	}
}

/* 0: the other end was killed. */
static bool converse(int family, struct random *r)
{
	static char bytes[LARGE], back[LARGE];
	size_t length = 1 + random_below(r, random_below(r, 4) ? 100 : LARGE), got = 0;
	int s = reach(family);
	ssize_t n = send(s, bytes, length, MSG_NOSIGNAL);

	while (n > 0 && got < length && (n = recv(s, back, length - got, 0)) > 0)
		got += (size_t)n;
	close(s);
	return got == length;
}

static _Noreturn void client(uint64_t own_seed)
{
	struct random r = { own_seed };

	for (;;)
		converse((int)random_below(&r, FAMILIES), &r);
}

static pid_t worker(int which, uint64_t own_seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	if (which < SERVERS)
		server(which % FAMILIES);
	if (which < SERVERS + POLLERS)
		poller(which % 2);
	client(own_seed);
}

static void listen_by_both(void)
{
	socklen_t length = sizeof tcp_name;

	tcp_name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listeners[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!bind(listeners[0], (struct sockaddr *)&tcp_name, length) && !listen(listeners[0], 64) && !getsockname(listeners[0], (struct sockaddr *)&tcp_name, &length));
	listeners[1] = listener(SOCK_STREAM, "@deaths", 64);
	shared = epoll_create1(0);
	for (int i = 0; i < FAMILIES; i++) {
		CHECK(!fcntl(listeners[i], F_SETFL, 0));
		CHECK(!epoll_ctl(shared, EPOLL_CTL_ADD, listeners[i], &(struct epoll_event){ EPOLLIN, { .fd = listeners[i] } }));
	}
}

/* Connections of the port that are not closed, in /proc/net/tcp, beside the listener. */
static int left_over(void)
{
	static char text[65536];
	char port[8];
	int fd = open("/proc/net/tcp", O_RDONLY), count = 0;
	size_t length = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)n;
	close(fd);
	text[length] = 0;
	snprintf(port, sizeof port, ":%04X", ntohs(tcp_name.sin_port));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char own[64], other[64];
		unsigned state;

		if (sscanf(line, " %*s %63s %63s %x", own, other, &state) == 3 && (strstr(own, port) || strstr(other, port)))
			count += state != 0x0a && state != 0x06; /* LISTEN, TIME_WAIT */
	}
	return count;
}

static void kill_all(pid_t *pids)
{
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < WORKERS; i++)
		ENDS(pids[i], SIGKILL);
}

static void the_living_are_served_and_of_the_dead_nothing_is_left(void)
{
	pid_t pids[WORKERS];
	struct random r = { seed };

	listen_by_both();
	for (int i = 0; i < WORKERS; i++)
		pids[i] = worker(i, random_next(&r));
	for (int n = 0; n < KILLS; n++) {
		int i = (int)random_below(&r, WORKERS);

		for (uint64_t yields = random_below(&r, 30); yields; yields--)
			sched_yield();
		kill(pids[i], SIGKILL);
		if (!on_exos()) /* there who is killed may still accept, until he has ended */
			ENDS(pids[i], SIGKILL);
		if (random_below(&r, 2)) {
			CHECK(converse(0, &r));
			CHECK(converse(1, &r));
		}
		if (on_exos())
			ENDS(pids[i], SIGKILL);
		pids[i] = worker(i, random_next(&r));
	}
	kill_all(pids);
	for (int i = 0; i < FAMILIES; i++)
		close(listeners[i]);
	while (left_over())
		sched_yield();
}

int main(int argc, char **argv)
{
	(void)argc;
	seed = random_seed();
	return run_tests((struct test[]){ T(the_living_are_served_and_of_the_dead_nothing_is_left), { NULL, NULL } }, argv + 1);
}
