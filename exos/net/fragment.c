/* Fragments put together (RFC 791, RFC 8200 4.5), with limits: so much memory, so long, and no overlaps: a packet whose fragments overlap is refused as a whole (RFC 5722, for IPv4 too). */
#include <exos/net/ip.h>

#define LIFETIME_IPV4 (30 * SECOND)
#define LIFETIME_IPV6 (60 * SECOND)
#define PACKET_MAX 65535
#define WHOLE_MAX 1900 /* bytes of a packet that is laid out in one piece; a longer one stays in pieces, and only UDP knows what to do with it */

struct assembly {
	struct list link; /* oldest first */
	struct net_stack *stack;
	struct net_address source, destination;
	uint32_t id;
	uint8_t protocol, ttl, tos; /* of the first that came; the protocol is part of the name for IPv4 */
	bool multicast;
	bool refused;     /* it is kept, so that what else comes of it is refused too */
	uint32_t total;   /* 0: the last fragment has not come */
	uint32_t have;
	struct net_chunk *chunks; /* by offset */
	struct net_timer timer;
};

static uint32_t memory_of(const struct net_chunk *c) { return (uint32_t)sizeof(*c) + c->length; }

void net_chunks_free(struct net_stack *s, struct net_chunk *c)
{
	while (c) {
		struct net_chunk *next = c->next;

		net_free(s, c);
		c = next;
	}
}

static void drop_chunks(struct assembly *a)
{
	for (const struct net_chunk *c = a->chunks; c; c = c->next)
		a->stack->ip->fragments_memory -= memory_of(c);
	net_chunks_free(a->stack, a->chunks);
	a->chunks = NULL;
}

static void assembly_end(struct assembly *a)
{
	struct net_stack *s = a->stack;

	drop_chunks(a);
	net_timer_clear(s, &a->timer);
	list_remove(&a->link);
	s->ip->fragments_memory -= (uint32_t)sizeof(*a);
	net_free(s, a);
}

void fragments_end(struct net_stack *s)
{
	while (!list_empty(&s->ip->fragments))
		assembly_end(CONTAINER_OF(s->ip->fragments.next, struct assembly, link));
}

static void assembly_expired(struct net_timer *t) { assembly_end(CONTAINER_OF(t, struct assembly, timer)); }

/* Makes room by giving up what is oldest. */
static void *fragment_allocate(struct net_stack *s, size_t n, const struct assembly *keep)
{
	void *p;

	while (s->ip->fragments_memory + n > FRAGMENTS_MEMORY) {
		struct assembly *oldest = CONTAINER_OF(s->ip->fragments.next, struct assembly, link);

		if (oldest == keep)
			return NULL;
		assembly_end(oldest);
	}
	p = net_allocate(s, n);
	if (p)
		s->ip->fragments_memory += (uint32_t)n;
	else
		s->counters.no_memory++;
	return p;
}

static struct assembly *assembly_for(struct net_stack *s, const struct net_packet *p, uint32_t id)
{
	bool ipv4 = net_is_ipv4(&p->source);
	struct assembly *a;

	LIST_FOR_EACH(l, &s->ip->fragments) {
		a = CONTAINER_OF(l, struct assembly, link);
		if (a->id == id && (!ipv4 || a->protocol == p->protocol) && net_same(&a->source, &p->source) && net_same(&a->destination, &p->destination))
			return a;
	}
	a = fragment_allocate(s, sizeof(*a), NULL);
	if (!a)
		return NULL;
	a->stack = s;
	a->source = p->source;
	a->destination = p->destination;
	a->id = id;
	a->protocol = p->protocol;
	a->ttl = p->ttl;
	a->tos = p->tos;
	a->multicast = p->multicast;
	a->timer.expired = assembly_expired;
	net_timer_set(s, &a->timer, s->now + (ipv4 ? LIFETIME_IPV4 : LIFETIME_IPV6));
	list_append(&s->ip->fragments, &a->link);
	return a;
}

static void refuse(struct assembly *a)
{
	a->stack->counters.malformed++;
	a->refused = true;
	drop_chunks(a);
}

/* Puts the fragment in its place. False: it is not to be had, or was there, or ended the packet. */
static bool add(struct assembly *a, const struct fragment *f)
{
	struct net_stack *s = a->stack;
	struct net_chunk **place = &a->chunks, *c;
	uint32_t end = f->offset + f->length;

	while (*place && (*place)->first + (*place)->length <= f->offset)
		place = &(*place)->next;
	c = *place;
	if (c && c->first == f->offset && c->length == f->length)
		return false; /* the same again */
	if ((c && c->first < end) || (a->total && end > a->total) || (!f->more && a->total && end != a->total)) {
		refuse(a);
		return false;
	}
	c = fragment_allocate(s, sizeof(*c) + f->length, a);
	if (!c)
		return false;
	c->first = (uint16_t)f->offset;
	c->length = (uint16_t)f->length;
	memcpy(c->data, f->data, f->length);
	c->next = *place;
	*place = c;
	a->have += f->length;
	if (!f->more) {
		a->total = end;
		for (c = a->chunks; c; c = c->next)
			if (c->first + c->length > end) {
				refuse(a);
				return false;
			}
	}
	return a->total == a->have;
}

static void deliver_in_one(struct net_stack *s, struct net_packet *p, const struct net_chunk *chunks)
{
	uint8_t *whole = net_allocate(s, p->length);

	if (!whole) {
		s->counters.no_memory++;
		return;
	}
	for (const struct net_chunk *c = chunks; c; c = c->next)
		memcpy(whole + c->first, c->data, c->length);
	p->data = whole;
	ip_deliver(s, p);
	net_free(s, whole);
}

static void deliver(struct net_stack *s, struct assembly *a)
{
	struct net_packet p = { .source = a->source, .destination = a->destination, .protocol = a->protocol, .ttl = a->ttl, .tos = a->tos, .multicast = a->multicast, .length = a->total };
	struct net_chunk *chunks = a->chunks;

	for (const struct net_chunk *c = chunks; c; c = c->next)
		s->ip->fragments_memory -= memory_of(c);
	a->chunks = NULL;
	assembly_end(a);
	if (p.length <= WHOLE_MAX) {
		deliver_in_one(s, &p, chunks);
		net_chunks_free(s, chunks);
		return;
	}
	if (p.protocol == PROTOCOL_UDP) {
		p.data = chunks->data;
		p.length = chunks->length;
		p.rest = chunks;
		udp_input(s, &p);
		net_chunks_free(s, p.rest);
		return;
	}
	s->counters.strangers++;
	net_chunks_free(s, chunks);
}

void fragment_input(struct net_stack *s, struct net_packet *p, const struct fragment *f)
{
	struct assembly *a;

	if (!f->length || (f->more && f->length % 8) || f->offset + f->length > PACKET_MAX || sizeof(struct net_chunk) + f->length > 2048) {
		s->counters.malformed++;
		return;
	}
	a = assembly_for(s, p, f->id);
	if (!a || a->refused)
		return;
	if (f->offset == 0)
		a->protocol = p->protocol; /* of IPv6 only the first fragment's counts (RFC 8200 4.5) */
	if (add(a, f))
		deliver(s, a);
}
