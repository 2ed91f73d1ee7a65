/* The neighbours on the link: their Ethernet addresses, found out when there is something to send, and doubted when they have not been heard of for long (RFC 4861 7.3). ARP and neighbour discovery only differ in how they ask. */
#include <exos/net/ip.h>

#define RETRANSMIT SECOND
#define REACHABLE_TIME (30 * SECOND) /* RFC 4861 6.3.2: times 0.5 to 1.5 */
#define DELAY_FIRST_PROBE (5 * SECOND)
#define ASKS_MAX 3
/* Packets that wait for one neighbour; the oldest goes. A server is asked by many before it knows its router, and each has an answer coming. So that neighbours who never answer do not fill the memory, those who wait for
 * one may only be few while there are many in all. */
#define QUEUE_MAX 256
#define QUEUE_FEW 4
#define QUEUES_MAX 1024
#define NEIGHBOURS_KEPT 512 /* then the one not used for longest is forgotten for each new one: a scan of the link must not fill the memory */
#define LOOPED_MAX 512      /* packets on their way to ourselves: 1 MB */

static void neighbour_expired(struct net_timer *t);

static struct list *bucket(const struct net_stack *s, const struct net_address *a)
{
	const net_word *w = (const net_word *)a->bytes;
	uint64_t mixed = (w[0] ^ w[1] ^ s->secret[0]) * 0x9e3779b97f4a7c15u;

	return &s->ip->neighbours[mixed >> 58];
}
_Static_assert(NEIGHBOUR_BUCKETS == 1 << 6, "the shift above");

static void neighbour_init(struct net_stack *s, struct net_neighbour *n, uint8_t state)
{
	n->stack = s;
	n->state = state;
	n->timer.expired = neighbour_expired;
	n->used = s->now;
	list_init(&n->queue);
	list_init(&n->link);
}

void neighbours_start(struct net_stack *s)
{
	for (int i = 0; i < NEIGHBOUR_BUCKETS; i++)
		list_init(&s->ip->neighbours[i]);
	neighbour_init(s, &s->ip->group, NEIGHBOUR_GROUP);
	neighbour_init(s, &s->ip->loopback, NEIGHBOUR_LOOPBACK);
}

void net_waiting_free(struct net_stack *s, struct list *queue)
{
	while (!list_empty(queue)) {
		struct net_waiting *w = CONTAINER_OF(queue->next, struct net_waiting, link);

		list_remove(&w->link);
		net_free(s, w);
	}
}

/* Routes may name it: they are all looked up again. */
static void forget(struct net_stack *s, struct net_neighbour *n)
{
	s->route_generation++;
	s->ip->heard = 0;
	s->ip->neighbour_count--;
	s->ip->waiting -= n->queued;
	net_timer_clear(s, &n->timer);
	net_waiting_free(s, &n->queue);
	list_remove(&n->link);
	net_free(s, n);
}

void neighbours_end(struct net_stack *s)
{
	for (int i = 0; i < NEIGHBOUR_BUCKETS; i++)
		while (!list_empty(&s->ip->neighbours[i]))
			forget(s, CONTAINER_OF(s->ip->neighbours[i].next, struct net_neighbour, link));
}

static void forget_oldest(struct net_stack *s)
{
	struct net_neighbour *oldest = NULL;

	for (int i = 0; i < NEIGHBOUR_BUCKETS; i++)
		LIST_FOR_EACH(l, &s->ip->neighbours[i]) {
			struct net_neighbour *n = CONTAINER_OF(l, struct net_neighbour, link);

			if (!oldest || n->used < oldest->used)
				oldest = n;
		}
	if (oldest)
		forget(s, oldest);
}

struct net_neighbour *neighbour_find(struct net_stack *s, const struct net_address *a)
{
	struct list *head = bucket(s, a);

	LIST_FOR_EACH(l, head) {
		struct net_neighbour *n = CONTAINER_OF(l, struct net_neighbour, link);

		if (net_same(&n->address, a))
			return n;
	}
	return NULL;
}

struct net_neighbour *neighbour_get(struct net_stack *s, const struct net_address *a)
{
	struct net_neighbour *n = neighbour_find(s, a);

	if (n)
		return n;
	if (s->ip->neighbour_count >= NEIGHBOURS_KEPT)
		forget_oldest(s);
	n = net_allocate(s, sizeof(*n));
	if (!n) {
		s->counters.no_memory++;
		return NULL;
	}
	neighbour_init(s, n, NEIGHBOUR_INCOMPLETE);
	n->address = *a;
	list_append(bucket(s, a), &n->link);
	s->ip->neighbour_count++;
	return n;
}

void net_each_neighbour(const struct net_stack *s, void (*each)(void *data, const struct net_address *address, const uint8_t *ethernet), void *data)
{
	for (int i = 0; i < NEIGHBOUR_BUCKETS; i++)
		LIST_FOR_EACH(l, &s->ip->neighbours[i]) {
			const struct net_neighbour *n = CONTAINER_OF(l, struct net_neighbour, link);

			each(data, &n->address, n->state == NEIGHBOUR_INCOMPLETE ? NULL : n->ethernet);
		}
}

static void ask(struct net_neighbour *n)
{
	struct net_stack *s = n->stack;
	bool known = n->state == NEIGHBOUR_PROBE;

	n->asked++;
	if (net_is_ipv4(&n->address))
		arp_ask(s, known ? n->ethernet : NULL, n->address.bytes + 12);
	else
		discovery_ask(s, &n->address, known ? n : NULL);
	net_timer_set(s, &n->timer, s->now + RETRANSMIT);
}

/* Nobody answers. What waited is lost, and its senders are told, as a router would tell them. */
static void give_up(struct net_neighbour *n)
{
	struct net_stack *s = n->stack;
	struct list lost;

	list_init(&lost);
	while (!list_empty(&n->queue)) {
		struct list *l = n->queue.next;

		list_remove(l);
		list_append(&lost, l);
	}
	discovery_lost(s, &n->address);
	forget(s, n);
	LIST_FOR_EACH(l, &lost) {
		struct net_waiting *w = CONTAINER_OF(l, struct net_waiting, link);

		ip_failed(s, w->data + ETHERNET_HEADER, w->length, EHOSTUNREACH, 0);
	}
	net_waiting_free(s, &lost);
}

static void neighbour_expired(struct net_timer *t)
{
	struct net_neighbour *n = CONTAINER_OF(t, struct net_neighbour, timer);

	switch (n->state) {
	case NEIGHBOUR_REACHABLE:
		n->state = NEIGHBOUR_STALE; /* asked about when there is something to send */
		break;
	case NEIGHBOUR_DELAY:
		n->state = NEIGHBOUR_PROBE;
		n->asked = 0;
		ask(n);
		break;
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_PROBE:
		if (n->asked < ASKS_MAX)
			ask(n);
		else
			give_up(n);
	}
}

/* What waited for its address goes. */
static void send_waiting(struct net_stack *s, struct net_neighbour *n)
{
	struct list waiting;

	s->ip->waiting -= n->queued;
	n->asked = 0;
	n->queued = 0;
	list_init(&waiting);
	while (!list_empty(&n->queue)) {
		struct list *l = n->queue.next;

		list_remove(l);
		list_append(&waiting, l);
	}
	while (!list_empty(&waiting)) {
		struct net_waiting *w = CONTAINER_OF(waiting.next, struct net_waiting, link);

		list_remove(&w->link);
		neighbour_send(s, n, w->type, w->data + ETHERNET_HEADER, w->length, NULL, 0);
		net_free(s, w);
	}
}

void neighbour_learn(struct net_stack *s, struct net_neighbour *n, const uint8_t *ethernet, bool confirmed)
{
	bool changed = memcmp(n->ethernet, ethernet, 6) != 0;

	if (ethernet[0] & 1) { /* a group is nobody's address */
		s->counters.malformed++;
		return;
	}
	if (n->state != NEIGHBOUR_INCOMPLETE && changed) { /* he has moved, or somebody lies: the one who is known is asked, and when he says nothing, everybody */
		if (n->state != NEIGHBOUR_PROBE && !confirmed) {
			n->state = NEIGHBOUR_PROBE;
			n->asked = 0;
			ask(n);
		}
		return;
	}
	if (n->state != NEIGHBOUR_INCOMPLETE && !confirmed)
		return;
	memcpy(n->ethernet, ethernet, 6);
	if (confirmed) {
		n->state = NEIGHBOUR_REACHABLE;
		net_timer_set(s, &n->timer, s->now + REACHABLE_TIME / 2 + s->port.random(s->port.data) % REACHABLE_TIME);
	} else {
		n->state = NEIGHBOUR_STALE;
		net_timer_clear(s, &n->timer);
	}
	send_waiting(s, n);
}

/* No doubt ever: nobody else can be asked. */
static void is_at(struct net_stack *s, struct net_neighbour *n, const uint8_t *ethernet)
{
	if (n->state == NEIGHBOUR_GROUP || n->state == NEIGHBOUR_LOOPBACK || ethernet[0] & 1)
		return;
	memcpy(n->ethernet, ethernet, 6);
	n->state = NEIGHBOUR_REACHABLE;
	net_timer_clear(s, &n->timer);
	send_waiting(s, n);
}

void net_neighbour_is(struct net_stack *s, const struct net_address *address, const uint8_t *ethernet)
{
	struct net_neighbour *n;

	if (next_hop(s, address, &n) == 0)
		is_at(s, n, ethernet);
}

void neighbour_heard(struct net_stack *s, const struct net_address *from, const uint8_t *ethernet)
{
	net_neighbour_is(s, from, ethernet);
	s->ip->heard = net_ipv4_of(from);
	memcpy(s->ip->heard_ethernet, ethernet, 6);
}

bool net_neighbour(const struct net_stack *s, const struct net_address *address, uint8_t *ethernet)
{
	struct net_neighbour *n = neighbour_find((struct net_stack *)s, address);

	if (!n || n->state == NEIGHBOUR_INCOMPLETE)
		return false;
	memcpy(ethernet, n->ethernet, 6);
	return true;
}

/* A copy of the whole. */
static struct net_waiting *waiting_make(struct net_stack *s, uint16_t type, const uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n)
{
	struct net_waiting *w;
	uint32_t total = length;

	for (uint32_t i = 0; i < n; i++)
		total += parts[i].length;
	w = total + ETHERNET_HEADER <= NET_WAITING_MAX ? net_allocate(s, sizeof(*w) + ETHERNET_HEADER + total) : NULL;
	if (!w) {
		s->counters.no_memory++;
		return NULL;
	}
	w->type = type;
	w->length = (uint16_t)total;
	memcpy(w->data + ETHERNET_HEADER, header, length);
	for (uint32_t i = 0, at = length; i < n; at += parts[i++].length)
		memcpy(w->data + ETHERNET_HEADER + at, parts[i].data, parts[i].length);
	return w;
}

int ethernet_send(struct net_stack *s, const uint8_t *to, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n)
{
	uint8_t *frame = header - ETHERNET_HEADER;
	int error;

	memcpy(frame, to, 6);
	memcpy(frame + 6, s->port.address, 6);
	net_put16(frame + 12, type);
	error = s->port.send(s->port.data, frame, length + ETHERNET_HEADER, parts, n);
	if (error)
		return error;
	s->counters.frames_out++;
	s->counters.bytes_out += length + ETHERNET_HEADER;
	for (uint32_t i = 0; i < n; i++)
		s->counters.bytes_out += parts[i].length;
	return 0;
}

/* RFC 1112 6.4, RFC 2464 7 */
static int group_send(struct net_stack *s, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n)
{
	uint8_t to[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint8_t *destination = header + 16;

	if (type == ETHERNET_IPV6) {
		to[0] = to[1] = 0x33;
		memcpy(to + 2, header + 24 + 12, 4);
	} else if ((destination[0] & 0xf0) == 0xe0) {
		memcpy(to, "\x01\x00\x5e", 3);
		to[3] = destination[1] & 0x7f;
		memcpy(to + 4, destination + 2, 2);
	}
	return ethernet_send(s, to, type, header, length, parts, n);
}

static int queue_send(struct net_stack *s, struct net_neighbour *n, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t parts_n)
{
	struct net_waiting *w = waiting_make(s, type, header, length, parts, parts_n);

	if (!w)
		return -ENOBUFS;
	if (n->queued == QUEUE_MAX || (n->queued >= QUEUE_FEW && s->ip->waiting >= QUEUES_MAX)) {
		struct net_waiting *oldest = CONTAINER_OF(n->queue.next, struct net_waiting, link);

		list_remove(&oldest->link);
		net_free(s, oldest);
	} else {
		n->queued++;
		s->ip->waiting++;
	}
	list_append(&n->queue, &w->link);
	if (!n->asked)
		ask(n);
	return 0;
}

static int loop_send(struct net_stack *s, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n)
{
	struct net_waiting *w = s->ip->looped < LOOPED_MAX ? waiting_make(s, type, header, length, parts, n) : NULL;

	if (!w)
		return -ENOBUFS;
	list_append(&s->ip->loop, &w->link);
	s->ip->looped++;
	return 0;
}

int neighbour_send(struct net_stack *s, struct net_neighbour *n, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t parts_n)
{
	n->used = s->now;
	switch (n->state) {
	case NEIGHBOUR_LOOPBACK:
		return loop_send(s, type, header, length, parts, parts_n);
	case NEIGHBOUR_GROUP:
		return group_send(s, type, header, length, parts, parts_n);
	case NEIGHBOUR_INCOMPLETE:
		return queue_send(s, n, type, header, length, parts, parts_n);
	case NEIGHBOUR_STALE:
		n->state = NEIGHBOUR_DELAY; /* TCP may hear of it meanwhile; else it is asked */
		net_timer_set(s, &n->timer, s->now + DELAY_FIRST_PROBE);
		break;
	default:
		break;
	}
	return ethernet_send(s, n->ethernet, type, header, length, parts, parts_n);
}
