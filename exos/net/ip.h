/* What the files below the transport protocols share: addresses, neighbours, fragments, configuration. internal.h is what TCP and UDP see of it. */
#pragma once

#include <exos/net/internal.h>

#define SECOND 1000000000ul

/* Addresses */
static inline uint32_t net_ipv4_of(const struct net_address *a) { return *(const net_half *)(a->bytes + 12); } /* as on the wire */
static inline bool net_same(const struct net_address *a, const struct net_address *b)
{
	return *(const net_word *)a->bytes == *(const net_word *)b->bytes && *(const net_word *)(a->bytes + 8) == *(const net_word *)(b->bytes + 8);
}
static inline bool net_is_zero(const struct net_address *a) { return *(const net_word *)a->bytes == 0 && *(const net_word *)(a->bytes + 8) == 0; }
static inline bool net_is_any(const struct net_address *a) { return net_is_zero(a) || (net_is_ipv4(a) && net_ipv4_of(a) == 0); }
static inline bool net_is_loopback(const struct net_address *a)
{
	if (net_is_ipv4(a))
		return a->bytes[12] == 127;
	return *(const net_word *)a->bytes == 0 && *(const net_word *)(a->bytes + 8) == 1ul << 56;
}
static inline bool net_is_multicast(const struct net_address *a) { return net_is_ipv4(a) ? (a->bytes[12] & 0xf0) == 0xe0 : a->bytes[0] == 0xff; }
static inline bool net_is_link_local(const struct net_address *a) { return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80; } /* IPv6 */
bool net_is_broadcast(const struct net_stack *s, const struct net_address *a); /* IPv4: all ones, or all of our subnet */
bool net_is_own(const struct net_stack *s, const struct net_address *a);       /* one may speak from it, and is spoken to by it */

/* A packet that waits: for its neighbour's Ethernet address, or to be taken in again (loopback). */
struct net_waiting {
	struct list link;
	uint16_t type;   /* Ethernet's: IPv4 or IPv6 */
	uint16_t length;
	uint8_t data[];  /* room for the Ethernet header, the IP header, and all */
};
#define NET_WAITING_MAX (2048 - sizeof(struct net_waiting))

enum { ETHERNET_HEADER = 14, ETHERNET_IPV4 = 0x0800, ETHERNET_ARP = 0x0806, ETHERNET_IPV6 = 0x86dd };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40, IPV6_FRAGMENT_HEADER = 8, UDP_HEADER = 8, ICMP_HEADER = 8 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };
enum { IPV6_HOP_BY_HOP = 0, IPV6_ROUTING = 43, IPV6_FRAGMENT = 44, IPV6_NONE = 59, IPV6_DESTINATION = 60 };

/* Who is on the link, and where (RFC 4861 7.3.2; the states serve ARP just as well). */
enum neighbour_state { NEIGHBOUR_INCOMPLETE, NEIGHBOUR_REACHABLE, NEIGHBOUR_STALE, NEIGHBOUR_DELAY, NEIGHBOUR_PROBE, NEIGHBOUR_GROUP, NEIGHBOUR_LOOPBACK };
struct net_neighbour {
	struct list link;        /* of its bucket */
	struct net_stack *stack;
	struct net_address address;
	uint8_t ethernet[6];
	uint8_t state;
	uint8_t asked;           /* times, since it was last sure */
	uint16_t queued;
	struct list queue;       /* of net_waiting, oldest first */
	struct net_timer timer;
	uint64_t used;           /* when a packet went there last */
};
#define NEIGHBOUR_BUCKETS 64
struct net_neighbour *neighbour_get(struct net_stack *s, const struct net_address *a); /* found, or made; null: no memory */
struct net_neighbour *neighbour_find(struct net_stack *s, const struct net_address *a);
/* An answer (confirmed: to a question of ours, from the one who was asked), or a question or advertisement that names its sender's Ethernet address. */
void neighbour_learn(struct net_stack *s, struct net_neighbour *n, const uint8_t *ethernet, bool confirmed);
/* Sends an IP packet that begins at `header`, with room for the Ethernet header before it. */
int neighbour_send(struct net_stack *s, struct net_neighbour *n, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t parts_n);
/* The sender of a packet, when the interface is shared: answers go to where it came from. */
void neighbour_heard(struct net_stack *s, const struct net_address *from, const uint8_t *ethernet);
int next_hop(struct net_stack *s, const struct net_address *destination, struct net_neighbour **out); /* route.c */
void neighbours_start(struct net_stack *s);
void neighbours_end(struct net_stack *s);
int ethernet_send(struct net_stack *s, const uint8_t *to, uint16_t type, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n);
void net_waiting_free(struct net_stack *s, struct list *queue);

void arp_input(struct net_stack *s, const uint8_t *frame, uint32_t length);
void arp_ask(struct net_stack *s, const uint8_t *to, const uint8_t *address); /* to: Ethernet address, null: everybody */
void arp_announce(struct net_stack *s);

/* IPv6 on the link: discovery.c (RFC 4861), autoconf.c (RFC 4862). */
struct ip6_address {
	struct list link;
	struct net_stack *stack;
	struct net_address address;
	uint8_t prefix_length;
	bool tentative;          /* asking whether somebody else has it */
	uint64_t preferred, valid; /* until; UINT64_MAX: for ever */
	struct net_timer timer;
};
struct ip6_prefix { /* on the link */
	struct list link;
	struct net_address prefix;
	uint8_t length;
	uint64_t valid;
};
struct ip6_router {
	struct list link;
	struct net_address address;
	uint64_t valid;
};
#define IP6_LEARNT_MAX 16 /* addresses, prefixes, routers each: what advertisements can make us hold; hosts on the link are not to be trusted with more */
void discovery_start(struct net_stack *s);
void discovery_end(struct net_stack *s);
void discovery_input(struct net_stack *s, const struct net_packet *p);
void discovery_ask(struct net_stack *s, const struct net_address *target, const struct net_neighbour *n); /* n: unicast to it; null: its group */
void discovery_lost(struct net_stack *s, const struct net_address *neighbour); /* does not answer: if it is a router, others come first */
const struct ip6_address *ip6_source(const struct net_stack *s, const struct net_address *destination); /* RFC 6724, as far as it matters with one interface; null: none */
bool ip6_on_link(const struct net_stack *s, const struct net_address *a);
const struct net_address *ip6_router(struct net_stack *s); /* one that is not known to be unreachable, if there is one; null: none */

/* Fragments */
#define FRAGMENTS_MEMORY (256 * 1024u) /* bytes of all that is being put together, of this stack */
struct fragment {
	const uint8_t *data;
	uint32_t offset, length, id;
	bool more;
};
/* Takes in what p is a fragment of (p's data are the fragment's). When it is whole, it is given to ip_deliver. */
void fragment_input(struct net_stack *s, struct net_packet *p, const struct fragment *f);
void fragments_end(struct net_stack *s);

void ipv4_input(struct net_stack *s, const uint8_t *ip, uint32_t length, uint64_t tag, bool group, bool loopback);
void ipv6_input(struct net_stack *s, const uint8_t *ip, uint32_t length, uint64_t tag, bool group, bool loopback);
void ip_deliver(struct net_stack *s, struct net_packet *p); /* to its protocol */
/* With a route that is filled in already; what net_ip_output does in the end. The header has NET_HEADROOM before it. */
int ip_send(struct net_stack *s, const struct net_route *r, const struct net_send_options *o, uint8_t *header, uint32_t length, const struct net_part *parts, uint32_t n);
/* Something that was sent by us, and begins with its IP header, did not arrive. */
void ip_failed(struct net_stack *s, const uint8_t *ip, uint32_t length, int error, uint32_t mtu);

/* The MTU of paths that are known to be narrower than the link (RFC 8201), for UDP of IPv6; TCP keeps its own. */
uint32_t path_mtu(struct net_stack *s, const struct net_address *to);
void path_narrow(struct net_stack *s, const struct net_address *to, uint32_t mtu);
void paths_end(struct net_stack *s);

bool dhcp_wants(const struct net_stack *s, const uint8_t *udp, uint32_t length); /* is it for the DHCP client, whose address is not known yet? */
void dhcp_input(struct net_stack *s, const struct net_packet *p);                /* checksum checked */
void dhcp_end(struct net_stack *s);
void net_config_changed(struct net_stack *s);

/* table.c */
void net_find_all(struct net_stack *s, uint8_t kind, const struct net_name *local, void (*each)(struct net_endpoint *e, void *data), void *data);
void net_tables_end(struct net_stack *s);
/* datagram.c: what endpoints of UDP and ICMP have in common */
struct datagram_endpoint {
	struct net_endpoint e;
	struct list queue;            /* of datagrams that have come */
	uint32_t queued;              /* bytes of memory that they take */
	bool input_ended, output_ended;
	struct net_address bound_to;  /* e.local.address, before a connection made it more exact */
	struct net_route route;       /* to where the last one was sent */
	struct net_address route_source; /* asked for, then */
};
struct datagram_send { /* one that is sent */
	struct net_name to;
	struct net_address source; /* or zero */
	const uint8_t *data;
	uint32_t length;
};
void datagram_start(struct net_endpoint *e);
void datagram_close(struct net_endpoint *e);
void datagram_end(struct net_endpoint *e);
uint32_t datagram_ready(const struct net_endpoint *e);
int datagram_shutdown(struct net_endpoint *e, bool input, bool output);
/* p's bytes behind the first `skip`, `length` of them, if the endpoint has room. */
void datagram_queue(struct net_endpoint *e, struct net_packet *p, uint16_t from_port, uint16_t to_port, uint32_t skip, uint32_t length);
int datagram_route(struct datagram_endpoint *d, const struct datagram_send *o); /* fills in d->route */
int udp_send(struct datagram_endpoint *d, const struct datagram_send *o);
int icmp_send(struct datagram_endpoint *d, const struct datagram_send *o);
int raw_send(struct datagram_endpoint *d, const struct datagram_send *o);
/* raw.c: copies of a packet that has come, to those who hear its protocol. False: nobody does. */
bool raw_input(struct net_stack *s, const struct net_packet *p);
void raw_icmp_error(struct net_stack *s, uint8_t protocol, const struct net_address *local, const struct net_address *remote, int error); /* only who is connected is told */

struct dhcp;
struct ip_state {
	struct net_ipv4 ipv4;
	bool configured;
	void (*changed)(void *owner);
	void *changed_owner;
	uint64_t announced;              /* when our IPv4 address was defended last */
	uint16_t next_id;                /* of IPv4 */
	uint32_t neighbour_count;
	uint32_t heard;                  /* who was heard last, and from where: neighbour_heard; 0: nobody. Addresses as on the wire */
	uint8_t heard_ethernet[6];
	uint32_t waiting;                /* packets, for neighbours that have not answered */
	uint32_t sane_source;            /* a source that ipv4.c has found to be one, */
	uint32_t sane_generation;        /* while this was the route generation */
	struct list neighbours[NEIGHBOUR_BUCKETS];
	struct net_neighbour group, loopback; /* to broadcast and multicast addresses; to ourselves */
	struct list loop;                /* of net_waiting: packets to ourselves */
	uint32_t looped;                 /* how many there are */
	struct list addresses, prefixes, routers; /* of IPv6 */
	uint32_t address_count, prefix_count, router_count;
	struct net_timer solicit;        /* routers */
	uint8_t solicited, hop_limit;
	uint32_t mtu6;
	struct list fragments;           /* of what is being put together, oldest first */
	uint32_t fragments_memory;
	struct list paths;
	struct net_timer paths_timer;
	uint32_t path_count;
	struct net_stack *stack;
	struct dhcp *dhcp;
	uint64_t error_time;             /* ICMP errors: a bucket of tokens, refilled at error_time */
	uint32_t error_tokens;
};

static inline bool neighbour_heard_last(const struct net_stack *s, const uint8_t *ip)
{
	const uint8_t *from = ip - ETHERNET_HEADER + 6, *last = s->ip->heard_ethernet;

	return *(const net_half *)(ip + 12) == s->ip->heard && *(const net_half *)from == *(const net_half *)last && *(const net_half *)(from + 2) == *(const net_half *)(last + 2);
}
