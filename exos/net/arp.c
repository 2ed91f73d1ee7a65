/* ARP (RFC 826), and what it says of conflicts (RFC 5227): frames in and out; neighbour.c keeps what is learnt. */
#include <exos/net/ip.h>

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
#define ARP_LENGTH 28
#define DEFEND_INTERVAL (10 * SECOND)

struct arp {
	uint8_t hardware[2], protocol[2], hardware_length, protocol_length, operation[2];
	uint8_t sender[6], sender_ip[4], target[6], target_ip[4];
};
_Static_assert(sizeof(struct arp) == ARP_LENGTH, "as on the wire");

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void arp_send(struct net_stack *s, const uint8_t *to, uint8_t operation, const uint8_t *target, const uint8_t *target_ip)
{
	uint8_t frame[ETHERNET_HEADER + ARP_LENGTH];
	struct arp *a = (struct arp *)(frame + ETHERNET_HEADER);

	net_put16(a->hardware, 1);
	net_put16(a->protocol, ETHERNET_IPV4);
	a->hardware_length = 6;
	a->protocol_length = 4;
	net_put16(a->operation, operation);
	memcpy(a->sender, s->port.address, 6);
	memcpy(a->sender_ip, s->ip->ipv4.address, 4);
	memcpy(a->target, target, 6);
	memcpy(a->target_ip, target_ip, 4);
	ethernet_send(s, to, ETHERNET_ARP, frame + ETHERNET_HEADER, ARP_LENGTH, NULL, 0);
}

void arp_ask(struct net_stack *s, const uint8_t *to, const uint8_t *address)
{
	static const uint8_t nobody[6];

	arp_send(s, to ? to : everybody, ARP_REQUEST, nobody, address);
}

void arp_announce(struct net_stack *s)
{
	s->ip->announced = s->now;
	arp_ask(s, NULL, s->ip->ipv4.address);
}

void arp_input(struct net_stack *s, const uint8_t *frame, uint32_t length)
{
	const struct arp *a = (const struct arp *)(frame + ETHERNET_HEADER);
	const struct net_ipv4 *own = &s->ip->ipv4;
	struct net_address sender;
	struct net_neighbour *n;
	bool for_us, asked;

	if (length < ETHERNET_HEADER + ARP_LENGTH || net_get16(a->hardware) != 1 || net_get16(a->protocol) != ETHERNET_IPV4 || a->hardware_length != 6 || a->protocol_length != 4) {
		s->counters.malformed++;
		return;
	}
	sender = net_from_ipv4(a->sender_ip);
	if (!net_ipv4_of(&sender) ? net_get16(a->operation) != ARP_REQUEST : net_is_multicast(&sender) || net_is_loopback(&sender) || net_is_broadcast(s, &sender)) {
		s->counters.malformed++;
		return;
	}
	if (!*(const net_half *)own->address)
		return;
	if (memcmp(a->sender_ip, own->address, 4) == 0) {
		if (memcmp(a->sender, s->port.address, 6) == 0)
			return;
		s->counters.address_conflicts++;
		if (s->now - s->ip->announced >= DEFEND_INTERVAL)
			arp_announce(s);
		return;
	}
	for_us = memcmp(a->target_ip, own->address, 4) == 0;
	asked = for_us && net_get16(a->operation) == ARP_REPLY;
	n = net_ipv4_of(&sender) ? neighbour_find(s, &sender) : NULL;
	/* Who asks for us will be answered, and so is worth knowing; who answers without having been asked is not, nor changes what is known of others. */
	if (n && asked && (n->state == NEIGHBOUR_INCOMPLETE || n->state == NEIGHBOUR_PROBE))
		neighbour_learn(s, n, a->sender, true);
	if (!for_us || net_get16(a->operation) != ARP_REQUEST)
		return;
	if (!n && net_ipv4_of(&sender) && ((net_ipv4_of(&sender) ^ *(const net_half *)own->address) & *(const net_half *)own->mask) == 0)
		n = neighbour_get(s, &sender);
	if (n)
		neighbour_learn(s, n, a->sender, false);
	arp_send(s, a->sender, ARP_REPLY, a->sender, a->sender_ip);
}
