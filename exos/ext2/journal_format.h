/* How a journal looks on the disk: the format of ext3 and ext4 ("jbd2"), as the Linux kernel's documentation has it (Documentation/filesystems/ext4/journal.rst). All numbers are big-endian.
 *
 * Block 0 of the journal is its superblock. From `first` on the rest is a ring: the log. A transaction in it is any number of descriptors, each followed by the blocks that its tags name, and of revoke blocks, and then a commit block.
 * What is behind the last commit block in sequence is not committed. */
#pragma once

#include <exos/base.h>

#define JOURNAL_MAGIC 0xc03b3998u

enum { JOURNAL_DESCRIPTOR = 1, JOURNAL_COMMIT = 2, JOURNAL_SUPERBLOCK_1 = 3, JOURNAL_SUPERBLOCK_2 = 4, JOURNAL_REVOKE = 5 };

static inline uint32_t journal_32(uint32_t big) { return __builtin_bswap32(big); } /* both ways */
static inline uint64_t journal_64(uint64_t big) { return __builtin_bswap64(big); }

struct journal_header {
	uint32_t magic, type, sequence;
};

enum { JOURNAL_COMPAT_CHECKSUM = 1 }; /* commit blocks may have a sum; zeros: they do not */
enum { JOURNAL_INCOMPAT_REVOKE = 1, JOURNAL_INCOMPAT_64BIT = 2, JOURNAL_INCOMPAT_ASYNC_COMMIT = 4, JOURNAL_INCOMPAT_CSUM_2 = 8, JOURNAL_INCOMPAT_CSUM_3 = 16, JOURNAL_INCOMPAT_FAST_COMMIT = 32 };

struct journal_superblock {
	struct journal_header header;
	uint32_t block_size, length, first; /* blocks of the journal with this one; first of the log */
	uint32_t sequence;                  /* of the first transaction in the log */
	uint32_t start;                     /* where it begins; 0: the log is empty */
	uint32_t error;
	uint32_t compatible, incompatible, read_only_compatible; /* features; in version 2 only */
	uint8_t uuid[16];
};

/* After a descriptor's header. Followed by the high half of the block number if numbers have 64 bits, and then by 16 bytes of a UUID unless it is the same as before. */
struct journal_tag {
	uint32_t block;
	uint16_t checksum;
	uint16_t flags;
};
enum {
	JOURNAL_ESCAPED = 1,   /* the block begins with the magic number, which is replaced by zeros in the log */
	JOURNAL_SAME_UUID = 2,
	JOURNAL_LAST_TAG = 8,
};
#define JOURNAL_UUID 16

struct journal_revoke {
	struct journal_header header;
	uint32_t bytes;                     /* that are used, with this header; then block numbers of 32 or 64 bits */
};

struct journal_commit {
	struct journal_header header;
	uint8_t checksum_type, checksum_size, padding[2];
	uint32_t checksum[8];
	uint64_t seconds;                   /* when */
	uint32_t nanoseconds;
};

static inline uint32_t journal_tag_bytes(bool wide) { return wide ? 12 : 8; }
static inline uint32_t journal_number_bytes(bool wide) { return wide ? 8 : 4; }
