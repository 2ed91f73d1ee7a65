/* TCP connections: how they begin and end, and the calls that all kinds of endpoints have (RFC 9293 3.3.2, 3.10). */
#include <exos/net/tcp.h>

void tcp_wake(struct tcp *c)
{
	if (list_empty(&c->pending))
		list_append(&c->e.stack->tcp->pending, &c->pending);
}

/* A child that waits to be accepted has nobody to tell; who accepts it looks at net_ready. */
void tcp_tell(struct tcp *c, uint32_t what)
{
	if (!c->e.closed && !c->parent)
		net_tell(&c->e, what);
}

void *tcp_allocate(struct net_stack *s, size_t n)
{
	void *p = net_allocate(s, n);

	while (!p && tcp_time_wait_drop_oldest(s))
		p = net_allocate(s, n);
	return p;
}

static void forget(struct tcp *c)
{
	list_init(&c->queue);
	list_init(&c->holes);
	list_init(&c->blocks);
	list_init(&c->ahead);
	c->queued = c->head_skip = c->next_skip = c->available = c->ahead_memory = c->largest = 0;
	c->next = NULL;
	c->state = TCP_CLOSED;
	c->recovery = TCP_OPEN;
	c->receive_size = TCP_RECEIVE_DEFAULT;
	c->rto = TCP_RTO_FIRST;
	c->srtt = c->rttvar = c->timed = 0;
	c->output_end = c->fin_sent = c->input_end = c->input_shut = c->fin_seen = c->more = c->force = c->dead = c->was_full = false;
	c->tries = c->probes = c->closed_probes = c->challenges = 0;
	c->soft_error = 0;
}

static void start(struct net_endpoint *e)
{
	struct tcp *c = tcp_of(e);

	list_init(&c->pending);
	list_init(&c->sibling);
	c->timer.expired = tcp_expired;
	forget(c);
}

/* Nothing goes out for it any more, and no packet finds it. What it has received stays. */
static void detach(struct tcp *c)
{
	net_timer_clear(c->e.stack, &c->timer);
	memset(c->alarms, 0, sizeof(c->alarms));
	list_remove(&c->pending);
	if (c->parent) {
		list_remove(&c->sibling);
		c->parent->listener->ready--;
		c->parent = NULL;
		c->e.closed = true;
	}
	tcp_holes_end(c);
	net_leave(&c->e);
	c->state = TCP_CLOSED;
	c->output_end = true; /* so that who is told of a release writes nothing more */
	c->next = NULL;
	c->queued = c->head_skip = 0;
	while (!list_empty(&c->queue)) {
		struct net_piece *piece = CONTAINER_OF(c->queue.next, struct net_piece, link);

		list_remove(&piece->link);
		piece->release(piece);
	}
}

/* Frees what it holds, at once, without a word on the wire. */
static void end(struct net_endpoint *e)
{
	struct tcp *c = tcp_of(e);

	if (c->state == TCP_LISTEN)
		tcp_listener_end(c);
	detach(c);
	tcp_receive_end(c);
}

static void free_connection(struct tcp *c)
{
	end(&c->e);
	net_endpoint_free(&c->e);
}

void tcp_die(struct tcp *c, int error)
{
	detach(c);
	c->dead = c->input_end = true;
	if (c->e.closed) {
		free_connection(c);
		return;
	}
	c->e.error = error;
	tcp_tell(c, (error ? NET_ERROR : 0) | NET_HANGUP | NET_READABLE | NET_WRITABLE | NET_INPUT_END);
}

void tcp_time_wait(struct tcp *c)
{
	tcp_send_ack(c); /* of the FIN that brought us here; nobody would do it later */
	tcp_time_wait_add(c);
	detach(c);
	c->state = TCP_TIME_WAIT;
	if (c->e.closed)
		free_connection(c);
	else
		tcp_tell(c, NET_HANGUP | NET_READABLE | NET_INPUT_END);
}

void tcp_established(struct tcp *c)
{
	c->state = c->output_end ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	c->snd_una = c->sacked_end = c->short_end = c->iss + 1;
	c->progress = c->e.stack->now;
	tcp_wait_for(c, TCP_WAIT_NONE, 0);
	tcp_congestion_start(c);
	c->tries = 0;
	tcp_slow_alarm(c);
	tcp_tell(c, NET_CONNECTED | NET_WRITABLE);
}

struct tcp *tcp_new(struct net_stack *s, const struct tcp_segment *g, struct tcp *listener)
{
	struct net_endpoint *e = net_endpoint_new(s, NET_TCP, listener->e.ipv6, NULL, NULL);
	struct tcp *c = tcp_of(e);

	if (!e) {
		s->counters.no_memory++;
		return NULL;
	}
	e->flags = listener->e.flags;
	e->tuning = listener->e.tuning;
	e->local = g->local;
	e->remote = g->remote;
	e->bound = true;
	if (net_route_find(s, &c->route, &g->remote.address, &g->local.address) < 0 || net_enter(e) < 0) {
		net_endpoint_free(e);
		return NULL;
	}
	return c;
}

/* A record of an earlier connection with these names: the new one may replace it when its timestamps are later ones (RFC 6191). */
static bool replaceable(struct net_stack *s, const struct net_endpoint *e, uint32_t *iss)
{
	struct tcp_record *r = tcp_record_find(s, &e->local, &e->remote);

	if (!r)
		return true;
	if (r->listener || !r->timestamps || s->now - r->began < TCP_SECOND)
		return false;
	*iss = r->snd_nxt + 65536;
	tcp_record_free(r);
	return true;
}

static int choose_names(struct tcp *c, uint32_t *iss)
{
	struct net_stack *s = c->e.stack;
	struct net_endpoint *e = &c->e;

	for (uint32_t tries = 0; tries < 64; tries++) {
		if (!e->bound && !(e->local.port = net_free_port(s, e->kind, &e->local.address, &e->remote)))
			return -EADDRNOTAVAIL;
		*iss = tcp_initial_sequence(s, &e->local, &e->remote);
		if (replaceable(s, e, iss))
			return net_enter(e);
		if (e->bound)
			break;
	}
	return -EADDRNOTAVAIL;
}

static bool no_address(const struct net_address *a)
{
	static const struct net_address nowhere, any_ipv4 = { { [10] = 0xff, [11] = 0xff } };

	return memcmp(a, &nowhere, sizeof(*a)) == 0 || memcmp(a, &any_ipv4, sizeof(*a)) == 0;
}

static int connect_name(struct net_endpoint *e, const struct net_name *name)
{
	static const struct net_address nowhere;
	struct tcp *c = tcp_of(e);
	struct net_name before = e->local;
	int error;

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		return -EALREADY;
	if (c->state != TCP_CLOSED)
		return -EISCONN;
	if (!name->port)
		return -ECONNREFUSED;
	if ((error = net_route_find(e->stack, &c->route, &name->address, no_address(&before.address) ? &nowhere : &before.address)) < 0)
		return error;
	if (c->dead) { /* an attempt that failed; this is another */
		tcp_receive_end(c);
		forget(c);
	}
	net_leave(e);
	e->local.address = c->route.source;
	e->remote = *name;
	if ((error = choose_names(c, &c->iss)) < 0) {
		e->local = before;
		memset(&e->remote, 0, sizeof(e->remote));
		e->bound = e->bound && net_enter(e) == 0;
		return error;
	}
	e->bound = true;
	c->ts_offset = tcp_timestamp_offset(e->stack, &e->local, &e->remote);
	c->snd_una = c->snd_nxt = c->sacked_end = c->iss;
	c->rcv_nxt = c->rcv_edge = c->ts_recent = c->peer_mss = 0;
	c->rcv_scale = TCP_SCALE;
	c->timestamps = c->sack = true; /* offered */
	c->progress = e->stack->now;
	c->state = TCP_SYN_SENT;
	tcp_mss_set(c);
	tcp_send_syn(c);
	return -EINPROGRESS;
}

/* FIN goes behind what is queued. */
static void end_output(struct tcp *c)
{
	if (c->output_end)
		return;
	c->output_end = true;
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_FIN_WAIT_1;
	else if (c->state == TCP_CLOSE_WAIT)
		c->state = TCP_LAST_ACK;
	tcp_wake(c);
}

/* RFC 9293 3.10.4, RFC 2525 2.17: input that nobody will read means RST, so that the other side learns that it was lost. Linger of no seconds is an abort. */
static void close_endpoint(struct net_endpoint *e)
{
	struct tcp *c = tcp_of(e);

	e->closed = true;
	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN || c->state == TCP_SYN_SENT || c->state == TCP_TIME_WAIT) {
		free_connection(c);
		return;
	}
	if (c->available || !list_empty(&c->ahead) || e->tuning.linger == 1) {
		tcp_send_reset(c);
		free_connection(c);
		return;
	}
	end_output(c);
	tcp_slow_alarm(c);
}

static int shut(struct net_endpoint *e, bool input, bool output)
{
	struct tcp *c = tcp_of(e);

	if (c->state == TCP_LISTEN && input) {
		tcp_listener_end(c);
		c->state = TCP_CLOSED;
		net_leave(e);
		e->bound = false;
		tcp_tell(c, NET_HANGUP | NET_READABLE);
		return 0;
	}
	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN || c->state == TCP_SYN_SENT)
		return -ENOTCONN;
	if (input && !c->input_shut) {
		c->input_shut = true;
		tcp_tell(c, NET_READABLE | NET_INPUT_END);
	}
	if (output && c->state != TCP_TIME_WAIT)
		end_output(c);
	if ((c->input_shut || c->input_end) && c->output_end)
		tcp_tell(c, NET_HANGUP);
	return 0;
}

static uint32_t ready(const struct net_endpoint *e)
{
	const struct tcp *c = tcp_of(e);
	uint32_t what = e->error ? NET_ERROR : 0;

	if (c->state == TCP_LISTEN)
		return what | (list_empty(&c->listener->children) ? 0 : NET_READABLE);
	if (c->state == TCP_CLOSED && !c->dead)
		return what | NET_WRITABLE | NET_HANGUP;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		return what;
	if (!c->dead)
		what |= NET_CONNECTED;
	if (c->available)
		what |= NET_READABLE;
	if (c->input_end || c->input_shut)
		what |= NET_READABLE | NET_INPUT_END;
	if (c->output_end || net_room(e) > (e->tuning.send_size ? e->tuning.send_size : TCP_SEND_DEFAULT) / 3)
		what |= NET_WRITABLE;
	if ((c->input_end || c->input_shut) && c->output_end)
		what |= NET_HANGUP;
	return what;
}

static void changed(struct net_endpoint *e)
{
	struct tcp *c = tcp_of(e);

	if (c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT)
		return;
	c->template.generation = 0;
	tcp_slow_alarm(c);
	tcp_wake(c);
}

void net_abort(struct net_endpoint *e)
{
	struct tcp *c = tcp_of(e);

	if (e->kind == NET_TCP) {
		e->stack->now = e->stack->port.now(e->stack->port.data);
		if (c->state >= TCP_SYN_RECEIVED && c->state != TCP_TIME_WAIT)
			tcp_send_reset(c);
		if (c->state != TCP_LISTEN)
			c->state = TCP_CLOSED;
	}
	net_close(e);
}

void net_tcp_info(const struct net_endpoint *e, struct net_tcp_info *info)
{
	const struct tcp *c = tcp_of(e);

	*info = (struct net_tcp_info) {
		.state = c->state, .rtt_us = (uint32_t)(c->srtt / 1000), .rtt_variance_us = (uint32_t)(c->rttvar / 1000), .rto_us = (uint32_t)(c->rto / 1000),
		.mss = c->mss, .congestion_window = c->cwnd, .slow_start_threshold = c->ssthresh,
		.segment = tcp_segment_room(c), .unacknowledged = c->snd_nxt - c->snd_una, .unsent = tcp_unsent(c), .received = c->available, .retransmitted = c->retransmitted,
	};
}

int tcp_start(struct net_stack *s)
{
	struct tcp_state *t = net_allocate(s, sizeof(*t));

	_Static_assert(sizeof(*t) <= 2048 && sizeof(struct tcp) <= 2048, "one piece of memory each");
	if (!t)
		return -ENOMEM;
	list_init(&t->pending);
	list_init(&t->spares);
	list_init(&t->time_wait);
	s->tcp = t;
	return 0;
}

void tcp_turn(struct net_stack *s)
{
	struct list *pending = &s->tcp->pending;

	while (!list_empty(pending) && !s->full) { /* who found no room has a timer, and then the others go on too */
		struct tcp *c = CONTAINER_OF(pending->next, struct tcp, pending);

		list_remove(&c->pending);
		tcp_output(c);
	}
}

/* After the endpoints have gone. */
void tcp_end(struct net_stack *s)
{
	tcp_records_end(s);
	while (!list_empty(&s->tcp->spares)) {
		struct list *l = s->tcp->spares.next;

		list_remove(l);
		net_free(s, CONTAINER_OF(l, struct tcp_block, link));
	}
	net_free(s, s->tcp);
	s->tcp = NULL;
}

const struct net_kind_ops tcp_ops = {
	.size = sizeof(struct tcp), .start = start, .connect = connect_name, .close = close_endpoint, .end = end, .ready = ready, .shutdown = shut, .changed = changed,
};
