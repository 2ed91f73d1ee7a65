/* What lies on the disk: the second extended file system (Card, Ts'o and Tweedie, 1994) with what ext3 and e2fsprogs added. Little-endian, as is every machine that this is built for.
 *
 * Fields lie at their natural alignment, and every structure at a multiple of four, so they are used where they are. */
#pragma once

#include <exos/base.h>

#define SUPER_OFFSET 1024u /* bytes, whatever the block size */
#define SUPER_MAGIC  0xef53
#define SUPER_VALID  1u /* state: it was closed properly; */
#define SUPER_ERRORS 2u /* something in it is damaged: e2fsck looks at all of it */

struct superblock {
	uint32_t inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_block, block_shift, cluster_shift;
	uint32_t blocks_per_group, clusters_per_group, inodes_per_group, mounted, written;
	uint16_t mounts, mounts_max, magic, state, errors, minor_revision;
	uint32_t checked, check_interval, creator, revision;
	uint16_t reserved_uid, reserved_gid;
	uint32_t first_inode; /* from here on: revision 1 */
	uint16_t inode_size, group_number;
	uint32_t compatible, incompatible, read_only_compatible;
	uint8_t uuid[16];
	char label[16], last_mounted[64];
	uint32_t compression;
	uint8_t preallocate, preallocate_directory;
	uint16_t reserved_descriptors; /* blocks behind the descriptors, for growing */
	uint8_t journal_uuid[16];
	uint32_t journal_inode, journal_device, orphans, hash_seed[4];
	uint8_t hash_version, journal_backup_type;
	uint16_t descriptor_size;
	uint32_t mount_options, first_meta_group, made, journal_backup[17];
	uint32_t blocks_high, reserved_blocks_high, free_blocks_high;
	uint16_t extra_least, extra_wanted; /* bytes of an inode's extra fields */
	uint8_t rest[0x24c - 0x160];
	uint32_t backup_groups[2]; /* sparse_super2 */
	uint8_t rest2[1024 - 0x254];
};
_Static_assert(sizeof(struct superblock) == 1024 && offsetof(struct superblock, orphans) == 0xe8 && offsetof(struct superblock, extra_least) == 0x15c && offsetof(struct superblock, backup_groups) == 0x24c,
	"as on disk");

#define REVISION_DYNAMIC 1u
/* compatible: whoever does not know them may write */
#define COMPATIBLE_JOURNAL       0x4u
#define COMPATIBLE_RESIZE_INODE  0x10u
#define COMPATIBLE_SPARSE_SUPER2 0x200u
/* incompatible: whoever does not know them may not look */
#define INCOMPATIBLE_FILETYPE 0x2u
#define INCOMPATIBLE_RECOVER  0x4u /* there is something in the journal */
#define INCOMPATIBLE_FLEX_BG  0x200u
#define INCOMPATIBLE_KNOWN    (INCOMPATIBLE_FILETYPE | INCOMPATIBLE_RECOVER | INCOMPATIBLE_FLEX_BG)
/* whoever does not know them may look */
#define READ_ONLY_SPARSE_SUPER 0x1u
#define READ_ONLY_LARGE_FILE   0x2u
#define READ_ONLY_HUGE_FILE    0x8u
#define READ_ONLY_DIR_NLINK    0x20u
#define READ_ONLY_EXTRA_ISIZE  0x40u
#define READ_ONLY_KNOWN        (READ_ONLY_SPARSE_SUPER | READ_ONLY_LARGE_FILE | READ_ONLY_HUGE_FILE | READ_ONLY_DIR_NLINK | READ_ONLY_EXTRA_ISIZE)

struct descriptor { /* of a group */
	uint32_t block_bitmap, inode_bitmap, inode_table;
	uint16_t free_blocks, free_inodes, directories, flags;
	uint32_t exclude;
	uint16_t checksums[2], unused, checksum;
};
_Static_assert(sizeof(struct descriptor) == 32, "as on disk");

#define INODE_JOURNAL 8u
#define FIRST_INODE_OLD 11u /* revision 0 */
#define INODE_SIZE_OLD 128u
#define MAP_DIRECT   12u /* of the map's 15 entries; then the roots of trees: */
#define MAP_SINGLE   12u
#define MAP_ENTRIES  15u
#define SHORT_LINK   60u /* a link shorter than that lies in the map */

struct inode {
	uint16_t mode, uid;
	uint32_t size, accessed, changed, modified, deleted; /* deleted: or the next orphan's number */
	uint16_t gid, links;
	uint32_t sectors, flags, version, map[MAP_ENTRIES], generation, attributes;
	uint32_t size_high; /* of a file; a directory's attributes' once */
	uint32_t fragment;
	uint16_t sectors_high, attributes_high, uid_high, gid_high, checksum, unused;
	/* in inodes that are larger than 128 bytes, as far as `extra` bytes reach: */
	uint16_t extra, checksum_high;
	uint32_t changed_extra, modified_extra, accessed_extra, created, created_extra, version_high, project;
};
_Static_assert(offsetof(struct inode, extra) == 128 && offsetof(struct inode, created_extra) == 148, "as on disk");

#define FLAG_INDEX      0x1000u  /* a directory with a hash tree in it, for whoever knows it */
#define FLAG_HUGE       0x40000u /* sectors counts blocks */
#define FLAG_EXTENTS    0x80000u
#define FLAG_INLINE     0x10000000u
#define FLAGS_FOREIGN   (FLAG_EXTENTS | FLAG_INLINE) /* contents that are not mapped as here */
#define FLAGS_INHERITED 0xc8u /* by what is made in a directory: synchronous, no dump, no access times */

#define MODE_TYPE      0170000u
#define MODE_FIFO      0010000u
#define MODE_CHARACTER 0020000u
#define MODE_DIRECTORY 0040000u
#define MODE_BLOCK     0060000u
#define MODE_FILE      0100000u
#define MODE_LINK      0120000u
#define MODE_SOCKET    0140000u

struct record { /* of a directory; `length` bytes lead to the next one, in the same block */
	uint32_t number; /* 0: nobody's */
	uint16_t length;
	uint8_t name_length, type; /* without the feature filetype: 0, the name's length being 16 bits */
	char name[];
};
#define RECORD_HEAD 8u
static inline uint32_t record_size(uint32_t name_length) { return (RECORD_HEAD + name_length + 3) & ~3u; }

struct attribute_header { /* of a block of extended attributes, which inodes share */
	uint32_t magic, references, blocks, hash, checksum, reserved[3];
};
#define ATTRIBUTE_MAGIC 0xea020000u

#define LINKS_MAX 65000u /* of an inode; with dir_nlink a directory that would have more has 1 */
