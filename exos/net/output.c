/* IP packets on their way out, both versions: headers, and fragments (IPv4: RFC 791; IPv6: RFC 8200 4.5). */
#include <exos/net/ip.h>

#define TTL 64 /* RFC 1700 */

static uint32_t length_of(uint32_t length, const struct net_part *parts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		length += parts[i].length;
	return length;
}

struct piece { /* of a packet: what goes into one fragment */
	uint32_t offset, length;
	bool fragment, more;
	uint32_t id;
};

static uint8_t *ipv4_header(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, uint8_t *payload, const struct piece *p)
{
	uint8_t *h = payload - IPV4_HEADER;

	h[0] = 0x45;
	h[1] = o->tos;
	net_put16(h + 2, IPV4_HEADER + p->length);
	net_put16(h + 4, p->id);
	net_put16(h + 6, (o->do_not_fragment ? 0x4000u : 0u) | (p->more ? 0x2000u : 0u) | p->offset / 8);
	h[8] = o->ttl ? o->ttl : TTL;
	h[9] = o->protocol;
	*(net_half *)(h + 12) = net_ipv4_of(&r->source);
	*(net_half *)(h + 16) = net_ipv4_of(&r->destination);
	*(uint16_t *)(h + 10) = 0;
	*(uint16_t *)(h + 10) = (uint16_t)~net_sum_fold(net_sum(h, IPV4_HEADER, 0));
	(void)s;
	return h;
}

static uint8_t *ipv6_header(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, uint8_t *payload, const struct piece *p)
{
	uint8_t protocol = o->protocol;
	uint32_t length = p->length;
	uint8_t *h;

	if (p->fragment) {
		payload -= IPV6_FRAGMENT_HEADER;
		payload[0] = protocol;
		payload[1] = 0;
		net_put16(payload + 2, p->offset | p->more);
		net_put32(payload + 4, p->id);
		protocol = IPV6_FRAGMENT;
		length += IPV6_FRAGMENT_HEADER;
	}
	h = payload - IPV6_HEADER;
	net_put32(h, 6u << 28 | (uint32_t)o->tos << 20);
	net_put16(h + 4, length);
	h[6] = protocol;
	h[7] = o->ttl ? o->ttl : s->ip->hop_limit ? s->ip->hop_limit : TTL;
	memcpy(h + 8, r->source.bytes, 16);
	memcpy(h + 24, r->destination.bytes, 16);
	return h;
}

static int send_piece(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, const struct piece *p, uint8_t *header, uint32_t length, const struct net_part *parts,
	uint32_t n)
{
	bool ipv4 = net_is_ipv4(&r->destination);
	uint8_t *ip = (ipv4 ? ipv4_header : ipv6_header)(s, r, o, header, p);

	return neighbour_send(s, r->neighbour, ipv4 ? ETHERNET_IPV4 : ETHERNET_IPV6, ip, length + (uint32_t)(header - ip), parts, n);
}

/* The part of `parts` that is p's, whose offsets count from the packet's beginning. */
static uint32_t cut(struct net_part *to, const struct piece *p, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	uint32_t at = header_length, end = p->offset + p->length, count = 0;

	for (uint32_t i = 0; i < n; at += parts[i++].length) {
		uint32_t first = MAX(at, p->offset), last = MIN(at + parts[i].length, end);

		if (first < last) {
			to[count] = parts[i];
			to[count].data += first - at;
			to[count].physical += to[count].physical ? first - at : 0;
			to[count++].length = last - first;
		}
	}
	return count;
}

/* A route's MTU may become smaller while the fragments are sent, but not below 576. The first has the transport header. */
static int send_fragments(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n,
	uint32_t total)
{
	uint32_t room = ROUND_DOWN(r->mtu - (net_is_ipv4(&r->destination) ? IPV4_HEADER : IPV6_HEADER + IPV6_FRAGMENT_HEADER), 8u);
	struct piece p = { .fragment = true, .id = (uint32_t)s->port.random(s->port.data) };
	uint8_t later[NET_HEADROOM];

	for (; p.offset < total; p.offset += room) {
		struct net_part own[NET_PARTS];
		bool first = p.offset == 0;
		int error;

		p.length = MIN(room, total - p.offset);
		p.more = p.offset + p.length < total;
		error = send_piece(s, r, o, &p, first ? header : later + NET_HEADROOM, first ? length : 0, own, cut(own, &p, length, parts, n));
		if (error)
			return error;
	}
	return 0;
}

int ip_send(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n)
{
	bool ipv4 = net_is_ipv4(&r->destination);
	struct piece p = { .length = length_of(length, parts, n) };

	if (p.length > 65535 - (ipv4 ? IPV4_HEADER : IPV6_FRAGMENT_HEADER))
		return -EMSGSIZE;
	if (p.length + (ipv4 ? IPV4_HEADER : IPV6_HEADER) > r->mtu) {
		if (o->do_not_fragment || o->protocol == PROTOCOL_TCP)
			return -EMSGSIZE;
		return send_fragments(s, r, o, header, length, parts, n, p.length);
	}
	p.id = s->ip->next_id++; /* of what is not cut, it means nothing (RFC 6864) */
	return send_piece(s, r, o, &p, header, length, parts, n);
}
