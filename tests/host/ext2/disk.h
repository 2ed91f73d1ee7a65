/* A disk with a volatile cache, and memory that may run out: a port for exos/ext2 on the host. Every write and flush is recorded, so that the image of any crash can be made afterwards. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <exos/ext2/port.h>
#include <tests/host/tap.h>

/* What reached the disk, in order. A request that waits until it is done is one event; whoever asked knows of its end before the next begins. */
struct disk_event {
	bool flush, lasting;
	uint32_t n;        /* blocks */
	uint64_t *blocks;
	uint8_t *contents; /* n blocks */
};

struct disk {
	uint8_t *image;    /* what reads see */
	uint64_t blocks;
	uint32_t block_size;
	uint64_t now;      /* ns; a second more with each question */

	/* Recording, from disk_record on: */
	bool recording;
	uint8_t *base, *lasting; /* the image when it began; what surely lasts before event lasting_at, or so */
	struct disk_event *events;
	uint32_t event_count, event_room, lasting_at;

	/* Faults. Counted from 1; 0: never. Requests, whose blocks then are written or not, at random. */
	uint64_t reads, writes; /* requests so far; flushes are writes */
	uint64_t fail_read, fail_write;
	bool fail_on;           /* and all after it */
	bool gone;              /* the disk was removed: everything fails */
	uint64_t bad_block;     /* reads that include it fail; 0: none */

	/* Memory */
	uint64_t asked, fail_memory; /* pieces and pages asked for so far; the one that is refused, and with fail_memory_on all after it */
	bool fail_memory_on;
	uint64_t pieces, pages;      /* that are out now */
	uint64_t discarded;          /* blocks */
};

struct disk *disk_new(uint32_t block_size, uint64_t blocks); /* zeros */
struct disk *disk_load(const char *path, uint32_t block_size);
struct disk *disk_of(const uint8_t *image, uint32_t block_size, uint64_t blocks); /* with a copy of the image */
void disk_end(struct disk *d); /* ends the test program if memory is out */
void disk_port(struct disk *d, struct ext2_port *port);
static inline uint8_t *disk_block(struct disk *d, uint64_t block) { return d->image + block * d->block_size; }
static inline size_t disk_bytes(const struct disk *d) { return d->blocks * d->block_size; }
void disk_save(const uint8_t *image, size_t bytes, const char *path);

/* Forgets what was recorded, and begins anew from the image as it is; that lasts. */
void disk_record(struct disk *d);
/* The image after a crash while event `at` was under way (event_count: after the last): what was flushed or lasting before is there; of what came after the last flush, the event under way with it, each sector of 512 bytes is or is not.
 * An older write never follows a newer one to the same sector. Quickest when `at` does not go down. */
enum disk_luck { DISK_NOTHING, DISK_EVERYTHING, DISK_SOME };
void disk_crash(struct disk *d, uint32_t at, enum disk_luck luck, uint8_t *image);

static inline void check(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
static inline void check(bool good, const char *what, ...)
{
	va_list arguments;

	if (good)
		return;
	printf("Bail out! ");
	va_start(arguments, what);
	vprintf(what, arguments);
	va_end(arguments);
	printf("\n");
	abort();
}
