/* Threads of several processes do to the same sockets whatever comes to their mind, and close them under each other's feet while others wait: every call comes back, nothing crashes, and no memory is lost. */
#include "random.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sysinfo.h>

enum { FDS = 24, FIRST = 100, THREADS = 4, PROCESSES = 3, STEPS = 4000, SLACK_KB = 1024 };

static uint64_t seed;
static struct sockaddr_in name = { .sin_family = AF_INET };

static int any(struct random *r) { return FIRST + (int)random_below(r, FDS); }

/* To a number of those that all threads use: what was open there is closed. */
static void put(int fd, struct random *r)
{
	const struct timeval soon = { 0, 2000 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
	dup2(fd, any(r));
	close(fd);
}

static void make(struct random *r)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int ends[2];

	switch (random_below(r, 5)) {
	case 0:
		put(epoll_create1(0), r);
		break;
	case 1:
		put(socket(AF_INET, random_below(r, 4) ? SOCK_STREAM : SOCK_DGRAM, 0), r);
		break;
	case 2:
		if (!pipe2(ends, O_NONBLOCK)) {
			put(ends[0], r);
			put(ends[1], r);
		}
		break;
	default:
		if (!socketpair(AF_UNIX, types[random_below(r, 3)], 0, ends)) {
			put(ends[0], r);
			put(ends[1], r);
		}
	}
}

static void watch(struct random *r)
{
	struct epoll_event events[4], event = { EPOLLIN | EPOLLOUT | (random_below(r, 2) ? EPOLLET : 0) | (random_below(r, 3) ? 0 : EPOLLEXCLUSIVE), { .u32 = 0 } };
	struct pollfd fds[4];

	switch (random_below(r, 4)) {
	case 0:
		epoll_wait(any(r), events, 4, (int)random_below(r, 3));
		break;
	case 1:
		for (int i = 0; i < 4; i++)
			fds[i] = (struct pollfd){ any(r), POLLIN, 0 };
		poll(fds, 4, (int)random_below(r, 3));
		break;
	default:
		epoll_ctl(any(r), 1 + (int)random_below(r, 3), any(r), &event);
	}
}

static void use(struct random *r)
{
	static const struct timeval soon = { 0, 2000 };
	char bytes[3000] = { 0 };
	int fd = any(r);

	switch (random_below(r, 10)) {
	case 0:
		close(fd);
		break;
	case 1:
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
		connect(fd, (struct sockaddr *)&name, sizeof name);
		break;
	case 2:
		put(accept(fd, NULL, NULL), r);
		break;
	case 3:
		shutdown(fd, (int)random_below(r, 3));
		break;
	case 4:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
		break;
	case 5:
		if (random_below(r, 8) == 0)
			send_fds(fd, "x", 1, (int[]){ any(r) }, 1);
		break;
	case 6:
	case 7:
		send(fd, bytes, random_below(r, sizeof bytes), MSG_NOSIGNAL);
		break;
	default:
		recv(fd, bytes, random_below(r, sizeof bytes), random_below(r, 4) ? 0 : MSG_WAITALL);
	}
}

static void *thread(void *own_seed)
{
	struct random r = { (uint64_t)own_seed };

	for (int i = 0; i < STEPS; i++) {
		uint64_t what = random_below(&r, 10);

		if (what < 2)
			make(&r);
		else if (what < 4)
			watch(&r);
		else
			use(&r);
	}
	return NULL;
}

static void process(struct random *r)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, thread, (void *)random_next(r)));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	_exit(0);
}

/* One run, in a process that has all that is shared, and takes it with it. */
static void run(uint64_t own_seed)
{
	struct random r = { own_seed };
	socklen_t length = sizeof name;
	pid_t all = fork(), pids[PROCESSES];
	int l;

	CHECK(all >= 0);
	if (all) {
		ENDS(all, EXITED(0));
		return;
	}
	l = socket(AF_INET, SOCK_STREAM, 0);
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(!bind(l, (struct sockaddr *)&name, length) && !listen(l, 16) && !getsockname(l, (struct sockaddr *)&name, &length));
	put(l, &r);
	for (int i = 0; i < FDS; i++)
		make(&r);
	for (int i = 0; i < PROCESSES; i++) {
		struct random own = { random_next(&r) };

		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (!pids[i])
			process(&own);
	}
	ENDS(pids[0], EXITED(0));
	kill(pids[1], SIGKILL); /* in the middle of something, or not */
	for (int i = 1; i < PROCESSES; i++)
		IS(waitpid(pids[i], NULL, 0), pids[i]);
	_exit(0);
}

static long free_kb(void)
{
	struct sysinfo info;

	CHECK(!sysinfo(&info));
	return (long)(info.freeram * info.mem_unit >> 10);
}

static void every_call_comes_back_and_no_memory_is_lost(void)
{
	long before;

	run(seed); /* the heap grows to what it needs */
	before = free_kb();
	for (uint64_t i = 1; i <= 3; i++)
		run(seed + i);
	printf("# %ld KB less memory than after the first run\n", before - free_kb());
	CHECK(before - free_kb() < SLACK_KB);
}

int main(int argc, char **argv)
{
	(void)argc;
	seed = random_seed();
	return run_tests((struct test[]){ T(every_call_comes_back_and_no_memory_is_lost), { NULL, NULL } }, argv + 1);
}
