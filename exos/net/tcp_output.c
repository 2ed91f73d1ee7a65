/* Segments that go (RFC 9293 3.7, 3.8.6). Data is sent from where it lies: a segment is a header, and parts of pieces. */
#include <exos/net/tcp.h>

#define COPY_MAX 512 /* of pieces that are too many for the parts of a frame */

struct draft { /* a segment in the making */
	uint8_t buffer[NET_HEADER_ROOM]; /* NET_HEADROOM, header, options */
	struct net_part parts[NET_PARTS];
	uint32_t part_count, length;     /* of data */
	uint32_t sum;                    /* of data */
	uint8_t copy[COPY_MAX];
};

uint32_t tcp_unsent(const struct tcp *c)
{
	uint32_t under_way = c->snd_nxt - c->snd_una - c->fin_sent;

	return c->state >= TCP_ESTABLISHED && !(c->fin_sent && c->snd_una == c->snd_nxt) && c->queued > under_way ? c->queued - under_way : 0;
}

uint32_t tcp_segment_room(const struct tcp *c)
{
	return c->mss - (c->timestamps ? TCP_TIMESTAMPS : 0) - (c->sack && !list_empty(&c->ahead) ? 4 + 8 * TCP_RECENT : 0);
}

void tcp_mss_set(struct tcp *c)
{
	bool ipv4 = net_is_ipv4(&c->e.local.address);
	uint32_t path = MIN(c->route.mtu, c->e.stack->port.mtu) - (ipv4 ? 40 : 60), peer = c->peer_mss ? c->peer_mss : ipv4 ? TCP_MSS_IPV4 : TCP_MSS_IPV6;

	c->mss = MIN(path, MAX(peer, (uint32_t)TCP_MSS_MIN));
	if (c->e.tuning.mss)
		c->mss = MIN(c->mss, MAX(c->e.tuning.mss, (uint32_t)TCP_MSS_MIN));
	c->pseudo = net_sum_fold(net_sum_pseudo(&c->e.local.address, &c->e.remote.address, NET_TCP, 0));
}

static void put_header(uint8_t *h, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack, uint32_t length, uint8_t flags, uint32_t window)
{
	net_put16(h, from);
	net_put16(h + 2, to);
	net_put32(h + 4, seq);
	net_put32(h + 8, flags & TCP_ACK ? ack : 0);
	h[12] = (uint8_t)(length << 2);
	h[13] = flags;
	net_put16(h + 14, window);
	net_put32(h + 16, 0);
}

static void put_sum(uint8_t *h, uint32_t header, uint32_t pseudo, uint32_t sum, uint32_t length)
{
	uint64_t total = (uint64_t)pseudo + sum + net_sum_swap(header + length);
	uint16_t folded;

	for (uint32_t i = 0; i < header; i += 4)
		total += *(const net_half *)(h + i);
	folded = (uint16_t)~net_sum_fold(net_sum_fold((uint32_t)total) + (uint32_t)(total >> 32));
	__builtin_memcpy(h + 16, &folded, 2);
}

static int send_draft(struct tcp *c, struct draft *d, uint32_t seq, uint8_t flags)
{
	uint8_t *h = d->buffer + NET_HEADROOM;
	uint32_t header, window = tcp_window(c), field = flags & TCP_SYN ? MIN(window, 65535u) : window >> c->rcv_scale;
	struct net_send_options options = { .protocol = NET_TCP, .ttl = c->e.tuning.ttl, .tos = c->e.tuning.tos, .do_not_fragment = true };
	struct tcp_filling filling = { seq, d->length, d->sum, field, flags };
	int result;

	if (flags & TCP_ACK) {
		c->acked = c->rcv_nxt;
		c->rcv_edge = tcp_later(c->rcv_edge, c->rcv_nxt + (flags & TCP_SYN ? field : window));
		c->ack_now = c->ack_later = false;
		c->alarms[TCP_ALARM_ACK] = 0;
	}
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_ACK && tcp_template_send(c, &filling, d->parts, d->part_count, &result))
		return result;
	header = TCP_HEADER + tcp_put_options(c, h + TCP_HEADER, flags & TCP_SYN);
	put_header(h, c->e.local.port, c->e.remote.port, seq, c->rcv_nxt, header, flags, field);
	put_sum(h, header, c->pseudo, d->sum, d->length);
	return net_ip_output(c->e.stack, &c->route, &options, h, header, d->parts, d->part_count);
}

static int send_flags(struct tcp *c, uint32_t seq, uint8_t flags)
{
	struct draft d;

	d.part_count = d.length = d.sum = 0;
	return send_draft(c, &d, seq, flags);
}

void tcp_send_ack(struct tcp *c) { send_flags(c, c->snd_nxt, TCP_ACK); }
void tcp_probe(struct tcp *c) { send_flags(c, c->snd_una - 1, TCP_ACK); }

void tcp_send_reset(struct tcp *c)
{
	c->e.stack->counters.tcp_resets_sent++;
	send_flags(c, c->snd_nxt, TCP_RST | TCP_ACK);
}

void tcp_send_syn(struct tcp *c)
{
	uint64_t now = c->e.stack->now;

	c->timed = c->snd_nxt == c->iss ? now : 0; /* not one that was sent before (Karn's rule, RFC 6298 3) */
	c->snd_nxt = c->timed_seq = c->iss + 1;
	send_flags(c, c->iss, c->state == TCP_SYN_RECEIVED ? TCP_SYN | TCP_ACK : TCP_SYN);
	tcp_wait_for(c, TCP_WAIT_ACK, now + c->rto);
}

static void add(struct draft *d, const uint8_t *data, uint64_t physical, uint32_t n, uint32_t sum)
{
	d->parts[d->part_count++] = (struct net_part) { data, physical, n };
	d->sum += d->length & 1 ? net_sum_swap(sum) : sum; /* what begins at an odd place of the segment has its bytes the other way round in the sum */
	d->length += n;
}

static void add_part(struct draft *d, const struct net_piece *p, uint32_t skip, uint32_t n)
{
	uint32_t sum = skip == 0 && n == p->length && p->sum != NET_NO_SUM ? p->sum : net_sum_fold(net_sum(p->data + skip, n, 0));

	add(d, p->data + skip, p->physical + skip, n, sum);
}

/* The rest of a segment of many small pieces is copied. */
static void add_copy(struct draft *d, const struct net_piece *p, uint32_t skip, uint32_t length)
{
	uint32_t done = 0;

	length = MIN(length, (uint32_t)COPY_MAX);
	while (done < length) {
		uint32_t n = MIN(length - done, p->length - skip);

		memcpy(d->copy + done, p->data + skip, n);
		done += n;
		skip = 0;
		p = CONTAINER_OF(p->link.next, struct net_piece, link);
	}
	add(d, d->copy, 0, length, net_sum_fold(net_sum(d->copy, length, 0)));
}

static void add_data(struct draft *d, const struct net_piece *p, uint32_t skip, uint32_t length)
{
	while (d->length < length) {
		uint32_t left = length - d->length, n = MIN(left, p->length - skip);

		if (d->part_count == NET_PARTS - 1 && n < left) {
			add_copy(d, p, skip, left);
			return;
		}
		add_part(d, p, skip, n);
		skip = 0;
		p = CONTAINER_OF(p->link.next, struct net_piece, link);
	}
}

/* The piece with byte `offset` of the queue, counted from its first piece. */
static struct net_piece *piece_at(const struct tcp *c, uint32_t offset, uint32_t *skip)
{
	LIST_FOR_EACH(l, &c->queue) {
		struct net_piece *p = CONTAINER_OF(l, struct net_piece, link);

		if (offset < p->length) {
			*skip = offset;
			return p;
		}
		offset -= p->length;
	}
	return NULL;
}

static void went_on(struct tcp *c, uint32_t length, bool fin)
{
	c->snd_nxt += length + fin;
	c->fin_sent |= fin;
	c->next_skip += length;
	while (c->next && c->next_skip >= c->next->length) {
		c->next_skip -= c->next->length;
		c->next = c->next->link.next == &c->queue ? NULL : CONTAINER_OF(c->next->link.next, struct net_piece, link);
	}
	if (!c->timed) {
		c->timed = c->e.stack->now;
		c->timed_seq = c->snd_nxt;
	}
}

uint32_t tcp_send_data(struct tcp *c, uint32_t seq, uint32_t length)
{
	struct net_stack *s = c->e.stack;
	uint32_t before = seq - c->snd_una, data = MIN(length, c->queued - MIN(before, c->queued)), skip = c->next_skip;
	struct net_piece *p = c->next;
	bool again = seq != c->snd_nxt, fin;
	struct draft d;

	d.part_count = d.length = d.sum = 0;
	if (again && data)
		p = piece_at(c, before + c->head_skip, &skip);
	if (data)
		add_data(&d, p, skip, data);
	fin = c->output_end && length > data && d.length == data;
	if (!d.length && !fin)
		return 0;
	if (send_draft(c, &d, seq, (uint8_t)(TCP_ACK | (fin ? TCP_FIN : 0) | (before + d.length == c->queued ? TCP_PSH : 0))) == -ENOBUFS) {
		s->full = true;
		tcp_wait_for(c, TCP_WAIT_DEVICE, s->now + TCP_MILLISECOND); /* the device has no room just now: that is not the network's loss */
		return 0;
	}
	c->last_sent = s->now;
	if (again) {
		c->timed = 0;
		c->retransmitted++;
		s->counters.tcp_retransmits++;
	} else {
		went_on(c, d.length, fin);
	}
	return d.length + fin;
}

/* What was lost, as far as the congestion window lets it (RFC 6675 5). */
static void send_lost(struct tcp *c)
{
	uint32_t pipe = tcp_pipe(c);
	struct tcp_hole *h;

	while ((h = tcp_hole_next(c))) {
		uint32_t length = MIN(h->end - h->sent, tcp_segment_room(c)), went;

		if (pipe && pipe + length > c->cwnd && !c->fast) {
			c->full = true;
			return;
		}
		went = tcp_send_data(c, h->sent, length);
		if (!went)
			return;
		c->fast = false;
		h->sent += went;
		h->mark = c->snd_nxt;
		h->seen = c->e.stack->now;
		pipe += went;
	}
}

/* May a segment go that is not full? (RFC 9293 3.8.6.2.1, 3.7.4) */
static bool may_be_short(const struct tcp *c, uint32_t length, uint32_t unsent)
{
	if (c->force)
		return true;
	if (length < unsent)
		return length >= c->snd_window_max / 2;
	if (c->output_end)
		return true;
	if (c->more || c->e.flags & NET_CORK)
		return false;
	return c->e.flags & NET_NO_DELAY || !tcp_before(c->snd_una, c->short_end);
}

/* One segment of what is unsent; 0: none may go. */
static uint32_t send_next(struct tcp *c, uint32_t pipe)
{
	uint32_t edge = c->snd_una + c->snd_window, window = tcp_before(c->snd_nxt, edge) ? edge - c->snd_nxt : 0;
	uint32_t most = tcp_segment_room(c), unsent = tcp_unsent(c), length = MIN(MIN(unsent, most), window), went;
	bool fin = c->output_end && !c->fin_sent && length == unsent && length < window;

	if (!length && !fin)
		return 0;
	if (length < most && !fin && !may_be_short(c, length, unsent))
		return 0;
	if (pipe && pipe + length > c->cwnd) {
		c->full = true;
		return 0;
	}
	went = tcp_send_data(c, c->snd_nxt, length + fin);
	if (!went)
		return 0;
	c->force = c->tail_probed = false;
	if (went < most)
		c->short_end = c->snd_nxt;
	if (c->wait == TCP_WAIT_TAIL)
		c->restart = true;
	return went;
}

void tcp_output(struct tcp *c)
{
	uint32_t pipe, went;

	if (c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT) {
		if (c->state == TCP_SYN_RECEIVED && c->ack_now)
			tcp_send_ack(c);
		return;
	}
	c->full = false;
	if (c->snd_nxt == c->snd_una && c->e.stack->now - c->last_sent > c->rto)
		tcp_congestion_idle(c);
	if (c->hole_count)
		send_lost(c);
	pipe = tcp_pipe(c);
	while ((went = send_next(c, pipe)))
		pipe += went;
	if (c->ack_now)
		tcp_send_ack(c);
	tcp_send_alarm(c);
}

void tcp_send_bare(struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t window, const uint8_t *options, uint32_t options_length)
{
	struct net_send_options send = { .protocol = NET_TCP, .do_not_fragment = true };
	uint32_t header = TCP_HEADER + options_length, pseudo = net_sum_fold(net_sum_pseudo(&local->address, &remote->address, NET_TCP, 0));
	uint8_t buffer[NET_HEADER_ROOM], *h = buffer + NET_HEADROOM;
	struct net_route route = { 0 };

	if (net_route_find(s, &route, &remote->address, &local->address) < 0)
		return;
	put_header(h, local->port, remote->port, seq, ack, header, flags, window);
	if (options_length)
		memcpy(h + TCP_HEADER, options, options_length);
	put_sum(h, header, pseudo, 0, 0);
	net_ip_output(s, &route, &send, h, header, NULL, 0);
}

void tcp_refuse(struct net_stack *s, const struct tcp_segment *g)
{
	if (g->flags & TCP_RST || g->packet->multicast)
		return;
	s->counters.tcp_resets_sent++;
	if (g->flags & TCP_ACK)
		tcp_send_bare(s, &g->local, &g->remote, g->ack, 0, TCP_RST, 0, NULL, 0);
	else
		tcp_send_bare(s, &g->local, &g->remote, 0, g->seq + tcp_span(g), TCP_RST | TCP_ACK, 0, NULL, 0);
}
