/* An open block device, for the files that are concerned with it: device.c (reading and writing), ahead.c (reading ahead), control.c (ioctl). Domain lock held. */
#pragma once

#include <exos/disk/disk.h>
#include <exos/file/file.h>

#define AHEAD_BYTES (DISK_FRAMES_MAX * FRAME_SIZE)

struct disk_piece;
/* What was read of the device beyond what was wanted. */
struct ahead {
	struct disk_piece *piece; /* null: nothing */
	uint64_t from, to;        /* bytes */
	uint64_t changes;         /* the disk's, from before it was read */
};

struct device {
	struct disk_part part;
	uint64_t expected;        /* where one who reads on would go on */
	struct ahead ahead;
};
static inline const struct disk_part *device_part(const struct file *f) { return &((const struct device *)f->data)->part; }

/* Reads n bytes that are there, from what was read ahead, and reads ahead. As file_ops.read; 0: it cannot (no memory, an error): to be read in the ordinary way. */
ssize ahead_read(struct device *d, char *program, size_t n, uint64_t *offset);
void ahead_end(struct device *d);

int64_t disk_control(struct file *f, uint64_t command, uint64_t argument);
