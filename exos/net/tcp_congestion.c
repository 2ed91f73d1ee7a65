/* How much may be under way: CUBIC (RFC 9438) with an initial window of ten segments (RFC 6928), in integers.
 *
 * Windows are in bytes, times in 1/1024 s: W_cubic(t) = 0.4 (t - K)^3 + W_max, with segments and seconds, is 0.4 mss (t - K)^3 / 2^30 + W_max. */
#include <exos/net/tcp.h>

#define WINDOW_MAX (1u << 30)

static uint32_t initial_window(const struct tcp *c) { return MIN(10 * c->mss, MAX(2 * c->mss, 14600u)); }

void tcp_congestion_start(struct tcp *c)
{
	c->cwnd = c->tries > 1 ? c->mss : initial_window(c); /* a SYN that was lost more than once tells of a bad path (RFC 6928 2) */
	c->ssthresh = WINDOW_MAX;
	memset(&c->cubic, 0, sizeof(c->cubic));
}

/* Three bits at a time, from the top (after Warren, Hacker's Delight 11-2). */
static uint32_t cube_root(uint64_t x)
{
	uint64_t y = 0;

	for (int s = 63; s >= 0; s -= 3) {
		uint64_t b;

		y += y;
		b = 3 * y * (y + 1) + 1;
		if (x >> s >= b) {
			x -= b << s;
			y++;
		}
	}
	return (uint32_t)y;
}

static void begin_epoch(struct tcp *c)
{
	struct tcp_cubic *q = &c->cubic;

	q->epoch = c->e.stack->now;
	q->reno = c->cwnd;
	q->credit = q->reno_credit = 0;
	q->peak = MAX(q->peak, c->cwnd);
	q->k = cube_root((uint64_t)((q->peak - c->cwnd) / c->mss) * (10ull << 30) / 4);
}

/* Where the window should be a round trip from now, at most half as much again (RFC 9438 4.2). */
static uint32_t target(const struct tcp *c)
{
	const struct tcp_cubic *q = &c->cubic;
	uint64_t t = (c->e.stack->now - q->epoch + c->srtt) / (TCP_SECOND / 1024);
	uint64_t d = MIN(t > q->k ? t - q->k : q->k - t, 1ull << 17), step = ((d * d * d >> 10) * c->mss >> 20) * 4 / 10;
	uint64_t w = t > q->k ? q->peak + step : q->peak - MIN(step, q->peak);

	return (uint32_t)MIN(MAX(w, c->cwnd), (uint64_t)c->cwnd + c->cwnd / 2);
}

/* What Reno would have by now, for paths where it is the faster (RFC 9438 4.3): alpha is 9/17 until it has what it had before, then 1. */
static void reno(struct tcp *c, uint32_t bytes)
{
	struct tcp_cubic *q = &c->cubic;
	uint64_t alpha17 = q->reno < q->peak ? 9 : 17, whole = 17ull * c->cwnd, step;

	q->reno_credit += alpha17 * c->mss * bytes;
	step = q->reno_credit / whole;
	q->reno_credit -= step * whole;
	q->reno += (uint32_t)MIN(step, c->mss);
}

/* Grows only while it is the window that holds output back (RFC 7661's concern): one that was never used tells nothing of the path. */
void tcp_congestion_acked(struct tcp *c, uint32_t bytes)
{
	struct tcp_cubic *q = &c->cubic;
	uint64_t step;

	if (!c->full || c->recovery == TCP_RECOVERY)
		return;
	if (c->cwnd < c->ssthresh) {
		c->cwnd = MIN(c->cwnd + bytes, WINDOW_MAX);
		return;
	}
	if (!q->epoch)
		begin_epoch(c);
	q->credit += (uint64_t)(target(c) - c->cwnd) * bytes;
	step = q->credit / c->cwnd;
	q->credit -= step * c->cwnd;
	reno(c, bytes);
	c->cwnd = MIN(MAX(c->cwnd + (uint32_t)MIN(step, bytes), q->reno), WINDOW_MAX);
}

static void reduce(struct tcp *c)
{
	struct tcp_cubic *q = &c->cubic;
	uint32_t w = c->cwnd;

	q->peak = w < q->peak ? w / 20 * 17 : w; /* fast convergence (RFC 9438 4.7): who could not come back to where it was gives room to others */
	q->epoch = 0;
	c->ssthresh = MAX(w / 10 * 7, 2 * c->mss); /* beta_cubic = 0.7 */
}

void tcp_congestion_lost(struct tcp *c)
{
	reduce(c);
	c->cwnd = c->ssthresh;
}

void tcp_congestion_timeout(struct tcp *c)
{
	if (c->recovery != TCP_LOSS)
		reduce(c);
	c->cwnd = c->mss;
}

/* After a pause the path may be another one (RFC 5681 4.1). */
void tcp_congestion_idle(struct tcp *c)
{
	c->cwnd = MIN(c->cwnd, initial_window(c));
	c->cubic.epoch = 0;
}
