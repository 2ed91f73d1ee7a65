/* The file system in memory, from the inside: what its parts share.
 *
 * A regular file is a tree of frames: nodes of 1,024 frame numbers, as many levels as its size needs (none for one
 * page). A directory is a hash table of entries that are also listed in the order of their making. */
#pragma once

#include <exos/file/file.h>

struct ramfs_entry {
	struct list order;	   /* in its directory, by cookie */
	struct ramfs_entry *chain; /* in its bucket */
	struct inode *dir, *inode; /* a reference to inode */
	uint64_t cookie;	   /* where a listing finds it again; ever growing in a directory */
	uint32_t hash;
	uint32_t length;
	char name[];
};

struct ramfs_directory {
	struct list order;
	struct ramfs_entry **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t count;
	uint64_t next_cookie;
	struct ramfs_entry *cursor; /* where the last listing stopped, so that the next need not search; or null */
};

struct ramfs_node {
	struct inode inode;	   /* first: see inode_init */
	struct ramfs_entry *entry; /* one that names it: the one last looked up; null when none is left */
	union {
		struct {
			frame_t root;
			uint32_t levels;
		} tree;
		struct ramfs_directory *directory;
		char *target; /* of a link: its text, terminated; a frame if it is too long for the heap */
	};
};

static inline struct ramfs_node *ramfs_node(struct inode *i) { return (struct ramfs_node *)i; }

extern uint64_t ramfs_frames; /* that hold contents of files, in all */

static inline void ramfs_count_page(struct inode *i, int more)
{
	i->sectors += (uint64_t)((int64_t)more * (int64_t)(FRAME_SIZE / 512));
	ramfs_frames += (uint64_t)more;
}

#define RAMFS_SIZE_MAX (1ul << 40)

extern const struct inode_ops ramfs_ops;
struct inode *ramfs_root(uint64_t file_system); /* a new, empty file system */
/* The end of a file system, for whose root the caller has the one reference that there may be: -EBUSY (something of it is in use), or 0: it is gone, root and all. */
int ramfs_end(struct inode *root);
/* A file without a name (memfd). */
struct inode *ramfs_unnamed(uint32_t mode);

/* ramfs_pages.c. Where the frame of a page is noted; null: a hole (or, with `make`, no memory for the way to it). */
frame_t *tree_slot(struct ramfs_node *n, uint64_t index, bool make);
frame_t ramfs_page(struct inode *i, uint64_t index, bool make);
int ramfs_truncate(struct inode *i, uint64_t size);
/* What lies behind the end of a file in its last page may have been written through a mapping: makes it zero. */
void ramfs_clear_tail(struct inode *i, uint64_t end);
void tree_free(struct ramfs_node *n);
/* ramfs_file.c */
int ramfs_open(struct inode *i, struct file *f);
ssize ramfs_write_library(struct inode *i, const void *bytes, size_t n, uint64_t offset);
/* ramfs_directory.c */
struct ramfs_directory *directory_new(void);
void directory_free(struct ramfs_directory *d);
struct ramfs_entry *directory_find(struct inode *dir, const char *name, size_t length);
/* Adds a name; takes a reference to the inode. -ENOMEM. */
int directory_add(struct inode *dir, const char *name, size_t length, struct inode *inode);
void directory_remove(struct ramfs_entry *e);
int ramfs_list(struct inode *dir, uint64_t *offset, struct dirent_sink *sink);
