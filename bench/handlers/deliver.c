/* A handler (include/aegis/ash.h) that puts messages where they say: the payload of a UDP packet to port 9 begins with an offset (8 bytes, big-endian); what
 * follows is copied to the handler's memory at that offset (direct vectoring), and summed on the way (integrated layer processing). A packet whose sum is
 * wrong goes to the ring, as does one for the counters or for where there is no memory; it may have written there, but is not counted. Memory word 0 counts
 * the messages, word 1 their bytes. The owner is told of those whose offset has the top bit set. */
#include <exos/lib/net/packet.h>

struct message {
	uint16_t offset[4]; /* big-endian; at offset 42 of the packet: not aligned for more */
	uint8_t data[];
};
#define COUNTERS 16

/* The sum of what UDP sums besides the data (RFC 768): addresses, protocol, length twice, header, and the message's header. In words as they come; the
 * checksum among them. */
static inline uint64_t sum_of_headers(const struct packet *p, const struct message *m)
{
	uint64_t sum = NET16(17) + p->udp_length + p->udp_from + p->udp_to + p->udp_length + p->udp_check;

	for (int i = 0; i < 2; i++)
		sum += p->ip_from[i] + p->ip_to[i];
	for (int i = 0; i < 4; i++)
		sum += m->offset[i];
	return sum;
}

uint64_t handler(struct ash_context *c)
{
	struct packet *p = (struct packet *)c->packet;
	struct message *m = (struct message *)p->payload;
	uint64_t *memory = (uint64_t *)c->memory, offset, length, sum;
	int64_t copied;

	if (!is_udp_to(p, c->packet_end, NET16(9)) || m->data > c->packet_end)
		return ASH_RING;
	length = NET16(p->udp_length) - 8ul - sizeof(*m); /* a false one is past the packet's end, and ends the run */
	offset = (uint64_t)NET16(m->offset[0] & NET16(0x7fff)) << 48 | (uint64_t)NET16(m->offset[1]) << 32 | (uint64_t)NET16(m->offset[2]) << 16 | NET16(m->offset[3]);
	if (offset < COUNTERS)
		return ASH_RING;
	copied = ash_copy(offset, m->data, length);
	if (copied < 0)
		return ASH_RING;
	sum = copied + sum_of_headers(p, m);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff)
		return ASH_RING;
	memory[0]++;
	memory[1] += length;
	return m->offset[0] & NET16(0x8000) ? ASH_TELL : ASH_DONE;
}
