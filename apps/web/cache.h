/* The files that are served, as they are sent: a file cache and a retransmission pool in one (Kaashoek et al., SOSP'97, 7.3).
 *
 * A file's bytes lie in frames, cut into the segments in which they go out, each with its checksum, from when they are first read. A response refers to them;
 * an acknowledgement lets go of them. So a byte that is served again is never touched again, and what is sent again is sent from the same place. Files are cut
 * into chunks of CHUNK_SEGMENTS, which are read when they are first wanted, and of those that nobody is sending the one used longest ago goes when there is no
 * room: a file may be larger than the cache. */
#pragma once

#include <exos/net/stack.h>
#include <exos/program.h>

#include "http.h"

#define CHUNK_SEGMENTS 32u
#define SEGMENT_ROOM 2048u /* of half a frame each */
#define SEGMENTS_IN_FRAME (uint32_t)(FRAME_SIZE / SEGMENT_ROOM)

struct head { /* of a response, and perhaps a short body */
	uint32_t references, length, sum, room;
	char bytes[];
};
struct file;
struct chunk {
	struct list idle;     /* of those that nobody is sending, the one used longest ago first; else it points at itself */
	struct file *file;
	uint32_t index, references, segments;
	frame_t frames[CHUNK_SEGMENTS / SEGMENTS_IN_FRAME];
	uint32_t sums[CHUNK_SEGMENTS];
};
enum { HEAD_KEEP, HEAD_CLOSE, HEADS };
struct file {
	struct file *next;    /* of its bucket */
	struct list idle;     /* of those that nobody refers to but the table */
	uint64_t hash;
	char *name;           /* relative to the folder */
	uint32_t name_length;
	uint32_t references;  /* the table's, its chunks', and its users' */
	bool known;           /* in the table */
	uint64_t device, inode, size;
	int64_t modified, modified_ns;
	uint64_t checked;     /* ns of port_now: is the file on disk still this one? */
	char tag[48];         /* its entity tag, with quotes */
	uint32_t tag_length;
	const char *type;
	uint32_t segment, head_length; /* the first segment is shorter by the head's length */
	int64_t head_second;  /* the heads' date */
	struct head *heads[HEADS];
	uint32_t chunk_count;
	struct chunk **chunks;
};

/* folder: what is served; limit: bytes of memory for files. 0 or -1, errno. */
int cache_start(const char *folder, uint64_t limit);

/* The file of this name, kept or read in; `now` as port_now has it, segment: what connections send at a time, if it has to be cut. The caller has a reference.
 * Null: *status says why (403, 404, 301: it is a folder, 503). */
struct file *cache_find(const char *name, uint32_t length, uint64_t now, uint32_t segment, int *status);
static inline bool cache_fresh(const struct file *f, uint64_t now) { return f->known && now - f->checked < 1000000000ul; }
void cache_ref(struct file *f);
void cache_unref(struct file *f);

/* A chunk of it, with a reference. Null: no memory, or the file has changed meanwhile. */
struct chunk *cache_chunk(struct file *f, uint32_t index);
void cache_chunk_put(struct chunk *c);
/* Where segments begin, and which one has a byte. */
static inline uint64_t file_offset(const struct file *f, uint32_t segment) { return segment ? f->segment - f->head_length + (uint64_t)(segment - 1) * f->segment : 0; }
static inline uint32_t file_segment_at(const struct file *f, uint64_t offset)
{
	uint32_t first = f->segment - f->head_length;

	return offset < first ? 0 : 1 + (uint32_t)((offset - first) / f->segment);
}
static inline uint8_t *chunk_bytes(const struct chunk *c, uint32_t i) { return (uint8_t *)exos_frame_bytes(c->frames[i / SEGMENTS_IN_FRAME]) + i % SEGMENTS_IN_FRAME * SEGMENT_ROOM; }

struct head *head_new(uint32_t room); /* with a reference; null: no memory */
static inline void head_ref(struct head *h) { h->references++; }
void head_put(struct head *h);
struct cache_counts {
	uint64_t files, chunks, frames, reads, evicted;
};
struct cache_counts cache_counts(void);
