/* What the other side has not of the bytes that we sent: holes between what it has (RFC 2018, RFC 6675).
 *
 * A hole is lost when more than two full segments, or three ranges, behind it have arrived; or when something behind it arrived a quarter of a round trip ago (RFC 8985's reordering window, by holes instead of by segments);
 * or by time-out. A retransmission is lost when what was sent three segments after it, or retransmitted after it, has arrived. What is under way is counted from the holes, so without them it is a subtraction.
 * Without SACK there is at most one hole, the first segment that is not acknowledged (RFC 6582). */
#include <exos/net/tcp.h>

static struct tcp_hole *hole_of(const struct list *l) { return CONTAINER_OF(l, struct tcp_hole, link); }

static void hole_free(struct tcp *c, struct tcp_hole *h)
{
	list_remove(&h->link);
	c->hole_count--;
	net_free(c->e.stack, h);
}

void tcp_holes_end(struct tcp *c)
{
	while (!list_empty(&c->holes))
		hole_free(c, hole_of(c->holes.next));
	c->sacked_end = c->snd_una;
	c->reno_sacked = 0;
}

/* Honest peers get whole segments, so they cannot have more holes than there are segments under way; short ones get some more. */
static bool too_many(const struct tcp *c) { return c->hole_count > 32 + 2 * ((c->snd_nxt - c->snd_una) / c->mss); }

static struct tcp_hole *hole_new(struct tcp *c, struct list *before, uint32_t start, uint32_t end)
{
	struct tcp_hole *h = too_many(c) ? NULL : tcp_allocate(c->e.stack, sizeof(*h));

	if (!h)
		return NULL;
	h->start = h->sent = start;
	h->end = end;
	h->seen = c->e.stack->now;
	list_append(before, &h->link);
	c->hole_count++;
	return h;
}

/* A retransmission has arrived, or what it was a copy of. */
static void filled(struct tcp *c, const struct tcp_hole *h)
{
	if (h->sent != h->start)
		c->resent_delivered = MAX(c->resent_delivered, h->seen);
}

/* The middle of a hole has arrived: what is behind it becomes a hole of its own. False: no memory, it stays one, and a little is sent twice. */
static bool cut_end(struct tcp *c, struct tcp_hole *h, uint32_t end)
{
	struct tcp_hole *rest;

	if (!tcp_before(end, h->end))
		return true;
	rest = hole_new(c, h->link.next, end, h->end);
	if (!rest)
		return false;
	rest->sent = tcp_later(h->sent, end);
	rest->mark = h->mark;
	rest->lost = h->lost;
	rest->seen = h->seen;
	return true;
}

static void arrived(struct tcp *c, struct tcp_hole *h, uint32_t start, uint32_t end)
{
	filled(c, h);
	if (tcp_before(h->start, start)) {
		if (!cut_end(c, h, end))
			return;
		h->end = start;
		h->sent = tcp_before(h->sent, start) ? h->sent : start;
	} else if (tcp_before(end, h->end)) {
		h->start = end;
		h->sent = tcp_later(h->sent, end);
	} else {
		hole_free(c, h);
	}
}

/* The other side has start..end, which is in snd_una..snd_nxt. */
static void has(struct tcp *c, uint32_t start, uint32_t end)
{
	if (tcp_before(c->sacked_end, end)) {
		/* Without memory for the hole we do not know of what is behind it either; another acknowledgement will say so. */
		if (tcp_before(c->sacked_end, start) && !hole_new(c, &c->holes, c->sacked_end, start))
			return;
		c->sacked_end = end;
	}
	LIST_FOR_EACH_SAFE(l, following, &c->holes) {
		struct tcp_hole *h = hole_of(l);

		if (!tcp_before(h->start, end))
			break;
		if (tcp_before(start, h->end))
			arrived(c, h, start, end);
	}
}

/* The ranges in the order of the sequence, as a hole is only made behind the last one. */
void tcp_sacked(struct tcp *c, const struct tcp_segment *g)
{
	uint32_t ranges[4][2], n = 0;

	for (uint32_t i = 0; i < g->sacks && n < ARRAY_LENGTH(ranges); i++) {
		uint32_t start = net_get32(g->sack + 8 * i), end = net_get32(g->sack + 8 * i + 4), k = n;

		/* RFC 2883's reports of duplicates, what is old, and nonsense */
		if (!tcp_before(start, end) || tcp_before(start, c->snd_una) || tcp_before(start, g->ack) || tcp_before(c->snd_nxt, end))
			continue;
		for (; k > 0 && tcp_before(start, ranges[k - 1][0]); k--) {
			ranges[k][0] = ranges[k - 1][0];
			ranges[k][1] = ranges[k - 1][1];
		}
		ranges[k][0] = start;
		ranges[k][1] = end;
		n++;
	}
	for (uint32_t i = 0; i < n; i++)
		has(c, ranges[i][0], ranges[i][1]);
}

void tcp_holes_acknowledged(struct tcp *c)
{
	while (!list_empty(&c->holes) && tcp_before(hole_of(c->holes.next)->start, c->snd_una))
		arrived(c, hole_of(c->holes.next), hole_of(c->holes.next)->start, c->snd_una);
}

void tcp_hole_first(struct tcp *c)
{
	struct tcp_hole *h = list_empty(&c->holes) ? hole_new(c, &c->holes, c->snd_una, c->snd_una + MIN(c->mss, c->snd_nxt - c->snd_una)) : hole_of(c->holes.next);

	if (!h)
		return;
	h->lost = true;
	c->sacked_end = tcp_later(c->sacked_end, h->end);
}

/* A side that does not have its first missing byte as a hole has taken back what it told (RFC 2018 8): then nothing is believed. */
void tcp_holes_lost(struct tcp *c)
{
	struct tcp_hole *h;

	if (!list_empty(&c->holes) ? hole_of(c->holes.next)->start != c->snd_una : c->sacked_end != c->snd_una)
		tcp_holes_end(c);
	c->reno_sacked = 0;
	if (c->sacked_end != c->snd_nxt && hole_new(c, &c->holes, c->sacked_end, c->snd_nxt))
		c->sacked_end = c->snd_nxt;
	LIST_FOR_EACH(l, &c->holes) {
		h = hole_of(l);
		h->lost = true;
		h->sent = h->start;
	}
}

static uint64_t reorder_window(const struct tcp *c) { return MAX(c->srtt / 4, TCP_MILLISECOND); }

/* Was the whole of it sent again, and that lost too? */
static bool lost_again(const struct tcp *c, const struct tcp_hole *h)
{
	if (h->sent != h->end)
		return false;
	if (tcp_before(h->mark + 2 * c->mss, c->sacked_end))
		return true;
	return h->seen < c->resent_delivered && c->e.stack->now - h->seen > c->srtt + reorder_window(c);
}

bool tcp_holes_mark(struct tcp *c)
{
	uint32_t behind = 0, ranges = 0, next = c->sacked_end;
	bool news = false;

	for (struct list *l = c->holes.previous; l != &c->holes; l = l->previous) {
		struct tcp_hole *h = hole_of(l);

		behind += next - h->end;
		ranges += next != h->end;
		next = h->start;
		if (!h->lost && (behind > 2 * c->mss || ranges >= 3 || c->e.stack->now - h->seen >= reorder_window(c))) {
			h->lost = news = true;
		} else if (h->lost && lost_again(c, h)) {
			h->sent = h->start;
			h->seen = c->e.stack->now;
		}
	}
	return news;
}

uint64_t tcp_reorder_due(const struct tcp *c)
{
	uint64_t due = 0;

	LIST_FOR_EACH(l, &c->holes) {
		const struct tcp_hole *h = hole_of(l);

		if (!h->lost && (!due || h->seen + reorder_window(c) < due))
			due = h->seen + reorder_window(c);
	}
	return due;
}

struct tcp_hole *tcp_hole_next(const struct tcp *c)
{
	LIST_FOR_EACH(l, &c->holes)
		if (hole_of(l)->lost && hole_of(l)->sent != hole_of(l)->end)
			return hole_of(l);
	return NULL;
}

bool tcp_hole_again(struct tcp *c)
{
	struct tcp_hole *h = hole_of(c->holes.next);

	if (list_empty(&c->holes) || !h->lost)
		return false;
	h->sent = h->start;
	return true;
}

uint32_t tcp_pipe(const struct tcp *c)
{
	uint32_t pipe = c->snd_nxt - c->sacked_end;

	LIST_FOR_EACH(l, &c->holes) {
		const struct tcp_hole *h = hole_of(l);

		pipe += (h->lost ? 0 : h->end - h->start) + (h->sent - h->start);
	}
	return pipe - MIN(pipe, c->reno_sacked);
}
