/* Files: inodes, directories, open files, descriptor tables. Domain lock held.
 *
 * A file system is a set of inode operations; there are four: ramfs (files in memory, pages in frames), devfs's device
 * inodes, procfs, and volumes (exos/volume: files on disks). Every data page of a file in memory or on a volume is a frame
 * that vm can map. Operations of a volume may wait, and then give up the domain lock; which others may, each says. */
#pragma once

#include <exos/base.h>
#include <exos/frames.h>
#include <exos/sched/wait.h>

enum {
	TYPE_FIFO = 0010000,
	TYPE_CHAR = 0020000,
	TYPE_DIR = 0040000,
	TYPE_BLOCK = 0060000,
	TYPE_FILE = 0100000,
	TYPE_LINK = 0120000,
	TYPE_SOCKET = 0140000,
	TYPE_MASK = 0170000
};

enum {
	OPEN_READ = 0,
	OPEN_WRITE = 1,
	OPEN_RDWR = 2,
	OPEN_ACCESS = 3,
	OPEN_CREATE = 0100,
	OPEN_EXCLUSIVE = 0200,
	OPEN_NOCTTY = 0400,
	OPEN_TRUNCATE = 01000,
	OPEN_APPEND = 02000,
	OPEN_NONBLOCK = 04000,
	OPEN_DIRECTORY = 0200000,
	OPEN_NOFOLLOW = 0400000,
	OPEN_CLOEXEC = 02000000,
	OPEN_PATH = 010000000
};

struct inode;
struct file;
struct dirent_sink { /* receives directory entries; returns false when it has no more room */
	bool (*entry)(struct dirent_sink *sink, const char *name, size_t length, uint64_t number, uint32_t type,
		uint64_t next_offset);
};

struct inode_ops {
	/* Of directories. Names are not terminated. Each returns 0 or -errno; *out carries a reference. */
	int (*lookup)(struct inode *dir, const char *name, size_t length, struct inode **out);
	int (*make)(
		struct inode *dir, const char *name, size_t length, uint32_t mode, uint64_t device, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, size_t length, const char *target);
	int (*link)(struct inode *dir, const char *name, size_t length, struct inode *target);
	int (*unlink)(struct inode *dir, const char *name, size_t length, bool directory);
	int (*rename)(struct inode *from, const char *name, size_t length, struct inode *to, const char *new_name,
		size_t new_length, uint32_t flags);
	int (*list)(struct inode *dir, uint64_t *offset, struct dirent_sink *sink);
	/* Of links. The length, not terminated. */
	ssize (*readlink)(struct inode *link, char *to, size_t size);
	/* Of links that lead to an inode itself, not to a path; null for ordinary ones. */
	int (*follow)(struct inode *link, struct inode **out);
	/* Where an inode is: its name's length, the name in *name, its directory in *dir (no reference); -ENOENT when
	 * it has none (any more). The name stays valid until the directory changes, or the next call here; null: it is not
	 * wanted. Never waits. Null: never has a place in a directory. */
	ssize (*locate)(struct inode *inode, struct inode **dir, const char **name);
	/* Of files. */
	int (*truncate)(struct inode *file, uint64_t size);
	/* The frame that holds page `index`, without a reference of the caller's own; NO_FRAME: a hole (or, with
	 * `make`, no memory). */
	frame_t (*page)(struct inode *file, uint64_t index, bool make);
	/* Of files whose contents are not always in memory (else null): brings page `index` in, so that `page` has it; with
	 * `write` it is going to be written through a mapping. 0: `page` has it, and nobody was waited for; 1: the same, but the
	 * lock was given up meanwhile; -EIO, -ENOSPC, -EROFS, -ENOMEM. Without may_wait: -EAGAIN where it would have to. */
	int (*fetch)(struct inode *file, uint64_t index, bool write, bool may_wait);
	/* Attributes or names are about to be changed: 0, -EROFS, -EIO, without waiting; have been, which may wait. Null: nothing to say. */
	int (*writable)(struct inode *inode);
	void (*changed)(struct inode *inode);
	/* A range of bytes will be wanted soon, or not again: begun, or done, as far as that is easy. May wait for what leads there. Null: it is all one. */
	void (*advise)(struct inode *inode, uint64_t start, uint64_t length, bool wanted);
	/* Makes what was written last: contents, with data_only without what is not needed to read them again. Waits. Null: there is nothing that lasts. */
	int (*sync)(struct inode *inode, bool data_only);
	/* What an open file on this inode does. */
	int (*open)(struct inode *inode, struct file *file);
	void (*release)(struct inode *inode); /* last reference and last name gone */
	/* The last reference is gone: true: the file system keeps the inode in memory, and sees to it. Never waits. Null: it does not. */
	bool (*keep)(struct inode *inode);
};

struct inode {
	const struct inode_ops *ops;
	uint32_t refs;
	uint32_t mode;	/* type and permissions */
	uint32_t names; /* links */
	uint32_t uid, gid;
	uint64_t sectors; /* of 512 bytes, that its contents take */
	uint64_t number, file_system;
	uint64_t device; /* of device files */
	uint64_t size;
	uint64_t accessed, modified, changed; /* calendar ns */
	void *data;			      /* the file system's */
	struct inode *mounted;		      /* root of the file system laid over this directory, or null */
	struct file_locks *locks;	      /* record and whole-file locks (file/locks.h), or null */
};

struct file_ops {
	/* Program addresses; *offset is the file's own or the caller's (pread). Results as read(2): count or -errno
	 * (-ERESTART when interrupted). */
	ssize (*read)(struct file *f, void *program, size_t n, uint64_t *offset);
	ssize (*write)(struct file *f, const void *program, size_t n, uint64_t *offset);
	int64_t (*control)(struct file *f, uint64_t command, uint64_t argument); /* ioctl; -ENOTTY */
	/* Which of POLL_* hold now; the queue on which a change is announced. */
	uint32_t (*poll)(struct file *f, struct wait_queue **queue);
	void (*release)(struct file *f);
	/* Any of these may be null. As write, from library memory (sendfile); waits until that many bytes go in as one
	 * write (writev to a pipe); how many bytes a read would get at once; what was written is where it is safe (of a
	 * file's attributes only those that its data needs), 0 or -errno; where its end is, if its inode's size does
	 * not say. */
	ssize (*write_library)(struct file *f, const void *bytes, size_t n, uint64_t *offset);
	int (*reserve)(struct file *f, size_t n);
	size_t (*available)(struct file *f);
	int (*sync)(struct file *f, bool data_only);
	uint64_t (*size)(struct file *f);
};
/* POLL_PEER_DONE: the other side will write no more (RDHUP). */
enum { POLL_IN = 1, POLL_PRIORITY = 2, POLL_OUT = 4, POLL_ERROR = 8, POLL_HANGUP = 16, POLL_INVALID = 32, POLL_PEER_DONE = 0x2000 };

/* Somebody who is to hear of a file's end without keeping it open. */
struct file_watch {
	struct file_watch *next;
	void (*gone)(struct file_watch *w); /* the last reference is gone: takes the watch off the file */
};

struct file { /* an open file description */
	const struct file_ops *ops;
	uint32_t refs;
	uint32_t flags; /* OPEN_; a file opened with OPEN_PATH has OPEN_ACCESS here: neither to be read nor written */
	bool seekable;
	uint64_t offset;
	struct inode *inode; /* always there; pipes and the like have one too */
	char *path;	     /* what /proc calls a file that has no place in the tree; may be null, heap */
	void *data;	     /* of the ops */
	struct file *next_gone; /* files_end */
	struct file_watch *watches;
};

void inode_ref(struct inode *i);
void inode_put(struct inode *i);
struct inode *inode_new(const struct inode_ops *ops, uint32_t mode); /* one reference, times now, fresh number */
/* Bytes to library memory, for those who load executables: count or -errno. */
ssize inode_read(struct inode *i, void *to, size_t n, uint64_t offset);
/* The frame that holds a page, brought in if need be, which may wait: 0 (NO_FRAME: a hole) or -errno. No reference of the caller's own. */
int inode_page(struct inode *i, uint64_t index, frame_t *out);
static inline void inode_changed(struct inode *i)
{
	if (i->ops->changed)
		i->ops->changed(i);
}
/* want: 4 read, 2 write, 1 execute; of the current process, or of whoever is named; 0 or -EACCES. */
int inode_permission(struct inode *i, uint32_t want);
int inode_permission_as(struct inode *i, uint32_t uid, uint32_t gid, uint32_t want);
/* For file systems that allocate an inode as the first member of something larger (freed by heap_free of the inode). */
void inode_init(struct inode *i, const struct inode_ops *ops, uint32_t mode);
/* The absolute path at which an inode is now, seen from `root`: its length, -ENOENT if it has none, -ENAMETOOLONG.
 * Terminated. */
ssize inode_path(struct inode *i, struct inode *root, char *to, size_t size);
struct inode *inode_parent(struct inode *dir); /* what `..` leads to; a reference */

/* Paths. `base` is where relative ones start; null: the current directory of the current process. */
enum { PATH_NOFOLLOW = 1 };
#define PATH_SIZE 4096 /* bytes of a path, with its end */
#define NAME_MAX  255
int path_inode(struct inode *base, const char *path, uint32_t flags, struct inode **out);
int path_open(struct inode *base, const char *path, uint32_t flags, uint32_t mode, struct file **out);
/* What path_open does once it has the inode: nothing is checked. */
int inode_open(struct inode *i, uint32_t flags, struct file **out);
/* Names made and removed; permissions of the current process apply, and its umask. */
int path_make(struct inode *base, const char *path, uint32_t mode, uint64_t device);
int path_symlink(struct inode *base, const char *path, const char *target);
int path_link(struct inode *base, const char *path, struct inode *target);
int path_unlink(struct inode *base, const char *path, bool directory);
enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2 };
int path_rename(struct inode *base, const char *path, struct inode *new_base, const char *new_path, uint32_t flags);
/* Changes of an inode's attributes, with the rights of the current process. */
int inode_set_mode(struct inode *i, uint32_t mode);
int inode_set_owner(struct inode *i, uint32_t uid, uint32_t gid); /* UINT32_MAX: as it is */
int inode_truncate(struct inode *i, uint64_t size);

/* Consumes nothing; takes a reference of its own to the inode. */
struct file *file_new(const struct file_ops *ops, struct inode *inode, uint32_t flags);
void file_ref(struct file *f);
void file_put(struct file *f);
/* The end of files whose last references were given up during a call of a process with threads (a chain): another of its threads may have closed what the call
 * still uses, so they end with it. */
void files_end(struct file *chain);

/* Descriptors are in blocks that never move once they are there. */
#define FILE_BLOCK 64
struct file_block {
	struct file *files[FILE_BLOCK];
	uint64_t close_on_exec; /* a bit for each */
};
struct file_table {
	uint32_t room;	      /* blocks' worth of descriptors */
	uint32_t lowest_free; /* none is free below this */
	uint32_t block_room;
	struct file_block **blocks;
	const struct file_block *first; /* of them, or an empty one: most descriptors are in it */
};
static inline struct file *file_at(const struct file_table *t, uint32_t number) /* no reference; null if there is none */
{
	if (__builtin_expect(number < FILE_BLOCK, 1))
		return t->first->files[number];
	return number < t->room ? t->blocks[number / FILE_BLOCK]->files[number % FILE_BLOCK] : NULL;
}
struct file_table *file_table_new(void);
struct file_table *file_table_copy(struct file_table *t);
void file_table_put(struct file_table *t);
void file_table_exec(struct file_table *t); /* closes the close-on-exec ones */
/* The number, or -EMFILE (-EBADF: a number beyond the limit). On success the reference is taken over. */
int file_install(struct file_table *t, struct file *f, int lowest, bool close_on_exec);
int file_may_install(struct file_table *t); /* 0, or -EMFILE: file_install would fail, for lowest 0 */
int file_install_at(struct file_table *t, struct file *f, int number, bool close_on_exec);
int file_close(struct file_table *t, int number);
bool file_close_on_exec(struct file_table *t, int number);
void file_set_close_on_exec(struct file_table *t, int number, bool on);
int file_table_size(struct file_table *t); /* one past the highest open */

/* Mounted at start: the root is a ramfs; /dev and /proc are laid over it. */
extern struct inode *root_inode;
int file_systems_start(void);
/* Unpacks newc cpio archives, one after the other, into the root; the bytes are only read. 0, -EINVAL (truncated or no
 * archive), or what making a file failed with. */
int cpio_unpack(const uint8_t *bytes, size_t length);
/* The same, for a root that has files already: only members whose names begin with `below` ("folder/"), which is taken off; directories that are there stay as they are, and with `keep` everything that is. May wait. -EROFS, -ENOSPC. */
int cpio_unpack_below(const uint8_t *bytes, size_t length, const char *below, bool keep);
/* Where in an archive the contents of the member `name` (as the archive spells it) are. 0 or -ENOENT. */
int cpio_find(const uint8_t *bytes, size_t length, const char *name, const uint8_t **data, size_t *size);
struct inode *procfs_root(void);
int devfs_start(void);
