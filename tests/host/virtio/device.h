/* A virtio device as the test plays it: what all have, and a network interface's control queue. It keeps account of what is the device's and what the driver's, from the rings alone; what breaks the rules on the
 * driver's side is a failed check. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <kernel/drivers/virtio.h>

#define MODEL_QUEUES 9
#define MODEL_ENTRIES 1024

enum owner { DRIVERS, DEVICES, RETURNED /* used, and the driver has not looked yet */ };
struct model_queue {
	uint16_t size, taken, used; /* entries of the available ring read, of the used ring written */
	bool started, leapt;
	struct virtio_descriptor *descriptors;
	uint16_t *available, *ring; /* ring: the used one */
	enum owner owner[MODEL_ENTRIES]; /* of the chain that begins with this descriptor, */
	uint32_t length[MODEL_ENTRIES];  /* what was said to be in it, */
	uint64_t address[MODEL_ENTRIES]; /* and where its first piece is */
	uint16_t held[MODEL_ENTRIES], held_count; /* the heads that are the device's, in order */
};
struct model {
	uint64_t offered, accepted;
	uint32_t type;
	uint8_t status, config[64];
	uint16_t room, queues;
	bool stuck;      /* a reset never ends */
	bool absent;     /* everything reads as ones */
	bool restless;   /* the configuration changes all the time */
	bool interrupt;  /* one is due */
	uint32_t generation, resets, notifications, interrupts;
	uint64_t scribbled; /* descriptors overwritten: they are not to be followed before the next reset */
	struct model_queue queue[MODEL_QUEUES];
};
extern struct model model;

/* random numbers from the printed seed */
extern uint64_t seed;
uint64_t random_below(uint64_t n);
void check(bool good, const char *what); /* ends the test if it is not */

/* Takes what the driver has made available. */
void model_take(struct model_queue *q);
/* Says that the device is done with this chain, truthfully; the interrupt is due if the driver wanted it. */
void model_use(struct model_queue *q, uint16_t head, uint32_t length);
/* An entry as it comes, and whether it is the truth is found out. True: it is. */
bool model_use_any(struct model_queue *q, uint32_t id, uint32_t length);
void model_scribble(struct model_queue *q);
/* Once until the next reset, since two leaps can be none: the used index is one that cannot be, by so much that entries which were true once cannot seem new. */
void model_leap(struct model_queue *q);
/* The chain that begins at this descriptor, in a table of its own or not, as it is now: at most `most` descriptors, how many is returned. */
uint32_t model_chain(const struct model_queue *q, uint16_t head, struct virtio_descriptor *to, uint32_t most);
