/* What the tests of TCP share: two stacks on the wire of tests/host/net, users that write and check streams, a peer that the test plays segment by segment, and a wire that is made bad. */
#pragma once

#include <exos/net/tcp.h>

#include "../net/check.h"

#define MS 1000000ul

/* A user of a connection. Byte i of stream n is what pattern() says, so that a receiver checks every byte. */
struct user {
	struct net_endpoint *e;
	uint32_t stream;            /* that it sends; it expects the same number of the other side + 1, see expects */
	uint32_t expects;
	uint64_t to_send, sent, received, wrong;
	uint32_t piece;             /* bytes of one */
	uint32_t told;              /* of NET_ */
	bool sums;                  /* its pieces have them */
	bool slow;                  /* it reads only when the test says */
	bool shuts;                 /* it ends output when all is sent */
	bool closes;                /* it closes when the other side has ended, too */
	bool closed, more;
	int error;
};
extern uint64_t pieces_out;     /* pieces that no stack has given back */
extern struct host *a, *b;

uint8_t pattern(uint32_t stream, uint64_t i);
void user_new(struct user *u, struct host *h, bool ipv6);
void user_own(struct user *u, struct net_endpoint *e);
void user_pump(struct user *u); /* writes and reads what can be */
int user_write(struct user *u, uint32_t length); /* one piece */
uint64_t user_read(struct user *u, uint64_t most);

struct net_endpoint *listener(struct host *h, uint16_t port, uint32_t backlog);
void pair(void);                               /* hosts a and b with addresses 1 and 2, which know each other's Ethernet addresses */
void pair_end(void);                           /* all memory is back, all pieces too: points of the test */
bool connected(struct user *client, struct user *server, struct net_endpoint *l, uint16_t port); /* a client of a's to port of b's l; both users are initialised here */
enum net_tcp_state state_of(const struct user *u);

struct badness { uint32_t drop, twice, late, corrupt; }; /* of 1,000 frames */
void wire_bad(struct badness to);              /* TCP frames of both directions; zero: good again */
extern uint64_t bad_count;

/* Segments by hand. */
struct raw {
	struct host *host;
	struct net_name own, peer;
	uint32_t seq, ack;              /* of the next segment */
	uint32_t window;
	bool timestamps;
	uint32_t tsval, tsecr;
	uint64_t count;                 /* segments that came */
	struct tcp_segment last;        /* the latest */
	uint8_t flags_seen;
	uint8_t bytes[2048];
};
extern struct raw raw;
void raw_start(uint8_t last);           /* a host of its own at 10.0.0.last */
void forged_send(struct host *to, uint8_t flags, const void *data, uint32_t length); /* raw.seq goes on */
void raw_send_options(struct host *to, uint8_t flags, const uint8_t *options, uint32_t options_length, const void *data, uint32_t length);
uint32_t make_tcp(uint8_t *to, struct net_name source, struct net_name destination, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t window, const uint8_t *options, uint32_t options_length, const void *data,
	uint32_t length);
bool raw_connect(struct user *server, struct net_endpoint *l, uint16_t from, uint16_t port); /* to b's listener */

void pcap_open(const char *file); /* everything that is sent from now on; null: to none */
