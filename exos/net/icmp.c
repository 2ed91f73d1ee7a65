/* ICMP (RFC 792, RFC 1122 3.2.2) and ICMPv6 (RFC 4443): echo, errors in and out, and endpoints for ping. */
#include <exos/net/ip.h>

enum { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO = 8, TIME_EXCEEDED = 11, PARAMETER = 12 };
enum { V6_UNREACHABLE = 1, V6_TOO_BIG = 2, V6_TIME_EXCEEDED = 3, V6_PARAMETER = 4, V6_ECHO = 128, V6_ECHO_REPLY = 129, V6_ROUTER_SOLICITATION = 133, V6_REDIRECT = 137 };
enum { CODE_FRAGMENTATION_NEEDED = 4 };

#define ERRORS_BURST 50 /* of what is sent; refilled as many a second (RFC 4443 2.4 f) */
#define QUOTED_IPV4 548 /* bytes (RFC 1812 4.3.2.3: 576 in all) */
#define QUOTED_IPV6 1232

/* data behind an ICMP header of 8 bytes, h. */
static void icmp_put_checksum(const struct net_route *r, uint8_t *h, const uint8_t *data, uint32_t length)
{
	uint32_t sum = 0;

	net_put16(h + 2, 0);
	if (!net_is_ipv4(&r->destination))
		sum = net_sum_pseudo(&r->source, &r->destination, PROTOCOL_ICMPV6, ICMP_HEADER + length);
	*(uint16_t *)(h + 2) = (uint16_t)~net_sum_fold(net_sum(data, length, net_sum(h, ICMP_HEADER, sum)));
}

static void answer(struct net_stack *s, const struct net_packet *p, uint8_t *h, const uint8_t *data, uint32_t length)
{
	struct net_send_options o = { .protocol = net_is_ipv4(&p->source) ? PROTOCOL_ICMP : PROTOCOL_ICMPV6 };
	struct net_part part = { .data = data, .length = length };
	struct net_route r;

	if (net_is_any(&p->source) || net_route_find(s, &r, &p->source, p->multicast ? NULL : &p->destination))
		return;
	icmp_put_checksum(&r, h, data, length);
	net_ip_output(s, &r, &o, h, ICMP_HEADER, &part, length ? 1 : 0);
}

static void echo_reply(struct net_stack *s, const struct net_packet *p, uint8_t type)
{
	uint8_t room[NET_HEADROOM + ICMP_HEADER], *h = room + NET_HEADROOM;

	memcpy(h, p->data, ICMP_HEADER);
	h[0] = type;
	answer(s, p, h, p->data + ICMP_HEADER, p->length - ICMP_HEADER);
}

static bool may_send_error(struct net_stack *s)
{
	struct ip_state *ip = s->ip;
	uint64_t earned = (s->now - ip->error_time) / (SECOND / ERRORS_BURST);

	if (earned) {
		ip->error_tokens = (uint32_t)MIN(ip->error_tokens + earned, (uint64_t)ERRORS_BURST);
		ip->error_time = s->now;
	}
	if (!ip->error_tokens)
		return false;
	ip->error_tokens--;
	return true;
}

void icmp_unreachable(struct net_stack *s, const struct net_packet *p, uint8_t code)
{
	bool ipv4 = net_is_ipv4(&p->source);
	uint8_t room[NET_HEADROOM + ICMP_HEADER] = { 0 }, *h = room + NET_HEADROOM;
	uint32_t quoted;

	if (!p->ip || p->multicast || !may_send_error(s))
		return;
	quoted = (uint32_t)(p->data + p->length - p->ip);
	if (ipv4) {
		h[0] = UNREACHABLE;
		h[1] = code;
	} else if (code == UNREACHABLE_PORT) {
		h[0] = V6_UNREACHABLE;
		h[1] = 4;
	} else { /* a next header that is not known: where it stands */
		h[0] = V6_PARAMETER;
		h[1] = 1;
		net_put32(h + 4, 6);
	}
	answer(s, p, h, p->ip, MIN(quoted, (uint32_t)(ipv4 ? QUOTED_IPV4 : QUOTED_IPV6)));
}

/* Where the transport header of a packet that we sent lies, of which the first `length` bytes are there. False: not to be made sense of. */
static bool look_into(const uint8_t *ip, uint32_t length, struct net_name *local, struct net_name *remote, uint8_t *protocol, uint32_t *at)
{
	if (length >= IPV4_HEADER && ip[0] >> 4 == 4) {
		*at = (ip[0] & 15) * 4u;
		*protocol = ip[9];
		local->address = net_from_ipv4(ip + 12);
		remote->address = net_from_ipv4(ip + 16);
		return *at >= IPV4_HEADER && !(net_get16(ip + 6) & 0x1fff);
	}
	if (length < IPV6_HEADER || ip[0] >> 4 != 6)
		return false;
	*at = IPV6_HEADER;
	*protocol = ip[6];
	memcpy(local->address.bytes, ip + 8, 16);
	memcpy(remote->address.bytes, ip + 24, 16);
	if (*protocol != IPV6_FRAGMENT)
		return true;
	*at += IPV6_FRAGMENT_HEADER;
	if (length < *at || net_get16(ip + IPV6_HEADER + 2) & 0xfff8)
		return false;
	*protocol = ip[IPV6_HEADER];
	return true;
}

void ip_failed(struct net_stack *s, const uint8_t *ip, uint32_t length, int error, uint32_t mtu)
{
	struct net_name local, remote;
	uint8_t protocol;
	uint32_t at;

	if (!look_into(ip, length, &local, &remote, &protocol, &at) || length < at + 8 || !net_is_own(s, &local.address))
		return;
	local.port = net_get16(ip + at);
	remote.port = net_get16(ip + at + 2);
	if (protocol == PROTOCOL_TCP) {
		tcp_icmp_error(s, &local, &remote, net_get32(ip + at + 4), error, mtu);
	} else if (protocol == PROTOCOL_UDP) {
		if (mtu && net_find(s, NET_UDP, &local, &remote)) /* it may well have been we who sent it */
			path_narrow(s, &remote.address, mtu);
		udp_icmp_error(s, &local, &remote, error);
	}
	raw_icmp_error(s, protocol, &local.address, &remote.address, error);
}

static void error_input(struct net_stack *s, const struct net_packet *p)
{
	static const uint8_t errors[16] = { ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED, EMSGSIZE, EOPNOTSUPP, ENETUNREACH, EHOSTUNREACH, ENETUNREACH, ENETUNREACH, EHOSTUNREACH,
		ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH };
	int error = p->data[0] == UNREACHABLE ? errors[p->data[1] & 15] : p->data[0] == PARAMETER ? EPROTO : EHOSTUNREACH;
	uint32_t mtu = error == EMSGSIZE ? MAX(net_get16(p->data + 6), 576u) : 0;

	ip_failed(s, p->data + ICMP_HEADER, p->length - ICMP_HEADER, error, mtu);
}

static void error_input_v6(struct net_stack *s, const struct net_packet *p)
{
	static const uint8_t errors[5] = { ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED };
	uint32_t mtu = 0;
	int error = EHOSTUNREACH;

	if (p->data[0] == V6_UNREACHABLE && p->data[1] < sizeof(errors))
		error = errors[p->data[1]];
	if (p->data[0] == V6_PARAMETER)
		error = EPROTO;
	if (p->data[0] == V6_TOO_BIG) {
		error = EMSGSIZE;
		mtu = MAX(net_get32(p->data + 4), 1280u);
	}
	ip_failed(s, p->data + ICMP_HEADER, p->length - ICMP_HEADER, error, mtu);
}

struct delivery {
	struct net_packet *p;
	uint16_t port;
};

static void deliver_copy(struct net_endpoint *e, void *data)
{
	const struct delivery *d = data;

	if (net_is_any(&e->remote.address) || net_same(&e->remote.address, &d->p->source))
		datagram_queue(e, d->p, 0, d->port, 0, d->p->length);
}

/* To those who have the identifier if it is a reply, and to those who hear all. */
static void tell_endpoints(struct net_stack *s, const struct net_packet *p, enum net_kind kind, bool reply)
{
	struct net_packet copy = *p;
	struct delivery d = { &copy, net_get16(p->data + 4) };
	struct net_name to = { p->destination, d.port };

	if (reply && d.port)
		net_find_all(s, kind, &to, deliver_copy, &d);
	to.port = d.port = 0;
	net_find_all(s, kind, &to, deliver_copy, &d);
}

void icmp_input(struct net_stack *s, const struct net_packet *p)
{
	if (p->length < ICMP_HEADER) {
		s->counters.malformed++;
		return;
	}
	if (net_sum_fold(net_sum(p->data, p->length, 0)) != 0xffff) {
		s->counters.checksum_errors++;
		return;
	}
	switch (p->data[0]) {
	case ECHO:
		if (!p->multicast) /* RFC 1122 3.2.2.6; as an amplifier one is of use to attackers only */
			echo_reply(s, p, ECHO_REPLY);
		break;
	case UNREACHABLE:
	case TIME_EXCEEDED:
	case PARAMETER:
		error_input(s, p);
		break;
	default: /* redirects too are nobody's business: there is one router, and DHCP told it */
		break;
	}
	tell_endpoints(s, p, NET_ICMP, p->data[0] == ECHO_REPLY);
}

void icmpv6_input(struct net_stack *s, const struct net_packet *p)
{
	if (p->length < ICMP_HEADER) {
		s->counters.malformed++;
		return;
	}
	if (net_sum_fold(net_sum(p->data, p->length, net_sum_pseudo(&p->source, &p->destination, PROTOCOL_ICMPV6, p->length))) != 0xffff) {
		s->counters.checksum_errors++;
		return;
	}
	if (p->data[0] >= V6_ROUTER_SOLICITATION && p->data[0] <= V6_REDIRECT)
		discovery_input(s, p);
	else if (p->data[0] == V6_ECHO)
		echo_reply(s, p, V6_ECHO_REPLY);
	else if (p->data[0] >= V6_UNREACHABLE && p->data[0] <= V6_PARAMETER)
		error_input_v6(s, p);
	tell_endpoints(s, p, NET_ICMPV6, p->data[0] == V6_ECHO_REPLY);
}

static void icmp_start(struct net_endpoint *e)
{
	datagram_start(e);
	if (net_enter(e)) /* unbound it hears all; without memory, nothing */
		e->stack->counters.no_memory++;
}

static int icmp_bind(struct net_endpoint *e, const struct net_name *name)
{
	int error;

	net_leave(e);
	error = net_bind_common(e, name);
	if (error && !e->entered)
		net_enter(e);
	return error;
}

static int icmp_connect(struct net_endpoint *e, const struct net_name *name)
{
	struct net_route r;
	int error = net_is_any(&name->address) ? 0 : net_route_find(e->stack, &r, &name->address, NULL);

	if (!error)
		e->remote.address = name->address;
	return error;
}

int icmp_send(struct datagram_endpoint *d, const struct datagram_send *o)
{
	struct net_endpoint *e = &d->e;
	struct net_send_options options = { .protocol = e->kind, .ttl = e->tuning.ttl, .tos = e->tuning.tos };
	struct net_part part = { .data = o->data + ICMP_HEADER, .length = o->length - ICMP_HEADER };
	uint8_t room[NET_HEADROOM + ICMP_HEADER], *h = room + NET_HEADROOM;
	int error;

	if (o->length < ICMP_HEADER || (e->kind == NET_ICMP) != net_is_ipv4(&o->to.address))
		return -EINVAL;
	error = datagram_route(d, o);
	if (error)
		return error;
	memcpy(h, o->data, ICMP_HEADER);
	if (e->bound)
		net_put16(h + 4, e->local.port);
	icmp_put_checksum(&d->route, h, part.data, part.length);
	return net_ip_output(e->stack, &d->route, &options, h, ICMP_HEADER, &part, part.length ? 1 : 0);
}

const struct net_kind_ops icmp_ops = {
	.size = sizeof(struct datagram_endpoint),
	.start = icmp_start,
	.bind = icmp_bind,
	.connect = icmp_connect,
	.close = datagram_close,
	.end = datagram_end,
	.ready = datagram_ready,
	.shutdown = datagram_shutdown,
};
