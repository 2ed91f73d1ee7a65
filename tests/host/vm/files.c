/* See files.h. */
#include <stdlib.h>

#include <exos/file/ramfs.h>

#include "files.h"
#include <exos/volume/volume.h>

struct inode *files_last;
uint32_t files_count;

frame_t files_frame(struct inode *i, uint32_t index) { return ((frame_t *)i->data)[index]; }

static frame_t page(struct inode *i, uint64_t index, bool make)
{
	frame_t *frames = i->data;

	if (index >= FILE_PAGES)
		return NO_FRAME;
	if (frames[index] == NO_FRAME && make)
		frames[index] = frame_get_zeroed();
	return frames[index];
}

static int resize(struct inode *i, uint64_t size)
{
	i->size = size;
	return 0;
}

static const struct inode_ops ops = {.page = page, .truncate = resize};

struct inode *files_new(uint64_t size)
{
	struct inode *i = calloc(1, sizeof(*i));

	i->ops = &ops;
	i->refs = 1;
	i->size = size;
	i->data = calloc(FILE_PAGES, sizeof(frame_t));
	files_count++;
	return files_last = i;
}

struct inode *ramfs_unnamed(uint32_t mode)
{
	(void)mode;
	return files_new(0);
}

void inode_ref(struct inode *i) { i->refs++; }

void inode_put(struct inode *i)
{
	if (--i->refs)
		return;
	for (uint32_t index = 0; index < FILE_PAGES; index++)
		if (files_frame(i, index) != NO_FRAME)
			frame_put(files_frame(i, index));
	free(i->data);
	free(i);
	files_count--;
}

/* There are no disks. */
bool volumes_find_memory(void) { return false; }
