/* See port.h. */
#include <exos/lib/net/memory.h>
#include <exos/lib/net/ring.h>
#include <exos/lib/vm/pool.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/net/filter.h>

#include <aegis/x86_64/stubs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct exos_net port_ring;

static struct net_stack *stack;
static struct aegis_ring *control;
static frame_t *slot_frames; /* two slots in each */
static env_id own;
static uint64_t boot_tsc, ns_per_tick_q32, ticks_per_ns_q32;

/* What the stack's sources ask of whoever they are compiled into (exos/base.h). */
void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vfprintf(stderr, text, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

static uint64_t scale(uint64_t v, uint64_t q32) { return (uint64_t)((unsigned __int128)v * q32 >> 32); }
uint64_t port_now(void) { return scale(__builtin_ia32_rdtsc() - boot_tsc, ns_per_tick_q32); }

static void clock_start(void)
{
	const struct aegis_info *info = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);

	boot_tsc = info->boot_tsc;
	ns_per_tick_q32 = (1000000000ul << 32) / info->tsc_hz;
	ticks_per_ns_q32 = (uint64_t)(((unsigned __int128)info->tsc_hz << 32) / 1000000000ul);
}

static uint64_t now(void *data)
{
	(void)data;
	return port_now();
}

static uint64_t random_word(void *data)
{
	static uint64_t words[32]; /* what getrandom gives at once */
	static size_t left;

	(void)data;
	if (!left) {
		if (getrandom(words, sizeof(words), 0) != sizeof(words))
			panic("no random numbers");
		left = sizeof(words) / sizeof(words[0]);
	}
	return words[--left];
}

static void *allocate(void *data, size_t n)
{
	(void)data;
	return memory_get_sized(n);
}

static void release(void *data, void *p)
{
	(void)data;
	memory_put_sized(p);
}

/* Connections come by their listener's filter; so does what is no endpoint's by the domain's. */
static uint32_t filter_add(void *data, const struct net_filter_key *key, uint64_t tag)
{
	struct net_filter_key own_key = { .protocol = key->protocol, .local = { net_from_ipv4(port_ring.address), key->local.port } };
	struct net_atoms atoms = net_atoms_ipv4(&own_key);
	struct aegis_filter_spec spec = { .ring = port_ring.ring, .env = own, .atoms = (uintptr_t)atoms.list, .atom_count = atoms.n, .device = DEVICE_NET0 };
	int64_t number;

	(void)data, (void)tag; /* a listener's: connections have others */
	if (!key->protocol || key->remote.port)
		return 0;
	number = aegis_filter_install(&spec, &port_ring.device);
	return number > 0 ? (uint32_t)number : 0;
}

static void filter_remove(void *data, uint32_t filter)
{
	(void)data;
	aegis_filter_remove(filter);
}

static struct net_ipv4 own_address(void)
{
	struct net_ipv4 ip = { .dns = { 0 } };

	memcpy(ip.address, port_ring.address, 4);
	memcpy(ip.mask, port_ring.mask, 4);
	memcpy(ip.router, port_ring.router, 4);
	return ip;
}

static int make_stack(void)
{
	struct net_port port = { .mtu = port_ring.mtu, .shared = true, .now = now, .random = random_word, .allocate = allocate, .free = release, .send = port_send, .flush = port_flush,
		.filter_add = filter_add, .filter_remove = filter_remove };
	struct net_ipv4 ip = own_address();
	struct net_address router = net_from_ipv4(ip.router);

	memcpy(port.address, port_ring.ethernet, sizeof(port.address));
	stack = net_stack_new(&port);
	if (!stack)
		return -ENOMEM;
	net_ipv4_set(stack, &ip);
	if (memcmp(port_ring.router_ethernet, "\0\0\0\0\0\0", 6) != 0)
		net_neighbour_is(stack, &router, port_ring.router_ethernet);
	return 0;
}

int port_start(uint32_t slots, struct net_stack **out)
{
	int64_t error;

	if (!exos_here())
		return -ENOSYS;
	slot_frames = calloc(slots / 2 ? slots / 2 : 1, sizeof(*slot_frames));
	if (!slot_frames)
		return -ENOMEM;
	port_ring.frames = (uintptr_t)slot_frames;
	port_ring.slots = slots;
	error = exos_net(&port_ring);
	if (error) {
		free(slot_frames);
		return (int)error;
	}
	control = exos_frame_bytes(port_ring.control);
	own = (env_id)exos_environment(0);
	clock_start();
	port_send_start();
	error = make_stack();
	*out = stack;
	return (int)error;
}

const struct exos_net *port_interface(void) { return &port_ring; }

static const struct aegis_packet *slot(uint32_t n)
{
	n &= port_ring.slots - 1;
	return (const struct aegis_packet *)((const uint8_t *)exos_frame_bytes(slot_frames[n / 2]) + n % 2 * NET_SLOT_SIZE);
}

/* Not more than the ring holds before the turn: what is to be answered waits for it. */
uint32_t port_input(void)
{
	uint32_t at = control->consumed, first = at, end = __atomic_load_n(&control->produced, __ATOMIC_ACQUIRE);

	if (at == end) {
		uint64_t due = net_due(stack);

		if (due && due <= port_now())
			net_turn(stack);
		return 0;
	}
	while (at != end) {
		const struct aegis_packet *p = slot(at);

		net_input(stack, p->data, p->length, p->tag);
		__atomic_store_n(&control->consumed, ++at, __ATOMIC_RELEASE);
	}
	net_turn(stack);
	return at - first;
}

void port_turn(void) { net_turn(stack); }

static uint64_t sooner(uint64_t a, uint64_t b) { return a && (!b || a < b) ? a : b; }

int port_wait(uint64_t deadline)
{
	uint64_t due = sooner(net_due(stack), deadline);

	if (port_unsent())
		port_flush(NULL);
	if (control->produced != control->consumed || (due && due <= port_now()))
		return 0;
	return exos_net_wait(control->consumed, due ? boot_tsc + scale(due, ticks_per_ns_q32) + 1 : 0) == -EINTR ? -EINTR : 0;
}

struct port_counts port_counts(void) { return (struct port_counts){ control->dropped, port_full() }; }
