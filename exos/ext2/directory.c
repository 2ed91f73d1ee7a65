/* A directory in memory: read whole once, and then a hash table of its entries, each knowing where its record lies. Records never move, so that a listing can go on from a place.
 *
 * A directory with a hash tree of its own (dir_index) looks like a plain one: the tree's blocks are records that are nobody's. It loses the flag when it is changed. */
#include <exos/ext2/internal.h>

#define AHEAD 32u /* blocks that are asked for at once */

/* Loads that the compiler need not call memcpy for. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;
typedef uint32_t __attribute__((may_alias, aligned(1))) half;

/* By words; the last may have bytes again that were in the one before. */
uint32_t e2_hash(const char *name, size_t length)
{
	const char *end = name + length;
	uint64_t hash = length * 0x9e3779b97f4a7c15u, last = 0;

	for (; end - name > 8; name += 8) {
		hash = (hash ^ *(const word *)name) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	if (length >= 8)
		last = *(const word *)(end - 8);
	else if (length >= 4)
		last = (uint64_t)*(const half *)(end - 4) << 32 | *(const half *)name;
	else
		while (end > name)
			last = last << 8 | (uint8_t)*--end;
	hash = (hash ^ last) * 0xff51afd7ed558ccdu;
	return (uint32_t)(hash ^ hash >> 32);
}

uint8_t e2_record_type(const struct ext2 *v, uint32_t mode)
{
	static const uint8_t TYPES[16] = { [MODE_FILE >> 12] = 1, [MODE_DIRECTORY >> 12] = 2, [MODE_CHARACTER >> 12] = 3, [MODE_BLOCK >> 12] = 4, [MODE_FIFO >> 12] = 5, [MODE_SOCKET >> 12] = 6,
		[MODE_LINK >> 12] = 7 };

	return v->incompatible & INCOMPATIBLE_FILETYPE ? TYPES[mode >> 12 & 15] : 0;
}

static struct entry **bucket(const struct ext2_directory *d, uint32_t hash) { return e2_at(&d->buckets, hash & (d->bucket_count - 1)); }

struct entry *e2_entry_find(const struct ext2_directory *d, uint32_t hash, const char *name, size_t length)
{
	struct entry *e = *bucket(d, hash);

	while (e && (e->hash != hash || e->length != length || memcmp(e->name, name, length)))
		e = e->chain;
	return e;
}

struct entry *e2_entry_new(struct ext2 *v, const char *name, size_t length, uint32_t hash)
{
	struct entry *e = e2_memory(v, sizeof(*e) + length);

	if (!e)
		return NULL;
	e->hash = hash;
	e->length = (uint8_t)length;
	memcpy(e->name, name, length);
	return e;
}

/* Twice as many buckets, each becoming two; or not, for want of memory: lists get longer. */
static void buckets_double(struct ext2 *v, struct ext2_directory *d)
{
	uint32_t old = d->bucket_count;

	if (e2_array_grow(v, &d->buckets, 2 * old))
		return;
	d->bucket_count = 2 * old;
	for (uint32_t i = 0; i < old; i++) {
		struct entry **stay = e2_at(&d->buckets, i), **move = e2_at(&d->buckets, i + old), *e = *stay;

		*stay = NULL;
		while (e) {
			struct entry *next = e->chain, **to = e->hash & old ? move : stay;

			e->chain = *to;
			*to = e;
			e = next;
		}
	}
}

void e2_entry_insert(struct ext2 *v, struct ext2_directory *d, struct entry *e)
{
	struct entry **head;

	if (d->entries >= d->bucket_count)
		buckets_double(v, d);
	head = bucket(d, e->hash);
	e->chain = *head;
	*head = e;
	d->entries++;
	d->bytes += sizeof(*e) + sizeof(*head) + e->length;
}

void e2_entry_remove(struct ext2_directory *d, struct entry *e)
{
	struct entry **place = bucket(d, e->hash);

	while (*place != e)
		place = &(*place)->chain;
	*place = e->chain;
	d->entries--;
	d->bytes -= sizeof(*e) + sizeof(*place) + e->length;
}

void e2_directory_free(struct ext2 *v, struct ext2_directory *d)
{
	for (uint32_t i = 0; i < d->bucket_count; i++)
		for (struct entry *e = *bucket(d, i), *next; e; e = next) {
			next = e->chain;
			e2_memory_free(v, e);
		}
	e2_array_free(v, &d->buckets);
	e2_array_free(v, &d->rooms);
	e2_memory_free(v, d);
}

/* . is the first record, .. the second one. */
static bool dots_good(const struct ext2 *v, const uint8_t *data, uint32_t own, uint32_t *parent)
{
	const struct record *dot = (const struct record *)data, *up = (const struct record *)(data + dot->length);

	if (!e2_record_good(v, dot, 0) || dot->number != own || dot->name_length != 1 || dot->name[0] != '.')
		return false;
	if (!e2_record_good(v, up, dot->length) || up->name_length != 2 || up->name[0] != '.' || up->name[1] != '.')
		return false;
	*parent = up->number;
	return up->number && up->number <= v->inodes;
}

/* The entries of one block, and the longest gap in it. */
static int block_load(struct ext2 *v, struct ext2_directory *d, uint32_t block, const uint8_t *data)
{
	uint32_t most = 0, from = 0, gap = 0, gap_at = 0;

	for (uint32_t offset = 0, n = 0; offset < v->block_size; n++) {
		const struct record *r = (const struct record *)(data + offset);
		uint32_t used;

		if (!e2_record_good(v, r, offset) || r->number > v->inodes)
			return -EIO;
		used = r->number ? record_size(r->name_length) : 0;
		if (used) {
			gap = 0;
			gap_at = offset;
		}
		gap += r->length - used;
		if (gap > most) {
			most = gap;
			from = gap_at;
		}
		if (r->number && !(block == 0 && n < 2)) {
			struct entry *e;

			if (!r->name_length)
				return -EIO;
			e = e2_entry_new(v, r->name, r->name_length, e2_hash(r->name, r->name_length));
			if (!e)
				return -ENOMEM;
			e->number = r->number;
			e->block = block;
			e->offset = (uint16_t)offset;
			e->type = r->type;
			e2_entry_insert(v, d, e);
		}
		offset += r->length;
	}
	e2_room_set(d, block, most, from);
	return 0;
}

/* Tells the store what will be read next. */
static void read_ahead(struct ext2_node *dir, uint32_t block, uint32_t end)
{
	uint64_t blocks[AHEAD];
	uint32_t n = 0;

	for (uint32_t i = block; i < end && n < AHEAD; i++) {
		uint32_t where;

		if (e2_block_of(dir, i, &where))
			break;
		blocks[n++] = where;
	}
	if (n > 1)
		buffers_want(dir->volume->store, blocks, n);
}

static int blocks_load(struct ext2_node *dir, struct ext2_directory *d, uint32_t *parent)
{
	struct ext2 *v = dir->volume;

	for (uint32_t i = 0; i < d->blocks; i++) {
		struct buffer *b;
		uint32_t block;
		int error;

		if (i % AHEAD == 0)
			read_ahead(dir, i, d->blocks);
		error = e2_array_grow(v, &d->rooms, i + 1);
		if (!error)
			error = e2_block_of(dir, i, &block);
		if (!error)
			error = buffer_read(v->store, block, &b);
		if (error)
			return error;
		((struct room *)e2_at(&d->rooms, i))->physical = block;
		if (i == 0 && !dots_good(v, b->data, dir->number, parent))
			error = -EIO;
		if (!error)
			error = block_load(v, d, i, b->data);
		buffer_put(b);
		if (error)
			return error;
	}
	return 0;
}

int e2_directory_load(struct ext2_node *dir)
{
	struct ext2 *v = dir->volume;
	struct ext2_directory *d;
	uint32_t parent = 0;
	int error;

	if (dir->directory)
		return 0;
	if (e2_type(dir) != MODE_DIRECTORY)
		return -ENOTDIR;
	d = e2_memory(v, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->bytes = sizeof(*d);
	d->buckets.shift = 3;
	d->rooms.shift = 4;
	d->blocks = (uint32_t)(dir->size >> v->block_shift);
	error = e2_array_grow(v, &d->buckets, 8);
	if (!error) {
		d->bucket_count = 8;
		error = blocks_load(dir, d, &parent);
	}
	if (error) {
		e2_directory_free(v, d);
		return error;
	}
	dir->parent = parent;
	dir->directory = d;
	return 0;
}

bool e2_number_good(const struct ext2 *v, uint32_t number) { return number == EXT2_ROOT || (number >= v->first_inode && number <= v->inodes); }

int ext2_lookup(struct ext2_node *dir, const char *name, size_t length, uint32_t *number)
{
	int error = e2_directory_load(dir);
	const struct entry *e = error ? NULL : e2_entry_find(dir->directory, e2_hash(name, length), name, length);

	if (!e)
		return error ? error : -ENOENT;
	if (!e2_number_good(dir->volume, e->number))
		return -EIO;
	*number = e->number;
	return 0;
}

bool ext2_lookup_known(struct ext2_node *dir, const char *name, size_t length, uint32_t *number)
{
	const struct entry *e;

	if (!dir->directory)
		return false;
	e = e2_entry_find(dir->directory, e2_hash(name, length), name, length);
	*number = e ? e->number : 0;
	return !e || e2_number_good(dir->volume, e->number);
}

int ext2_parent(struct ext2_node *dir, uint32_t *number)
{
	int error = e2_directory_load(dir);

	*number = error ? 0 : dir->parent;
	return error;
}

ssize ext2_name_of(struct ext2_node *dir, uint32_t number, char *name)
{
	if (!dir->directory)
		return -ENOENT;
	for (uint32_t i = 0; i < dir->directory->bucket_count; i++)
		for (const struct entry *e = *bucket(dir->directory, i); e; e = e->chain)
			if (e->number == number) {
				memcpy(name, e->name, e->length);
				return e->length;
			}
	return -ENOENT;
}
