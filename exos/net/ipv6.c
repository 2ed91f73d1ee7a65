/* IPv6 packets on their way in (RFC 8200): extension headers are gone through, fragments put together. */
#include <exos/net/ip.h>

#define HEADERS_MAX 8 /* extension headers of a packet; who sends more of them wants to keep us busy */

static bool is_for_us(struct net_stack *s, struct net_packet *p)
{
	const uint8_t *d = p->destination.bytes;
	static const uint8_t solicited[13] = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff }, all_nodes[16] = { 0xff, 2, [15] = 1 };

	if (!net_is_multicast(&p->destination))
		return net_is_own(s, &p->destination);
	p->multicast = true;
	if (memcmp(d, all_nodes, sizeof(all_nodes)) == 0 || (d[0] == 0xff && d[1] == 1 && net_get32(d + 12) == 1))
		return true;
	if (memcmp(d, solicited, sizeof(solicited)) != 0)
		return false;
	LIST_FOR_EACH(l, &s->ip->addresses) { /* those that are tentative too: others' doubts about them are to be heard */
		const struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (memcmp(a->address.bytes + 13, d + 13, 3) == 0)
			return true;
	}
	return false;
}

/* Options that are not known are passed over, or end the packet, as they say themselves (RFC 8200 4.2). None is known but padding. */
static bool options_pass(const uint8_t *o, uint32_t length)
{
	uint32_t at = 2;

	while (at < length) {
		if (o[at] == 0) {
			at++;
			continue;
		}
		if (at + 2 > length || at + 2 + o[at + 1] > length || o[at] >> 6)
			return false;
		at += 2u + o[at + 1];
	}
	return true;
}

/* Length of the extension header, or 0: the packet goes no further. */
static uint32_t extension(const uint8_t *h, uint32_t left, uint8_t type)
{
	uint32_t length;

	if (left < 8)
		return 0;
	length = (h[1] + 1u) * 8;
	if (length > left)
		return 0;
	if (type == IPV6_ROUTING)
		return h[3] == 0 ? length : 0; /* segments left: we are no router (RFC 5095) */
	return options_pass(h, length) ? length : 0;
}

/* Where the fields are; false: they cannot be so. An IPv4 address has no place here: it would be taken for one of a packet of IPv4 (RFC 4942 2.2). */
static bool read_header(const struct net_stack *s, struct net_packet *p, uint32_t length, bool loopback)
{
	const uint8_t *ip = p->ip;

	if (length < IPV6_HEADER || ip[0] >> 4 != 6 || net_get16(ip + 4) > length - IPV6_HEADER)
		return false;
	memcpy(p->source.bytes, ip + 8, 16);
	memcpy(p->destination.bytes, ip + 24, 16);
	p->protocol = ip[6];
	p->ttl = ip[7];
	p->tos = (uint8_t)(net_get16(ip) >> 4);
	p->data = ip + IPV6_HEADER;
	if (net_is_multicast(&p->source) || net_is_ipv4(&p->source) || net_is_ipv4(&p->destination))
		return false;
	return loopback || !(net_is_loopback(&p->source) || net_is_loopback(&p->destination) || net_is_own(s, &p->source));
}

void ipv6_input(struct net_stack *s, const uint8_t *ip, uint32_t length, uint64_t tag, bool group, bool loopback)
{
	struct net_packet p = { .ip = ip, .tag = tag, .multicast = group };
	uint32_t left, n;

	if (!read_header(s, &p, length, loopback)) {
		s->counters.malformed++;
		return;
	}
	if (!is_for_us(s, &p)) {
		s->counters.strangers++;
		return;
	}
	left = net_get16(ip + 4);
	for (int i = 0; i < HEADERS_MAX; i++, p.data += n, left -= n) {
		switch (p.protocol) {
		case IPV6_HOP_BY_HOP:
		case IPV6_ROUTING:
		case IPV6_DESTINATION:
			n = p.protocol == IPV6_HOP_BY_HOP && i ? 0 : extension(p.data, left, p.protocol);
			break;
		case IPV6_FRAGMENT:
			if (left >= IPV6_FRAGMENT_HEADER) {
				struct fragment f = { p.data + 8, net_get16(p.data + 2) & 0xfff8, left - 8, net_get32(p.data + 4), p.data[3] & 1 };

				p.protocol = p.data[0];
				if (f.offset || f.more) {
					p.data += 8;
					p.length = f.length;
					fragment_input(s, &p, &f);
					return;
				}
				n = IPV6_FRAGMENT_HEADER; /* one that is the whole (RFC 6946) */
				break;
			}
			n = 0;
			break;
		case IPV6_NONE:
			return;
		default:
			p.length = left;
			ip_deliver(s, &p);
			return;
		}
		if (!n)
			break;
		p.protocol = p.data[0];
	}
	s->counters.malformed++;
}
