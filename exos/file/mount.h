/* Mounts: file systems laid over directories of others, so that all are one tree.
 *
 * Who uses it: mount.c makes the tree of the start; linux/mount.c is mount(2), umount(2) and sync(2); exos/volume brings file systems on disks. Domain lock held. What is mounted can be used by every process of the domain. */
#pragma once

#include <exos/file/file.h>

enum { MOUNT_READ_ONLY = 1, MOUNT_NO_ACCESS_TIMES = 2, MOUNT_NO_SET_ID = 4, MOUNT_NO_DEVICES = 8, MOUNT_NO_EXECUTION = 16, MOUNT_SYNCHRONOUS = 32 };

struct mount;
struct mount_counts { /* for statfs */
	uint64_t magic;      /* which kind, as Linux numbers them */
	uint64_t block_size; /* bytes */
	uint64_t blocks, free_blocks, available_blocks, inodes, free_inodes;
};

/* What a mount's file system can do beside its inodes' operations. Each may be null, and may wait. */
struct mount_kind {
	const char *type; /* as /proc/mounts says */
	bool on_disk;
	void (*counts)(struct mount *m, struct mount_counts *out);
	int (*sync)(struct mount *m);                      /* all that was written is on the medium: 0, -EIO, -ENOSPC */
	int (*remount)(struct mount *m, uint32_t flags);   /* with other MOUNT_ flags: 0, -EROFS, -EBUSY */
	/* Its end. -EBUSY: somebody is in it, and nothing has changed. As soon as nobody is, and before it waits again, it calls mount_bare; then it ends whatever happens, errors being told: mount_end frees the rest. */
	int (*end)(struct mount *m);
};

struct mount {
	struct list link;
	struct inode *root, *covered; /* references; covered: null for the root's own */
	const struct mount_kind *kind;
	void *data;                   /* the kind's */
	uint64_t number;
	uint32_t flags;
	bool ending;                  /* by somebody who may be waiting, */
	bool bare;                    /* and nobody can come to it any more */
	char *source, *place;         /* heap; the place as a path from the root */
};
extern struct list mount_list; /* in the order of mounting */

/* Lays a file system over a directory; the reference to its root becomes the mount's, unless it fails: -ENOMEM. */
int mount_add(struct inode *root, struct inode *covered, const struct mount_kind *kind, void *data, uint32_t flags, const char *source, struct mount **out);
/* Takes one away: -EBUSY (it is in use, or something is mounted in it, or it ends already), or what its end came to. */
int mount_end(struct mount *m);
/* Its directory is as it was before; by the kind's `end`. */
void mount_bare(struct mount *m);
/* The mount whose root this is, or whose file system an inode is in; null: none. */
struct mount *mount_of_root(const struct inode *root);
struct mount *mount_of(const struct inode *i);
/* The directory that the file system at `root` is laid over, or null. */
struct inode *mount_covered(const struct inode *root);
uint64_t mount_file_system(void); /* a fresh number for a file system without device */
/* All volumes: 0 or the first error. */
int mount_sync_all(void);
/* A file system in memory. */
int mount_memory(struct inode *covered, uint32_t flags, uint32_t mode, const char *source);
/* What /dev is laid over at start is on another root now: /dev, /proc and /tmp are laid over that too. */
int mount_root(struct inode *root, const struct mount_kind *kind, void *data, uint32_t flags, const char *source, struct mount **out);
