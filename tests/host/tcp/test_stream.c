/* Streams over good and bad wires: every byte is checked, every allocation counted. */
#include "flow.h"

/* Both ways at once, then both ends close; true: every byte came, in time. */
static bool both_ways(uint64_t bytes, uint32_t piece, bool sums, uint64_t limit)
{
	struct user client, server;
	struct net_endpoint *l = listener(b, 80, 8);
	uint64_t start = wire.now;

	if (!connected(&client, &server, l, 80)) {
		ok(false, "connects");
		return false;
	}
	client.to_send = server.to_send = bytes;
	client.piece = server.piece = piece;
	client.sums = server.sums = sums;
	client.shuts = server.shuts = client.closes = server.closes = true;
	user_pump(&client);
	user_pump(&server);
	net_turn(a->stack);
	net_turn(b->stack);
	while (wire.now < start + limit && !(client.closed && server.closed))
		wire_run(100 * MS);
	printf("# %lu bytes each way in %lu ms; retransmitted %lu, %lu; bad frames %lu\n", bytes, (wire.now - start) / MS, net_counters(a->stack)->tcp_retransmits, net_counters(b->stack)->tcp_retransmits, bad_count);
	bad_count = 0;
	if (!client.closed || !server.closed) {
		printf("# client %lu/%lu sent, received %lu, state %u; server %lu sent, received %lu, state %u\n", client.sent, client.to_send, client.received, client.closed ? 0 : state_of(&client), server.sent, server.received,
			server.closed ? 0 : state_of(&server));
		return false;
	}
	net_close(l);
	wire_run(2000 * SECOND); /* TIME_WAIT, orphans */
	return client.received == bytes && server.received == bytes && !client.wrong && !server.wrong && list_empty(&a->stack->endpoints) && list_empty(&b->stack->endpoints);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	pair();
	ok(both_ways(1 << 20, 1448, false, 60 * SECOND), "a mebibyte each way");
	ok(net_counters(a->stack)->tcp_retransmits + net_counters(b->stack)->tcp_retransmits == 0, "nothing was sent twice");
	pair_end();
	pair();
	ok(both_ways(100000, 7, true, 60 * SECOND), "in pieces of seven bytes with their sums");
	pair_end();
	pair();
	ok(both_ways(1 << 20, 4096, true, 60 * SECOND), "in pieces larger than segments");
	pair_end();
	for (int seed = 0; seed < 8; seed++) {
		pair();
		wire.delay = 2 * MS;
		wire_bad((struct badness){ 50, 50, 50, 50 });
		ok(both_ways(8 << 20, 1448, seed & 1, 3600 * SECOND), "8 MiB each way, 5 %% each of loss, duplication, reordering and corruption (%d)", seed);
		pair_end();
	}
	return done_testing();
}
