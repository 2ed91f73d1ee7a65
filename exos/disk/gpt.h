/* Partition tables in GPT's format (UEFI specification 2.10, section 5.3), read and checked: pure functions over a way to look at sectors.
 *
 * Who uses it: partition.c, the host's tests and fuzzer. What is on a disk is believed only as far as its checksums and ranges hold: the primary header first, the backup at the disk's end if that is damaged or cannot be read. The protective MBR
 * is asked for one thing: whether a disk without a good primary header is meant to have a table at all (a backup left over from earlier use is none). */
#pragma once

#include <exos/base.h>

struct gpt_source {
	void *data;
	uint64_t sectors;                                           /* of the disk, of 512 bytes */
	const uint8_t *(*sector)(void *data, uint64_t number);      /* its bytes, until the next call; null: it cannot be read */
	bool (*partition)(void *data, uint32_t number, uint64_t first, uint64_t sectors); /* one that is used, from 1, in order; false: no memory */
};

/* The partitions, in order of their numbers: there may be none. Entries that reach outside of what the header allows are left out. 0 (also if there is no table), -EINVAL: there is one, and both copies are damaged, -EIO, -ENOMEM (from `partition`).
 * Cost: each sector of the table is read twice; no more than GPT_TABLE_MAX bytes. */
int gpt_read(const struct gpt_source *s);

#define GPT_TABLE_MAX 131072u /* bytes of entries; a disk that claims more could keep us reading for ever. 1,024 of the usual size */
