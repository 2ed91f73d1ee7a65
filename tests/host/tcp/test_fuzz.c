/* Random and mutated segments at connections in every state: nothing crashes (ASan and UBSan watch), nothing is left over, the stream of bytes that was sent is the one that is read, and memory stays in bounds.
 *
 * Each round has a connection between a and b that carries a stream both ways, and endpoints of b's in other states. An attacker on the wire, who sees the real segments, sends mutations of them and made-up ones to b. What he
 * sends with data in the window and a right checksum may be delivered: TCP cannot tell. So most of his segments are not of that kind (he has data of his own only outside of the window, or a wrong checksum), and those rounds
 * check each byte; every fourth round he may do everything, and there only survival counts. */
#include "flow.h"

static struct user client, server;
static struct net_endpoint *l;
static struct frame *seen[64];
static uint32_t seen_count;
static bool everything;
static uint64_t sent, most_memory;

static bool watch(const struct frame *f)
{
	struct frame *copy;

	if ((f->from != a && f->from != b) || f->bytes[12] != 8 || f->bytes[23] != 6)
		return false;
	copy = malloc(sizeof(*copy));
	*copy = *f;
	free(seen[seen_count % 64]);
	seen[seen_count++ % 64] = copy;
	return false;
}

static uint8_t *tcp_of_frame(uint8_t *frame) { return frame + 14 + (frame[14] & 15) * 4u; }

static void make_right(uint8_t *frame, uint32_t length)
{
	uint8_t *tcp = frame + 34;
	struct net_address from = net_from_ipv4(frame + 26), to = net_from_ipv4(frame + 30);
	uint16_t sum;

	frame[14] = 0x45;
	net_put16(frame + 16, length - 14);
	memset(frame + 24, 0, 2);
	sum = (uint16_t)~net_sum_fold(net_sum(frame + 14, 20, 0));
	memcpy(frame + 24, &sum, 2);
	if (length < 34 + 20)
		return;
	memset(tcp + 16, 0, 2);
	sum = (uint16_t)~net_sum_fold(net_sum(tcp, length - 34, net_sum_pseudo(&from, &to, 6, length - 34)));
	memcpy(tcp + 16, &sum, 2);
}

/* Could it be taken for a segment of the stream's? */
static bool could_be_taken(const struct tcp *c, const uint8_t *frame, uint32_t length)
{
	const uint8_t *tcp = frame + 34;
	uint32_t header = (tcp[12] >> 4) * 4u, seq = net_get32(tcp + 4), n = length - 34 - header;
	struct net_address from = net_from_ipv4(frame + 26), to = net_from_ipv4(frame + 30);

	if (length < 34 + 20 || header < 20 || 34 + header > length || net_sum_fold(net_sum(tcp, length - 34, net_sum_pseudo(&from, &to, 6, length - 34))) != 0xffff)
		return false;
	return tcp_before(seq, c->rcv_edge + 1) && tcp_before(c->rcv_nxt - 1, seq + n + 1);
}

static void mutate_options(uint8_t *tcp)
{
	uint32_t header = (tcp[12] >> 4) * 4u;

	for (uint32_t i = 20; i < header && i < 60; i++)
		if (random_below(3) == 0)
			tcp[i] = random_below(4) ? (uint8_t)random_below(12) : (uint8_t)random_below(256);
}

static void mutate(uint8_t *frame, uint32_t *length)
{
	uint8_t *tcp = tcp_of_frame(frame);

	switch (random_below(9)) {
	case 0:
		tcp[13] = (uint8_t)random_below(256);
		break;
	case 1:
		net_put32(tcp + 4, net_get32(tcp + 4) + (uint32_t)(random_below(1 << 20) - (1 << 19)));
		break;
	case 2:
		net_put32(tcp + 8, net_get32(tcp + 8) + (uint32_t)(random_below(1 << 20) - (1 << 19)));
		break;
	case 3:
		net_put16(tcp + 14, (uint32_t)random_below(65536));
		break;
	case 4:
		mutate_options(tcp);
		break;
	case 5:
		*length = 34 + (uint32_t)random_below(*length - 34 + 1);
		break;
	case 6:
		tcp[12] = (uint8_t)random_below(256);
		break;
	case 7:
		net_put32(tcp + (random_below(2) ? 4 : 8), (uint32_t)random_below(1ul << 32));
		break;
	default:
		frame[34 + random_below(*length - 34)] ^= (uint8_t)(1 << random_below(8));
	}
}

/* To whom, from whom: the stream's connection, the listener, others of b's, nobody. */
static uint32_t invent(uint8_t *frame)
{
	static const uint8_t lengths[] = { 0, 4, 12, 20, 24, 36, 40 };
	uint8_t segment[1600], options[40], data[1000];
	uint32_t n = lengths[random_below(sizeof(lengths))];
	struct net_name from = { v4(10, 0, 0, 1 + (uint8_t)random_below(3)), (uint16_t)(1 + random_below(4)) }, to = { v4(10, 0, 0, 2), random_below(8) ? 80 : (uint16_t)random_below(65536) };

	for (uint32_t i = 0; i < sizeof(options); i++)
		options[i] = (uint8_t)(random_below(2) ? random_below(10) : random_below(256));
	memset(data, 0x55, sizeof(data));
	n = make_tcp(segment, from, to, (uint32_t)random_below(1ul << 32), (uint32_t)random_below(1ul << 32), (uint8_t)(random_below(4) ? 1u << random_below(6) : random_below(64)), (uint32_t)random_below(65536), options, n, data,
		random_below(2) ? 0 : (uint32_t)random_below(1000));
	return make_ipv4(frame, b->address, a->address, from.address, to.address, 6, 0, 1, segment, n);
}

static void attack(void)
{
	const struct frame *model = seen_count ? seen[random_below(MIN(seen_count, 64u))] : NULL;
	uint8_t frame[FRAME_MAX];
	struct host *to = b;
	uint32_t length;

	if (model && random_below(4)) {
		memcpy(frame, model->bytes, model->length);
		length = model->length;
		to = model->from == a ? b : a;
		for (uint64_t n = random_below(4); n-- > 0 && length > 34 + 20;)
			mutate(frame, &length);
		if (random_below(16))
			make_right(frame, length);
	} else {
		length = invent(frame);
	}
	if (!everything && could_be_taken(tcp_of(to == a ? client.e : server.e), frame, length))
		return;
	net_input(to->stack, frame, length, 0);
	if (random_below(4) == 0)
		net_turn(to->stack);
	sent++;
	most_memory = MAX(most_memory, b->allocated);
}

/* Endpoints of b's in the states that the stream's connection is not in; the peers are made-up, so they answer nothing. */
static void others(struct net_endpoint **e)
{
	for (uint32_t i = 0; i < 4; i++) {
		e[i] = net_endpoint_new(b->stack, NET_TCP, false, NULL, NULL);
		net_bind(e[i], &(struct net_name){ v4(10, 0, 0, 2), (uint16_t)(5000 + i) });
		net_connect(e[i], &(struct net_name){ v4(10, 0, 0, 3), (uint16_t)(1 + i) });
	}
}

static void act(struct user *u)
{
	if (u->closed)
		return;
	if (u->to_send < 1 << 20)
		u->to_send += random_below(20000);
	u->slow = random_below(4) == 0;
	u->more = random_below(8) == 0;
	user_pump(u);
}

static bool round_of(uint32_t segments)
{
	struct net_endpoint *more[4];
	uint64_t end = sent + segments;
	bool good;

	pair();
	l = listener(b, 80, 16);
	wire.watch = watch;
	if (!connected(&client, &server, l, 80)) {
		ok(false, "connects");
		return false;
	}
	others(more);
	for (uint32_t tries = 0; sent < end && tries < 20 * segments; tries++) {
		attack();
		if (random_below(8) == 0) {
			act(&client);
			act(&server);
			net_turn(a->stack);
			net_turn(b->stack);
			wire_run(random_below(64) ? random_below(200000) : random_below(2 * SECOND));
		}
		if (sent == end - segments / 4 && !client.closed) /* the last quarter: it closes */
			net_shutdown(client.e, false, true);
		if (sent == end - segments / 8 && !server.closed)
			net_shutdown(server.e, false, true);
	}
	client.slow = server.slow = client.more = server.more = false;
	act(&client);
	act(&server);
	wire.watch = NULL;
	for (int i = 0; i < 100; i++) {
		net_turn(a->stack);
		net_turn(b->stack);
		wire_run(SECOND);
		user_pump(&client);
		user_pump(&server);
	}
	good = everything || (client.received == server.sent && server.received == client.sent && !client.wrong && !server.wrong);
	if (!good)
		printf("# client: sent %lu, received %lu, wrong %lu, error %d; server: sent %lu, received %lu, wrong %lu, error %d\n", client.sent, client.received, client.wrong, client.error, server.sent, server.received, server.wrong,
			server.error);
	for (uint32_t i = 0; i < 4; i++)
		net_close(more[i]);
	net_close(client.e);
	net_close(server.e);
	net_close(l);
	wire_run(2000 * SECOND);
	good &= list_empty(&b->stack->endpoints) && list_empty(&a->stack->endpoints) && b->stack->tcp->records == 0;
	pair_end();
	for (uint32_t i = 0; i < 64; i++) {
		free(seen[i]);
		seen[i] = NULL;
	}
	seen_count = 0;
	return good;
}

int main(int argc, char **argv)
{
	uint64_t segments = argc > 2 ? strtoull(argv[2], NULL, 0) : 300000;
	bool good = true, survived = true;

	test_start(argc, argv);
	for (uint32_t i = 0; sent < segments; i++) {
		uint64_t before = sent;

		everything = i % 4 == 3;
		if (!round_of(3000)) {
			printf("# round %u\n", i);
			*(everything ? &survived : &good) = false;
		}
		if (sent == before)
			break;
	}
	ok(sent >= segments, "%lu segments", sent);
	ok(good, "no byte that was not sent, none lost, no connection ended by somebody else");
	ok(survived, "when he may do everything: all ends are clean");
	ok(most_memory < 32 << 20, "memory stayed within %lu KiB", most_memory >> 10);
	return done_testing();
}
