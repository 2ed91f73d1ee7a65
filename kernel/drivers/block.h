/* Disks, as the driver offers them to kernel/disk: virtio-blk (virtio 1.2, 5.2) over PCI and MMIO.
 *
 * All with the kernel lock held. The driver has its request headers and status bytes from boot memory; data goes between the device and the physical addresses given. It believes nothing that the device writes: a device that lies is reset, and
 * what it had fails; one that cannot be reset is gone. */
#pragma once

#include <stdbool.h>

#include <aegis/disk.h>

struct blockdev {
	uint32_t number;     /* as in EXTENT() */
	uint64_t sectors;
	uint32_t flags;      /* DISK_CAN_, DISK_GONE */
	uint32_t depth;      /* requests under way at most, of one piece each */
	uint32_t pieces_max; /* of one request */
	uint64_t discard_max; /* sectors in one discard */
	void *driver;
};
extern struct blockdev blockdevs[DISKS_MAX];
extern uint32_t blockdev_count;

/* At start, before the free frames are counted: finds and starts the disks on every bus that the machine has, in the order in which they were given to the machine. Interrupts come from blockdev_enable on. */
void blockdev_start(void);
void blockdev_enable(struct blockdev *d); /* to the CPU that calls it first */
/* From the interrupt: calls disk_done for every request that is done. Bounded by the queue's length. */
void blockdev_interrupt(struct blockdev *d);

struct blockdev_piece {
	uint64_t address; /* physical */
	uint32_t length;  /* a multiple of SECTOR_SIZE in all */
};
/* A request (operation: DISK_, flags: DISK_FUA, which is a flush after the write where the device knows no better). The cookie, below 2^32, comes back by disk_done. False: there is no room, or the device is gone; disk_room is called when there is room again. The device is told by blockdev_kick. disk_done is not
 * called from either. Neighbouring pieces are best merged by the caller. */
bool blockdev_submit(struct blockdev *d, uint32_t operation, uint32_t flags, uint64_t sector, uint64_t count, const struct blockdev_piece *pieces, uint32_t n, uint32_t cookie);
void blockdev_kick(struct blockdev *d);
void blockdev_reap(struct blockdev *d); /* looks for what is done without waiting for the interrupt */

/* kernel/disk: */
void disk_done(struct blockdev *d, uint32_t cookie, bool failed);
void disk_room(struct blockdev *d);
