/* Frames on their way out, handed to the kernel in batches. The kernel copies each one's first bytes, which its guards look at; the rest goes from where it
 * lies. When the device has no room they wait here, as many as QUEUE; then no more is taken until some have gone: TCP tries again. */
#include <aegis/error.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/memory.h>
#include <exos/lib/net/ring.h>
#include <exos/lib/vm/pool.h>
#include <exos/lib/x86_64/calls.h>

#define COPY_ROOM 2048
#define QUEUE 128u /* a power of two */

static struct aegis_send queue[QUEUE];
static uint8_t headers[QUEUE][NET_HEADER_MAX] __attribute__((aligned(64)));
static uint32_t put, taken; /* so many so far, modulo 2^32: those between wait */
static uint64_t full, batches = 1;
static const struct aegis_frame_info *frame_table;

void port_send_start(void) { frame_table = (const struct aegis_frame_info *)exos_info(EXOS_INFO_FRAMES); }

bool port_unsent(void) { return put != taken; }
uint64_t port_full(void) { return full; }

void port_flush(void *data)
{
	(void)data;
	while (taken != put) {
		uint32_t at = taken % QUEUE, n = MIN(MIN(put - taken, (uint32_t)NET_SEND_MAX), QUEUE - at);
		int64_t result = aegis_net_send(port_ring.ring, queue + at, n);

		if (result == -E_FULL) {
			full++;
			return;
		}
		taken += result > 0 ? (uint32_t)result : 1; /* a frame that no guard lets pass is lost */
	}
	batches++;
}

/* Its header goes out alone, which is too short for what it says and is dropped by whoever gets it. */
static void give_up(struct aegis_send *send)
{
	for (uint32_t i = 0; i < NET_PIECES; i++)
		send->pieces[i].length = 0;
}

void port_forget(frame_t f)
{
	for (uint32_t n = taken; n != put; n++)
		for (uint32_t i = 0; i < NET_PIECES; i++)
			if (queue[n % QUEUE].pieces[i].length && queue[n % QUEUE].pieces[i].frame == f)
				give_up(&queue[n % QUEUE]);
}

struct copy { /* half a frame that something is copied to, for a device that cannot reach it where it is */
	struct copy *next; /* in a ring, the one used longest ago first */
	frame_t frame;
	uint32_t offset;
	uint64_t batch; /* the queue has been empty so many times when it was used last */
};
static struct copy *copies; /* the one used last */

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
	return true;
}

static uint32_t length_of(const struct net_part *parts, uint32_t n)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < n; i++)
		length += parts[i].length;
	return length;
}

/* Whole words, as most of a header is; copied twice where they overlap. */
static inline void copy_header(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (n < 32 || n > 96) {
		memcpy(to, from, n);
		return;
	}
	memcpy(to, from, 32);
	if (n > 64)
		memcpy(to + 32, from + 32, 32);
	memcpy(to + n - 32, from + n - 32, 32);
}

static bool send_copied(struct aegis_send *send, const struct net_part *parts, uint32_t n)
{
	uint32_t rest = length_of(parts, n);

	if (send->header_length + rest > NET_HEADER_MAX)
		return copy_parts(send, parts, n, rest);
	gather((uint8_t *)send->header + send->header_length, parts, n);
	send->header_length += rest;
	return true;
}

int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	struct aegis_send *send = &queue[put % QUEUE];
	uint32_t i;

	if ((put - taken) % NET_SEND_MAX == 0) { /* a batch; again only when as many more have come */
		port_flush(data);
		if (put - taken == QUEUE)
			return -ENOBUFS;
	}
	send->header = (uintptr_t)headers[put % QUEUE];
	send->header_length = header_length;
	copy_header(headers[put % QUEUE], header, header_length);
	for (i = 0; i < n && i < NET_PIECES && parts[i].physical; i++)
		send->pieces[i] = (struct aegis_piece){ (frame_t)(parts[i].physical / FRAME_SIZE), (uint16_t)(parts[i].physical % FRAME_SIZE), (uint16_t)parts[i].length };
	if (i < n) {
		send->pieces[0].length = 0;
		if (!send_copied(send, parts, n))
			return -ENOBUFS;
		i = send->pieces[0].length != 0;
	}
	for (; i < NET_PIECES; i++)
		send->pieces[i].length = 0;
	put++;
	return 0;
}
