/* How losses are mended: which, how fast, and what becomes of the congestion window. */
#include "flow.h"

static struct user client, server;
static struct net_endpoint *l;
static uint64_t data_frames, drop_from, drop_to, strip;

static bool data_frame(const struct frame *f) { return f->from == a && f->bytes[12] == 8 && f->bytes[23] == 6 && net_get16(f->bytes + 16) > 600; }

/* Drops data segments number drop_from..drop_to of those that a sends; drop_to 0: none. */
static bool some(const struct frame *f)
{
	return data_frame(f) && ++data_frames >= drop_from && data_frames < drop_to;
}

/* Takes options out of SYNs: of these kinds (bits). The checksum is made right again. */
static bool without_options(const struct frame *f)
{
	uint8_t *tcp = (uint8_t *)f->bytes + 34;
	uint32_t length = net_get16(f->bytes + 16) - 20;
	struct net_address from = net_from_ipv4(f->bytes + 26), to = net_from_ipv4(f->bytes + 30);
	uint16_t sum;

	if (f->bytes[12] != 8 || f->bytes[23] != 6)
		return false;
	if (tcp[13] & TCP_SYN) {
		for (uint32_t i = 20; i < (tcp[12] >> 4) * 4u;) {
			uint32_t n = tcp[i] <= 1 ? 1 : tcp[i + 1];

			if (strip >> tcp[i] & 1)
				memset(tcp + i, 1, n);
			i += n;
		}
		memset(tcp + 16, 0, 2);
		sum = (uint16_t)~net_sum_fold(net_sum(tcp, length, net_sum_pseudo(&from, &to, 6, length)));
		memcpy(tcp + 16, &sum, 2);
	}
	return random_below(1000) < 30;
}

static void begin(void)
{
	pair();
	wire.delay = 10 * MS;
	l = listener(b, 80, 8);
	if (!connected(&client, &server, l, 80))
		ok(false, "connects");
	data_frames = 0;
}

/* How long `bytes` take, in ms. */
static uint64_t take(uint64_t bytes)
{
	uint64_t start = wire.now;

	client.to_send += bytes;
	user_pump(&client);
	net_turn(a->stack);
	while (wire.now < start + 300 * SECOND && (server.received < client.to_send || tcp_of(client.e)->queued))
		wire_run(MS);
	return (wire.now - start) / MS;
}

static void one_lost(void)
{
	uint64_t whole, mended;

	begin();
	whole = take(200000);
	client.to_send = client.sent;
	data_frames = 0;
	wire.drop = some;
	drop_from = 20;
	drop_to = 21;
	mended = take(200000);
	ok(mended < whole + 60 && net_counters(a->stack)->tcp_retransmits == 1 && !server.wrong, "one of 140 segments lost: %lu ms instead of at most %lu, sent again %lu", mended, whole, net_counters(a->stack)->tcp_retransmits);
	data_frames = 0;
	drop_from = 20;
	drop_to = 30;
	mended = take(200000);
	ok(mended < whole + 130 && net_counters(a->stack)->tcp_retransmits == 11, "ten in a row: %lu ms, sent again %lu", mended, net_counters(a->stack)->tcp_retransmits - 1);
	pair_end();
	begin();
	take(200000);
	wire.drop = some;
	data_frames = 0;
	drop_from = 21;
	drop_to = 22;
	mended = take(20 * 1448 + 700); /* the last */
	ok(mended < 200, "the last one, of which nothing behind it tells: %lu ms, sooner than a time-out", mended);
	pair_end();
}

static bool lost_again(const struct frame *f)
{
	static uint32_t seq, times;

	if (!data_frame(f))
		return false;
	if (++data_frames == 20) {
		seq = net_get32(f->bytes + 38);
		times = 1;
		return true;
	}
	return data_frames > 20 && net_get32(f->bytes + 38) == seq && ++times <= 2;
}

static void retransmission_lost(void)
{
	uint64_t ms, whole;

	begin();
	whole = take(4 << 20);
	data_frames = 0;
	wire.drop = lost_again;
	ms = take(4 << 20);
	ok(ms < whole + 200 && !server.wrong, "a retransmission that is lost: %lu ms instead of %lu", ms, whole);
	pair_end();
}

static void timed_out(void)
{
	uint64_t ms;

	begin();
	take(100000);
	wire.drop = some;
	data_frames = 0;
	drop_from = 1;
	drop_to = 1000;
	client.to_send += 50000;
	user_pump(&client);
	net_turn(a->stack);
	wire_run(10 * SECOND);
	ok(data_frames > 35 && tcp_of(client.e)->cwnd == tcp_of(client.e)->mss && tcp_of(client.e)->rto > SECOND, "everything is lost: the window is one segment, the time-out is doubled");
	wire.drop = NULL;
	ms = take(0);
	ok(ms < 7000 && server.received == client.to_send && !server.wrong && tcp_of(client.e)->rto < SECOND, "then nothing is: all arrives, the time-out is as before");
	pair_end();
}

static void old_peers(void)
{
	static const struct { uint64_t strip; const char *what; } kinds[] = { { 1 << 4, "SACK" }, { 1 << 8, "timestamps" }, { 1 << 3, "window scale" }, { 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, "any option" } };

	for (uint32_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		struct tcp *c;

		pair();
		wire.delay = MS;
		strip = kinds[i].strip;
		wire.drop = without_options;
		l = listener(b, 80, 8);
		connected(&client, &server, l, 80);
		c = tcp_of(client.e);
		client.to_send = server.to_send = 1 << 20;
		user_pump(&client);
		user_pump(&server);
		net_turn(a->stack);
		net_turn(b->stack);
		wire_run(120 * SECOND);
		ok(client.received == 1 << 20 && server.received == 1 << 20 && !client.wrong && !server.wrong && c->sack == !(strip >> 4 & 1) && c->timestamps == !(strip >> 8 & 1) && (c->snd_scale != 0) == !(strip >> 3 & 1),
			"a mebibyte each way without %s, 3 %% lost", kinds[i].what);
		pair_end();
	}
}

/* Window, in segments, at each round trip after a loss at w: falls to 0.7 w, comes back to w after K = cbrt(0.3 w / 0.4) s (RFC 9438), or with Reno's half segment a round trip if that is sooner. */
static void cubic(void)
{
	uint32_t at_loss, after, half_way, back;
	struct tcp *c;
	uint64_t start;

	begin();
	wire.delay = 50 * MS;
	c = tcp_of(client.e);
	net_tune(client.e, &(struct net_tuning){ .send_size = 8 << 20 });
	net_tune(server.e, &(struct net_tuning){ .receive_size = 4 << 20 });
	client.to_send = 1ul << 40;
	client.piece = 65536;
	user_pump(&client);
	net_turn(a->stack);
	for (int i = 0; i < 1000 && c->cwnd < 300 * c->mss; i++)
		wire_run(10 * MS);
	wire.drop = some;
	data_frames = 0;
	drop_from = 10;
	drop_to = 11;
	for (int i = 0; i < 1000 && c->recovery == TCP_OPEN; i++)
		wire_run(10 * MS);
	wire.drop = NULL;
	at_loss = c->cubic.peak;
	after = c->cwnd;
	ok(after >= at_loss / 100 * 69 && after <= at_loss / 100 * 71, "CUBIC: %u segments become %u", at_loss / c->mss, after / c->mss);
	start = wire.now;
	while (c->recovery != TCP_OPEN && wire.now < start + 60 * SECOND)
		wire_run(10 * MS);
	while (c->cwnd < after + (at_loss - after) / 8 * 7 && wire.now < start + 60 * SECOND)
		wire_run(10 * MS);
	half_way = (uint32_t)((wire.now - start) / MS);
	while (c->cwnd < at_loss - c->mss / 2 && wire.now < start + 60 * SECOND)
		wire_run(10 * MS);
	back = (uint32_t)((wire.now - start) / MS);
	printf("# %u segments: seven eighths of the way after %u ms, all of it after %u\n", at_loss / c->mss, half_way, back);
	{
		double k = 0, w = at_loss / (double)c->mss * 0.3 / 0.4;

		while (k * k * k < w)
			k += 0.001;
		ok(back > k * 1000 * 0.8 && back < k * 1000 * 1.25 && half_way > k * 1000 * 0.35 && half_way < k * 1000 * 0.75, "and come back as the curve says: after %.0f ms, the last eighth in half of that", k * 1000);
	}
	ok(c->cwnd < 2 * at_loss, "not beyond that at once");
	pair_end();
}

/* Memory fails now and then, at either side: what is lost by that comes again. */
static void no_memory(void)
{
	begin();
	wire.delay = MS;
	client.to_send = server.to_send = 2 << 20;
	for (int i = 0; i < 600; i++) {
		struct host *h = i & 1 ? a : b;

		user_pump(&client);
		user_pump(&server);
		net_turn(a->stack);
		net_turn(b->stack);
		h->fail_after = 1 + random_below(5);
		wire_bad((struct badness){ 20, 0, 20, 0 });
		wire_run(5 * MS);
		h->fail_after = 0;
		wire_run(5 * MS);
	}
	wire_bad((struct badness){ 0 });
	wire_run(60 * SECOND);
	ok(client.received == 2 << 20 && server.received == 2 << 20 && !client.wrong && !server.wrong, "memory fails half of the time: everything arrives (%lu times none)", net_counters(a->stack)->no_memory + net_counters(b->stack)->no_memory);
	pair_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	one_lost();
	retransmission_lost();
	timed_out();
	old_peers();
	cubic();
	no_memory();
	return done_testing();
}
