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

/* The checks of a packet's addresses, which hold until ours change: what comes from whoever the last one came from needs them not. */
static inline bool seen_before(const struct net_stack *s, const uint8_t *ip)
{
	return s->ip->sane_generation == s->route_generation && *(const net_half *)(ip + 12) == s->ip->sane_source && *(const net_half *)(ip + 16) == *(const net_half *)s->ip->ipv4.address;
}

static inline bool header_sum_right(const uint8_t *ip, uint32_t length)
{
	const net_half *h = (const net_half *)ip;
	uint64_t sum;

	if (length != IPV4_HEADER)
		return net_sum_fold(net_sum(ip, length, 0)) == 0xffff;
	sum = (uint64_t)h[0] + h[1] + h[2] + h[3] + h[4];
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return net_sum_fold((uint32_t)sum) == 0xffff;
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
	bool known;

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
	if (!header_sum_right(ip, header)) {
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
	known = !loopback && seen_before(s, ip);
	if (!known && !source_is_sane(s, &p, loopback)) {
		s->counters.malformed++;
		return;
	}
	if (s->port.shared && !loopback && !neighbour_heard_last(s, ip))
		neighbour_heard(s, &p.source, ip - ETHERNET_HEADER + 6);
	fragment = net_get16(ip + 6);
	if (!known && !is_for_us(s, &p) && !(p.protocol == PROTOCOL_UDP && !group && dhcp_wants(s, p.data, p.length))) {
		s->counters.strangers++;
		return;
	}
	if (!known && !loopback && !p.multicast && net_is_own(s, &p.destination)) {
		s->ip->sane_source = net_ipv4_of(&p.source);
		s->ip->sane_generation = s->route_generation;
	}
	if (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) {
		struct fragment f = { p.data, (fragment & FRAGMENT_OFFSET) * 8, p.length, net_get16(ip + 4), fragment & MORE_FRAGMENTS };

		fragment_input(s, &p, &f);
		return;
	}
	ip_deliver(s, &p);
}
