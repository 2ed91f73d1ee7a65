/* For tests of the network: rings, frames to send and filters for them. Two devices are joined by a hub: what one sends the other receives (./exo run --net hub). */
#pragma once

#include <tests/kernel/lib.h>

#define FROM DEVICE_NET0       /* the tests send here, */
#define TO (DEVICE_NET0 + 1)   /* and receive there */
#define KIND 0x88b5            /* an Ethernet type for experiments (IEEE 802) */
#define HEADER 18              /* bytes: Ethernet's, and a number that the tests tell packets by */

struct port {
	frame_t name, control, frames[NET_SLOTS_MAX / 2]; /* name: the object */
	uint32_t slots, device, seen; /* seen: packets taken so far */
	struct aegis_ring *ring;
	uint8_t *slot_base;
};

/* Makes a ring, with control page and slots bound from `va` on. The ring's name, or why not. `owner`: makes tables for va in the caller's own way. */
int64_t port_open(struct port *p, uint32_t device, uint32_t slots, uint64_t va);
int64_t port_close(struct port *p); /* destroys it and gives its frames back; of ring_destroy the last result */
struct aegis_packet *port_packet(const struct port *p, uint32_t n); /* what is in slot n */
/* The next packet, or null if none comes in a while: to be looked at before the next call. */
struct aegis_packet *port_next(struct port *p);
bool port_settle(const struct port *p); /* waits until the device is done with all that was sent, the last frame with a piece; false: it never is */

/* Atoms: an Ethernet type of KIND, and this number behind it. */
void atoms_of(struct aegis_atom atoms[2], uint32_t number);
/* A filter for these; cap: CAP_DEVICE or a scope. Its number, or why not. */
int64_t filter_for(const struct port *p, uint32_t number, env_id env, const struct aegis_cap *cap);
int64_t guard_for(const struct port *p, uint32_t number);
/* One frame of `length` bytes in all, the rest from a frame of the caller's if it has one: what net_send says. */
struct aegis_send *frame_of(uint32_t number, uint32_t length, frame_t rest);
int64_t send_number(const struct port *p, uint32_t number);
const volatile struct aegis_net_info *device_info(uint32_t device);
