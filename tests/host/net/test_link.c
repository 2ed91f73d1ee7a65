/* Who is on the link, and which addresses are ours: ARP, neighbour discovery, routers, DHCP, each against a peer that the test plays. */
#include "check.h"

static struct host *a, *b;
static struct net_endpoint *x;
static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void arp(uint8_t *frame, const uint8_t *to, uint8_t operation, const uint8_t *sender, const uint8_t *sender_ip, const uint8_t *target, const uint8_t *target_ip)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, sender, 6);
	memcpy(frame + 12, "\x08\x06\0\x01\x08\0\x06\x04\0", 9);
	frame[21] = operation;
	memcpy(frame + 22, sender, 6);
	memcpy(frame + 28, sender_ip, 4);
	memcpy(frame + 32, target, 6);
	memcpy(frame + 38, target_ip, 4);
}

static const uint8_t *mac_of(const struct net_address *address)
{
	struct net_neighbour *n = neighbour_find(a->stack, address);

	return n && n->state != NEIGHBOUR_INCOMPLETE ? n->ethernet : NULL;
}

static void send_to(struct net_name to)
{
	net_send_datagram(x, &to, NULL, "x", 1);
	net_turn(a->stack);
}

static bool is_arp(const struct frame *f) { return f->from == a && f->bytes[12] == 8 && f->bytes[13] == 6; }

static void arp_is_not_fooled(void)
{
	uint8_t frame[42], evil[6] = { 2, 0, 0, 0, 0, 66 }, own[4] = { 10, 0, 0, 1 }, two[4] = { 10, 0, 0, 2 }, three[4] = { 10, 0, 0, 3 };
	struct net_address two_address = v4(10, 0, 0, 2), three_address = v4(10, 0, 0, 3);
	uint64_t conflicts;

	a = host_new(1);
	b = host_new(2);
	host_address(a, 1);
	host_address(b, 2);
	x = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL);
	wire_run(3 * SECOND);
	ok(!mac_of(&two_address), "an announcement alone is not worth a place");
	arp(frame, a->address, 2, evil, three, a->address, own);
	net_input(a->stack, frame, sizeof(frame), 0);
	ok(!neighbour_find(a->stack, &three_address), "a reply that was not asked for changes nothing");
	send_to(name4(2, 9));
	wire_run(SECOND);
	ok(mac_of(&two_address) && memcmp(mac_of(&two_address), b->address, 6) == 0, "who is asked answers");
	arp(frame, a->address, 2, evil, two, a->address, own);
	net_input(a->stack, frame, sizeof(frame), 0);
	ok(memcmp(mac_of(&two_address), b->address, 6) == 0, "another's answer, later, is not believed");
	arp(frame, everybody, 1, evil, two, everybody, own);
	net_input(a->stack, frame, sizeof(frame), 0);
	wire_run(5 * SECOND);
	ok(mac_of(&two_address) && memcmp(mac_of(&two_address), b->address, 6) == 0, "nor a question of somebody who says that he is the one: the one is asked");
	conflicts = net_counters(a->stack)->address_conflicts;
	wire.watch = is_arp;
	wire.watched = 0;
	wire_run(20 * SECOND);
	wire.watched = 0;
	arp(frame, everybody, 1, evil, own, everybody, two);
	for (int i = 0; i < 5; i++)
		net_input(a->stack, frame, sizeof(frame), 0);
	ok(net_counters(a->stack)->address_conflicts == conflicts + 5 && wire.watched == 1, "who uses our address is counted, and answered once in ten seconds");
	for (uint32_t i = 0; i < 2000; i++) {
		uint8_t ip[4] = { 10, 0, 0, (uint8_t)(3 + i % 250) }, mac[6] = { 2, 0, 1, 0, (uint8_t)(i >> 8), (uint8_t)i };

		arp(frame, everybody, 1, mac, ip, everybody, own);
		net_input(a->stack, frame, sizeof(frame), 0);
	}
	ok(a->stack->ip->neighbour_count <= 512, "2,000 questions fill %u places", a->stack->ip->neighbour_count);
	wire_end();
}

static void neighbour_moves(void)
{
	struct net_address two = v4(10, 0, 0, 2);

	a = host_new(1);
	b = host_new(2);
	host_address(a, 1);
	host_address(b, 2);
	x = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL);
	send_to(name4(2, 9));
	wire_run(SECOND);
	host_end(b);
	b = host_new(7);
	host_address(b, 2);
	wire_run(60 * SECOND);
	send_to(name4(2, 9));
	wire_run(10 * SECOND);
	ok(!neighbour_find(a->stack, &two) || !mac_of(&two), "one that does not answer any more is forgotten");
	send_to(name4(2, 9));
	wire_run(SECOND);
	ok(mac_of(&two) && memcmp(mac_of(&two), b->address, 6) == 0, "and found where it is now");
	wire_end();
}

/* A scan of what is behind prefixes: the routes that others hold must not point to what was forgotten. */
static void many_neighbours(void)
{
	a = host_new(1);
	net_ipv4_set(a->stack, &(struct net_ipv4){ .address = { 10, 0, 0, 1 }, .mask = { 255, 0, 0, 0 } });
	x = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL);
	for (int i = 0; i < 3000; i++) {
		send_to((struct net_name){ v4(10, 1, (uint8_t)(i >> 8), (uint8_t)i), 9 });
		if (i % 100 == 0)
			wire_run(SECOND / 10);
	}
	ok(a->stack->ip->neighbour_count <= 512 && a->allocated < 1000000, "3,000 addresses that nobody has: %u places, %lu bytes", a->stack->ip->neighbour_count, a->allocated);
	wire_run(10 * SECOND);
	ok(a->stack->ip->neighbour_count == 0, "and none when nobody has answered");
	wire_end();
}

static uint8_t sent_to[6];
static bool is_any(const struct frame *f)
{
	memcpy(sent_to, f->bytes, 6);
	return f->from == a;
}

/* A datagram from 10.0.0.last, or from behind the router, by way of an Ethernet address; is it answered there? */
static bool answers_to(struct net_address source, uint8_t ethernet)
{
	uint8_t frame[256], udp[64], from[6] = { 2, 0, 0, 0, 9, ethernet };
	struct net_name client = { source, 7 }, name;
	const uint8_t *data;

	net_input(a->stack, frame, make_ipv4(frame, a->address, from, source, v4(10, 0, 0, 1), 17, 0, 1, udp, make_udp(udp, client, name4(1, 9), "hello", 5)), 0);
	if (net_datagram(x, &data, &name, NULL) != 5)
		return false;
	net_datagram_done(x);
	wire.watched = 0;
	net_send_datagram(x, &name, NULL, "yes", 3);
	net_turn(a->stack);
	return wire.watched == 1 && memcmp(sent_to, from, 6) == 0;
}

static void shares_its_interface(void)
{
	struct net_name here = name4(1, 9);
	bool all = true;

	wire.watch = is_any;
	wire.watched = 0;
	a = host_shares(1);
	host_address(a, 1);
	x = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL);
	ok(net_bind(x, &here) == 0, "a stack that shares its interface has its ports");
	wire_run(100 * SECOND);
	ok(wire.watched == 0, "it asks nothing and announces nothing");
	ok(answers_to(v4(10, 0, 0, 2), 1) && answers_to(v4(10, 0, 0, 3), 2) && answers_to(v4(10, 0, 0, 2), 1), "it answers where it was asked from");
	ok(answers_to(v4(10, 0, 0, 2), 3) && answers_to(v4(172, 16, 0, 1), 4) && answers_to(v4(192, 168, 0, 1), 4), "also who has moved, or comes by the router");
	for (uint32_t i = 0; i < 3000; i++)
		all &= answers_to(v4(10, 0, 0, (uint8_t)(2 + i % 200)), (uint8_t)(i % 251)) && (i % 100 || answers_to(v4(10, 0, 0, 2), 5));
	ok(all, "3,000 times in turn");
	wire.watched = 0;
	wire_run(100 * SECOND);
	ok(wire.watched == 0 && a->stack->ip->neighbour_count <= 512, "it has no doubts about neighbours");
	wire_end();
}

/* A router of IPv6. */
static struct net_address router_address;
static uint32_t valid = 7200, preferred = 3600;
static uint16_t lifetime = 1800;
static void advertise(struct host *h)
{
	uint8_t m[64] = { 134 }, frame[256], all[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	struct net_address to = { { 0xff, 2, [15] = 1 } };

	m[4] = 60;
	net_put16(m + 6, lifetime);
	m[16] = 1, m[17] = 1;
	memcpy(m + 18, h->address, 6);
	m[24] = 5, m[25] = 1;
	net_put32(m + 28, 1400);
	m[32] = 3, m[33] = 4, m[34] = 64, m[35] = 0xc0;
	net_put32(m + 36, valid);
	net_put32(m + 40, preferred);
	memcpy(m + 48, "\x20\x01\x0d\xb8\0\0\0\x01", 8);
	icmp_checksum(m, 64, &router_address, &to);
	wire_send(h, frame, make_ipv6(frame, all, h->address, router_address, to, 58, 255, m, 64));
}

static int router_got;
static void router(struct host *h, const uint8_t *f, uint32_t length)
{
	if (length >= 62 && net_get16(f + 12) == ETHERNET_IPV6 && f[20] == 58 && f[54] == 133)
		advertise(h);
	if (length > 54 && f[20] == 17 && memcmp(f, h->address, 6) == 0)
		router_got++;
}

static void routers(void)
{
	struct net_ipv6 own[4];
	struct net_name far = { { { 0x20, 1, 0xd, 0xb9, [15] = 9 } }, 9 };
	struct host *r;
	size_t n;

	r = host_plays(99, router);
	router_address = link_local(r);
	a = host_new(1);
	ok(net_ipv6(a->stack, own, 4) == 0, "no address is ours before it has been asked about");
	wire_run(3 * SECOND);
	n = net_ipv6(a->stack, own, 4);
	ok(n == 2 && memcmp(own[1].address.bytes, "\x20\x01\x0d\xb8\0\0\0\x01\0\0\0\xff\xfe\0\0\x01", 16) == 0, "a link-local address, and one of the prefix that a router advertises");
	x = net_endpoint_new(a->stack, NET_UDP, true, NULL, NULL);
	ok(net_send_datagram(x, &far, NULL, "x", 1) == 0, "far addresses can be reached");
	net_turn(a->stack);
	wire_run(SECOND);
	ok(router_got == 1, "by the router, whose address came with it");
	ok(a->stack->ip->mtu6 == 1400 && a->stack->ip->hop_limit == 60, "MTU and hop limit are the router's");
	valid = preferred = 1;
	advertise(r);
	wire_run(60 * SECOND);
	ok(net_ipv6(a->stack, own, 4) == 2, "an address's life is not cut to less than two hours by advertisement");
	wire_run(7300 * SECOND);
	ok(net_ipv6(a->stack, own, 4) == 1, "but it ends then");
	lifetime = 0;
	advertise(r);
	wire_run(SECOND);
	ok(net_send_datagram(x, &far, NULL, "x", 1) == -ENETUNREACH, "and a router that says it is none is none");
	for (int i = 0; i < 100; i++) {
		router_address.bytes[14] = (uint8_t)i;
		lifetime = 100;
		advertise(r);
	}
	wire_run(SECOND);
	ok(a->stack->ip->router_count <= IP6_LEARNT_MAX && a->stack->ip->prefix_count <= IP6_LEARNT_MAX, "a hundred routers: %u are kept", a->stack->ip->router_count);
	wire_end();
}

static void duplicate(void)
{
	struct net_ipv6 own[2];

	a = host_new(1);
	wire_run(3 * SECOND);
	ok(net_ipv6(a->stack, own, 2) == 1, "the first has its address");
	b = host_new(1); /* the same Ethernet address */
	wire_run(3 * SECOND);
	ok(net_ipv6(b->stack, own, 2) == 0 && net_counters(b->stack)->address_conflicts == 1, "another with the same does not take it");
	ok(net_ipv6(a->stack, own, 2) == 1, "and the first keeps it");
	wire_end();
}

/* A DHCP server. */
static struct {
	int discovers, requests, renewals, rebinds;
	bool silent, refuses, other_server, wrong_xid;
	uint8_t address;
	uint32_t lease;
	uint8_t mask[4];
} dhcp;

static uint8_t *option(uint8_t *o, uint8_t type, const void *data, uint8_t n)
{
	o[0] = type;
	o[1] = n;
	memcpy(o + 2, data, n);
	return o + 2 + n;
}

static const uint8_t *find_option(const uint8_t *m, uint32_t length, uint8_t type)
{
	for (uint32_t at = 240; at + 2 <= length && m[at] != 255; at += 2u + m[at + 1])
		if (m[at] == type)
			return m + at + 2;
	return NULL;
}

static void answer(struct host *h, const uint8_t *m, uint8_t type, uint8_t last)
{
	static const uint8_t server[4] = { 10, 0, 0, 254 };
	uint8_t reply[300] = { 2, 1, 6 }, udp[400], frame[500], *o = reply + 240, lease[4];
	struct net_name from = { v4(10, 0, 0, 254), 67 }, to = { v4(255, 255, 255, 255), 68 };
	uint32_t n;

	net_put32(lease, dhcp.lease);
	memcpy(reply + 4, m + 4, 4);
	reply[7] ^= dhcp.wrong_xid;
	memcpy(reply + 16, (uint8_t[4]){ 10, 0, 0, last }, 4);
	memcpy(reply + 28, m + 28, 6);
	net_put32(reply + 236, 0x63825363);
	o = option(o, 53, &type, 1);
	o = option(o, 54, dhcp.other_server ? (const uint8_t[4]){ 10, 0, 0, 253 } : server, 4);
	o = option(o, 51, lease, 4);
	o = option(o, 1, dhcp.mask, 4);
	o = option(o, 3, server, 4);
	o = option(o, 6, server, 4);
	*o = 255;
	n = make_udp(udp, from, to, reply, sizeof(reply));
	wire_send(h, frame, make_ipv4(frame, everybody, h->address, from.address, to.address, 17, 0, 1, udp, n));
}

static void server(struct host *h, const uint8_t *f, uint32_t length)
{
	const uint8_t *m = f + 42, *type;
	uint8_t reply[42];

	if (net_get16(f + 12) == ETHERNET_ARP && f[21] == 1 && memcmp(f + 38, "\x0a\0\0\xfe", 4) == 0) {
		arp(reply, f + 6, 2, h->address, f + 38, f + 22, f + 28);
		wire_send(h, reply, sizeof(reply));
	}
	if (length < 42 + 240 || net_get16(f + 12) != ETHERNET_IPV4 || f[23] != 17 || net_get16(f + 36) != 67)
		return;
	type = find_option(m, length - 42, 53);
	if (!type)
		return;
	if (type[0] == 1)
		dhcp.discovers++;
	else if (!m[12])
		dhcp.requests++;
	else if (f[0] == 0xff)
		dhcp.rebinds++;
	else
		dhcp.renewals++;
	if (dhcp.silent)
		return;
	answer(h, m, type[0] == 1 ? 2 : dhcp.refuses ? 6 : 5, dhcp.address);
}

static int changes;
static void changed(void *owner) { (void)owner, changes++; }

static bool has(uint8_t last) { return memcmp(net_ipv4(a->stack)->address, (uint8_t[4]){ last ? 10 : 0, 0, 0, last }, 4) == 0; }

static void dhcp_new(bool silent)
{
	memset(&dhcp, 0, sizeof(dhcp));
	dhcp.silent = silent;
	dhcp.address = 15;
	dhcp.lease = 3600;
	memcpy(dhcp.mask, "\xff\xff\xff\0", 4);
	host_plays(254, server);
	a = host_new(1);
	wire_run(3 * SECOND);
	changes = 0;
	net_on_configured(a->stack, changed, NULL);
	net_dhcp_start(a->stack);
	net_turn(a->stack);
}

static void leases(void)
{
	dhcp_new(false);
	wire_run(SECOND);
	ok(has(15) && net_configured(a->stack) && changes == 1 && dhcp.discovers == 1 && dhcp.requests == 1, "a lease is had with one discover and one request");
	ok(memcmp(net_ipv4(a->stack)->router, "\x0a\0\0\xfe", 4) == 0 && memcmp(net_ipv4(a->stack)->mask, "\xff\xff\xff\0", 4) == 0, "with mask and router");
	wire_run(1700 * SECOND);
	ok(dhcp.renewals == 0, "not renewed before half of its time");
	wire_run(200 * SECOND);
	ok(dhcp.renewals == 1 && has(15) && changes == 1, "then renewed, by unicast");
	dhcp.silent = true;
	wire_run(3000 * SECOND);
	ok(dhcp.renewals > 1 && dhcp.rebinds == 0 && has(15), "a server that is silent is asked %d times", dhcp.renewals - 1);
	wire_run(400 * SECOND);
	ok(dhcp.rebinds > 0 && has(15), "then everybody");
	wire_run(400 * SECOND);
	ok(has(0) && dhcp.discovers > 1, "and when the lease is over the address is ours no more");
	dhcp.silent = false;
	dhcp.address = 16;
	wire_run(100 * SECOND);
	ok(has(16), "until there is another");
	dhcp.refuses = true;
	dhcp.address = 17;
	wire_run(2000 * SECOND);
	ok(has(0), "NAK ends a lease at once");
	dhcp.refuses = false;
	wire_run(100 * SECOND);
	ok(has(17), "and another is asked for");
	wire_end();
}

static void dhcp_refusals(void)
{
	static const uint8_t masks[][4] = { { 255, 0, 255, 0 }, { 0, 0, 0, 0 }, { 255, 255, 255, 255 } };

	dhcp_new(true);
	wire_run(10 * SECOND);
	ok(!net_configured(a->stack), "no server: not configured");
	wire_run(20 * SECOND);
	ok(net_configured(a->stack) && has(0) && changes == 1 && dhcp.discovers >= 4, "after %d tries that is said, too", dhcp.discovers);
	dhcp.silent = false;
	wire_run(100 * SECOND);
	ok(has(15), "and it goes on asking");
	wire_end();
	for (size_t i = 0; i < ARRAY_LENGTH(masks); i++) {
		dhcp_new(true);
		memcpy(dhcp.mask, masks[i], 4);
		dhcp.silent = false;
		wire_run(100 * SECOND);
		ok(has(0), "a mask of %u.%u.%u.%u is none", masks[i][0], masks[i][1], masks[i][2], masks[i][3]);
		wire_end();
	}
	dhcp_new(true);
	dhcp.silent = false;
	dhcp.wrong_xid = true;
	wire_run(100 * SECOND);
	ok(has(0), "an answer to another's question is not taken");
	wire_end();
	dhcp_new(true);
	dhcp.silent = false;
	dhcp.lease = 0;
	wire_run(100 * SECOND);
	ok(has(0), "nor a lease of no time");
	wire_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	arp_is_not_fooled();
	neighbour_moves();
	many_neighbours();
	shares_its_interface();
	routers();
	duplicate();
	leases();
	dhcp_refusals();
	return done_testing();
}
