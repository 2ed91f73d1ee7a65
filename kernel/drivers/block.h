/* Disks, as the driver offers them to kernel/disk: virtio-blk (virtio 1.2, 5.2) over PCI and MMIO.
 *
 * All with the kernel lock held. The driver has its request headers and status bytes from boot memory; data goes between the device and the physical addresses given. It believes nothing that the device writes: a device that lies is reset, and
 * what it had fails; one that cannot be reset, or is not there any more, is gone. */
#pragma once

#include <stdbool.h>

#include <aegis/disk.h>

struct blockdev {
	uint32_t number;     /* as in EXTENT() */
	uint64_t sectors;    /* may change while it runs */
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
/* A request (operation: DISK_, and one that the disk can do by its flags; flags: DISK_FUA, which is a flush after the write: virtio-blk knows no better). Where DISK_CAN_FLUSH is missing there is nothing to flush: what is done is on the medium.
 * n: from 1 to pieces_max, 0 for a flush or a discard. The cookie, below 2^32, comes back by disk_done. False: there is no room, and disk_room is called when there is again; or the device is gone, or cannot do that. The device is told by blockdev_kick.
 * disk_done and disk_room are not called from either. Neighbouring pieces are best merged by the caller. */
bool blockdev_submit(struct blockdev *d, uint32_t operation, uint32_t flags, uint64_t sector, uint64_t count, const struct blockdev_piece *pieces, uint32_t n, uint32_t cookie);
void blockdev_kick(struct blockdev *d); /* after blockdev_enable */
/* Looks for what is done without waiting for the interrupt, and if nothing is, whether the device is still there: no interrupt says that it is not. So whoever has waited for long calls this. May call disk_done and disk_room. */
void blockdev_reap(struct blockdev *d);

/* kernel/disk: */
void disk_done(struct blockdev *d, uint32_t cookie, bool failed); /* may submit and kick */
void disk_room(struct blockdev *d); /* once after a refusal: something can be submitted again, or DISK_GONE is set and nothing ever will. May submit and kick */
