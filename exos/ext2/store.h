/* The blocks of a volume that hold its structure (not its files' contents): a cache of buffers, and the journal through which they reach the disk (jbd2's format, ordered mode).
 *
 * Who uses it: the other files of exos/ext2, alone. Who calls it holds the volume (ext2.h), except for commit_write and for what is marked "any time". Nothing here is global. Errors are negative errnos.
 *
 * How a change becomes lasting: an operation reads buffers, changes them and says so (buffer_change): they are in the running transaction. A commit freezes it (commit_begin: copies, so that operations can go on), writes the copies to the
 * journal, flushes, and writes a commit block that is flushed too (commit_write), and ends it (commit_end). Blocks go home later (checkpoint), from the newest committed copy. After a crash the journal is replayed by whoever mounts the volume next, e2fsck and Linux too.
 * What was freed is not used again before the transaction that freed it is committed (store_hold). Without a journal a commit writes the buffers home.
 * After an error in the journal the store is `failed`: nothing more is written, and what was committed is safe. */
#pragma once

#include <exos/ext2/port.h>

struct store;
struct commit;

struct hash_entry { /* in a hash table (hash.h) */
	struct hash_entry *chain;
	uint64_t key;
};

/* What a buffer may be besides what is on the disk; the store's. */
enum {
	BUFFER_FRESH = 1,  /* not read, and not changed since: its contents are nobody's */
	BUFFER_FORGOTTEN = 2, /* freed by a transaction that is not committed; data is null */
};

struct buffer {
	union {
		struct hash_entry entry;
		struct {
			struct hash_entry *chain;
			uint64_t block;
		};
	};
	uint8_t *data;      /* block_size bytes; stays where it is while there is a reference */
	uint32_t refs;
	bool changed;       /* in the running transaction */
	bool used;          /* since the last look for what could be given back */
	bool escaped;       /* the frozen copy lacks its first word, which is the journal's magic number */
	uint8_t odd;        /* BUFFER_ */
	/* The store's: */
	struct list link;        /* clean: among what can be given back; with a committed copy: among what is to go home */
	struct list transaction; /* changed, or forgotten: in the running one */
	struct list frozen_link; /* in the commit: */
	uint8_t *frozen;         /* the copy that it writes */
	uint8_t *committed;      /* newest committed copy that is not home yet, or null */
};

int store_new(const struct ext2_port *port, uint32_t block_size, uint64_t blocks, bool read_only, struct store **out);
void store_end(struct store *s); /* everything that is not committed is forgotten; no commit may be under way */

/* A buffer with a reference. -EIO: it cannot be read, there is no such block, or it was freed and that is not committed; -ENOMEM. Some 20 instructions if it is there. */
int buffer_read(struct store *s, uint64_t block, struct buffer **out);
/* The same any time: null if it would have to be read. */
struct buffer *buffer_known(struct store *s, uint64_t block);
/* One that will be written whole: zeroed, not read. The caller changes it before he puts it. */
int buffer_fresh(struct store *s, uint64_t block, struct buffer **out);
/* Brings several in with as few requests as it can, as far as there is memory; no references. */
void buffers_want(struct store *s, const uint64_t *blocks, uint32_t n);
static inline void buffer_put(struct buffer *b) { b->refs--; }
int buffer_change_first(struct store *s, struct buffer *b);
/* It is being changed: called before the first change to its bytes in an operation. -EROFS (read-only, or failed). Once it is in the running transaction it costs nothing, and also says nothing of a store that has failed since: operations ask store_failed first. */
static inline int buffer_change(struct store *s, struct buffer *b) { return b->changed ? 0 : buffer_change_first(s, b); }
/* The block was freed: what the cache has of it is worth nothing, and replaying must not bring it back (a revoke record). No references may be left; nobody asks for the block before this transaction is committed (store_hold). -EROFS. */
int buffer_forget(struct store *s, uint64_t block);
/* Gives clean buffers that nobody holds back to the port, up to so many bytes; returns how many. Any time. */
size_t store_shrink(struct store *s, size_t bytes);

/* Where the journal is: so many blocks from `block` on follow those that were named before. Called in order, then journal_open. -ENOMEM; -EINVAL: not on the volume. */
int journal_place(struct store *s, uint64_t block, uint32_t count);
/* Checks the journal's superblock, replays what is committed and marks it empty; buffers that were read before are right afterwards, those with references too. Until here, and after journal_close, commits write buffers home, as without a journal.
 * *replayed: there was something. -EROFS: there is something, and the port cannot write (its `write` is null, or says so). -EINVAL: damaged; -EOPNOTSUPP: features that are not known; -EIO -ENOMEM. After an error the journal is as if it were not there.
 * The file system's own mark that its journal is in use (needs_recovery) has to be home before anything else is committed, as Linux believes it: change it, commit, checkpoint. */
int journal_open(struct store *s, bool *replayed);
/* Commits what is running, writes all of it home, and marks the journal empty: at unmount. What is committed afterwards (the mark that the volume is clean) goes straight home. Without a journal: commits. */
int journal_close(struct store *s);
/* How many more buffers the running transaction may change or forget; an operation makes sure before it begins that its worst case fits, or commits first. What exceeds it by far cannot be committed: the store fails. Any time. */
uint32_t store_room(const struct store *s);

/* A block that was freed, until the transaction that freed it is committed: `held` says whether it is one. Then the port's discard is told. */
int store_hold(struct store *s, uint64_t block, uint32_t count); /* -ENOMEM: nothing changed */
bool store_held(const struct store *s, uint64_t block);
uint64_t store_held_end(const struct store *s, uint64_t block); /* the first from there on that is not held */

/* Committing. The running transaction's number, and the newest that is committed (all before it are). Any time, all four. */
uint64_t store_running(const struct store *s);
uint64_t store_committed(const struct store *s);
bool store_changed(const struct store *s); /* is there something to commit */
bool store_failed(const struct store *s);
/* Freezes the running transaction; one commit at a time. *out null: there is nothing. -ENOMEM: nothing changed; -EIO (failed). May first make room in the journal, which waits. */
int commit_begin(struct store *s, struct commit **out);
int commit_write(struct commit *c); /* the volume need not be held; waits */
int commit_end(struct commit *c);   /* frees it; returns commit_write's error, after which the store is failed */
/* Writes home what is committed, and makes that room in the journal. Also while a commit is under way. */
int checkpoint(struct store *s);
bool checkpoint_due(const struct store *s); /* the journal is half full, or the copies take much memory. Any time */
