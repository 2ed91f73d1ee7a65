/* virtio (version 1.2, OASIS) without its bus: how a device is started, and split queues (2.7).
 *
 * Who uses it: drivers of virtio devices (net.c, block.c). Who provides for it: virtio_mmio.c and virtio_pci.c, each a struct virtio_transport.
 * What it promises: of what the device writes nothing is believed. A used entry counts only if it names a chain that the device has, and says no more bytes
 * than that chain has room for; what the driver must know of a chain is in memory of its own, never read back from the descriptors. Anything else is a
 * fault and counted; after FAULTS_MAX of them, or at once when the used index says more than was offered, the device is `broken`: it should be reset.
 * All with the kernel lock held; all memory is boot memory. */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

/* Device status (2.1). */
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64 };
#define FEATURE_INDIRECT (1ul << 28)
#define FEATURE_EVENT_INDEX (1ul << 29)
#define FEATURE_VERSION_1 (1ul << 32)
#define FAULTS_MAX 16

struct virtio;
struct virtio_queue;

/* What a bus does for its devices. */
struct virtio_transport {
	uint8_t (*status)(struct virtio *v);
	void (*set_status)(struct virtio *v, uint8_t status);
	uint64_t (*features)(struct virtio *v); /* offered, */
	void (*accept)(struct virtio *v, uint64_t features);
	uint8_t (*config)(struct virtio *v, uint32_t offset); /* a byte of the device's own configuration */
	uint32_t (*generation)(struct virtio *v);             /* changes when that does */
	uint16_t (*room)(struct virtio *v, uint16_t queue);   /* entries that this queue can have; 0: there is none */
	bool (*start)(struct virtio_queue *q);                /* tells the device where the queue is */
	void (*notify)(struct virtio_queue *q);
	void (*enable)(struct virtio *v, uint8_t vector); /* interrupts come to this CPU */
	void (*acknowledge)(struct virtio *v);            /* an interrupt; before the queues are looked at */
};

struct virtio {
	const struct virtio_transport *transport;
	volatile uint8_t *registers; /* of the transport: MMIO's page, PCI's common configuration; */
	volatile uint8_t *own;       /* the device's own configuration, */
	volatile uint8_t *doorbell;  /* PCI: notification area, */
	volatile uint8_t *vectors;   /* PCI: MSI-X table; MMIO: I/O APIC */
	uint32_t doorbell_size, doorbell_step, own_size;
	uint32_t interrupt;          /* PCI: the address of its MSI-X capability; MMIO: the I/O APIC's line */
	uint64_t features;           /* agreed on */
	uint32_t faults;             /* since the last reset */
	bool broken;
};

/* Resets the device and agrees on VERSION_1 and as many of `wanted` as are offered. False: it does not do as 3.1.1 says. Queues are started next. */
bool virtio_negotiate(struct virtio *v, uint64_t wanted);
/* The queues are set up: it may begin. */
void virtio_ready(struct virtio *v);
/* Resets it, and waits until it has, but not for ever. */
bool virtio_reset(struct virtio *v);
/* Reads n bytes that belong together (2.5.1). False: they change each time. */
bool virtio_config(struct virtio *v, uint32_t offset, void *to, uint32_t n);

/* The rings as the device sees them (2.7.5, 2.7.6, 2.7.8). x86 is little-endian, as they are. */
struct virtio_descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};
struct virtio_used {
	uint32_t id, length;
};

struct virtio_chain;
struct virtio_queue {
	struct virtio *device;
	uint16_t number, size;
	uint16_t free, free_count; /* descriptors; the first of them begins the next chain */
	uint32_t offered;          /* chains added so far (modulo 2^32), */
	uint32_t published;        /* of which the device knows */
	uint16_t seen;             /* used entries looked at (modulo 2^16) */
	struct virtio_descriptor *descriptors;
	uint16_t *available; /* flags, index, entries, used_event */
	uint16_t *used;      /* flags, index, entries of struct virtio_used, avail_event */
	const uint16_t *event; /* avail_event: behind which chain the device wants to be told */
	struct virtio_chain *chains; /* by first descriptor: the driver's own record */
	volatile uint8_t *doorbell;  /* of the transport */
};

struct virtio_piece {
	uint64_t address; /* physical */
	uint32_t length;
};

/* A queue of at most `most` entries (a power of two). False: the device has no such queue. At start only. */
bool queue_make(struct virtio_queue *q, struct virtio *v, uint16_t number, uint16_t most);
/* Empty, and known to the device; after virtio_negotiate. Whatever chains it had are forgotten. */
bool queue_start(struct virtio_queue *q);
/* The first descriptor of the chain that queue_add makes next: a number below size that no chain under way has. */
static inline uint16_t queue_next(const struct virtio_queue *q) { return q->free; }
/* A chain of pieces, `read` of them read by the device, and `written` behind them written. False: there is no room. */
bool queue_add(struct virtio_queue *q, const struct virtio_piece *pieces, uint32_t read, uint32_t written, uint64_t cookie);
/* The same in one descriptor, which names a table of read + written more (2.7.5.3): the device's memory until it is done with the chain. Where FEATURE_INDIRECT is agreed on. Neither may be longer than the queue has entries. */
bool queue_add_indirect(struct virtio_queue *q, struct virtio_descriptor *table, const struct virtio_piece *pieces, uint32_t read, uint32_t written, uint64_t cookie);
/* The same with one piece, in fewer instructions. */
bool queue_add_one(struct virtio_queue *q, uint64_t address, uint32_t length, bool written, uint64_t cookie);
/* Lets the device know of what was added, by a notification if it wants one. */
void queue_publish(struct virtio_queue *q);
void queue_publish_some(struct virtio_queue *q); /* when something was */
/* The next chain that the device is done with. QUEUE_LIED: a fault; *length is 0, and *cookie the chain's if `length` was the lie, which then is done with as well. */
enum queue_result { QUEUE_NONE, QUEUE_TAKEN, QUEUE_LIED, QUEUE_LIED_LENGTH };
enum queue_result queue_take(struct virtio_queue *q, uint64_t *cookie, uint32_t *length);
/* The same, but the chain is named by its first descriptor, and its descriptors are not free before queue_release: which must be before anything more is published. */
enum queue_result queue_look(struct virtio_queue *q, uint16_t *head, uint32_t *length);
void queue_release(struct virtio_queue *q, uint16_t head);
/* Any chain under way; for after a reset. False: there is none. */
bool queue_abandon(struct virtio_queue *q, uint64_t *cookie);
/* Interrupt when the device is done with so many chains more than were seen (at least 1). True: it already is; there will perhaps be no interrupt. */
bool queue_interrupt_after(struct virtio_queue *q, uint16_t chains);
/* No interrupt is needed for now. Some may come. */
void queue_interrupt_never(struct virtio_queue *q);
static inline uint16_t queue_under_way(const struct virtio_queue *q) { return (uint16_t)(q->offered - q->seen); }

/* The devices of each bus: calls `found` with each that is of this type (5.), in a struct that is the callee's to copy. */
enum { VIRTIO_NET = 1, VIRTIO_BLOCK = 2 };
void virtio_mmio_find(uint32_t type, void (*found)(const struct virtio *v));
void virtio_pci_find(uint32_t type, void (*found)(const struct virtio *v));
