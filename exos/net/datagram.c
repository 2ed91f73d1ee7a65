/* Endpoints of datagrams, UDP's, ICMP's and raw ones: their queues, and what is sent from them. */
#include <exos/net/ip.h>

#define RECEIVE_SIZE 212992 /* bytes of memory; as Linux has it */

struct datagram {
	struct list link;
	struct net_name from, to;
	uint32_t length, cost;
	uint8_t ttl;
	struct net_chunk *chunks; /* null: the bytes are in data */
	uint32_t skip;            /* of the first chunk */
	uint8_t data[];
};

static struct datagram_endpoint *of(const struct net_endpoint *e) { return CONTAINER_OF(e, struct datagram_endpoint, e); }

void datagram_start(struct net_endpoint *e)
{
	list_init(&of(e)->queue);
	e->tuning.receive_size = RECEIVE_SIZE;
	e->tuning.send_size = RECEIVE_SIZE;
}

static void drop_first(struct datagram_endpoint *d)
{
	struct datagram *g = CONTAINER_OF(d->queue.next, struct datagram, link);

	list_remove(&g->link);
	d->queued -= g->cost;
	net_chunks_free(d->e.stack, g->chunks);
	net_free(d->e.stack, g);
}

void datagram_end(struct net_endpoint *e)
{
	while (!list_empty(&of(e)->queue))
		drop_first(of(e));
}

void datagram_close(struct net_endpoint *e) { net_endpoint_end(e); }

uint32_t datagram_ready(const struct net_endpoint *e)
{
	const struct datagram_endpoint *d = of(e);
	uint32_t ready = NET_WRITABLE;

	if (!list_empty(&d->queue))
		ready |= NET_READABLE;
	if (d->input_ended)
		ready |= NET_READABLE | NET_INPUT_END;
	if (d->input_ended && d->output_ended)
		ready |= NET_HANGUP;
	return ready;
}

int datagram_shutdown(struct net_endpoint *e, bool input, bool output)
{
	struct datagram_endpoint *d = of(e);

	if (net_is_any(&e->remote.address))
		return -ENOTCONN;
	d->input_ended |= input;
	d->output_ended |= output;
	net_tell(e, datagram_ready(e));
	return 0;
}

void datagram_queue(struct net_endpoint *e, struct net_packet *p, uint16_t from_port, uint16_t to_port, uint32_t skip, uint32_t length)
{
	struct datagram_endpoint *d = of(e);
	struct net_stack *s = e->stack;
	uint32_t cost = (uint32_t)sizeof(struct datagram) + length;
	struct datagram *g;

	/* One is always let in, however large. */
	if (e->closed || d->input_ended || (d->queued && d->queued + cost > e->tuning.receive_size)) {
		s->counters.no_memory++;
		return;
	}
	g = net_allocate(s, sizeof(*g) + (p->rest ? 0 : length));
	if (!g) {
		s->counters.no_memory++;
		return;
	}
	g->from = (struct net_name){ p->source, from_port };
	g->to = (struct net_name){ p->destination, to_port };
	g->length = length;
	g->cost = cost;
	g->ttl = p->ttl;
	if (p->rest) {
		g->chunks = p->rest;
		g->skip = skip;
		p->rest = NULL;
	} else {
		memcpy(g->data, p->data + skip, length);
	}
	d->queued += cost;
	list_append(&d->queue, &g->link);
	net_tell(e, NET_READABLE);
}

static const struct datagram *first(const struct net_endpoint *e)
{
	const struct datagram_endpoint *d = of(e);

	return (e->kind == NET_TCP || list_empty(&d->queue)) ? NULL : CONTAINER_OF(d->queue.next, struct datagram, link);
}

uint32_t net_datagram_peek(const struct net_endpoint *e, uint32_t skip, const uint8_t **data)
{
	const struct datagram *g = first(e);
	uint32_t at, left;

	if (!g || skip >= g->length)
		return 0;
	left = g->length - skip;
	if (!g->chunks) {
		*data = g->data + skip;
		return left;
	}
	at = skip + g->skip;
	for (const struct net_chunk *c = g->chunks; c; c = c->next)
		if (at < (uint32_t)c->first + c->length) {
			*data = c->data + (at - c->first);
			return MIN(left, c->length - (at - c->first));
		}
	return 0;
}

ssize net_datagram(struct net_endpoint *e, const uint8_t **data, struct net_name *from, struct net_name *to)
{
	const struct datagram *g = first(e);

	if (!g)
		return -EAGAIN;
	*data = g->data;
	net_datagram_peek(e, 0, data);
	if (from)
		*from = g->from;
	if (to)
		*to = g->to;
	return g->length;
}

uint8_t net_datagram_ttl(const struct net_endpoint *e) { return first(e) ? first(e)->ttl : 0; }

void net_datagram_done(struct net_endpoint *e)
{
	if (first(e))
		drop_first(of(e));
}

int datagram_route(struct datagram_endpoint *d, const struct datagram_send *o)
{
	struct net_stack *s = d->e.stack;

	if (d->route.neighbour && d->route.generation == s->route_generation && net_same(&d->route.destination, &o->to.address) && net_same(&d->route_source, &o->source))
		return 0;
	d->route_source = o->source;
	return net_route_find(s, &d->route, &o->to.address, &o->source);
}

static bool version_fits(const struct net_endpoint *e, const struct net_address *a)
{
	return net_is_ipv4(a) ? !(e->ipv6 && e->flags & NET_ONLY_IPV6) : e->ipv6;
}

int net_send_datagram(struct net_endpoint *e, const struct net_name *to, const struct net_name *from, const void *data, uint32_t length)
{
	struct datagram_send o = { .to = to ? *to : e->remote, .source = from && !net_is_any(&from->address) ? from->address : e->local.address, .data = data, .length = length };

	if (e->kind == NET_TCP)
		return -EOPNOTSUPP;
	e->stack->now = e->stack->port.now(e->stack->port.data);
	if (e->error)
		return -net_error(e);
	if (of(e)->output_ended)
		return -EPIPE;
	if (!to && net_is_any(&e->remote.address))
		return -EDESTADDRREQ;
	if (!version_fits(e, &o.to.address))
		return -ENETUNREACH;
	if (net_is_broadcast(e->stack, &o.to.address) && !(e->flags & NET_BROADCAST))
		return -EACCES;
	return e->kind == NET_UDP ? udp_send(of(e), &o) : e->kind == NET_RAW ? raw_send(of(e), &o) : icmp_send(of(e), &o);
}
