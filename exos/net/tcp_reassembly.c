/* The bytes that have come: in order for the user, or ahead of a gap (RFC 9293 3.10.7.4, RFC 2018).
 *
 * Both are queues of blocks; when a gap closes, what was ahead moves over without being copied again. A block has at most 2048 bytes with its header. Small segments get small blocks, and those ahead of a gap may take
 * no more memory than twice the receive buffer, so that somebody who sends single bytes with gaps between them does not get more out of us than one who sends honestly. */
#include <exos/net/tcp.h>

static struct tcp_block *block_of(const struct list *l) { return CONTAINER_OF(l, struct tcp_block, link); }
static uint32_t length_of(const struct tcp_block *b) { return b->end - b->first; }
static uint32_t end_of(const struct tcp_block *b) { return b->seq + length_of(b); }

static struct tcp_block *block_new(struct tcp *c, uint32_t seq, uint32_t room)
{
	struct net_stack *s = c->e.stack;
	struct tcp_state *t = s->tcp;
	struct tcp_block *b;

	if (room == TCP_BLOCK_ROOM && t->spare_count) {
		b = block_of(t->spares.next);
		list_remove(&b->link);
		t->spare_count--;
	} else {
		b = tcp_allocate(s, sizeof(*b) + room);
	}
	if (!b) {
		s->counters.no_memory++;
		return NULL;
	}
	b->seq = seq;
	b->first = b->end = 0;
	b->room = room;
	return b;
}

void tcp_block_free(struct net_stack *s, struct tcp_block *b)
{
	if (b->room == TCP_BLOCK_ROOM && s->tcp->spare_count < TCP_SPARES) {
		list_append(&s->tcp->spares, &b->link);
		s->tcp->spare_count++;
	} else {
		net_free(s, b);
	}
}

static void free_all(struct net_stack *s, struct list *blocks)
{
	while (!list_empty(blocks)) {
		struct list *l = blocks->next;

		list_remove(l);
		tcp_block_free(s, block_of(l));
	}
}

void tcp_receive_end(struct tcp *c)
{
	free_all(c->e.stack, &c->blocks);
	free_all(c->e.stack, &c->ahead);
	c->available = c->ahead_memory = 0;
}

uint32_t tcp_receive_size(const struct tcp *c)
{
	return c->e.tuning.receive_size ? MIN(MAX(c->e.tuning.receive_size, 2048u), (uint32_t)TCP_RECEIVE_MAX) : c->receive_size;
}

uint32_t tcp_window(const struct tcp *c)
{
	uint32_t size = tcp_receive_size(c), room = size - MIN(c->available, size), offered = c->rcv_edge - c->rcv_nxt;
	uint32_t most = 65535u << c->rcv_scale, unit = 1u << c->rcv_scale;

	if (c->input_shut)
		room = size;
	/* Small steps are not worth telling (RFC 9293 3.8.6.2.2). What was offered stays so: rcv_edge does not go back, though here it may look a unit smaller (RFC 7323 2.4). Rounded up it would creep on with each segment. */
	if (room <= offered || room - offered < MIN(size / 2, c->mss))
		room = offered;
	return MIN(ROUND_DOWN(room, unit), most);
}

/* Appends what is next; returns how much there was memory for. */
static uint32_t append(struct tcp *c, const uint8_t *data, uint32_t length)
{
	uint32_t done = 0;

	while (done < length) {
		struct tcp_block *b = list_empty(&c->blocks) ? NULL : block_of(c->blocks.previous);
		uint32_t left = length - done, n;

		if (!b || b->end == b->room) {
			b = block_new(c, c->rcv_nxt + done, !b && left <= 512 - sizeof(*b) ? 512 - (uint32_t)sizeof(*b) : TCP_BLOCK_ROOM);
			if (!b)
				break;
			list_append(&c->blocks, &b->link);
		}
		n = MIN(left, b->room - b->end);
		memcpy(b->data + b->end, data + done, n);
		b->end += n;
		done += n;
	}
	c->available += done;
	return done;
}

/* What was ahead is now in order: small blocks do not stay alone. */
static void hand_over(struct tcp *c, struct tcp_block *b)
{
	struct tcp_block *last = list_empty(&c->blocks) ? NULL : block_of(c->blocks.previous);

	if (c->input_shut) {
		tcp_block_free(c->e.stack, b);
		return;
	}
	c->available += length_of(b);
	if (!last || last->room - last->end < length_of(b)) {
		list_append(&c->blocks, &b->link);
		return;
	}
	memcpy(last->data + last->end, b->data + b->first, length_of(b));
	last->end += length_of(b);
	tcp_block_free(c->e.stack, b);
}

/* The gap before what is ahead is closed, perhaps. Returns how far rcv_nxt goes on from `next`. */
static uint32_t join(struct tcp *c, uint32_t next)
{
	uint32_t start = next;

	while (!list_empty(&c->ahead) && !tcp_before(next, block_of(c->ahead.next)->seq)) {
		struct tcp_block *b = block_of(c->ahead.next);
		uint32_t old = next - b->seq;

		list_remove(&b->link);
		c->ahead_memory -= b->room + (uint32_t)sizeof(*b);
		if (old >= length_of(b)) {
			tcp_block_free(c->e.stack, b);
			continue;
		}
		b->first += old;
		b->seq += old;
		next += length_of(b);
		hand_over(c, b);
	}
	return next - start;
}

static void remember(struct tcp *c, uint32_t seq)
{
	for (uint32_t i = TCP_RECENT - 1; i > 0; i--)
		c->recent[i] = c->recent[i - 1];
	c->recent[0] = seq;
}

/* A range that overlaps none that is there, behind `after`. Returns how much of it there was memory for. */
static uint32_t add_range(struct tcp *c, struct list *after, uint32_t seq, const uint8_t *data, uint32_t length)
{
	struct tcp_block *b = after == &c->ahead ? NULL : block_of(after);
	uint32_t size = length <= 512 - sizeof(*b) ? 512 : 2048; /* not smaller: that would make long lists of small change */

	if (b && end_of(b) == seq && b->room - b->end >= length) {
		memcpy(b->data + b->end, data, length);
		b->end += length;
		return length;
	}
	if (c->ahead_memory + size > 2 * tcp_receive_size(c))
		return 0;
	b = block_new(c, seq, size - (uint32_t)sizeof(*b));
	if (!b)
		return 0;
	length = MIN(length, b->room); /* jumbo frames take more than one */
	memcpy(b->data, data, length);
	b->end = length;
	list_append(after->next, &b->link); /* before the next, that is */
	c->ahead_memory += size;
	return length;
}

/* Puts a range ahead of a gap between those that are there; bytes that are there already stay as they came first. */
static void add_ahead(struct tcp *c, uint32_t seq, const uint8_t *data, uint32_t length)
{
	struct list *after = c->ahead.previous; /* most are behind all others */

	while (after != &c->ahead && tcp_before(seq, block_of(after)->seq))
		after = after->previous;
	remember(c, seq);
	while (length) {
		uint32_t done;

		if (after != &c->ahead && tcp_before(seq, end_of(block_of(after)))) {
			done = MIN(length, end_of(block_of(after)) - seq);
		} else if (after->next != &c->ahead && seq == block_of(after->next)->seq) {
			after = after->next;
			continue;
		} else {
			done = add_range(c, after, seq, data, after->next == &c->ahead ? length : MIN(length, block_of(after->next)->seq - seq));
			if (!done)
				return;
			if (after->next != &c->ahead && tcp_before(block_of(after->next)->seq, seq + done))
				after = after->next; /* the one that is new */
		}
		seq += done;
		data += done;
		length -= done;
	}
}

uint32_t tcp_receive(struct tcp *c, uint32_t seq, const uint8_t *data, uint32_t length)
{
	uint32_t done;

	if (seq != c->rcv_nxt) {
		add_ahead(c, seq, data, length);
		return 0;
	}
	done = c->input_shut ? length : append(c, data, length);
	if (done == length && !list_empty(&c->ahead))
		done += join(c, c->rcv_nxt + done);
	return done;
}

/* The contiguous range that has seq. */
static bool range_with(const struct tcp *c, uint32_t seq, uint32_t range[2])
{
	bool in = false;

	range[0] = range[1] = 0;
	LIST_FOR_EACH(l, &c->ahead) {
		const struct tcp_block *b = block_of(l);

		if (l == c->ahead.next || b->seq != range[1]) {
			if (in)
				break;
			range[0] = b->seq;
		}
		range[1] = end_of(b);
		in |= !tcp_before(seq, b->seq) && tcp_before(seq, range[1]);
	}
	return in;
}

/* The range that has the latest segment first, then those told of before (RFC 2018 4). There is something ahead, so there is at least one. */
uint32_t tcp_sack_ranges(const struct tcp *c, uint32_t (*ranges)[2], uint32_t room)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < TCP_RECENT && count < room; i++) {
		bool news = range_with(c, c->recent[i], ranges[count]);

		for (uint32_t k = 0; k < count; k++)
			news &= ranges[k][0] != ranges[count][0];
		count += news;
	}
	if (!count)
		count = range_with(c, block_of(c->ahead.next)->seq, ranges[0]);
	return count;
}
