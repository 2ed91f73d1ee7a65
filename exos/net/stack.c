/* A stack's life, what comes in, and turns. */
#include <exos/net/ip.h>

#define LOOP_ROUNDS 64 /* of packets to ourselves, in one turn; who talks to himself without end does not hold up the rest */

struct net_stack *net_stack_new(const struct net_port *port)
{
	static const struct net_filter_key rest;
	struct net_stack *s = port->allocate(port->data, sizeof(*s));

	_Static_assert(sizeof(*s) <= 2048 && sizeof(struct ip_state) <= 2048, "one piece of memory each");
	if (!s)
		return NULL;
	s->port = *port;
	s->port.mtu = MIN(port->mtu, (uint32_t)NET_WAITING_MAX - NET_HEADROOM); /* a packet fits into a piece of memory */
	s->now = port->now(port->data);
	s->secret[0] = port->random(port->data);
	s->secret[1] = port->random(port->data);
	list_init(&s->endpoints);
	list_init(&s->readies);
	list_init(&s->raws);
	s->route_generation = 1;
	s->ip = net_allocate(s, sizeof(*s->ip));
	if (!s->ip) {
		net_free(s, s);
		return NULL;
	}
	s->ip->stack = s;
	s->ip->next_id = (uint16_t)port->random(port->data);
	list_init(&s->ip->loop);
	list_init(&s->ip->addresses);
	list_init(&s->ip->prefixes);
	list_init(&s->ip->routers);
	list_init(&s->ip->fragments);
	list_init(&s->ip->paths);
	neighbours_start(s);
	s->filter = port->filter_add(port->data, &rest, 0);
	if (tcp_start(s)) {
		net_stack_end(s);
		return NULL;
	}
	if (!port->shared)
		discovery_start(s);
	return s;
}

void net_stack_end(struct net_stack *s)
{
	while (!list_empty(&s->endpoints)) {
		struct net_endpoint *e = CONTAINER_OF(s->endpoints.next, struct net_endpoint, all);

		net_endpoint_end(e);
	}
	if (s->tcp)
		tcp_end(s);
	dhcp_end(s);
	discovery_end(s);
	fragments_end(s);
	paths_end(s);
	neighbours_end(s);
	net_waiting_free(s, &s->ip->loop);
	net_tables_end(s);
	if (s->filter)
		s->port.filter_remove(s->port.data, s->filter);
	net_free(s, s->ip);
	net_free(s, s);
}

void net_input(struct net_stack *s, const uint8_t *frame, uint32_t length, uint64_t tag)
{
	bool group;

	s->now = s->port.now(s->port.data);
	s->counters.frames_in++;
	s->counters.bytes_in += length;
	if (length < ETHERNET_HEADER) {
		s->counters.malformed++;
		return;
	}
	group = frame[0] & 1;
	if (!group && memcmp(frame, s->port.address, 6) != 0) {
		s->counters.strangers++;
		return;
	}
	switch (net_get16(frame + 12)) {
	case ETHERNET_IPV4:
		ipv4_input(s, frame + ETHERNET_HEADER, length - ETHERNET_HEADER, tag, group, false);
		break;
	case ETHERNET_IPV6:
		ipv6_input(s, frame + ETHERNET_HEADER, length - ETHERNET_HEADER, tag, group, false);
		break;
	case ETHERNET_ARP:
		arp_input(s, frame, length);
		break;
	default:
		s->counters.strangers++;
	}
}

void ip_deliver(struct net_stack *s, struct net_packet *p)
{
	bool heard = !list_empty(&s->raws) && raw_input(s, p);

	switch (p->protocol) {
	case PROTOCOL_TCP:
		tcp_input(s, p);
		break;
	case PROTOCOL_UDP:
		udp_input(s, p);
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		if ((p->protocol == PROTOCOL_ICMP) != net_is_ipv4(&p->destination))
			s->counters.strangers++;
		else if (p->protocol == PROTOCOL_ICMP)
			icmp_input(s, p);
		else
			icmpv6_input(s, p);
		break;
	default:
		if (heard)
			break;
		s->counters.strangers++;
		icmp_unreachable(s, p, UNREACHABLE_PROTOCOL);
	}
}

/* Those that there are now; answers to them wait for the next round. */
static void loop_packets(struct net_stack *s)
{
	for (uint32_t n = s->ip->looped; n > 0; n--) {
		struct net_waiting *w = CONTAINER_OF(s->ip->loop.next, struct net_waiting, link);

		list_remove(&w->link);
		s->ip->looped--;
		if (w->type == ETHERNET_IPV4)
			ipv4_input(s, w->data + ETHERNET_HEADER, w->length, 0, false, true);
		else
			ipv6_input(s, w->data + ETHERNET_HEADER, w->length, 0, false, true);
		net_free(s, w);
	}
}

/* Those who became ready in the course of this are told in the next round. */
static void tell_owners(struct net_stack *s)
{
	struct list last;

	list_append(&s->readies, &last);
	while (s->readies.next != &last) {
		struct net_endpoint *e = CONTAINER_OF(s->readies.next, struct net_endpoint, ready);
		uint32_t told = e->told;

		list_remove(&e->ready);
		e->told = 0;
		if (e->event)
			e->event(e->owner, told);
	}
	list_remove(&last);
}

void net_turn(struct net_stack *s)
{
	if (s->in_turn)
		return;
	s->in_turn = true;
	s->full = false;
	s->now = s->port.now(s->port.data);
	net_timers_run(s);
	for (int round = 0; round < LOOP_ROUNDS; round++) {
		loop_packets(s);
		tcp_turn(s);
		tell_owners(s);
		if (!s->ip->looped && list_empty(&s->readies))
			break;
	}
	tcp_turn(s); /* what owners did last */
	s->port.flush(s->port.data);
	s->in_turn = false;
}

uint64_t net_due(const struct net_stack *s)
{
	if (s->ip->looped || !list_empty(&s->readies))
		return 1;
	return s->timers ? s->timers->due : 0;
}

void net_tell(struct net_endpoint *e, uint32_t what)
{
	if (!e->event)
		return;
	e->told |= what;
	if (list_empty(&e->ready))
		list_append(&e->stack->readies, &e->ready);
}

const struct net_counters *net_counters(const struct net_stack *s) { return &s->counters; }
const struct net_ipv4 *net_ipv4(const struct net_stack *s) { return &s->ip->ipv4; }
bool net_configured(const struct net_stack *s) { return s->ip->configured; }
const struct net_address *net_ipv6_router(struct net_stack *s) { return ip6_router(s); }

bool net_configured_ipv6(const struct net_stack *s)
{
	bool asking = s->ip->solicit.due != 0;

	LIST_FOR_EACH(l, &s->ip->addresses) {
		const struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (!a->tentative && !net_is_link_local(&a->address))
			return true;
		asking |= a->tentative;
	}
	return !asking;
}

size_t net_ipv6(const struct net_stack *s, struct net_ipv6 *to, size_t room)
{
	size_t n = 0;

	LIST_FOR_EACH(l, &s->ip->addresses) {
		const struct ip6_address *a = CONTAINER_OF(l, struct ip6_address, link);

		if (a->tentative)
			continue;
		if (n < room)
			to[n] = (struct net_ipv6){ a->address, a->prefix_length };
		n++;
	}
	return n;
}

void net_on_configured(struct net_stack *s, void (*changed)(void *owner), void *owner)
{
	s->ip->changed = changed;
	s->ip->changed_owner = owner;
}

void net_config_changed(struct net_stack *s)
{
	s->route_generation++;
	if (s->ip->changed)
		s->ip->changed(s->ip->changed_owner);
}

void net_ipv4_set(struct net_stack *s, const struct net_ipv4 *config)
{
	s->now = s->port.now(s->port.data);
	s->ip->ipv4 = *config;
	s->ip->configured = true;
	if (*(const net_half *)config->address && !s->port.shared)
		arp_announce(s);
	net_config_changed(s);
}
