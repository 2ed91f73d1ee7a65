/* IPv4 packets on their way in (RFC 791, RFC 1122 3.2.1). */
#include <exos/net/ip.h>

#define MORE_FRAGMENTS 0x2000
#define FRAGMENT_OFFSET 0x1fff

/* Nobody speaks from a group, from everybody, from nowhere (but to be given an address), or from outside as ourselves. */
static bool source_is_sane(const struct net_stack *s, const struct net_packet *p, bool loopback)
{
	if (loopback)
		return true;
	return !net_is_multicast(&p->source) && !net_is_broadcast(s, &p->source) && !net_is_own(s, &p->source) && !net_is_loopback(&p->destination);
}

static bool is_for_us(struct net_stack *s, struct net_packet *p)
{
	static const uint8_t all_hosts[4] = { 224, 0, 0, 1 };

	if (net_is_broadcast(s, &p->destination) || memcmp(p->destination.bytes + 12, all_hosts, 4) == 0) {
		p->multicast = true;
		return true;
	}
	return net_is_own(s, &p->destination);
}

void ipv4_input(struct net_stack *s, const uint8_t *ip, uint32_t length, uint64_t tag, bool group, bool loopback)
{
	struct net_packet p = { .ip = ip, .tag = tag, .multicast = group };
	uint32_t header, total, fragment;

	if (length < IPV4_HEADER || ip[0] >> 4 != 4) {
		s->counters.malformed++;
		return;
	}
	header = (ip[0] & 15) * 4u;
	total = net_get16(ip + 2);
	if (header < IPV4_HEADER || total < header || total > length) {
		s->counters.malformed++;
		return;
	}
	if (net_sum_fold(net_sum(ip, header, 0)) != 0xffff) {
		s->counters.checksum_errors++;
		return;
	}
	p.source = net_from_ipv4(ip + 12);
	p.destination = net_from_ipv4(ip + 16);
	p.protocol = ip[9];
	p.ttl = ip[8];
	p.tos = ip[1];
	p.data = ip + header;
	p.length = total - header;
	if (!source_is_sane(s, &p, loopback)) {
		s->counters.malformed++;
		return;
	}
	if (s->port.shared && !loopback)
		neighbour_heard(s, &p.source, ip - ETHERNET_HEADER + 6);
	fragment = net_get16(ip + 6);
	if (!is_for_us(s, &p) && !(p.protocol == PROTOCOL_UDP && !group && dhcp_wants(s, p.data, p.length))) {
		s->counters.strangers++;
		return;
	}
	if (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) {
		struct fragment f = { p.data, (fragment & FRAGMENT_OFFSET) * 8, p.length, net_get16(ip + 4), fragment & MORE_FRAGMENTS };

		fragment_input(s, &p, &f);
		return;
	}
	ip_deliver(s, &p);
}
