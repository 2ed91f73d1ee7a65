/* What exos/ext2 needs of the world: memory, time, and the volume's blocks. In ExOS: exos/volume. On the host: the tests. */
#pragma once

#include <exos/base.h>

/* A block of the volume (block_size bytes), and the memory that it is read into or written from, all of it in one page of the port's. */
struct ext2_io {
	uint64_t block;
	void *memory;
};

struct ext2_port {
	void *data;                                   /* handed to each function */
	uint64_t (*now)(void *data);                  /* calendar, ns */
	void *(*allocate)(void *data, size_t n);      /* zeroed; null: none left. n <= 2048 */
	void (*free)(void *data, void *p);
	void *(*page)(void *data);                    /* 4,096 bytes, aligned, contents anything; null: none left */
	void (*page_free)(void *data, void *p);
	/* n blocks, in any order of disk; neighbours are best next to each other. All wait until done. 0 or -EIO, which says nothing of which were. Others may call into the volume meanwhile only as ext2.h says. */
	int (*read)(void *data, const struct ext2_io *list, uint32_t n);
	int (*write)(void *data, const struct ext2_io *list, uint32_t n, bool lasting); /* lasting: on the medium afterwards (FUA) */
	int (*flush)(void *data);                     /* everything that was written before is on the medium */
	void (*discard)(void *data, uint64_t block, uint64_t count); /* their contents are not needed; null: nobody wants to know */
};
