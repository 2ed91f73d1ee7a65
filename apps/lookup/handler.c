/* The handler (include/aegis/ash.h) that answers GETs in the kernel: it finds the key in the memory that it shares with
 * the server (table.h), and sends a reply that it builds there. Whatever it does not do goes to the ring, where the
 * server does it: other requests, keys that are not there, packets in pieces or without a checksum, and all that is
 * wrong. Its filter has looked at Ethernet's type, IP's version, header length, protocol and destination, and UDP's
 * port. */
#include <exos/lib/net/packet.h>

#include "table.h"

/* Nothing of an entry is read before, or used after, what the sequence says: the compiler may not move it, and this
 * machine does not reorder loads. */
#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

static inline uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum of addresses, UDP header and all behind it, which lie in one piece, and of the two words of the pseudo header
 * that do not (RFC 768). */
static inline int sum_is_right(const struct packet *p, uint64_t length)
{
	int64_t sum = ash_sum(p->ip_from, length + 8);

	return fold((uint64_t)sum + NET16(17) + p->udp_length) == 0xffff;
}

static inline int is_key(const struct table_entry *e, const uint64_t *key, uint64_t length)
{
	if (e->key_length != length || e->key[0] != key[0])
		return 0;
	if (length > 8 && e->key[1] != key[1])
		return 0;
	if (length > 16 && e->key[2] != key[2])
		return 0;
	return length <= 24 || e->key[3] == key[3];
}

/* Headers around what lies in the reply already: `length` bytes of value, whose sum is `sum`. */
static inline int64_t send_reply(
	struct table *t, const struct packet *p, const struct lookup_header *h, uint64_t length, uint64_t sum)
{
	struct table_reply *r = &t->reply;
	const uint16_t *id = (const uint16_t *)&h->id;
	uint16_t udp = NET16(8 + sizeof(*h) + length), check;

	for (int i = 0; i < 3; i++)
		r->ether_to[i] = p->ether_from[i];
	r->total = NET16(20 + 8 + sizeof(*h) + length);
	r->ip_to[0] = p->ip_from[0];
	r->ip_to[1] = p->ip_from[1];
	r->ip_check = ~fold(t->ip_sum + r->total + r->ip_to[0] + r->ip_to[1]);
	r->udp_to = p->udp_from;
	r->udp_length = udp;
	r->id[0] = id[0];
	r->id[1] = id[1];
	check = ~fold(sum + t->udp_sum + r->ip_to[0] + r->ip_to[1] + r->udp_to + 2ul * udp + id[0] + id[1]);
	r->udp_check = check ? check : 0xffff; /* 0 would say that there is none */
	return ash_send(r, 14 + 20 + 8 + sizeof(*h) + length);
}

/* ASH_DONE: it was this entry, and is answered. */
static inline uint64_t answer(struct table *t, const struct packet *p, const struct lookup_header *h,
	const struct table_entry *e, uint64_t length)
{
	uint32_t sequence = e->sequence;
	uint64_t size;
	int64_t sum;

	BARRIER();
	if (sequence & 1 || !is_key(e, (const uint64_t *)(h + 1), length))
		return ASH_RING;
	size = e->length;
	sum = ash_copy(__builtin_offsetof(struct table, reply.value), e->value, size);
	BARRIER();
	if (sum < 0 || e->sequence != sequence || send_reply(t, p, h, size, (uint64_t)sum) < 0)
		return ASH_RING;
	t->hits++;
	return ASH_DONE;
}

uint64_t handler(struct ash_context *c)
{
	const struct packet *p = (const struct packet *)c->packet;
	const struct lookup_header *h = (const struct lookup_header *)p->payload;
	const uint64_t *key = (const uint64_t *)(h + 1);
	struct table *t = (struct table *)c->memory;
	const struct table_entry *e;
	uint64_t length, udp, hash;

	if ((const uint8_t *)(key + 1) > c->packet_end) /* what lies behind is checked where it is read */
		return ASH_RING;
	length = h->key_length;
	udp = NET16(p->udp_length);
	if (p->fragment & NET16(0x3fff) || h->magic != LOOKUP_MAGIC || h->operation != LOOKUP_GET ||
		length - 1 >= LOOKUP_KEY_MAX || udp != 8 + sizeof(*h) + ((length + 7) & ~7ul) || !p->udp_check)
		return ASH_RING;
	if (!sum_is_right(p, udp))
		return ASH_RING;
	hash = lookup_mix(length, key[0]);
	if (length > 8)
		hash = lookup_mix(hash, key[1]);
	if (length > 16)
		hash = lookup_mix(hash, key[2]);
	if (length > 24)
		hash = lookup_mix(hash, key[3]);
	e = &t->entries[table_place(t->places, hash)];
	for (int i = 0; i < TABLE_PROBES; i++, e++)
		if (answer(t, p, h, e, length) == ASH_DONE)
			return ASH_DONE;
	return ASH_RING;
}
