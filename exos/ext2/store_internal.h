/* What the files of the store share: the cache, the transactions, the journal's state. Nobody else includes it. */
#pragma once

#include <exos/ext2/block_set.h>
#include <exos/ext2/store.h>

#define PAGE_BYTES 4096u
#define LIST_MOST  (PAGE_BYTES / sizeof(struct ext2_io)) /* blocks in one request to the port: a page of them */
#define RECORDS    4                                     /* blocks of the journal's own in one request */

struct transaction {
	uint64_t sequence;           /* its low 32 bits are what the journal calls it */
	struct list changed;         /* buffers, while it runs */
	struct list forgotten;       /* buffers: a revoke record for each */
	uint32_t changed_count, forgotten_count;
	struct block_set held;
};

struct commit {
	struct store *store;
	struct transaction t;
	struct list frozen;          /* buffers by frozen_link, t.changed_count of them */
	uint32_t position, blocks;   /* in the log */
	int error;                   /* of commit_write; -EIO until it was called */
};

/* Where the journal lies: runs in the order of the journal. */
struct journal_run {
	uint64_t block;
	uint32_t first, count;       /* positions in the journal */
};
#define PLACE_RUNS 84
struct journal_place {
	struct journal_place *next;
	uint32_t used;
	struct journal_run runs[PLACE_RUNS];
};

/* The log is a ring of the journal's blocks from `first` up to `length`. Its tail is where replaying would begin; all that is committed from there on is in it. */
struct journal {
	bool open;
	bool marked;                 /* the superblock on disk says that there is a log */
	bool wide;                   /* block numbers of 64 bits */
	struct journal_superblock *superblock; /* a block, as on disk, but for where the log begins */
	uint8_t *records[RECORDS];   /* memory for descriptors and the like: used by commit_write, and while opening */
	struct ext2_io *list;        /* the same */
	uint32_t length, first;
	uint32_t head, used;         /* where the next transaction goes; blocks of the log that are in use */
	uint64_t tail_sequence;      /* of the oldest transaction of the log, or the next one */
	struct journal_place *places, *last_place;
	struct journal_place *place_seen; /* where the last look found its run, and which: for commit_write, and while opening */
	uint32_t placed;             /* blocks that were named */
	struct block_set own;        /* which they are, until it is open */
};

struct store {
	struct ext2_port port;
	uint64_t blocks;
	uint32_t block_size;
	bool read_only;
	bool failed;                 /* set once, by whoever meets the error; read at any time */
	struct hash buffers;
	struct list clean;           /* that can be given back if nobody holds them, longest unused first */
	struct list home;            /* with a committed copy */
	uint32_t home_count;
	struct hash shared_pages;   /* of small blocks, by address / PAGE_BYTES */
	struct list shared_free;     /* those of them with a free block */
	struct ext2_io *list;        /* a page for requests, while the volume is held */
	struct transaction running;
	struct commit *commit;       /* the one that is under way */
	uint64_t committed;
	struct journal journal;
};

/* store_memory.c: blocks of memory, packed into pages. */
uint8_t *memory_take(struct store *s); /* a block, contents anything; clean buffers are given back before it says null */
void memory_give(struct store *s, void *block);
void *store_allocate(struct store *s, size_t n); /* zeroed; as the port's, but clean buffers are given back first */

/* store.c */
struct buffer *buffer_find(const struct store *s, uint64_t block);
void buffer_settle(struct store *s, struct buffer *b); /* puts it into the list where it belongs now */
void buffer_end(struct store *s, struct buffer *b);    /* takes it out of the cache and frees it */
int buffers_reread(struct store *s);                   /* the disk was changed below the cache; nothing is changed in it */
bool home_before(const struct list *a, const struct list *b);   /* by block, of buffers' `link` */
bool frozen_before(const struct list *a, const struct list *b); /* of `frozen_link` */

/* list_sort.c: stable; time n log n, no memory */
void list_sort(struct list *head, bool (*before)(const struct list *a, const struct list *b));

/* commit.c */
void transaction_start(struct transaction *t, uint64_t sequence);

/* journal.c */
void journal_end(struct store *s); /* gives its memory back: the store goes on without one */
uint64_t journal_block(struct journal *j, uint32_t position); /* where on the volume */
uint32_t journal_blocks_for(const struct store *s, uint32_t changed, uint32_t forgotten); /* of log, for a transaction */
int journal_mark(struct store *s, uint32_t start, uint64_t sequence); /* writes the superblock: replaying begins there, or (0) there is nothing. Lasts */
/* journal_replay.c: what is committed goes home, *next is a number that no transaction in the journal has. */
int journal_replay(struct store *s, uint64_t *next, bool *replayed);

static inline uint32_t journal_usable(const struct journal *j) { return j->length - j->first; }
static inline uint32_t journal_after(const struct journal *j, uint32_t position) { return position + 1 == j->length ? j->first : position + 1; }
