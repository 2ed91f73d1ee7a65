/* A handler (include/aegis/ash.h) that answers: UDP packets to port 7 go back to whoever sent them (RFC 862), and their receiver neither runs nor hears of
 * it: message initiation. Memory word 0 counts them. */
#include <exos/lib/net/packet.h>

/* listing: begin */
#define SWAP(a, b) \
	do { \
		uint16_t was = a; \
		a = b; \
		b = was; \
	} while (0)

uint64_t handler(struct ash_context *c)
{
	struct packet *p = (struct packet *)c->packet;

	if (!is_udp_to(p, c->packet_end, NET16(7)) || p->udp_from == NET16(7)) /* two that answer each other would never end */
		return ASH_RING;
	for (int i = 0; i < 3; i++)
		SWAP(p->ether_to[i], p->ether_from[i]);
	for (int i = 0; i < 2; i++)
		SWAP(p->ip_to[i], p->ip_from[i]);
	SWAP(p->udp_to, p->udp_from);
	/* Sums do not change when what they add up changes places. */
	if (ash_send(p, c->packet_end - c->packet) < 0)
		return ASH_RING;
	++*(uint64_t *)c->memory;
	return ASH_DONE;
}
/* listing: end */
