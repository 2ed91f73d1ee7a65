/* A disk for the kernel under test (kernel/drivers/block.h): requests wait until the test has them done, in any order. No test that does not start it has a disk. */
#include <string.h>

#include <kernel/drivers/block.h>
#include <kernel/x86_64/cpu.h>

#include "disk.h"

struct blockdev blockdevs[DISKS_MAX];
uint32_t blockdev_count;
uint8_t disk_contents[DISK_SECTORS * SECTOR_SIZE];
struct disk_request disk_requests[DISK_DEPTH];
uint32_t disk_waiting;
bool disk_fails;

void disk_attach(void)
{
	blockdev_count = 1;
	blockdevs[0] = (struct blockdev){ .sectors = DISK_SECTORS, .flags = DISK_CAN_WRITE | DISK_CAN_FLUSH | DISK_CAN_DISCARD, .depth = DISK_DEPTH, .pieces_max = DISK_FRAMES_MAX,
		.discard_max = DISK_SECTORS };
}

void blockdev_enable(struct blockdev *d) { (void)d; }
void blockdev_interrupt(struct blockdev *d) { (void)d; }
void blockdev_kick(struct blockdev *d) { (void)d; }
void blockdev_reap(struct blockdev *d) { (void)d; }

bool blockdev_submit(struct blockdev *d, uint32_t operation, uint32_t flags, uint64_t sector, uint64_t count, const struct blockdev_piece *pieces, uint32_t n, uint32_t cookie)
{
	struct disk_request *r = &disk_requests[disk_waiting];

	(void)flags;
	if (disk_waiting == DISK_DEPTH || d->flags & DISK_GONE)
		return false;
	*r = (struct disk_request){ .operation = operation, .cookie = cookie, .sector = sector, .count = count, .n = n };
	memcpy(r->pieces, pieces, n * sizeof(*pieces));
	disk_waiting++;
	return true;
}

void disk_finish(uint32_t which)
{
	struct disk_request r = disk_requests[which];
	uint8_t *at = disk_contents + r.sector * SECTOR_SIZE;

	disk_requests[which] = disk_requests[--disk_waiting];
	for (uint32_t i = 0; i < r.n && !disk_fails; at += r.pieces[i++].length) {
		if (r.operation == DISK_READ)
			memcpy(physical(r.pieces[i].address), at, r.pieces[i].length);
		else
			memcpy(at, physical(r.pieces[i].address), r.pieces[i].length);
	}
	disk_done(&blockdevs[0], r.cookie, disk_fails);
}
