/* The disk that the kernel under test has when a test attaches it. */
#pragma once

#include <kernel/drivers/block.h>

#define DISK_SECTORS 8192 /* 4 MiB: four stripes */
#define DISK_DEPTH 16

struct disk_request {
	uint32_t operation, cookie, n;
	uint64_t sector, count;
	struct blockdev_piece pieces[DISK_FRAMES_MAX];
};
extern uint8_t disk_contents[DISK_SECTORS * SECTOR_SIZE];
extern struct disk_request disk_requests[DISK_DEPTH]; /* handed over and not done: the first disk_waiting */
extern uint32_t disk_waiting;
extern bool disk_fails; /* whatever is done fails */

void disk_attach(void);             /* before the kernel's disk_start */
void disk_finish(uint32_t which);   /* of disk_requests: its data moves, and the kernel is told */
