/* The second extended file system, with the journal of ext3 (paper 2: the file system is a library). Made by mke2fs, judged by e2fsck.
 *
 * Who uses it: exos/volume, which keeps files' contents and gives it Linux's face; the tests on the host. What it is: names, inodes, which blocks are whose, the journal. It never touches files' contents but those of directories and links.
 * Nothing is global. Errors are negative errnos.
 *
 * HOLDING THE VOLUME: calls may wait in the port's read and write. Whoever calls holds the volume: no two calls are in it at once, but for those marked "any time", which look only at what is in memory, and which other calls leave
 * right whenever they wait. In ExOS that is a lock that is held over sleep. A call that fails has changed nothing, unless it is -EIO.
 * What changes something may also give -EAGAIN: the running transaction has no room for it (ext2_commit_due was not asked): commit, and call again. After -ENOSPC a commit may help too: blocks that were freed are not given again before it.
 *
 * An inode that somebody uses is a node in memory, with its attributes. Whoever changes those calls ext2_changed; they reach the inode's block at the next commit. A directory is read once and then is a table in memory beside its blocks. */
#pragma once

#include <exos/ext2/port.h>

#define EXT2_NAME_MAX 255
#define EXT2_ROOT 2u

struct ext2;
struct ext2_directory;

struct ext2_node {
	struct ext2 *volume;
	uint32_t number, refs;
	uint32_t mode, uid, gid, links, flags, generation;
	uint64_t device;
	uint64_t size;
	uint64_t accessed, modified, changed; /* calendar ns */
	uint64_t sectors;              /* 512 bytes each, of data and of blocks that lead to it */
	uint32_t map[15];              /* as on disk: direct, indirect, double, triple; or a short link's text, or a device */
	uint32_t attributes;           /* block of extended attributes, or 0 */
	bool dirty;                    /* in the volume's list: */
	struct list dirty_link;
	struct ext2_node *chain;       /* by number */
	struct ext2_directory *directory; /* its entries, once read */
	struct buffer *table;          /* the block that its inode is in, held, and where: */
	uint32_t table_offset;
	bool fresh;                    /* made since the last commit */
	bool lost;                     /* it could not be freed: e2fsck's */
	struct list idle;              /* among those without references; or doomed */
	struct list orphan;            /* without names, but used, or to be shortened: in the list that the superblock begins */
	uint32_t parent;               /* of a directory, once known: its ..; 0 */
	uint64_t goal;                 /* where the next block is best put; 0: no idea */
	uint64_t run_logical, run_block; /* the run of blocks that was found last: */
	uint32_t run_count;
	void *owner;                   /* the caller's */
};

/* Opens the volume: checks, replays the journal, takes care of inodes that a crash left without names. `blocks` of 1,024 bytes each: the size of where it lies. read_size: reads so many bytes at a byte offset, for the superblock, whose block size is not known before.
 * -EINVAL: no such file system there, or a damaged one; -EOPNOTSUPP: features that are not known (*why says which, for people); -EROFS: it can only be read; -EIO -ENOMEM. */
struct ext2_options {
	bool read_only;
	uint64_t bytes;                                            /* how long the partition is */
	int (*read_bytes)(void *data, uint64_t offset, void *to, uint32_t n); /* for the superblock: a multiple of 512, in one page */
	void (*set_block_size)(void *data, uint32_t size);         /* tells the port, before its first read */
};
int ext2_open(const struct ext2_port *port, const struct ext2_options *options, struct ext2 **out, const char **why);
/* Commits, writes everything home and marks the volume clean. Nodes must have been put. The volume is gone in any case. */
int ext2_close(struct ext2 *v);
void ext2_abandon(struct ext2 *v); /* as a crash would: nothing more is written */

/* Nodes: one reference each; any time for ref. The last put of a node without links frees its inode and blocks, or what one transaction has room for; the rest follows at the commits' ends. -EIO: some of it is e2fsck's to find. */
int ext2_node_get(struct ext2 *v, uint32_t number, struct ext2_node **out); /* -EIO (damaged), -ENOMEM, -ENOENT (free) */
struct ext2_node *ext2_node_known(struct ext2 *v, uint32_t number); /* any time: it is in memory; a reference; or null */
int ext2_node_put(struct ext2_node *n);
static inline void ext2_node_ref(struct ext2_node *n) { n->refs++; }
void ext2_changed(struct ext2_node *n); /* any time */

/* Names, without terminator; the caller has checked permissions and that the name is neither . nor .. */
int ext2_lookup(struct ext2_node *dir, const char *name, size_t length, uint32_t *number); /* -ENOENT -EIO */
bool ext2_lookup_known(struct ext2_node *dir, const char *name, size_t length, uint32_t *number); /* any time: true, and *number 0 if there is no such name; false: the directory is not in memory */
struct ext2_new { /* attributes of what is made */
	uint32_t mode, uid, gid; /* mode with type */
	uint64_t device;         /* as in stat, for devices */
	const char *target;      /* of a link, target_length bytes */
	size_t target_length;
};
int ext2_make(struct ext2_node *dir, const char *name, size_t length, const struct ext2_new *new, struct ext2_node **out); /* -EEXIST -ENOSPC -EMLINK -EROFS -EIO */
int ext2_link(struct ext2_node *dir, const char *name, size_t length, struct ext2_node *target);
int ext2_unlink(struct ext2_node *dir, const char *name, size_t length, bool directory); /* -ENOTEMPTY -ENOTDIR -EISDIR -ENOENT */
/* Atomic: in one transaction. What is replaced loses a link. exchange: both must be there. A directory is not moved below itself: -EINVAL. */
int ext2_rename(struct ext2_node *from, const char *name, size_t length, struct ext2_node *to, const char *new_name, size_t new_length, bool exchange);
/* Calls `entry` for each name (. and .. too) from *offset on until it says false, which means that it did not take this one; *offset leads to the next one to take, also when names are made and removed in between. */
int ext2_list(struct ext2_node *dir, uint64_t *offset, bool (*entry)(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next), void *to);
ssize ext2_readlink(struct ext2_node *link, char *to, size_t size);
int ext2_parent(struct ext2_node *dir, uint32_t *number);
/* The name by which a directory has an inode; for /proc and getcwd. Any time; into `name` (EXT2_NAME_MAX bytes); its length or -ENOENT (not there, or the directory is not in memory). */
ssize ext2_name_of(struct ext2_node *dir, uint32_t number, char *name);

/* Contents. Blocks of block_size bytes. */
uint32_t ext2_block_size(const struct ext2 *v);
/* Where logical block `at` is: *block (0: a hole), and how many of the blocks after it, up to `most`, go on so: *count >= 1. -EIO -EFBIG */
int ext2_map(struct ext2_node *n, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count);
/* The same any time: false if it would have to read. */
bool ext2_map_known(struct ext2_node *n, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count);
/* Gives the hole at `at` blocks, up to `most` (all of them holes), as many in one run as there are: *block, *count. -ENOSPC -EIO -EROFS. Uses up what was reserved, if `reserved`. */
int ext2_allocate(struct ext2_node *n, uint64_t at, uint32_t most, bool reserved, uint64_t *block, uint32_t *count);
/* Frees every block behind `size` bytes, and sets size. -EAGAIN, -ENOMEM: size is set, but not all is freed that is to be: call again (after a commit) before anything else is done with the file. What the caller has of contents is his business, before: blocks that are freed may be somebody else's after the next commit. */
int ext2_truncate(struct ext2_node *n, uint64_t size);
uint64_t ext2_size_max(const struct ext2 *v);
/* Space promised to contents that have no blocks yet, with what leads to them. As nobody knows how much that is, it is taken for the worst (four blocks for each): -ENOSPC may come early, and contents that are written then take what they do take. So the
 * caller writes what waits, commits, and tries once more. Any time. */
int ext2_reserve(struct ext2 *v, uint64_t blocks);
void ext2_unreserve(struct ext2 *v, uint64_t blocks);

/* Committing (store.h). commit_begin holds the volume; ordered mode: the caller has written the contents whose blocks were allocated before ext2_commit_write. */
struct ext2_commit;
int ext2_commit_begin(struct ext2 *v, struct ext2_commit **out); /* *out null: nothing to commit */
int ext2_commit_write(struct ext2_commit *c);                    /* any time */
int ext2_commit_end(struct ext2_commit *c);
uint64_t ext2_running(const struct ext2 *v);   /* the transaction that changes are part of now; any time */
uint64_t ext2_committed(const struct ext2 *v); /* the newest that lasts; any time */
bool ext2_commit_due(const struct ext2 *v);    /* there is little room left in the running transaction: the caller commits before the next operation; any time */
int ext2_checkpoint(struct ext2 *v);
bool ext2_checkpoint_due(const struct ext2 *v);
bool ext2_failed(const struct ext2 *v);        /* an error stopped it: what is committed is safe, nothing more is written. Any time */
size_t ext2_shrink(struct ext2 *v, size_t bytes); /* gives memory back, up to so much; returns how much. Any time */

struct ext2_counts {
	uint64_t blocks, free_blocks, available_blocks; /* available: without what is reserved, for the super-user and for contents */
	uint64_t inodes, free_inodes;
	uint8_t uuid[16];
	char label[17];
	bool read_only, journal;
};
void ext2_counts(const struct ext2 *v, struct ext2_counts *out); /* any time */
