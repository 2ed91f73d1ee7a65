/* DHCP (RFC 2131, RFC 2132): a client that gets an address, and keeps it. The address is not asked about by ARP before it is used (RFC 2131 3.1.5 says SHOULD): that would make every start a second longer. */
#include <exos/net/ip.h>

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };
enum { OPTION_PAD = 0, OPTION_MASK = 1, OPTION_ROUTER = 3, OPTION_DNS = 6, OPTION_ADDRESS = 50, OPTION_LEASE = 51, OPTION_TYPE = 53, OPTION_SERVER = 54, OPTION_LIST = 55, OPTION_T1 = 58,
	OPTION_T2 = 59, OPTION_END = 255 };
enum dhcp_state { SELECTING, REQUESTING, BOUND, RENEWING, REBINDING };

#define MESSAGE_MIN 300 /* what servers have been seen to insist on (RFC 1542 2.1) */
#define OPTIONS 240     /* their offset, behind the magic cookie */
#define COOKIE 0x63825363
#define FIRST_WAIT SECOND
#define WAIT_MAX (64 * SECOND)
#define TRIES 4         /* then "configured" is said, though nothing is: nobody waits for ever */
#define RENEW_WAIT_MIN (60 * SECOND)

struct dhcp {
	struct net_stack *stack;
	struct net_timer timer;
	enum dhcp_state state;
	uint32_t xid;
	uint32_t tries;       /* of this state */
	uint8_t address[4], server[4];
	uint64_t started, sent; /* when the first discover, and the last request, went out */
	uint64_t t1, t2, end;
};

struct answer { /* what of a server's message matters */
	uint8_t type;
	const uint8_t *address, *server, *mask, *router, *dns;
	uint32_t lease, t1, t2; /* seconds; 0: not said */
};

static uint8_t *put_option(uint8_t *to, uint8_t type, const void *data, uint8_t length)
{
	to[0] = type;
	to[1] = length;
	memcpy(to + 2, data, length);
	return to + 2 + length;
}

/* From and to whom: by broadcast, but when a lease is renewed. */
static int route(struct dhcp *d, struct net_route *r)
{
	struct net_stack *s = d->stack;
	struct net_address server = net_from_ipv4(d->server);

	if (d->state == RENEWING)
		return net_route_find(s, r, &server, NULL);
	*r = (struct net_route){ .source = net_from_ipv4(s->ip->ipv4.address), .destination = net_from_ipv4("\xff\xff\xff\xff"), .neighbour = &s->ip->group, .mtu = s->port.mtu };
	return 0;
}

static void send(struct dhcp *d)
{
	static const uint8_t wanted[] = { OPTION_MASK, OPTION_ROUTER, OPTION_DNS, OPTION_LEASE, OPTION_T1, OPTION_T2 };
	struct net_stack *s = d->stack;
	struct net_send_options o = { .protocol = PROTOCOL_UDP };
	uint8_t room[NET_HEADROOM + UDP_HEADER], *h = room + NET_HEADROOM, message[MESSAGE_MIN] = { 0 }, *end = message + OPTIONS;
	struct net_part part = { .data = message, .length = sizeof(message) };
	struct net_route r;
	uint8_t type = d->state == SELECTING ? DISCOVER : REQUEST;
	uint32_t sum;

	if (route(d, &r))
		return;
	message[0] = 1;
	message[1] = 1;
	message[2] = 6;
	net_put32(message + 4, d->xid);
	net_put16(message + 8, (uint32_t)MIN((s->now - d->started) / SECOND, 65535ul));
	if (d->state >= RENEWING)
		memcpy(message + 12, s->ip->ipv4.address, 4);
	else
		net_put16(message + 10, 0x8000); /* we have no address yet that we could be answered at */
	memcpy(message + 28, s->port.address, 6);
	net_put32(message + OPTIONS - 4, COOKIE);
	end = put_option(end, OPTION_TYPE, &type, 1);
	if (d->state == REQUESTING) {
		end = put_option(end, OPTION_ADDRESS, d->address, 4);
		end = put_option(end, OPTION_SERVER, d->server, 4);
	}
	end = put_option(end, OPTION_LIST, wanted, sizeof(wanted));
	*end = OPTION_END;
	net_put16(h, 68);
	net_put16(h + 2, 67);
	net_put16(h + 4, UDP_HEADER + sizeof(message));
	net_put16(h + 6, 0);
	sum = net_sum_pseudo(&r.source, &r.destination, PROTOCOL_UDP, UDP_HEADER + sizeof(message));
	sum = net_sum_fold(net_sum(message, sizeof(message), net_sum(h, UDP_HEADER, sum)));
	*(uint16_t *)(h + 6) = sum == 0xffff ? 0xffff : (uint16_t)~sum;
	d->sent = s->now;
	ip_send(s, &r, &o, h, UDP_HEADER, &part, 1);
}

/* Twice as long each time, give or take an eighth, so that a street that gets its power back does not ask in step. */
static void ask_again_later(struct dhcp *d)
{
	struct net_stack *s = d->stack;
	uint64_t wait = MIN(FIRST_WAIT << MIN(d->tries, 6u), WAIT_MAX);

	d->tries++;
	net_timer_set(s, &d->timer, s->now + wait - wait / 8 + s->port.random(s->port.data) % (wait / 4));
}

static void enter(struct dhcp *d, enum dhcp_state state)
{
	d->state = state;
	d->tries = 0;
	send(d);
	ask_again_later(d);
}

static void begin(struct dhcp *d)
{
	d->xid = (uint32_t)d->stack->port.random(d->stack->port.data);
	d->started = d->stack->now;
	enter(d, SELECTING);
}

static void lose_address(struct dhcp *d)
{
	d->stack->ip->ipv4 = (struct net_ipv4){ .address = { 0 } };
	net_config_changed(d->stack);
	begin(d);
}

/* While a lease is renewed: half of the time that is left, but not more than once a minute (RFC 2131 4.4.5). */
static void renew(struct dhcp *d)
{
	struct net_stack *s = d->stack;
	uint64_t limit;

	if (s->now >= d->end) {
		lose_address(d);
		return;
	}
	if (d->state == BOUND)
		d->xid = (uint32_t)s->port.random(s->port.data);
	d->state = s->now >= d->t2 ? REBINDING : RENEWING;
	send(d);
	limit = d->state == RENEWING ? d->t2 : d->end;
	net_timer_set(s, &d->timer, MIN(limit, s->now + MAX((limit - s->now) / 2, RENEW_WAIT_MIN)));
}

static void expired(struct net_timer *t)
{
	struct dhcp *d = CONTAINER_OF(t, struct dhcp, timer);
	struct ip_state *ip = d->stack->ip;

	if (d->state >= BOUND) {
		renew(d);
		return;
	}
	if (d->tries >= TRIES) {
		if (!ip->configured) {
			ip->configured = true;
			net_config_changed(d->stack);
		}
		if (d->state == REQUESTING) {
			begin(d);
			return;
		}
	}
	send(d);
	ask_again_later(d);
}

void net_dhcp_start(struct net_stack *s)
{
	struct dhcp *d = s->ip->dhcp;

	if (d)
		return;
	s->now = s->port.now(s->port.data);
	d = net_allocate(s, sizeof(*d));
	if (!d) {
		s->ip->configured = true;
		net_config_changed(s);
		return;
	}
	d->stack = s;
	d->timer.expired = expired;
	s->ip->dhcp = d;
	begin(d);
}

void dhcp_end(struct net_stack *s)
{
	if (!s->ip->dhcp)
		return;
	net_timer_clear(s, &s->ip->dhcp->timer);
	net_free(s, s->ip->dhcp);
	s->ip->dhcp = NULL;
}

bool dhcp_wants(const struct net_stack *s, const uint8_t *udp, uint32_t length)
{
	return s->ip->dhcp && s->ip->dhcp->state <= REQUESTING && length >= UDP_HEADER && net_get16(udp) == 67 && net_get16(udp + 2) == 68;
}

static void take_option(struct answer *a, uint8_t type, const uint8_t *data, uint8_t length)
{
	switch (type) {
	case OPTION_TYPE:
		a->type = data[0];
		break;
	case OPTION_MASK:
	case OPTION_ROUTER:
	case OPTION_DNS:
	case OPTION_SERVER:
		if (length >= 4)
			*(type == OPTION_MASK ? &a->mask : type == OPTION_ROUTER ? &a->router : type == OPTION_DNS ? &a->dns : &a->server) = data;
		break;
	case OPTION_LEASE:
	case OPTION_T1:
	case OPTION_T2:
		if (length == 4)
			*(type == OPTION_LEASE ? &a->lease : type == OPTION_T1 ? &a->t1 : &a->t2) = net_get32(data);
		break;
	default:
		break;
	}
}

static bool parse(const struct dhcp *d, const uint8_t *m, uint32_t length, struct answer *a)
{
	if (length < OPTIONS || m[0] != 2 || m[1] != 1 || m[2] != 6 || net_get32(m + 4) != d->xid || memcmp(m + 28, d->stack->port.address, 6) != 0 || net_get32(m + OPTIONS - 4) != COOKIE)
		return false;
	a->address = m + 16;
	for (uint32_t at = OPTIONS; at < length && m[at] != OPTION_END;) {
		if (m[at] == OPTION_PAD) {
			at++;
			continue;
		}
		if (at + 2 > length || at + 2 + m[at + 1] > length)
			return false;
		if (m[at + 1])
			take_option(a, m[at], m + at + 2, m[at + 1]);
		at += 2u + m[at + 1];
	}
	return a->type != 0;
}

/* An address that a host can have, and a mask that is one. */
static bool address_good(const struct answer *a)
{
	uint32_t mask = a->mask ? net_get32(a->mask) : 0xffffff00, address = net_get32(a->address);

	return a->address[0] && a->address[0] != 127 && a->address[0] < 224 && mask && !(~mask & (~mask + 1)) && address & ~mask && (address | mask) != UINT32_MAX;
}

static void bind(struct dhcp *d, const struct answer *a)
{
	struct net_stack *s = d->stack;
	struct net_ipv4 config = { .mask = { 255, 255, 255, 0 } };
	uint64_t lease = a->lease == UINT32_MAX ? UINT64_MAX / 4 : a->lease * SECOND;

	memcpy(config.address, a->address, 4);
	if (a->mask)
		memcpy(config.mask, a->mask, 4);
	if (a->router)
		memcpy(config.router, a->router, 4);
	if (a->dns)
		memcpy(config.dns, a->dns, 4);
	d->state = BOUND;
	d->tries = 0;
	d->end = d->sent + lease;
	d->t2 = d->sent + (a->t2 && a->t2 < a->lease ? a->t2 * SECOND : lease / 8 * 7);
	d->t1 = d->sent + (a->t1 && a->t1 * SECOND + d->sent < d->t2 ? a->t1 * SECOND : lease / 2);
	net_timer_set(s, &d->timer, d->t1);
	if (!s->ip->configured || memcmp(&config, &s->ip->ipv4, sizeof(config)) != 0)
		net_ipv4_set(s, &config);
}

void dhcp_input(struct net_stack *s, const struct net_packet *p)
{
	struct dhcp *d = s->ip->dhcp;
	struct answer a = { 0 };

	if (!parse(d, p->data + UDP_HEADER, p->length - UDP_HEADER, &a)) {
		s->counters.malformed++;
		return;
	}
	if (a.type == OFFER && d->state == SELECTING && a.server && address_good(&a)) {
		memcpy(d->address, a.address, 4);
		memcpy(d->server, a.server, 4);
		enter(d, REQUESTING);
	}
	if (d->state == SELECTING || d->state == BOUND)
		return;
	if (d->state != REBINDING && (!a.server || memcmp(a.server, d->server, 4) != 0)) /* another's */
		return;
	if (a.type == NAK) {
		lose_address(d);
	} else if (a.type == ACK && a.lease && address_good(&a)) {
		if (a.server)
			memcpy(d->server, a.server, 4);
		bind(d, &a);
	}
}
