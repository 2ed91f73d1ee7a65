/* The wire between the emulator's network card and a small network (libslirp's: gateway 10.0.2.2, name server 10.0.2.3, DHCP, ports published on the host) or a second machine, with a hand on it that loses, doubles, reorders,
 * corrupts and delays frames by a seed, and injects frames of its own.
 *
 * main.c: options and the loop; link.c: both ends; impair.c: what happens to frames on the way; inject.c: floods, malformed frames, and a prober that sends datagrams and prints the answers. One thread; all state is
 * in struct wire, owned by main. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <slirp/libslirp.h>

#define FRAME_MOST 2048 /* bytes; longer ones do not occur with an MTU of 1500 */

enum place { MACHINE, SECOND, NETWORK, PLACES }; /* where a frame goes: to a machine, the other one (--second), or libslirp */

struct rates { /* in a thousand frames */
	uint32_t loss, duplicate, reorder, corrupt;
	uint32_t delay_us; /* of every frame */
};

struct held { /* a frame on its way */
	struct held *next;
	uint64_t due; /* ns */
	enum place to;
	uint32_t length;
	uint8_t bytes[];
};

struct injection {
	uint16_t syn_port;      /* 0: no flood */
	uint32_t syn_rate;      /* a second */
	uint32_t malformed_rate;
	uint64_t malformed_left;
	uint64_t syns, malformed; /* sent so far */
	const char *begin;      /* a file: they begin when it is there. Null: at once */
	uint64_t started;       /* when the machine's addresses were known, and they might begin; 0: not yet */
};

struct prober { /* a host at 10.0.2.77 that asks one datagram at a time */
	uint16_t port;
	uint32_t count, size;
	uint32_t sent, answered, lost;
	uint64_t asked;         /* when the last one was sent; 0: none is under way */
	FILE *output;
};

struct wire {
	Slirp *slirp;
	int machines[2];        /* datagram sockets to the emulators; the second -1 when there is none */
	uint8_t addresses[2][6]; /* their Ethernet addresses, as far as known */
	uint64_t random;
	struct rates rates;
	struct held *held;      /* by due */
	struct injection injection;
	struct prober prober;
	uint8_t machine_ip[4];  /* the first machine's */
	bool machine_known;
	uint8_t sample[FRAME_MOST]; /* the last frame to the machine: what malformed ones are made from */
	uint32_t sample_length;
	uint64_t frames[PLACES], lost, duplicated, reordered, corrupted;
	FILE *capture;          /* pcap, or null */
};

uint64_t wire_now(void); /* ns */
uint64_t wire_random(struct wire *w);

/* link.c */
bool link_open(struct wire *w, const char *const *forwards, uint32_t count, bool second, uint16_t ports[2][2]); /* ports: the emulator's and ours, of each machine */
void link_deliver(struct wire *w, enum place to, const uint8_t *frame, uint32_t length); /* past the hand */
void link_turn(struct wire *w, uint64_t until); /* waits for frames on both ends, and takes them in; until: ns */

/* impair.c */
void impair(struct wire *w, enum place to, const uint8_t *frame, uint32_t length);
uint64_t impair_due(const struct wire *w); /* when the next held frame is to be delivered; 0: none */
void impair_release(struct wire *w);

/* inject.c */
void inject_learn(struct wire *w, const uint8_t *frame, uint32_t length); /* looks at a frame from the machine */
bool inject_takes(struct wire *w, const uint8_t *frame, uint32_t length); /* an answer to what was injected: not for the network */
void inject_turn(struct wire *w);
uint64_t inject_due(const struct wire *w);
