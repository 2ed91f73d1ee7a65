/* A disk in memory, made by sfdisk, for the tests of the parser of partition tables. */
#pragma once

#include <exos/disk/gpt.h>

#define SECTOR 512u
#define PARTITIONS_MOST 2048

struct image {
	uint8_t *bytes;
	uint64_t sectors;
	uint64_t bad_from, bad_to; /* sectors that cannot be read */
	uint64_t reads;
	uint8_t *sector;           /* the last one that was read, in a piece of memory of just its size */
};
struct found {
	uint32_t count, most;      /* most: then there is no memory */
	struct {
		uint32_t number;
		uint64_t first, sectors;
	} partitions[PARTITIONS_MOST];
};

struct image image_load(const char *path); /* ends the program if it cannot */
struct image image_copy(const struct image *from);
void image_free(struct image *i);
void image_sum(uint8_t *header);                     /* makes a header's own checksum right, */
void image_sum_table(struct image *i, uint8_t *header); /* and that of its table, as far as that is on the disk */
int image_read(struct image *i, struct found *found); /* gpt_read */
uint64_t get64(const uint8_t *p);
void put64(uint8_t *p, uint64_t value);
void put32(uint8_t *p, uint32_t value);
uint32_t get32(const uint8_t *p);
