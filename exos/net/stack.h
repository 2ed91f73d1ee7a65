/* A network stack: Ethernet, ARP, IPv4, IPv6 with neighbour discovery, ICMP, UDP, DHCP, TCP, for one interface (paper 6: protocols are the application's).
 *
 * Who uses it: exos/socket (Linux sockets), apps/web and other programs with a stack of their own, tests/host/net. Who calls it holds whatever lock guards the stack (in ExOS the domain lock); nothing in it
 * blocks: a call does what can be done now, and `net_event` of an endpoint's owner says when more can be. Errors are negative errnos (exos/errno.h). Multi-byte fields of packets are big-endian; everything in these structures is in
 * the host's order but addresses, which are bytes as on the wire. Times are nanoseconds of port->now. */
#pragma once

#include <exos/base.h>

struct net_address { /* IPv4 addresses as ::ffff:a.b.c.d (RFC 4291 2.5.5.2); all zero: any IPv6 address; ::ffff:0.0.0.0: any IPv4 address */
	uint8_t bytes[16];
};
struct net_name {
	struct net_address address;
	uint16_t port;
};
typedef uint64_t __attribute__((may_alias, aligned(1))) net_word; /* bytes that are looked at eight at a time; */
typedef uint32_t __attribute__((may_alias, aligned(1))) net_half; /* four at a time */
static inline struct net_address net_from_ipv4(const void *bytes)
{
	struct net_address a;

	*(net_word *)a.bytes = 0;
	*(net_half *)(a.bytes + 8) = 0xffff0000;
	*(net_half *)(a.bytes + 12) = *(const net_half *)bytes;
	return a;
}
static inline bool net_is_ipv4(const struct net_address *a) { return *(const net_word *)a->bytes == 0 && *(const net_half *)(a->bytes + 8) == 0xffff0000; }

/* Memory that is sent from. A stack sends a piece's bytes from where they lie: they stay as they are until it says release. */
struct net_piece {
	struct list link;      /* the stack's, from the call that takes the piece on */
	const uint8_t *data;
	uint64_t physical;     /* where the device finds data: frame * 4096 + offset; does not cross a frame's end */
	uint32_t length;
	uint32_t sum;          /* of data from its first byte, 16 bits, not complemented (RFC 1071), or NET_NO_SUM: not known */
	void (*release)(struct net_piece *piece); /* acknowledged, or given up: the owner may have it back */
};
#define NET_NO_SUM UINT32_MAX
uint32_t net_piece_sum(const void *data, uint32_t length); /* what goes into `sum` */

/* A frame on its way out: a header in the stack's own memory, and references to memory behind it. */
struct net_part {
	const uint8_t *data;
	uint64_t physical; /* as in net_piece; 0: the port copies the bytes before send returns */
	uint32_t length;
};
#define NET_PARTS 4

struct net_stack;
struct net_endpoint;

struct net_filter_key { /* which packets an endpoint is sent: a filter of the kernel's, made by the port */
	uint8_t protocol;               /* 6, 17; 0: everything that is not an endpoint's: ARP, ICMP, neighbour discovery, strangers */
	bool any_version;               /* local is any address of IPv6, and of IPv4 too */
	struct net_name local, remote;  /* remote port 0: any remote */
};

/* What a stack needs of the world. `data` is handed to each function. */
struct net_port {
	void *data;
	uint8_t address[6];  /* Ethernet */
	uint32_t mtu;
	/* Another stack has this interface, and answers for its addresses. This one neither asks nor announces anything on the link: whoever sends to it is answered at the Ethernet address that he sent from. IPv4 alone. */
	bool shared;
	uint64_t (*now)(void *data); /* monotonic */
	uint64_t (*random)(void *data); /* that nobody can guess */
	void *(*allocate)(void *data, size_t n); /* zeroed; null: none left. n <= 2048 */
	void (*free)(void *data, void *p);
	/* 0; -ENOBUFS: no room just now (the frame is lost, as frames are); -EACCES: a guard refuses it. More may be collected until flush. Null: there is no link, and only oneself can be
	 * reached. */
	int (*send)(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n);
	void (*flush)(void *data);
	/* A filter of its own for an endpoint; its packets come with `tag`. Its name, or 0: none to be had, and then the packets must come by another filter. */
	uint32_t (*filter_add)(void *data, const struct net_filter_key *key, uint64_t tag);
	void (*filter_remove)(void *data, uint32_t filter);
};

/* Life. The stack is one piece of the port's memory. Null: none left. */
struct net_stack *net_stack_new(const struct net_port *port);
void net_stack_end(struct net_stack *s); /* everything that it holds goes; endpoints too, without a word to anybody */

/* A frame that has come. The bytes are only read, and not kept. tag: as the port's filter has it, or 0. Corrupt, short and foreign frames are counted and dropped. Call net_turn afterwards, once for a batch. */
void net_input(struct net_stack *s, const uint8_t *frame, uint32_t length, uint64_t tag);
/* What is due: timers, delayed acknowledgements, events, frames that were collected. Call it after input and after calls on endpoints, and when net_due has come. */
void net_turn(struct net_stack *s);
uint64_t net_due(const struct net_stack *s); /* when net_turn is needed next, without input; 0: not at all */

/* Addresses. An interface has one IPv4 address and its IPv6 addresses (link-local from the start; by router advertisement, RFC 4862). */
struct net_ipv4 {
	uint8_t address[4], mask[4], router[4], dns[4]; /* zero: none */
};
void net_ipv4_set(struct net_stack *s, const struct net_ipv4 *config);
void net_dhcp_start(struct net_stack *s); /* RFC 2131: gets the above, and keeps it; DHCP packets are handled inside */
struct net_ipv6 {
	struct net_address address;
	uint8_t prefix_length;
};
const struct net_ipv4 *net_ipv4(const struct net_stack *s);
size_t net_ipv6(const struct net_stack *s, struct net_ipv6 *to, size_t room); /* how many there are */
bool net_configured(const struct net_stack *s); /* has an IPv4 address, or will not get one: DHCP gave up for now */
bool net_configured_ipv6(const struct net_stack *s); /* has an IPv6 address for more than the link, or no router has anything to say */
const struct net_address *net_ipv6_router(struct net_stack *s); /* null: none */
/* The owner's own: told when the address configuration changes. */
void net_on_configured(struct net_stack *s, void (*changed)(void *owner), void *owner);

/* A neighbour's Ethernet address, known from elsewhere: for a stack that shares its interface. */
void net_neighbour_is(struct net_stack *s, const struct net_address *address, const uint8_t *ethernet);

/* Endpoints: TCP connections, TCP listeners, UDP ports, ICMP (for ping), raw packets of a protocol. */
enum net_kind { NET_TCP = 6, NET_UDP = 17, NET_ICMP = 1, NET_ICMPV6 = 58, NET_RAW = 255 };
enum { /* what net_event says, and net_ready: */
	NET_READABLE = 1,  /* bytes, a datagram, or a connection to accept; or the end of input */
	NET_WRITABLE = 2,  /* room for output */
	NET_HANGUP = 4,    /* both directions have ended */
	NET_ERROR = 8,     /* net_error has it */
	NET_INPUT_END = 16,/* the other side will send no more */
	NET_CONNECTED = 32 /* the connection that was asked for is there */
};
/* Called by net_turn alone, so never in the middle of another call: something of `what` has become true. It may call anything of the stack. */
typedef void (*net_event)(void *owner, uint32_t what);

struct net_endpoint *net_endpoint_new(struct net_stack *s, enum net_kind kind, bool ipv6, net_event event, void *owner); /* null: no memory */
/* The owner is gone: input is dropped, output that is there is still sent (TCP closes in order; RST if input was not read), and the endpoint frees itself. */
void net_close(struct net_endpoint *e);
void net_abort(struct net_endpoint *e); /* RST, and gone */
enum { NET_REUSE_ADDRESS = 1, NET_REUSE_PORT = 2, NET_ONLY_IPV6 = 4, NET_NO_DELAY = 8, NET_KEEPALIVE = 16, NET_BROADCAST = 32, NET_CORK = 64 };
void net_set_flags(struct net_endpoint *e, uint32_t flags);
struct net_tuning { /* 0: as it is */
	uint32_t receive_size, send_size; /* buffers, bytes */
	uint32_t keep_idle, keep_interval, keep_count; /* seconds, seconds, probes */
	uint32_t user_timeout; /* ms, RFC 5482 */
	uint32_t mss;
	uint8_t ttl, tos;
	int32_t linger;        /* seconds + 1; 0: as it is */
};
void net_tune(struct net_endpoint *e, const struct net_tuning *t);
void net_tuning(const struct net_endpoint *e, struct net_tuning *t);
int net_bind(struct net_endpoint *e, const struct net_name *name); /* port 0: any. -EADDRINUSE -EADDRNOTAVAIL -EINVAL */
int net_connect(struct net_endpoint *e, const struct net_name *name); /* TCP: begins, -EINPROGRESS; UDP: sets the peer, 0. -ENETUNREACH -EADDRNOTAVAIL -EISCONN -EALREADY */
int net_listen(struct net_endpoint *e, uint32_t backlog);
/* The next connection that is established; it is owned by who accepts it. -EAGAIN -EINVAL */
int net_accept(struct net_endpoint *e, struct net_endpoint **out);
void net_own(struct net_endpoint *e, net_event event, void *owner);
int net_shutdown(struct net_endpoint *e, bool input, bool output); /* -ENOTCONN */
bool net_local(const struct net_endpoint *e, struct net_name *name);  /* false: none yet */
bool net_remote(const struct net_endpoint *e, struct net_name *name);
uint32_t net_ready(const struct net_endpoint *e); /* of NET_ */
int net_error(struct net_endpoint *e);            /* a positive errno, and it is cleared; 0 */
uint32_t net_filter(const struct net_endpoint *e); /* the port's filter, or 0 */
enum net_tcp_state { TCP_CLOSED, TCP_LISTEN, TCP_SYN_SENT, TCP_SYN_RECEIVED, TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK, TCP_TIME_WAIT };
struct net_tcp_info {
	enum net_tcp_state state;
	uint32_t rtt_us, rtt_variance_us, rto_us, mss, congestion_window, slow_start_threshold; /* windows in bytes */
	uint32_t segment; /* data of a full one, with the options that segments have now: pieces cut to this size are sent with the sums that they have */
	uint32_t unacknowledged, unsent, received; /* bytes */
	uint64_t retransmitted; /* segments */
};
void net_tcp_info(const struct net_endpoint *e, struct net_tcp_info *info);

/* TCP output. Room: how many bytes more it takes now. net_write takes a piece over if it returns 0: the piece is released when it is acknowledged or the connection ends, which may be inside this call.
 * -EPIPE (also after a reset), -ENOTCONN, -EAGAIN: no room (a piece is taken whole if there is any room). `more`: others follow at once (MSG_MORE). */
uint32_t net_room(const struct net_endpoint *e);
int net_write(struct net_endpoint *e, struct net_piece *piece, bool more);
/* TCP input: where bytes that are there lie, without taking them; how many they are (0: none; look at net_ready for the end). The next call may return those that follow, after net_consume. */
uint32_t net_peek(const struct net_endpoint *e, uint32_t skip, const uint8_t **data);
void net_consume(struct net_endpoint *e, uint32_t n);
uint32_t net_available(const struct net_endpoint *e);

/* Datagrams (UDP and ICMP; ICMP's begin with its header, whose checksum the stack fills in. An ICMP endpoint that is bound gets the replies to its echo requests, whose identifier is its port; one that is not
 * bound gets every ICMP message). `to` null: the connected peer. The pieces are copied from before this returns. -EMSGSIZE -EDESTADDRREQ -EAGAIN -ENETUNREACH -EACCES, or an error that ICMP brought before */
int net_send_datagram(struct net_endpoint *e, const struct net_name *to, const struct net_name *from, const void *data, uint32_t length);
/* The first that waits: its length, its bytes (valid until net_datagram_done), whence it came and to which address. -EAGAIN. One that came in fragments may lie in several pieces: data has the first, and
 * net_datagram_peek the bytes at `skip` (returns how many lie there; 0: none). */
ssize net_datagram(struct net_endpoint *e, const uint8_t **data, struct net_name *from, struct net_name *to);
uint32_t net_datagram_peek(const struct net_endpoint *e, uint32_t skip, const uint8_t **data);
uint8_t net_datagram_ttl(const struct net_endpoint *e); /* that it came with; 0: there is none */
void net_datagram_done(struct net_endpoint *e);

/* Raw endpoints: each packet of the protocol that comes, of IPv4 with its header, of IPv6 without one, as datagrams; and what is sent gets a header of IP. Who may have one is the caller's business. Packets of
 * other endpoints come too, but datagrams of UDP and ICMP that came in many fragments do not. The protocol is set once, before anything comes. Then the endpoint's local port is the protocol. */
struct net_raw_options {
	uint32_t blocked[8]; /* of ICMP: a bit for each type that is not wanted; to be set at any time */
	int32_t checksum;    /* of IPv6: where the checksum lies that is to be filled in, and looked at; even. -1: nowhere (RFC 3542 3.1) */
};
void net_raw_protocol(struct net_endpoint *e, uint8_t protocol);
struct net_raw_options *net_raw_options(struct net_endpoint *e);

/* For those who show what there is: the endpoints one after the other (after null: the first; null: no more), and the neighbours on the link (ethernet null: not known). */
const struct net_endpoint *net_next(const struct net_stack *s, const struct net_endpoint *after);
enum net_kind net_kind_of(const struct net_endpoint *e);
bool net_is_ipv6(const struct net_endpoint *e); /* made for it; it may speak IPv4 */
bool net_neighbour(const struct net_stack *s, const struct net_address *address, uint8_t *ethernet); /* false: not known */
void net_each_neighbour(const struct net_stack *s, void (*each)(void *data, const struct net_address *address, const uint8_t *ethernet), void *data);

/* Is there data that a connection has taken on, and that the other side has not acknowledged? (Before the machine ends.) */
bool net_unfinished(const struct net_stack *s);

struct net_counters {
	uint64_t frames_in, frames_out, bytes_in, bytes_out;
	uint64_t malformed, strangers, checksum_errors, no_memory, address_conflicts;
	uint64_t tcp_retransmits, tcp_resets_sent, tcp_cookies_sent, tcp_cookies_accepted, tcp_challenges;
};
const struct net_counters *net_counters(const struct net_stack *s);
