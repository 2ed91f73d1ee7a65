/* Neighbour discovery (RFC 4861) as a host does it: what is asked and answered. autoconf.c has the addresses that come of it. Redirects are not followed. */
#include <exos/net/autoconf.h>

enum { ROUTER_SOLICITATION = 133, ROUTER_ADVERTISEMENT = 134, SOLICITATION = 135, ADVERTISEMENT = 136 };
enum { FLAG_ROUTER = 0x80, FLAG_SOLICITED = 0x40, FLAG_OVERRIDE = 0x20 };
enum { OPTION_SOURCE = 1, OPTION_TARGET = 2, OPTION_PREFIX = 3, OPTION_MTU = 5 };
#define HOP_LIMIT 255 /* what has crossed no router */
#define MESSAGE_MAX 32 /* bytes of those that we send */
#define TARGET 8       /* offset of the target in solicitations and advertisements */
#define TARGET_END 24
#define ADVERTISEMENT_HEADER 16 /* a router's */

static const struct net_address all_nodes = { { 0xff, 2, [15] = 1 } }, all_routers = { { 0xff, 2, [15] = 2 } };

static struct net_address solicited_group(const struct net_address *a)
{
	struct net_address group = { { 0xff, 2, [11] = 1, [12] = 0xff } };

	memcpy(group.bytes + 13, a->bytes + 13, 3);
	return group;
}

/* `message`: of `length` bytes, with room before it. */
static void send(struct net_stack *s, struct net_route *r, uint8_t *message, uint32_t length)
{
	struct net_send_options o = { .protocol = PROTOCOL_ICMPV6, .ttl = HOP_LIMIT };

	r->mtu = s->port.mtu;
	*(uint16_t *)(message + 2) = (uint16_t)~net_sum_fold(net_sum(message, length, net_sum_pseudo(&r->source, &r->destination, PROTOCOL_ICMPV6, length)));
	ip_send(s, r, &o, message, length, NULL, 0);
}

static void put_own_address(const struct net_stack *s, uint8_t *option, uint8_t type)
{
	option[0] = type;
	option[1] = 1;
	memcpy(option + 2, s->port.address, 6);
}

static const struct net_address *link_local(const struct net_stack *s)
{
	LIST_FOR_EACH(l, &s->ip->addresses) {
		const struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (!a->tentative && net_is_link_local(&a->address))
			return &a->address;
	}
	return NULL;
}

void discovery_ask(struct net_stack *s, const struct net_address *target, const struct net_neighbour *n)
{
	uint8_t room[NET_HEADROOM + MESSAGE_MAX] = { 0 }, *m = room + NET_HEADROOM;
	struct net_route r = { .destination = n ? n->address : solicited_group(target), .neighbour = &s->ip->group };
	const struct net_address *own = link_local(s);

	if (!own)
		return;
	r.source = *own;
	m[0] = SOLICITATION;
	memcpy(m + TARGET, target->bytes, 16);
	put_own_address(s, m + TARGET_END, OPTION_SOURCE);
	if (n) { /* a copy, so that the question does not change what is asked about */
		struct net_neighbour known = *n;

		known.state = NEIGHBOUR_REACHABLE;
		r.neighbour = &known;
		send(s, &r, m, MESSAGE_MAX);
	} else {
		send(s, &r, m, MESSAGE_MAX);
	}
}

void discovery_probe(struct net_stack *s, const struct net_address *tentative)
{
	uint8_t room[NET_HEADROOM + TARGET_END] = { 0 }, *m = room + NET_HEADROOM;
	struct net_route r = { .destination = solicited_group(tentative), .neighbour = &s->ip->group };

	m[0] = SOLICITATION;
	memcpy(m + TARGET, tentative->bytes, 16);
	send(s, &r, m, TARGET_END);
}

void discovery_solicit(struct net_stack *s)
{
	uint8_t room[NET_HEADROOM + 16] = { 0 }, *m = room + NET_HEADROOM;
	struct net_route r = { .destination = all_routers, .neighbour = &s->ip->group };
	const struct net_address *own = link_local(s);

	if (!own)
		return;
	r.source = *own;
	m[0] = ROUTER_SOLICITATION;
	put_own_address(s, m + 8, OPTION_SOURCE);
	send(s, &r, m, 16);
}

static void advertise(struct net_stack *s, const struct net_packet *p, const struct net_address *target)
{
	uint8_t room[NET_HEADROOM + MESSAGE_MAX] = { 0 }, *m = room + NET_HEADROOM;
	struct net_route r;
	bool anonymous = net_is_zero(&p->source);

	if (net_route_find(s, &r, anonymous ? &all_nodes : &p->source, target))
		return;
	m[0] = ADVERTISEMENT;
	m[4] = FLAG_OVERRIDE | (anonymous ? 0 : FLAG_SOLICITED);
	memcpy(m + TARGET, target->bytes, 16);
	put_own_address(s, m + TARGET_END, OPTION_TARGET);
	send(s, &r, m, MESSAGE_MAX);
}

/* Every option has a length, and none is 0: else the message is none (RFC 4861 4.6). */
static bool options_good(const uint8_t *o, uint32_t length)
{
	while (length) {
		uint32_t n = length >= 8 ? o[1] * 8u : 0;

		if (!n || n > length)
			return false;
		o += n;
		length -= n;
	}
	return true;
}

/* The next of `type` and of at least `size` bytes, from `o` on; null: none. The options are good. */
static const uint8_t *option(const uint8_t *o, const uint8_t *end, uint8_t type, uint32_t size)
{
	for (; o < end; o += o[1] * 8u)
		if (o[0] == type && o[1] * 8u >= size)
			return o;
	return NULL;
}

static void solicitation(struct net_stack *s, const struct net_packet *p, const struct net_address *target, const uint8_t *source)
{
	struct ip6_address *own = autoconf_find(s, target);

	if (!own)
		return;
	if (net_is_zero(&p->source) && (source || !p->multicast)) {
		s->counters.malformed++;
		return;
	}
	if (own->tentative) {
		if (net_is_zero(&p->source)) /* another is about to take it too */
			autoconf_duplicate(own);
		return;
	}
	if (source && ip6_on_link(s, &p->source)) {
		struct net_neighbour *n = neighbour_get(s, &p->source);

		if (n)
			neighbour_learn(s, n, source + 2, false);
	}
	advertise(s, p, target);
}

static void advertisement(struct net_stack *s, const struct net_packet *p, const struct net_address *target, const uint8_t *ethernet)
{
	struct ip6_address *own = autoconf_find(s, target);
	struct net_neighbour *n;
	uint8_t flags = p->data[4];

	if (flags & FLAG_SOLICITED && p->multicast) {
		s->counters.malformed++;
		return;
	}
	if (own) {
		if (own->tentative)
			autoconf_duplicate(own);
		else
			s->counters.address_conflicts++;
		return;
	}
	n = neighbour_find(s, target);
	if (!n)
		return;
	if (!(flags & FLAG_ROUTER))
		autoconf_no_router(s, target);
	if (n->state == NEIGHBOUR_INCOMPLETE && !ethernet)
		return;
	if (flags & FLAG_SOLICITED && (n->state == NEIGHBOUR_INCOMPLETE || n->state == NEIGHBOUR_PROBE))
		neighbour_learn(s, n, ethernet ? ethernet + 2 : n->ethernet, true);
	else if (ethernet && flags & FLAG_OVERRIDE && n->state != NEIGHBOUR_INCOMPLETE)
		neighbour_learn(s, n, ethernet + 2, false);
}

static void router_advertisement(struct net_stack *s, const struct net_packet *p)
{
	const uint8_t *end = p->data + p->length, *o = p->data + ADVERTISEMENT_HEADER;
	const uint8_t *source = option(o, end, OPTION_SOURCE, 8), *mtu = option(o, end, OPTION_MTU, 8);

	if (!net_is_link_local(&p->source)) {
		s->counters.malformed++;
		return;
	}
	if (p->data[4])
		s->ip->hop_limit = p->data[4];
	autoconf_router(s, &p->source, net_get16(p->data + 6));
	if (source) {
		struct net_neighbour *n = neighbour_get(s, &p->source);

		if (n)
			neighbour_learn(s, n, source + 2, false);
	}
	if (mtu && net_get32(mtu + 4) >= 1280 && net_get32(mtu + 4) <= s->port.mtu)
		s->ip->mtu6 = net_get32(mtu + 4);
	for (o = option(o, end, OPTION_PREFIX, 32); o; o = option(o + o[1] * 8u, end, OPTION_PREFIX, 32))
		autoconf_prefix(s, o);
}

void discovery_input(struct net_stack *s, const struct net_packet *p)
{
	uint8_t type = p->data[0];
	uint32_t header = type == ROUTER_ADVERTISEMENT ? ADVERTISEMENT_HEADER : TARGET_END;
	const uint8_t *o = p->data + header;
	struct net_address target;

	if (type != ROUTER_ADVERTISEMENT && type != SOLICITATION && type != ADVERTISEMENT)
		return;
	if (p->ttl != HOP_LIMIT || p->data[1] || p->length < header || !options_good(o, p->length - header)) {
		s->counters.malformed++;
		return;
	}
	if (type == ROUTER_ADVERTISEMENT) {
		router_advertisement(s, p);
		return;
	}
	memcpy(target.bytes, p->data + TARGET, 16);
	if (net_is_multicast(&target))
		s->counters.malformed++;
	else if (type == SOLICITATION)
		solicitation(s, p, &target, option(o, p->data + p->length, OPTION_SOURCE, 8));
	else
		advertisement(s, p, &target, option(o, p->data + p->length, OPTION_TARGET, 8));
}
