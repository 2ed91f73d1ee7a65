/* How to reach an address: which of ours to speak from, and who is to be given the packet. One interface, so there are but three ways: the link, the router, and ourselves. */
#include <exos/net/ip.h>

#define PATHS_MAX 64 /* narrow paths that are known */
#define PATH_LIFE (600 * SECOND) /* RFC 8201 4 */
#define IPV6_MTU_MIN 1280

struct path {
	struct list link; /* oldest first */
	struct net_address to;
	uint32_t mtu;
	uint64_t until;
};

bool net_is_broadcast(const struct net_stack *s, const struct net_address *a)
{
	uint32_t address = net_ipv4_of(a), mask = *(const net_half *)s->ip->ipv4.mask, own = *(const net_half *)s->ip->ipv4.address;

	if (!net_is_ipv4(a))
		return false;
	if (address == UINT32_MAX)
		return true;
	return own && mask && ~mask && ((address ^ own) & mask) == 0 && (address | mask) == UINT32_MAX && s->ip->ipv4.mask[3] < 254; /* RFC 3021: a link of two has none */
}

bool net_is_own(const struct net_stack *s, const struct net_address *a)
{
	if (net_is_loopback(a))
		return true;
	if (net_is_ipv4(a))
		return net_ipv4_of(a) && net_ipv4_of(a) == *(const net_half *)s->ip->ipv4.address;
	LIST_FOR_EACH(l, &s->ip->addresses) {
		const struct ip6_address *own = CONTAINER_OF(l, struct ip6_address, link);

		if (!own->tentative && net_same(&own->address, a))
			return true;
	}
	return false;
}

static struct path *path_find(struct net_stack *s, const struct net_address *to)
{
	LIST_FOR_EACH(l, &s->ip->paths) {
		struct path *p = CONTAINER_OF(l, struct path, link);

		if (net_same(&p->to, to))
			return p;
	}
	return NULL;
}

static void path_forget(struct net_stack *s, struct path *p)
{
	list_remove(&p->link);
	s->ip->path_count--;
	net_free(s, p);
}

static struct path *path_oldest(struct net_stack *s) { return list_empty(&s->ip->paths) ? NULL : CONTAINER_OF(s->ip->paths.next, struct path, link); }

/* They may be wider by now: those who use them look again. */
static void paths_expired(struct net_timer *t)
{
	struct net_stack *s = CONTAINER_OF(t, struct ip_state, paths_timer)->stack;

	while (path_oldest(s) && path_oldest(s)->until <= s->now)
		path_forget(s, path_oldest(s));
	if (path_oldest(s))
		net_timer_set(s, t, path_oldest(s)->until);
	s->route_generation++;
}

uint32_t path_mtu(struct net_stack *s, const struct net_address *to)
{
	uint32_t link = net_is_ipv4(to) || !s->ip->mtu6 ? s->port.mtu : MIN(s->port.mtu, s->ip->mtu6);
	struct path *p = path_find(s, to);

	return p ? MIN(p->mtu, link) : link;
}

void path_narrow(struct net_stack *s, const struct net_address *to, uint32_t mtu)
{
	struct path *p = path_find(s, to);

	mtu = MAX(mtu, (uint32_t)(net_is_ipv4(to) ? 576 : IPV6_MTU_MIN)); /* a smaller one is an attack, or a network that IP does not work on */
	if (mtu >= path_mtu(s, to))
		return;
	if (!p) {
		if (s->ip->path_count == PATHS_MAX)
			path_forget(s, path_oldest(s));
		p = net_allocate(s, sizeof(*p));
		if (!p)
			return;
		p->to = *to;
		list_init(&p->link);
		s->ip->path_count++;
	}
	list_remove(&p->link);
	list_append(&s->ip->paths, &p->link);
	p->mtu = mtu;
	p->until = s->now + PATH_LIFE;
	s->ip->paths_timer.expired = paths_expired;
	net_timer_set(s, &s->ip->paths_timer, path_oldest(s)->until);
	s->route_generation++;
}

void paths_end(struct net_stack *s)
{
	net_timer_clear(s, &s->ip->paths_timer);
	while (path_oldest(s))
		path_forget(s, path_oldest(s));
}

int next_hop(struct net_stack *s, const struct net_address *destination, struct net_neighbour **out)
{
	const struct net_ipv4 *own = &s->ip->ipv4;
	struct net_address router;
	const struct net_address *hop = destination;

	if (net_is_multicast(destination) || net_is_broadcast(s, destination)) {
		*out = &s->ip->group;
		return 0;
	}
	if (net_is_ipv4(destination)) {
		if ((net_ipv4_of(destination) ^ *(const net_half *)own->address) & *(const net_half *)own->mask) {
			if (!*(const net_half *)own->router)
				return -ENETUNREACH;
			router = net_from_ipv4(own->router);
			hop = &router;
		}
	} else if (!ip6_on_link(s, destination)) {
		hop = ip6_router(s);
		if (!hop)
			return -ENETUNREACH;
	}
	*out = neighbour_get(s, hop);
	return *out ? 0 : -ENOBUFS;
}

static int choose_source(struct net_stack *s, struct net_route *r)
{
	const struct ip6_address *a;

	if (net_is_loopback(&r->destination) || (net_is_own(s, &r->destination))) {
		r->source = r->destination;
		return 0;
	}
	if (net_is_ipv4(&r->destination)) {
		if (!*(const net_half *)s->ip->ipv4.address)
			return -ENETUNREACH;
		r->source = net_from_ipv4(s->ip->ipv4.address);
		return 0;
	}
	a = ip6_source(s, &r->destination);
	if (!a)
		return -ENETUNREACH;
	r->source = a->address;
	return 0;
}

int net_route_find(struct net_stack *s, struct net_route *r, const struct net_address *destination, const struct net_address *source)
{
	int error = 0;

	r->destination = *destination;
	if (net_is_any(destination)) /* as everybody has it: oneself */
		r->destination = net_is_ipv4(destination) ? net_from_ipv4("\x7f\0\0\1") : (struct net_address){ { [15] = 1 } };
	r->neighbour = NULL;
	if (source && !net_is_any(source)) {
		if (net_is_ipv4(source) != net_is_ipv4(&r->destination))
			return -ENETUNREACH;
		if (!net_is_own(s, source))
			return -EADDRNOTAVAIL;
		r->source = *source;
	} else {
		error = choose_source(s, r);
	}
	if (error)
		return error;
	if (net_is_own(s, &r->destination)) {
		r->neighbour = &s->ip->loopback;
		r->mtu = s->port.mtu;
	} else {
		if (net_is_loopback(&r->source))
			return -EINVAL; /* as Linux: from the loopback address to the world */
		error = next_hop(s, &r->destination, &r->neighbour);
		r->mtu = path_mtu(s, &r->destination);
	}
	r->generation = s->route_generation; /* the last, since making a neighbour may forget another */
	return error;
}

int net_ip_output(struct net_stack *s, struct net_route *r, const struct net_send_options *options, uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	if (!r->neighbour || r->generation != s->route_generation) {
		struct net_address destination = r->destination, source = r->source;
		int error = net_route_find(s, r, &destination, &source);

		if (error)
			return error;
	}
	return ip_send(s, r, options, header, header_length, parts, n);
}
