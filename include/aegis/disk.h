/* Disks as the kernel multiplexes them: who may read and write which sectors, and DMA straight between those and frames. What lies in a sector is a library's business:
 * the kernel knows of no file system, no partition and no cache of its own.
 *
 * Who uses it: exos/disk, programs that go to their data directly, tests. Three things:
 *  - an EXTENT (paper 2, 3.1): sectors first.. first + count of a disk, as a sealed capability (CAP_EXTENT). Narrowed without kernel state. It is revoked by cap_end over whole
 *    stripes: capabilities have the disk's epoch of when they were made, and each stripe keeps that of its last revocation; what is older than that is refused there.
 *  - a QUEUE: what requests are handed over through, made by the account that pays for it, named by the frame of its kernel object. Extents are bound in its slots, where the
 *    seal is checked once; requests name the slot.
 *  - the BLOCK TABLE: which frame holds the contents of which block, dirty or not. It is exposed; whoever may write a block may register a frame of his account for it, and whoever may read the
 *    block may bind that frame (bind, with the extent as capability). So libraries that do not trust each other share a cache, and the kernel has none.
 * A frame that a request reads or writes is pinned until the device is done with it, so it does not change hands meanwhile, and neither does an extent (cap_end tells). */
#pragma once

#include <aegis/cap.h>
#include <aegis/types.h>

#define DISKS_MAX 16
#define SECTOR_SHIFT 9
#define SECTOR_SIZE 512u
#define BLOCK_SECTORS 8u /* of a block of the block table: a frame's worth, at a sector that is a multiple of it */

/* A CAP_EXTENT's `first`: which disk, and the sector on it; `count` is in sectors. RIGHT_READ: may be read, RIGHT_WRITE: written and discarded. */
#define EXTENT_DISK_SHIFT 48
#define EXTENT(disk, sector) ((uint64_t)(disk) << EXTENT_DISK_SHIFT | (sector))
static inline uint32_t extent_disk(uint64_t first) { return (uint32_t)(first >> EXTENT_DISK_SHIFT); }
static inline uint64_t extent_sector(uint64_t first) { return first & ((1ul << EXTENT_DISK_SHIFT) - 1); }

struct aegis_queue_spec {
	frame_t object;   /* a frame of the account's, bound nowhere: the kernel's object, and the queue's name */
	frame_t control;  /* the control page; may be bound */
};
#define QUEUE_SLOTS 64 /* extents that are bound at a time */

/* The control page: completions, in the order in which they came. Written by the kernel but for `consumed`, of which it believes only what cannot hurt others. A queue has at most
 * QUEUE_COMPLETIONS requests that are under way or whose completions were not consumed. */
#define QUEUE_COMPLETIONS 128
struct aegis_completion {
	uint64_t tag;
	int32_t result;   /* 0, or -E_IO (the device says so, or is gone) */
	uint32_t reserved;
};
struct aegis_queue {
	volatile uint32_t produced; /* completions so far (modulo 2^32); completion n is at n % QUEUE_COMPLETIONS */
	volatile uint32_t consumed; /* the library: those that it is done with */
	volatile uint32_t accepted; /* requests taken so far */
	uint32_t reserved[13];
	struct aegis_completion completions[QUEUE_COMPLETIONS];
};

enum {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,   /* what was written, and completed, before this was handed over is on the medium when this completes; needs RIGHT_WRITE, names no sectors */
	DISK_DISCARD, /* the sectors' contents are of no use any more; no frames */
};
enum {
	DISK_FUA = 1,      /* of a write: it is on the medium when it completes */
	DISK_REGISTER = 2, /* on success the frames are registered, clean, for the blocks (whole ones: offset 0, sectors in BLOCK_SECTORS); needs RIGHT_WRITE on the extent */
};
struct aegis_disk_request {
	uint64_t tag;       /* the library's own; comes with the completion */
	uint64_t sector;    /* on the disk of the slot's extent, within it */
	uint32_t count;     /* sectors, 1 to DISK_FRAMES_MAX * BLOCK_SECTORS; for a discard up to UINT32_MAX; 0 for a flush */
	uint16_t slot;
	uint8_t operation, flags;
	uint64_t frames;    /* address of the frame numbers: frames of the caller's account, each filled to its end, */
	uint32_t offset;    /* the first from this byte on, a multiple of SECTOR_SIZE */
	env_id tell;        /* of the caller's account: gets EVENT_DISK when this completes (0: nobody). Is it gone by then, the queue's maker gets it */
};
#define DISK_FRAMES_MAX 64  /* of one request */
#define DISK_SUBMIT_MAX 32 /* requests in one call */

/* One entry of a list for block_register. */
struct aegis_block {
	uint64_t sector; /* a multiple of BLOCK_SECTORS, on the disk of the slot's extent, within it with the whole block */
	frame_t frame;   /* of the caller's account */
	uint16_t slot;
	uint16_t state;  /* BLOCK_ */
};
enum {
	BLOCK_NONE,  /* the frame is registered for nothing any more, (sector and slot do not matter) and who bound it by an extent loses it */
	BLOCK_CLEAN, /* it holds what is on the disk */
	BLOCK_DIRTY, /* it is to be written there: which the kernel does, if the frame is taken by force (repossess), before it is anybody else's */
	BLOCK_WRITTEN, BLOCK_UNWRITTEN, /* of a frame that was taken so (FRAME_TAKEN): it was, or could not be */
};

/* The block table: an entry for each frame, and the index by which a block's frame is found: index[hash] is the first frame, the entries' `next` the others; 0 ends it. */
struct aegis_block_info {
	uint64_t block;  /* EXTENT(disk, sector), while state is not BLOCK_NONE */
	uint32_t epoch;  /* the disk's, of the slot that it was registered by: worthless when the stripe was revoked later */
	frame_t next;
	frame_t previous; /* 0: it is the first */
	uint32_t state;
};
/* index has a power of two of entries, aegis_info.block_hashes. */
static inline uint32_t block_hash(uint64_t block, uint32_t hashes) { return (uint32_t)((block >> 3) * 0x9e3779b97f4a7c15ul >> 32) & (hashes - 1); }

/* What everyone may know of a disk: aegis_info.disk names the exposed frames with one of these for each, in order. */
struct aegis_disk_info {
	uint64_t sectors;        /* its size */
	uint32_t flags;          /* DISK_CAN_ */
	uint32_t epoch;          /* of capabilities that are narrowed from the root's now */
	uint64_t stripe_sectors; /* a power of two: what is revoked is a whole number of stripes, or reaches to the end */
	uint32_t stripes;
	uint32_t depth;          /* requests that it takes at a time, at most */
	uint32_t under_way;
	uint32_t errors;         /* requests that failed */
	uint64_t reads, writes, flushes, sectors_read, sectors_written, interrupts;
	uint64_t discard_max;    /* sectors of one discard */
	uint32_t pieces_max;     /* runs of neighbouring frames in one request */
	uint32_t reserved;
};
enum { DISK_CAN_WRITE = 1, DISK_CAN_FLUSH = 2, DISK_CAN_DISCARD = 4, DISK_GONE = 8 /* it does not answer any more */ };
