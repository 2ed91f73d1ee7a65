/* What acknowledgements do (RFC 9293 3.10.7.4, fifth; RFC 5681; RFC 6582; RFC 6675). */
#include <exos/net/tcp.h>

bool tcp_all_acknowledged(const struct tcp *c) { return c->fin_sent && c->snd_una == c->snd_nxt; }

static void recovery_begin(struct tcp *c)
{
	tcp_congestion_lost(c);
	c->recovery = TCP_RECOVERY;
	c->recover = c->snd_nxt;
	c->fast = true;
}

void tcp_missing(struct tcp *c)
{
	if (tcp_holes_mark(c) && c->recovery == TCP_OPEN)
		recovery_begin(c);
}

/* By the segment that was timed; after a retransmission by the echo of a timestamp, as coarse as that is (RFC 6298 3, RFC 7323 4). */
static void sample(struct tcp *c, const struct tcp_segment *g)
{
	uint32_t age = tcp_clock(c->e.stack) + c->ts_offset - g->tsecr;

	if (c->timed && !tcp_before(g->ack, c->timed_seq)) {
		tcp_rtt(c, c->e.stack->now - c->timed);
		c->timed = 0;
	} else if (!c->timed && c->timestamps && g->has_timestamps && ((uint64_t)age << 20) < TCP_RTO_MAX) {
		tcp_rtt(c, (uint64_t)MAX(age, 1u) << 20);
	}
}

static void release(struct tcp *c, uint32_t bytes)
{
	c->queued -= bytes;
	c->head_skip += bytes;
	while (!list_empty(&c->queue)) {
		struct net_piece *p = CONTAINER_OF(c->queue.next, struct net_piece, link);

		if (c->head_skip < p->length)
			break;
		c->head_skip -= p->length;
		list_remove(&p->link);
		p->release(p);
	}
	if (c->was_full && net_room(&c->e) > (c->queued + net_room(&c->e)) / 3) {
		c->was_full = false;
		tcp_tell(c, NET_WRITABLE);
	}
}

/* An acknowledgement in recovery: of all that was under way when it began, or of a part. */
static void recovery_advance(struct tcp *c, uint32_t bytes)
{
	if (!tcp_before(c->snd_una, c->recover)) {
		if (c->recovery == TCP_RECOVERY && !c->sack) /* no burst (RFC 6582 3.2, 3) */
			c->cwnd = MIN(c->ssthresh, MAX(c->snd_nxt - c->snd_una, c->mss) + c->mss);
		c->recovery = TCP_OPEN;
		c->reno_sacked = 0;
	} else if (c->recovery == TCP_RECOVERY && !c->sack) {
		c->reno_sacked -= MIN(c->reno_sacked, bytes);
		tcp_hole_first(c);
		c->fast = true;
	}
}

void tcp_advance(struct tcp *c, const struct tcp_segment *g)
{
	uint32_t bytes = g->ack - c->snd_una;

	sample(c, g);
	c->snd_una = g->ack;
	bytes -= c->fin_sent && c->snd_una == c->snd_nxt; /* FIN is no byte of the queue */
	c->sacked_end = tcp_later(c->sacked_end, c->snd_una);
	if (c->hole_count)
		tcp_holes_acknowledged(c);
	c->tries = 0;
	c->progress = c->e.stack->now;
	c->restart = true;
	c->tail_probed = false;
	c->duplicates = 0;
	c->soft_error = 0;
	if (c->recovery == TCP_OPEN)
		c->reno_sacked = 0;
	else
		recovery_advance(c, bytes);
	tcp_congestion_acked(c, bytes);
	release(c, bytes);
	tcp_wake(c);
}

/* The third of a kind tells that a segment is missing (RFC 5681 3.2); each tells that one has left the network. */
static void duplicate(struct tcp *c)
{
	if (c->recovery == TCP_LOSS)
		return;
	c->reno_sacked = MIN(c->reno_sacked + c->mss, c->snd_nxt - c->snd_una);
	c->duplicates += c->duplicates < UINT8_MAX;
	tcp_wake(c);
	if (c->duplicates != 3 || c->recovery != TCP_OPEN)
		return;
	tcp_hole_first(c);
	recovery_begin(c);
}

/* True: it says something new. */
static bool window_update(struct tcp *c, const struct tcp_segment *g)
{
	uint32_t window = g->window << c->snd_scale;

	if (tcp_before(g->seq, c->snd_wl1) || (g->seq == c->snd_wl1 && tcp_before(g->ack, c->snd_wl2)))
		return false;
	c->snd_field = g->window;
	c->snd_window_max = MAX(c->snd_window_max, window);
	c->snd_wl1 = g->seq;
	c->snd_wl2 = g->ack;
	if (window == c->snd_window)
		return false;
	if (window > c->snd_window && c->wait == TCP_WAIT_WINDOW)
		c->wait = TCP_WAIT_NONE;
	if (window)
		c->closed_probes = 0;
	c->snd_window = window;
	tcp_wake(c);
	return true;
}

bool tcp_ack(struct tcp *c, const struct tcp_segment *g)
{
	bool news;

	/* RFC 5961 5: what acknowledges the future or the distant past is not from the other side. */
	if (tcp_before(c->snd_nxt, g->ack) || tcp_before(g->ack, c->snd_una - MAX(c->snd_window_max, 65535u))) {
		if (tcp_challenge(c))
			c->ack_now = true;
		return false;
	}
	if (c->sack && g->sacks)
		tcp_sacked(c, g);
	news = window_update(c, g);
	if (!c->snd_window)
		c->tries = 0; /* its probes are answered */
	if (tcp_before(c->snd_una, g->ack))
		tcp_advance(c, g);
	else if (!c->sack && g->ack == c->snd_una && c->snd_nxt != c->snd_una && !tcp_span(g) && !news)
		duplicate(c);
	if (c->hole_count && c->sack) {
		tcp_missing(c);
		tcp_wake(c);
	}
	return true;
}
