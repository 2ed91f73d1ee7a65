/* Internet sockets, of streams, datagrams and raw packets: endpoints of the domain's network stack (exos/net/stack.h) behind sockets. Domain lock held.
 *
 * The stack never waits; these do. After every call that may have made it want to send, interface_turn. What it tells of an endpoint wakes whoever waits here. */
#pragma once

#include <exos/net/stack.h>
#include <exos/socket/socket.h>

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58, PROTOCOL_MAX = 255 };

struct internet_socket {
	struct socket s; /* first */
	struct net_endpoint *e;
	uint32_t flags;      /* NET_, beside those that the fields of `s` say */
	bool connecting;     /* a stream: asked for, and nobody was told yet how it went */
	bool connected;      /* that it is there was told */
	bool tell_errors;    /* asked for; who is connected is told of ICMP's errors in any case, and nobody else */
	bool tell_hops, tell_arrival; /* datagrams: with each goes how many hops it had left; whereto it was sent */
	frame_t tail;        /* the frame that small writes share while it has room, or NO_FRAME */
	uint32_t tail_used;
};
static inline struct internet_socket *internet_socket(struct socket *s) { return (struct internet_socket *)s; }

int internet_new(uint16_t family, uint16_t type, int protocol, struct socket **out);
/* One for a connection that was accepted. Null: no memory */
struct internet_socket *internet_make(const struct socket_ops *ops, uint16_t family, uint16_t type, int protocol);
void internet_event(void *owner, uint32_t what); /* a net_event */

/* Addresses of Linux's kind, and the stack's. -EINVAL -EAFNOSUPPORT */
int internet_name_in(const struct socket *s, const struct socket_address *a, uint32_t length, struct net_name *name);
uint32_t internet_name_out(const struct socket *s, const struct net_name *name, struct socket_address *a);

/* For the kinds. */
/* Before something goes there for the first time: the interface is started by the first socket, and has no IPv4 address for some milliseconds. They are waited for, also by those who do not wait otherwise; on Linux they
 * were at boot. 0 (to be tried, there may be none), -EINTR. It lets go of the domain lock. */
int internet_go_out(struct socket *s, const struct net_name *to);
/* Before somebody is shown what addresses there are: the interface is there, and has one, if it is to get one. IPv6 addresses, which take seconds, are not waited for. 0, -EINTR -ENOMEM */
int internet_addresses(void);
/* ioctl, and flags of an interface (IFF_). */
int64_t internet_control(struct socket *s, uint32_t command, uint64_t argument);
int internet_flags(uint32_t link);
int internet_bind(struct socket *s, const struct socket_address *a, uint32_t length);
int internet_name(struct socket *s, bool peer, struct socket_address *a);
int internet_error(struct socket *s); /* what the stack knows: 0 or -errno; once */
int internet_wait(struct internet_socket *i, struct wait_queue *q, struct patience *patience);
void internet_changed(struct socket *s);
uint32_t internet_poll(struct socket *s);
void internet_release(struct socket *s);
extern const struct socket_ops internet_stream_ops, internet_datagram_ops;
