/* web: serves a folder's files over HTTP/1.1, on a network stack of its own (exos/lib/net), from frames in which they lie as they go out. README.md says what
 * it can do; docs/web.md, why it is made so. */
#include "cache.h"
#include "server.h"

#include <exos/lib/net/memory.h>
#include <exos/lib/net/port.h>

#include <err.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 1024 /* of the ring: 2 MB */

static const char usage[] =
	"usage: web [--port 80] [--cache SIZE] [--ready] [--report] FOLDER\n"
	"Serves the files in FOLDER over HTTP/1.1. --cache: memory for files, in bytes, or with K, M, G (a quarter of what is free); --ready: says `ready` on a line of its own\n"
	"when it serves, and ends at the end of standard input; --report: says at its end what it has done. SIGTERM and SIGINT end it.\n";

static sigjmp_buf waiting_place;
static volatile sig_atomic_t stopping, waiting;

/* A signal that comes before the wait, but after the look at `stopping`, is seen all the same. */
static void stop(int number)
{
	(void)number;
	stopping = 1;
	if (waiting)
		siglongjmp(waiting_place, 1);
}

static void wait_for_packets(uint64_t due)
{
	if (sigsetjmp(waiting_place, 1) == 0) {
		waiting = 1;
		if (!stopping)
			port_wait(due);
	}
	waiting = 0;
}

static uint64_t number(const char *text, uint64_t most, bool size)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	unsigned shift = !size ? 0 : *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;

	if (end == text || *text == '-' || end[shift != 0] || !n || n > most >> shift)
		errx(2, "%s: not a number that is possible here", text);
	return n << shift;
}

/* A child that ends us when standard input does: it waits for that, and we for packets. */
static pid_t watch_input(void)
{
	pid_t parent = getpid(), child = fork();
	char bytes[512];

	if (child < 0)
		err(1, "fork");
	if (child)
		return child;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
		;
	kill(parent, SIGTERM);
	_exit(0);
}

static void serve(void)
{
	while (!stopping) {
		uint64_t due = server_tick(port_now());

		if (!port_input())
			wait_for_packets(due);
	}
}

static void report(void)
{
	struct server_counts s = server_counts();
	struct cache_counts c = cache_counts();
	struct port_counts p = port_counts();

	fprintf(stderr, "web: %lu requests on %lu connections, %lu of them open; %lu files, %lu frames of them read in %lu parts, %lu gone; %lu frames for the stack; %lu packets dropped, device full %lu times\n", s.requests,
		s.connections, s.open, c.files, c.frames, c.reads, c.evicted, memory_frames(), p.dropped, p.full);
}

static uint64_t quarter_of_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 64 << 20 : (uint64_t)info.freeram * info.mem_unit / 4;
}

static void start(const char *folder, uint64_t memory, uint16_t port)
{
	struct net_stack *stack;
	int error;

	if (cache_start(folder, memory))
		err(1, "%s", folder);
	error = port_start(SLOTS, &stack);
	if (error == -ENOSYS)
		errx(1, "this is a program for ExOS: it brings a network stack of its own, which Linux does not let it run");
	if (!error)
		error = server_start(stack, port);
	if (error)
		errx(1, "port %u: %s", port, strerror(-error));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' }, { "cache", required_argument, NULL, 'c' }, { "ready", no_argument, NULL, 'r' }, { "report", no_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	uint64_t memory = quarter_of_memory();
	uint16_t port = 80;
	bool ready = false, reports = false;
	pid_t watcher = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = (uint16_t)number(optarg, UINT16_MAX, false);
			break;
		case 'c':
			memory = number(optarg, UINT64_MAX >> 1, true);
			break;
		case 'r':
			ready = true;
			break;
		case 's':
			reports = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (ready)
		watcher = watch_input();
	start(argv[optind], memory, port);
	if (ready) {
		puts("ready");
		fflush(stdout);
	}
	serve();
	if (reports)
		report();
	if (watcher) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
	}
	return 0;
}
