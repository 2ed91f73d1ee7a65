/* For tests of disks: a queue, requests one at a time, and what the exposed tables say. The machine has a scratch disk of 64 MiB (run.sh). */
#pragma once

#include <tests/kernel/lib.h>

#define STRIPE 2048u /* sectors, of that disk */

struct disk_port {
	frame_t name, control; /* name: the object */
	struct aegis_queue *queue;
	uint32_t seen;         /* completions taken */
};

/* Makes a queue with its control page bound at va, for which there are tables. Its name, or why not. */
int64_t disk_open(struct disk_port *p, uint64_t va);
int64_t disk_close(struct disk_port *p); /* destroys it, waiting for what is under way, and gives its frames back; of queue_destroy the last result */
/* One request of frames that are filled from `offset` on. The caller may change what it returns. */
struct aegis_disk_request *request_of(uint32_t operation, uint32_t slot, uint64_t sector, uint32_t count, const frame_t *frames);
int64_t disk_hand(struct disk_port *p, const struct aegis_disk_request *r); /* disk_submit with that one */
bool disk_next(struct disk_port *p, struct aegis_completion *c);            /* takes the next completion, if it is there */
struct aegis_completion disk_wait(struct disk_port *p);                     /* waits for it, busily */
int64_t disk_do(struct disk_port *p, const struct aegis_disk_request *r);   /* hands over and waits: the completion's result, or why not */

/* In the first environment: */
const volatile struct aegis_disk_info *disk_info(void);
struct aegis_block_info block_in_table(frame_t f);
frame_t block_frame(uint64_t block); /* by the index; 0: none */

/* A page's worth of words that tell what they are. */
void pattern_fill(void *page, uint64_t of);
bool pattern_is(const void *page, uint64_t of);
