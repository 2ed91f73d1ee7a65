/* What the files of exos/disk share. */
#pragma once

#include <exos/disk/disk.h>

/* A partition as the table on the disk has it. */
struct partition {
	struct list link; /* by number */
	uint32_t number;
	uint64_t first, sectors; /* on the disk */
};

struct disk {
	uint32_t number;
	frame_t queue;                 /* the kernel's object */
	struct aegis_queue *control;
	const struct aegis_cap *cap;   /* bound in slot 0 */
	uint64_t first, sectors;       /* the domain's part of it: mostly all */
	struct list waiting;           /* requests that the kernel has not taken yet */
	uint32_t under_way;            /* that it has */
	bool table_read;               /* `partitions` are what is on the disk, or `table_error` why they are not known */
	int table_error;
	struct list partitions;
	struct list writes;            /* device.c: under way */
	uint64_t changes;              /* counted up whenever a write begins and whenever one ends: between two of the same count nothing was written */
};

/* One request with its frames, which are the library's own. */
struct disk_piece {
	struct disk_request request;
	frame_t frames[DISK_FRAMES_MAX];
};
/* With as many frames as there is memory for, up to so many (request.frame_count); null: not even for one. */
struct disk_piece *piece_new(const struct disk *d, uint32_t frames);
void piece_end(struct disk_piece *p);
/* Hands it over for sectors of a disk, from the first frame's start. */
void piece_submit(struct disk *d, struct disk_piece *p, uint32_t operation, uint64_t sector, uint32_t count);

/* partition.c: the nodes in /dev of a disk and its partitions; at start, and when the table was read anew. */
void partition_nodes(struct disk *d);
/* The table is read again. 0, -EIO, -ENOMEM, -EINVAL. */
int partitions_reread(struct disk *d);
