/* What users write and read (RFC 9293 3.9.1 SEND, RECEIVE). */
#include <exos/net/tcp.h>

static uint32_t send_size(const struct tcp *c) { return c->e.tuning.send_size ? c->e.tuning.send_size : TCP_SEND_DEFAULT; }

uint32_t net_room(const struct net_endpoint *e)
{
	const struct tcp *c = tcp_of(e);

	if ((c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT) || c->queued >= send_size(c))
		return 0;
	return send_size(c) - c->queued;
}

static int why_not(const struct tcp *c)
{
	if (c->output_end || c->dead)
		return -EPIPE;
	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN)
		return -ENOTCONN;
	return -EAGAIN;
}

int net_write(struct net_endpoint *e, struct net_piece *piece, bool more)
{
	struct tcp *c = tcp_of(e);

	if (!net_room(e)) {
		c->was_full = true;
		return why_not(c);
	}
	c->more = more;
	tcp_wake(c);
	if (!piece->length) {
		piece->release(piece);
		return 0;
	}
	if (!c->queued)
		c->progress = e->stack->now;
	list_append(&c->queue, &piece->link);
	c->queued += piece->length;
	if (!c->next) {
		c->next = piece;
		c->next_skip = 0;
	}
	if (c->queued >= send_size(c))
		c->was_full = true;
	return 0;
}

uint32_t net_peek(const struct net_endpoint *e, uint32_t skip, const uint8_t **data)
{
	const struct tcp *c = tcp_of(e);

	LIST_FOR_EACH(l, &c->blocks) {
		const struct tcp_block *b = CONTAINER_OF(l, struct tcp_block, link);

		if (skip < b->end - b->first) {
			*data = b->data + b->first + skip;
			return b->end - b->first - skip;
		}
		skip -= b->end - b->first;
	}
	return 0;
}

/* The buffer grows when the user reads more in a round trip than half of it: then it is the window that holds the other side back (as in dynamic right-sizing, Fisk and Feng 2001). */
static void grow(struct tcp *c, uint32_t n)
{
	uint64_t now = c->e.stack->now;

	c->consumed += n;
	if (now - c->round_began < MAX(c->srtt, TCP_MILLISECOND))
		return;
	if (!c->e.tuning.receive_size && c->consumed > c->receive_size / 2 && c->consumed > c->consumed_round)
		c->receive_size = MIN(c->receive_size * 2, (uint32_t)TCP_RECEIVE_MAX);
	c->consumed_round = c->consumed;
	c->consumed = 0;
	c->round_began = now;
}

/* Tells the other side of more room when it is worth a segment: half the buffer, or two full ones when it had less than half (RFC 9293 3.8.6.2.2). */
static void offer(struct tcp *c)
{
	uint32_t size = tcp_receive_size(c), offered = c->rcv_edge - c->rcv_nxt, room = size - MIN(c->available, size);

	if (c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT || c->input_end || room <= offered)
		return;
	if (room - offered >= size / 2 || (room - offered >= 2 * c->mss && offered < size / 2)) {
		c->ack_now = true;
		tcp_wake(c);
	}
}

void net_consume(struct net_endpoint *e, uint32_t n)
{
	struct tcp *c = tcp_of(e);

	n = MIN(n, c->available);
	c->available -= n;
	grow(c, n);
	while (n) {
		struct tcp_block *b = CONTAINER_OF(c->blocks.next, struct tcp_block, link);
		uint32_t part = MIN(n, b->end - b->first);

		b->first += part;
		b->seq += part;
		n -= part;
		if (b->first == b->end) {
			list_remove(&b->link);
			tcp_block_free(e->stack, b);
		}
	}
	offer(c);
}

uint32_t net_available(const struct net_endpoint *e) { return tcp_of(e)->available; }
