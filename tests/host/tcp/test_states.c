/* Connections begin, end, and wait: the state machine between two stacks (RFC 9293 3.3.2, 3.5, 3.6), and who says what when. */
#include "flow.h"

static struct user client, server;
static struct net_endpoint *l;

static void begin(uint32_t backlog)
{
	pair();
	l = listener(b, 80, backlog);
}
static void begin_connected(void)
{
	begin(8);
	if (!connected(&client, &server, l, 80))
		ok(false, "connects");
}
static void run(uint64_t ns)
{
	net_turn(a->stack);
	net_turn(b->stack);
	wire_run(ns);
}
static bool data_frame(const struct frame *f) { return f->from == a && net_get16(f->bytes + 12) == ETHERNET_IPV4 && f->bytes[23] == 6 && net_get16(f->bytes + 16) > 20 + 20 + TCP_TIMESTAMPS; }
static bool short_frame(const struct frame *f) { return data_frame(f) && net_get16(f->bytes + 16) < 1000; }
static bool tcp_frame(const struct frame *f) { return f->bytes[12] == 8 && f->bytes[23] == 6; }
static bool all_lost(const struct frame *f) { return tcp_frame(f); }
static uint64_t count(bool (*what)(const struct frame *f), uint64_t ns)
{
	wire.watched = 0;
	wire.watch = what;
	run(ns);
	wire.watch = NULL;
	return wire.watched;
}

static void half_close(void)
{
	begin_connected();
	ok(client.told & NET_CONNECTED, "who connects is told");
	client.to_send = 5000;
	client.shuts = true;
	user_pump(&client);
	run(SECOND);
	ok(server.received == 5000 && !server.wrong && server.told & NET_INPUT_END && state_of(&client) == TCP_FIN_WAIT_2 && state_of(&server) == TCP_CLOSE_WAIT, "one direction ends");
	server.to_send = 100000;
	user_pump(&server);
	run(SECOND);
	ok(client.received == 100000 && !client.wrong, "the other goes on");
	ok(user_write(&client, 1) == -EPIPE, "nothing can be written after the end");
	net_shutdown(server.e, false, true);
	run(SECOND);
	ok(client.told & NET_HANGUP && state_of(&client) == TCP_TIME_WAIT && state_of(&server) == TCP_CLOSED, "then the other ends");
	net_close(client.e);
	net_close(server.e);
	ok(b->stack->tcp->records == 0 && a->stack->tcp->records == 1, "who ended first remembers");
	run(61 * SECOND);
	ok(a->stack->tcp->records == 0, "for a minute");
	pair_end();
}

static void both_at_once(void)
{
	struct user second = { .stream = 2, .expects = 1 };

	begin(1);
	user_new(&client, a, false);
	user_own(&second, net_endpoint_new(b->stack, NET_TCP, false, NULL, NULL));
	net_bind(client.e, &(struct net_name){ v4(10, 0, 0, 1), 1000 });
	net_bind(second.e, &(struct net_name){ v4(10, 0, 0, 2), 2000 });
	net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 2000 });
	net_connect(second.e, &(struct net_name){ v4(10, 0, 0, 1), 1000 });
	run(5 * SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED && state_of(&second) == TCP_ESTABLISHED, "two that connect to each other are connected");
	client.to_send = second.to_send = 50000;
	user_pump(&client);
	user_pump(&second);
	run(SECOND);
	ok(client.received == 50000 && second.received == 50000 && !client.wrong && !second.wrong, "and talk");
	net_shutdown(client.e, false, true);
	net_shutdown(second.e, false, true);
	run(SECOND);
	ok(state_of(&client) == TCP_TIME_WAIT && state_of(&second) == TCP_TIME_WAIT, "both close at once, and both wait");
	net_close(client.e);
	net_close(second.e);
	pair_end();
}

static void refusals(void)
{
	struct net_name gone = { v4(10, 0, 0, 2), 81 };
	uint64_t asked;

	begin(1);
	user_new(&client, a, false);
	ok(net_write(client.e, NULL, false) == -ENOTCONN && net_shutdown(client.e, true, true) == -ENOTCONN, "who is not connected cannot send or end");
	ok(net_connect(client.e, &gone) == -EINPROGRESS && net_connect(client.e, &gone) == -EALREADY, "connecting takes time");
	run(SECOND);
	ok(client.error == ECONNREFUSED && client.told & NET_HANGUP, "nobody listens: refused");
	ok(net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 80 }) == -EINPROGRESS, "the same endpoint tries another port");
	run(SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED && net_connect(client.e, &gone) == -EISCONN, "and is connected");
	net_close(client.e);
	run(SECOND);
	user_new(&client, a, false);
	wire.drop = all_lost;
	net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 80 });
	asked = count(tcp_frame, 300 * SECOND);
	ok(asked == 6 && client.error == ETIMEDOUT, "nobody answers: asked %lu times more, then timed out (%d)", asked, client.error);
	wire.drop = NULL;
	net_close(client.e);
	pair_end();
}

static void closed_window(void)
{
	uint64_t probes;

	begin_connected();
	server.slow = true;
	client.to_send = 1 << 20;
	user_pump(&client);
	run(5 * SECOND);
	ok(server.received == 0 && net_available(server.e) >= TCP_RECEIVE_DEFAULT - 2 * 1460 && net_available(server.e) <= TCP_RECEIVE_DEFAULT, "who does not read gets a buffer full: %u bytes", net_available(server.e));
	probes = count(tcp_frame, 600 * SECOND);
	ok(probes >= 10 && probes <= 60, "probes of a closed window become rare: %lu frames in ten minutes", probes);
	ok(state_of(&client) == TCP_ESTABLISHED, "and are not the end");
	user_read(&server, 100000);
	probes = count(data_frame, SECOND);
	ok(probes >= 60 && probes <= 75, "the window opens without a probe: %lu full segments", probes);
	server.slow = false;
	user_pump(&server);
	run(10 * SECOND);
	ok(server.received == 1 << 20 && !server.wrong, "everything arrives");
	server.slow = true;
	client.to_send += 1 << 20;
	user_pump(&client);
	run(5 * SECOND);
	wire.drop = all_lost; /* the window update is lost */
	user_read(&server, UINT64_MAX);
	run(SECOND / 2);
	wire.drop = NULL;
	server.slow = false;
	run(130 * SECOND);
	ok(server.received == 2 << 20 && !server.wrong, "also when the window update is lost");
	server.slow = true;
	client.to_send += 600000;
	user_pump(&client);
	run(SECOND);
	wire.watched = 0;
	wire.watch = short_frame;
	for (int i = 0; i < 200; i++) {
		user_read(&server, 100);
		run(20 * MS);
	}
	ok(wire.watched <= 2, "a reader who takes 100 bytes at a time does not get %lu small segments", wire.watched);
	wire.watch = NULL;
	net_close(client.e);
	net_close(server.e);
	pair_end();
}

static void small_writes(void)
{
	uint64_t sent = 0;

	begin_connected();
	for (int i = 0; i < 10; i++) {
		user_write(&client, 1);
		sent += count(data_frame, wire.delay / 10);
	}
	sent += count(data_frame, SECOND);
	ok(sent == 2 && server.received == 10, "Nagle: ten writes of a byte make %lu segments", sent);
	net_set_flags(client.e, NET_NO_DELAY);
	for (int i = sent = 0; i < 10; i++) {
		user_write(&client, 1);
		sent += count(data_frame, wire.delay / 10);
	}
	ok(sent == 10, "without delay %lu", sent);
	run(SECOND);
	net_set_flags(client.e, NET_NO_DELAY | NET_CORK);
	for (int i = 0; i < 10; i++)
		user_write(&client, 100);
	ok(count(data_frame, 100 * MS) == 0, "a cork holds a short segment back");
	net_set_flags(client.e, NET_NO_DELAY);
	ok(count(data_frame, 10 * MS) <= 2 && server.received == 1020, "until it is pulled");
	run(SECOND);
	client.more = true;
	user_write(&client, 100);
	ok(count(data_frame, 150 * MS) == 0 && count(data_frame, 100 * MS) == 1, "or for 200 ms, so MSG_MORE too");
	client.more = false;
	run(SECOND);
	for (int i = 0; i < 300; i++)
		user_write(&client, 4);
	sent = count(data_frame, SECOND);
	ok(sent >= 2 && sent <= 4 && server.received == 2320 && !server.wrong, "300 pieces of four bytes make %lu segments", sent);
	net_close(client.e);
	net_close(server.e);
	pair_end();
}

static void patience(void)
{
	begin_connected();
	net_tune(client.e, &(struct net_tuning){ .keep_idle = 10, .keep_interval = 2, .keep_count = 3 });
	net_set_flags(client.e, NET_KEEPALIVE);
	run(300 * SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED && state_of(&server) == TCP_ESTABLISHED, "who answers is kept alive");
	wire.drop = all_lost;
	run(14 * SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED, "who does not is asked some more");
	run(12 * SECOND);
	ok(state_of(&client) == TCP_CLOSED && client.error == ETIMEDOUT, "and given up");
	wire.drop = NULL;
	net_close(client.e);
	net_close(server.e);
	run(SECOND);
	connected(&client, &server, l, 80);
	net_tune(client.e, &(struct net_tuning){ .user_timeout = 5000 });
	wire.drop = all_lost;
	user_write(&client, 100);
	run(4 * SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED, "the user's own time-out");
	run(5 * SECOND);
	ok(client.error == ETIMEDOUT, "ends it sooner than others: here, after 5 s");
	net_close(client.e);
	wire.drop = NULL;
	connected(&client, &server, l, 80);
	user_write(&client, 100);
	wire.drop = all_lost;
	net_close(client.e);
	run(1000 * SECOND);
	ok(list_empty(&a->stack->endpoints), "a connection without owner gives up as well");
	wire.drop = NULL;
	connected(&client, &server, l, 80);
	net_close(client.e);
	run(30 * SECOND);
	ok(!list_empty(&a->stack->endpoints) && state_of(&server) == TCP_CLOSE_WAIT, "the other side may take its time to close,");
	run(60 * SECOND);
	ok(list_empty(&a->stack->endpoints), "but not for ever");
	pair_end();
}

static void rude_ends(void)
{
	begin_connected();
	server.slow = true;
	user_write(&client, 100);
	run(SECOND);
	net_close(server.e);
	run(SECOND);
	ok(client.error == ECONNRESET && state_of(&client) == TCP_CLOSED, "input that was not read means reset");
	ok(user_write(&client, 1) == -EPIPE, "after which nothing can be written");
	net_close(client.e);
	connected(&client, &server, l, 80);
	net_tune(server.e, &(struct net_tuning){ .linger = 1 });
	net_close(server.e);
	run(SECOND);
	ok(client.error == ECONNRESET, "so does lingering for no time");
	net_close(client.e);
	connected(&client, &server, l, 80);
	net_abort(server.e);
	run(SECOND);
	ok(client.error == ECONNRESET, "and an abort");
	net_close(client.e);
	connected(&client, &server, l, 80);
	net_close(server.e);
	run(SECOND);
	user_write(&client, 100);
	run(SECOND);
	ok(state_of(&client) == TCP_CLOSED, "data for somebody who is gone too");
	net_close(client.e);
	connected(&client, &server, l, 80);
	server.slow = true;
	user_write(&client, 3000);
	run(SECOND);
	net_abort(client.e);
	run(SECOND);
	ok(user_read(&server, UINT64_MAX) == 3000 && !server.wrong && server.error == ECONNRESET, "what came before a reset can be read");
	net_close(server.e);
	ok(list_empty(&a->stack->endpoints) && a->stack->tcp->records == 0, "nobody waits after that");
	pair_end();
}

static void backlog(void)
{
	struct user clients[4];
	struct net_endpoint *e;
	uint32_t there = 0;

	begin(2);
	for (int i = 0; i < 4; i++) {
		user_new(&clients[i], a, false);
		net_connect(clients[i].e, &(struct net_name){ v4(10, 0, 0, 2), 80 });
		run(10 * MS);
	}
	run(SECOND / 2);
	ok(tcp_of(l)->listener->ready == 2 && net_ready(l) & NET_READABLE, "a backlog of two takes two");
	for (; there < 2 && net_accept(l, &e) == 0; there++)
		net_close(e);
	run(10 * SECOND);
	for (; net_accept(l, &e) == 0; there++)
		net_close(e);
	ok(there == 4, "and the others when there is room: %u", there);
	for (int i = 0; i < 4; i++)
		net_close(clients[i].e);
	run(200 * SECOND);
	user_new(&client, a, false);
	net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 80 });
	run(SECOND);
	net_close(l);
	run(SECOND);
	ok(client.error == ECONNRESET && list_empty(&b->stack->endpoints), "a listener that ends resets those that nobody accepted");
	net_close(client.e);
	pair_end();
}

static void same_names_again(void)
{
	struct net_endpoint *e;

	begin_connected();
	net_close(server.e);
	run(SECOND);
	net_close(client.e);
	run(SECOND);
	ok(b->stack->tcp->records == 1, "the server waits");
	user_new(&client, a, false);
	net_bind(client.e, &(struct net_name){ v4(10, 0, 0, 1), 5000 });
	net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 80 });
	run(SECOND);
	ok(net_accept(l, &e) == 0, "a client with a port of its own");
	net_close(e);
	run(SECOND);
	net_close(client.e);
	run(2 * SECOND);
	ok(b->stack->tcp->records == 2, "leaves the server waiting as well,");
	user_new(&client, a, false);
	net_bind(client.e, &(struct net_name){ v4(10, 0, 0, 1), 5000 });
	ok(net_connect(client.e, &(struct net_name){ v4(10, 0, 0, 2), 80 }) == -EINPROGRESS, "comes back with the same names");
	run(SECOND);
	ok(state_of(&client) == TCP_ESTABLISHED && b->stack->tcp->records == 1, "and is let in at once: its timestamps are newer");
	net_close(client.e);
	pair_end();
}

static void version_6(void)
{
	struct net_endpoint *e = NULL;

	begin(8);
	user_new(&client, a, true);
	ok(net_connect(client.e, &(struct net_name){ link_local(b), 80 }) == -EINPROGRESS, "IPv6");
	run(SECOND);
	server = (struct user){ .stream = 2, .expects = 1 };
	if (net_accept(l, &e) == 0)
		user_own(&server, e);
	client.to_send = server.to_send = 300000;
	client.shuts = server.shuts = client.closes = server.closes = true;
	user_pump(&client);
	user_pump(&server);
	run(10 * SECOND);
	ok(client.received == 300000 && server.received == 300000 && !client.wrong && !server.wrong && client.closed && server.closed, "talks as well");
	pair_end();
}

/* A host that talks to itself: the packets never see the wire. */
static void with_itself(void)
{
	struct net_endpoint *e = NULL;

	begin(8);
	user_new(&client, b, false);
	net_connect(client.e, &(struct net_name){ v4(127, 0, 0, 1), 80 });
	run(SECOND);
	server = (struct user){ .stream = 2, .expects = 1 };
	if (net_accept(l, &e) == 0)
		user_own(&server, e);
	ok(e != NULL, "a host connects to itself");
	client.to_send = server.to_send = 500000;
	client.shuts = server.shuts = client.closes = server.closes = true;
	user_pump(&client);
	user_pump(&server);
	run(10 * SECOND);
	ok(client.received == 500000 && server.received == 500000 && !client.wrong && !server.wrong && client.closed && server.closed, "and talks");
	pair_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	if (getenv("PCAP"))
		pcap_open(getenv("PCAP"));
	half_close();
	pcap_open(NULL);
	both_at_once();
	refusals();
	closed_window();
	small_writes();
	patience();
	rude_ends();
	backlog();
	same_names_again();
	version_6();
	with_itself();
	return done_testing();
}
