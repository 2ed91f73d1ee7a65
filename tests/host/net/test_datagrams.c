/* Two stacks on a wire: UDP and ICMP, to others and to oneself, and what is refused. */
#include "datagrams.h"

static void udp_both_ways(void)
{
	struct net_endpoint *x, *y;
	struct net_name from, own;

	two_hosts();
	x = any(a, false, 0);
	y = any(b, false, 53);
	ok(net_local(x, &own) && own.port >= 32768, "a port is found for who asks for none");
	told = 0;
	ok(send(a, x, name4(2, 53), "hello", 5) == 0 && told == 0, "sent, with the neighbour to be asked for first");
	wire_run(SECOND);
	ok(told & NET_READABLE && net_ready(y) & NET_READABLE, "the owner is told that it has come");
	ok(take(y, "hello", 5, &from) == 5 && from.port == own.port && memcmp(from.address.bytes + 12, "\x0a\0\0\1", 4) == 0, "with its bytes and whence it came");
	ok(take(y, "", 0, &from) == -EAGAIN && !(net_ready(y) & NET_READABLE), "and once only");
	ok(send(b, y, from, "", 0) == 0, "an answer of no bytes");
	wire_run(SECOND);
	ok(take(x, "", 0, &from) == 0 && from.port == 53, "comes as that");
	wire.watched = 0;
	net_close(y);
	ok(net_connect(x, &(struct net_name){ v4(10, 0, 0, 2), 53 }) == 0 && net_send_datagram(x, NULL, NULL, "x", 1) == 0, "connected, and the port is closed now");
	net_turn(a->stack);
	wire_run(SECOND);
	ok(net_ready(x) & NET_ERROR && net_error(x) == ECONNREFUSED && net_error(x) == 0, "port unreachable is ECONNREFUSED, once");
	ok(net_connect(x, &(struct net_name){ v4(10, 0, 0, 99), 53 }) == 0 && net_send_datagram(x, NULL, NULL, "x", 1) == 0, "connected to nobody");
	net_turn(a->stack);
	wire_run(5 * SECOND);
	ok(net_send_datagram(x, NULL, NULL, "x", 1) == -EHOSTUNREACH, "whom no ARP finds: EHOSTUNREACH");
	wire_end();
}

static void connected_hears_one(void)
{
	struct net_endpoint *x, *y, *z, *other;
	struct net_name from;

	two_hosts();
	x = any(a, false, 1000);
	y = any(b, false, 2000);
	z = any(b, false, 2001);
	other = any(a, false, 1001);
	net_connect(x, &(struct net_name){ v4(10, 0, 0, 2), 2000 });
	send(b, y, name4(1, 1000), "from the peer", 13);
	send(b, z, name4(1, 1000), "from another", 12);
	send(b, z, name4(1, 1001), "elsewhere", 9);
	wire_run(SECOND);
	ok(take(x, "from the peer", 13, &from) == 13 && take(x, "", 0, &from) == -EAGAIN, "a connected endpoint hears its peer alone");
	ok(take(other, "elsewhere", 9, &from) == 9 && take(other, "", 0, &from) == -EAGAIN, "and others what is theirs");
	net_connect(x, &(struct net_name){ .address = v4(0, 0, 0, 0) });
	send(b, z, name4(1, 1000), "now", 3);
	wire_run(SECOND);
	ok(take(x, "now", 3, &from) == 3, "disconnected, it hears all again");
	ok(net_shutdown(x, true, true) == -ENOTCONN && net_connect(x, &(struct net_name){ v4(10, 0, 0, 2), 2000 }) == 0 && net_shutdown(x, false, true) == 0 && send(a, x, name4(2, 2000), "x", 1) == -EPIPE,
		"shut down for output: EPIPE");
	wire_end();
}

static void refusals(void)
{
	static const uint8_t large[65508];
	struct net_endpoint *x, *six;

	two_hosts();
	x = any(a, false, 1000);
	six = net_endpoint_new(a->stack, NET_UDP, true, NULL, NULL);
	ok(send(a, x, name4(2, 9), large, sizeof(large)) == -EMSGSIZE, "65,508 bytes: EMSGSIZE");
	ok(net_send_datagram(x, NULL, NULL, "x", 1) == -EDESTADDRREQ, "to nobody: EDESTADDRREQ");
	ok(send(a, x, (struct net_name){ v4(10, 0, 0, 255), 9 }, "x", 1) == -EACCES, "to all without asking to: EACCES");
	ok(send(a, x, (struct net_name){ link_local(b), 9 }, "x", 1) == -ENETUNREACH, "from IPv4 to IPv6: ENETUNREACH");
	net_set_flags(six, NET_ONLY_IPV6);
	ok(send(a, six, name4(2, 9), "x", 1) == -ENETUNREACH, "and from IPv6 alone to IPv4");
	ok(send(a, six, (struct net_name){ { { 0x20, 1, [15] = 9 } }, 9 }, "x", 1) == -ENETUNREACH, "without a router and a prefix: ENETUNREACH");
	ok(net_bind(x, &(struct net_name){ v4(10, 0, 0, 1), 5 }) == -EINVAL, "bound twice: EINVAL");
	ok(net_bind(net_endpoint_new(a->stack, NET_UDP, true, NULL, NULL), &(struct net_name){ v4(10, 0, 0, 7), 5 }) == -EADDRNOTAVAIL, "to another's address: EADDRNOTAVAIL");
	wire_end();
}

static void queues_are_bounded(void)
{
	static const uint8_t data[1000];
	struct net_endpoint *x, *y;
	struct net_name from;
	int n = 0;

	two_hosts();
	x = any(a, false, 0);
	y = any(b, false, 53);
	net_tune(y, &(struct net_tuning){ .receive_size = 10000 });
	for (int i = 0; i < 100; i++) {
		send(a, x, name4(2, 53), data, sizeof(data));
		wire_run(SECOND / 10);
	}
	ok(b->allocated < 60000, "who does not read holds %lu bytes", b->allocated);
	while (take(y, data, sizeof(data), &from) == sizeof(data))
		n++;
	ok(n >= 3 && n <= 10 && net_counters(b->stack)->no_memory >= 85, "%d of 100 datagrams of 1,000 bytes fit into 10,000; the rest is counted", n);
	wire_end();
}

/* The answers of a server that many asked at once, before it knows where they are. */
static void a_burst_waits_for_its_neighbour(void)
{
	struct net_endpoint *x, *y;
	struct net_name from;
	uint8_t data[1] = { 'x' };
	int n = 0;

	two_hosts();
	x = any(a, false, 0);
	y = any(b, false, 53);
	for (int i = 0; i < 200; i++)
		send(a, x, name4(2, 53), "x", 1);
	wire_run(SECOND);
	while (take(y, data, sizeof(data), &from) == 1)
		n++;
	ok(n == 200, "%d of 200 datagrams to one who was not known yet arrive", n);
	for (int i = 0; i < 2000; i++)
		send(a, x, name4(100 + i % 10, 53), "x", 1);
	ok(a->stack->ip->waiting == 1024, "%u wait for ten who do not answer", a->stack->ip->waiting);
	wire_run(10 * SECOND);
	ok(a->stack->ip->waiting == 0, "... and are given up");
	wire_end();
}

static void loopback(void)
{
	static const struct {
		const char *name;
		bool ipv6;
		uint8_t to[16];
	} ways[] = {
		{ "127.0.0.1", false, { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
		{ "127.9.8.7", false, { [10] = 0xff, 0xff, 127, 9, 8, 7 } },
		{ "one's own address", false, { [10] = 0xff, 0xff, 10, 0, 0, 1 } },
		{ "::1", true, { [15] = 1 } },
		{ "127.0.0.1, to a dual endpoint", true, { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
		{ "0.0.0.0", false, { [10] = 0xff, 0xff } },
	};
	struct net_endpoint *x, *y;
	struct net_name from;
	uint64_t sent;

	two_hosts();
	fill();
	sent = a->sent;
	for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
		struct net_name to = { .port = 53 };

		memcpy(to.address.bytes, ways[i].to, 16);
		x = any(a, ways[i].ipv6, 0);
		y = any(a, ways[i].ipv6, 53);
		told = 0;
		ok(net_send_datagram(x, &to, NULL, big, 20000) == 0 && told == 0 && net_due(a->stack), "to %s", ways[i].name);
		net_turn(a->stack);
		ok(told & NET_READABLE && take(y, big, 20000, &from) == 20000, "and there, in fragments");
		net_close(y);
		ok(send(a, y = any(a, ways[i].ipv6, 54), from, "back", 4) == 0 && take(x, "back", 4, &from) == 4, "and back");
		net_close(x);
		net_close(y);
	}
	ok(a->sent == sent, "no frame has left");
	x = any(a, false, 0);
	ok(net_bind(y = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL), &(struct net_name){ v4(127, 0, 0, 1), 60 }) == 0 && !net_filter(y), "one bound to 127.0.0.1 has no filter");
	ok(net_connect(x, &(struct net_name){ v4(127, 0, 0, 1), 61 }) == 0 && net_send_datagram(x, NULL, NULL, "x", 1) == 0, "to a closed port of one's own");
	net_turn(a->stack);
	ok(net_error(x) == ECONNREFUSED, "is ECONNREFUSED");
	ok(send(a, y, name4(2, 53), "x", 1) == -EINVAL, "from 127.0.0.1 to the world: EINVAL");
	wire_end();
}

static void from_outside_as_ourselves(void)
{
	uint8_t udp[64], frame[128];
	struct net_endpoint *y;
	struct net_name from, forged[] = { name4(2, 7), { v4(127, 0, 0, 1), 7 }, { v4(224, 0, 0, 5), 7 }, { v4(10, 0, 0, 255), 7 } };
	uint32_t n;

	two_hosts();
	y = any(b, false, 53);
	for (size_t i = 0; i < ARRAY_LENGTH(forged); i++) {
		n = make_udp(udp, forged[i], name4(2, 53), "evil", 4);
		n = make_ipv4(frame, b->address, a->address, forged[i].address, v4(10, 0, 0, 2), 17, 0, 1, udp, n);
		net_input(b->stack, frame, n, y->tag);
	}
	n = make_udp(udp, name4(1, 7), (struct net_name){ v4(127, 0, 0, 1), 53 }, "evil", 4);
	n = make_ipv4(frame, b->address, a->address, v4(10, 0, 0, 1), v4(127, 0, 0, 1), 17, 0, 1, udp, n);
	net_input(b->stack, frame, n, y->tag);
	net_turn(b->stack);
	ok(take(y, "", 0, &from) == -EAGAIN, "packets from our address, 127.0.0.1, a group or everybody, and to 127.0.0.1 from outside, are dropped");
	n = make_udp(udp, name4(1, 7), name4(2, 54), "evil", 4);
	n = make_ipv4(frame, b->address, a->address, v4(10, 0, 0, 1), v4(10, 0, 0, 2), 17, 0, 1, udp, n);
	net_input(b->stack, frame, n, y->tag);
	net_input(b->stack, frame, n, 0xdeadbeef12345678);
	net_input(b->stack, frame, n, UINT64_MAX);
	net_turn(b->stack);
	ok(take(y, "", 0, &from) == -EAGAIN, "a tag of an endpoint that the packet's names do not fit, or of none, delivers nothing");
	wire_end();
}

static void broadcast(void)
{
	struct net_endpoint *x, *y, *z;
	struct net_name from;

	two_hosts();
	x = any(a, false, 0);
	y = any(b, false, 53);
	z = bound(b, false, (struct net_name){ v4(10, 0, 0, 2), 54 });
	net_set_flags(x, NET_BROADCAST);
	ok(send(a, x, (struct net_name){ v4(255, 255, 255, 255), 53 }, "all", 3) == 0 && send(a, x, (struct net_name){ v4(10, 0, 0, 255), 53 }, "net", 3) == 0 &&
			send(a, x, (struct net_name){ v4(10, 0, 0, 255), 54 }, "one", 3) == 0,
		"to everybody");
	wire_run(SECOND);
	ok(take(y, "all", 3, &from) == 3 && take(y, "net", 3, &from) == 3, "who listens at any address hears it");
	ok(take(z, "", 0, &from) == -EAGAIN, "who is bound to one does not");
	wire_end();
}

static void ping(bool ipv6)
{
	enum net_kind kind = ipv6 ? NET_ICMPV6 : NET_ICMP;
	struct net_endpoint *x, *y, *raw;
	uint8_t message[64] = { ipv6 ? 128 : 8, 0, 0, 0, 0, 0, 0, 7 };
	struct net_name to, from;
	const uint8_t *data;

	two_hosts();
	to = ipv6 ? (struct net_name){ .address = link_local(b) } : name4(2, 0);
	x = net_endpoint_new(a->stack, kind, ipv6, note, NULL);
	y = net_endpoint_new(a->stack, kind, ipv6, note, NULL);
	raw = net_endpoint_new(a->stack, kind, ipv6, note, NULL);
	ok(net_bind(x, &(struct net_name){ x->local.address, 77 }) == 0 && net_bind(y, &(struct net_name){ y->local.address, 78 }) == 0, "two bound for ping");
	memcpy(message + 8, "ping of fifty-six bytes", 24);
	ok(send(a, x, to, message, sizeof(message)) == 0, "an echo request");
	wire_run(SECOND);
	ok(net_datagram(x, &data, &from, NULL) == sizeof(message) && data[0] == (ipv6 ? 129 : 0) && net_get16(data + 4) == 77 && net_get16(data + 6) == 7 && memcmp(data + 8, message + 8, 56) == 0 &&
			net_same(&from.address, &to.address) && net_datagram_ttl(x) == 64,
		"its reply, with the bytes, to whom it is for");
	ok(net_datagram(y, &data, &from, NULL) == -EAGAIN, "to no other");
	while (net_datagram(raw, &data, &from, NULL) >= 0 && data[0] != (ipv6 ? 129 : 0)) /* IPv6 finds its neighbours by ICMP */
		net_datagram_done(raw);
	ok(net_datagram(raw, &data, &from, NULL) == sizeof(message), "and to who hears all");
	ok(net_bind(net_endpoint_new(a->stack, kind, ipv6, NULL, NULL), &(struct net_name){ x->local.address, 77 }) == -EADDRINUSE, "an identifier is one endpoint's");
	wire_end();
}

static bool is_icmp_error(const struct frame *f) { return f->from == b && f->bytes[12] == 8 && f->bytes[13] == 0 && f->bytes[23] == 1 && f->bytes[34] == 3; }

static void errors_are_limited(void)
{
	struct net_endpoint *x;

	two_hosts();
	x = any(a, false, 0);
	send(a, x, name4(2, 53), "x", 1);
	wire_run(10 * SECOND);
	wire.watch = is_icmp_error;
	for (int i = 0; i < 1000; i++)
		send(a, x, name4(2, 53), "x", 1);
	wire_run(SECOND);
	ok(wire.watched >= 50 && wire.watched <= 55, "of 1,000 packets to a closed port at once %lu are answered", wire.watched);
	wire_end();
}

static int depth, most, rounds;
static struct net_endpoint *self_x;
static void talk(void *owner, uint32_t what)
{
	const uint8_t *data;

	(void)owner;
	depth++;
	most = MAX(most, depth);
	if (what & NET_READABLE && net_datagram(self_x, &data, NULL, NULL) >= 0) {
		rounds++;
		net_datagram_done(self_x);
		net_send_datagram(self_x, NULL, NULL, "again", 5);
		net_turn(a->stack);
	}
	depth--;
}

static void endless_talk(void)
{
	two_hosts();
	self_x = net_endpoint_new(a->stack, NET_UDP, false, talk, NULL);
	net_bind(self_x, &(struct net_name){ v4(127, 0, 0, 1), 9 });
	net_connect(self_x, &(struct net_name){ v4(127, 0, 0, 1), 9 });
	net_send_datagram(self_x, NULL, NULL, "once", 4);
	net_turn(a->stack);
	ok(rounds >= 10 && rounds <= 100 && net_due(a->stack) == 1 && most == 1, "who talks to himself without end: %d rounds in a turn, then it is due again; no event within an event", rounds);
	wire_end();
}

static void closing(void)
{
	struct net_endpoint *x, *y;
	int calls = 0;

	two_hosts();
	x = any(a, false, 0);
	y = net_endpoint_new(b->stack, NET_UDP, false, note, &calls);
	net_bind(y, &(struct net_name){ v4(0, 0, 0, 0), 53 });
	for (int i = 0; i < 3; i++)
		send(a, x, name4(2, 53), big, 4000);
	wire_run(SECOND);
	ok(calls > 0 && b->pieces > 10, "datagrams wait");
	calls = 0;
	net_close(y);
	net_turn(b->stack);
	ok(calls == 0, "an endpoint that is closed says nothing more");
	wire_end(); /* fails when memory is left */
}

/* Whatever allocation fails, nothing breaks, and nothing is lost for good. */
static void no_memory(void)
{
	struct net_name from;
	bool good = true;

	fill();
	for (uint64_t n = 1; n < 60; n++) {
		struct net_endpoint *x, *y;

		two_hosts();
		a->fail_after = n;
		b->fail_after = n;
		x = net_endpoint_new(a->stack, NET_UDP, false, NULL, NULL);
		y = net_endpoint_new(b->stack, NET_UDP, true, NULL, NULL);
		if (y && net_bind(y, &(struct net_name){ .port = 53 }) == 0 && x)
			for (int i = 0; i < 3; i++) {
				send(a, x, name4(2, 53), big, 3000);
				wire_run(SECOND / 10);
			}
		a->fail_after = b->fail_after = 0;
		if (x && y) {
			while (take(y, big, 3000, &from) >= 0)
				;
			net_close(y);
			y = any(b, false, 53);
			wire_run(60 * SECOND);
			send(a, x, name4(2, 53), "x", 1);
			wire_run(SECOND);
			good &= take(y, "x", 1, &from) == 1;
		}
		wire_end();
	}
	ok(good, "with every allocation in turn the first to fail: no harm, and all works when there is memory again");
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	udp_both_ways();
	connected_hears_one();
	refusals();
	queues_are_bounded();
	a_burst_waits_for_its_neighbour();
	loopback();
	from_outside_as_ourselves();
	broadcast();
	ping(false);
	ping(true);
	errors_are_limited();
	endless_talk();
	closing();
	no_memory();
	return done_testing();
}
