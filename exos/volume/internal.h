/* Inside exos/volume: a volume, its inodes, and the pages of their contents. Domain lock held everywhere; "holding" is hold.c's lock, and says that the function may wait. */
#pragma once

#include <exos/disk/disk.h>
#include <exos/ext2/ext2.h>
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/self.h>
#include <exos/volume/policy.h>
#include <exos/volume/volume.h>

#define PAGE_SECTORS ((uint32_t)(FRAME_SIZE >> SECTOR_SHIFT))
#define NEVER UINT64_MAX

/* The volume's lock. It is held while blocks are waited for, and so is none that others spin at. */
struct hold {
	uint64_t who; /* as in waiters (sched/wait.h); 0: free */
	env_id env;
	struct wait_queue queue;
};

/* A part of a file's contents: a slot of its tree. 0: nothing is in memory.
 * The frame, then how many requests for it are under way, then: */
enum {
	SLOT_VALID = 1,     /* it has the contents */
	SLOT_DIRTY = 2,     /* which the disk has not */
	SLOT_READING = 4,
	SLOT_WRITING = 8,
	SLOT_PLACED = 16,   /* all its blocks up to the end of the file are there, */
	SLOT_RESERVED = 32, /* or space for them is promised */
	SLOT_MAPPED = 64,   /* a program may write it without telling, as long as others have references to the frame */
	SLOT_USED = 128,    /* since the clock's hand was here */
	SLOT_FAILED = 512,  /* it could not be read; */
	SLOT_AGAIN = 2048,  /* or was not even asked for to its end */
	SLOT_FRESH = 1024,  /* nobody has read it yet */
	SLOT_AHEAD = 256,   /* read ahead; reading it asks for more */
	SLOT_ONE_REQUEST = 1 << 12,
	SLOT_REQUESTS = 0xf << 12,
	SLOT_TABLED = 1 << 16, /* its frame may be in the kernel's block table */
};
static inline frame_t slot_frame(uint64_t slot) { return (frame_t)(slot >> 32); }
static inline uint64_t slot_of(frame_t frame, uint32_t state) { return (uint64_t)frame << 32 | state; }

#define TREE_SHIFT 6
#define TREE_SLOTS (1u << TREE_SHIFT)
struct cache_node {
	uint64_t slots[TREE_SLOTS]; /* pages, or nodes of the level below */
	uint64_t dirty;             /* which of them are, or have something that is: dirty, or mapped */
	uint32_t used;
};
/* As many levels as the file needs: with none, `root` is the slot of its only page. */
struct cache {
	uint64_t root;
	uint32_t levels;
	bool root_dirty;
};

struct vnode {
	struct inode inode; /* first */
	struct volume *volume;
	struct ext2_node *node;     /* a reference; node->owner is this */
	struct vnode *parent;       /* the directory that it was found in last; a reference */
	struct cache tree;
	uint32_t pages, dirty_pages, reserved_pages;
	uint32_t reading, writing;  /* requests under way, */
	uint32_t building;          /* and who puts some together, and may wait meanwhile */
	uint32_t writers;           /* open files that may write */
	uint64_t writer;            /* who writes or cuts it, as in waiters; one at a time. 0: nobody */
	env_id writer_env;
	uint32_t disk_error;        /* a write has failed since the last sync: the errno */
	uint64_t placed_size;       /* up to there contents have been handed to the disk: the size that a crash may leave */
	uint64_t transaction;       /* that changes of it are in; those that fdatasync wants: */
	uint64_t data_transaction;
	bool listed;                /* in the list of those whose attributes the node has not yet: */
	struct list changed_link;
	struct list pages_link;     /* those that have pages: the clock's round */
	struct list dirty_link;     /* those that have dirty pages, the oldest first */
	uint64_t dirty_since;       /* ticks */
	struct list all_link;
	struct list idle_link;      /* without references: kept, or to be freed */
	struct wait_queue queue;    /* for requests, and for the writer's place */
	uint64_t next_index, window; /* where a reader in order would go on, and how much is read ahead for him */
	uint64_t clock_index;       /* where the clock's hand goes on in it */
};

struct volume {
	struct list link;
	struct ext2 *ext2;
	struct disk_part part;
	uint64_t device;
	uint32_t block_size, block_shift, block_sectors; /* bytes, log2, in sectors */
	uint32_t page_blocks;
	bool read_only, no_access_times, synchronous, ending;
	bool failed; /* nothing more is written, */
	bool broken; /* and what is in memory of its structure cannot be believed, so that nothing is read either */
	uint32_t inside;           /* who does something to it without a reference to an inode of it: its end waits for them */
	struct wait_queue outside; /* when they have gone */
	struct hold hold;
	struct vnode *root;
	struct list vnodes;    /* all that are in memory */
	uint32_t vnode_count;
	struct list changed;   /* vnodes whose attributes the node has not yet */
	struct list dirty;     /* with dirty pages */
	struct list idle;      /* without references, the longest first */
	uint32_t idle_count;
	struct list unwanted;  /* without references and names: freed by whoever holds the volume next */
	uint64_t dirty_pages;
	uint32_t generation;      /* of writes: which commit they are before */
	uint32_t under_way[2];    /* writes, by the generation's lowest bit */
	struct wait_queue written; /* when one of those is done */
	bool committing;
	env_id committer;
	uint64_t writes, flushed; /* writes that are done; those that a flush came after */
	struct wait_queue commits;
	uint64_t committed_at;  /* ticks, when the last commit began */
	int commit_error;
	struct port *port;
	struct ext2_port ext2_port;
	struct volume_policy policy;
	struct list spare_requests; /* for when memory is out; see request.c */
	struct wait_queue owner_queue; /* the owner sleeps there */
	bool owned;                 /* it has an owner, */
	bool owner_idle;            /* who has nothing to do, and wants to be told when there is */
	bool touched;               /* something is in the running transaction */
	bool named;                 /* dirty pages were named to the kernel */
	bool hurry;                 /* something is due before the time */
	struct mount *mount;
};
extern struct list volumes;

static inline struct vnode *vnode_of(struct inode *i) { return (struct vnode *)i; }

/* In loops over many files or pages: when the slice is over, the lock is given up for once, like in a wait. Who ignores that for long is stopped by the kernel. */
void slice_over(void);
static inline void slice_check(void)
{
	if (self->upcall.pending)
		slice_over();
}

/* hold.c. 0, or -EIO: the volume has broken, and is not held. */
int hold_take(struct volume *v);
void hold_give(struct volume *v);
/* Sleeps until woken, whatever signals come. */
void volume_fail(struct volume *v, const char *why);

/* port.c */
struct port *port_new(struct volume *v);
void port_end(struct port *p);
extern const struct ext2_port volume_port;
int port_read_bytes(void *data, uint64_t offset, void *to, uint32_t n);
void port_set_block_size(void *data, uint32_t size);

/* cache.c. Where a page is noted; null: nowhere (or, with make, no memory). Pointers are good until something is added or removed. */
uint64_t *cache_slot(struct cache *t, uint64_t index);
uint64_t *cache_make(struct cache *t, uint64_t index);
void cache_mark(struct cache *t, uint64_t index, bool dirty);
/* The first page from `index` on that is there (dirty: and is dirty or mapped), or NEVER. */
uint64_t cache_next(const struct cache *t, uint64_t index, bool dirty);
void cache_clear(struct cache *t, uint64_t index); /* the page is gone: nodes that have nothing are freed */
void cache_free(struct cache *t);                  /* which has no pages */

/* reclaim.c: takes the pages of a file from `first` on out of all address spaces; null: of all files. How many. */
uint32_t volumes_unmap(const struct inode *i, uint64_t first);

/* pages.c: pages enter and leave. */
/* Takes over the frame's reference. 0, or -ENOMEM: the frame is the caller's yet. */
int page_add(struct vnode *n, uint64_t index, frame_t frame, uint32_t state);
void page_remove(struct vnode *n, uint64_t index, uint64_t *slot);
bool page_placed(struct vnode *n, uint64_t *slot); /* all its blocks are there; true: something was promised for them, which is the caller's to use up or give back */
extern struct list pages_round;
extern uint64_t pages_cleaned; /* counted up whenever pages may have become such as can be given back */
int page_dirty(struct vnode *n, uint64_t index, uint64_t *slot); /* reserves what it needs: -ENOSPC */
void page_clean(struct vnode *n, uint64_t index, uint64_t *slot);
void cache_drop(struct vnode *n, uint64_t first); /* all from there on: none may be under way */
bool pages_busy(const struct vnode *n, uint64_t first);

/* request.c: a run of neighbouring pages on its way. */
struct page_request {
	struct disk_request disk;
	struct vnode *node; /* a reference */
	uint64_t index;     /* of the first page */
	uint32_t generation;
	uint32_t room;
	bool spare;         /* one of the volume's */
	frame_t frames[];
};
struct request_builder {
	struct vnode *node;
	bool write;
	bool may_wait;  /* for memory */
	uint32_t left;  /* pages that may come yet */
	struct page_request *now;
	bool submitted;
};
/* Adds bytes of a page (which counts one request more for it), at a block of the volume. */
int request_add(struct request_builder *b, uint64_t index, frame_t frame, uint32_t offset, uint64_t block, uint32_t blocks);
void request_end(struct request_builder *b);
void page_request_done(struct vnode *n, uint64_t index, bool write, int error);
int requests_reserve(struct volume *v);
void requests_unreserve(struct volume *v);

/* table.c: the kernel's block table. */
bool table_takes(const struct volume *v, const struct disk_request *r); /* may a read register its frames */
void table_leave(const struct volume *v, frame_t frame); /* takes over the reference of one that may be registered */
void table_hold(void); /* several will leave: they do together, when as often given as held */
void table_give(const struct volume *v);
void table_written(struct vnode *n, uint64_t index);
bool table_was_written(frame_t frame); /* by the kernel, before it took it */

/* read.c */
/* Brings a page in, and what is to be read ahead up to `wanted` pages: 0 (it is there, without waiting), 1 (there was a wait: look again), -errno. */
int page_fetch(struct vnode *n, uint64_t index, uint64_t wanted, bool may_wait);
frame_t page_frame(bool zeroed);
ssize volume_read(struct file *f, void *program, size_t n, uint64_t *offset);
frame_t volume_page(struct inode *i, uint64_t index, bool make);
int volume_fetch(struct inode *i, uint64_t index, bool write, bool may_wait);
void volume_advise(struct inode *i, uint64_t start, uint64_t length, bool wanted);

/* write.c */
void writer_take(struct vnode *n);
void writer_give(struct vnode *n);
ssize volume_write(struct file *f, const void *program, size_t n, uint64_t *offset);
ssize volume_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset);
int volume_truncate(struct inode *i, uint64_t size);

/* clean.c: dirty pages are written. */
/* Those of [first, last]: handed to the disk; how many in *count; at most `most`. mapped: also those that somebody may have written without telling. */
int pages_write(struct vnode *n, uint64_t first, uint64_t last, uint32_t most, bool mapped, uint32_t *count);
int pages_write_wait(struct vnode *n, uint64_t first, uint64_t last); /* and waits until they are written */
int volume_write_behind(struct volume *v, uint64_t older_than, uint64_t pages); /* of those dirty since before then, so many */
int volume_find_space(struct volume *v); /* after -ENOSPC, before it is tried once more; waits */
void pages_wait(struct vnode *n);
void volume_throttle(struct volume *v); /* a writer waits while too much is dirty */

/* node.c */
int vnode_get(struct volume *v, uint32_t number, struct vnode **out); /* holding; a reference */
struct vnode *vnode_known(struct volume *v, uint32_t number);         /* a reference, or null */
int vnode_take(struct volume *v, struct ext2_node *node, struct vnode **out); /* holding; takes over the node's reference */
void vnode_use(struct vnode *n);                                     /* a reference to one that may be without */
void vnode_changed(struct vnode *n, bool data);
void vnode_refresh(struct vnode *n);  /* links, and of directories the size: from the node */
void vnodes_carry(struct volume *v);  /* holding: attributes to the nodes */
void vnodes_trim(struct volume *v, uint32_t keep); /* holding: forgets those that nobody has used for longest, until so many are left */
void vnodes_free_unwanted(struct volume *v); /* holding; as many as the running transaction has room for */
void vnode_forget(struct vnode *n);   /* holding: one without references and dirty pages */
extern const struct inode_ops volume_ops;
bool volume_keep(struct inode *i);
int volume_sync_inode(struct inode *i, bool data_only);
void volume_changed(struct inode *i);
int volume_writable(struct inode *i);

/* names.c */
int volume_lookup(struct inode *dir, const char *name, size_t length, struct inode **out);
int volume_make(struct inode *dir, const char *name, size_t length, uint32_t mode, uint64_t device, struct inode **out);
int volume_symlink(struct inode *dir, const char *name, size_t length, const char *target);
int volume_link(struct inode *dir, const char *name, size_t length, struct inode *target);
int volume_unlink(struct inode *dir, const char *name, size_t length, bool directory);
int volume_rename(struct inode *from, const char *name, size_t length, struct inode *to, const char *new_name, size_t new_length, uint32_t flags);
int volume_list(struct inode *dir, uint64_t *offset, struct dirent_sink *sink);
ssize volume_readlink(struct inode *link, char *to, size_t size);
ssize volume_locate(struct inode *i, struct inode **dir, const char **name);

/* volume.c */
static inline void volume_enter(struct volume *v) { v->inside++; }
void volume_leave(struct volume *v);

/* commit.c */
/* An operation is about to change the volume: makes room in the transaction if there is little. Takes the hold. */
int change_begin(struct volume *v);
void change_end(struct volume *v);
/* Until that transaction lasts. */
int volume_commit(struct volume *v, uint64_t transaction);
int volume_sync(struct volume *v);
int volume_flush(struct volume *v);

/* owner.c */
void owner_start(struct volume *v);
void owner_end(struct volume *v); /* returns when it is gone */
void owner_hurry(struct volume *v);
static inline void owner_note(struct volume *v)
{
	if (v->owner_idle) {
		v->owner_idle = false;
		wake_all(&v->owner_queue);
	}
}
