/* The general pipe: any sizes, round the end of the ring. */
#include <string.h>
#include <sys/mman.h>

#include <exos/lib/ipc/ring.h>

#define RING_LEAST 64

int ring_make(struct ring *r, uint64_t size)
{
	void *memory;

	if (size < RING_LEAST || size & (size - 1) || size > SIZE_MAX / 2)
		return -EINVAL;
	memory = mmap(NULL, sizeof(struct ring_memory) + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	*r = (struct ring){.memory = memory, .size = size};
	return 0;
}

int ring_peer(struct ring *r, int pid) { return peer_find(&r->peer, pid); }

void ring_free(struct ring *r) { munmap(r->memory, sizeof(struct ring_memory) + r->size); }

void ring_close_writer(struct ring *r) { word_close(&r->memory->written); }
void ring_close_reader(struct ring *r) { word_close(&r->memory->taken); }

/* Room for the writer, waiting until there is some. */
static int64_t ring_room(struct ring *r)
{
	uint64_t taken;
	int error;

	if (r->at - r->other == r->size) {
		error = word_wait(&r->memory->taken, r->other, &r->peer);
		if (error)
			return error;
		taken = word_get(&r->memory->taken);
		if (r->at - taken > r->size)
			return -EPROTO;
		r->other = taken;
	}
	return (int64_t)(r->size - (r->at - r->other));
}

int64_t ring_write(struct ring *r, const void *bytes, uint64_t n)
{
	uint64_t done = 0;
	int64_t room = 0;

	if (r->memory->taken.closed)
		return -EPIPE;
	while (done < n && (room = ring_room(r)) >= 0) {
		uint64_t part = n - done < (uint64_t)room ? n - done : (uint64_t)room, from = r->at & (r->size - 1);
		uint64_t to_end = r->size - from < part ? r->size - from : part;

		memcpy(r->memory->bytes + from, (const char *)bytes + done, to_end);
		memcpy(r->memory->bytes, (const char *)bytes + done + to_end, part - to_end);
		r->at += part;
		done += part;
		word_set(&r->memory->written, r->at);
	}
	return done || !n ? (int64_t)done : room;
}

/* Bytes for the reader, waiting until there are some. */
static int64_t ring_bytes(struct ring *r)
{
	int error = word_wait(&r->memory->written, r->at, &r->peer);
	uint64_t there;

	if (error)
		return error;
	there = word_get(&r->memory->written) - r->at;
	return there > r->size ? -EPROTO : (int64_t)there;
}

int64_t ring_read(struct ring *r, void *bytes, uint64_t n)
{
	int64_t there;
	uint64_t part, from = r->at & (r->size - 1), to_end;

	if (!n)
		return 0;
	there = ring_bytes(r);
	if (there <= 0)
		return there == -EPIPE ? 0 : there;
	part = n < (uint64_t)there ? n : (uint64_t)there;
	to_end = r->size - from < part ? r->size - from : part;
	memcpy(bytes, r->memory->bytes + from, to_end);
	memcpy((char *)bytes + to_end, r->memory->bytes, part - to_end);
	r->at += part;
	word_set(&r->memory->taken, r->at);
	return (int64_t)part;
}

/* A word that is split by the end of the ring, or for which there is no room as far as is known. */
int ring_put_slowly(struct ring *r, uint64_t word)
{
	int64_t n = ring_write(r, &word, sizeof(word));

	return n == sizeof(word) ? 0 : n < 0 ? (int)n : -EPIPE;
}

int ring_get_slowly(struct ring *r, uint64_t *word)
{
	uint64_t done = 0;

	while (done < sizeof(*word)) {
		int64_t n = ring_read(r, (char *)word + done, sizeof(*word) - done);

		if (n <= 0)
			return n ? (int)n : -EPIPE;
		done += (uint64_t)n;
	}
	return 0;
}
