/* What the tests of the network stack share: a wire between stacks, on which time passes as the test wants it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <exos/net/ip.h>
#include <tests/host/tap.h>

#define FRAME_MAX 2048
struct frame {
	struct list link;
	struct host *from;
	uint64_t at; /* when it arrives */
	uint32_t length;
	uint8_t bytes[FRAME_MAX];
};

/* A machine on the wire: a stack, or a function that plays somebody (a DHCP server, a router). */
struct host {
	struct list link;
	struct net_stack *stack;
	void (*plays)(struct host *h, const uint8_t *frame, uint32_t length);
	uint8_t address[6];
	uint64_t allocated, pieces;  /* bytes and pieces of memory that the stack has now */
	uint64_t fail_after;         /* allocations until one fails; 0: none does */
	uint64_t sent;
	bool no_filters;
	struct list filters;
	uint32_t last_filter;
};
struct wire {
	uint64_t now;
	struct list hosts, frames;
	uint64_t delay, lost;        /* of each frame, ns; frames that `drop` has dropped */
	bool (*drop)(const struct frame *f);
	bool reorder;                /* frames take 0 to 4 times the delay */
	bool (*watch)(const struct frame *f); /* counted in `watched` */
	uint64_t watched;
};
extern struct wire wire;

struct host *host_new(uint8_t last); /* 02:00:00:00:00:last */
struct host *host_shares(uint8_t last); /* the same; its stack is not the only one of its interface */
struct host *host_plays(uint8_t last, void (*plays)(struct host *h, const uint8_t *frame, uint32_t length));
void host_address(struct host *h, uint8_t last); /* 10.0.0.last/24, by router 10.0.0.254 */
void host_end(struct host *h);        /* fails the test if memory is left */
void wire_send(struct host *from, const uint8_t *frame, uint32_t length);
void wire_run(uint64_t ns);           /* so long */
void wire_end(void);

static inline struct net_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return net_from_ipv4((uint8_t[4]){ a, b, c, d }); }
static inline struct net_name name4(uint8_t last, uint16_t port) { return (struct net_name){ v4(10, 0, 0, last), port }; }
struct net_address link_local(const struct host *h);

/* A frame of IPv4 or IPv6, with everything right about it: returns its length. `payload` may overlap nothing. */
uint32_t make_ipv4(uint8_t *frame, const uint8_t *to, const uint8_t *from, struct net_address source, struct net_address destination, uint8_t protocol, uint32_t fragment, uint16_t id, const void *payload,
	uint32_t length);
uint32_t make_ipv6(uint8_t *frame, const uint8_t *to, const uint8_t *from, struct net_address source, struct net_address destination, uint8_t protocol, uint8_t hops, const void *payload, uint32_t length);
uint32_t make_udp(uint8_t *to, struct net_name source, struct net_name destination, const void *payload, uint32_t length);
void icmp_checksum(uint8_t *message, uint32_t length, const struct net_address *source, const struct net_address *destination);
