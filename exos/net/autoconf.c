/* Addresses of IPv6 that nobody gives us (RFC 4862), and what routers say of the link: prefixes and themselves (RFC 4861 6.3). */
#include <exos/net/autoconf.h>

#define PROBE_TIME SECOND             /* RFC 4862 5.1: one probe, RetransTimer */
#define SOLICITATION_INTERVAL (4 * SECOND)
#define SOLICITATIONS_MAX 3
#define TWO_HOURS (7200 * SECOND)     /* RFC 4862 5.5.3 e */
#define LENGTH 64                     /* of prefixes that an interface identifier fits */
enum { PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40 };
#define FOR_EVER UINT64_MAX

static uint64_t until(const struct net_stack *s, uint32_t seconds) { return seconds == UINT32_MAX ? FOR_EVER : s->now + seconds * SECOND; }

struct ip6_address *autoconf_find(struct net_stack *s, const struct net_address *a)
{
	LIST_FOR_EACH(l, &s->ip->addresses) {
		struct ip6_address *own = CONTAINER_OF(l, struct ip6_address, link);

		if (net_same(&own->address, a))
			return own;
	}
	return NULL;
}

static void address_free(struct ip6_address *a)
{
	struct net_stack *s = a->stack;

	net_timer_clear(s, &a->timer);
	list_remove(&a->link);
	s->ip->address_count--;
	net_free(s, a);
}

void autoconf_duplicate(struct ip6_address *a)
{
	a->stack->counters.address_conflicts++;
	address_free(a);
}

static void wait_for_end(struct ip6_address *a)
{
	if (a->valid == FOR_EVER)
		net_timer_clear(a->stack, &a->timer);
	else
		net_timer_set(a->stack, &a->timer, a->valid);
}

static void address_expired(struct net_timer *t)
{
	struct ip6_address *a = CONTAINER_OF(t, struct ip6_address, timer);
	struct net_stack *s = a->stack;

	if (a->tentative) { /* nobody has said that it is his */
		a->tentative = false;
		wait_for_end(a);
		if (net_is_link_local(&a->address))
			s->ip->solicit.expired(&s->ip->solicit);
	} else {
		address_free(a);
	}
	net_config_changed(s);
}

/* The interface identifier is made of the Ethernet address (RFC 4291 appendix A). */
static void address_add(struct net_stack *s, const uint8_t *prefix, uint64_t preferred, uint64_t valid)
{
	struct ip6_address *a = s->ip->address_count < IP6_LEARNT_MAX ? net_allocate(s, sizeof(*a)) : NULL;
	const uint8_t *e = s->port.address;
	uint8_t id[8] = { e[0] ^ 2, e[1], e[2], 0xff, 0xfe, e[3], e[4], e[5] };

	if (!a) {
		s->counters.no_memory++;
		return;
	}
	memcpy(a->address.bytes, prefix, 8);
	memcpy(a->address.bytes + 8, id, 8);
	a->stack = s;
	a->prefix_length = LENGTH;
	a->tentative = true;
	a->preferred = preferred;
	a->valid = valid;
	a->timer.expired = address_expired;
	list_append(&s->ip->addresses, &a->link);
	s->ip->address_count++;
	net_timer_set(s, &a->timer, s->now + PROBE_TIME);
	discovery_probe(s, &a->address);
}

static void solicit_expired(struct net_timer *t)
{
	struct ip_state *ip = CONTAINER_OF(t, struct ip_state, solicit);

	if (ip->solicited++ >= SOLICITATIONS_MAX)
		return;
	discovery_solicit(ip->stack);
	net_timer_set(ip->stack, t, ip->stack->now + SOLICITATION_INTERVAL);
}

void discovery_start(struct net_stack *s)
{
	static const uint8_t link_local[8] = { 0xfe, 0x80 };

	s->ip->solicit.expired = solicit_expired;
	if (s->port.send)
		address_add(s, link_local, FOR_EVER, FOR_EVER);
}

static void router_free(struct net_stack *s, struct ip6_router *r)
{
	list_remove(&r->link);
	s->ip->router_count--;
	s->route_generation++;
	net_free(s, r);
}

static void prefix_free(struct net_stack *s, struct ip6_prefix *p)
{
	list_remove(&p->link);
	s->ip->prefix_count--;
	s->route_generation++;
	net_free(s, p);
}

void discovery_end(struct net_stack *s)
{
	struct ip_state *ip = s->ip;

	net_timer_clear(s, &ip->solicit);
	while (!list_empty(&ip->addresses))
		address_free(CONTAINER_OF(ip->addresses.next, struct ip6_address, link));
	while (!list_empty(&ip->prefixes))
		prefix_free(s, CONTAINER_OF(ip->prefixes.next, struct ip6_prefix, link));
	while (!list_empty(&ip->routers))
		router_free(s, CONTAINER_OF(ip->routers.next, struct ip6_router, link));
}

static struct ip6_router *router_find(struct net_stack *s, const struct net_address *a)
{
	LIST_FOR_EACH(l, &s->ip->routers) {
		struct ip6_router *r = CONTAINER_OF(l, struct ip6_router, link);

		if (net_same(&r->address, a))
			return r;
	}
	return NULL;
}

void autoconf_no_router(struct net_stack *s, const struct net_address *a)
{
	struct ip6_router *r = router_find(s, a);

	if (r)
		router_free(s, r);
}

void autoconf_router(struct net_stack *s, const struct net_address *a, uint32_t seconds)
{
	struct ip6_router *r = router_find(s, a);

	net_timer_clear(s, &s->ip->solicit);
	if (!seconds) {
		autoconf_no_router(s, a);
		return;
	}
	if (!r) {
		r = s->ip->router_count < IP6_LEARNT_MAX ? net_allocate(s, sizeof(*r)) : NULL;
		if (!r) {
			s->counters.no_memory++;
			return;
		}
		r->address = *a;
		list_append(&s->ip->routers, &r->link);
		s->ip->router_count++;
		net_config_changed(s);
	}
	r->valid = s->now + seconds * SECOND;
}

void discovery_lost(struct net_stack *s, const struct net_address *neighbour)
{
	struct ip6_router *r = router_find(s, neighbour);

	if (r) {
		list_remove(&r->link);
		list_append(&s->ip->routers, &r->link);
	}
}

const struct net_address *ip6_router(struct net_stack *s)
{
	while (!list_empty(&s->ip->routers)) {
		struct ip6_router *r = CONTAINER_OF(s->ip->routers.next, struct ip6_router, link);

		if (r->valid > s->now)
			return &r->address;
		router_free(s, r);
	}
	return NULL;
}

static bool in_prefix(const struct net_address *a, const struct net_address *prefix, uint8_t length)
{
	uint8_t rest = length % 8;

	if (memcmp(a->bytes, prefix->bytes, length / 8) != 0)
		return false;
	return !rest || (a->bytes[length / 8] ^ prefix->bytes[length / 8]) >> (8 - rest) == 0;
}

bool ip6_on_link(const struct net_stack *s, const struct net_address *a)
{
	if (net_is_link_local(a))
		return true;
	LIST_FOR_EACH(l, &s->ip->prefixes) {
		const struct ip6_prefix *p = CONTAINER_OF(l, struct ip6_prefix, link);

		if (p->valid > s->now && in_prefix(a, &p->prefix, p->length))
			return true;
	}
	return false;
}

static void prefix_on_link(struct net_stack *s, const struct net_address *prefix, uint8_t length, uint32_t seconds)
{
	struct ip6_prefix *p;

	LIST_FOR_EACH(l, &s->ip->prefixes) {
		p = CONTAINER_OF(l, struct ip6_prefix, link);
		if (p->length == length && net_same(&p->prefix, prefix)) {
			p->valid = until(s, seconds);
			if (!seconds)
				prefix_free(s, p);
			return;
		}
	}
	if (!seconds)
		return;
	p = s->ip->prefix_count < IP6_LEARNT_MAX ? net_allocate(s, sizeof(*p)) : NULL;
	if (!p) {
		s->counters.no_memory++;
		return;
	}
	p->prefix = *prefix;
	p->length = length;
	p->valid = until(s, seconds);
	list_append(&s->ip->prefixes, &p->link);
	s->ip->prefix_count++;
	s->route_generation++;
}

/* A router that is not authenticated can shorten an address's life to two hours, but not end it (RFC 4862 5.5.3 e). */
static void address_again(struct ip6_address *a, uint32_t preferred, uint32_t valid)
{
	struct net_stack *s = a->stack;
	uint64_t end = until(s, valid);

	a->preferred = until(s, preferred);
	if (end > s->now + TWO_HOURS || end > a->valid)
		a->valid = end;
	else if (a->valid > s->now + TWO_HOURS)
		a->valid = s->now + TWO_HOURS;
	if (!a->tentative)
		wait_for_end(a);
}

void autoconf_prefix(struct net_stack *s, const uint8_t *o)
{
	uint8_t length = o[2], flags = o[3];
	uint32_t valid = net_get32(o + 4), preferred = net_get32(o + 8);
	struct net_address prefix = { { 0 } };

	if (length > 128)
		return;
	memcpy(prefix.bytes, o + 16, length / 8);
	if (length % 8)
		prefix.bytes[length / 8] = (uint8_t)(o[16 + length / 8] & 0xff00 >> length % 8);
	if (net_is_link_local(&prefix) || net_is_multicast(&prefix) || preferred > valid)
		return;
	if (flags & PREFIX_ON_LINK)
		prefix_on_link(s, &prefix, length, valid);
	if (!(flags & PREFIX_AUTONOMOUS) || length != LENGTH)
		return;
	LIST_FOR_EACH(l, &s->ip->addresses) {
		struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (in_prefix(&a->address, &prefix, LENGTH)) {
			address_again(a, preferred, valid);
			return;
		}
	}
	if (valid)
		address_add(s, prefix.bytes, until(s, preferred), until(s, valid));
}

const struct ip6_address *ip6_source(const struct net_stack *s, const struct net_address *destination)
{
	bool local = net_is_link_local(destination) || (net_is_multicast(destination) && (destination->bytes[1] & 15) <= 2);
	const struct ip6_address *best = NULL;

	LIST_FOR_EACH(l, &s->ip->addresses) {
		const struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (a->tentative || net_is_link_local(&a->address) != local)
			continue;
		if (!best || (a->preferred > s->now && best->preferred <= s->now))
			best = a;
	}
	return best;
}
