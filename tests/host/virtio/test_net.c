/* The driver against a device that is sane, then lies, then is sane again. What must hold all the time: a packet is handed up only from a buffer that the device has
 * returned, with the length that it said and only once; net_sent is told once of each frame, and only when the device has returned it or has been reset; nothing outside
 * is touched (ASan). Sane, everything goes through: an interrupt is given only when the driver has asked for one, so that a wake-up that is lost shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kernel/boot.h>
#include <kernel/drivers/net.h>
#include <kernel/smp.h>

#include "device.h"

#define BEFORE 12 /* the virtio header */
#define BUFFER 2048
#define COOKIES 4096
#define PIECE 4096

struct cpu machine_cpu;
uint32_t cpu_count;
static bool asked_again; /* apic_send */
static void *allocations[64];
static uint32_t allocation_count;
static bool under_way[COOKIES];
static uint32_t resets_at[COOKIES]; /* when it was sent */
static uint64_t received, sent, done, lies;
static bool sane, refused, copied; /* copied: frames without pieces, of which no interrupt tells */
static uint8_t piece[PIECE];
static struct netdev *d;

void *boot_allocate(size_t bytes)
{
	check(allocation_count < 64, "the test has room for its allocations");
	return allocations[allocation_count++] = calloc(1, bytes);
}
uint64_t cpu_random(void) { return random_below(UINT32_MAX); }
void apic_send(uint32_t apic_id, uint8_t vector)
{
	(void)apic_id;
	check(vector == VECTOR_NET0, "it interrupts itself only");
	asked_again = true;
}

/* Whose buffer is it, and may it be handed up? */
static void check_packet(const uint8_t *packet, uint32_t length)
{
	for (uint16_t i = 0; i < MODEL_QUEUES - 1; i += 2) {
		struct model_queue *q = &model.queue[i];

		for (uint16_t head = 0; q->started && head < q->size; head++)
			if (q->address[head] + BEFORE == (uint64_t)packet && q->owner[head] == RETURNED) {
				check(q->length[head] == length + BEFORE && q->length[head] <= BUFFER, "the length is the device's, and no more than the buffer");
				q->owner[head] = DRIVERS;
				return;
			}
	}
	check(false, "a packet comes from a buffer that the device has returned, once");
}

static void send_one(void);

void net_input(struct netdev *of, uint8_t *packet, uint32_t length, uint64_t arrived)
{
	(void)arrived;
	check(of == d, "it is the device's packet");
	check_packet(packet, length);
	if (sane)
		for (uint32_t i = 0; i < length; i++)
			check(packet[i] == (uint8_t)(length + i), "a packet arrives as it was sent");
	memset(packet, 0xee, length); /* it may be written */
	received++;
	if (random_below(8) == 0) { /* as a handler would answer; one that is refused does not wait */
		bool before = refused;
		send_one();
		if (sane) /* else an entry that lies of this frame could be looked at after it has become true */
			netdev_kick(d);
		refused = before;
	}
	if (random_below(32) == 0)
		netdev_reap(d);
}

void net_sent(struct netdev *of, uint64_t cookie)
{
	bool returned = resets_at[cookie] != model.resets;

	check(of == d && cookie < COOKIES && under_way[cookie], "each frame is told of once");
	for (uint16_t i = 1; !returned && i < MODEL_QUEUES; i += 2)
		for (uint16_t head = 0; head < model.queue[i].size; head++)
			if (model.queue[i].owner[head] == RETURNED) {
				model.queue[i].owner[head] = DRIVERS;
				returned = true;
				break;
			}
	check(returned || model.stuck, "and only when the device has returned one, or was reset");
	under_way[cookie] = false;
	done++;
}

static void send_one(void)
{
	struct netdev_piece pieces[NET_PIECES];
	uint8_t header[NET_HEADER_MAX];
	uint32_t length = 14 + (uint32_t)random_below(NET_HEADER_MAX - 13), n = copied ? 0 : (uint32_t)random_below(NET_PIECES + 1), cookie = 0;

	while (cookie < COOKIES && under_way[cookie])
		cookie++;
	check(cookie < COOKIES, "no more is taken than the queues hold");
	for (uint32_t i = 0; i < length; i++)
		header[i] = (uint8_t)(cookie + i);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t offset = (uint32_t)random_below(PIECE);
		pieces[i] = (struct netdev_piece){ (uint64_t)piece + offset, 1 + (uint32_t)random_below(PIECE - offset) };
	}
	machine_cpu.number = (uint32_t)random_below(cpu_count);
	if (!netdev_send(d, header, length, pieces, n, cookie)) {
		refused = true;
		return;
	}
	under_way[cookie] = true;
	resets_at[cookie] = model.resets;
	sent++;
}

static void deliver_interrupts(void)
{
	for (uint32_t i = 0; model.interrupt || asked_again; i++) {
		check(i < 10000, "interrupts end");
		model.interrupt = asked_again = false;
		if (random_below(8) == 0)
			netdev_put_off(d); /* and what comes until then is no loss */
		netdev_interrupt(d, 1);
	}
}

static struct model_queue *any_queue(uint16_t odd)
{
	uint16_t pairs = model.accepted >> 22 & 1 ? (uint16_t)(cpu_count < model.config[8] ? cpu_count : model.config[8]) : 1;

	return &model.queue[2 * random_below(pairs) + odd];
}

/* ---- The sane device -------------------------------------------------------------------------------------------------- */

static void frame_out(struct model_queue *q, uint16_t head)
{
	struct virtio_descriptor *at = &q->descriptors[head];
	const uint8_t *bytes = (const void *)at->address;
	uint8_t first = bytes[BEFORE];

	check(at->length >= BEFORE + 14 && at->length <= BEFORE + NET_HEADER_MAX && !(at->flags & 2), "a frame begins with its headers");
	for (uint32_t i = 0; i < BEFORE; i++)
		check(bytes[i] == 0, "the virtio header asks for nothing");
	for (uint32_t i = BEFORE; i < at->length; i++)
		check(bytes[i] == (uint8_t)(first + i - BEFORE), "a frame goes out as it was given");
	for (; at->flags & 1;) {
		at = &q->descriptors[at->next];
		check(at->address >= (uint64_t)piece && at->address + at->length <= (uint64_t)piece + PIECE && !(at->flags & 2), "its pieces are where they were");
	}
	model_use(q, head, 0);
}

static bool packet_in(struct model_queue *q)
{
	uint32_t length = 14 + (uint32_t)random_below(1500);
	uint16_t head;
	uint8_t *bytes;

	model_take(q);
	if (!q->held_count)
		return false;
	head = q->held[random_below(q->held_count)]; /* in any order (2.7.9) */
	bytes = (uint8_t *)q->descriptors[head].address;
	check(q->descriptors[head].length == BUFFER && q->descriptors[head].flags == 2, "a buffer is one piece, written by the device");
	memset(bytes, 0, BEFORE);
	for (uint32_t i = 0; i < length; i++)
		bytes[BEFORE + i] = (uint8_t)(length + i);
	model_use(q, head, BEFORE + length);
	return true;
}

static void drain_sent(void)
{
	for (uint16_t i = 1; i < MODEL_QUEUES; i += 2) {
		struct model_queue *q = &model.queue[i];

		model_take(q);
		while (q->held_count)
			frame_out(q, q->held[random_below(q->held_count)]);
	}
}

static void be_sane(uint32_t steps)
{
	uint64_t packets = 0, before = received;

	sane = true;
	deliver_interrupts();
	for (uint32_t i = 0; i < steps; i++) {
		struct model_queue *q = any_queue(1);

		refused = false;
		if (random_below(200) == 0)
			copied = !copied;
		switch (random_below(5)) {
		case 0:
			packets += packet_in(any_queue(0));
			break;
		case 1:
			send_one();
			break;
		case 2:
			netdev_kick(d);
			break;
		case 3:
			model_take(q);
			if (q->held_count)
				frame_out(q, q->held[random_below(q->held_count)]);
			break;
		default:
			deliver_interrupts();
		}
		if (refused) { /* what is promised then: an interrupt comes when there is room, without any other help */
			netdev_kick(d);
			drain_sent();
			check(model.interrupt || asked_again, "after a refusal an interrupt comes when there is room");
		}
	}
	netdev_kick(d);
	drain_sent();
	deliver_interrupts();
	netdev_kick(d);
	drain_sent();
	netdev_reap(d);
	check(received - before == packets, "every packet was handed up");
	for (uint32_t i = 0; i < COOKIES; i++)
		check(!under_way[i], "every frame was told of");
	check(packets > steps / 100, "packets came");
	sane = false;
}

/* ---- The hostile one -------------------------------------------------------------------------------------------------- */

static void lie(void)
{
	struct model_queue *q = any_queue((uint16_t)random_below(2));
	uint32_t length = random_below(4) ? (uint32_t)random_below(BUFFER + 64) : (uint32_t)random_below(UINT32_MAX);

	if (!q->started)
		return;
	model_take(q);
	switch (random_below(7)) {
	case 0: /* anything */
		model_use_any(q, (uint32_t)random_below(random_below(2) ? 2 * q->size : UINT32_MAX), length);
		break;
	case 1: /* what it has, with a length that may be a lie; the driver takes it back then without handing it up */
		if (q->held_count)
			model_use(q, q->held[random_below(q->held_count)], length);
		break;
	case 2: /* the same twice */
		if (q->held_count) {
			uint16_t head = q->held[0];
			model_use(q, head, length);
			model_use_any(q, head, length);
		}
		break;
	case 3:
		model_scribble(q);
		break;
	case 4: /* an index that leaps, or goes back */
		if (random_below(8) == 0)
			model_leap(q);
		break;
	case 5: /* address and link; how many pairs there are also says which queue the test takes for the control queue */
		model.config[random_below(8)] ^= (uint8_t)random_below(256);
		model.generation++;
		break;
	default: /* an interrupt for nothing */
		model.interrupt = true;
	}
	lies++;
}

/* A length that is too large makes the driver take the buffer back: so it is the driver's again although it is not handed up. */
static void forgive(void)
{
	for (uint16_t i = 0; i < MODEL_QUEUES; i++)
		for (uint16_t head = 0; head < model.queue[i].size; head++)
			if (model.queue[i].owner[head] == RETURNED)
				model.queue[i].owner[head] = DRIVERS;
}

static void be_hostile(uint32_t steps)
{
	uint8_t config[sizeof(model.config)];

	memcpy(config, model.config, sizeof(config));
	for (uint32_t i = 0; i < steps; i++) {
		for (uint64_t more = random_below(6); more > 0; more--)
			lie();
		model.interrupt = true; /* before anything else is offered, so that a lie does not become true meanwhile */
		deliver_interrupts();
		forgive();
		for (uint64_t more = random_below(6); more > 0; more--)
			send_one();
		if (random_below(3) == 0)
			netdev_kick(d);
		if (random_below(16) == 0)
			netdev_reap(d);
	}
	memcpy(model.config, config, sizeof(config));
	/* The last lie is one that leads to a reset, whatever was before. */
	if (model.queue[0].started)
		model.queue[0].ring[1] = (uint16_t)(model.queue[0].used + model.queue[0].size + 1);
	for (uint32_t i = 0; i < 2; i++) {
		model.interrupt = true;
		deliver_interrupts();
		forgive();
	}
}

/* One entry that names no frame, in place of one that does, and all else is true: that frame's memory would be waited for until the machine ends. */
static void lose_one(void)
{
	struct model_queue *q = NULL;

	sane = true;
	for (uint32_t i = 0; i < 4; i++)
		send_one();
	netdev_kick(d);
	for (uint16_t i = 1; i < MODEL_QUEUES; i += 2) {
		model_take(&model.queue[i]);
		q = model.queue[i].held_count ? &model.queue[i] : q;
	}
	check(q, "frames are on their way");
	model_use_any(q, q->size, 0);
	while (q->held_count > 1)
		frame_out(q, q->held[0]);
	model.interrupt = true;
	deliver_interrupts();
	for (uint16_t i = 1; i < MODEL_QUEUES; i += 2)
		while (&model.queue[i] != q && model.queue[i].held_count)
			frame_out(&model.queue[i], model.queue[i].held[0]);
	netdev_reap(d);
	netdev_reap(d);
	for (uint32_t i = 0; i < COOKIES; i++)
		check(!under_way[i], "a frame that the device has lost is nevertheless told of");
	sane = false;
}

static void round_of(uint32_t steps)
{
	static const uint16_t rooms[] = { 2, 4, 8, 64, 100, 256, 1024 };
	uint16_t mtu = (uint16_t)random_below(65536);

	netdev_count = 0;
	memset(under_way, 0, sizeof(under_way));
	memset(&model, 0, sizeof(model));
	model.type = VIRTIO_NET;
	model.room = rooms[random_below(sizeof(rooms) / sizeof(rooms[0]))];
	model.offered = FEATURE_VERSION_1 | (random_below(2) ? FEATURE_EVENT_INDEX : 0) | (random_below(2) ? 1 << 22 | 1 << 17 : 0) | (random_below(1ul << 17) & ~(1ul << 17)) |
		1ul << 40;
	model.queues = MODEL_QUEUES;
	for (uint32_t i = 0; i < 6; i++)
		model.config[i] = (uint8_t)random_below(256);
	model.config[6] = 1;
	model.config[8] = (uint8_t)(1 + random_below(4));
	memcpy(model.config + 10, &mtu, sizeof(mtu));
	model.restless = random_below(4) == 0;
	if (model.restless) /* then how many pairs there are cannot be known */
		model.offered &= ~(1ul << 22);
	cpu_count = 1 + (uint32_t)random_below(4);
	netdev_start();
	check(netdev_count == 1, "a device is found");
	d = &netdevs[0];
	check(d->mtu >= 68 && d->mtu <= 2022 && !(d->address[0] & 1) && d->send_slots, "what is said of it makes sense");
	netdev_enable(d);
	if (model.room >= 8) { /* a frame can have five descriptors */
		be_sane(steps);
		lose_one();
		be_sane(steps / 4);
	}
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t before = model.resets;
		be_hostile(steps / 4);
		check(model.resets > before, "a device that lies is reset");
		if (model.room >= 8)
			be_sane(steps / 4);
	}
	model.stuck = true;
	be_hostile(100);
	send_one();
	for (uint32_t i = 0; i < COOKIES; i++)
		check(!under_way[i], "a device that cannot be reset has nothing, and gets nothing");
	while (allocation_count)
		free(allocations[--allocation_count]);
}

int main(void)
{
	const char *given = getenv("SEED"), *wanted = getenv("ROUNDS");
	uint64_t first = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15;
	uint64_t rounds = wanted ? strtoull(wanted, NULL, 0) : 60;

	printf("# SEED=%#lx ROUNDS=%lu\n", first, rounds);
	seed = first | 1;
	for (uint64_t i = 0; i < rounds; i++)
		round_of(4000);
	printf("# %lu packets, %lu frames sent and %lu done, %lu lies\n", received, sent, done, lies);
	check(sent == done, "as many done as sent");
	printf("ok 1 - a device may lie: what it says is checked, and it works again when it is sane\n1..1\n");
	return 0;
}
