/* A peer that does what it should not, segment by segment: RSTs in every state, blind injection (RFC 5961), old duplicates (PAWS), a flood of SYNs, forged ICMP errors, and acknowledgements counted. */
#include "flow.h"

static struct user server;
static struct net_endpoint *l;
static const enum net_tcp_state every[] = { TCP_SYN_SENT, TCP_SYN_RECEIVED, TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK, TCP_TIME_WAIT };
static const char *const names[] = { "CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT" };

static void begin(uint32_t backlog)
{
	pair();
	raw_start(3);
	l = listener(b, 80, backlog);
	server.e = NULL;
}
static void run(uint64_t ns)
{
	net_turn(b->stack);
	wire_run(ns);
}

/* b's end in `state`, with the raw peer's numbers right for what comes next. */
static void bring_to(enum net_tcp_state state)
{
	static uint16_t port = 1000;

	if (state == TCP_SYN_SENT) {
		user_new(&server, b, false);
		raw.own.port = ++port;
		net_connect(server.e, &raw.own);
		run(10 * MS);
		raw.peer = raw.last.remote;
		raw.ack = raw.last.seq + 1;
		return;
	}
	if (state == TCP_SYN_RECEIVED) {
		raw.own.port = ++port;
		raw.peer = (struct net_name){ v4(10, 0, 0, 2), 80 };
		forged_send(b, TCP_SYN, NULL, 0);
		run(10 * MS);
		raw.ack = raw.last.seq + 1;
		return;
	}
	if (!raw_connect(&server, l, ++port, 80))
		ok(false, "connects");
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK) {
		forged_send(b, TCP_FIN | TCP_ACK, NULL, 0);
		run(100 * MS);
	}
	if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
		return;
	net_shutdown(server.e, false, true);
	run(100 * MS);
	if (state == TCP_CLOSING)
		forged_send(b, TCP_FIN | TCP_ACK, NULL, 0);
	if (state == TCP_FIN_WAIT_2 || state == TCP_TIME_WAIT) {
		raw.ack++;
		forged_send(b, TCP_ACK, NULL, 0);
	}
	if (state == TCP_TIME_WAIT)
		forged_send(b, TCP_FIN | TCP_ACK, NULL, 0);
	run(100 * MS);
}

static bool is_there(enum net_tcp_state state)
{
	if (state == TCP_SYN_RECEIVED || state == TCP_TIME_WAIT)
		return b->stack->tcp->records == 1;
	return state_of(&server) == state;
}

static void forget_server(void)
{
	if (server.e)
		net_close(server.e);
	server.e = NULL;
	run(200 * SECOND);
}

static void resets(void)
{
	begin(8);
	for (uint32_t i = 0; i < ARRAY_LENGTH(every); i++) {
		enum net_tcp_state state = every[i];
		uint32_t right;
		uint64_t before;
		bool stays, challenged;

		bring_to(state);
		if (!is_there(state))
			ok(false, "comes to %s", names[state]);
		right = raw.seq;
		before = raw.count;
		raw.seq = right + 1000; /* in the window, but not what is next */
		if (state == TCP_SYN_SENT)
			raw.ack += 1000;
		forged_send(b, TCP_RST | (state == TCP_SYN_SENT ? TCP_ACK : 0), NULL, 0);
		run(10 * MS);
		stays = is_there(state);
		challenged = raw.count > before;
		raw.seq = right - 1000; /* before it */
		forged_send(b, TCP_RST | (state == TCP_SYN_SENT ? TCP_ACK : 0), NULL, 0);
		run(10 * MS);
		stays &= is_there(state);
		ok(stays && (challenged || state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED || state == TCP_TIME_WAIT), "%s: a RST that is nearly right does nothing, or is asked about", names[state]);
		if (state == TCP_SYN_SENT)
			raw.ack -= 1000;
		raw.seq = right;
		forged_send(b, TCP_RST | TCP_ACK, NULL, 0);
		run(10 * MS);
		ok(state == TCP_TIME_WAIT ? is_there(state) : state == TCP_SYN_RECEIVED ? !is_there(state) : state_of(&server) == TCP_CLOSED, "%s: the right one %s", names[state], state == TCP_TIME_WAIT ? "does nothing either (RFC 1337)" : "ends it");
		if (state != TCP_SYN_RECEIVED)
			forget_server();
		run(100 * SECOND);
	}
	pair_end();
}

/* Two ends with different numbers must not answer each other's answers for ever. */
static void no_storm(void)
{
	static const enum net_tcp_state states[] = { TCP_SYN_RECEIVED, TCP_ESTABLISHED, TCP_FIN_WAIT_2, TCP_TIME_WAIT };

	begin(8);
	for (uint32_t i = 0; i < ARRAY_LENGTH(states); i++) {
		uint32_t right;
		uint64_t before;

		bring_to(states[i]);
		right = raw.seq;
		before = raw.count;
		for (int k = 0; k < 1000; k++) {
			raw.seq = right + 100000;
			forged_send(b, TCP_ACK, NULL, 0);
		}
		run(10 * MS);
		ok(raw.count - before <= 10, "%s: 1,000 acknowledgements from nowhere get %lu answers", names[states[i]], raw.count - before);
		raw.seq = right;
		forged_send(b, TCP_RST, NULL, 0);
		forget_server();
	}
	pair_end();
}

static void blind(void)
{
	uint64_t before;
	uint32_t right, right_ack;

	begin(8);
	bring_to(TCP_ESTABLISHED);
	right = raw.seq;
	right_ack = raw.ack;
	before = net_counters(b->stack)->tcp_challenges;
	forged_send(b, TCP_SYN, NULL, 0);
	raw.seq = right;
	run(10 * MS);
	ok(is_there(TCP_ESTABLISHED) && net_counters(b->stack)->tcp_challenges == before + 1 && raw.last.flags == TCP_ACK && raw.last.ack == right, "a SYN is challenged");
	for (int i = 0; i < 1000; i++) {
		raw.ack = right_ack + 1 + (uint32_t)random_below(1u << 30);
		forged_send(b, TCP_ACK, "evil", 4);
		raw.seq = right;
		raw.ack = right_ack - 70000 - (uint32_t)random_below(1u << 30);
		forged_send(b, TCP_ACK, "evil", 4);
		raw.seq = right;
	}
	before = raw.count;
	run(100 * MS);
	ok(net_available(server.e) == 0 && server.received == 0 && is_there(TCP_ESTABLISHED), "data that acknowledges what was never sent, or long ago, is refused 2,000 times");
	ok(raw.count - before <= 10, "with %lu challenges in a second", raw.count - before);
	raw.ack = right_ack;
	for (int i = 0; i < 1000; i++) {
		raw.seq = right + 70000 + (uint32_t)random_below(1u << 31);
		forged_send(b, TCP_ACK, "evil", 4);
	}
	run(100 * MS);
	raw.seq = right;
	forged_send(b, TCP_ACK, "\0", 1);
	run(100 * MS);
	ok(server.received == 1, "what is outside of the window is refused, and the right byte taken");
	forget_server();
	pair_end();
}

static void old_duplicates(void)
{
	begin(8);
	raw.timestamps = true;
	bring_to(TCP_ESTABLISHED);
	raw.tsval = 5000;
	forged_send(b, TCP_ACK, "abc", 3);
	run(100 * MS);
	ok(server.received == 3 && raw.last.tsecr == 5000, "timestamps are echoed");
	raw.tsval = 4999;
	forged_send(b, TCP_ACK, "xyz", 3);
	raw.seq -= 3;
	run(100 * MS);
	ok(server.received == 3 && raw.last.ack == raw.seq, "the right sequence number with an old timestamp is refused (PAWS)");
	raw.timestamps = false;
	forged_send(b, TCP_ACK, "xyz", 3);
	raw.seq -= 3;
	run(100 * MS);
	ok(server.received == 3, "and without one");
	raw.timestamps = true;
	raw.tsval = 5001;
	forged_send(b, TCP_ACK, "xyz", 3);
	run(100 * MS);
	ok(server.received == 6, "a newer one is taken");
	raw.tsval = 100; /* 25 days later */
	run(25ul * 24 * 3600 * SECOND);
	forged_send(b, TCP_ACK, "xyz", 3);
	run(100 * MS);
	ok(server.received == 9, "after 24 days of silence timestamps begin anew");
	forget_server();
	pair_end();
}

static void syn_from_nowhere(uint32_t i)
{
	uint8_t options[24];

	raw.own.port = (uint16_t)(1024 + i % 60000);
	raw.seq = (uint32_t)random_below(1ul << 32);
	raw_send_options(b, TCP_SYN, options, tcp_put_syn_options(options, 1460, true, true, true, i, 0), NULL, 0);
}

/* An honest one in the middle of it. */
static void cookie_returned(void)
{
	uint8_t options[24];
	struct net_endpoint *e = NULL;
	const struct tcp *c;

	raw.own.port = 999;
	raw.seq = 12345;
	raw.tsval = 777;
	raw_send_options(b, TCP_SYN, options, tcp_put_syn_options(options, 1400, true, true, true, raw.tsval, 0), NULL, 0);
	raw.seq++;
	run(MS);
	raw.timestamps = true;
	raw.ack = raw.last.seq + 1;
	forged_send(b, TCP_ACK, NULL, 0);
	run(MS);
	net_accept(l, &e);
	c = tcp_of(e);
	ok(e && net_counters(b->stack)->tcp_cookies_accepted == 1, "who returns a cookie is let in");
	ok(e && c->timestamps && c->sack && c->snd_scale == TCP_SCALE && c->mss == 1400, "with what its SYN said: MSS %u, scale, SACK, timestamps", e ? c->mss : 0);
	if (e)
		net_abort(e);
}

static void cookies_guessed(void)
{
	for (int i = 0; i < 20000; i++) {
		raw.own.port = (uint16_t)(1024 + random_below(60000));
		raw.ack = (uint32_t)random_below(1ul << 32);
		forged_send(b, TCP_ACK, NULL, 0);
		if (i % 50 == 0)
			run(MS);
	}
	ok(net_counters(b->stack)->tcp_cookies_accepted == 1, "20,000 guesses are refused");
}

/* What connections share with a flood: nothing. */
static void flood(void)
{
	struct user client, other;
	uint64_t memory = 0, syn_acks;
	bool steady = true;

	begin(16);
	connected(&client, &other, l, 80);
	run(SECOND);
	client.to_send = 4 << 20;
	raw.peer = (struct net_name){ v4(10, 0, 0, 2), 80 };
	for (uint32_t i = 0; i < 100000; i++) {
		syn_from_nowhere(i);
		if (i % 50 == 0) {
			run(MS);
			user_pump(&client);
			net_turn(a->stack);
		}
		if (i == 1000)
			memory = b->allocated - 2048 * b->stack->tcp->spare_count;
		if (i > 1000 && b->allocated > memory + 2 * TCP_RECEIVE_DEFAULT)
			steady = false;
	}
	syn_acks = net_counters(b->stack)->tcp_cookies_sent;
	ok(other.received == client.to_send && !other.wrong, "during 100,000 SYNs, %lu of them answered with cookies, an established connection gets its 4 MiB", syn_acks);
	ok(steady && b->stack->tcp->records <= 16 && syn_acks > 99000, "and memory stays as it is");
	cookie_returned();
	cookies_guessed();
	run(150 * SECOND);
	ok(b->stack->tcp->records == 0, "half-open connections are forgotten");
	net_close(client.e);
	net_close(other.e);
	pair_end();
}

static void forged_errors(void)
{
	struct net_name own, peer;
	struct net_tcp_info before, after;

	begin(8);
	bring_to(TCP_ESTABLISHED);
	net_local(server.e, &own);
	net_remote(server.e, &peer);
	server.to_send = 100000;
	user_pump(&server);
	run(10 * MS);
	net_tcp_info(server.e, &before);
	tcp_icmp_error(b->stack, &own, &peer, raw.ack - 1, ECONNREFUSED, 0);
	tcp_icmp_error(b->stack, &own, &peer, raw.ack + 1000000, 0, 600);
	net_tcp_info(server.e, &after);
	ok(after.state == TCP_ESTABLISHED && after.mss == before.mss, "ICMP errors about what is not under way do nothing");
	tcp_icmp_error(b->stack, &own, &peer, raw.ack, ECONNREFUSED, 0);
	ok(is_there(TCP_ESTABLISHED), "hard ones do not end a connection");
	tcp_icmp_error(b->stack, &own, &peer, raw.ack, 0, 10);
	net_tcp_info(server.e, &after);
	ok(after.mss == 512, "too big: segments become smaller, but not smaller than that: %u", after.mss);
	net_abort(server.e);
	server.e = NULL;
	bring_to(TCP_SYN_SENT);
	net_local(server.e, &own);
	net_remote(server.e, &peer);
	tcp_icmp_error(b->stack, &own, &peer, raw.ack - 2, EHOSTUNREACH, 0);
	ok(is_there(TCP_SYN_SENT), "an attempt to connect is not ended by a guess");
	tcp_icmp_error(b->stack, &own, &peer, raw.ack - 1, EHOSTUNREACH, 0);
	run(MS);
	ok(server.error == EHOSTUNREACH, "but by an error about its SYN");
	forget_server();
	pair_end();
}

/* Taken in by the stack without a turn between them. */
static void ten_together(const uint8_t *data)
{
	uint64_t before = raw.count;

	for (int i = 0; i < 10; i++)
		forged_send(b, TCP_ACK, data, 1000);
	while (!list_empty(&wire.frames)) {
		struct frame *f = CONTAINER_OF(wire.frames.next, struct frame, link);

		list_remove(&f->link);
		net_input(b->stack, f->bytes, f->length, 0);
		free(f);
	}
	run(MS);
	ok(raw.count == before + 1 && raw.last.ack == raw.seq, "ten that come together get one");
}

static void acknowledgements(void)
{
	uint8_t data[1000];
	uint64_t before;

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = 0;
	begin(8);
	bring_to(TCP_ESTABLISHED);
	server.slow = true;
	for (int i = 0; i < 40; i++) {
		forged_send(b, TCP_ACK, data, 1000);
		run(MS);
	}
	run(100 * MS);
	before = raw.count;
	for (int i = 0; i < 20; i++) {
		forged_send(b, TCP_ACK, data, 1000);
		run(MS);
	}
	ok(raw.count - before == 10, "every second full segment is acknowledged: %lu for 20", raw.count - before);
	before = raw.count;
	forged_send(b, TCP_ACK, data, 10);
	run(30 * MS);
	ok(raw.count == before, "a short one is not,");
	run(15 * MS);
	ok(raw.count == before + 1 && raw.last.ack == raw.seq, "before 40 ms have passed");
	raw.seq += 1000;
	forged_send(b, TCP_ACK, data, 1000);
	run(MS);
	ok(raw.count == before + 2 && raw.last.ack == raw.seq - 2000, "one out of order is at once");
	raw.seq -= 2000;
	forged_send(b, TCP_ACK, data, 500);
	run(MS);
	ok(raw.count == before + 3 && raw.last.ack == raw.seq, "one in a gap too");
	forged_send(b, TCP_ACK, data, 500);
	raw.seq += 1000;
	run(MS);
	ok(raw.count == before + 4 && raw.last.ack == raw.seq && net_available(server.e) == 62010, "and what fills it");
	ten_together(data);
	raw.seq += 100000;
	before = raw.count;
	forged_send(b, TCP_ACK, data, 1000);
	raw.seq -= 101000;
	run(MS);
	ok(raw.count == before + 1 && raw.last.ack == raw.seq, "what is outside of the window gets one");
	server.e->closed ? (void)0 : net_abort(server.e);
	pair_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	resets();
	no_storm();
	blind();
	old_duplicates();
	flood();
	forged_errors();
	acknowledgements();
	return done_testing();
}
