/* See cache.h. */
#include "cache.h"

#include <exos/lib/net/memory.h>
#include <exos/lib/net/port.h>
#include <exos/lib/vm/pool.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS_FIRST 256
#define FILE_COST 1024 /* bytes that a file costs without its contents, more or less */

static char root[PATH_MAX];
static size_t root_length;
static uint64_t secret, limit_frames, frames, files, reads, evicted, chunks;
static struct file **buckets;
static size_t bucket_count; /* a power of two */
static struct list idle_chunks = { &idle_chunks, &idle_chunks }, idle_files = { &idle_files, &idle_files };

struct cache_counts cache_counts(void) { return (struct cache_counts){ files, chunks, frames, reads, evicted }; }

static uint64_t memory_used(void) { return frames + files * FILE_COST / FRAME_SIZE; }

int cache_start(const char *folder, uint64_t limit)
{
	struct stat st;

	if (!realpath(folder, root) || stat(root, &st))
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	root_length = strcmp(root, "/") ? strlen(root) : 0;
	limit_frames = limit / FRAME_SIZE;
	bucket_count = BUCKETS_FIRST;
	buckets = calloc(bucket_count, sizeof(struct file *));
	return buckets && getrandom(&secret, sizeof(secret), 0) == sizeof(secret) ? 0 : -1;
}

/* Names are the visitors' choice: what they hash to cannot be told from outside, as the table is. */
static uint64_t hash_of(const char *name, uint32_t length)
{
	uint64_t h = secret, word;

	for (; length >= 8; name += 8, length -= 8) {
		unsigned __int128 m;

		memcpy(&word, name, 8);
		m = (unsigned __int128)(h ^ word) * 0x9e3779b97f4a7c15u;
		h = (uint64_t)m ^ (uint64_t)(m >> 64);
	}
	word = length;
	for (uint32_t i = 0; i < length; i++)
		word = word << 8 | (uint8_t)name[i];
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static struct file **place_of(uint64_t hash) { return &buckets[hash & (bucket_count - 1)]; }

static struct file *find(uint64_t hash, const char *name, uint32_t length)
{
	for (struct file *f = *place_of(hash); f; f = f->next)
		if (f->hash == hash && f->name_length == length && memcmp(f->name, name, length) == 0)
			return f;
	return NULL;
}

static void grow(void)
{
	struct file **before = buckets, **more;
	size_t n = bucket_count;

	if (files < bucket_count || !(more = calloc(2 * n, sizeof(*more))))
		return;
	buckets = more;
	bucket_count = 2 * n;
	for (size_t i = 0; i < n; i++)
		for (struct file *f = before[i], *next; f; f = next) {
			next = f->next;
			f->next = *place_of(f->hash);
			*place_of(f->hash) = f;
		}
	free(before);
}

struct head *head_new(uint32_t room)
{
	struct head *h = memory_get_dirty(sizeof(*h) + room);

	if (h)
		*h = (struct head){ .references = 1, .room = room };
	return h;
}

void head_put(struct head *h)
{
	if (h && --h->references == 0)
		memory_put(h, sizeof(*h) + h->room);
}

static void file_free(struct file *f)
{
	list_remove(&f->idle);
	for (int i = 0; i < HEADS; i++)
		head_put(f->heads[i]);
	free(f->chunks);
	free(f->name);
	free(f);
	files--;
}

void cache_unref(struct file *f)
{
	f->references--;
	if (!f->references)
		file_free(f);
	else if (f->references == 1 && f->known)
		list_append(&idle_files, &f->idle);
}

void cache_ref(struct file *f)
{
	if (f->references++ == 1)
		list_remove(&f->idle);
}

/* Out of the table: who is sending it goes on. */
static void forget(struct file *f)
{
	struct file **place = place_of(f->hash);

	while (*place != f)
		place = &(*place)->next;
	*place = f->next;
	f->known = false;
	list_remove(&f->idle);
	list_init(&f->idle);
	cache_unref(f);
}

static void chunk_free(struct chunk *c)
{
	struct file *f = c->file;

	for (uint32_t i = 0; i * SEGMENTS_IN_FRAME < c->segments && c->frames[i] != NO_FRAME; i++, frames--) {
		port_forget(c->frames[i]);
		pool_put(c->frames[i]);
	}
	list_remove(&c->idle);
	f->chunks[c->index] = NULL;
	free(c);
	chunks--;
	cache_unref(f);
}

/* Room for n more frames, as far as something can go. */
static void make_room(uint32_t n)
{
	while (memory_used() + n > limit_frames) {
		if (!list_empty(&idle_chunks)) {
			evicted++;
			chunk_free(CONTAINER_OF(idle_chunks.next, struct chunk, idle));
		} else if (!list_empty(&idle_files)) {
			forget(CONTAINER_OF(idle_files.next, struct file, idle));
		} else {
			return;
		}
	}
}

void cache_chunk_put(struct chunk *c)
{
	if (--c->references)
		return;
	if (!c->file->known) {
		chunk_free(c);
		return;
	}
	list_append(&idle_chunks, &c->idle);
	make_room(0); /* more than there may be were being sent */
}

/* Chunks of a file that is not served any more, and that nobody is sending. */
static void drop_chunks(struct file *f)
{
	f->references++;
	for (uint32_t i = 0; i < f->chunk_count; i++)
		if (f->chunks[i] && !f->chunks[i]->references)
			chunk_free(f->chunks[i]);
	cache_unref(f);
}

static void replace(struct file *f)
{
	f->references++;
	forget(f);
	drop_chunks(f);
	cache_unref(f);
}

/* name in full, terminated; PATH_MAX of room. False: too long. */
static bool full_name(char *to, const char *name, uint32_t length)
{
	if (root_length + 1 + length >= PATH_MAX)
		return false;
	memcpy(to, root, root_length);
	to[root_length] = '/';
	memcpy(to + root_length + 1, name, length);
	to[root_length + 1 + length] = 0;
	return true;
}

/* What is open is in the folder, whatever links its name goes through, and whenever those change. */
static bool is_inside(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n > (ssize_t)root_length && memcmp(path, root, root_length) == 0 && path[root_length] == '/';
}

/* The descriptor, or -1 and a status. */
static int open_inside(const char *name, uint32_t length, struct stat *st, int *status)
{
	char path[PATH_MAX];
	int fd = full_name(path, name, length) ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

	*status = errno == EACCES || errno == ELOOP ? 403 : errno == EMFILE || errno == ENFILE || errno == ENOMEM ? 503 : 404;
	if (fd < 0)
		return -1;
	*status = fstat(fd, st) || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) || (!is_inside(fd) && !(S_ISDIR(st->st_mode) && !length)) ? 403 : S_ISDIR(st->st_mode) ? 301 : 0;
	if (!*status)
		return fd;
	close(fd);
	return -1;
}

static bool same_file(const struct file *f, const struct stat *st)
{
	return f->device == st->st_dev && f->inode == st->st_ino && f->size == (uint64_t)st->st_size && f->modified == st->st_mtim.tv_sec && f->modified_ns == st->st_mtim.tv_nsec;
}

static bool unchanged(struct file *f, uint64_t now)
{
	char path[PATH_MAX];
	struct stat st;

	if (!full_name(path, f->name, f->name_length) || stat(path, &st) || !same_file(f, &st))
		return false;
	f->checked = now;
	return true;
}

static struct file *new_file(const char *name, uint32_t length, uint64_t hash, const struct stat *st)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f || !(f->name = malloc(length + 1ul))) {
		free(f);
		return NULL;
	}
	memcpy(f->name, name, length);
	f->name[length] = 0;
	f->name_length = length;
	f->hash = hash;
	f->device = st->st_dev;
	f->inode = st->st_ino;
	f->size = (uint64_t)st->st_size;
	f->modified = st->st_mtim.tv_sec;
	f->modified_ns = st->st_mtim.tv_nsec;
	f->tag_length = (uint32_t)snprintf(f->tag, sizeof(f->tag), "\"%lx-%lx%lx\"", f->size, f->modified, f->modified_ns);
	f->type = http_type(name, length);
	f->head_second = -1;
	list_init(&f->idle);
	files++;
	return f;
}

static struct file *read_in(const char *name, uint32_t length, uint64_t hash, uint64_t now, uint32_t segment, int *status)
{
	struct stat st;
	int fd = open_inside(name, length, &st, status);
	struct file *f;

	if (fd < 0)
		return NULL;
	close(fd);
	make_room(1);
	f = new_file(name, length, hash, &st);
	*status = 503;
	if (!f)
		return NULL;
	f->segment = segment;
	f->checked = now;
	grow();
	f->next = *place_of(hash);
	*place_of(hash) = f;
	f->known = true;
	f->references = 2;
	return f;
}

struct file *cache_find(const char *name, uint32_t length, uint64_t now, uint32_t segment, int *status)
{
	uint64_t hash = hash_of(name, length);
	struct file *f = find(hash, name, length);

	if (f && (cache_fresh(f, now) || unchanged(f, now))) {
		cache_ref(f);
		return f;
	}
	if (f)
		replace(f);
	return read_in(name, length, hash, now, segment, status);
}

/* Bytes of the file into frames, each segment with its sum. */
static bool fill(struct chunk *c, const uint8_t *bytes, uint64_t length)
{
	const struct file *f = c->file;
	uint32_t first = c->index * CHUNK_SEGMENTS;

	for (uint32_t i = 0; i < c->segments; i++) {
		uint64_t at = file_offset(f, first + i) - file_offset(f, first), n = file_offset(f, first + i + 1) - file_offset(f, first + i);
		uint8_t *to;

		if (i % SEGMENTS_IN_FRAME == 0) {
			if ((c->frames[i / SEGMENTS_IN_FRAME] = pool_get()) == NO_FRAME)
				return false;
			frames++;
		}
		to = chunk_bytes(c, i);
		n = n < length - at ? n : length - at;
		memcpy(to, bytes + at, n);
		c->sums[i] = net_piece_sum(to, (uint32_t)n);
	}
	return true;
}

static bool read_chunk(struct chunk *c, uint64_t from, uint64_t length)
{
	static uint8_t buffer[CHUNK_SEGMENTS * SEGMENT_ROOM];
	uint64_t done = 0;
	struct stat st;
	int status, fd = open_inside(c->file->name, c->file->name_length, &st, &status);
	bool same;

	if (fd < 0)
		return false;
	for (ssize_t n; done < length && (n = pread(fd, buffer + done, length - done, (off_t)(from + done))) > 0;)
		done += (uint64_t)n;
	same = done == length && fstat(fd, &st) == 0 && same_file(c->file, &st);
	close(fd);
	reads++;
	return same && fill(c, buffer, length);
}

static struct chunk *new_chunk(struct file *f, uint32_t index)
{
	uint64_t from = file_offset(f, index * CHUNK_SEGMENTS), to = file_offset(f, (index + 1) * CHUNK_SEGMENTS);
	struct chunk *c;

	to = to < f->size ? to : f->size;
	make_room(CHUNK_SEGMENTS / SEGMENTS_IN_FRAME);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->file = f;
	c->index = index;
	c->references = 1;
	c->segments = file_segment_at(f, to - 1) + 1 - index * CHUNK_SEGMENTS;
	list_init(&c->idle);
	cache_ref(f);
	chunks++;
	f->chunks[index] = c;
	if (read_chunk(c, from, to - from))
		return c;
	chunk_free(c);
	return NULL;
}

struct chunk *cache_chunk(struct file *f, uint32_t index)
{
	struct chunk *c;

	if (!f->chunks) {
		f->chunk_count = file_segment_at(f, f->size - 1) / CHUNK_SEGMENTS + 1;
		f->chunks = calloc(f->chunk_count, sizeof(struct chunk *));
		if (!f->chunks)
			return NULL;
	}
	c = f->chunks[index];
	if (!c)
		return new_chunk(f, index);
	if (c->references++ == 0)
		list_remove(&c->idle);
	return c;
}
