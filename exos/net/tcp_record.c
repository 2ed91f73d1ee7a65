/* Records of half-open connections and of those in TIME_WAIT, by their names: a hash table that grows by a bucket at a time (linear hashing, Litwin 1980), so that no insertion takes long. The hash is keyed:
 * nobody outside can make one chain long. */
#include <exos/net/tcp.h>

static struct tcp_record **bucket_at(const struct tcp_state *t, uint32_t n) { return &t->leaves[n / TCP_LEAF][n % TCP_LEAF]; }

static uint32_t hash_of(const struct net_stack *s, const struct net_name *local, const struct net_name *remote) { return (uint32_t)net_hash(s, local, remote, 0x7265636f7264); }

static uint32_t power_below(uint32_t n) { return 1u << (31 - __builtin_clz(n)); }

static struct tcp_record **bucket_of(const struct tcp_state *t, uint32_t hash)
{
	uint32_t power = power_below(t->buckets), n = hash & (2 * power - 1);

	return bucket_at(t, n < t->buckets ? n : n - power);
}

static bool leaf_for(struct net_stack *s, uint32_t n)
{
	struct tcp_record ***leaf = &s->tcp->leaves[n / TCP_LEAF];

	if (!*leaf)
		*leaf = net_allocate(s, TCP_LEAF * sizeof(**leaf));
	return *leaf;
}

/* One more bucket, which takes its share of an older one's. Without memory the chains get longer. */
static void split(struct net_stack *s)
{
	struct tcp_state *t = s->tcp;
	struct tcp_record **from, **to;

	if (t->records < t->buckets || t->buckets == TCP_LEAVES * TCP_LEAF || !leaf_for(s, t->buckets))
		return;
	from = bucket_at(t, t->buckets - power_below(t->buckets));
	to = bucket_at(t, t->buckets);
	t->buckets++;
	while (*from) {
		struct tcp_record *r = *from;

		if (bucket_of(t, r->hash) != to) {
			from = &r->next;
			continue;
		}
		*from = r->next;
		r->next = *to;
		*to = r;
	}
}

struct tcp_record *tcp_record_find(struct net_stack *s, const struct net_name *local, const struct net_name *remote)
{
	struct tcp_state *t = s->tcp;
	struct tcp_record *r;
	uint32_t hash;

	if (!t->records)
		return NULL;
	hash = hash_of(s, local, remote);
	for (r = *bucket_of(t, hash); r; r = r->next)
		if (r->hash == hash && r->local.port == local->port && r->remote.port == remote->port && memcmp(&r->local.address, &local->address, sizeof(local->address)) == 0 &&
			memcmp(&r->remote.address, &remote->address, sizeof(remote->address)) == 0)
			return r;
	return NULL;
}

struct tcp_record *tcp_record_new(struct net_stack *s, const struct net_name *local, const struct net_name *remote)
{
	struct tcp_state *t = s->tcp;
	struct tcp_record *r = tcp_allocate(s, sizeof(*r)), **bucket;

	if (!r || !leaf_for(s, 0)) {
		if (r)
			net_free(s, r);
		s->counters.no_memory++;
		return NULL;
	}
	t->buckets = MAX(t->buckets, (uint32_t)TCP_LEAF);
	split(s);
	r->stack = s;
	r->local = *local;
	r->remote = *remote;
	r->hash = hash_of(s, local, remote);
	r->began = s->now;
	list_init(&r->order);
	bucket = bucket_of(t, r->hash);
	r->next = *bucket;
	*bucket = r;
	t->records++;
	return r;
}

void tcp_record_free(struct tcp_record *r)
{
	struct net_stack *s = r->stack;
	struct tcp_record **place = bucket_of(s->tcp, r->hash);

	while (*place != r)
		place = &(*place)->next;
	*place = r->next;
	s->tcp->records--;
	if (r->listener)
		r->listener->listener->half_open--;
	net_timer_clear(s, &r->timer);
	list_remove(&r->order);
	net_free(s, r);
}

/* After the listeners. */
void tcp_records_end(struct net_stack *s)
{
	while (tcp_time_wait_drop_oldest(s))
		;
	for (uint32_t i = 0; i < TCP_LEAVES; i++)
		if (s->tcp->leaves[i])
			net_free(s, s->tcp->leaves[i]);
}

bool tcp_time_wait_drop_oldest(struct net_stack *s)
{
	struct list *l = &s->tcp->time_wait;

	if (list_empty(l))
		return false;
	tcp_record_free(CONTAINER_OF(l->next, struct tcp_record, order));
	return true;
}

static void time_is_up(struct net_timer *t) { tcp_record_free(CONTAINER_OF(t, struct tcp_record, timer)); }

static void wait(struct tcp_record *r)
{
	struct net_stack *s = r->stack;

	list_remove(&r->order);
	list_append(&s->tcp->time_wait, &r->order);
	net_timer_set(s, &r->timer, s->now + TCP_TIME_WAIT_NS);
}

/* Without memory for it there is none: an old segment may then meet a new connection, which its sequence numbers and timestamps refuse all the same. */
void tcp_time_wait_add(struct tcp *c)
{
	struct tcp_record *r = tcp_record_new(c->e.stack, &c->e.local, &c->e.remote);

	if (!r)
		return;
	r->snd_nxt = c->snd_nxt;
	r->rcv_nxt = c->rcv_nxt;
	r->timestamps = c->timestamps;
	r->ts_recent = c->ts_recent;
	r->ts_offset = c->ts_offset;
	r->window = (c->rcv_edge - c->rcv_nxt) >> c->rcv_scale;
	r->timer.expired = time_is_up;
	wait(r);
}

static void answer(struct tcp_record *r)
{
	uint8_t options[TCP_OPTIONS_MAX];
	uint32_t n = r->timestamps ? tcp_put_timestamps(options, tcp_clock(r->stack) + r->ts_offset, r->ts_recent) : 0;

	tcp_send_bare(r->stack, &r->local, &r->remote, r->snd_nxt, r->rcv_nxt, TCP_ACK, r->window, options, n);
}

/* RFC 9293 3.10.7.4 and 3.6.1, RFC 6191; RST does not end it early (RFC 1337). */
bool tcp_time_wait_input(struct tcp_record *r, const struct tcp_segment *g)
{
	bool timestamps = r->timestamps && g->has_timestamps && g->tsval != r->ts_recent, later = timestamps ? tcp_before(r->ts_recent, g->tsval) : tcp_before(r->rcv_nxt, g->seq);

	if (g->flags & TCP_RST)
		return true;
	if ((g->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && later) {
		tcp_record_free(r);
		return false;
	}
	if (g->flags & TCP_FIN && g->seq + tcp_span(g) == r->rcv_nxt)
		wait(r);
	if (tcp_span(g)) /* an acknowledgement alone is never answered: two ends that wait with different numbers would not stop */
		answer(r);
	return true;
}
