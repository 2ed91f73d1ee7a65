/* The interface's life, what comes in, and when. See interface.h. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/interface/ring.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/program/program.h>
#include <exos/random.h>
#include <exos/self.h>
#include <exos/start.h>

#define MTU 1500
#define SLOTS_LEAST 256
#define MEMORY_SHARE 128 /* the ring has a slot for so many of the frames of the machine, as far as the kernel allows; half of that is memory */
#define SEND_AGAIN_NS 1000000
#define ETHERTYPE 12     /* offsets in a frame */
#define SOURCE 6

frame_t interface_ring;
const struct aegis_cap *interface_device;

/* All domain lock. */
static struct net_stack *stack;
static struct aegis_ring *control;
static frame_t *slot_frames; /* two slots in each */
static uint32_t slots;
static struct wait_queue awaiting; /* an address */
static uint64_t keeper_until; /* when the keeper will look at the timers (ns); 0: it will not */

struct net_stack *interface_stack(void) { return stack; }

const struct aegis_net_info *interface_info(void)
{
	static bool bound;

	if (!machine_info->net_devices)
		return NULL;
	bound = bound || frame_bind_shared(EXOS_NET_INFO_VA, machine_info->net.first, 1, BIND_READ);
	return bound ? (const struct aegis_net_info *)EXOS_NET_INFO_VA : NULL;
}

struct interface_counts interface_counts(void)
{
	return (struct interface_counts){ .dropped_in = control ? control->dropped : 0, .lost_out = send_lost() };
}

static uint64_t port_now(void *data)
{
	(void)data;
	return time_monotonic();
}

static uint64_t port_random(void *data)
{
	uint64_t r;

	(void)data;
	random_bytes(&r, sizeof(r));
	return r;
}

static void *port_allocate(void *data, size_t n)
{
	(void)data;
	return heap_alloc(n);
}

static void port_free(void *data, void *p)
{
	(void)data;
	heap_free(p);
}

/* What we send is from our own Ethernet address, and of the protocols that we speak. */
bool interface_guard(frame_t ring)
{
	const uint8_t *address = interface_info()->address;
	static const uint16_t types[] = { 0x0800, 0x0806, 0x86dd };
	struct aegis_atom atoms[] = {
		{ .offset = ETHERTYPE, .size = 2, .mask = 0xffff },
		{ .offset = SOURCE, .size = 4, .mask = UINT32_MAX },
		{ .offset = SOURCE + 4, .size = 2, .mask = 0xffff },
	};

	for (int i = 0; i < 4; i++)
		atoms[1].value = atoms[1].value << 8 | address[i];
	atoms[2].value = (uint32_t)address[4] << 8 | address[5];
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		atoms[0].value = types[i];
		if (aegis_guard_add(ring, atoms, ARRAY_LENGTH(atoms), interface_device) < 0)
			return false;
	}
	return true;
}

static void give_frames(void)
{
	for (uint32_t i = 0; slot_frames && i < slots / 2; i++)
		if (slot_frames[i])
			frame_put(slot_frames[i]);
	heap_free(slot_frames);
	if (control)
		frame_put(address_frame(control));
	slot_frames = NULL;
	control = NULL;
}

static bool take_frames(void)
{
	frame_t page;

	slots = SLOTS_LEAST;
	while (slots < NET_SLOTS_MAX && slots < frame_counts().total / MEMORY_SHARE)
		slots *= 2;
	slot_frames = heap_alloc(slots / 2 * sizeof(*slot_frames));
	page = frame_get_zeroed();
	if (page != NO_FRAME)
		control = frame_address(page);
	for (uint32_t i = 0; slot_frames && i < slots / 2; i++)
		if ((slot_frames[i] = frame_get()) == NO_FRAME)
			return false;
	return slot_frames && control;
}

static int make_ring(void)
{
	struct aegis_ring_spec spec = { .device = DEVICE_NET0, .slots = slots };
	int64_t result;

	spec.object = frame_get_bare();
	if (spec.object == NO_FRAME)
		return -ENOMEM;
	spec.control = address_frame(control);
	spec.frames = (uintptr_t)slot_frames;
	result = aegis_ring_create(&spec);
	if (result >= 0) {
		interface_ring = spec.object;
		return 0;
	}
	frame_put_bare(spec.object);
	return -EAFNOSUPPORT;
}

static void end_ring(void)
{
	frame_t object = interface_ring;

	while (aegis_ring_destroy(object) == -E_AGAIN)
		sched_yield_slice();
	interface_ring = 0;
	frame_put_bare(object);
}

static void configured(void *owner)
{
	static struct net_ipv4 last;
	const struct net_ipv4 *c = net_ipv4(stack);
	uint32_t bits = 0;

	(void)owner;
	wake_all(&awaiting);
	if (!start_network_talks)
		return;
	if (memcmp(&last, c, sizeof(last)) == 0) /* it was IPv6 that changed */
		return;
	last = *c;
	while (bits < 32 && c->mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	if (bits)
		log_line("network: %u.%u.%u.%u/%u by DHCP", c->address[0], c->address[1], c->address[2], c->address[3], bits);
	else
		log_line("network: no IPv4 address");
}

static const struct net_port world = { .mtu = MTU, .now = port_now, .random = port_random, .allocate = port_allocate, .free = port_free, .send = port_send, .flush = port_flush,
	.filter_add = port_filter_add, .filter_remove = port_filter_remove };

static int begin(const struct aegis_net_info *info)
{
	struct net_port port = world;
	int error = make_ring();

	if (error)
		return error;
	port.mtu = MIN(info->mtu, port.mtu);
	memcpy(port.address, info->address, sizeof(port.address));
	if (send_start() && interface_guard(interface_ring))
		stack = net_stack_new(&port);
	if (stack)
		return 0;
	end_ring();
	return -ENOMEM;
}

static int begin_on_device(void)
{
	const struct aegis_net_info *info = interface_info();
	int error;

	interface_device = start_device(DEVICE_NET0);
	if (!info)
		return -EAFNOSUPPORT;
	error = take_frames() ? begin(info) : -ENOMEM;
	if (error)
		give_frames();
	return error;
}

static void flush_nothing(void *data) { (void)data; }

static uint32_t no_filter(void *data, const struct net_filter_key *key, uint64_t tag)
{
	(void)data, (void)key, (void)tag;
	return 0;
}

/* No device, or it is not the domain's: the processes can still talk to each other. */
static int begin_alone(void)
{
	struct net_port port = world;

	port.send = NULL;
	port.flush = flush_nothing;
	port.filter_add = no_filter;
	stack = net_stack_new(&port);
	return stack ? 0 : -ENOMEM;
}

int interface_start(void)
{
	static const struct net_ipv4 none;
	int error;

	if (stack)
		return 0;
	error = begin_on_device();
	if (error == -EAFNOSUPPORT)
		error = begin_alone();
	if (error)
		return error;
	wait_queue_init(&awaiting);
	net_on_configured(stack, configured, NULL);
	if (control)
		net_dhcp_start(stack);
	else
		net_ipv4_set(stack, &none);
	interface_turn();
	return 0;
}

int interface_await(uint64_t deadline)
{
	int error = control ? 0 : -EAFNOSUPPORT;

	while (!error && !net_configured(stack))
		error = wait_on(&awaiting, deadline);
	return error ? error : *(const uint32_t *)net_ipv4(stack)->address ? 0 : -EADDRNOTAVAIL;
}

int interface_await_ipv6(uint64_t deadline)
{
	int error = 0;

	while (!error && !net_configured_ipv6(stack))
		error = wait_on(&awaiting, deadline);
	return error;
}

void interface_router(uint8_t *ethernet)
{
	struct net_address router = net_from_ipv4(net_ipv4(stack)->router);

	if (!net_neighbour(stack, &router, ethernet))
		memset(ethernet, 0, 6);
}

/* When something is to be done without a packet that asks for it (ns; 0: never). The kernel says that there is room again to the environment that made the ring, which may be gone. */
static uint64_t due_time(void)
{
	uint64_t due = net_due(stack), again = send_waits() ? time_monotonic() + SEND_AGAIN_NS : 0;

	return again && (!due || again < due) ? again : due;
}

/* The keeper is told only if it would come too late. */
static void watch_timers(void)
{
	uint64_t due = due_time();

	if (!due || (keeper_until && keeper_until <= due))
		return;
	keeper_until = due;
	wake_proc(proc_keeper);
}

void interface_turn(void)
{
	if (!stack)
		return;
	net_turn(stack);
	watch_timers();
}

/* Not more than the ring holds: others want the lock too. What is left is looked at when the lock has been free. */
void interface_input(void)
{
	uint32_t at, produced, end;

	program_net_event();
	if (!stack)
		return;
	at = control->consumed;
	produced = __atomic_load_n(&control->produced, __ATOMIC_ACQUIRE);
	for (end = at + slots; at != produced && at != end; produced = __atomic_load_n(&control->produced, __ATOMIC_ACQUIRE)) {
		uint32_t slot = at & (slots - 1);
		const struct aegis_packet *p = (const struct aegis_packet *)((const uint8_t *)frame_address(slot_frames[slot / 2]) + slot % 2 * NET_SLOT_SIZE);

		net_input(stack, p->data, p->length, p->tag);
		__atomic_store_n(&control->consumed, ++at, __ATOMIC_RELEASE);
	}
	if (at != produced)
		__atomic_fetch_or(&self->upcall.pending, (uint64_t)EVENT_NET, __ATOMIC_RELEASE);
	interface_turn();
}

void interface_event(void)
{
	domain_lock();
	interface_input();
	domain_unlock();
}

void interface_watch(void) { keeper_until = stack ? due_time() : 0; }

uint64_t interface_due(void)
{
	uint64_t until = __atomic_load_n(&keeper_until, __ATOMIC_ACQUIRE);

	return until ? machine_info->boot_tsc + time_to_ticks(until) + 1 : 0;
}

void interface_tick(void)
{
	uint64_t due = stack ? net_due(stack) : 0;

	if (due && due <= time_monotonic())
		net_turn(stack);
	else if (stack && send_waits())
		port_flush(NULL);
}

bool interface_unfinished(void) { return stack && (net_unfinished(stack) || send_waits()); }
