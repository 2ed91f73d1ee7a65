/* What TCP does when time has passed: retransmission (RFC 6298), probes of a tail (RFC 8985 7) and of a closed window, delayed acknowledgements, keepalive, and the ends of patience.
 *
 * A connection has one timer for its alarms. It is set for the first of them or sooner: an alarm that moves to later, as they do with every segment, costs a store. */
#include <exos/net/tcp.h>

#define SYN_TRIES    6
#define TRIES        15 /* some 15 minutes (RFC 9293 3.8.3: R2 is at least 100 s) */
#define ORPHAN_TRIES 8
#define PROBES_DEFAULT 9
#define KEEP_IDLE_DEFAULT     7200 /* s (RFC 9293 3.8.4) */
#define KEEP_INTERVAL_DEFAULT 75
#define FIN_WAIT_2_NS    (60 * TCP_SECOND)
#define ACK_DELAY_OTHERS (60 * TCP_MILLISECOND) /* how long other sides delay one, mostly: RFC 8985 7.2 says 200 ms, which is no sooner than a time-out; a probe too many costs a segment */

void tcp_alarm(struct tcp *c, enum tcp_alarm which, uint64_t due)
{
	c->alarms[which] = due;
	if (due && (!c->timer.due || due < c->timer.due))
		net_timer_set(c->e.stack, &c->timer, due);
}

void tcp_wait_for(struct tcp *c, enum tcp_wait wait, uint64_t due)
{
	c->wait = (uint8_t)wait;
	tcp_alarm(c, TCP_ALARM_SEND, due);
}

void tcp_rtt(struct tcp *c, uint64_t rtt)
{
	uint64_t off = rtt > c->srtt ? rtt - c->srtt : c->srtt - rtt;

	if (!c->srtt) {
		c->srtt = MAX(rtt, 1ull);
		c->rttvar = rtt / 2;
	} else {
		c->rttvar = (3 * c->rttvar + off) / 4;
		c->srtt = MAX((7 * c->srtt + rtt) / 8, 1ull);
	}
	c->rto = MIN(MAX(c->srtt + MAX(4 * c->rttvar, TCP_MILLISECOND), TCP_RTO_MIN), TCP_RTO_MAX);
}

/* May a probe ask before the time-out does? Also when all that is missing was sent again: the acknowledgement of what fills a gap is not delayed. */
static bool may_probe(const struct tcp *c)
{
	return c->recovery != TCP_LOSS && c->sack && c->srtt && !c->tail_probed && !tcp_hole_next(c);
}

static void wait_for_acknowledgement(struct tcp *c)
{
	uint64_t now = c->e.stack->now, reorder = c->sack && c->hole_count ? tcp_reorder_due(c) : 0, tail = 2 * c->srtt + 2 * TCP_MILLISECOND;

	if (c->snd_nxt - c->snd_una <= c->mss)
		tail += ACK_DELAY_OTHERS;
	if (reorder)
		tcp_wait_for(c, TCP_WAIT_REORDER, reorder);
	else if (!c->restart && (c->wait == TCP_WAIT_ACK || c->wait == TCP_WAIT_TAIL))
		return;
	else if (tail < c->rto && may_probe(c))
		tcp_wait_for(c, TCP_WAIT_TAIL, now + tail);
	else
		tcp_wait_for(c, TCP_WAIT_ACK, now + c->rto);
}

/* Nothing is under way, and yet there is something to send: the window is closed or too small, or it is kept back. */
static void wait_for_window(struct tcp *c)
{
	uint64_t now = c->e.stack->now;
	bool held = c->snd_window > tcp_unsent(c);

	if (c->wait == TCP_WAIT_DEVICE || (c->wait == TCP_WAIT_WINDOW && !held) || (c->wait == TCP_WAIT_HOLD && held))
		return;
	if (held)
		tcp_wait_for(c, TCP_WAIT_HOLD, now + TCP_HOLD_OFF);
	else
		tcp_wait_for(c, TCP_WAIT_WINDOW, now + MIN(c->rto << MIN(c->closed_probes, 10), TCP_RTO_MAX));
}

void tcp_send_alarm(struct tcp *c)
{
	if (c->snd_nxt != c->snd_una) {
		if (c->wait != TCP_WAIT_DEVICE)
			wait_for_acknowledgement(c);
	} else if (tcp_unsent(c) || (c->output_end && !c->fin_sent)) {
		wait_for_window(c);
	} else {
		tcp_wait_for(c, TCP_WAIT_NONE, 0);
	}
	c->restart = false;
}

static uint64_t user_timeout(const struct tcp *c) { return c->e.tuning.user_timeout * TCP_MILLISECOND; }

/* Is it time to give up on the other side? Then c is gone. */
static bool out_of_patience(struct tcp *c)
{
	uint32_t tries = c->state < TCP_ESTABLISHED ? SYN_TRIES : c->e.closed ? ORPHAN_TRIES : TRIES;

	if (user_timeout(c) ? c->e.stack->now - c->progress < user_timeout(c) : c->tries < tries)
		return false;
	tcp_die(c, c->soft_error ? c->soft_error : ETIMEDOUT);
	return true;
}

static bool timed_out(struct tcp *c)
{
	if (out_of_patience(c))
		return false;
	c->tries += c->tries < UINT8_MAX;
	c->timed = 0;
	c->rto = MIN(2 * c->rto, TCP_RTO_MAX);
	if (c->state < TCP_ESTABLISHED) {
		tcp_send_syn(c);
		return true;
	}
	tcp_congestion_timeout(c);
	c->recovery = TCP_LOSS;
	c->recover = c->snd_nxt;
	c->duplicates = 0;
	tcp_holes_lost(c);
	c->fast = true;
	if (!c->hole_count) /* no memory to note it down */
		tcp_send_data(c, c->snd_una, MIN(c->snd_nxt - c->snd_una, tcp_segment_room(c)));
	return true;
}

/* What was sent last may have got lost, and then nothing behind it tells of that: something new, or the last segment again, asks. */
static void probe_tail(struct tcp *c)
{
	uint32_t last = MIN(c->snd_nxt - c->snd_una, tcp_segment_room(c)), edge = c->snd_una + c->snd_window;
	uint32_t fresh = MIN(tcp_unsent(c), tcp_segment_room(c));

	c->tail_probed = true;
	if (tcp_hole_again(c))
		c->fast = true;
	else if (fresh && !tcp_before(edge, c->snd_nxt + fresh))
		tcp_send_data(c, c->snd_nxt, fresh);
	else
		tcp_send_data(c, c->snd_nxt - last, last);
}

/* RFC 9293 3.8.6.1; probes never stop as long as they are answered, which sets tries to 0. False: c is gone. */
static bool window_still_closed(struct tcp *c)
{
	if (c->snd_window) { /* small: the sender's silly window has lasted long enough */
		c->force = true;
		return true;
	}
	if (out_of_patience(c))
		return false;
	c->tries += c->tries < UINT8_MAX;
	c->closed_probes += c->closed_probes < UINT8_MAX;
	tcp_probe(c);
	return true;
}

/* False: c is gone. */
static bool send_alarm(struct tcp *c)
{
	enum tcp_wait wait = c->wait;

	c->wait = TCP_WAIT_NONE;
	if ((wait == TCP_WAIT_ACK && !timed_out(c)) || (wait == TCP_WAIT_WINDOW && !window_still_closed(c)))
		return false;
	if (wait == TCP_WAIT_TAIL)
		probe_tail(c);
	else if (wait == TCP_WAIT_REORDER)
		tcp_missing(c);
	else if (wait == TCP_WAIT_HOLD)
		c->force = true;
	tcp_wake(c);
	return true;
}

static uint64_t keep_due(const struct tcp *c)
{
	uint64_t idle = c->e.tuning.keep_idle ? c->e.tuning.keep_idle : KEEP_IDLE_DEFAULT, interval = c->e.tuning.keep_interval ? c->e.tuning.keep_interval : KEEP_INTERVAL_DEFAULT;

	return c->heard + (idle + c->probes * interval) * TCP_SECOND;
}

void tcp_slow_alarm(struct tcp *c)
{
	if (c->e.closed && c->state == TCP_FIN_WAIT_2)
		tcp_alarm(c, TCP_ALARM_SLOW, c->heard + FIN_WAIT_2_NS);
	else if (c->e.flags & NET_KEEPALIVE && c->state >= TCP_ESTABLISHED)
		tcp_alarm(c, TCP_ALARM_SLOW, keep_due(c));
	else
		tcp_alarm(c, TCP_ALARM_SLOW, 0);
}

/* The other side has been silent. False: c is gone. */
static bool keep_alive(struct tcp *c)
{
	uint32_t count = c->e.tuning.keep_count ? c->e.tuning.keep_count : PROBES_DEFAULT;

	if (user_timeout(c) ? c->probes && c->e.stack->now - c->heard >= user_timeout(c) : c->probes >= count) {
		tcp_send_reset(c);
		tcp_die(c, c->soft_error ? c->soft_error : ETIMEDOUT);
		return false;
	}
	if (c->snd_nxt == c->snd_una) /* else retransmission asks */
		tcp_probe(c);
	c->probes++;
	return true;
}

static bool slow_alarm(struct tcp *c)
{
	uint64_t now = c->e.stack->now;

	if (c->e.closed && c->state == TCP_FIN_WAIT_2) {
		if (now - c->heard >= FIN_WAIT_2_NS) {
			tcp_die(c, 0);
			return false;
		}
	} else if (c->e.flags & NET_KEEPALIVE && now >= keep_due(c) && !keep_alive(c)) {
		return false;
	}
	tcp_slow_alarm(c);
	return true;
}

static bool due(struct tcp *c, enum tcp_alarm which)
{
	if (!c->alarms[which] || c->alarms[which] > c->e.stack->now)
		return false;
	c->alarms[which] = 0;
	return true;
}

void tcp_expired(struct net_timer *t)
{
	struct tcp *c = CONTAINER_OF(t, struct tcp, timer);

	if (due(c, TCP_ALARM_ACK) && c->ack_later) {
		c->ack_now = true;
		tcp_wake(c);
	}
	if (due(c, TCP_ALARM_SEND) && !send_alarm(c))
		return;
	if (due(c, TCP_ALARM_SLOW) && !slow_alarm(c))
		return;
	for (uint32_t i = 0; i < TCP_ALARMS; i++)
		tcp_alarm(c, i, c->alarms[i]);
}
