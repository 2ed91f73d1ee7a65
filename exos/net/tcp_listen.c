/* Listeners (RFC 9293 3.10.7.2, 3.10.7.3): a backlog of connections that wait to be accepted, a queue of half-open ones, and SYN cookies when that is full (Bernstein 1996; RFC 4987 3.6).
 *
 * A cookie is the initial sequence number that we choose: 27 bits of a keyed hash of the names, of the peer's sequence number and of the time, 2 bits of the time, 3 for the peer's MSS. What else the SYN said, its window scale
 * and whether it knows SACK, is in the last bits of our timestamp, which comes back as well. So a flood of SYNs holds no memory beyond the queue. The key is the stack's own; as the time is hashed with it, a cookie is
 * good for two periods at most. */
#include <exos/net/tcp.h>

#define REQUEST_TRIES 5 /* after 1, 2, 4 ... s */
#define COOKIE_PERIOD_SHIFT 36 /* of ns: 69 s */
#define NO_SCALE 15

static const uint16_t cookie_mss[8] = { 216, 536, 1220, 1400, 1440, 1460, 4312, 8960 };

uint32_t tcp_initial_sequence(const struct net_stack *s, const struct net_name *local, const struct net_name *remote)
{
	return (uint32_t)net_hash(s, local, remote, 0x697373) + (uint32_t)(s->now >> 12); /* a clock of 4.1 us (RFC 9293 3.4.1) */
}

/* Enters it as a listener. */
static int enter(struct tcp *l)
{
	struct net_endpoint *e = &l->e;
	int error;

	net_leave(e);
	e->listening = true;
	if ((error = net_enter(e)) < 0) { /* somebody else listens there */
		e->listening = false;
		e->bound = net_enter(e) == 0;
	}
	return error;
}

int net_listen(struct net_endpoint *e, uint32_t backlog)
{
	struct net_name any_port = { e->local.address, 0 };
	struct tcp *l = tcp_of(e);
	int error = 0;

	if (e->kind != NET_TCP)
		return -EOPNOTSUPP;
	if (l->state == TCP_LISTEN) {
		l->listener->backlog = MAX(backlog, 1u);
		return 0;
	}
	if (l->state != TCP_CLOSED || l->dead)
		return -EINVAL;
	if (!e->bound && (error = net_bind_common(e, &any_port)) < 0)
		return error;
	l->listener = tcp_allocate(e->stack, sizeof(*l->listener));
	if (!l->listener)
		return -ENOMEM;
	if ((error = enter(l)) < 0) {
		net_free(e->stack, l->listener);
		l->listener = NULL;
		return error;
	}
	l->listener->backlog = MAX(backlog, 1u);
	list_init(&l->listener->children);
	list_init(&l->listener->requests);
	l->state = TCP_LISTEN;
	return 0;
}

int net_accept(struct net_endpoint *e, struct net_endpoint **out)
{
	struct tcp *l = tcp_of(e), *c;

	if (e->kind != NET_TCP || l->state != TCP_LISTEN)
		return -EINVAL;
	if (list_empty(&l->listener->children))
		return -EAGAIN;
	c = CONTAINER_OF(l->listener->children.next, struct tcp, sibling);
	list_remove(&c->sibling);
	c->parent = NULL;
	l->listener->ready--;
	*out = &c->e;
	return 0;
}

/* Half-open connections are forgotten, those that nobody accepted are reset. */
void tcp_listener_end(struct tcp *l)
{
	struct tcp_listener *own = l->listener;

	while (!list_empty(&own->requests))
		tcp_record_free(CONTAINER_OF(own->requests.next, struct tcp_record, order));
	while (!list_empty(&own->children)) {
		struct tcp *c = CONTAINER_OF(own->children.next, struct tcp, sibling);

		tcp_send_reset(c);
		tcp_die(c, 0);
	}
	net_free(l->e.stack, own);
	l->listener = NULL;
	l->e.listening = false;
}

static uint32_t own_mss(const struct tcp *l, const struct net_name *local)
{
	uint32_t mss = l->e.stack->port.mtu - (net_is_ipv4(&local->address) ? 40 : 60);

	return l->e.tuning.mss ? MIN(mss, l->e.tuning.mss) : mss;
}

/* The window of a SYN, which has no scale. */
static uint32_t first_window(const struct tcp *l) { return MIN(tcp_receive_size(l), 65535u); }

static void send_syn_ack(struct tcp_record *r)
{
	uint8_t options[TCP_OPTIONS_MAX];
	uint32_t n = tcp_put_syn_options(options, own_mss(r->listener, &r->local), r->has_scale, r->sack, r->timestamps, tcp_clock(r->stack) + r->ts_offset, r->ts_recent);

	tcp_send_bare(r->stack, &r->local, &r->remote, r->snd_nxt - 1, r->rcv_nxt, TCP_SYN | TCP_ACK, first_window(r->listener), options, n);
}

static void request_expired(struct net_timer *t)
{
	struct tcp_record *r = CONTAINER_OF(t, struct tcp_record, timer);

	if (r->tries == REQUEST_TRIES) {
		tcp_record_free(r);
		return;
	}
	r->tries++;
	send_syn_ack(r);
	net_timer_set(r->stack, t, r->stack->now + (TCP_SECOND << r->tries));
}

static uint32_t period_now(const struct net_stack *s) { return (uint32_t)(s->now >> COOKIE_PERIOD_SHIFT); }

static uint32_t cookie(const struct net_stack *s, const struct tcp_segment *g, uint32_t irs, uint32_t period, uint32_t mss)
{
	uint64_t hash = net_hash(s, &g->remote, &g->local, (uint64_t)irs << 32 | (uint32_t)(period << 3 | mss)); /* the names turned round: no other use of the key does that */

	return (uint32_t)hash << 5 | (period & 3) << 3 | mss;
}

static void send_cookie(struct net_stack *s, struct tcp *l, const struct tcp_segment *g)
{
	uint32_t said = g->mss ? g->mss : net_is_ipv4(&g->local.address) ? TCP_MSS_IPV4 : TCP_MSS_IPV6, mss = ARRAY_LENGTH(cookie_mss) - 1, n;
	uint32_t now = tcp_clock(s) + tcp_timestamp_offset(s, &g->local, &g->remote), tsval = (now & ~63u) | (uint32_t)g->sack_permitted << 4 | (g->has_scale ? g->scale : NO_SCALE);
	uint8_t options[TCP_OPTIONS_MAX];

	while (mss && cookie_mss[mss] > said)
		mss--;
	if (tcp_before(now, tsval)) /* later ones must not be smaller */
		tsval -= 64;
	n = tcp_put_syn_options(options, own_mss(l, &g->local), g->has_timestamps && g->has_scale, g->has_timestamps && g->sack_permitted, g->has_timestamps, tsval, g->tsval);
	s->counters.tcp_cookies_sent++;
	s->tcp->cookies_sent = s->now;
	tcp_send_bare(s, &g->local, &g->remote, cookie(s, g, g->seq, period_now(s), mss), g->seq + 1, TCP_SYN | TCP_ACK, first_window(l), options, n);
}

static void listen_syn(struct net_stack *s, struct tcp *l, const struct tcp_segment *g)
{
	struct tcp_listener *own = l->listener;
	struct tcp_record *r;

	if (own->ready >= own->backlog) /* it asks again, and by then there may be room */
		return;
	r = own->half_open < own->backlog ? tcp_record_new(s, &g->local, &g->remote) : NULL;
	if (!r) {
		send_cookie(s, l, g);
		return;
	}
	r->listener = l;
	own->half_open++;
	list_append(&own->requests, &r->order);
	r->snd_nxt = tcp_initial_sequence(s, &g->local, &g->remote) + 1;
	r->rcv_nxt = g->seq + 1;
	r->mss = g->mss;
	r->scale = g->scale;
	r->has_scale = g->has_scale;
	r->sack = g->sack_permitted;
	r->timestamps = g->has_timestamps;
	r->ts_recent = g->tsval;
	r->ts_offset = tcp_timestamp_offset(s, &g->local, &g->remote);
	r->window = g->window;
	r->timer.expired = request_expired;
	net_timer_set(s, &r->timer, s->now + TCP_SECOND);
	send_syn_ack(r);
}

/* The last segment of a handshake: the connection begins. Null: there is no room for it; the segment is as good as lost. */
static struct tcp *child(struct net_stack *s, const struct tcp_record *r, const struct tcp_segment *g)
{
	struct tcp *l = r->listener, *c = l->listener->ready < l->listener->backlog ? tcp_new(s, g, l) : NULL;
	struct tcp_segment syn = {
		.seq = r->rcv_nxt - 1, .ack = r->snd_nxt - 1, .mss = r->mss, .has_timestamps = r->timestamps, .tsval = r->ts_recent, .sack_permitted = r->sack,
		.has_scale = r->has_scale, .scale = r->scale, .window = r->window,
	};

	if (!c)
		return NULL;
	c->timestamps = c->sack = true;
	tcp_learn(c, &syn);
	c->iss = r->snd_nxt - 1;
	c->snd_nxt = r->snd_nxt;
	c->ts_offset = r->ts_offset;
	c->tries = r->tries;
	if (!r->tries && r->began)
		tcp_rtt(c, s->now - r->began);
	c->parent = l;
	list_append(&l->listener->children, &c->sibling);
	l->listener->ready++;
	tcp_established(c);
	tcp_tell(l, NET_READABLE);
	return c;
}

/* An acknowledgement out of nowhere: does it have a cookie of ours? */
static bool cookie_input(struct net_stack *s, struct tcp *l, const struct tcp_segment *g)
{
	uint32_t got = g->ack - 1, now = period_now(s), period = now - ((now - (got >> 3)) & 3), options = g->has_timestamps ? g->tsecr & 63 : NO_SCALE;
	struct tcp_record r = {
		.listener = l, .snd_nxt = g->ack, .rcv_nxt = g->seq, .window = g->window, .mss = cookie_mss[got & 7], .timestamps = g->has_timestamps, .ts_recent = g->tsval,
		.sack = options >> 4 & 1, .has_scale = (options & 15) != NO_SCALE, .scale = MIN(options & 15, 14u),
	};
	struct tcp *c;

	if (!s->tcp->cookies_sent || s->now - s->tcp->cookies_sent >= 2ull << COOKIE_PERIOD_SHIFT)
		return false;
	if (now - period > 1 || cookie(s, g, g->seq - 1, period, got & 7) != got)
		return false;
	r.ts_offset = tcp_timestamp_offset(s, &g->local, &g->remote);
	c = child(s, &r, g);
	if (!c)
		return true;
	s->counters.tcp_cookies_accepted++;
	tcp_connection_input(c, g);
	return true;
}

void tcp_listen_input(struct net_stack *s, struct tcp *l, const struct tcp_segment *g)
{
	if (g->flags & TCP_RST)
		return;
	if ((g->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN)
		listen_syn(s, l, g);
	else if (g->flags & TCP_ACK && (g->flags & TCP_SYN || !cookie_input(s, l, g)))
		tcp_refuse(s, g);
}

static void answer(struct tcp_record *r)
{
	uint8_t options[TCP_OPTIONS_MAX];
	uint32_t n = r->timestamps ? tcp_put_timestamps(options, tcp_clock(r->stack) + r->ts_offset, r->ts_recent) : 0;

	tcp_send_bare(r->stack, &r->local, &r->remote, r->snd_nxt, r->rcv_nxt, TCP_ACK, first_window(r->listener) >> (r->has_scale ? TCP_SCALE : 0), options, n);
}

/* A segment for a half-open connection. */
void tcp_request_input(struct net_stack *s, struct tcp_record *r, const struct tcp_segment *g)
{
	struct tcp *c;

	if (g->flags & TCP_RST) {
		if (g->seq == r->rcv_nxt)
			tcp_record_free(r);
		return;
	}
	if ((g->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && g->seq == r->rcv_nxt - 1) { /* once more: what we answered was lost */
		send_syn_ack(r);
		return;
	}
	if (r->timestamps && (!g->has_timestamps || tcp_before(g->tsval, r->ts_recent)))
		return;
	if (g->flags & TCP_SYN || g->seq - r->rcv_nxt > first_window(r->listener)) {
		if (tcp_span(g)) /* another one's: it resets us if it means a new connection (RFC 5961 4). As in TIME_WAIT, acknowledgements alone are not answered */
			answer(r);
		return;
	}
	if (!(g->flags & TCP_ACK))
		return;
	if (g->ack != r->snd_nxt) {
		tcp_refuse(s, g);
		return;
	}
	c = child(s, r, g);
	if (!c)
		return;
	tcp_record_free(r);
	tcp_connection_input(c, g);
}
