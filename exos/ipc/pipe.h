/* Pipes: a ring of frames in the domain's shared memory, read and written directly by the processes at its ends
 * (paper 6.1). Domain lock held. */
#pragma once

#include <exos/file/file.h>

#define PIPE_SIZE   65536 /* bytes; frames are taken as data comes */
#define PIPE_ATOMIC 4096
int pipe_new(struct file **read_end, struct file **write_end, uint32_t flags);
/* Opening a FIFO inode: blocks until the other end is there. */
int fifo_open(struct inode *inode, struct file *file);
