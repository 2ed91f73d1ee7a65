/* UDP (RFC 768, RFC 1122 4.1). */
#include <exos/net/ip.h>

#define DATAGRAM_MAX 65507
#define DHCP_SERVER 67
#define DHCP_CLIENT 68

static int udp_bind(struct net_endpoint *e, const struct net_name *name)
{
	int error = net_bind_common(e, name);

	if (!error)
		CONTAINER_OF(e, struct datagram_endpoint, e)->bound_to = e->local.address;
	return error;
}

static int bind_somewhere(struct net_endpoint *e)
{
	const struct net_name any = { e->local.address, 0 };

	return e->bound ? 0 : udp_bind(e, &any);
}

/* Under other names. When that cannot be, the old ones, which were its own before. */
static int rename_to(struct net_endpoint *e, const struct net_address *local, const struct net_name *remote)
{
	struct net_address old_local = e->local.address;
	struct net_name old_remote = e->remote;
	int error;

	net_leave(e);
	e->local.address = *local;
	e->remote = *remote;
	error = net_enter(e);
	if (!error)
		return 0;
	e->local.address = old_local;
	e->remote = old_remote;
	return net_enter(e) ? -ENOBUFS : error;
}

static int udp_connect(struct net_endpoint *e, const struct net_name *name)
{
	struct datagram_endpoint *d = CONTAINER_OF(e, struct datagram_endpoint, e);
	struct net_name nobody = { .address = e->ipv6 ? (struct net_address){ { 0 } } : net_from_ipv4("\0\0\0\0") }, remote = *name;
	struct net_route route;
	int error = bind_somewhere(e);

	if (error)
		return error;
	if (!name->port) /* no peer any more */
		return rename_to(e, &d->bound_to, &nobody);
	error = net_route_find(e->stack, &route, &name->address, &d->bound_to);
	if (error)
		return error;
	if (net_is_broadcast(e->stack, &route.destination) && !(e->flags & NET_BROADCAST))
		return -EACCES;
	remote.address = route.destination;
	error = rename_to(e, &route.source, &remote);
	if (!error)
		net_tell(e, NET_WRITABLE);
	return error;
}

int udp_send(struct datagram_endpoint *d, const struct datagram_send *o)
{
	struct net_endpoint *e = &d->e;
	struct net_send_options options = { .protocol = PROTOCOL_UDP, .ttl = e->tuning.ttl, .tos = e->tuning.tos };
	struct net_part part = { .data = o->data, .length = o->length };
	uint8_t header[NET_HEADROOM + UDP_HEADER], *h = header + NET_HEADROOM;
	uint32_t sum;
	int error;

	if (o->length > DATAGRAM_MAX)
		return -EMSGSIZE;
	if (!o->to.port)
		return -EINVAL;
	error = bind_somewhere(e);
	if (!error)
		error = datagram_route(d, o);
	if (error)
		return error;
	net_put16(h, e->local.port);
	net_put16(h + 2, o->to.port);
	net_put16(h + 4, o->length + UDP_HEADER);
	net_put16(h + 6, 0);
	sum = net_sum_pseudo(&d->route.source, &d->route.destination, PROTOCOL_UDP, o->length + UDP_HEADER);
	sum = net_sum_fold(net_sum(o->data, o->length, net_sum(h, UDP_HEADER, sum)));
	*(uint16_t *)(h + 6) = sum == 0xffff ? 0xffff : (uint16_t)~sum; /* 0 would say that there is none */
	return net_ip_output(e->stack, &d->route, &options, h, UDP_HEADER, &part, o->length ? 1 : 0);
}

static bool checksum_good(const struct net_packet *p, uint32_t length)
{
	uint32_t sum = net_sum_pseudo(&p->source, &p->destination, PROTOCOL_UDP, length);

	if (!*(const uint16_t *)(p->data + 6))
		return net_is_ipv4(&p->source); /* none; IPv6 has no other (RFC 8200 8.1) */
	if (!p->rest)
		return net_sum_fold(net_sum(p->data, length, sum)) == 0xffff;
	for (const struct net_chunk *c = p->rest; c && length; c = c->next) { /* all but the last are of even length */
		uint32_t n = MIN(length, c->length);

		sum = net_sum(c->data, n, net_sum_fold(sum));
		length -= n;
	}
	return net_sum_fold(sum) == 0xffff;
}

struct delivery {
	struct net_packet *p;
	uint16_t from, to;
	uint32_t length;
};

static void deliver_copy(struct net_endpoint *e, void *data)
{
	const struct delivery *d = data;

	if (!e->remote.port || (e->remote.port == d->from && net_same(&e->remote.address, &d->p->source)))
		datagram_queue(e, d->p, d->from, d->to, UDP_HEADER, d->length);
}

static uint32_t whole_length(const struct net_packet *p)
{
	uint32_t length = p->rest ? 0 : p->length;

	for (const struct net_chunk *c = p->rest; c; c = c->next)
		length += c->length;
	return length;
}

void udp_input(struct net_stack *s, struct net_packet *p)
{
	struct net_name from = { .address = p->source }, to = { .address = p->destination };
	struct net_endpoint *e;
	uint32_t length;

	if (p->length < UDP_HEADER || net_get16(p->data + 4) < UDP_HEADER || net_get16(p->data + 4) > whole_length(p) || !net_get16(p->data + 2)) {
		s->counters.malformed++;
		return;
	}
	length = net_get16(p->data + 4);
	if (!checksum_good(p, length)) {
		s->counters.checksum_errors++;
		return;
	}
	from.port = net_get16(p->data);
	to.port = net_get16(p->data + 2);
	if (s->ip->dhcp && from.port == DHCP_SERVER && to.port == DHCP_CLIENT && !p->rest) {
		p->length = length;
		dhcp_input(s, p);
		return;
	}
	if (p->multicast) { /* to each who would have it; one that lies in pieces can only be given to one */
		struct delivery d = { p, from.port, to.port, length - UDP_HEADER };

		if (!p->rest)
			net_find_all(s, NET_UDP, &to, deliver_copy, &d);
		return;
	}
	e = net_find_tagged(s, NET_UDP, p->tag, &to, &from);
	if (e) {
		datagram_queue(e, p, from.port, to.port, UDP_HEADER, length - UDP_HEADER);
		return;
	}
	s->counters.strangers++;
	icmp_unreachable(s, p, UNREACHABLE_PORT);
}

/* Only one that is connected knows whom it concerns (as Linux, RFC 1122 4.1.3.3). */
void udp_icmp_error(struct net_stack *s, const struct net_name *local, const struct net_name *remote, int error)
{
	struct net_endpoint *e = net_find(s, NET_UDP, local, remote);

	if (e && e->remote.port && error != EMSGSIZE) {
		e->error = error;
		net_tell(e, NET_ERROR);
	}
}

const struct net_kind_ops udp_ops = {
	.size = sizeof(struct datagram_endpoint),
	.start = datagram_start,
	.bind = udp_bind,
	.connect = udp_connect,
	.close = datagram_close,
	.end = datagram_end,
	.ready = datagram_ready,
	.shutdown = datagram_shutdown,
};
