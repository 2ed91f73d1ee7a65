/* Packets that come in: whose each is, and where it goes. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/event.h>
#include <kernel/info.h>
#include <kernel/module.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/x86_64/copy.h>
#include <kernel/x86_64/paging.h>

#define MEMORY_SHARE 40        /* of the machine's memory, filters take one part of so many at most */
#define LEAST_SLOTS 64
#define MOST_SLOTS (1u << 18)  /* numbers of filters */
#define MOST_CODE (256ul << 20) /* the window for their code */

struct station stations[NETDEVS];
struct filters *net_filters;
struct net_filter *filter_table;
uint32_t net_filter_slots, net_code_changed;
struct net_work *net_work;
extern uint8_t filter_window[];

static uint64_t memory_of(uint32_t slots) { return filters_data_size(slots) + filters_code_size(slots) + (uint64_t)(slots + 1) * sizeof(struct net_filter); }

static void filters_begin(void)
{
	uint64_t most = (frame_count << FRAME_SHIFT) / MEMORY_SHARE;
	struct filter_memory memory = { .slots = LEAST_SLOTS, .run = filter_window };

	while (memory.slots < MOST_SLOTS && memory_of(memory.slots * 2) <= most && filters_code_size(memory.slots * 2) <= MOST_CODE)
		memory.slots *= 2;
	boot_random(&memory.key, sizeof(memory.key));
	memory.data = boot_allocate(filters_data_size(memory.slots));
	memory.code = boot_allocate(filters_code_size(memory.slots));
	kernel_code_window(filter_window, memory.code, filters_code_size(memory.slots));
	net_filter_slots = memory.slots;
	filter_table = boot_allocate((memory.slots + 1) * sizeof(*filter_table));
	net_work = boot_allocate(sizeof(*net_work));
	net_filters = filters_start(&memory);
	code_start(memory.slots);
}

static void station_start(struct station *s, struct netdev *d, struct aegis_net_info *info)
{
	s->driver = d;
	d->user = s;
	s->info = info;
	s->filters.root = filter_root_make(net_filters);
	s->filters.code = filter_root_code(net_filters, s->filters.root);
	s->sending = boot_allocate(d->send_slots * sizeof(*s->sending));
	s->bounce = boot_allocate(d->send_slots * FRAME_SIZE / 2);
	for (uint32_t i = 0; i < d->send_slots; i++)
		s->sending[i].next = i + 1;
	info->device = DEVICE_NET0 + d->number;
	info->mtu = d->mtu;
	memcpy(info->address, d->address, sizeof(info->address));
	info->link = d->link;
	info->filter_slots = net_filter_slots;
}

void net_start(void)
{
	struct aegis_net_info *infos;

	if (!netdev_count)
		return;
	filters_begin();
	infos = boot_allocate(netdev_count * sizeof(*infos));
	for (uint32_t i = 0; i < netdev_count; i++)
		station_start(&stations[i], &netdevs[i], &infos[i]);
	frame_expose(infos, netdev_count * sizeof(*infos));
	machine_info->net_devices = netdev_count;
	machine_info->net = (struct aegis_range){ kernel_frame(infos), (uint32_t)((netdev_count * sizeof(*infos) + FRAME_SIZE - 1) / FRAME_SIZE) };
}

struct station *net_station(uint64_t device) { return device - DEVICE_NET0 < netdev_count ? &stations[device - DEVICE_NET0] : NULL; }

void net_senders(struct station *s, int32_t more)
{
	s->senders += (uint32_t)more;
	if (s->senders)
		s->share = s->driver->send_slots / s->senders;
}

int64_t net_check_device(uint64_t capability, uint64_t device)
{
	struct aegis_cap cap;
	int64_t error = cap_fetch(&cap, capability, CAP_DEVICE, RIGHT_WRITE);

	if (error)
		return error;
	return cap.first == device && epoch_valid(cap.epoch, device_epoch((uint32_t)device)) ? 0 : -E_DENIED;
}

/* It was written through another address, perhaps by another CPU: only a serialising instruction makes up for that (Intel SDM vol. 3, 9.1.3). */
void net_code_see(struct cpu *cpu)
{
	if (cpu->code_seen == net_code_changed)
		return;
	cpu->code_seen = net_code_changed;
	write_cr3(read_cr3());
}

/* Devices' interrupts have half of a CPU's time and no more, however many packets come and whatever handlers do with them: handlers that answer each other would else keep it for ever. What was not used
 * may be used later, but for what is older than this. */
#define REMEMBERED (slice_quantum / 8)
static inline __attribute__((always_inline)) void work_for(struct cpu *cpu, uint32_t device, uint64_t arrived)
{
	struct station *s = &stations[device];
	uint64_t now;

	net_code_see(cpu);
	netdev_interrupt(s->driver, arrived);
	s->info->interrupts++;
	s->info->link = s->driver->link;
	now = read_tsc();
	if (cpu->net_rest + REMEMBERED < arrived)
		cpu->net_rest = arrived - REMEMBERED;
	cpu->net_rest += 2 * (now - arrived);
}

static __attribute__((noinline)) void put_off(struct cpu *cpu, uint32_t device)
{
	netdev_put_off(stations[device].driver);
	cpu->net_waiting |= 1u << device;
	slice_set_timer(cpu);
}

void net_interrupt(struct cpu *cpu, uint32_t device, uint64_t arrived)
{
	if (arrived < cpu->net_rest)
		put_off(cpu, device);
	else
		work_for(cpu, device, arrived);
}

void net_waited(struct cpu *cpu, uint64_t now)
{
	uint32_t waiting = cpu->net_waiting;

	if (now < cpu->net_rest)
		return;
	cpu->net_waiting = 0;
	for (uint32_t device = 0; device < netdev_count; device++)
		if (waiting >> device & 1)
			work_for(cpu, device, read_tsc());
}

/* Who is told must still be who he was when he was named: of the account that has the filter. */
static __attribute__((noinline)) void tell(const struct net_filter *f)
{
	struct env *e = f->env ? env_find(f->env) : NULL;

	if (e && env_account(e) == f->account && !e->stopping)
		event_raise_once(e, EVENT_NET);
}

static void deliver(const struct net_filter *f, const uint8_t *packet, uint32_t length, uint64_t arrived)
{
	struct ring *r = ring_of(f->ring);
	uint32_t slot = r->produced & (r->slots - 1);
	struct aegis_packet *p = (struct aegis_packet *)((uint8_t *)frame_pointer(r->frames[slot / 2]) + slot % 2 * NET_SLOT_SIZE);

	if (r->produced - r->page->consumed >= r->slots || length > NET_PACKET_MAX) { /* a lie in `consumed` costs or spoils the liar's own packets */
		r->page->dropped++;
		return;
	}
	p->length = (uint16_t)length;
	p->reserved = 0;
	p->filter = filter_number(f);
	p->tag = f->tag;
	p->arrived = arrived;
	copy_bytes(p->data, packet, length);
	r->produced++;
	__atomic_store_n(&r->page->produced, r->produced, __ATOMIC_RELEASE); /* what it counts is there */
	tell(f);
}

/* True: its handler has dealt with it. */
static inline bool handled(const struct net_filter *f, uint8_t *packet, uint32_t length, uint64_t arrived)
{
	uint64_t verdict = handler_input(f->handler, packet, length, arrived);

	if (verdict == ASH_RING)
		return false;
	ring_of(f->ring)->page->handled++;
	if (verdict == ASH_TELL)
		tell(f);
	return true;
}

/* The kernel has it, or nobody. */
static __attribute__((noinline)) void take(struct station *s, const struct net_filter *f, const uint8_t *packet, uint32_t length, uint64_t arrived)
{
	if (f->ring)
		deliver(f, packet, length, arrived);
	else if (f == filter_table)
		s->info->unclaimed++;
	else
		s->info->dropped++;
}

/* Counted last, so that an answer does not wait for that. Filter 0, nobody's, has no handler and no ring. */
void net_input(struct netdev *d, uint8_t *packet, uint32_t length, uint64_t arrived)
{
	struct station *s = d->user;
	const struct net_filter *f = &filter_table[net_demultiplex(&s->filters, packet, length)];

	if (!f->handler || !handled(f, packet, length, arrived))
		take(d->user, f, packet, length, arrived);
	((struct station *)d->user)->info->received++;
}
