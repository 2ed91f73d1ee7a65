/* The domain's network interface: one stack (exos/net) over one ring of the kernel's (include/aegis/net.h). Domain lock held, but for interface_event.
 *
 * There is no network process. Whoever is told of a packet (EVENT_NET) empties the ring, for everybody: the environment that last went to wait for the endpoint whose filter took the packet, or the keeper, which also looks
 * after timers. What happens to endpoints is told to their owners by net_event, from inside interface_turn, and nowhere else. */
#pragma once

#include <aegis/info.h>
#include <exos/net/stack.h>

struct proc;

/* Brings the interface up, the first time; later it costs nothing. For the first socket of the internet families. 0, -ENOMEM.
 * Where the machine has no network device that is the domain's, only oneself can be reached, and there are no other addresses. An IPv4 address is there when net_configured says so, which takes a moment. */
int interface_start(void);
struct net_stack *interface_stack(void); /* null: it was not started */

/* Waits until there is an IPv4 address. 0; -EADDRNOTAVAIL: it will not get one for now; -EINTR, -ETIMEDOUT (ticks). */
int interface_await(uint64_t deadline);
int interface_await_ipv6(uint64_t deadline); /* one of IPv6 that is not for the link alone, or until no router has answered. The same, but -EADDRNOTAVAIL */
/* For a program with a ring of its own (program/net.c): from it may be sent what the domain itself may send. False: no room for guards. */
bool interface_guard(frame_t ring);
void interface_router(uint8_t *ethernet); /* the router's address on the link; zero: not known, or there is none */

/* After calls on endpoints: frames that were collected go out, packets to ourselves come in, owners are told. It may wake anybody; nothing is waited for. */
void interface_turn(void);

/* The current process is about to wait for this endpoint: it will be told of its packets. A kernel call if it was another the last time, else nothing. */
void interface_wait(const struct net_endpoint *e);
/* p is at its end, in its environment: others will be told of what it was told. */
void interface_forget(struct proc *p);

/* EVENT_NET has come. Not with the domain lock held. */
void interface_event(void);
/* The same, with the lock. */
void interface_input(void);

/* For the keeper. interface_watch, with the lock: from now on it is told when it would look at the timers too late. interface_due, without the lock, but with upcalls disabled, so that nothing changes it unsaid: to which time (ticks; 0: none)
 * it may sleep as far as the interface is concerned. Then interface_tick, with the lock. */
void interface_watch(void);
uint64_t interface_due(void);
void interface_tick(void);
bool interface_unfinished(void); /* connections have data on their way that the other side has not acknowledged */

struct interface_counts {
	uint64_t dropped_in; /* packets that found no free slot */
	uint64_t lost_out;   /* frames for which there was no room, or that a guard refused */
};
struct interface_counts interface_counts(void);
const struct aegis_net_info *interface_info(void); /* null: there is no device */

/* links.c: interfaces as programs know them, by number and name: 1 is lo, 2 is eth0, where there is a device. */
enum { LINK_LOOPBACK = 1, LINK_DEVICE = 2 };
struct interface_link {
	uint32_t index, mtu;
	const char *name;
	uint8_t ethernet[6];
};
bool interface_link(uint32_t index, struct interface_link *l); /* false: there is none */
uint32_t interface_link_named(const char *name);               /* 0: none */
/* Addresses, of both versions. False: those were all. The addresses may change between two calls. */
struct interface_address {
	uint32_t link;
	struct net_address address;
	uint8_t prefix_length; /* bits, of the version's address */
};
bool interface_address(uint32_t n, struct interface_address *a);
/* Routes to networks: through the router, if it is not any address. The same. */
struct interface_route {
	struct net_address network, router; /* the router of the network's version */
	uint8_t prefix_length;
};
bool interface_route(uint32_t n, struct interface_route *r);
