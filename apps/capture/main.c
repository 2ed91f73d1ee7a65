/* capture: takes the packets that a classic BPF program accepts, and writes them as a pcap file or a line each. README.md says what it is good for, and what not. */
#include "output.h"
#include "parse.h"
#include "ring.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: capture [--write FILE | --print] [--count N] [PROGRAM]\n"
	"Takes the packets that PROGRAM accepts: a file with what `tcpdump -dd 'EXPRESSION'` prints, or standard input. They are written as a pcap file to standard output or FILE\n"
	"(capture ... | tcpdump -r -), or, with --print, as a line each: time, addresses, protocol, length. Ends after N packets, or at SIGINT or SIGTERM.\n"
	"\n"
	"It TAKES packets: nobody else gets what it gets, unlike on Linux. Of all filters that accept a packet the one that compares the most bits has it: a socket compares its port and\n"
	"the protocols below (48 bits), so `udp` (24) leaves it its packets, and does not see them; an expression that names an address too (56) takes them away.\n"
	"So it is for what nobody here listens to: a port without a socket, a protocol of one's own over Ethernet, strangers.\n";

struct options {
	const char *write, *program; /* null: standard output, standard input */
	uint64_t count;		     /* 0: no end */
	bool print;
};

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

static void wait_for_packets(void)
{
	if (sigsetjmp(waiting_place, 1) == 0) {
		waiting = 1;
		if (!stopping)
			ring_wait();
	}
	waiting = 0;
}

static _Noreturn void misused(void)
{
	fputs(usage, stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-' || !n || n == UINT64_MAX)
		errx(2, "%s: not a number that is possible here", text);
	return n;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "write", required_argument, NULL, 'w' }, { "print", no_argument, NULL, 'p' }, { "count", required_argument, NULL, 'c' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct options o = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'w': o.write = optarg; break;
		case 'p': o.print = true; break;
		case 'c': o.count = number(optarg); break;
		case 'h': fputs(usage, stdout); exit(0);
		default: misused();
		}
	}
	if (argc - optind > 1 || (o.write && o.print))
		misused();
	o.program = argv[optind];
	return o;
}

static void read_program(struct program *p, const char *file)
{
	FILE *text = file ? fopen(file, "re") : stdin;
	const char *name = file ? file : "standard input";

	if (!text)
		err(2, "%s", name);
	if (!program_read(p, text) && p->line)
		errx(2, "%s, line %u: %s", name, p->line, p->wrong);
	if (p->wrong)
		errx(2, "%s: %s", name, p->wrong);
	if (file)
		fclose(text);
}

static void start(const struct program *p)
{
	bool compiled;
	int n = ring_start();

	if (n == -ENOSYS)
		errx(1, "this is a program for ExOS: it binds packets by a filter of the kernel's, which Linux does not let it");
	if (n)
		errx(1, "no ring: %s", strerror(-n));
	n = ring_filter(p->instructions, p->n, &compiled);
	if (n == -EINVAL)
		errx(2, "the kernel refuses the program: it has an instruction that classic BPF has not, divides by zero, or becomes too much machine code");
	if (n == -EBUSY)
		errx(1, "these packets may be another account's");
	if (n < 0)
		errx(1, "no filter: %s", strerror(-n));
	if (!n)
		errx(2, "the program accepts no packet");
	fprintf(stderr, "capture: listening, %d filter%s, %s\n", n, n == 1 ? "" : "s", compiled ? "compiled" : "as atoms");
}

static void check(FILE *to)
{
	if (ferror(to))
		err(1, "what was captured cannot be written");
}

static void flush(FILE *to)
{
	fflush(to);
	check(to);
}

static uint64_t take(FILE *to, const struct options *o)
{
	uint64_t taken = 0;

	while (!stopping && (!o->count || taken < o->count)) {
		const struct aegis_packet *p = ring_first();

		if (!p) {
			flush(to); /* a reader at the other end of a pipe is not to wait for more */
			wait_for_packets();
			continue;
		}
		(o->print ? print_packet : pcap_packet)(to, p, ring_time(p));
		ring_done();
		check(to);
		taken++;
	}
	flush(to);
	return taken;
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	static struct program program;
	FILE *to = stdout;
	uint64_t taken;

	read_program(&program, o.program);
	if (o.write && !(to = fopen(o.write, "we")))
		err(1, "%s", o.write);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (!o.print)
		pcap_start(to);
	flush(to);
	start(&program);
	taken = take(to, &o);
	fprintf(stderr, "capture: %lu packet%s, %lu dropped\n", taken, taken == 1 ? "" : "s", ring_dropped());
	return 0;
}
