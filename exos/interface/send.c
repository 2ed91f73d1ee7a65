/* Frames on their way out: collected, and handed to the kernel in batches. The kernel copies the first bytes of each, which its guards look at; what lies in frames of the domain's is sent from there; the rest is copied
 * to frames that are used again when the device is done with them, which the exposed frame table says.
 *
 * A frame for which there is no room is lost. That is what happens to frames, and keeping it would mean keeping what its owner may want back meanwhile. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/interface/ring.h>
#include <exos/start.h>

#define HEADERS_IN_FRAME (FRAME_SIZE / NET_HEADER_MAX)
#define HEADER_FRAMES (int)(NET_SEND_MAX / HEADERS_IN_FRAME)
#define FRAME_BYTES_MAX (FRAME_SIZE / 2)

/* All domain lock. */
static struct aegis_send *batch; /* NET_SEND_MAX of them */
static uint8_t *headers[HEADER_FRAMES];
static uint32_t collected;
static uint64_t lost, batches;

struct copies { /* frames to be copied to: half of one each time */
	struct list link;
	frame_t frame;
	uint32_t used; /* bytes */
	uint64_t batch; /* the one that it is in */
};
static struct list copies; /* the one in use last */

uint64_t send_lost(void) { return lost; }

bool send_start(void)
{
	if (batch)
		return true;
	list_init(&copies);
	for (int i = 0; i < HEADER_FRAMES; i++)
		if (!headers[i]) {
			frame_t f = frame_get();

			if (f == NO_FRAME)
				return false;
			headers[i] = frame_address(f);
		}
	batch = heap_alloc(NET_SEND_MAX * sizeof(*batch));
	return batch != NULL;
}

static uint8_t *header_of(uint32_t i) { return headers[i / HEADERS_IN_FRAME] + i % HEADERS_IN_FRAME * NET_HEADER_MAX; }

void port_flush(void *data)
{
	uint32_t done = 0;

	(void)data;
	while (done < collected) {
		int64_t result = aegis_net_send(interface_ring, batch + done, collected - done);

		if (result > 0) {
			done += (uint32_t)result;
			continue;
		}
		if (result == -E_FULL) {
			lost += collected - done;
			break;
		}
		lost++;
		done++;
	}
	collected = 0;
	batches++;
}

/* Half a frame that no device reads from. Null: no memory. */
static uint8_t *copy_room(struct copies **out)
{
	struct copies *c;

	LIST_FOR_EACH(l, &copies) {
		c = CONTAINER_OF(l, struct copies, link);
		if (c->used == FRAME_SIZE && c->batch != batches && frame_table[c->frame].pins == 0)
			c->used = 0;
		if (c->used < FRAME_SIZE) {
			*out = c;
			return (uint8_t *)frame_address(c->frame) + c->used;
		}
	}
	c = heap_alloc(sizeof(*c));
	if (!c || (c->frame = frame_get()) == NO_FRAME) {
		heap_free(c);
		return NULL;
	}
	list_append(&copies, &c->link);
	*out = c;
	return frame_address(c->frame);
}

/* The bytes from `skip` on of header and parts. */
static void gather(uint8_t *to, uint32_t skip, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	if (skip < header_length) {
		memcpy(to, header + skip, header_length - skip);
		to += header_length - skip;
		skip = header_length;
	}
	skip -= header_length;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cut = MIN(skip, parts[i].length);

		memcpy(to, parts[i].data + cut, parts[i].length - cut);
		to += parts[i].length - cut;
		skip -= cut;
	}
}

/* Can the device read the parts where they lie? */
static bool in_place(uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	if (header_length > NET_HEADER_MAX || n > NET_PIECES)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!parts[i].physical || parts[i].physical % FRAME_SIZE + parts[i].length > FRAME_SIZE)
			return false;
	return true;
}

int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	struct aegis_send *send;
	uint32_t total = header_length;

	if (collected == NET_SEND_MAX)
		port_flush(data);
	send = &batch[collected];
	*send = (struct aegis_send){ .header = (uintptr_t)header_of(collected) };
	for (uint32_t i = 0; i < n; i++)
		total += parts[i].length;
	if (total <= NET_HEADER_MAX) {
		gather(header_of(collected), 0, header, header_length, parts, n);
		send->header_length = total;
	} else if (in_place(header_length, parts, n)) {
		memcpy(header_of(collected), header, header_length);
		send->header_length = header_length;
		for (uint32_t i = 0; i < n; i++)
			send->pieces[i] = (struct aegis_piece){ (frame_t)(parts[i].physical / FRAME_SIZE), (uint16_t)(parts[i].physical % FRAME_SIZE), (uint16_t)parts[i].length };
	} else {
		uint32_t copied = MIN(header_length, (uint32_t)NET_HEADER_MAX);
		struct copies *c;
		uint8_t *to = total - copied <= FRAME_BYTES_MAX ? copy_room(&c) : NULL;

		if (!to) {
			lost++;
			return -ENOBUFS;
		}
		memcpy(header_of(collected), header, copied);
		gather(to, copied, header, header_length, parts, n);
		send->header_length = copied;
		send->pieces[0] = (struct aegis_piece){ c->frame, (uint16_t)c->used, (uint16_t)(total - copied) };
		c->used += FRAME_BYTES_MAX;
		c->batch = batches;
	}
	collected++;
	return 0;
}
