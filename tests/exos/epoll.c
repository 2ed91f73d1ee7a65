/* epoll: by level, by edge, once, exclusively; files that end while they are watched; epolls in epolls; what it costs. */
#include "sockets.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

static int new_epoll(void)
{
	int e = epoll_create1(EPOLL_CLOEXEC);

	CHECK(e >= 0);
	return e;
}

static int add(int e, int fd, uint32_t events)
{
	struct epoll_event event = { events, { .fd = fd } };

	return epoll_ctl(e, EPOLL_CTL_ADD, fd, &event);
}

static int change(int e, int fd, uint32_t events)
{
	struct epoll_event event = { events, { .fd = fd } };

	return epoll_ctl(e, EPOLL_CTL_MOD, fd, &event);
}

/* The events of the one that is told now; 0: none is. */
static uint32_t one(int e, int *fd)
{
	struct epoll_event events[4];
	int n = epoll_wait(e, events, 4, 0);

	CHECK(n == 0 || n == 1);
	if (n && fd)
		*fd = events[0].data.fd;
	return n ? events[0].events : 0;
}

static void by_level_it_is_told_until_it_is_over(void)
{
	int ends[2], e = new_epoll(), fd = -1;
	char c;

	CHECK(!pipe(ends));
	CHECK(!add(e, ends[0], EPOLLIN));
	IS(one(e, NULL), 0);
	IS(write(ends[1], "ab", 2), 2);
	IS(one(e, &fd), EPOLLIN);
	IS(fd, ends[0]);
	IS(read(ends[0], &c, 1), 1);
	IS(one(e, NULL), EPOLLIN);
	IS(read(ends[0], &c, 1), 1);
	IS(one(e, NULL), 0);
	close(ends[1]);
	IS(one(e, NULL), EPOLLHUP);
}

static void by_edge_it_is_told_once(void)
{
	int ends[2], e = new_epoll();

	PAIR(SOCK_STREAM, ends);
	IS(write(ends[1], "a", 1), 1);
	CHECK(!add(e, ends[0], EPOLLIN | EPOLLET));
	IS(one(e, NULL), EPOLLIN);
	IS(one(e, NULL), 0);
	IS(write(ends[1], "b", 1), 1);
	IS(one(e, NULL), EPOLLIN);
	IS(one(e, NULL), 0);
	CHECK(!change(e, ends[0], EPOLLIN | EPOLLET)); /* asks anew */
	IS(one(e, NULL), EPOLLIN);
	IS(one(e, NULL), 0);
	close(ends[1]);
	IS(one(e, NULL), EPOLLIN | EPOLLHUP);
	IS(one(e, NULL), 0);
}

static void room_is_told_by_edge(void)
{
	static char buffer[1 << 16];
	int ends[2], e = new_epoll();

	PAIR(SOCK_STREAM | SOCK_NONBLOCK, ends);
	CHECK(!add(e, ends[0], EPOLLOUT | EPOLLET));
	IS(one(e, NULL), EPOLLOUT);
	while (write(ends[0], buffer, sizeof buffer) > 0)
		;
	IS(errno, EAGAIN);
	IS(one(e, NULL), 0);
	while (read(ends[1], buffer, sizeof buffer) > 0)
		;
	IS(one(e, NULL), EPOLLOUT);
}

static void once_is_once(void)
{
	int ends[2], e = new_epoll();

	CHECK(!pipe(ends));
	CHECK(!add(e, ends[0], EPOLLIN | EPOLLONESHOT));
	IS(write(ends[1], "a", 1), 1);
	IS(one(e, NULL), EPOLLIN);
	IS(one(e, NULL), 0);
	IS(write(ends[1], "a", 1), 1);
	IS(one(e, NULL), 0);
	close(ends[1]);
	IS(one(e, NULL), 0);
	CHECK(!change(e, ends[0], EPOLLIN | EPOLLONESHOT));
	IS(one(e, NULL), EPOLLIN | EPOLLHUP);
}

static void a_file_that_ends_is_forgotten(void)
{
	int ends[2], e = new_epoll(), fd;

	CHECK(!pipe(ends));
	int second = dup(ends[0]);
	CHECK(!add(e, ends[0], EPOLLIN));
	CHECK(!add(e, second, EPOLLIN)); /* another number of the same file is another watch */
	FAILS(add(e, second, EPOLLIN), EEXIST);
	IS(write(ends[1], "a", 1), 1);
	CHECK(!epoll_ctl(e, EPOLL_CTL_DEL, second, NULL));
	int number = ends[0];
	close(ends[0]); /* the file lives on, and so does the watch: by a number that is closed */
	IS(one(e, &fd), EPOLLIN);
	IS(fd, number);
	FAILS(epoll_ctl(e, EPOLL_CTL_DEL, number, NULL), EBADF);
	close(second);
	IS(one(e, NULL), 0);
	IS(dup2(ends[1], number), number);
	CHECK(!add(e, number, EPOLLOUT));
}

static void the_epoll_may_end_first(void)
{
	for (int i = 0; i < 200; i++) {
		int ends[2], e = new_epoll();

		PAIR(SOCK_STREAM, ends);
		CHECK(!add(e, ends[0], EPOLLIN | EPOLLOUT));
		if (i & 1)
			close(e);
		IS(write(ends[1], "a", 1), 1);
		close(ends[i >> 1 & 1]);
		close(ends[!(i >> 1 & 1)]);
		if (!(i & 1))
			close(e);
	}
}

static void waits_and_is_woken(void)
{
	struct epoll_event event;
	int ends[2], e = new_epoll();

	PAIR(SOCK_STREAM, ends);
	CHECK(!add(e, ends[0], EPOLLIN));
	int64_t start = now_ms();
	IS(epoll_wait(e, &event, 1, 50), 0);
	CHECK(now_ms() - start >= 49);
	pid_t pid = fork();
	if (!pid) {
		IS(epoll_wait(e, &event, 1, -1), 1);
		IS(event.events, EPOLLIN);
		_exit(0);
	}
	until_asleep(pid);
	IS(write(ends[1], "x", 1), 1);
	ENDS(pid, EXITED(0));
}

static void caught(int number) { (void)number; }

static void a_signal_ends_the_wait(void)
{
	struct epoll_event event;
	struct timespec soon = { 0, 20000000 };
	sigset_t none, alarms;
	int e = new_epoll();

	signal(SIGALRM, caught);
	sigemptyset(&none);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	CHECK(!sigprocmask(SIG_BLOCK, &alarms, NULL));
	kill(getpid(), SIGALRM);
	IS(syscall(SYS_epoll_pwait2, e, &event, 1, &soon, NULL, 8), 0);
	FAILS(epoll_pwait(e, &event, 1, -1, &none), EINTR);
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &none) && sigismember(&none, SIGALRM));
	FAILS(syscall(SYS_epoll_pwait2, e, &event, 1, &(struct timespec){ 0, -1 }, NULL, 8), EINVAL);
}

static void one_of_many_who_wait_exclusively(void)
{
	enum { WAITERS = 5 };
	int ends[2], told[2], go[2];
	pid_t pids[WAITERS];
	char c;

	PAIR(SOCK_STREAM, ends);
	CHECK(!pipe(told) && !pipe(go));
	for (int i = 0; i < WAITERS; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		struct epoll_event event;
		int e = new_epoll();
		CHECK(!add(e, ends[0], EPOLLIN | EPOLLEXCLUSIVE));
		FAILS(change(e, ends[0], EPOLLIN), EINVAL);
		IS(epoll_wait(e, &event, 1, -1), 1);
		IS(write(told[1], "x", 1), 1);
		IS(read(go[0], &c, 1), 0);
		_exit(0);
	}
	for (int i = 0; i < WAITERS; i++)
		until_asleep(pids[i]);
	IS(write(ends[1], "x", 1), 1);
	IS(read(told[0], &c, 1), 1);
	for (int i = 0; i < WAITERS; i++)
		until_asleep(pids[i]);
	CHECK(!fcntl(told[0], F_SETFL, O_NONBLOCK));
	FAILS(read(told[0], &c, 1), EAGAIN);
	for (int i = 0; i < WAITERS; i++)
		kill(pids[i], SIGKILL);
}

static _Noreturn void waits_for_its_end(int e, int told, uint32_t which)
{
	struct epoll_event event;

	IS(epoll_wait(e, &event, 1, -1), 1);
	IS(write(told, &which, sizeof which), sizeof which);
	for (;;)
		pause();
}

/* One is told in place of all, and killed before he has done anything about it: the next is told. On Linux nobody is. */
static void who_dies_exclusively_is_replaced(void)
{
	enum { WAITERS = 4 };
	int ends[2], told[2];
	pid_t pids[WAITERS];

	if (!on_exos())
		return;
	PAIR(SOCK_STREAM, ends);
	CHECK(!pipe(told));
	for (uint32_t i = 0; i < WAITERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			int e = new_epoll();
			CHECK(!add(e, ends[0], EPOLLIN | EPOLLEXCLUSIVE));
			waits_for_its_end(e, told[1], i);
		}
		until_asleep(pids[i]);
	}
	IS(write(ends[1], "x", 1), 1);
	for (int i = 0; i < WAITERS; i++) {
		uint32_t which;
		IS(read(told[0], &which, sizeof which), sizeof which);
		CHECK(which < WAITERS);
		kill(pids[which], SIGKILL);
		ENDS(pids[which], SIGKILL);
	}
}

/* Once kill has returned, who is killed takes no event that others could have. */
static void the_killed_are_told_nothing(void)
{
	enum { WAITERS = 8 };
	int ends[2], told[2], e = new_epoll();
	pid_t pids[WAITERS];

	CHECK(!pipe(told));
	for (uint32_t i = 0; i < WAITERS; i++) {
		pids[i] = fork();
		if (!pids[i])
			waits_for_its_end(e, told[1], i);
		until_asleep(pids[i]);
	}
	for (uint32_t i = 0; i < WAITERS; i++) { /* the one that has slept the longest is killed; who is told then ends as well */
		uint32_t which;
		if (!pids[i])
			continue;
		PAIR(SOCK_STREAM, ends);
		CHECK(!add(e, ends[0], EPOLLIN | EPOLLET));
		kill(pids[i], SIGKILL);
		IS(write(ends[1], "x", 1), 1);
		IS(read(told[0], &which, sizeof which), sizeof which);
		CHECK(which != i && which < WAITERS && pids[which]);
		ENDS(pids[i], SIGKILL);
		kill(pids[which], SIGKILL);
		ENDS(pids[which], SIGKILL);
		pids[i] = pids[which] = 0;
	}
}

/* Whoever shares an epoll shares its events: by edge each is one's. */
static void shared_by_processes(void)
{
	enum { WORKERS = 4, SOCKETS = 50 };
	static int ends[SOCKETS][2];
	int e = new_epoll(), told[2];
	pid_t pids[WORKERS];
	char seen[SOCKETS] = { 0 };

	CHECK(!pipe(told));
	for (int i = 0; i < SOCKETS; i++) {
		PAIR(SOCK_STREAM, ends[i]);
		struct epoll_event event = { EPOLLIN | EPOLLET, { .u32 = (uint32_t)i } };
		CHECK(!epoll_ctl(e, EPOLL_CTL_ADD, ends[i][0], &event));
	}
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		while (!pids[i]) {
			struct epoll_event event;
			IS(epoll_wait(e, &event, 1, -1), 1);
			IS(write(told[1], &event.data.u32, 1), 1);
		}
	}
	for (int i = 0; i < SOCKETS; i++)
		IS(write(ends[i][1], "x", 1), 1);
	for (int i = 0; i < SOCKETS; i++) {
		unsigned char which;
		IS(read(told[0], &which, 1), 1);
		CHECK(which < SOCKETS && !seen[which]);
		seen[which] = 1;
	}
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
}

static void epolls_in_epolls(void)
{
	struct pollfd p;
	int ends[2], inner = new_epoll(), outer = new_epoll(), fd;

	CHECK(!pipe(ends));
	CHECK(!add(inner, ends[0], EPOLLIN));
	CHECK(!add(outer, inner, EPOLLIN));
	IS(one(outer, NULL), 0);
	IS(write(ends[1], "x", 1), 1);
	IS(one(outer, &fd), EPOLLIN);
	IS(fd, inner);
	p = (struct pollfd){ outer, POLLIN, 0 };
	IS(poll(&p, 1, 0), 1);
	FAILS(add(inner, outer, EPOLLIN), ELOOP);
	FAILS(add(inner, inner, EPOLLIN), EINVAL);
	int last = outer, depth = 2;
	for (; depth < 10; depth++) {
		int next = new_epoll();
		if (add(next, last, EPOLLIN))
			break;
		last = next;
	}
	IS(errno, ELOOP);
	CHECK(depth >= 4 && depth < 8);
	IS(one(last, NULL), EPOLLIN);
	char c;
	IS(read(ends[0], &c, 1), 1);
	IS(one(last, NULL), 0);
	IS(write(ends[1], "x", 1), 1);
	IS(one(last, NULL), EPOLLIN);
	/* poll waits for what an epoll watches. */
	IS(read(ends[0], &c, 1), 1);
	pid_t pid = fork();
	if (!pid) {
		IS(poll(&p, 1, -1), 1);
		_exit(0);
	}
	until_asleep(pid);
	IS(write(ends[1], "x", 1), 1);
	ENDS(pid, EXITED(0));
}

static void refuses(void)
{
	struct epoll_event event = { EPOLLIN, { 0 } };
	int ends[2], e = new_epoll(), f = open("/tmp/epoll.file", O_RDWR | O_CREAT, 0600);

	CHECK(!pipe(ends));
	FAILS(syscall(SYS_epoll_create, 0), EINVAL);
	FAILS(epoll_create1(1), EINVAL);
	FAILS(add(e, f, EPOLLIN), EPERM);
	FAILS(add(ends[0], ends[1], EPOLLIN), EINVAL);
	FAILS(add(e, 999, EPOLLIN), EBADF);
	FAILS(add(999, ends[0], EPOLLIN), EBADF);
	FAILS(change(e, ends[0], EPOLLIN), ENOENT);
	FAILS(epoll_ctl(e, EPOLL_CTL_DEL, ends[0], &event), ENOENT);
	FAILS(epoll_ctl(e, 9, ends[0], &event), EINVAL);
	FAILS(epoll_ctl(e, EPOLL_CTL_ADD, ends[0], NULL), EFAULT);
	FAILS(epoll_wait(e, &event, 0, 0), EINVAL);
	FAILS(epoll_wait(e, &event, -1, 0), EINVAL);
	FAILS(epoll_wait(ends[0], &event, 1, 0), EINVAL);
	FAILS(add(e, ends[0], EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	CHECK(!add(e, ends[1], EPOLLOUT));
	FAILS(epoll_wait(e, (void *)8, 1, 0), EFAULT);
	FAILS(epoll_wait(e, (void *)-8l, 1, 0), EFAULT);
	IS(one(e, NULL), EPOLLOUT); /* what could not be told is not lost */
	unlink("/tmp/epoll.file");
}

/* What a wait costs does not grow with what is watched: time for few and for many, the best of several tries. */
static int64_t best_ns(int e, int write_end, int read_end)
{
	int64_t best = INT64_MAX;

	for (int try = 0; try < 20; try++) {
		struct epoll_event event;
		struct timespec from, to;
		char c;

		clock_gettime(CLOCK_MONOTONIC, &from);
		for (int i = 0; i < 20; i++) {
			CHECK(write(write_end, "x", 1) == 1);
			CHECK(epoll_wait(e, &event, 1, 0) == 1);
			CHECK(read(read_end, &c, 1) == 1);
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		int64_t ns = (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
		best = ns < best ? ns : best;
	}
	return best;
}

static void a_wait_costs_what_is_ready(void)
{
	enum { IDLE = 900 };
	int ends[2], e = new_epoll();

	CHECK(!pipe(ends));
	CHECK(!add(e, ends[0], EPOLLIN));
	int64_t few = best_ns(e, ends[1], ends[0]);
	for (int i = 0; i < IDLE; i++) {
		int s = socket(AF_UNIX, SOCK_DGRAM, 0);
		CHECK(s >= 0 && !add(e, s, EPOLLIN));
	}
	int64_t many = best_ns(e, ends[1], ends[0]);
	printf("# %d ns beside nothing, %d beside %d\n", (int)(few / 20), (int)(many / 20), IDLE);
	CHECK(many < 3 * few);
}

/* One of those that wait to accept is enough; but who watches is no waiter that would accept. */
static void connections_are_told(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/tmp/epoll.listener" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), e = new_epoll();
	pid_t pid;

	CHECK(!bind(l, (void *)&name, sizeof(name)) && !listen(l, 8) && !add(e, l, EPOLLIN));
	pid = fork();
	if (!pid)
		_exit(accept(l, NULL, NULL) < 0);
	until_asleep(pid);
	CHECK(!connect(c, (void *)&name, sizeof(name)));
	ENDS(pid, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	pid = fork();
	if (!pid) {
		struct epoll_event event;
		_exit(epoll_wait(e, &event, 1, 5000) != 1);
	}
	until_asleep(pid);
	CHECK(!connect(c, (void *)&name, sizeof(name)));
	ENDS(pid, 0);
	unlink(name.sun_path);
}

/* Who has just answered first gives the other his turn, and sleeps if there is nothing when he looks again: then he has to be woken like everybody. */
static void who_answered_and_found_nothing_is_woken(void)
{
	int ends[2];
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid = fork();
	if (!pid) {
		struct epoll_event event;
		int e = new_epoll();
		char c;

		for (int i = add(e, ends[1], EPOLLIN) ? 10 : 0; i < 10; i++)
			if (epoll_wait(e, &event, 1, 5000) != 1 || read(ends[1], &c, 1) != 1 || write(ends[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 10; i++) {
		char c = 'x';

		until_asleep(pid);
		IS(write(ends[0], &c, 1), 1);
		IS(read(ends[0], &c, 1), 1);
	}
	ENDS(pid, 0);
}

static void the_dead_leave_nothing_waiting(void)
{
	int ends[2], e = new_epoll();

	CHECK(!pipe(ends) && !add(e, ends[0], EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (!pid) {
			struct epoll_event event;
			(void)!epoll_wait(e, &event, 1, -1);
			_exit(1);
		}
		until_asleep(pid);
		kill(pid, SIGKILL);
		ENDS(pid, SIGKILL);
	}
	IS(write(ends[1], "x", 1), 1);
	IS(one(e, NULL), EPOLLIN);
}

TESTS(T(by_level_it_is_told_until_it_is_over), T(by_edge_it_is_told_once), T(room_is_told_by_edge), T(once_is_once), T(a_file_that_ends_is_forgotten),
	T(the_epoll_may_end_first), T(waits_and_is_woken), T(a_signal_ends_the_wait), T(one_of_many_who_wait_exclusively), T(shared_by_processes), T(who_dies_exclusively_is_replaced), T(the_killed_are_told_nothing), T(epolls_in_epolls), T(refuses),
	T(a_wait_costs_what_is_ready), T(connections_are_told), T(who_answered_and_found_nothing_is_woken), T(the_dead_leave_nothing_waiting))
