/* What an answer costs that a handler gives in the kernel (paper 6.3), beside one that its owner gives, and how long either takes while other environments compute. The first
 * environment itself, with two devices on one hub (./exo run --net hub): the far one stands for another machine. A handler there (bench/handlers/ask.c) sends the next request as soon
 * as an answer has come, so that nothing is measured but the near one: from the interrupt that a request of 60 bytes makes, to the moment when the device has been told of the answer.
 * Guest instructions. Prints `row value` lines, and lines of the figure behind the word `figure`. */
#include <tests/kernel/packets.h>

enum { CROWD = 10, QUICK = 500, SLOW = 64 }; /* environments that compute; round trips where no slice has to be waited for, and where one has */
enum { REQUEST = 60, PORT = 7, FAR_PORT = 7777, NEAR_ADDRESS = 0x0a00020f, FAR_ADDRESS = 0x0a000202 };
#define FAR DEVICE_NET0         /* it takes a while before it sends, so that a request finds the processor where it was before */
#define NEAR (DEVICE_NET0 + 1)
#define FAR_RING 0x310000000000ul
#define NEAR_RING 0x50000000ul  /* in the image's slot, so that all environments have it, */
#define WORDS 0x40000000ul      /* as the handlers' memory */
#define FAR_WORDS 0x40001000ul

extern const uint8_t timed_echo_begin[], timed_echo_end[], ask_begin[], ask_end[];

struct times { /* as timed_echo.c has them */
	volatile uint64_t answers, running, sum, most;
};
static struct times *const handled = (struct times *)WORDS;
static volatile uint64_t *const left = (volatile uint64_t *)FAR_WORDS;
static uint8_t *const request = (uint8_t *)FAR_WORDS + 64;
static struct port near, far;
static struct child server, crowd[CROWD];
static frame_t words, far_words, code[2][3];
static const struct aegis_entries entries = { .exception = (uint64_t)upcall_entry }; /* events are looked for, not told: nobody can miss one between look and sleep */

static void put(uint8_t *at, uint64_t value, uint32_t n)
{
	while (n--) {
		at[n] = (uint8_t)value;
		value >>= 8;
	}
}

/* UDP, IPv4 and Ethernet; the UDP sum 0 says that there is none (RFC 768). */
static void request_make(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 6; i++) {
		request[i] = device_info(NEAR)->address[i];
		request[6 + i] = device_info(FAR)->address[i];
	}
	put(request + 12, 0x0800, 2);
	put(request + 14, 0x45, 1);
	put(request + 16, REQUEST - 14, 2);
	put(request + 22, 64, 1);
	put(request + 23, 17, 1);
	put(request + 26, FAR_ADDRESS, 4);
	put(request + 30, NEAR_ADDRESS, 4);
	for (uint32_t i = 14; i < 34; i += 2)
		sum += (uint32_t)request[i] << 8 | request[i + 1];
	put(request + 24, ~((sum & 0xffff) + (sum >> 16)), 2);
	put(request + 34, FAR_PORT, 2);
	put(request + 36, PORT, 2);
	put(request + 38, REQUEST - 34, 2);
}

/* What a library asks for that has one address and serves one port; as a guard for what it sends `at` is where the source is. */
static uint32_t udp_atoms(struct aegis_atom *atoms, uint32_t address_at, uint32_t address, uint32_t port_at, uint32_t port)
{
	atoms[0] = (struct aegis_atom){ .offset = 12, .size = 2, .mask = 0xffff, .value = 0x0800 };
	atoms[1] = (struct aegis_atom){ .offset = 14, .size = 1, .mask = 0xff, .value = 0x45 };
	atoms[2] = (struct aegis_atom){ .offset = 23, .size = 1, .mask = 0xff, .value = 17 };
	atoms[3] = (struct aegis_atom){ .offset = (uint16_t)address_at, .size = 4, .mask = UINT32_MAX, .value = address };
	atoms[4] = (struct aegis_atom){ .offset = (uint16_t)port_at, .size = 2, .mask = 0xffff, .value = port };
	return 5;
}

static int64_t udp_filter(const struct port *p, uint32_t address, uint32_t port, env_id env)
{
	struct aegis_atom atoms[5];
	struct aegis_filter_spec spec = { .ring = p->name, .env = env, .atoms = (uint64_t)atoms, .device = p->device };

	spec.atom_count = udp_atoms(atoms, 30, address, 36, port);
	return aegis_filter_install(&spec, &boot->devices[p->device]);
}

static int64_t udp_guard(const struct port *p, uint32_t address, uint32_t port)
{
	struct aegis_atom atoms[5];

	return aegis_guard_add(p->name, atoms, udp_atoms(atoms, 26, address, 34, port), &boot->devices[p->device]);
}

static int64_t attach(int64_t filter, const uint8_t *begin, const uint8_t *end, frame_t memory, const frame_t *codes)
{
	struct aegis_handler_spec spec = { .filter = (uint32_t)filter, .length = (uint32_t)((uint64_t)(end - begin) / sizeof(struct aegis_ebpf)), .program = (uint64_t)begin,
		.frames = (uint64_t)&memory, .frame_count = 1, .code_count = 3, .code = { codes[0], codes[1], codes[2] } };

	return aegis_handler_attach(&spec);
}

static void swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t was = a[i];

		a[i] = b[i];
		b[i] = was;
	}
}

/* The owner's answer: as bench/handlers/echo.c gives it. */
static void answer(struct aegis_packet *p)
{
	struct aegis_send send = { .header = (uint64_t)p->data, .header_length = p->length };
	uint64_t took;

	swap(p->data, p->data + 6, 6);
	swap(p->data + 26, p->data + 30, 4);
	swap(p->data + 34, p->data + 36, 2);
	if (aegis_net_send(near.name, &send, 1) != 1)
		return;
	took = ticks() - p->arrived;
	handled->answers++;
	handled->sum += took;
	if (took > handled->most)
		handled->most = took;
}

static void forget_events(void) { __atomic_store_n(&LOCAL->upcall.pending, 0, __ATOMIC_SEQ_CST); }

/* Sleeps until there is a packet, as a server does. */
static void serve(void *unused)
{
	(void)unused;
	aegis_env_entries(&entries);
	for (;;) {
		forget_events();
		while (near.ring->produced != near.seen) {
			answer(port_packet(&near, near.seen));
			near.ring->consumed = ++near.seen;
		}
		sleep_until(EVENT_NET, 0);
	}
}

/* Computes, and says when it did so last. */
static void compute(void *unused)
{
	(void)unused;
	aegis_env_entries(&entries);
	for (;;)
		handled->running = ticks();
}

/* So many round trips; how long the answers took is in *handled. False: they did not all come about. */
static bool round_trips(uint32_t n)
{
	struct aegis_send send = { .header = (uint64_t)request, .header_length = REQUEST };
	uint64_t until = ticks() + milliseconds(20000);

	*handled = (struct times){ 0 };
	*left = n;
	aegis_net_send(far.name, &send, 1);
	while (*left && ticks() < until) {
		forget_events();
		sleep_until(EVENT_NET, until);
	}
	return handled->answers == n;
}

static uint64_t mean(void) { return (handled->sum + handled->answers / 2) / handled->answers; }

static void row(const char *name)
{
	print("%s %lu\n%s.worst %lu\n", name, mean(), name, handled->most);
}

static void at_load(int64_t filter, uint32_t n)
{
	uint64_t quick, worst;

	if (attach(filter, timed_echo_begin, timed_echo_end, words, code[0]) || !round_trips(QUICK))
		return print("# no answers from a handler\n");
	quick = mean();
	worst = handled->most;
	if (n == 1)
		row("ash.rtt");
	if (n == CROWD)
		row("ash.load");
	attach(filter, NULL, NULL, words, code[0]);
	if (!round_trips(SLOW))
		return print("# no answers from the owner\n");
	if (n == 0) /* an idle machine's clock leaps to what comes next, so that it may be busy yet with the last answer: only the longest is the same each time */
		print("udp.reply %lu\n", handled->most);
	if (n == 1)
		row("udp.reply.load.1");
	if (n == CROWD)
		row("udp.reply.load.10");
	if (n) /* with nobody who could be interrupted a handler's time has another beginning */
		print("figure %u %lu %lu %lu %lu\n", n, quick, worst, mean(), handled->most);
	else
		print("figure 0 - - %lu %lu\n", mean(), handled->most);
}

void test_main(void)
{
	int64_t filter, asking;

	aegis_env_entries(&entries);
	port_open(&near, NEAR, 16, NEAR_RING);
	port_open(&far, FAR, 16, FAR_RING);
	bind(0, WORDS, BIND_ENTRY(words = frame(), BIND_READ | BIND_WRITE));
	bind(0, FAR_WORDS, BIND_ENTRY(far_words = frame(), BIND_READ | BIND_WRITE));
	for (uint32_t i = 0; i < 3; i++) {
		code[0][i] = frame();
		code[1][i] = frame();
	}
	request_make();
	child_make(&server, serve, NULL, SAME_ACCOUNT);
	aegis_slice_alloc(0, UINT32_MAX, server.env, NULL);
	filter = udp_filter(&near, NEAR_ADDRESS, PORT, server.env);
	asking = udp_filter(&far, FAR_ADDRESS, FAR_PORT, boot->env);
	if (filter <= 0 || asking <= 0 || udp_guard(&near, NEAR_ADDRESS, PORT) || udp_guard(&far, FAR_ADDRESS, FAR_PORT) ||
		attach(asking, ask_begin, ask_end, far_words, code[1]))
		return print("# refused\n");
	print("figure processes handler handler.worst owner owner.worst\n");
	for (uint32_t n = 0; n <= CROWD; n++) {
		at_load(filter, n);
		if (n == CROWD)
			break;
		child_make(&crowd[n], compute, NULL, SAME_ACCOUNT);
		aegis_slice_alloc(0, UINT32_MAX, crowd[n].env, NULL);
	}
}
