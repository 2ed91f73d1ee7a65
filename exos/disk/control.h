/* What ioctl does with a block device. Called by device.c, whose file it is: `data` is its struct disk_part. */
#pragma once

#include <exos/file/file.h>

int64_t disk_control(struct file *f, uint64_t command, uint64_t argument);
