/* Lists of buffers (struct iovec), read from the program a few at a time: for the calls that take them. Domain lock held. */
#pragma once

#include <exos/linux/linux.h>

struct linux_iovec {
	uint64_t base, length;
};
#define VECTOR_MAX   1024
#define VECTOR_BATCH 8 /* entries copied at a time: the library's stack is small */

struct vector {
	uint64_t program; /* address of the entry that follows those in `entries` */
	uint64_t left;	  /* entries not taken yet, these included */
	uint32_t at, count;
	struct linux_iovec entries[VECTOR_BATCH];
};
int vector_start(struct vector *v, uint64_t program, uint64_t count); /* 0 or -EINVAL: too many */
int vector_next(struct vector *v, struct linux_iovec *out); /* the next buffer: 1, 0 at the end, or -EFAULT */
/* All lengths together, checked as Linux does before anything is moved; or -errno. */
ssize vector_length(uint64_t program, uint64_t count);
