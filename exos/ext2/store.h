/* The blocks of a volume that hold its structure (not its files' contents): a cache of buffers, and the journal through which they reach the disk (jbd2's format, ordered mode).
 *
 * Who uses it: the other files of exos/ext2, alone. Who calls it holds the volume (ext2.h), except for commit_write and checkpoint_write. Nothing here is global. Errors are negative errnos.
 *
 * How a change becomes lasting: an operation reads buffers, changes them and says so (buffer_change): they are in the running transaction. A commit freezes it (commit_begin: copies, so that operations can go on), writes the copies to the
 * journal, flushes, and writes a commit block that is flushed too (commit_write), and ends it (commit_end). Blocks go home later (checkpoint), from the newest committed copy. After a crash the journal is replayed by whoever mounts the volume next, e2fsck and Linux too.
 * What was freed is not used again before the transaction that freed it is committed (store_hold). Without a journal a commit writes the buffers home.
 * After an error in the journal the store is `failed`: nothing more is written, and what was committed is safe. */
#pragma once

#include <exos/ext2/port.h>

struct store;
struct commit;

struct buffer {
	struct list link, transaction; /* the store's */
	struct buffer *chain;
	uint64_t block;
	uint8_t *data;      /* block_size bytes */
	uint32_t refs;
	bool changed;       /* in the running transaction */
	uint8_t *committed; /* newest committed copy that is not home yet, or null; the store's */
	uint64_t sequence;  /* of the transaction that committed it */
};

int store_new(const struct ext2_port *port, uint32_t block_size, uint64_t blocks, bool read_only, struct store **out);
void store_end(struct store *s); /* everything that is not committed is forgotten */

/* A buffer with a reference. -EIO: it cannot be read, or there is no such block; -ENOMEM. */
int buffer_read(struct store *s, uint64_t block, struct buffer **out);
/* One that will be written whole: zeroed, not read. */
int buffer_fresh(struct store *s, uint64_t block, struct buffer **out);
/* Brings several in with as few requests as it can, as far as there is memory; no references. */
void buffers_want(struct store *s, const uint64_t *blocks, uint32_t n);
void buffer_put(struct buffer *b);
/* It is being changed: called before the first change to its bytes in an operation, which then cannot fail for want of memory. -EROFS (read-only, or failed), -ENOMEM. */
int buffer_change(struct store *s, struct buffer *b);
/* The block was freed: what the cache has of it is worth nothing, and replaying must not bring it back (a revoke record). No references may be left. -ENOMEM: before anything changed. */
int buffer_forget(struct store *s, uint64_t block);
/* Gives clean buffers that nobody holds back to the port, up to so many bytes; returns how many. */
size_t store_shrink(struct store *s, size_t bytes);

/* The journal: its blocks in order. Checks its superblock, replays what is committed (unless read_only and the port cannot write: then -EROFS if there is something), empties it. -EINVAL: damaged; -EOPNOTSUPP: features that are not known. */
int journal_open(struct store *s, const uint64_t *blocks, uint32_t count, bool *replayed);
/* All committed and home, the journal marked empty: at unmount. */
int journal_close(struct store *s);
/* How many more buffers the running transaction may take; an operation makes sure before it begins that its worst case fits, or commits first. */
uint32_t store_room(const struct store *s);

/* A block that was freed, until the transaction that freed it is committed: `held` says whether it is one. */
int store_hold(struct store *s, uint64_t block, uint32_t count); /* -ENOMEM: nothing changed */
bool store_held(const struct store *s, uint64_t block);

/* Committing. The running transaction's number, and the newest that is committed (all before it are). */
uint64_t store_running(const struct store *s);
uint64_t store_committed(const struct store *s);
bool store_changed(const struct store *s); /* is there something to commit */
bool store_failed(const struct store *s);
/* Freezes the running transaction; one commit at a time. *out null: there is nothing. -ENOMEM -EIO (failed). May first make room in the journal, which waits. */
int commit_begin(struct store *s, struct commit **out);
int commit_write(struct commit *c); /* the volume need not be held; waits */
int commit_end(struct commit *c);   /* frees it; returns commit_write's error, after which the store is failed */
/* Writes home what is committed, and makes that room in the journal. */
int checkpoint(struct store *s);
bool checkpoint_due(const struct store *s); /* the journal is half full, or the copies take much memory */
