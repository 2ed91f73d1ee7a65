/* What the files of the stack share. Users see stack.h.
 *
 * stack.c: life, input from Ethernet, turns; endpoint.c: endpoints' common calls; table.c, hash.c: endpoints by name; timer.c: timers; route.c, arp.c, neighbour.c (states; arp.c and discovery.c: how it asks), ipv4.c, ipv6.c, fragment.c, icmp.c, udp.c, dhcp.c, raw.c: what their names say; tcp*.c: TCP. */
#pragma once

#include <exos/net/bytes.h>
#include <exos/net/stack.h>

/* Timers: a pairing heap, so that there is no limit to their number, and setting one costs little. A timer is part of what it belongs to. */
struct net_timer {
	uint64_t due; /* ns; 0: not set */
	void (*expired)(struct net_timer *t);
	struct net_timer *child, *next, **place; /* timer.c's */
};
void net_timer_set(struct net_stack *s, struct net_timer *t, uint64_t due); /* also when it is set already */
void net_timer_clear(struct net_stack *s, struct net_timer *t);
void net_timers_run(struct net_stack *s); /* those that are due at s->now */

/* Who talks to whom, as tables of endpoints have it: a TCP connection has both names, a listener or unconnected UDP port has remote.port 0. */
struct net_endpoint {
	struct list bucket;          /* of the table of its kind, by its names; */
	struct list port;            /* and by its local port */
	struct list all;             /* of the stack's endpoints */
	struct list ready;           /* waiting for its event to be told; off the list: points at itself */
	struct net_stack *stack;
	uint8_t kind;                /* enum net_kind */
	bool ipv6;                   /* made for IPv6; with net_is_ipv4 names inside it speaks IPv4 all the same */
	bool closed;                 /* its owner is gone */
	bool bound;
	bool entered;                /* in its table */
	bool listening;              /* TCP's: others with NET_REUSE_ADDRESS do not share its name */
	uint32_t flags;              /* NET_REUSE_ADDRESS ... */
	struct net_name local, remote;
	net_event event;
	void *owner;
	uint32_t told;               /* of NET_: to be told */
	int error;                   /* positive errno, or 0 */
	uint32_t filter;             /* the port's */
	uint64_t tag;                /* what its filter's packets come with: a place in the table of tags, never used twice; 0: none */
	struct net_tuning tuning;
};
/* Something of `what` became true: its owner is told at the end of the turn. */
void net_tell(struct net_endpoint *e, uint32_t what);

/* Endpoints by their names: hash buckets in pieces of the port's memory; table.c's business. Twice as many buckets when there are more endpoints than buckets. */
struct net_buckets {
	struct list **pieces;
	uint32_t size; /* buckets, a power of two */
};
struct net_table { /* of one kind */
	struct net_buckets names, ports;
	uint32_t count;
	uint32_t next_port; /* RFC 6056, algorithm 3: the count */
};

/* How to reach an address, looked up once and kept by a connection: cheap to use, checked by its generation. */
struct net_route {
	struct net_address source, destination;
	struct net_neighbour *neighbour; /* null: looked up again */
	uint32_t generation;             /* of the stack when it was */
	uint32_t mtu;                    /* of the path: bytes of an IP packet */
};
/* Fills in the route: -ENETUNREACH, -EADDRNOTAVAIL: no address of ours to speak from. source, when it is not zero, stays. */
int net_route_find(struct net_stack *s, struct net_route *r, const struct net_address *destination, const struct net_address *source);

#define NET_HEADROOM 64 /* bytes before a transport header, for the IP and Ethernet headers */
#define NET_HEADER_ROOM (NET_HEADROOM + 80) /* and the transport header with its options */
struct net_send_options {
	uint8_t protocol, ttl, tos; /* ttl 0: the stack's */
	bool do_not_fragment;
};
/* Sends one IP packet: header_length bytes of transport header at `header`, with NET_HEADROOM bytes of room in front of it that are overwritten, and parts behind. The transport checksum is in it already. A packet whose next hop is not
 * resolved yet is copied and waits (a few for each neighbour). UDP larger than the MTU is cut into fragments here. 0 or a negative errno; an error here is a lost packet to TCP. */
int net_ip_output(struct net_stack *s, struct net_route *r, const struct net_send_options *options, uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n);

/* The Internet checksum (RFC 1071): sums are of 16-bit words as they lie in memory (no byte swapping), 32 bits wide between calls; net_sum_fold gives the 16-bit one; a part that begins at an odd place is swapped by the caller with net_sum_swap. */
uint32_t net_sum(const void *data, uint32_t length, uint32_t sum);
static inline uint16_t net_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}
static inline uint32_t net_sum_swap(uint32_t folded) { return (folded >> 8 | folded << 8) & 0xffff; }
/* Of the pseudo-header for IPv4 or IPv6, whichever the addresses are. */
uint32_t net_sum_pseudo(const struct net_address *source, const struct net_address *destination, uint8_t protocol, uint32_t length);

/* A transport packet that has come in: addresses checked to be ours, fragments put together, the transport checksum not checked yet. */
struct net_packet {
	struct net_address source, destination;
	const uint8_t *data; /* transport header */
	uint32_t length;
	uint8_t protocol, ttl, tos;
	bool multicast;      /* or broadcast: no RST, no ICMP error in answer */
	const uint8_t *ip;   /* the IP header, for ICMP errors; null: it came in fragments */
	uint64_t tag;
	struct net_chunk *rest; /* of a datagram that came in fragments and is too long for one piece of memory: all of it, and data and length are those of the first. UDP alone is given such; who keeps them sets it to null */
};
struct net_chunk { /* bytes of a datagram, one piece of the port's memory */
	struct net_chunk *next;
	uint16_t first, length; /* where in the whole, and how many */
	uint8_t data[];
};
void net_chunks_free(struct net_stack *s, struct net_chunk *c); /* all that follow too */
/* By protocol: */
void tcp_input(struct net_stack *s, const struct net_packet *p);
void udp_input(struct net_stack *s, struct net_packet *p);
void icmp_input(struct net_stack *s, const struct net_packet *p);
void icmpv6_input(struct net_stack *s, const struct net_packet *p);
/* An ICMP error about a packet of ours that had these names: hard ones end a connection attempt, "too big" carries the MTU; else errno and mtu 0. Sequence: TCP's, to be checked (RFC 5927). */
void tcp_icmp_error(struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint32_t sequence, int error, uint32_t mtu);
void udp_icmp_error(struct net_stack *s, const struct net_name *local, const struct net_name *remote, int error);
enum { UNREACHABLE_PROTOCOL = 2, UNREACHABLE_PORT = 3 }; /* ICMP's codes; for ICMPv6 they are translated */
void icmp_unreachable(struct net_stack *s, const struct net_packet *p, uint8_t code); /* in answer to p, not more than so many a second */

/* Each kind's part of the calls of stack.h, which look the kind up here (stack.c). Null: -EOPNOTSUPP. */
struct net_kind_ops {
	size_t size;
	void (*start)(struct net_endpoint *e);
	/* Null: net_bind_common does. */
	int (*bind)(struct net_endpoint *e, const struct net_name *name);
	int (*connect)(struct net_endpoint *e, const struct net_name *name);
	void (*close)(struct net_endpoint *e); /* its owner is gone: frees e by net_endpoint_free now or later */
	void (*end)(struct net_endpoint *e);   /* frees what it holds, at once, without a word on the wire; then net_endpoint_free is called */
	uint32_t (*ready)(const struct net_endpoint *e);
	int (*shutdown)(struct net_endpoint *e, bool input, bool output);
	void (*changed)(struct net_endpoint *e); /* its flags or tuning; null: nothing depends on them at once */
};
extern const struct net_kind_ops tcp_ops, udp_ops, icmp_ops, raw_ops;
int net_bind_common(struct net_endpoint *e, const struct net_name *name); /* checks the address and the port, finds one when it is 0, enters */
struct net_endpoint *net_endpoint_make(struct net_stack *s, enum net_kind kind, bool ipv6); /* without start: for a listener's connections. Null: no memory */
void net_endpoint_end(struct net_endpoint *e);  /* its kind's end, and net_endpoint_free */
void net_endpoint_free(struct net_endpoint *e); /* out of all lists and tables, its filter removed */
/* table.c: the endpoint of `kind` that a packet with these names is for: the exact one, else one bound to the local name, to any address with its port, IPv4 or both. With NET_REUSE_PORT, one of several by the names' hash. Null: nobody. */
struct net_endpoint *net_find(struct net_stack *s, uint8_t kind, const struct net_name *local, const struct net_name *remote);
/* The same for a packet that has come with a tag: whose tag it is, if his names are right, else as the table says. */
struct net_endpoint *net_find_tagged(struct net_stack *s, uint8_t kind, uint64_t tag, const struct net_name *local, const struct net_name *remote);
/* Puts it into its table under its names, with a filter of the port's; takes it out. -EADDRINUSE: others have the name and do not share it (Linux's rules); -ENOBUFS. Its names and `listening` do not change while it is in. */
int net_enter(struct net_endpoint *e);
void net_leave(struct net_endpoint *e);
uint16_t net_free_port(struct net_stack *s, uint8_t kind, const struct net_address *local, const struct net_name *remote); /* an ephemeral one, 32768..60999; 0: none (RFC 6056: by hash and a count) */

struct net_stack {
	struct net_port port;
	uint64_t now;               /* of this input or turn */
	struct net_timer *timers;   /* the heap's root */
	struct list endpoints, readies;
	struct list raws;           /* raw.c's endpoints; mostly none */
	bool in_turn;
	bool full;                  /* in this turn the port had no room for a segment: others need not try */
	struct net_table tables[4]; /* TCP, UDP, ICMP, ICMPv6 */
	struct net_tags *tags;
	struct net_endpoint *last;  /* that a packet was for, if it is in its table, and has a remote name */
	struct net_counters counters;
	uint64_t secret[2];         /* for hashes that the outside must not guess: ports, sequence numbers, cookies */
	uint32_t route_generation;  /* grows when addresses or routers change */
	uint32_t filter;            /* for what is no endpoint's */
	struct tcp_state *tcp;      /* tcp.c's own of the stack: what acknowledgements are delayed, cookies' secrets; made by tcp_start */
	struct ip_state *ip;        /* addresses, neighbours, fragments, dhcp: stack.c and friends */
};
int tcp_start(struct net_stack *s); /* -ENOMEM */
void tcp_turn(struct net_stack *s); /* what TCP has collected during the turn: delayed output */
void tcp_end(struct net_stack *s);
static inline void *net_allocate(struct net_stack *s, size_t n) { return s->port.allocate(s->port.data, n); }
static inline void net_free(struct net_stack *s, void *p) { s->port.free(s->port.data, p); }
/* SipHash-2-4 of names, for those who need what cannot be guessed (RFC 6528, RFC 6056). */
uint64_t net_hash(const struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint64_t more);
