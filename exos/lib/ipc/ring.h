/* Pipes as a library (paper 6.1): a circular buffer that two processes share. Bytes are copied in and out once, and no kernel call is made
 * but the directed yield when the ring is empty or full.
 *
 * Who calls it: programs, and the RPC transport `ring`. Make a ring, fork, and tell each side who the other is. One process writes and one reads; for both directions
 * take two rings. `struct ring` is one's own end and private: of what lies in shared memory only the other end's position is believed, and only if it
 * can be true, so the other end can send garbage or stop, and nothing worse.
 *
 *     struct ring r;
 *     ring_make(&r, 4096);
 *     if (!(pid = fork())) { ring_peer(&r, getppid()); ... ring_read(&r, bytes, sizeof(bytes)); }
 *     ring_peer(&r, pid); ... ring_write(&r, bytes, n); ring_close_writer(&r); */
#pragma once

#include <exos/lib/ipc/word.h>

struct ring_memory {
	struct word written, taken; /* bytes ever put in, taken out: set by the writer, by the reader */
	_Alignas(64) unsigned char bytes[];
};

struct ring {
	struct ring_memory *memory;
	uint64_t size;  /* bytes that fit in: a power of two */
	uint64_t at;    /* one's own position */
	uint64_t other; /* the writer's: the reader's position as it was last believed, within `size` behind */
	struct peer peer;
};

/* A ring of `size` bytes, a power of two and at least 64. 0, -EINVAL, -ENOMEM. Before the fork. */
int ring_make(struct ring *r, uint64_t size);
/* After it: the process at the other end. 0 or -ESRCH. */
int ring_peer(struct ring *r, int pid);
/* Gives up this process's mapping. The other end hears nothing of it: ring_close tells. */
void ring_free(struct ring *r);

/* Writes all n bytes, waiting for room. n, or if that cannot be: how many were written, or if none -EPIPE (the reader has closed), -ESRCH (it
 * is dead), -EPROTO (what it claims to have read cannot be). */
int64_t ring_write(struct ring *r, const void *bytes, uint64_t n);
/* Reads what is there, up to n bytes, waiting for the first. How many; 0: the writer has closed and all was read, or n is 0; -ESRCH: it is dead and all was
 * read; -EPROTO: what it claims to have written cannot be. */
int64_t ring_read(struct ring *r, void *bytes, uint64_t n);
/* One's own end is closed: the reader finds the end after what was written, the writer is refused. */
void ring_close_writer(struct ring *r);
void ring_close_reader(struct ring *r);

int ring_put_slowly(struct ring *r, uint64_t word);
int ring_get_slowly(struct ring *r, uint64_t *word);

/* The paper's pipe': read and write of a word, inlined. A ring in which only words have been written never splits one. 0, or an error as above (-EPIPE
 * also for a reader: the writer has closed). */
static inline int ring_put(struct ring *r, uint64_t word)
{
	if (__builtin_expect(r->size - (r->at - r->other) < sizeof(word) || r->at % sizeof(word), 0))
		return ring_put_slowly(r, word);
	*(uint64_t *)(void *)(r->memory->bytes + (r->at & (r->size - 1))) = word;
	r->at += sizeof(word);
	word_set(&r->memory->written, r->at);
	return 0;
}

static inline int ring_get(struct ring *r, uint64_t *word)
{
	uint64_t there = word_get(&r->memory->written) - r->at;

	if (there == 0) {
		int error = word_wait(&r->memory->written, r->at, &r->peer);

		if (error)
			return error;
		there = word_get(&r->memory->written) - r->at;
	}
	if (__builtin_expect(there < sizeof(*word) || there > r->size || r->at % sizeof(*word), 0))
		return ring_get_slowly(r, word);
	*word = *(const uint64_t *)(const void *)(r->memory->bytes + (r->at & (r->size - 1)));
	r->at += sizeof(*word);
	word_set(&r->memory->taken, r->at);
	return 0;
}
