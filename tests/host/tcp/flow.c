#include "flow.h"

uint64_t pieces_out, bad_count;
struct host *a, *b;
struct raw raw;
static struct badness badness;
static FILE *pcap;

struct piece {
	struct net_piece p;
	uint8_t data[];
};

uint8_t pattern(uint32_t stream, uint64_t i) { return (uint8_t)((i * 2654435761u >> 13) ^ i ^ stream * 77); }

static void released(struct net_piece *p)
{
	pieces_out--;
	memset((uint8_t *)p->data, 0xee, p->length); /* who still sends from it is found out */
	free(CONTAINER_OF(p, struct piece, p));
}

int user_write(struct user *u, uint32_t length)
{
	struct piece *p = calloc(1, sizeof(*p) + length);
	int error;

	for (uint32_t i = 0; i < length; i++)
		p->data[i] = pattern(u->stream, u->sent + i);
	p->p = (struct net_piece){ .data = p->data, .physical = (uintptr_t)p->data, .length = length, .sum = u->sums ? net_sum_fold(net_sum(p->data, length, 0)) : NET_NO_SUM, .release = released };
	pieces_out++;
	error = net_write(u->e, &p->p, u->more);
	if (error < 0)
		released(&p->p);
	else
		u->sent += length;
	return error;
}

uint64_t user_read(struct user *u, uint64_t most)
{
	const uint8_t *data;
	uint64_t done = 0;
	uint32_t n;

	while (done < most && (n = net_peek(u->e, 0, &data))) {
		n = (uint32_t)MIN(n, most - done);
		for (uint32_t i = 0; i < n; i++)
			u->wrong += data[i] != pattern(u->expects, u->received + i);
		net_consume(u->e, n);
		u->received += n;
		done += n;
	}
	return done;
}

void user_pump(struct user *u)
{
	if (u->closed)
		return;
	while (u->sent < u->to_send && user_write(u, (uint32_t)MIN(u->piece ? u->piece : 1448, u->to_send - u->sent)) == 0)
		;
	if (!u->slow)
		user_read(u, UINT64_MAX);
	if (u->shuts && u->sent == u->to_send && net_ready(u->e) & NET_CONNECTED) {
		u->shuts = false;
		net_shutdown(u->e, false, true);
	}
	if (u->closes && net_ready(u->e) & NET_INPUT_END && !net_available(u->e) && u->sent == u->to_send) {
		u->closed = true;
		net_close(u->e);
	}
}

static void event(void *owner, uint32_t what)
{
	struct user *u = owner;

	u->told |= what;
	if (what & NET_ERROR)
		u->error = net_error(u->e);
	user_pump(u);
}

void user_own(struct user *u, struct net_endpoint *e)
{
	u->e = e;
	net_own(e, event, u);
}

void user_new(struct user *u, struct host *h, bool ipv6)
{
	*u = (struct user){ .stream = 1, .expects = 2 };
	user_own(u, net_endpoint_new(h->stack, NET_TCP, ipv6, NULL, NULL));
}

struct net_endpoint *listener(struct host *h, uint16_t port, uint32_t backlog)
{
	struct net_endpoint *l = net_endpoint_new(h->stack, NET_TCP, true, NULL, NULL);

	if (net_bind(l, &(struct net_name){ .port = port }) < 0 || net_listen(l, backlog) < 0)
		panic("no listener");
	return l;
}

void pair(void)
{
	a = host_new(1);
	b = host_new(2);
	host_address(a, 1);
	host_address(b, 2);
	wire_run(3 * SECOND);
}

void pair_end(void)
{
	wire_bad((struct badness){ 0 });
	wire_end();
	a = b = NULL;
	if (pieces_out)
		ok(false, "%lu pieces are not given back", pieces_out);
	pieces_out = 0;
}

bool connected(struct user *client, struct user *server, struct net_endpoint *l, uint16_t port)
{
	struct net_endpoint *e = NULL;

	user_new(client, a, false);
	net_connect(client->e, &(struct net_name){ v4(10, 0, 0, 2), port });
	for (int i = 0; i < 400 && net_accept(l, &e) < 0; i++) {
		net_turn(a->stack);
		net_turn(b->stack);
		wire_run(100 * MS);
	}
	*server = (struct user){ .stream = 2, .expects = 1 };
	if (e)
		user_own(server, e);
	return e && net_ready(client->e) & NET_CONNECTED;
}

enum net_tcp_state state_of(const struct user *u)
{
	struct net_tcp_info info;

	net_tcp_info(u->e, &info);
	return info.state;
}

static bool is_tcp(const struct frame *f) { return (f->bytes[12] == 8 && f->bytes[23] == 6) || (f->bytes[12] == 0x86 && f->bytes[20] == 6); }

/* What goes wrong happens here, as the wire asks whether a frame is to be dropped. */
static bool bad(const struct frame *f)
{
	static bool inside;
	struct frame *mine = (struct frame *)f;
	uint64_t dice = random_below(1000);

	if (inside || !is_tcp(f))
		return false;
	if (dice < badness.drop) {
		bad_count++;
		return true;
	}
	dice = random_below(1000);
	if (dice < badness.twice) {
		bad_count++;
		inside = true;
		wire_send(f->from, f->bytes, f->length);
		inside = false;
	}
	dice = random_below(1000);
	if (dice < badness.corrupt) {
		bad_count++;
		mine->bytes[14 + random_below(f->length - 14)] ^= (uint8_t)(1 << random_below(8));
	}
	dice = random_below(1000);
	if (dice < badness.late) {
		bad_count++;
		mine->at += random_below(8 * wire.delay);
	}
	return false;
}

void wire_bad(struct badness to)
{
	badness = to;
	wire.drop = to.drop || to.twice || to.late || to.corrupt ? bad : NULL;
}

static bool to_pcap(const struct frame *f)
{
	uint32_t header[4] = { (uint32_t)(wire.now / SECOND), (uint32_t)(wire.now % SECOND / 1000), f->length, f->length };

	fwrite(header, sizeof(header), 1, pcap);
	fwrite(f->bytes, f->length, 1, pcap);
	return false;
}

void pcap_open(const char *file)
{
	uint32_t header[6] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1 };

	if (pcap)
		fclose(pcap);
	pcap = file ? fopen(file, "w") : NULL;
	wire.watch = pcap ? to_pcap : NULL;
	if (pcap)
		fwrite(header, sizeof(header), 1, pcap);
}

uint32_t make_tcp(uint8_t *to, struct net_name source, struct net_name destination, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t window, const uint8_t *options, uint32_t options_length, const void *data,
	uint32_t length)
{
	uint32_t header = 20 + options_length;
	uint16_t sum;

	memset(to, 0, 20);
	net_put16(to, source.port);
	net_put16(to + 2, destination.port);
	net_put32(to + 4, seq);
	net_put32(to + 8, ack);
	to[12] = (uint8_t)(header << 2);
	to[13] = flags;
	net_put16(to + 14, window);
	if (options_length)
		memcpy(to + 20, options, options_length);
	if (length)
		memcpy(to + header, data, length);
	sum = (uint16_t)~net_sum_fold(net_sum(to, header + length, net_sum_pseudo(&source.address, &destination.address, 6, header + length)));
	memcpy(to + 16, &sum, 2);
	return header + length;
}

static void raw_plays(struct host *h, const uint8_t *frame, uint32_t length)
{
	struct net_packet p = { .protocol = 6 };

	if (net_get16(frame + 12) == ETHERNET_ARP && frame[21] == 1 && memcmp(frame + 38, raw.own.address.bytes + 12, 4) == 0) {
		uint8_t reply[42];

		memcpy(reply, frame, 42);
		memcpy(reply, frame + 6, 6);
		memcpy(reply + 6, h->address, 6);
		reply[21] = 2;
		memcpy(reply + 22, h->address, 6);
		memcpy(reply + 28, frame + 38, 4);
		memcpy(reply + 32, frame + 22, 10);
		wire_send(h, reply, 42);
		return;
	}
	if (net_get16(frame + 12) != ETHERNET_IPV4 || frame[23] != 6 || memcmp(frame + 30, raw.own.address.bytes + 12, 4))
		return;
	memcpy(raw.bytes, frame, MIN(length, sizeof(raw.bytes)));
	p.source = net_from_ipv4(frame + 26);
	p.destination = net_from_ipv4(frame + 30);
	p.data = raw.bytes + 34;
	p.length = net_get16(frame + 16) - 20;
	if (!tcp_parse(b->stack, &p, &raw.last) || !tcp_sum_right(b->stack, &p, net_sum_fold(net_sum_pseudo(&p.source, &p.destination, 6, 0)))) {
		ok(false, "a segment that was sent is whole and right");
		return;
	}
	raw.last.packet = NULL;
	raw.count++;
	raw.flags_seen |= raw.last.flags;
	if (raw.last.has_timestamps)
		raw.tsecr = raw.last.tsval;
}

void raw_start(uint8_t last)
{
	raw = (struct raw){ .own = { v4(10, 0, 0, last), 0 }, .window = 65535, .tsval = 1000 };
	raw.host = host_plays(last, raw_plays);
}

void raw_send_options(struct host *to, uint8_t flags, const uint8_t *options, uint32_t n, const void *data, uint32_t length)
{
	uint8_t segment[2048], frame[2048], all[40];

	if (n)
		memcpy(all, options, n);
	if (raw.timestamps)
		n += tcp_put_timestamps(all + n, raw.tsval, raw.tsecr);
	length = make_tcp(segment, raw.own, raw.peer, raw.seq, raw.ack, flags, raw.window, all, n, data, length);
	wire_send(raw.host, frame, make_ipv4(frame, to->address, raw.host->address, raw.own.address, raw.peer.address, 6, 0, 1, segment, length));
}

void forged_send(struct host *to, uint8_t flags, const void *data, uint32_t length)
{
	raw_send_options(to, flags, NULL, 0, data, length);
	raw.seq += length + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
}

bool raw_connect(struct user *server, struct net_endpoint *l, uint16_t from, uint16_t port)
{
	struct net_endpoint *e = NULL;

	raw.own.port = from;
	raw.peer = (struct net_name){ v4(10, 0, 0, 2), port };
	raw.seq = (uint32_t)random_below(1ul << 32);
	raw.ack = 0;
	forged_send(b, TCP_SYN, NULL, 0);
	wire_run(10 * MS);
	if (raw.last.flags != (TCP_SYN | TCP_ACK) || raw.last.ack != raw.seq)
		return false;
	raw.ack = raw.last.seq + 1;
	forged_send(b, TCP_ACK, NULL, 0);
	wire_run(10 * MS);
	if (net_accept(l, &e) < 0)
		return false;
	*server = (struct user){ .stream = 2, .expects = 1 };
	user_own(server, e);
	return true;
}
