/* Raw endpoints: every packet of one protocol of IP, beside what the stack itself makes of it, and packets of that protocol to be sent. */
#include <exos/net/ip.h>

#define ICMPV6_CHECKSUM 2 /* where it lies (RFC 3542 3.1) */

struct raw_endpoint {
	struct datagram_endpoint d; /* first; its local port is the protocol */
	struct list link;           /* of the stack's */
	struct net_raw_options options;
};
static struct raw_endpoint *raw_of(struct net_endpoint *e) { return CONTAINER_OF(CONTAINER_OF(e, struct datagram_endpoint, e), struct raw_endpoint, d); }

static void raw_start(struct net_endpoint *e)
{
	datagram_start(e);
	raw_of(e)->options.checksum = -1;
	list_append(&e->stack->raws, &raw_of(e)->link);
}

void net_raw_protocol(struct net_endpoint *e, uint8_t protocol)
{
	e->local.port = protocol;
	if (e->ipv6 && protocol == PROTOCOL_ICMPV6)
		raw_of(e)->options.checksum = ICMPV6_CHECKSUM;
}

struct net_raw_options *net_raw_options(struct net_endpoint *e) { return &raw_of(e)->options; }

static void raw_end(struct net_endpoint *e)
{
	list_remove(&raw_of(e)->link);
	datagram_end(e);
}

static int raw_bind(struct net_endpoint *e, const struct net_name *name)
{
	if (!net_is_any(&name->address) && !net_is_own(e->stack, &name->address))
		return -EADDRNOTAVAIL;
	if (net_is_ipv4(&name->address) == e->ipv6)
		return -EINVAL;
	e->local.address = name->address;
	return 0;
}

static int raw_connect(struct net_endpoint *e, const struct net_name *name)
{
	struct net_route r;
	int error = net_is_any(&name->address) ? 0 : net_route_find(e->stack, &r, &name->address, &e->local.address);

	if (!error)
		e->remote.address = name->address;
	return error;
}

static bool wants(struct raw_endpoint *r, const struct net_packet *p)
{
	const struct net_endpoint *e = &r->d.e;

	if (e->closed || e->local.port != p->protocol || e->ipv6 == net_is_ipv4(&p->destination))
		return false;
	if (!net_is_any(&e->local.address) && !net_same(&e->local.address, &p->destination))
		return false;
	if (!net_is_any(&e->remote.address) && !net_same(&e->remote.address, &p->source))
		return false;
	if (p->protocol == (e->ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP) && p->length && r->options.blocked[p->data[0] / 32] >> p->data[0] % 32 & 1)
		return false;
	if (!e->ipv6 || r->options.checksum < 0)
		return true;
	return net_sum_fold(net_sum(p->data, p->length, net_sum_pseudo(&p->source, &p->destination, p->protocol, p->length))) == 0xffff;
}

/* What came in fragments has no header any more: the one that it would have had in one piece. */
static void queue_with_header(struct net_endpoint *e, const struct net_packet *p)
{
	struct net_packet whole = *p;
	uint8_t *h;

	if (p->ip) {
		whole.data = p->ip;
		whole.length = (uint32_t)(p->data + p->length - p->ip);
		datagram_queue(e, &whole, 0, 0, 0, whole.length);
		return;
	}
	h = net_allocate(e->stack, IPV4_HEADER + p->length);
	if (!h) {
		e->stack->counters.no_memory++;
		return;
	}
	h[0] = 0x45;
	h[1] = p->tos;
	net_put16(h + 2, IPV4_HEADER + p->length);
	h[8] = p->ttl;
	h[9] = p->protocol;
	memcpy(h + 12, p->source.bytes + 12, 4);
	memcpy(h + 16, p->destination.bytes + 12, 4);
	*(uint16_t *)(h + 10) = (uint16_t)~net_sum_fold(net_sum(h, IPV4_HEADER, 0));
	memcpy(h + IPV4_HEADER, p->data, p->length);
	whole.data = h;
	datagram_queue(e, &whole, 0, 0, 0, IPV4_HEADER + p->length);
	net_free(e->stack, h);
}

bool raw_input(struct net_stack *s, const struct net_packet *p)
{
	struct net_packet copy = *p;
	bool heard = false;

	LIST_FOR_EACH(l, &s->raws) {
		struct raw_endpoint *r = CONTAINER_OF(l, struct raw_endpoint, link);

		if (!wants(r, p))
			continue;
		heard = true;
		if (r->d.e.ipv6)
			datagram_queue(&r->d.e, &copy, 0, 0, 0, p->length);
		else
			queue_with_header(&r->d.e, p);
	}
	return heard;
}

void raw_icmp_error(struct net_stack *s, uint8_t protocol, const struct net_address *local, const struct net_address *remote, int error)
{
	LIST_FOR_EACH(l, &s->raws) {
		struct net_endpoint *e = &CONTAINER_OF(l, struct raw_endpoint, link)->d.e;

		if (e->local.port != protocol || !net_same(&e->remote.address, remote) || (!net_is_any(&e->local.address) && !net_same(&e->local.address, local)))
			continue;
		e->error = error;
		net_tell(e, NET_ERROR);
	}
}

/* The checksum lies somewhere in the caller's bytes, which stay as they are: it goes between what is before and what is behind. */
static uint32_t parts_of(const struct raw_endpoint *r, const struct datagram_send *o, uint16_t *sum, struct net_part *parts)
{
	uint32_t before = r->options.checksum < 0 ? o->length : (uint32_t)r->options.checksum, behind = before + sizeof(*sum), n = 0;
	const struct net_route *route = &r->d.route;

	if (before)
		parts[n++] = (struct net_part){ .data = o->data, .length = before };
	if (r->options.checksum < 0)
		return n;
	*sum = (uint16_t)~net_sum_fold(net_sum(o->data + behind, o->length - behind,
		net_sum_fold(net_sum(o->data, before, net_sum_pseudo(&route->source, &route->destination, (uint8_t)r->d.e.local.port, o->length)))));
	if (!*sum && r->d.e.local.port == PROTOCOL_UDP)
		*sum = UINT16_MAX; /* RFC 8200 8.1 */
	parts[n++] = (struct net_part){ .data = (const uint8_t *)sum, .length = sizeof(*sum) };
	if (o->length > behind)
		parts[n++] = (struct net_part){ .data = o->data + behind, .length = o->length - behind };
	return n;
}

int raw_send(struct datagram_endpoint *d, const struct datagram_send *o)
{
	struct raw_endpoint *r = raw_of(&d->e);
	struct net_send_options options = { .protocol = (uint8_t)d->e.local.port, .ttl = d->e.tuning.ttl, .tos = d->e.tuning.tos };
	uint8_t room[NET_HEADROOM];
	struct net_part parts[NET_PARTS];
	uint16_t sum;
	uint32_t n;
	int error;

	if (r->options.checksum >= 0 && (uint32_t)r->options.checksum + sizeof(sum) > o->length)
		return -EINVAL;
	error = datagram_route(d, o);
	if (error)
		return error;
	n = parts_of(r, o, &sum, parts);
	return net_ip_output(d->e.stack, &d->route, &options, room + NET_HEADROOM, 0, parts, n);
}

const struct net_kind_ops raw_ops = {
	.size = sizeof(struct raw_endpoint),
	.start = raw_start,
	.bind = raw_bind,
	.connect = raw_connect,
	.close = datagram_close,
	.end = raw_end,
	.ready = datagram_ready,
	.shutdown = datagram_shutdown,
};
