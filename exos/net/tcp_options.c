/* TCP headers and options as they are on the wire (RFC 9293 3.1, 3.2; RFC 7323; RFC 2018). */
#include <exos/net/tcp.h>

enum { OPTION_END, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK_PERMITTED, OPTION_SACK, OPTION_TIMESTAMPS = 8 };
#define TIMESTAMPS_ALONE 0x0101080au /* two NOPs, kind, length: how everybody writes it */

static void parse_option(struct tcp_segment *g, const uint8_t *o, uint32_t length)
{
	bool syn = g->flags & TCP_SYN;

	if (o[0] == OPTION_MSS && length == 4 && syn)
		g->mss = net_get16(o + 2);
	if (o[0] == OPTION_SCALE && length == 3 && syn) {
		g->has_scale = true;
		g->scale = MIN(o[2], 14);
	}
	if (o[0] == OPTION_SACK_PERMITTED && length == 2 && syn)
		g->sack_permitted = true;
	if (o[0] == OPTION_SACK && length >= 10 && (length - 2) % 8 == 0) {
		g->sacks = (uint8_t)((length - 2) / 8);
		g->sack = o + 2;
	}
	if (o[0] == OPTION_TIMESTAMPS && length == 10) {
		g->has_timestamps = true;
		g->tsval = net_get32(o + 2);
		g->tsecr = net_get32(o + 6);
	}
}

/* An option that does not end in the header ends the options: what came before counts. */
static void parse_options(struct tcp_segment *g, const uint8_t *o, uint32_t length)
{
	if (length == TCP_TIMESTAMPS && net_get32(o) == TIMESTAMPS_ALONE) {
		g->has_timestamps = true;
		g->tsval = net_get32(o + 4);
		g->tsecr = net_get32(o + 8);
		return;
	}
	while (length && o[0] != OPTION_END) {
		uint32_t n = o[0] == OPTION_NOP ? 1 : length > 1 ? o[1] : 0;

		if (n > length || n < (o[0] == OPTION_NOP ? 1u : 2u))
			return;
		parse_option(g, o, n);
		o += n;
		length -= n;
	}
}

bool tcp_parse(struct net_stack *s, const struct net_packet *p, struct tcp_segment *g)
{
	const uint8_t *h = p->data;
	uint32_t header = p->length < TCP_HEADER ? 0 : (h[12] >> 4) * 4u;

	if (header < TCP_HEADER || header > p->length || !net_get16(h) || !net_get16(h + 2)) {
		s->counters.malformed++;
		return false;
	}
	*g = (struct tcp_segment) {
		.packet = p, .local = { p->destination, net_get16(h + 2) }, .remote = { p->source, net_get16(h) },
		.seq = net_get32(h + 4), .ack = net_get32(h + 8), .length = p->length - header, .data = h + header,
		.window = net_get16(h + 14), .flags = h[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK), /* urgent data is data like other (RFC 6093) */
	};
	if (header > TCP_HEADER)
		parse_options(g, h + TCP_HEADER, header - TCP_HEADER);
	return true;
}

bool tcp_sum_right(struct net_stack *s, const struct net_packet *p, uint32_t pseudo)
{
	if (net_sum_fold(net_sum(p->data, p->length, pseudo + net_sum_swap(p->length))) == 0xffff)
		return true;
	s->counters.checksum_errors++;
	return false;
}

/* The same for the next connection of these names, so that its timestamps are later ones. */
uint32_t tcp_timestamp_offset(const struct net_stack *s, const struct net_name *local, const struct net_name *remote) { return (uint32_t)(net_hash(s, local, remote, 0x7473) >> 32); }

uint32_t tcp_put_timestamps(uint8_t *to, uint32_t tsval, uint32_t tsecr)
{
	net_put32(to, TIMESTAMPS_ALONE);
	net_put32(to + 4, tsval);
	net_put32(to + 8, tsecr);
	return TCP_TIMESTAMPS;
}

uint32_t tcp_put_syn_options(uint8_t *to, uint32_t mss, bool scale, bool sack, bool timestamps, uint32_t tsval, uint32_t tsecr)
{
	uint32_t n = 4;

	net_put32(to, OPTION_MSS << 24 | 4 << 16 | mss);
	if (sack) {
		net_put32(to + n, OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_SACK_PERMITTED << 8 | 2);
		n += 4;
	}
	if (timestamps)
		n += tcp_put_timestamps(to + n, tsval, tsecr);
	if (scale) {
		net_put32(to + n, (uint32_t)OPTION_NOP << 24 | OPTION_SCALE << 16 | 3 << 8 | TCP_SCALE);
		n += 4;
	}
	return n;
}

uint32_t tcp_put_options(struct tcp *c, uint8_t *to, bool syn)
{
	uint32_t ranges[TCP_RECENT][2], n = 0, count, now = tcp_clock(c->e.stack) + c->ts_offset;

	if (syn) {
		uint32_t mss = MIN(c->route.mtu, c->e.stack->port.mtu) - (net_is_ipv4(&c->e.local.address) ? 40 : 60);

		return tcp_put_syn_options(to, c->e.tuning.mss ? MIN(mss, c->e.tuning.mss) : mss, c->rcv_scale, c->sack, c->timestamps, now, c->ts_recent);
	}
	if (c->timestamps)
		n = tcp_put_timestamps(to, now, c->ts_recent);
	if (!c->sack || list_empty(&c->ahead))
		return n;
	count = tcp_sack_ranges(c, ranges, TCP_RECENT);
	net_put32(to + n, OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_SACK << 8 | (2 + 8 * count));
	n += 4;
	for (uint32_t i = 0; i < count; i++, n += 8) {
		net_put32(to + n, ranges[i][0]);
		net_put32(to + n + 4, ranges[i][1]);
	}
	return n;
}
