/* Character devices by number, and the file operations that several file systems share. */
#pragma once

#include <exos/file/file.h>

#define DEVICE_NUMBER(major, minor) ((uint64_t)(major) << 8 | (minor))
#define DEVICE_ZERO		    DEVICE_NUMBER(1, 5) /* a mapping of it is anonymous memory */

int device_open(struct inode *inode, struct file *f); /* -ENXIO: no such device */

extern const struct file_ops directory_file_ops;
