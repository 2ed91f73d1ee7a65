/* The domain's disks: requests over the kernel's queues, partitions, /dev/vda and its like.
 *
 * Who uses it: exos/volume (file systems), the block devices' files (device.c), exos/program. Domain lock held, but for disk_event.
 * A request goes straight between the device and the domain's frames (include/aegis/disk.h). There is no disk process: whoever is told of a completion (EVENT_DISK) takes in all that there are, for everybody, and wakes who waits. Told is the
 * environment that submitted, mostly the one that waits; or, is that gone or not sure to run again, the keeper. */
#pragma once

#include <aegis/disk.h>
#include <exos/base.h>
#include <exos/frames.h>
#include <exos/sched/wait.h>

struct disk;
struct file;
struct inode;

/* By the keeper, before there is another environment: it makes the queues, since whoever makes one is told where nobody else is there to be. Then the nodes of /dev. Nothing where there is no disk. */
void disks_start(void);

uint32_t disk_count(void);
/* The disk of that number (0: /dev/vda): -ENXIO (there is none, or none of the domain's). */
int disk_get(uint32_t number, struct disk **out);
const struct aegis_disk_info *disk_info(const struct disk *d);
uint32_t disk_number(const struct disk *d);
/* The block table as the kernel exposes it, an entry for each frame of the machine; null: no disk, or no memory to see it. */
const struct aegis_block_info *block_table(void);
frame_t disk_queue(const struct disk *d); /* the kernel's name of the domain's queue; the domain's extent is in its slot 0 */
/* So many frames a request may have, however they lie. */
static inline uint32_t disk_frames_most(const struct disk *d)
{
	uint32_t pieces = disk_info(d)->pieces_max;

	return pieces < DISK_FRAMES_MAX ? pieces : DISK_FRAMES_MAX;
}

/* A part of a disk: the whole, or a partition (1 and on) of its GPT. -ENXIO: there is none; -EIO, -ENOMEM; -EINVAL: the table is damaged (both copies). */
struct disk_part {
	struct disk *disk;
	uint64_t first, sectors; /* on the disk */
};
int disk_part(uint32_t number, uint32_t partition, struct disk_part *out);
/* The device number that /dev/vda (partition 0), /dev/vda1... have, and back. */
uint64_t disk_device(uint32_t number, uint32_t partition);
bool disk_of_device(uint64_t device, uint32_t *number, uint32_t *partition);

/* A request under way: heap memory or part of a shared object, never on a stack. */
struct disk_request {
	struct list link;        /* the disk's, with the next two */
	struct wait_queue waiting;
	env_id tell;
	uint8_t operation, flags; /* DISK_ (aegis/disk.h) */
	bool done;
	int error;               /* once done: 0 or -EIO */
	uint64_t sector;         /* on the disk */
	uint32_t count;          /* sectors */
	uint32_t offset;         /* in the first frame, bytes */
	uint32_t frame_count;    /* disk_frames_most at most */
	const frame_t *frames;   /* heap or shared memory that lasts until done */
	void (*finished)(struct disk_request *r); /* called with the lock held, by whoever takes in the completion; may not block; may free the request; null: nobody but disk_wait */
	void *data;              /* of `finished` */
};
/* Hands a request over: it is on its way, or waits its turn where the kernel's queue is full. There is no failure: what cannot be submitted is done with -EIO. Call disk_push after the last of several. */
void disk_submit(struct disk *d, struct disk_request *r);
void disk_push(struct disk *d);
/* Waits until it is done, whatever signals come (wait_surely); returns its error. */
int disk_wait(struct disk *d, struct disk_request *r);
/* disk_submit, disk_push, disk_wait of one request in memory of the library's (window addresses; contiguous pages need not be contiguous frames): a convenience for few sectors. */
int disk_transfer(struct disk *d, uint32_t operation, uint32_t flags, uint64_t sector, uint32_t count, void *memory);

/* EVENT_DISK has come. With the domain lock or without. */
void disk_event(void);
/* Takes in what there is, and hands over what waits. */
void disk_input(void);

/* Opening a block device's inode (device.c). */
int disk_open(struct inode *inode, struct file *f);
/* The partitions one after the other, for listings: which one comes after `last` (0: the first)? False: none. Waits where the table was not read yet. */
bool disk_next_part(uint32_t number, uint32_t *last, struct disk_part *out);
