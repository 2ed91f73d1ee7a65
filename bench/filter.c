/* Whose packet is it, among so many filters? Prints `row value` lines in guest instructions, or for the argument `figure` columns with a header line.
 *
 * On ExOS: the kernel's filter compiler (kernel/filter), linked into this program, as the paper measured in user space: TCP connections from many clients to one port, and among ten filters or more two listeners, an ARP filter and
 * one that takes what is left. A packet of each connection, in random order; what it costs is from the call of filter_demultiplex to its return. `worst` is the dearest of them and of packets that are for one of the other filters.
 *
 * On Linux: a packet socket for each filter, with the same filter in classic BPF (which the kernel compiles too), and a packet for none of them: by so much sending it on the loopback interface costs more than without these sockets.
 * One that takes the packet would pay for its delivery besides, which is not counted on ExOS. */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include <exos/lib/x86_64/calls.h>
#include <kernel/filter/filter.h>

enum { MOST = 10000, SLOTS = 16384, FRAME = 60, PORT = 80, OTHERS = 4, PACKETS = 2000, SENT = 20, ATOMS = 6 };
static const uint32_t server = 0x0a00020f, first_client = 0x0a010001;

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Connection i: four from each client. */
static uint32_t client(uint32_t i) { return first_client + i / 4; }
static uint16_t client_port(uint32_t i) { return (uint16_t)(1024 + i * 7 % 60000); }

static void connection_frame(uint8_t *f, uint32_t from, uint16_t from_port, uint16_t to_port)
{
	const uint16_t ports[] = {htons(from_port), htons(to_port)};
	const uint32_t addresses[] = {htonl(from), htonl(server)};

	memset(f, 0, FRAME);
	f[12] = 8;
	f[14] = 0x45;
	f[17] = 40;
	f[22] = 64;
	f[23] = IPPROTO_TCP;
	memcpy(f + 26, addresses, 8);
	memcpy(f + 34, ports, 4);
}

static struct aegis_atom atom(uint16_t offset, uint8_t size, uint32_t mask, uint32_t value) { return (struct aegis_atom){offset, size, ATOM_COMPARE, mask, value}; }

/* Which of n: connections, and then the others, if there are ten or more. How many atoms. */
static uint32_t filter_of(uint32_t i, uint32_t n, struct aegis_atom *a)
{
	static const struct aegis_atom header = {14, 1, ATOM_SHIFT, 0xf, 2};
	uint32_t other = n >= 10 && i + OTHERS >= n ? n - i : 0;

	a[0] = atom(12, 2, 0xffff, other == 1 ? ETH_P_ARP : ETH_P_IP);
	a[1] = atom(20, 4, 0x1fff00ff, IPPROTO_TCP); /* no later fragment, and TCP */
	a[2] = other ? atom(30, 4, UINT32_MAX, server) : atom(26, 4, UINT32_MAX, client(i));
	a[3] = other ? header : atom(30, 4, UINT32_MAX, server);
	a[4] = other ? atom(16, 2, 0xffff, other == 3 ? 80 : 443) : header;
	a[5] = atom(14, 4, UINT32_MAX, (uint32_t)client_port(i) << 16 | PORT);
	return !other ? ATOMS : other == 2 ? 0 : other == 1 ? 1 : 5;
}

static struct filters *fs;
static filter_root root;
static uint32_t installed[MOST];
static uint8_t frames[PACKETS][FRAME];
static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

static uint32_t install(uint32_t i, uint32_t n)
{
	struct aegis_atom atoms[ATOMS];
	uint32_t count = filter_of(i, n, atoms);
	int64_t number = filter_insert(fs, &(struct filter_request){.root = root, .atoms = atoms, .atom_count = count, .owner = 1});

	if (number < 0) {
		fprintf(stderr, "filter: filter %u of %u: %ld\n", i, n, number);
		exit(1);
	}
	return (uint32_t)number;
}

static void start(void)
{
	struct filter_memory m = {.slots = SLOTS, .key = 0x9e3779b97f4a7c15};

	m.data = mmap(NULL, filters_data_size(SLOTS), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m.code = mmap(NULL, filters_code_size(SLOTS), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m.data == MAP_FAILED || m.code == MAP_FAILED)
		fail("mmap");
	m.run = m.code;
	fs = filters_start(&m);
	root = filter_root_make(fs);
}

static uint64_t empty; /* between two readings of the counter */

static uint64_t once(const uint8_t *frame, uint32_t whose)
{
	uint64_t begun = __rdtsc(), ended;
	uint32_t got = filter_demultiplex(fs, root, frame, FRAME);

	ended = __rdtsc();
	if (whose ? got != whose : !got) {
		fprintf(stderr, "filter: a packet of filter %u is filter %u's\n", whose, got);
		exit(1);
	}
	return ended - begun - empty;
}

/* Of one packet; it must be for this filter (0: whichever). The less of two, as a slice may end in one of them. */
static uint64_t cost(const uint8_t *frame, uint32_t whose)
{
	uint64_t first = once(frame, whose), second = once(frame, whose);

	return first < second ? first : second;
}

static uint64_t worst;

/* The mean, with n filters installed. */
static uint64_t packets(uint32_t n)
{
	uint32_t connections = n >= 10 ? n - OTHERS : n;
	uint64_t sum = 0, took;

	worst = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t c = (uint32_t)random_below(connections);

		connection_frame(frames[i], client(c), client_port(c), PORT);
		took = cost(frames[i], installed[c]);
		sum += took;
		worst = took > worst ? took : worst;
	}
	for (uint32_t i = 0; n >= 10 && i < PACKETS; i++) { /* those of listeners, and of nobody but who takes what is left */
		uint32_t c = (uint32_t)random_below(connections);

		connection_frame(frames[i], random_below(2) ? client(c) : 1, client_port(c) ^ (uint16_t)random_below(2), (uint16_t)(random_below(3) ? PORT : random_below(2) ? 443 : 1));
		took = cost(frames[i], 0);
		worst = took > worst ? took : worst;
	}
	return sum / PACKETS;
}

/* Taken away in random order, all of them. */
static void remove_all(uint32_t n)
{
	for (uint32_t left = n; left > 0; left--) {
		uint32_t which = (uint32_t)random_below(left);

		filter_delete(fs, installed[which]);
		installed[which] = installed[left - 1];
	}
}

static uint64_t measure(uint32_t n)
{
	uint64_t result;

	for (uint32_t i = 0; i < n; i++)
		installed[i] = install(i, n);
	packets(n); /* the first warms up */
	result = packets(n);
	return result;
}

static void changes(uint32_t n)
{
	enum { CHANGES = 200 };
	uint64_t removed = 0, added = 0;

	for (uint32_t i = 0; i < CHANGES; i++) {
		uint32_t which = (uint32_t)random_below(n - OTHERS);
		uint64_t begun = __rdtsc();

		filter_delete(fs, installed[which]);
		removed += __rdtsc() - begun - empty;
		begun = __rdtsc();
		installed[which] = install(which, n);
		added += __rdtsc() - begun - empty;
	}
	printf("filter.install %lu\nfilter.remove %lu\n", added / CHANGES, removed / CHANGES);
}

/* Linux: the same filters as programs for packet sockets. */
static int sockets[MOST], sender;
static struct sockaddr_ll loopback = {.sll_family = AF_PACKET};

static uint16_t program_of(uint32_t i, uint32_t n, struct sock_filter *p)
{
	struct aegis_atom atoms[ATOMS];
	uint32_t count = filter_of(i, n, atoms), length = 0, base = 0;

	for (uint32_t j = 0; j < count; j++) {
		const struct aegis_atom *a = &atoms[j];

		if (a->kind == ATOM_SHIFT) {
			p[length++] = (struct sock_filter){BPF_LDX | BPF_B | BPF_MSH, 0, 0, a->offset};
			base = BPF_IND;
			continue;
		}
		p[length++] = (struct sock_filter){(uint16_t)(BPF_LD | (base ? base : BPF_ABS) | (a->size == 4 ? BPF_W : BPF_H)), 0, 0, a->offset};
		if (a->size == 4 && a->mask != UINT32_MAX)
			p[length++] = (struct sock_filter){BPF_ALU | BPF_AND | BPF_K, 0, 0, a->mask};
		p[length++] = (struct sock_filter){BPF_JMP | BPF_JEQ | BPF_K, 1, 0, a->value};
		p[length++] = (struct sock_filter){BPF_RET, 0, 0, 0};
	}
	p[length++] = (struct sock_filter){BPF_RET, 0, 0, count ? 65535 : 0}; /* nobody takes what is left: the packet would be delivered */
	return (uint16_t)length;
}

static void attach(int socket, uint32_t i, uint32_t n)
{
	struct sock_filter code[32];
	struct sock_fprog program = {program_of(i, n, code), code};

	if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		fail("SO_ATTACH_FILTER");
}

static uint64_t send_some(void)
{
	static uint8_t frame[FRAME];
	uint64_t begun = 0;

	connection_frame(frame, 1, 1, 1);
	for (int i = -4; i < SENT; i++) {
		if (i == 0)
			begun = __rdtsc();
		if (sendto(sender, frame, FRAME, 0, (struct sockaddr *)&loopback, sizeof(loopback)) != FRAME)
			fail("sendto");
	}
	return (__rdtsc() - begun) / SENT;
}

static uint64_t measure_sockets(uint32_t n)
{
	uint64_t without = send_some(), with;

	for (uint32_t i = 0; i < n; i++) {
		sockets[i] = socket(AF_PACKET, SOCK_RAW, 0);
		if (sockets[i] < 0)
			fail("socket");
		attach(sockets[i], i, n);
		if (bind(sockets[i], (struct sockaddr *)&loopback, sizeof(loopback)))
			fail("bind");
	}
	with = send_some();
	return with > without ? with - without : 0;
}

static void close_sockets(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		close(sockets[i]);
}

static void change_sockets(uint32_t n)
{
	enum { CHANGES = 100 };
	uint64_t removed = 0, added = 0;
	int none = 0;

	for (uint32_t i = 0; i < CHANGES; i++) {
		uint64_t begun = __rdtsc();

		if (setsockopt(sockets[i], SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)))
			fail("SO_DETACH_FILTER");
		removed += __rdtsc() - begun;
		begun = __rdtsc();
		attach(sockets[i], i, n);
		added += __rdtsc() - begun;
	}
	printf("filter.install %lu\nfilter.remove %lu\n", added / CHANGES, removed / CHANGES);
}

static void start_sockets(void)
{
	struct rlimit limit = {MOST + 100, MOST + 100};
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	setrlimit(RLIMIT_NOFILE, &limit);
	sender = socket(AF_PACKET, SOCK_RAW, 0);
	if (sender < 0)
		fail("socket");
	if (ioctl(sender, SIOCSIFFLAGS, &up))
		fail("the loopback interface");
	loopback.sll_ifindex = (int)if_nametoindex("lo");
	loopback.sll_protocol = htons(ETH_P_IP);
}

int main(int argc, char **argv)
{
	static const uint32_t rows[] = {1, 10, 100, 1000, 10000}, points[] = {1, 2, 5, 10, 30, 100, 300, 1000, 3000, 10000};
	bool here = exos_here(), figure = argc > 1 && !strcmp(argv[1], "figure");
	uint32_t count = figure ? sizeof(points) / sizeof(*points) : sizeof(rows) / sizeof(*rows);

	random_state = 88172645463325252;
	empty = __rdtsc();
	empty = __rdtsc() - empty;
	here ? start() : start_sockets();
	if (figure)
		puts("filters instructions worst");
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = figure ? points[i] : rows[i];
		uint64_t taken = here ? measure(n) : measure_sockets(n);

		if (figure)
			printf(here ? "%u %lu %lu\n" : "%u %lu -\n", n, taken, worst);
		else
			printf("filter.%u %lu\n", n, taken);
		if (!figure && here && n == MOST)
			printf("filter.%u.worst %lu\n", n, worst);
		if (!figure && n == MOST)
			here ? changes(n) : change_sockets(n);
		here ? remove_all(n) : close_sockets(n);
	}
	return 0;
}
