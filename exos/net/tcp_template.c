/* The headers of a connection's segments, made once: what changes from one segment to the next is filled in, and the checksums follow from sums that are kept.
 * For what goes out most: IPv4, no options but timestamps, to a neighbour that is known. All else is tcp_output.c's and ip's the long way. */
#include <exos/net/ip.h>
#include <exos/net/tcp.h>

enum { IP = ETHERNET_HEADER, TCP = IP + IPV4_HEADER, OPTIONS = TCP + TCP_HEADER };
#define TTL_DEFAULT 64
#define OPTION_WORD 0x0a080101u /* two NOPs, timestamps and their length, as this machine reads it */

static uint32_t swap32(uint32_t v) { return __builtin_bswap32(v); }
static uint16_t swap16(uint32_t v) { return __builtin_bswap16((uint16_t)v); }
static inline void put32(uint8_t *to, uint32_t v) { *(net_half *)to = v; }
static inline void put16(uint8_t *to, uint16_t v) { __builtin_memcpy(to, &v, 2); }

static inline uint16_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return net_sum_fold((uint32_t)sum);
}

/* False: it cannot be had. */
static bool make(struct tcp *c)
{
	struct tcp_template *t = &c->template;
	const struct net_stack *s = c->e.stack;
	uint8_t *f = t->frame;

	if (!net_is_ipv4(&c->e.local.address) || !net_is_ipv4(&c->e.remote.address) || !c->route.neighbour || c->route.generation != s->route_generation || c->route.neighbour->state == NEIGHBOUR_GROUP ||
		c->route.neighbour->state == NEIGHBOUR_LOOPBACK)
		return false;
	memset(t, 0, sizeof(*t));
	memcpy(f + 6, s->port.address, 6);
	net_put16(f + 12, ETHERNET_IPV4);
	f[IP] = 0x45;
	f[IP + 1] = c->e.tuning.tos;
	net_put16(f + IP + 6, 0x4000); /* never in fragments */
	f[IP + 8] = c->e.tuning.ttl ? c->e.tuning.ttl : TTL_DEFAULT;
	f[IP + 9] = PROTOCOL_TCP;
	put32(f + IP + 12, net_ipv4_of(&c->e.local.address));
	put32(f + IP + 16, net_ipv4_of(&c->e.remote.address));
	net_put16(f + TCP, c->e.local.port);
	net_put16(f + TCP + 2, c->e.remote.port);
	t->length = TCP_HEADER;
	if (c->timestamps) {
		put32(f + OPTIONS, OPTION_WORD);
		t->length += TCP_TIMESTAMPS;
	}
	f[TCP + 12] = (uint8_t)(t->length << 2);
	t->ip_sum = net_sum_fold(net_sum(f + IP, IPV4_HEADER, 0));
	t->tcp_sum = net_sum_fold(net_sum(f + TCP, t->length, c->pseudo));
	t->generation = s->route_generation;
	return true;
}

static inline bool sure(const struct net_neighbour *n) { return n->state == NEIGHBOUR_REACHABLE || n->state == NEIGHBOUR_DELAY || n->state == NEIGHBOUR_PROBE; }

bool tcp_template_send(struct tcp *c, const struct tcp_filling *g, const struct net_part *parts, uint32_t n, int *result)
{
	struct net_stack *s = c->e.stack;
	struct tcp_template *t = &c->template;
	struct net_neighbour *to = c->route.neighbour;
	uint32_t length = t->length + g->length, seq = swap32(g->seq), ack = swap32(c->rcv_nxt);
	uint16_t flags = (uint16_t)(g->flags << 8), window = swap16(g->window), total, id;
	uint8_t *f = t->frame;
	uint64_t sum;

	if (t->generation != s->route_generation) {
		if (!make(c))
			return false;
		length = t->length + g->length;
		to = c->route.neighbour;
	}
	if (!sure(to) || (c->sack && !list_empty(&c->ahead)) || length + IPV4_HEADER > c->route.mtu)
		return false;
	to->used = s->now;
	put32(f, *(const net_half *)to->ethernet);
	put16(f + 4, *(const uint16_t *)(to->ethernet + 4));
	total = swap16(length + IPV4_HEADER);
	id = s->ip->next_id++;
	put16(f + IP + 2, total);
	put16(f + IP + 4, id);
	put16(f + IP + 10, (uint16_t)~fold((uint64_t)t->ip_sum + total + id));
	put32(f + TCP + 4, seq);
	put32(f + TCP + 8, ack);
	f[TCP + 13] = g->flags;
	put16(f + TCP + 14, window);
	sum = (uint64_t)t->tcp_sum + g->sum + swap16(length) + seq + ack + flags + window;
	if (t->length != TCP_HEADER) {
		uint32_t value = swap32(tcp_clock(s) + c->ts_offset), echo = swap32(c->ts_recent);

		put32(f + OPTIONS + 4, value);
		put32(f + OPTIONS + 8, echo);
		sum += (uint64_t)value + echo;
	}
	put16(f + TCP + 16, (uint16_t)~fold(sum));
	*result = s->port.send(s->port.data, f, TCP + t->length, parts, n);
	if (!*result) {
		s->counters.frames_out++;
		s->counters.bytes_out += length + TCP;
	}
	return true;
}
