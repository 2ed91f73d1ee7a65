/* Segments as they come (RFC 9293 3.10.7, with RFC 5961's and RFC 7323's changes). */
#include <exos/net/tcp.h>

#define CHALLENGES 10 /* a second, and of each connection: a limit that connections share would tell an attacker of others' (RFC 5961 7; Cao et al., USENIX Security 2016) */
#define PAWS_AGE (24ull * 24 * 3600 * TCP_SECOND) /* RFC 7323 5.5 */
#define QUICK 16 /* acknowledgements at once at the start, while the other side's window is small */

bool tcp_challenge(struct tcp *c)
{
	uint64_t now = c->e.stack->now;

	tcp_wake(c);
	if (now - c->challenged >= TCP_SECOND) {
		c->challenged = now;
		c->challenges = 0;
	}
	if (c->challenges >= CHALLENGES)
		return false;
	c->challenges++;
	c->e.stack->counters.tcp_challenges++;
	return true;
}

static void challenge(struct tcp *c)
{
	if (tcp_challenge(c))
		c->ack_now = true;
}

void tcp_learn(struct tcp *c, const struct tcp_segment *g)
{
	c->irs = g->seq;
	c->rcv_nxt = c->acked = g->seq + 1;
	c->rcv_edge = c->rcv_nxt + MIN(tcp_receive_size(c), 65535u);
	c->peer_mss = g->mss;
	c->timestamps &= g->has_timestamps;
	c->ts_recent = g->tsval;
	c->ts_recent_at = c->heard = c->round_began = c->e.stack->now;
	c->sack &= g->sack_permitted;
	c->rcv_scale = g->has_scale ? TCP_SCALE : 0;
	c->snd_scale = g->has_scale ? g->scale : 0;
	c->snd_window = c->snd_window_max = g->window;
	c->snd_field = UINT32_MAX; /* the scale does not count in a SYN: the next one is looked at */
	c->snd_wl1 = g->seq;
	c->snd_wl2 = g->ack;
	c->quick = QUICK;
	tcp_mss_set(c);
}

static void syn_sent(struct tcp *c, const struct tcp_segment *g)
{
	if (g->flags & TCP_ACK && g->ack != c->snd_nxt) {
		tcp_refuse(c->e.stack, g);
		return;
	}
	if (g->flags & TCP_RST) {
		if (g->flags & TCP_ACK)
			tcp_die(c, ECONNREFUSED);
		return;
	}
	if (!(g->flags & TCP_SYN))
		return;
	tcp_learn(c, g);
	if (g->flags & TCP_ACK) {
		if (c->timed)
			tcp_rtt(c, c->e.stack->now - c->timed);
		c->timed = 0;
		tcp_established(c);
		c->ack_now = true; /* data that came with it comes again */
		tcp_wake(c);
	} else { /* both at once */
		c->state = TCP_SYN_RECEIVED;
		tcp_send_syn(c);
	}
}

/* RFC 9293 3.10.7.4, first; one step wider at the right edge for segments without data, which a sender that has filled the window sends from there. */
static bool acceptable(const struct tcp *c, const struct tcp_segment *g)
{
	uint32_t span = tcp_span(g), last = g->seq + span;

	if (!span)
		return !tcp_before(g->seq, c->rcv_nxt) && !tcp_before(c->rcv_edge, g->seq);
	return tcp_before(c->rcv_nxt, last) && (tcp_before(g->seq, c->rcv_edge) || g->seq == c->rcv_nxt);
}

/* RFC 7323 5.3. False: it is an old duplicate. */
static bool timestamps_fit(struct tcp *c, const struct tcp_segment *g)
{
	if (!c->timestamps || g->flags & TCP_RST)
		return true;
	if (!g->has_timestamps)
		return false;
	if (tcp_before(g->tsval, c->ts_recent) && c->e.stack->now - c->ts_recent_at < PAWS_AGE) {
		challenge(c);
		return false;
	}
	return true;
}

static void remember_timestamp(struct tcp *c, const struct tcp_segment *g)
{
	if (!c->timestamps || !g->has_timestamps || tcp_before(c->acked, g->seq))
		return;
	c->ts_recent = g->tsval;
	c->ts_recent_at = c->e.stack->now;
}

static void reset(struct tcp *c, const struct tcp_segment *g)
{
	if (g->seq != c->rcv_nxt) {
		challenge(c);
		return;
	}
	if (c->state == TCP_SYN_RECEIVED)
		tcp_die(c, ECONNREFUSED);
	else if (c->state == TCP_CLOSING || c->state == TCP_LAST_ACK)
		tcp_die(c, 0);
	else
		tcp_die(c, c->state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

/* When the next acknowledgement goes (RFC 9293 3.8.6.3): at once for what is out of order or fills a gap, and for the second full segment; else it waits for output to go with. */
static void acknowledge(struct tcp *c, uint32_t length, bool in_order)
{
	tcp_wake(c);
	c->largest = MAX(c->largest, length);
	if (!in_order && !c->sack) { /* each must be seen */
		tcp_send_ack(c);
	} else if (!in_order || c->rcv_nxt - c->acked >= 2 * c->largest || (c->quick && length + 2 * TCP_TIMESTAMPS >= c->mss)) {
		c->quick -= c->quick > 0;
		c->ack_now = true;
	} else if (!c->ack_later) {
		c->ack_later = true;
		tcp_alarm(c, TCP_ALARM_ACK, c->e.stack->now + TCP_DELAY);
	}
}

/* Data from rcv_nxt on or ahead of it, cut to the window. */
static void take(struct tcp *c, uint32_t seq, const uint8_t *data, uint32_t length)
{
	bool in_order = seq == c->rcv_nxt && list_empty(&c->ahead);
	uint32_t went = tcp_receive(c, seq, data, length);

	c->rcv_nxt += went;
	if (went && !c->input_shut)
		tcp_tell(c, NET_READABLE);
	acknowledge(c, length, in_order);
}

static void take_data(struct tcp *c, const struct tcp_segment *g)
{
	uint32_t seq = g->seq, length = g->length, old = tcp_before(seq, c->rcv_nxt) ? c->rcv_nxt - seq : 0;

	if (c->input_end)
		return;
	if (g->flags & TCP_FIN && !tcp_before(c->rcv_edge, seq + length)) {
		c->fin_seen = true;
		c->fin_at = seq + length;
	}
	if (old || tcp_before(c->rcv_edge, seq + length))
		c->ack_now = true; /* the other side has not heard of what we have, or how much we take */
	if (tcp_before(c->rcv_edge, seq + length))
		length = tcp_before(seq, c->rcv_edge) ? c->rcv_edge - seq : 0;
	if (old < length)
		take(c, seq + old, g->data + old, length - old);
	else
		tcp_wake(c);
}

/* All input has come: may free c. */
static void input_ends(struct tcp *c)
{
	c->rcv_nxt++;
	c->input_end = c->ack_now = true;
	tcp_wake(c);
	tcp_tell(c, NET_READABLE | NET_INPUT_END | (c->output_end ? NET_HANGUP : 0));
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_CLOSE_WAIT;
	else if (c->state == TCP_FIN_WAIT_1)
		c->state = TCP_CLOSING;
	else if (c->state == TCP_FIN_WAIT_2)
		tcp_time_wait(c);
}

/* FIN was acknowledged. False: c is gone. */
static bool output_ended(struct tcp *c)
{
	if (c->state == TCP_FIN_WAIT_1) {
		c->state = TCP_FIN_WAIT_2;
		tcp_slow_alarm(c);
	} else if (c->state == TCP_CLOSING) {
		tcp_time_wait(c);
		return false;
	} else if (c->state == TCP_LAST_ACK) {
		tcp_die(c, 0);
		return false;
	}
	return true;
}

/* The first acknowledgement of our SYN, when both sides began at once. False: it is not one. */
static bool syn_acknowledged(struct tcp *c, const struct tcp_segment *g)
{
	if (g->ack != c->snd_nxt) {
		tcp_refuse(c->e.stack, g);
		return false;
	}
	tcp_established(c);
	return true;
}

static void not_acceptable(struct tcp *c, const struct tcp_segment *g)
{
	if (g->flags & TCP_RST)
		return;
	if (!tcp_span(g) || g->flags & TCP_SYN) { /* no endless exchange of acknowledgements */
		challenge(c);
		return;
	}
	c->ack_now = true;
	tcp_wake(c);
}

/* Everything that is not as expected. */
static void synchronized(struct tcp *c, const struct tcp_segment *g)
{
	if (!timestamps_fit(c, g))
		return;
	if (!acceptable(c, g)) {
		not_acceptable(c, g);
		return;
	}
	if (g->flags & TCP_RST) {
		reset(c, g);
		return;
	}
	if (g->flags & TCP_SYN) { /* RFC 5961 4 */
		challenge(c);
		return;
	}
	if (!(g->flags & TCP_ACK) || (c->state == TCP_SYN_RECEIVED && !syn_acknowledged(c, g)))
		return;
	remember_timestamp(c, g);
	if (!tcp_ack(c, g) || (tcp_all_acknowledged(c) && !output_ended(c)))
		return;
	if (c->e.closed && g->length && tcp_before(c->rcv_nxt, g->seq + g->length)) { /* nobody will read it (RFC 9293 3.6.1, RFC 2525 2.17) */
		tcp_send_reset(c);
		tcp_die(c, 0);
		return;
	}
	if (tcp_span(g))
		take_data(c, g);
	if (c->fin_seen && !c->input_end && c->rcv_nxt == c->fin_at)
		input_ends(c);
}

/* Header prediction (Van Jacobson, 1990): the next data, or an acknowledgement, or both, when nothing is missing on either side and nothing else has changed. */
static bool predicted(struct tcp *c, const struct tcp_segment *g)
{
	if (c->state != TCP_ESTABLISHED || (g->flags & ~TCP_PSH) != TCP_ACK || g->seq != c->rcv_nxt || g->window != c->snd_field)
		return false;
	if (c->recovery != TCP_OPEN || c->hole_count || c->fin_seen || !list_empty(&c->ahead) || g->sacks)
		return false;
	if (g->has_timestamps != c->timestamps || (c->timestamps && tcp_before(g->tsval, c->ts_recent)))
		return false;
	if (tcp_before(g->ack, c->snd_una) || tcp_before(c->snd_nxt, g->ack) || g->length > c->rcv_edge - c->rcv_nxt)
		return false;
	if (!g->length && g->ack == c->snd_una)
		return false;
	remember_timestamp(c, g);
	c->snd_wl1 = g->seq;
	c->snd_wl2 = g->ack;
	if (g->ack != c->snd_una)
		tcp_advance(c, g);
	if (g->length)
		take(c, g->seq, g->data, g->length);
	return true;
}

void tcp_connection_input(struct tcp *c, const struct tcp_segment *g)
{
	if (c->state == TCP_SYN_SENT) {
		syn_sent(c, g);
		return;
	}
	c->heard = c->e.stack->now;
	c->probes = 0;
	if (!predicted(c, g))
		synchronized(c, g);
}

void tcp_input(struct net_stack *s, const struct net_packet *p)
{
	struct tcp_segment g;
	struct net_endpoint *e;
	struct tcp_record *r;

	if (!tcp_parse(s, p, &g))
		return;
	e = net_find_tagged(s, NET_TCP, p->tag, &g.local, &g.remote);
	if (e && e->remote.port) { /* it has the pseudo-header's sum ready */
		if (tcp_sum_right(s, p, tcp_of(e)->pseudo))
			tcp_connection_input(tcp_of(e), &g);
		return;
	}
	if (!tcp_sum_right(s, p, net_sum_fold(net_sum_pseudo(&p->source, &p->destination, NET_TCP, 0))) || p->multicast)
		return;
	r = tcp_record_find(s, &g.local, &g.remote);
	if (r && r->listener) {
		tcp_request_input(s, r, &g);
		return;
	}
	if (r && tcp_time_wait_input(r, &g))
		return;
	if (e && tcp_of(e)->state == TCP_LISTEN) {
		tcp_listen_input(s, tcp_of(e), &g);
		return;
	}
	s->counters.strangers++;
	tcp_refuse(s, &g);
}

/* RFC 5927: only about what is under way; only an attempt to connect ends by it. RFC 1191: what is too big for the path is sent again, smaller, and no fault of congestion. */
void tcp_icmp_error(struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint32_t sequence, int error, uint32_t mtu)
{
	struct net_endpoint *e = net_find(s, NET_TCP, local, remote);
	struct tcp *c = tcp_of(e);

	if (!e || !e->remote.port || tcp_before(sequence, c->snd_una) || !tcp_before(sequence, c->snd_nxt))
		return;
	if (mtu) {
		uint32_t before = c->mss;

		c->route.mtu = MIN(c->route.mtu, MAX(mtu, net_is_ipv4(&remote->address) ? 552u : 1280u)); /* smaller ones are an attack (RFC 5927 7.2) */
		tcp_mss_set(c);
		if (c->mss >= before || c->state < TCP_ESTABLISHED)
			return;
		tcp_holes_lost(c);
		tcp_wake(c);
	} else if (c->state == TCP_SYN_SENT) {
		tcp_die(c, error);
	} else {
		c->soft_error = error;
	}
}
