/* What the files of exos/ext2 share. Users see ext2.h; blocks come from store.h.
 *
 * open.c: checks, opening, closing; group.c: descriptors and bitmaps, taking and freeing; inode.c: nodes and their inodes; map.c: where blocks are; allocate.c: giving them; truncate.c: freeing them; directory.c: a directory in memory, room.c: room in
 * its blocks; names.c, rename.c: what is done with names (make.c: files with their first name); list.c; orphan.c; transaction.c: committing; array.c: arrays in pages.
 *
 * How an operation keeps "a call that fails has changed nothing": it reads, checks and allocates all that it needs, says buffer_change for each buffer, and then changes them, which cannot fail. What is taken on the way (an inode, blocks)
 * can be given back without failing (e2_untake, e2_inode_untake), as its bitmap is in the running transaction and so in memory. */
#pragma once

#include <exos/ext2/ext2.h>
#include <exos/ext2/format.h>
#include <exos/ext2/store.h>

/* An array that grows, in pieces that the port has: one of up to 2,048 bytes, then pages, then pages of pages. Elements' addresses change only while it is one piece. */
struct array {
	void *root;
	uint32_t room;       /* elements */
	uint8_t shift;       /* an element is 1 << shift bytes */
	uint8_t level;       /* 0: one piece; 1: root has pages; 2: root has pages of pages */
};
int e2_array_grow(struct ext2 *v, struct array *a, uint32_t n); /* to n elements at least, new ones zero; -ENOMEM: it is as it was, or larger */
void e2_array_free(struct ext2 *v, struct array *a);
static inline void *e2_at(const struct array *a, uint32_t i)
{
	uint32_t page_shift = 12u - a->shift, page = i >> page_shift;
	char *base = a->root;

	if (a->level) {
		void **pages = a->level == 1 ? a->root : ((void ***)a->root)[page >> 9];

		base = pages[a->level == 1 ? page : page & 511];
		i &= (1u << page_shift) - 1;
	}
	return base + ((uint64_t)i << a->shift);
}

struct group { /* 64 bytes: an array's element */
	uint32_t number, block_bitmap, inode_bitmap, inode_table;
	uint32_t free_blocks, free_inodes, directories;
	uint32_t block_first;  /* no block before it is free */
	uint32_t block_next;   /* behind the run that was taken last */
	uint32_t inode_first;  /* no inode before it is free */
	bool blocks_checked, inodes_checked; /* its bitmaps were looked at since the volume was opened: */
	bool blocks_bad, inodes_bad;         /* and cannot be right: nothing is taken there or freed */
	bool dirty;                          /* the counts are not in the descriptor */
	uint64_t held;         /* the transaction in which blocks were freed last */
	struct group *dirty_next;
};
_Static_assert(sizeof(struct group) == 64, "an array's element");

struct range { /* of blocks that hold structure, whose they are by the format alone */
	uint32_t first, end;
};

struct ext2 {
	struct ext2_port port;
	struct store *store;
	bool read_only, damaged, journal, closing;
	uint16_t opened_state;         /* the superblock's, when it was opened */
	uint32_t block_size, block_shift, pointers_shift; /* a block has 1 << pointers_shift block numbers */
	uint32_t blocks, first_block, blocks_per_group, groups_count;
	uint32_t inodes, inodes_per_group, first_inode, inode_size, extra;
	uint32_t compatible, incompatible, read_only_compatible, descriptor_blocks;
	struct buffer *super_buffer;   /* held while it is open */
	struct superblock *super;
	struct array groups, descriptors /* struct buffer *, held */, ranges;
	uint32_t ranges_count;
	struct group *dirty_groups;
	uint64_t free_blocks, free_inodes, directories;
	uint64_t reserved;             /* blocks promised, without what leads to them */
	uint64_t held_running, held_committing; /* free blocks that are not used before the transaction that freed them is committed */
	struct array nodes;            /* struct ext2_node *: buckets, by number */
	uint32_t nodes_count, nodes_buckets;
	struct list dirty;             /* nodes whose attributes are not in their inode */
	struct list idle;              /* nodes without references, the oldest first */
	struct list orphans;           /* nodes, as the superblock's list has them */
	struct list doomed;            /* nodes without names or references whose blocks could not all be freed yet */
	uint32_t dirty_outside;        /* how many buffers at most the dirty nodes will add to the running transaction */
	uint32_t room_left;            /* the running transaction has room for as many at least, and for what the dirty nodes will add */
	uint32_t spread;               /* the group that got a directory last */
	struct ext2_commit *commit;
};

/* What an operation may add to the running transaction; truncations stop, to go on in the next one, when there is no more room than ROOM_STEP. */
#define ROOM_OPERATION 48u
#define ROOM_STEP      16u
#define ROOM_FREEING   4u /* what freeing one run, or one inode, adds */
/* Is there room for `n` buffers, besides what the dirty nodes will need? If so, `used` of them are. The store is asked only when what is surely left does not do. */
bool e2_room_ask(struct ext2 *v, uint32_t n);
static inline bool e2_room(struct ext2 *v, uint32_t n, uint32_t used)
{
	if (v->room_left < n && !e2_room_ask(v, n))
		return false;
	v->room_left -= used;
	return true;
}
int e2_begin(struct ext2 *v); /* may something be changed: 0, -EROFS, -EIO (failed), -EAGAIN (commit first) */

static inline void *e2_memory(struct ext2 *v, size_t n) { return v->port.allocate(v->port.data, n); }
static inline void e2_memory_free(struct ext2 *v, void *p) { v->port.free(v->port.data, p); }
void *e2_page(struct ext2 *v); /* zeroed */
static inline uint64_t e2_now(struct ext2 *v) { return v->port.now(v->port.data); }
static inline int e2_change(struct ext2 *v, struct buffer *b) { return b->changed ? 0 : buffer_change(v->store, b); }
void e2_damage(struct ext2 *v); /* what was read cannot be right: the superblock will say so at the next commit */

/* open.c */
int e2_super_check(const struct superblock *s, uint64_t bytes, const char **why);
int e2_super_change(struct ext2 *v);
/* transaction.c */
int e2_commit_all(struct ext2 *v); /* when nobody's contents wait to be written: at opening and closing */
/* group.c */
int e2_groups_load(struct ext2 *v);
void e2_groups_free(struct ext2 *v);
int e2_range_add(struct ext2 *v, uint32_t first, uint32_t count);
int e2_ranges_sort(struct ext2 *v); /* -EINVAL: two are in each other's way */
/* Blocks that files may have: all in the volume, none of them structure. */
bool e2_blocks_good(const struct ext2 *v, uint64_t first, uint64_t count);
static inline struct group *e2_group(const struct ext2 *v, uint32_t g) { return e2_at(&v->groups, g); }
static inline uint32_t e2_group_of(const struct ext2 *v, uint32_t block) { return (block - v->first_block) / v->blocks_per_group; }
static inline uint32_t e2_group_start(const struct ext2 *v, uint32_t g) { return v->first_block + g * v->blocks_per_group; }
uint32_t e2_group_blocks(const struct ext2 *v, uint32_t g);
/* The bitmap of a group's blocks or inodes, checked; -EIO: it cannot be right. */
int e2_block_bitmap(struct ext2 *v, uint32_t g, struct buffer **out);
int e2_inode_bitmap(struct ext2 *v, uint32_t g, struct buffer **out);
int e2_group_change(struct ext2 *v, uint32_t g); /* its counts may be changed: -ENOMEM -EROFS; then: */
void e2_group_dirty(struct ext2 *v, struct group *g);
void e2_groups_write(struct ext2 *v); /* into their descriptors */
static inline bool bit_get(const uint8_t *bits, uint32_t i) { return bits[i >> 3] >> (i & 7) & 1; }
static inline void bit_set(uint8_t *bits, uint32_t i) { bits[i >> 3] |= (uint8_t)(1u << (i & 7)); }
static inline void bit_clear(uint8_t *bits, uint32_t i) { bits[i >> 3] &= (uint8_t)~(1u << (i & 7)); }
uint32_t e2_bit_find(const uint8_t *bits, uint32_t from, uint32_t end, bool set); /* the first one that is (not) set; end: none */
/* blocks.c */
/* Takes a run of free blocks, up to `want`, as near behind the goal as there is one. *block, *count. -ENOSPC -EIO -ENOMEM -EROFS. */
int e2_take(struct ext2 *v, uint32_t goal, uint32_t want, uint32_t *block, uint32_t *count);
void e2_untake(struct ext2 *v, uint32_t block, uint32_t count); /* in the same operation */
/* Frees a run that lies in one group. -ENOMEM -EROFS -EAGAIN (the transaction is full): nothing was changed. What is not in use, or nobody's to free, is left alone and counts as damage. */
int e2_release(struct ext2 *v, uint32_t block, uint32_t count);
void e2_retake(struct ext2 *v, uint32_t block); /* undoes e2_release of one block, in the same operation */
bool e2_enough(const struct ext2 *v, uint64_t blocks, uint64_t promised); /* are so many free, with `promised` of what was reserved left alone */
/* inodes.c */
int e2_inode_take(struct ext2 *v, uint32_t parent, bool directory, uint32_t *number, struct buffer **table, uint32_t *offset);
void e2_inode_untake(struct ext2 *v, uint32_t number, bool directory);
int e2_inode_place(struct ext2 *v, uint32_t number, uint32_t *block, uint32_t *offset); /* -EIO: no such inode */
/* Frees an inode: prepared (-ENOMEM -EIO -EROFS), then done, which cannot fail. */
int e2_inode_release(struct ext2 *v, uint32_t number, bool directory);
/* inode.c */
struct ext2_node *e2_node_new(struct ext2 *v); /* with one reference, in no table yet */
struct ext2_node *e2_node_find(struct ext2 *v, uint32_t number); /* in memory, in whatever state; or null */
void e2_node_enter(struct ext2_node *n);       /* into the table */
void e2_node_drop(struct ext2_node *n);        /* out of memory; it is in no list */
int e2_node_get(struct ext2 *v, uint32_t number, bool orphan, struct ext2_node **out); /* orphan: one without links will do */
void e2_inode_write(struct ext2_node *n);      /* into its buffer, which is changed already */
static inline uint32_t e2_type(const struct ext2_node *n) { return n->mode & MODE_TYPE; }
bool e2_is_short(const struct ext2_node *n);   /* a link whose text is in the map */
bool e2_has_map(const struct ext2_node *n);    /* the map has blocks */
size_t e2_nodes_shrink(struct ext2 *v, size_t bytes);
/* map.c */
struct path { /* to a block: from the inode's map through up to three blocks of pointers */
	uint32_t depth;      /* blocks of pointers */
	uint32_t index[4];   /* the entry in the map, and in each of them */
};
int e2_path(const struct ext2 *v, uint64_t at, struct path *p); /* -EFBIG */
void e2_run_forget(struct ext2_node *n);
int e2_block_of(struct ext2_node *n, uint64_t at, uint32_t *block); /* one that must be there: -EIO */
/* allocate.c */
/* As ext2_allocate. fresh: the (one) block's buffer too, zeroed and in the transaction. */
int e2_allocate(struct ext2_node *n, uint64_t at, uint32_t most, bool reserved, uint64_t *block, uint32_t *count, struct buffer **fresh);
/* truncate.c */
int e2_cut(struct ext2_node *n, uint64_t first); /* frees every block from logical `first` on. -EAGAIN -ENOMEM: not all yet; -EIO: what could not be read is lost */
int e2_attributes_release(struct ext2_node *n);
/* orphan.c */
void e2_orphan_add(struct ext2_node *n); /* the superblock is changed already */
void e2_orphan_remove(struct ext2_node *n);
int e2_destroy(struct ext2_node *n);     /* no links, no references: frees all of it, or lets it be doomed */
void e2_doomed_work(struct ext2 *v);
int e2_orphans_load(struct ext2 *v);     /* at opening */

struct entry { /* a name */
	struct entry *chain;
	uint32_t hash, number, block; /* block: of the directory; */
	uint16_t offset;              /* in it */
	uint8_t length, type;
	char name[];
};
struct room { /* of a block of a directory, 16 bytes: an array's element */
	uint32_t next, previous; /* blocks with about as much room: numbers, from 1 */
	uint32_t physical;
	uint16_t most;           /* no gap is longer */
	uint16_t from;           /* a record where looking for one begins */
};
#define ROOM_CLASSES 5u
struct ext2_directory {
	size_t bytes;         /* that it takes, about */
	struct array buckets; /* struct entry * */
	uint32_t bucket_count, entries;
	struct array rooms;
	uint32_t blocks;
	uint32_t lists[ROOM_CLASSES]; /* of blocks by how much room there is: numbers, from 1; 0: none */
};
/* names.c */
void e2_directory_touched(struct ext2_node *dir, uint64_t now);
void e2_link_add(struct ext2_node *dir); /* for the .. of a directory in it */
void e2_link_drop(struct ext2_node *dir);
int e2_name_check(const struct ext2_node *dir, size_t length); /* may a name be made there */
void e2_name_lost(struct ext2_node *n, uint64_t now); /* one of its names is gone: all of a directory's */
int e2_entry_node(struct ext2 *v, const struct entry *e, struct ext2_node **out);
int e2_removable(struct ext2_node *n, bool directory); /* as a directory, or as anything else; a directory's table is loaded */
bool e2_number_good(const struct ext2 *v, uint32_t number); /* may a name lead to it */
/* directory.c */
uint32_t e2_hash(const char *name, size_t length);
int e2_directory_load(struct ext2_node *dir);
void e2_directory_free(struct ext2 *v, struct ext2_directory *d);
struct entry *e2_entry_find(const struct ext2_directory *d, uint32_t hash, const char *name, size_t length);
struct entry *e2_entry_new(struct ext2 *v, const char *name, size_t length, uint32_t hash);
void e2_entry_insert(struct ext2 *v, struct ext2_directory *d, struct entry *e);
void e2_entry_remove(struct ext2_directory *d, struct entry *e);
/* Checks the record at `offset` of a directory's block: it ends in the block, and its name in it. */
static inline bool e2_record_good(const struct ext2 *v, const struct record *r, uint32_t offset)
{
	return offset + record_size(1) <= v->block_size && r->length >= record_size(1) && !(r->length & 3) && r->length <= v->block_size - offset && record_size(r->name_length) <= r->length;
}
uint8_t e2_record_type(const struct ext2 *v, uint32_t mode);
/* room.c */
struct place { /* where a record will be */
	struct buffer *buffer; /* in the transaction */
	uint32_t block, offset; /* offset: of the record that is there, which is shortened if it is used */
	uint32_t length;       /* its length, with those behind that are nobody's */
};
void e2_room_set(struct ext2_directory *d, uint32_t block, uint32_t most, uint32_t from);
int e2_place_find(struct ext2_node *dir, uint32_t name_length, struct place *p); /* -ENOSPC ...; may make the directory longer */
void e2_place_put(struct place *p);
void e2_place_enter(struct ext2_node *dir, struct place *p, struct entry *e); /* writes the record, puts the place, inserts the entry */
/* The record of an entry, in the transaction; or of .. (entry null) */
int e2_record_change(struct ext2_node *dir, const struct entry *e, struct buffer **out, struct record **record);
void e2_record_clear(struct ext2_node *dir, struct entry *e, struct buffer *b, struct record *r); /* removes it, and the entry from the table */
