/* Datagrams that do not fit a frame: cut, lost, put together, laid over each other, and paths that become narrower. */
#include "datagrams.h"

static void fragments(bool ipv6)
{
	static const uint32_t sizes[] = { 1473, 1453, 1900, 2960, 8000, 65507 };
	struct net_endpoint *x, *y;
	struct net_name from;
	bool good = true;

	two_hosts();
	fill();
	x = any(a, ipv6, 0);
	y = any(b, ipv6, 53);
	wire.reorder = true;
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct net_name to = ipv6 ? (struct net_name){ link_local(b), 53 } : name4(2, 53);

		if (i == 0) { /* four packets may wait for a neighbour, no more */
			send(a, x, to, "x", 1);
			wire_run(SECOND);
			good &= take(y, "x", 1, &from) == 1;
		}
		good &= send(a, x, to, big, sizes[i]) == 0;
		wire_run(SECOND);
		good &= take(y, big, sizes[i], &from) == sizes[i];
	}
	ok(good, "%s: datagrams of up to 65,507 bytes, whose fragments come out of order", ipv6 ? "IPv6" : "IPv4");
	ok(list_empty(&b->stack->ip->fragments) && !b->stack->ip->fragments_memory, "nothing of them is left");
	wire_end();
}

static bool drop_some(const struct frame *f) { return f->length > 1000 && random_below(3) == 0; }

static void fragments_lost(void)
{
	struct net_endpoint *x;

	two_hosts();
	x = any(a, false, 0);
	any(b, false, 53);
	send(a, x, name4(2, 53), "x", 1);
	wire_run(SECOND);
	wire.drop = drop_some;
	for (int i = 0; i < 200; i++) {
		send(a, x, name4(2, 53), big, 8000);
		wire_run(SECOND / 1000);
	}
	ok(b->stack->ip->fragments_memory <= FRAGMENTS_MEMORY && b->stack->ip->fragments_memory > 0, "incomplete ones hold %u bytes, no more than the limit", b->stack->ip->fragments_memory);
	wire_run(31 * SECOND);
	ok(!b->stack->ip->fragments_memory && list_empty(&b->stack->ip->fragments), "and are given up after 30 seconds");
	wire_end();
}

/* Fragments by hand: from host a's address, into b. */
static void fragment(uint32_t offset, bool more, const uint8_t *data, uint32_t n, uint16_t id)
{
	uint8_t frame[2048];
	uint32_t length = make_ipv4(frame, b->address, a->address, v4(10, 0, 0, 1), v4(10, 0, 0, 2), 17, offset / 8 | (more ? 0x2000u : 0), id, data, n);

	net_input(b->stack, frame, length, 0);
	net_turn(b->stack);
}

static void overlaps(void)
{
	uint8_t packet[4096];
	struct net_endpoint *y;
	struct net_name from;
	uint32_t n;

	two_hosts();
	y = any(b, false, 53);
	n = make_udp(packet, name4(1, 7), name4(2, 53), big, 2000);
	fragment(0, true, packet, 800, 1);
	fragment(0, true, packet, 800, 1);
	fragment(1600, false, packet + 1600, n - 1600, 1);
	fragment(800, true, packet + 800, 800, 1);
	ok(take(y, big, 2000, &from) == 2000, "a fragment that comes twice does no harm");
	fragment(0, true, packet, 800, 2);
	fragment(1600, false, packet + 1600, n - 1600, 2);
	fragment(792, true, packet + 792, 808, 2);
	fragment(800, true, packet + 800, 800, 2);
	ok(take(y, "", 0, &from) == -EAGAIN, "one that overlaps another refuses the whole, and what comes later of it");
	fragment(0, true, packet, 800, 3);
	fragment(1600, false, packet + 1600, n - 1600, 3);
	fragment(2400, true, packet, 800, 3);
	fragment(800, true, packet + 800, 800, 3);
	ok(take(y, "", 0, &from) == -EAGAIN, "so does one behind the end");
	fragment(65528, true, packet, 800, 4);
	fragment(0, true, packet, 801, 5);
	fragment(0, true, packet, 0, 6);
	ok(net_counters(b->stack)->malformed >= 3, "beyond 65,535 bytes, of odd length, and empty: malformed");
	wire_end();
}

static bool to_53(const struct frame *f) { return f->from == a && f->length > 14 + 1280 && f->bytes[12] == 0x86; }

static void narrow_path(void)
{
	uint8_t message[1300] = { 2 }, frame[2048];
	struct net_endpoint *x, *y;
	struct net_address from, to;
	struct net_name name;
	uint32_t n;

	two_hosts();
	from = link_local(b);
	to = link_local(a);
	fill();
	x = any(a, true, 1000);
	y = any(b, true, 53);
	send(a, x, (struct net_name){ link_local(b), 53 }, big, 1400);
	wire_run(SECOND);
	ok(take(y, big, 1400, &name) == 1400, "1,400 bytes in one frame");
	/* Too big, says somebody, of a packet that we did not send, then of one that we might have sent. */
	for (int own = 0; own < 2; own++) {
		uint8_t udp[64];

		net_put32(message + 4, 100);
		n = make_udp(udp, (struct net_name){ to, own ? 1000 : 1001 }, (struct net_name){ from, 53 }, "x", 1);
		make_ipv6(frame, b->address, a->address, to, from, 17, 64, udp, n);
		memcpy(message + 8, frame + 14, 60);
		icmp_checksum(message, 68, &from, &to);
		n = make_ipv6(frame, a->address, b->address, from, to, 58, 64, message, 68);
		net_input(a->stack, frame, n, 0);
		wire.watch = to_53;
		wire.watched = 0;
		send(a, x, (struct net_name){ link_local(b), 53 }, big, 1400);
		wire_run(SECOND);
		ok(wire.watched == (own ? 0 : 1) && take(y, big, 1400, &name) == 1400, own ? "of ours: it is cut, to 1,280 and not to 100" : "packet too big of a packet that is not ours changes nothing");
	}
	wire_run(700 * SECOND);
	wire.watched = 0;
	send(a, x, (struct net_name){ link_local(b), 53 }, big, 1400);
	ok(wire.watched == 1 || (wire_run(SECOND), wire.watched == 1), "and forgotten after ten minutes");
	wire_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	fragments(false);
	fragments(true);
	fragments_lost();
	overlaps();
	narrow_path();
	return done_testing();
}
