/* Frames on their way out: collected, and handed to the kernel in batches. The kernel copies the first bytes of each, which its guards look at; what lies in frames of the domain's is sent from there; the rest is copied
 * to frames that are used again when the device is done with them, which the exposed frame table says.
 *
 * Frames for which the device has no room just now are kept, copied, since what they are sent from may be its owner's again before they go; those that come later wait behind them. A server that is asked by
 * hundreds at once answers in one turn more frames than the device's queue has places, and each SYN that got no answer would cost its sender a second. When there are too many they are lost, as frames are, and senders slow down. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/interface/ring.h>
#include <exos/start.h>

#define HEADERS_IN_FRAME (FRAME_SIZE / NET_HEADER_MAX)
#define HEADER_FRAMES (int)(NET_SEND_MAX / HEADERS_IN_FRAME)
#define FRAME_BYTES_MAX (FRAME_SIZE / 2)
#define KEPT_MAX 1024   /* frames, some 12 ms of a gigabit */
#define KEPT_AT_ONCE 8
#define COPIES_SPARE 32 /* frames that are not given back when all is quiet */

/* All domain lock. */
static struct aegis_send *batch; /* NET_SEND_MAX of them */
static uint8_t *headers[HEADER_FRAMES];
static uint32_t collected;
static uint64_t lost, batches;

struct copies { /* a frame to be copied to, half of it each time */
	struct list link;
	frame_t frame;
	uint32_t used;  /* bytes */
	uint32_t held;  /* by frames that are kept */
	uint64_t batch; /* the one that it is in */
};
static struct list copies; /* the one that was filled last is the last; domain lock, as all of these */
static struct copies *filling;
static uint32_t copies_count;

struct kept {
	struct list link;
	struct copies *copy; /* null: the header is all */
	struct aegis_piece piece;
	uint32_t header_length;
	uint8_t header[NET_HEADER_MAX];
};
static struct list kept;
static uint32_t kept_count;

uint64_t send_lost(void) { return lost; }

bool send_start(void)
{
	if (batch)
		return true;
	list_init(&copies);
	list_init(&kept);
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

static bool is_free(const struct copies *c) { return c->batch != batches && !c->held && frame_table[c->frame].pins == 0; }

static struct copies *copies_new(void)
{
	struct copies *c = heap_alloc(sizeof(*c));

	if (!c || (c->frame = frame_get()) == NO_FRAME) {
		heap_free(c);
		return NULL;
	}
	copies_count++;
	return c;
}

/* Half a frame that no device reads from: of the one that was filled the longest ago, if that is free. Null: no memory. */
static uint8_t *copy_room(struct copies **out)
{
	struct copies *oldest = list_empty(&copies) ? NULL : CONTAINER_OF(copies.next, struct copies, link), *c = filling;
	uint8_t *room;

	if (!c && oldest && is_free(oldest)) {
		list_remove(&oldest->link);
		c = oldest;
		c->used = 0;
	}
	c = c ? c : copies_new();
	if (!c)
		return NULL;
	room = (uint8_t *)frame_address(c->frame) + c->used;
	c->used += FRAME_BYTES_MAX;
	c->batch = batches;
	filling = c->used < FRAME_SIZE ? c : NULL;
	if (!filling)
		list_append(&copies, &c->link);
	*out = c;
	return room;
}

/* A burst needed many. */
static void give_back_copies(void)
{
	while (copies_count > COPIES_SPARE && !list_empty(&copies)) {
		struct copies *c = CONTAINER_OF(copies.next, struct copies, link);

		if (!is_free(c))
			return;
		list_remove(&c->link);
		frame_put(c->frame);
		heap_free(c);
		copies_count--;
	}
}

/* False: there is no memory. */
static bool copy_pieces(struct kept *k, const struct aegis_send *send)
{
	uint32_t n = 0;
	uint8_t *to;

	for (int i = 0; i < NET_PIECES; i++)
		n += send->pieces[i].length;
	if (!n)
		return true;
	to = copy_room(&k->copy);
	if (!to)
		return false;
	k->copy->held++;
	k->piece = (struct aegis_piece){ k->copy->frame, (uint16_t)((uintptr_t)to % FRAME_SIZE), (uint16_t)n };
	for (int i = 0; i < NET_PIECES; i++) {
		const struct aegis_piece *p = &send->pieces[i];

		memcpy(to, (const uint8_t *)frame_address(p->frame) + p->offset, p->length);
		to += p->length;
	}
	return true;
}

static void keep(const struct aegis_send *send)
{
	struct kept *k = kept_count < KEPT_MAX ? heap_alloc(sizeof(*k)) : NULL;

	if (!k || !copy_pieces(k, send)) {
		heap_free(k);
		lost++;
		return;
	}
	k->header_length = send->header_length;
	memcpy(k->header, (const void *)send->header, send->header_length);
	list_append(&kept, &k->link);
	kept_count++;
}

/* How many need not be tried again: they are sent, or no guard lets them pass. Fewer than n: there is no room for more. */
static uint32_t hand_over(const struct aegis_send *list, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		int64_t result = aegis_net_send(interface_ring, list + done, n - done);

		if (result == -E_FULL)
			break;
		lost += result < 0;
		done += result < 0 ? 1 : (uint32_t)result;
	}
	return done;
}

static void first_is_sent(void)
{
	struct kept *k = CONTAINER_OF(kept.next, struct kept, link);

	if (k->copy)
		k->copy->held--;
	list_remove(&k->link);
	heap_free(k);
	kept_count--;
}

/* True: none are left. */
static bool send_those_kept(void)
{
	while (kept_count) {
		struct aegis_send list[KEPT_AT_ONCE];
		uint32_t n = 0, done;

		LIST_FOR_EACH(l, &kept) {
			const struct kept *k = CONTAINER_OF(l, struct kept, link);

			if (n == KEPT_AT_ONCE)
				break;
			list[n++] = (struct aegis_send){ .header = (uintptr_t)k->header, .header_length = k->header_length, .pieces = { k->piece } };
		}
		done = hand_over(list, n);
		for (uint32_t i = 0; i < done; i++)
			first_is_sent();
		if (done < n)
			return false;
	}
	return true;
}

bool send_waits(void) { return kept_count != 0; }

void port_flush(void *data)
{
	uint32_t done = send_those_kept() ? hand_over(batch, collected) : 0;

	(void)data;
	for (; done < collected; done++)
		keep(&batch[done]);
	collected = 0;
	batches++;
	if (!kept_count)
		give_back_copies();
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
		send->pieces[0] = (struct aegis_piece){ c->frame, (uint16_t)((uintptr_t)to % FRAME_SIZE), (uint16_t)(total - copied) };
	}
	collected++;
	return 0;
}
