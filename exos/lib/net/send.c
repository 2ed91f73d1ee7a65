/* Frames on their way out, handed to the kernel in batches. The kernel copies each one's first bytes, which its guards look at; the rest goes from where it lies. When the device has no room, what is collected stays, and
 * no more is taken until it has gone: TCP tries again. */
#include <aegis/error.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/memory.h>
#include <exos/lib/net/ring.h>
#include <exos/lib/vm/pool.h>
#include <exos/lib/x86_64/calls.h>

#define COPY_ROOM 2048

static struct aegis_send batch[NET_SEND_MAX];
static uint8_t headers[NET_SEND_MAX][NET_HEADER_MAX] __attribute__((aligned(64)));
static uint32_t collected, gone; /* of the batch: behind the first `gone` */
static uint64_t full, batches = 1;
static const struct aegis_frame_info *frame_table;

void port_settle(void)
{
	port_flush(NULL);
	collected = gone = 0;
}

struct copy { /* half a frame that something is copied to, for a device that cannot reach it where it is */
	struct copy *next; /* in a ring, the one used longest ago first */
	frame_t frame;
	uint32_t offset;
	uint64_t batch; /* the last that it was in */
};
static struct copy *copies; /* the one used last */

void port_send_start(void) { frame_table = (const struct aegis_frame_info *)exos_info(EXOS_INFO_FRAMES); }

bool port_unsent(void) { return collected != gone; }
uint64_t port_full(void) { return full; }

void port_flush(void *data)
{
	(void)data;
	while (gone < collected) {
		int64_t result = aegis_net_send(port_ring.ring, batch + gone, collected - gone);

		if (result == -E_FULL) {
			full++;
			return;
		}
		gone += result > 0 ? (uint32_t)result : 1; /* a frame that no guard lets pass is lost */
	}
	collected = gone = 0;
	batches++;
}

static bool in_use(const struct copy *c) { return c->batch == batches || frame_table[c->frame].pins; }

static struct copy *copy_new(void)
{
	frame_t f = pool_get();

	for (uint32_t offset = 0; f != NO_FRAME && offset < FRAME_SIZE; offset += COPY_ROOM) {
		struct copy *c = memory_get(sizeof(*c));

		if (!c)
			break;
		*c = (struct copy){ .next = copies ? copies->next : c, .frame = f, .offset = offset };
		if (copies)
			copies->next = c;
		else
			copies = c;
	}
	return copies ? copies->next : NULL;
}

static struct copy *copy_get(void)
{
	struct copy *c = copies ? copies->next : NULL;

	if (!c || in_use(c))
		c = copy_new();
	if (!c || in_use(c))
		return NULL;
	c->batch = batches;
	copies = c;
	return c;
}

static void gather(uint8_t *to, const struct net_part *parts, uint32_t n)
{
	for (uint32_t i = 0; i < n; to += parts[i++].length)
		memcpy(to, parts[i].data, parts[i].length);
}

/* Too long for a header, and not where a device can read it. */
static bool copy_parts(struct aegis_send *send, const struct net_part *parts, uint32_t n, uint32_t length)
{
	struct copy *c = length <= COPY_ROOM ? copy_get() : NULL;

	if (!c)
		return false;
	gather((uint8_t *)exos_frame_bytes(c->frame) + c->offset, parts, n);
	send->pieces[0] = (struct aegis_piece){ c->frame, (uint16_t)c->offset, (uint16_t)length };
	send->pieces[1].length = 0;
	return true;
}

static bool reachable(const struct net_part *parts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!parts[i].physical)
			return false;
	return n <= NET_PIECES;
}

static uint32_t length_of(const struct net_part *parts, uint32_t n)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < n; i++)
		length += parts[i].length;
	return length;
}

static inline bool no_room(void *data)
{
	if (collected == NET_SEND_MAX)
		port_flush(data);
	return gone != 0; /* the device is full */
}

int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	struct aegis_send *send;
	uint32_t rest;

	if (no_room(data))
		return -ENOBUFS;
	send = &batch[collected];
	memcpy(headers[collected], header, header_length);
	send->header = (uintptr_t)headers[collected];
	send->header_length = header_length;
	for (uint32_t i = 0; i < NET_PIECES; i++)
		send->pieces[i] = i < n && parts[i].physical ? (struct aegis_piece){ (frame_t)(parts[i].physical / FRAME_SIZE), (uint16_t)(parts[i].physical % FRAME_SIZE), (uint16_t)parts[i].length } : (struct aegis_piece){ .length = 0 };
	if (!reachable(parts, n)) {
		rest = length_of(parts, n);
		for (uint32_t i = 0; i < NET_PIECES; i++)
			send->pieces[i].length = 0;
		if (header_length + rest <= NET_HEADER_MAX) {
			gather(headers[collected] + header_length, parts, n);
			send->header_length += rest;
		} else if (!copy_parts(send, parts, n, rest)) {
			return -ENOBUFS;
		}
	}
	collected++;
	return 0;
}
