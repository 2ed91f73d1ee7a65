/* wire: runs a command with a network between it and the host that is as bad as wished. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define TURN_NS 50000000u /* at most: to see that the command has ended */

static const char usage[] =
	"usage: wire [OPTIONS] -- COMMAND [ARGS...]\n"
	"\n"
	"Runs COMMAND, with @NET@ in its arguments replaced by what ./exo run --net takes (also in the environment, WIRE_NET; WIRE_NET2 with --second), and carries frames between\n"
	"that machine's network card and a network with gateway 10.0.2.2, name server 10.0.2.3 and DHCP. Its exit status is COMMAND's.\n"
	"\n"
	"  --publish [udp:]HOSTPORT:PORT   forward a loopback port of the host (repeatable)\n"
	"  --loss N, --duplicate N, --reorder N, --corrupt N   of a thousand frames, each way (0)\n"
	"  --delay US                      every frame takes so long (0)\n"
	"  --seed N                        for those decisions (from the clock); printed with --summary\n"
	"  --syn-flood PORT:RATE           so many SYNs a second from addresses that never answer\n"
	"  --malformed COUNT:RATE          frames that have passed, broken, so many a second\n"
	"  --begin FILE                    SYNs and malformed frames begin when there is this file, which is removed when all malformed frames are sent\n"
	"  --probe PORT:COUNT[:SIZE]       datagrams from 10.0.2.77, one at a time: their number and zeros; a line `probe NUMBER NS HEX` for each answer\n"
	"  --probe-output FILE             where those lines go (standard output)\n"
	"  --capture FILE                  every frame that was delivered, for tcpdump -r\n"
	"  --second                        a second machine's network card is on the wire too\n"
	"  --summary                       what was done to how many frames, at the end, on standard error\n";

static struct wire wire = { .random = 0 };
static pid_t child;

uint64_t wire_random(struct wire *w) /* splitmix64 */
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void fail(const char *text)
{
	fprintf(stderr, "wire: %s\n", text);
	exit(125);
}

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);

	if (*end || end == text || v > most) {
		fprintf(stderr, "wire: %s: not a number from 0 to %u\n", text, most);
		exit(125);
	}
	return (unsigned)v;
}

static void open_capture(const char *name)
{
	const uint32_t header[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, FRAME_MOST, 1 };

	if (!(wire.capture = fopen(name, "wb")) || fwrite(header, sizeof(header), 1, wire.capture) != 1)
		fail("cannot write the capture");
}

static void pair(const char *text, unsigned *a, unsigned *b, unsigned *c)
{
	if (sscanf(text, "%u:%u:%u", a, b, c) < 2)
		fail("expected NUMBER:NUMBER");
}

static bool summary, second;
static const char **forwards;
static uint32_t forward_count;

static void option(int which, const char *value)
{
	struct rates *r = &wire.rates;
	unsigned a = 0, b = 0, c = 18;

	switch (which) {
	case 'p': forwards[forward_count++] = value; break;
	case 'l': r->loss = number(value, 1000); break;
	case 'd': r->duplicate = number(value, 1000); break;
	case 'r': r->reorder = number(value, 1000); break;
	case 'c': r->corrupt = number(value, 1000); break;
	case 'D': r->delay_us = number(value, 10000000); break;
	case 's': wire.random = number(value, UINT32_MAX); break;
	case 'f': pair(value, &a, &b, &c); wire.injection.syn_port = (uint16_t)a; wire.injection.syn_rate = b; break;
	case 'm': pair(value, &a, &b, &c); wire.injection.malformed_left = a; wire.injection.malformed_rate = b; break;
	case 'b': wire.injection.begin = value; break;
	case 'P':
		pair(value, &a, &b, &c);
		if (c < 4 || c > 1472)
			fail("--probe: a size from 4 to 1472");
		wire.prober.port = (uint16_t)a; wire.prober.count = b; wire.prober.size = c;
		break;
	case 'o':
		if (!(wire.prober.output = fopen(value, "w")))
			fail("cannot write the probes' output");
		break;
	case 'C': open_capture(value); break;
	case '2': second = true; break;
	case 'S': summary = true; break;
	case 'h': fputs(usage, stdout); exit(0);
	default: fputs(usage, stderr); exit(125);
	}
}

static void options(int argc, char **argv)
{
	static const struct option table[] = { { "publish", 1, NULL, 'p' }, { "loss", 1, NULL, 'l' }, { "duplicate", 1, NULL, 'd' }, { "reorder", 1, NULL, 'r' }, { "corrupt", 1, NULL, 'c' },
		{ "delay", 1, NULL, 'D' }, { "seed", 1, NULL, 's' }, { "syn-flood", 1, NULL, 'f' }, { "malformed", 1, NULL, 'm' }, { "begin", 1, NULL, 'b' }, { "probe", 1, NULL, 'P' }, { "probe-output", 1, NULL, 'o' },
		{ "capture", 1, NULL, 'C' }, { "second", 0, NULL, '2' }, { "summary", 0, NULL, 'S' }, { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int which;

	wire.random = (uint64_t)time(NULL);
	wire.prober.output = stdout;
	forwards = calloc((size_t)argc, sizeof(*forwards));
	while ((which = getopt_long(argc, argv, "+", table, NULL)) >= 0)
		option(which, optarg);
	if (optind == argc) {
		fputs(usage, stderr);
		exit(125);
	}
}

/* The command, with @NET@ replaced. */
static void start(char **argv, uint16_t ports[2][2])
{
	static char net[64];

	if (second) {
		snprintf(net, sizeof(net), "dgram:%u:%u:2", ports[SECOND][0], ports[SECOND][1]);
		setenv("WIRE_NET2", net, 1);
	}
	snprintf(net, sizeof(net), "dgram:%u:%u", ports[MACHINE][0], ports[MACHINE][1]);
	setenv("WIRE_NET", net, 1);
	for (char **a = argv; *a; a++)
		if (strcmp(*a, "@NET@") == 0)
			*a = net;
	child = fork();
	if (child == 0) {
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], argv);
		fprintf(stderr, "wire: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (child < 0)
		fail("cannot start the command");
}

static void stop(int signal) { kill(child, signal); } /* the command's end is ours */

static void summarise(uint64_t seed)
{
	fprintf(stderr, "wire: seed %lu: %lu frames to the machine, %lu to the second, %lu to the network; %lu lost, %lu doubled, %lu reordered, %lu corrupted; %lu SYNs, %lu malformed frames injected; %u probes answered, %u lost\n",
		(unsigned long)seed, (unsigned long)wire.frames[MACHINE], (unsigned long)wire.frames[SECOND], (unsigned long)wire.frames[NETWORK], (unsigned long)wire.lost, (unsigned long)wire.duplicated,
		(unsigned long)wire.reordered, (unsigned long)wire.corrupted, (unsigned long)wire.injection.syns, (unsigned long)wire.injection.malformed, wire.prober.answered, wire.prober.lost);
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a && (!b || a < b) ? a : b; }

int main(int argc, char **argv)
{
	uint16_t ports[2][2];
	uint64_t seed;
	int status;

	options(argc, argv);
	seed = wire.random;
	if (!link_open(&wire, forwards, forward_count, second, ports))
		fail("no network can be had on this host");
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN); /* libslirp writes to clients that are gone */
	start(argv + optind, ports);
	while (waitpid(child, &status, WNOHANG) == 0) {
		link_turn(&wire, earlier(earlier(impair_due(&wire), inject_due(&wire)), wire_now() + TURN_NS));
		impair_release(&wire);
		inject_turn(&wire);
	}
	slirp_cleanup(wire.slirp);
	if (wire.prober.output != stdout)
		fclose(wire.prober.output);
	if (summary)
		summarise(seed);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
