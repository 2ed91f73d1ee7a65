/* UNIX sockets: names, streams, connections and their ends. unix_messages.c has the other kinds, and what goes beside the bytes. */
#include "sockets.h"

#include <sys/ioctl.h>

static void bytes_go_both_ways_in_order(void)
{
	enum { TOTAL = 1 << 20 };
	static unsigned char buffer[7777];
	size_t total = 0;
	int ends[2];

	PAIR(SOCK_STREAM, ends);
	pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		for (ssize_t n; (n = read(ends[1], buffer, sizeof buffer)) > 0;)
			for (ssize_t done = 0, part; done < n; done += part)
				CHECK((part = write(ends[1], buffer + done, (size_t)(n - done))) > 0);
		_exit(0);
	}
	close(ends[1]);
	pid_t writer = fork();
	if (!writer) {
		for (size_t done = 0; done < TOTAL;) {
			size_t n = TOTAL - done < 5000 ? TOTAL - done : 5000;
			for (size_t i = 0; i < n; i++)
				buffer[i] = (unsigned char)((done + i) * 31 >> 3);
			CHECK(write(ends[0], buffer, n) == (ssize_t)n);
			done += n;
		}
		CHECK(!shutdown(ends[0], SHUT_WR));
		_exit(0);
	}
	for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0; total += (size_t)n)
		for (ssize_t i = 0; i < n; i++)
			CHECK(buffer[i] == (unsigned char)((total + (size_t)i) * 31 >> 3));
	IS(total, TOTAL);
	ENDS(writer, EXITED(0));
	ENDS(pid, EXITED(0));
}

static void names_in_the_file_system(void)
{
	struct sockaddr_un a;
	socklen_t length = sizeof a;
	struct stat st;
	char c;
	int l = listener(SOCK_STREAM, "/tmp/unix.name", 5), second = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(!stat("/tmp/unix.name", &st) && S_ISSOCK(st.st_mode));
	CHECK(!getsockname(l, (struct sockaddr *)&a, &length));
	IS(length, offsetof(struct sockaddr_un, sun_path) + sizeof "/tmp/unix.name");
	CHECK(!strcmp(a.sun_path, "/tmp/unix.name"));
	length = unix_name(&a, "/tmp/unix.name");
	FAILS(bind(second, (struct sockaddr *)&a, length), EADDRINUSE);
	FAILS(open("/tmp/unix.name", O_RDWR), ENXIO);
	FAILS(bind(l, (struct sockaddr *)&a, length), EINVAL);
	int client = connected(SOCK_STREAM, "/tmp/unix.name");
	length = sizeof a;
	CHECK(!getpeername(client, (struct sockaddr *)&a, &length) && !strcmp(a.sun_path, "/tmp/unix.name"));
	length = sizeof a;
	int server = accept(l, (struct sockaddr *)&a, &length);
	CHECK(server >= 0);
	IS(length, sizeof a.sun_family);
	IS(write(client, "x", 1), 1);
	IS(read(server, &c, 1), 1);
	/* Without its name nobody finds it, but whoever has it goes on. */
	CHECK(!unlink("/tmp/unix.name"));
	FAILS(connect_name(second, "/tmp/unix.name"), ENOENT);
	IS(write(server, "y", 1), 1);
	IS(read(client, &c, 1), 1);
	/* The name of one that has ended is refused. */
	close(listener(SOCK_STREAM, "/tmp/unix.name", 5));
	FAILS(connect_name(second, "/tmp/unix.name"), ECONNREFUSED);
	FAILS(connect_name(second, "/etc/passwd"), ECONNREFUSED);
	unlink("/tmp/unix.name");
}

static void names_ask_for_the_right_to_write(void)
{
	int l = listener(SOCK_STREAM, "/tmp/unix.rights", 5);

	CHECK(!chmod("/tmp/unix.rights", 0700) && l >= 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(!setgid(1000) && !setuid(1000));
		int s = socket(AF_UNIX, SOCK_STREAM, 0);
		FAILS(connect_name(s, "/tmp/unix.rights"), EACCES);
		struct sockaddr_un a;
		socklen_t length = unix_name(&a, "/unix.rights");
		FAILS(bind(s, (struct sockaddr *)&a, length), EACCES);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	unlink("/tmp/unix.rights");
}

static void abstract_names(void)
{
	struct sockaddr_un a, other;
	socklen_t length = unix_name(&a, "@abstract\1name"), got;
	int l = listener(SOCK_STREAM, "@abstract\1name", 5), s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);

	FAILS(bind(s, (struct sockaddr *)&a, length), EADDRINUSE);
	CHECK(!bind(d, (struct sockaddr *)&a, length)); /* each kind has its own */
	got = sizeof other;
	CHECK(!getsockname(l, (struct sockaddr *)&other, &got));
	IS(got, length);
	CHECK(!memcmp(&other, &a, length));
	FAILS(connect(s, (struct sockaddr *)&a, length - 1), ECONNREFUSED);
	CHECK(!connect(s, (struct sockaddr *)&a, length));
	close(l);
	l = listener(SOCK_STREAM, "@abstract\1name", 5); /* it went with its socket */
	/* One chosen by the system. */
	int autobound = socket(AF_UNIX, SOCK_DGRAM, 0);
	a.sun_family = AF_UNIX;
	CHECK(!bind(autobound, (struct sockaddr *)&a, sizeof a.sun_family));
	got = sizeof other;
	CHECK(!getsockname(autobound, (struct sockaddr *)&other, &got));
	IS(got, sizeof a.sun_family + 6);
	IS(other.sun_path[0], 0);
}

static void connect_refuses(void)
{
	int l = bound(SOCK_STREAM, "@refuses"), d = bound(SOCK_DGRAM, "/tmp/unix.dgram"), s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = { .sun_family = AF_INET };

	FAILS(connect_name(s, "@refuses"), ECONNREFUSED); /* bound, but does not listen */
	FAILS(connect_name(s, "/tmp/unix.dgram"), EPROTOTYPE);
	FAILS(connect(s, (struct sockaddr *)&a, sizeof a), EINVAL);
	FAILS(connect(s, (struct sockaddr *)&a, 1), EINVAL);
	FAILS(listen(s, 5), EINVAL); /* has no name */
	FAILS(listen(d, 5), EOPNOTSUPP);
	FAILS(accept(l, NULL, NULL), EINVAL);
	FAILS(accept(d, NULL, NULL), EOPNOTSUPP);
	CHECK(!listen(l, 5));
	CHECK(!connect_name(s, "@refuses"));
	FAILS(connect_name(s, "@refuses"), EISCONN);
	FAILS(listen(s, 5), EINVAL);
	FAILS(getpeername(l, (struct sockaddr *)&a, &(socklen_t){ sizeof a }), ENOTCONN);
	unlink("/tmp/unix.dgram");
}

static void a_full_backlog_waits_or_says_so(void)
{
	int l = listener(SOCK_STREAM, "@backlog", 1), s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), one;

	connected(SOCK_STREAM, "@backlog");
	connected(SOCK_STREAM, "@backlog");
	FAILS(connect_name(s, "@backlog"), EAGAIN);
	pid_t pid = fork();
	if (!pid) {
		connected(SOCK_STREAM, "@backlog");
		_exit(0);
	}
	until_asleep(pid);
	CHECK((one = accept(l, NULL, NULL)) >= 0);
	ENDS(pid, EXITED(0));
	/* Those that wait when the listener ends hear of it. */
	pid = fork();
	if (!pid) {
		close(l);
		s = socket(AF_UNIX, SOCK_STREAM, 0);
		FAILS(connect_name(s, "@backlog"), ECONNREFUSED);
		_exit(0);
	}
	until_asleep(pid);
	close(l);
	ENDS(pid, EXITED(0));
}

static void what_waits_to_be_accepted_is_written_to(void)
{
	char text[8];
	int l = listener(SOCK_STREAM, "@early", 5), s = connected(SOCK_STREAM, "@early");

	IS(write(s, "early", 5), 5);
	IS(ready(l, POLLIN), POLLIN);
	close(s);
	int server = accept(l, NULL, NULL);
	IS(read(server, text, sizeof text), 5);
	IS(read(server, text, sizeof text), 0);
	/* Nobody accepts it any more. */
	s = connected(SOCK_STREAM, "@early");
	close(l);
	FAILS(read(s, text, 1), ECONNRESET);
}

static void ends_are_told(void)
{
	int ends[2];
	char c;

	PAIR(SOCK_STREAM, ends);
	IS(write(ends[0], "ab", 2), 2);
	close(ends[0]);
	IS(ready(ends[1], POLLIN | POLLRDHUP), POLLIN | POLLHUP | POLLRDHUP);
	IS(read(ends[1], &c, 1), 1);
	IS(read(ends[1], &c, 1), 1);
	IS(read(ends[1], &c, 1), 0);
	pid_t pid = fork();
	if (!pid) {
		IS(write(ends[1], "x", 1), 1);
		_exit(0);
	}
	ENDS(pid, SIGPIPE);
	FAILS(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	/* Of what the other has sent not all was read. */
	PAIR(SOCK_STREAM, ends);
	IS(write(ends[1], "x", 1), 1);
	close(ends[0]);
	FAILS(read(ends[1], &c, 1), ECONNRESET);
	IS(read(ends[1], &c, 1), 0);
}

static void shutdown_ends_one_direction(void)
{
	int ends[2];
	char c;

	PAIR(SOCK_STREAM, ends);
	CHECK(!shutdown(ends[0], SHUT_WR));
	FAILS(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	IS(read(ends[1], &c, 1), 0);
	IS(ready(ends[1], POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	IS(write(ends[1], "y", 1), 1);
	IS(read(ends[0], &c, 1), 1);
	CHECK(!shutdown(ends[0], SHUT_RD));
	FAILS(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	IS(ready(ends[1], POLLIN), POLLIN | POLLHUP);
	FAILS(shutdown(ends[0], 3), EINVAL);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(shutdown(s, SHUT_RD), ENOTCONN);
	FAILS(read(s, &c, 1), EINVAL);
	FAILS(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
}

static void a_full_one_says_so(void)
{
	static char buffer[1 << 16];
	size_t written = 0, taken = 0;
	int ends[2];

	PAIR(SOCK_STREAM | SOCK_NONBLOCK, ends);
	FAILS(read(ends[0], buffer, 1), EAGAIN);
	for (ssize_t n; (n = write(ends[0], buffer, sizeof buffer)) > 0; written += (size_t)n)
		;
	IS(errno, EAGAIN);
	CHECK(written >= 65536);
	IS(ready(ends[0], POLLOUT), 0);
	int waiting;
	CHECK(!ioctl(ends[1], FIONREAD, &waiting));
	IS(waiting, written);
	for (ssize_t n; (n = read(ends[1], buffer, sizeof buffer)) > 0; taken += (size_t)n)
		;
	IS(taken, written);
	IS(ready(ends[0], POLLOUT), POLLOUT);
	/* A writer that waits goes on when there is room. */
	CHECK(!fcntl(ends[0], F_SETFL, 0) && !fcntl(ends[1], F_SETFL, 0));
	pid_t pid = fork();
	if (!pid) {
		for (int i = 0; i < 32; i++)
			IS(write(ends[0], buffer, sizeof buffer), sizeof buffer);
		_exit(0);
	}
	until_asleep(pid);
	for (size_t left = 32 * sizeof buffer; left;) {
		ssize_t n = read(ends[1], buffer, 1000);
		CHECK(n > 0);
		left -= (size_t)n;
	}
	ENDS(pid, EXITED(0));
}

static void peek_and_wait_for_all(void)
{
	int ends[2];
	char text[8] = "";

	PAIR(SOCK_STREAM, ends);
	IS(write(ends[0], "abcd", 4), 4);
	IS(recv(ends[1], text, 3, MSG_PEEK), 3);
	CHECK(!memcmp(text, "abc", 3));
	IS(recv(ends[1], text, 8, MSG_PEEK), 4);
	pid_t pid = fork();
	if (!pid) {
		IS(recv(ends[1], text, 8, MSG_WAITALL), 8);
		CHECK(!memcmp(text, "abcdefgh", 8));
		_exit(0);
	}
	until_asleep(pid);
	IS(write(ends[0], "ef", 2), 2);
	IS(write(ends[0], "gh", 2), 2);
	ENDS(pid, EXITED(0));
	IS(write(ends[0], "ij", 2), 2);
	close(ends[0]);
	IS(recv(ends[1], text, 8, MSG_WAITALL), 2);
	FAILS(recv(ends[1], text, 1, MSG_OOB), EOPNOTSUPP);
}

static void the_dead_leave_nothing_waiting(void)
{
	int ends[2], l = listener(SOCK_STREAM, "@dead", 0);
	char c;

	PAIR(SOCK_STREAM, ends);
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			static char buffer[1 << 20];
			if (i == 0)
				(void)!read(ends[0], &c, 1);
			else if (i == 1)
				(void)!write(ends[0], buffer, sizeof buffer);
			else
				(void)!accept(l, NULL, NULL);
			_exit(1);
		}
		until_asleep(pids[i]);
	}
	for (int i = 0; i < 3; i++) {
		CHECK(!kill(pids[i], SIGKILL));
		ENDS(pids[i], SIGKILL);
	}
	IS(write(ends[1], "x", 1), 1);
	IS(read(ends[0], &c, 1), 1);
	connected(SOCK_STREAM, "@dead");
	CHECK(accept(l, NULL, NULL) >= 0);
}

/* Several wait to accept: each connection is one's, and none is forgotten. */
static void many_wait_to_accept(void)
{
	enum { SERVERS = 4, CLIENTS = 40 };
	int l = listener(SOCK_STREAM, "@prefork", CLIENTS);
	pid_t pids[SERVERS];

	for (int i = 0; i < SERVERS; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		for (;;) {
			int s = accept(l, NULL, NULL);
			char c;
			CHECK(s >= 0);
			while (read(s, &c, 1) == 1)
				IS(write(s, &c, 1), 1);
			close(s);
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		char c = (char)i, back;
		int s = connected(SOCK_STREAM, "@prefork");
		IS(write(s, &c, 1), 1);
		IS(read(s, &back, 1), 1);
		IS(back, c);
		if (i == CLIENTS / 2) {
			kill(pids[0], SIGKILL);
			ENDS(pids[0], SIGKILL);
		}
		close(s);
	}
	for (int i = 1; i < SERVERS; i++)
		kill(pids[i], SIGKILL);
}

/* Once kill has returned, no connection goes to who is killed: it would be lost with him. */
static void the_killed_accept_no_more(void)
{
	enum { SERVERS = 8 };
	int l = listener(SOCK_STREAM, "@killed", SERVERS);
	pid_t pids[SERVERS];

	for (int i = 0; i < SERVERS; i++) {
		pids[i] = fork();
		while (!pids[i]) {
			char c;
			int s = accept(l, NULL, NULL);
			CHECK(s >= 0);
			IS(read(s, &c, 1), 1);
			IS(write(s, &c, 1), 1);
			close(s);
		}
		until_asleep(pids[i]);
	}
	for (int i = 0; i < SERVERS - 1; i++) {
		char c = (char)i, back;
		kill(pids[i], SIGKILL);
		int s = connected(SOCK_STREAM, "@killed");
		IS(write(s, &c, 1), 1);
		IS(read(s, &back, 1), 1);
		IS(back, c);
		close(s);
		ENDS(pids[i], SIGKILL);
		until_asleep(pids[SERVERS - 1]);
	}
}

static void thousands_of_them(void)
{
	enum { PAIRS = 480 };
	static int ends[PAIRS][2];
	char c;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < PAIRS; i++) {
			PAIR(SOCK_STREAM, ends[i]);
			IS(write(ends[i][0], "x", 1), 1);
		}
		for (int i = 0; i < PAIRS; i++)
			IS(read(ends[i][1], &c, 1), 1);
		for (int i = 0; i < PAIRS; i++) {
			close(ends[i][0]);
			close(ends[i][1]);
		}
	}
}

TESTS(T(bytes_go_both_ways_in_order), T(names_in_the_file_system), T(names_ask_for_the_right_to_write), T(abstract_names),
	T(connect_refuses), T(a_full_backlog_waits_or_says_so), T(what_waits_to_be_accepted_is_written_to), T(ends_are_told),
	T(shutdown_ends_one_direction), T(a_full_one_says_so), T(peek_and_wait_for_all), T(the_dead_leave_nothing_waiting),
	T(many_wait_to_accept), T(the_killed_accept_no_more), T(thousands_of_them))
