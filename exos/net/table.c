/* Endpoints by their names, and by tags. Domain lock, or whatever guards the stack, held.
 *
 * A table has two hashes: of both names (an endpoint without a remote name: of its local port alone), by which packets find theirs, and of the local port, by which it is found out whether a name is free. */
#include <exos/net/ip.h>

#define PIECE 2048 /* bytes of the port's memory */
#define PIECE_BUCKETS (uint32_t)(PIECE / sizeof(struct list))
#define PIECES_MAX (uint32_t)(PIECE / sizeof(void *))
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_COUNT 28232

static struct net_table *table_of(struct net_stack *s, uint8_t kind)
{
	return &s->tables[kind == NET_TCP ? 0 : kind == NET_UDP ? 1 : kind == NET_ICMP ? 2 : 3];
}

/* Keyed, so that nobody can make many names fall into one bucket; a fraction of what SipHash costs, and nothing of it is to be seen outside. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_names(const struct net_stack *s, const struct net_name *local, const struct net_name *remote)
{
	const net_word *l = (const net_word *)local->address.bytes, *r = (const net_word *)remote->address.bytes;
	uint64_t ports = (uint64_t)local->port << 16 | remote->port;

	if (!remote->port)
		return mix(local->port ^ s->secret[0], s->secret[1] | 1);
	return mix(mix(l[0] ^ s->secret[0], l[1] ^ s->secret[1]) ^ r[0] ^ ports, r[1] ^ s->secret[0] ^ (s->secret[1] << 1 | 1));
}
static uint64_t hash_port(const struct net_stack *s, uint16_t port) { return mix(port ^ s->secret[1], s->secret[0] | 1); }

static struct list *bucket(const struct net_buckets *b, uint64_t hash)
{
	uint32_t n = (uint32_t)hash & (b->size - 1);

	return b->size ? &b->pieces[n / PIECE_BUCKETS][n % PIECE_BUCKETS] : NULL;
}

static void buckets_free(struct net_stack *s, struct net_buckets *b)
{
	for (uint32_t i = 0; i < b->size / PIECE_BUCKETS; i++)
		net_free(s, b->pieces[i]);
	net_free(s, b->pieces);
	*b = (struct net_buckets){ 0 };
}

static bool buckets_make(struct net_stack *s, struct net_buckets *b, uint32_t size)
{
	*b = (struct net_buckets){ .pieces = net_allocate(s, size / PIECE_BUCKETS * sizeof(void *)) };
	if (!b->pieces)
		return false;
	for (; b->size < size; b->size += PIECE_BUCKETS) {
		struct list *piece = net_allocate(s, PIECE);

		if (!piece) {
			buckets_free(s, b);
			return false;
		}
		b->pieces[b->size / PIECE_BUCKETS] = piece;
		for (uint32_t i = 0; i < PIECE_BUCKETS; i++)
			list_init(&piece[i]);
	}
	return true;
}

static void insert(struct net_stack *s, struct net_buckets *names, struct net_buckets *ports, struct net_endpoint *e)
{
	if (names)
		list_append(bucket(names, hash_names(s, &e->local, &e->remote)), &e->bucket);
	if (ports)
		list_append(bucket(ports, hash_port(s, e->local.port)), &e->port);
}

static void move_all(struct net_stack *s, struct net_buckets *from, struct net_buckets *names, struct net_buckets *ports)
{
	for (uint32_t i = 0; i < from->size; i++) {
		struct list *head = bucket(from, i);

		while (!list_empty(head)) {
			struct list *l = head->next;

			list_remove(l);
			insert(s, names, ports, names ? CONTAINER_OF(l, struct net_endpoint, bucket) : CONTAINER_OF(l, struct net_endpoint, port));
		}
	}
}

/* When there is no memory for more buckets, the old ones do: their lists get longer. */
static bool table_grow(struct net_stack *s, struct net_table *t)
{
	uint32_t size = t->names.size ? 2 * t->names.size : PIECE_BUCKETS;
	struct net_buckets names, ports;

	if (t->count < t->names.size || size > PIECES_MAX * PIECE_BUCKETS)
		return true;
	if (!buckets_make(s, &names, size))
		return t->names.size != 0;
	if (!buckets_make(s, &ports, size)) {
		buckets_free(s, &names);
		return t->names.size != 0;
	}
	move_all(s, &t->names, &names, NULL);
	move_all(s, &t->ports, NULL, &ports);
	buckets_free(s, &t->names);
	buckets_free(s, &t->ports);
	t->names = names;
	t->ports = ports;
	return true;
}

static bool same_name(const struct net_name *a, const struct net_name *b)
{
	return a->port == b->port && net_same(&a->address, &b->address);
}

static bool dual(const struct net_endpoint *e) { return e->ipv6 && !(e->flags & NET_ONLY_IPV6) && net_is_zero(&e->local.address); }

/* How well the local address of an endpoint fits one that a packet has: 3 it is the very one, 2 any of its version, 1 any of both, 0 not at all. */
static int fit(const struct net_endpoint *e, const struct net_address *local)
{
	if (net_same(&e->local.address, local))
		return 3;
	if (!net_is_any(&e->local.address))
		return 0;
	if (net_is_ipv4(&e->local.address) == net_is_ipv4(local))
		return 2;
	return dual(e);
}

static struct net_endpoint *find_exact(struct net_stack *s, struct net_table *t, const struct net_name *local, const struct net_name *remote)
{
	struct list *head = bucket(&t->names, hash_names(s, local, remote));

	LIST_FOR_EACH(l, head) {
		struct net_endpoint *e = CONTAINER_OF(l, struct net_endpoint, bucket);

		if (same_name(&e->remote, remote) && same_name(&e->local, local))
			return e;
	}
	return NULL;
}

/* Of those that have a local name only: the best; of several that share it, one by the packet's names, always the same. */
static struct net_endpoint *find_local(struct net_stack *s, struct net_table *t, const struct net_name *local, const struct net_name *remote)
{
	static const struct net_name nobody;
	struct list *head = bucket(&t->names, hash_names(s, local, &nobody));
	struct net_endpoint *best = NULL;
	int best_fit = 0;
	uint64_t sharers = 0, hash = 0;

	LIST_FOR_EACH(l, head) {
		struct net_endpoint *e = CONTAINER_OF(l, struct net_endpoint, bucket);
		int f = e->local.port == local->port && !e->remote.port ? fit(e, &local->address) : 0;

		if (f > best_fit) {
			best_fit = f;
			best = e;
			sharers = 1;
		} else if (f && f == best_fit && e->flags & NET_REUSE_PORT) {
			hash = hash ? hash : hash_names(s, local, remote);
			sharers++;
			if (mix(hash ^ sharers, 0x9e3779b97f4a7c15u) % sharers == 0) /* each has the same share of the names */
				best = e;
		}
	}
	return best;
}

struct net_endpoint *net_find(struct net_stack *s, uint8_t kind, const struct net_name *local, const struct net_name *remote)
{
	struct net_table *t = table_of(s, kind);
	struct net_endpoint *e = NULL;

	if (!t->count)
		return NULL;
	if (remote->port)
		e = find_exact(s, t, local, remote);
	return e ? e : find_local(s, t, local, remote);
}

void net_find_all(struct net_stack *s, uint8_t kind, const struct net_name *local, void (*each)(struct net_endpoint *e, void *data), void *data)
{
	struct net_table *t = table_of(s, kind);
	struct list *head = bucket(&t->ports, hash_port(s, local->port));

	if (!head)
		return;
	LIST_FOR_EACH_SAFE(l, following, head) {
		struct net_endpoint *e = CONTAINER_OF(l, struct net_endpoint, port);

		if (e->local.port == local->port && fit(e, &local->address))
			each(e, data);
	}
}

/* Tags. A place in pieces of places; a place's number and how often it was used before are the tag, so that a packet that was on its way when its endpoint ended finds nobody. */
struct place {
	struct net_endpoint *e;
	uint32_t uses, next_free; /* a place + 1 */
};
#define PIECE_PLACES (uint32_t)(PIECE / sizeof(struct place))
struct net_tags {
	uint32_t places, free; /* free: a place + 1, or 0 */
	struct place *pieces[PIECE / sizeof(void *) - 1];
};

static struct place *place_of(struct net_tags *t, uint32_t n) { return &t->pieces[n / PIECE_PLACES][n % PIECE_PLACES]; }

/* Without a tag an endpoint's packets find it by their names. */
static uint64_t tag_get(struct net_stack *s, struct net_endpoint *e)
{
	struct net_tags *t = s->tags ? s->tags : (s->tags = net_allocate(s, sizeof(*t)));
	struct place *p;
	uint32_t n;

	if (!t)
		return 0;
	if (!t->free) {
		if (t->places == ARRAY_LENGTH(t->pieces) * PIECE_PLACES)
			return 0;
		p = net_allocate(s, PIECE);
		if (!p)
			return 0;
		t->pieces[t->places / PIECE_PLACES] = p;
		for (uint32_t i = PIECE_PLACES; i-- > 0;) {
			p[i].next_free = t->free;
			t->free = t->places + i + 1;
		}
		t->places += PIECE_PLACES;
	}
	n = t->free - 1;
	p = place_of(t, n);
	t->free = p->next_free;
	p->e = e;
	return (uint64_t)++p->uses << 32 | (n + 1);
}

static void tag_put(struct net_stack *s, uint64_t tag)
{
	uint32_t n = (uint32_t)tag - 1;
	struct place *p;

	if (!tag)
		return;
	p = place_of(s->tags, n);
	p->e = NULL;
	p->next_free = s->tags->free;
	s->tags->free = n + 1;
}

static struct net_endpoint *tagged(struct net_stack *s, uint64_t tag)
{
	uint32_t n = (uint32_t)tag - 1;
	struct place *p;

	if (!s->tags || n >= s->tags->places)
		return NULL;
	p = place_of(s->tags, n);
	return p->uses == tag >> 32 ? p->e : NULL;
}

struct net_endpoint *net_find_tagged(struct net_stack *s, uint8_t kind, uint64_t tag, const struct net_name *local, const struct net_name *remote)
{
	struct net_endpoint *e = s->last;

	if (e && e->kind == kind && same_name(&e->remote, remote) && same_name(&e->local, local)) /* many come one after the other */
		return e;
	e = tag ? tagged(s, tag) : NULL;
	/* A name of its own for a connection is the best that there can be; of those without a remote name others may fit better. */
	if (e && e->kind == kind && same_name(&e->remote, remote) && same_name(&e->local, local))
		return s->last = e;
	e = net_find(s, kind, local, remote);
	if (e && e->remote.port)
		s->last = e;
	return e;
}

/* Linux's rules (net/ipv4/inet_connection_sock.c says them in a comment): two may have names that overlap if both share ports, or both share addresses and neither listens. Connections
 * with both names are their own affair, as long as no other has the same two. */
static bool overlap(const struct net_endpoint *a, const struct net_endpoint *b)
{
	bool any_a = net_is_any(&a->local.address), any_b = net_is_any(&b->local.address);

	if (net_is_ipv4(&a->local.address) == net_is_ipv4(&b->local.address))
		return any_a || any_b || net_same(&a->local.address, &b->local.address);
	return dual(a) || dual(b);
}

static bool may_share(const struct net_endpoint *a, const struct net_endpoint *b)
{
	if (a->flags & b->flags & NET_REUSE_PORT)
		return true;
	return (a->flags & b->flags & NET_REUSE_ADDRESS) && !a->listening && !b->listening;
}

static bool name_taken(struct net_stack *s, struct net_table *t, const struct net_endpoint *e)
{
	struct list *head;

	if (!t->count || !e->local.port)
		return false;
	if (e->remote.port) {
		struct net_endpoint *other = find_exact(s, t, &e->local, &e->remote);

		return other && !(e->kind == NET_UDP && may_share(e, other));
	}
	head = bucket(&t->ports, hash_port(s, e->local.port));
	LIST_FOR_EACH(l, head) {
		const struct net_endpoint *other = CONTAINER_OF(l, struct net_endpoint, port);

		/* One that listens was bound before its connections came, or shares addresses with those that are left of an earlier one. */
		if (other->local.port == e->local.port && overlap(e, other) && !may_share(e, other) && !(e->listening && e->bound && other->remote.port))
			return true;
	}
	return false;
}

static void filter_make(struct net_endpoint *e)
{
	struct net_stack *s = e->stack;
	struct net_filter_key key = { .protocol = e->kind, .any_version = dual(e), .local = e->local, .remote = e->remote };

	e->tag = tag_get(s, e);
	if ((e->kind != NET_TCP && e->kind != NET_UDP) || net_is_loopback(&e->local.address) || net_is_loopback(&e->remote.address))
		return; /* comes with the rest, or not from outside */
	e->filter = s->port.filter_add(s->port.data, &key, e->tag);
}

int net_enter(struct net_endpoint *e)
{
	struct net_stack *s = e->stack;
	struct net_table *t = table_of(s, e->kind);

	ASSERT(!e->entered);
	if (name_taken(s, t, e))
		return -EADDRINUSE;
	if (!table_grow(s, t))
		return -ENOBUFS;
	insert(s, &t->names, &t->ports, e);
	t->count++;
	e->entered = true;
	filter_make(e);
	return 0;
}

void net_leave(struct net_endpoint *e)
{
	struct net_stack *s = e->stack;

	if (!e->entered)
		return;
	if (s->last == e)
		s->last = NULL;
	if (e->filter)
		s->port.filter_remove(s->port.data, e->filter);
	tag_put(s, e->tag);
	e->filter = 0;
	e->tag = 0;
	list_remove(&e->bucket);
	list_remove(&e->port);
	table_of(s, e->kind)->count--;
	e->entered = false;
}

/* Is nobody at this port but connections, and none of those this one? Without a remote name: nobody at all. */
static bool port_free(struct net_stack *s, struct net_table *t, const struct net_name *local, const struct net_name *remote)
{
	struct list *head;

	if (!t->count)
		return true;
	if (remote) {
		static const struct net_name nobody;

		if (find_exact(s, t, local, remote))
			return false;
		head = bucket(&t->names, hash_names(s, local, &nobody));
		LIST_FOR_EACH(l, head)
			if (CONTAINER_OF(l, struct net_endpoint, bucket)->local.port == local->port)
				return false;
		return true;
	}
	head = bucket(&t->ports, hash_port(s, local->port));
	LIST_FOR_EACH(l, head)
		if (CONTAINER_OF(l, struct net_endpoint, port)->local.port == local->port)
			return false;
	return true;
}

uint16_t net_free_port(struct net_stack *s, uint8_t kind, const struct net_address *local, const struct net_name *remote)
{
	static const struct net_name nobody;
	struct net_table *t = table_of(s, kind);
	struct net_name name = { *local, 0 };
	uint64_t first = net_hash(s, &name, remote ? remote : &nobody, kind);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		name.port = (uint16_t)(EPHEMERAL_FIRST + (first + t->next_port++) % EPHEMERAL_COUNT);
		if (port_free(s, t, &name, remote))
			return name.port;
	}
	return 0;
}

void net_tables_end(struct net_stack *s)
{
	for (uint32_t i = 0; i < ARRAY_LENGTH(s->tables); i++) {
		buckets_free(s, &s->tables[i].names);
		buckets_free(s, &s->tables[i].ports);
	}
	for (uint32_t i = 0; s->tags && i < s->tags->places / PIECE_PLACES; i++)
		net_free(s, s->tags->pieces[i]);
	net_free(s, s->tags);
	s->tags = NULL;
}
