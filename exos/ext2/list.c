/* Listing a directory: block after block, from a place that is a byte offset. What was read may have changed since the place was given, so the block is gone through from its beginning. */
#include <exos/ext2/internal.h>

typedef bool (*entry_function)(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next);

/* false: the caller has enough. */
static int block_list(struct ext2_node *dir, const uint8_t *data, uint64_t base, uint64_t *offset, entry_function entry, void *to)
{
	struct ext2 *v = dir->volume;

	for (uint32_t at = 0, next; at < v->block_size; at = next) {
		const struct record *r = (const struct record *)(data + at);

		if (!e2_record_good(v, r, at))
			return -EIO;
		next = at + r->length;
		if (base + at < *offset)
			continue;
		if (r->number && r->number <= v->inodes && !entry(to, r->name, r->name_length, r->number, v->incompatible & INCOMPATIBLE_FILETYPE ? r->type : 0, base + next))
			return 1;
		*offset = base + next;
	}
	return 0;
}

int ext2_list(struct ext2_node *dir, uint64_t *offset, entry_function entry, void *to)
{
	struct ext2 *v = dir->volume;
	int result = e2_directory_load(dir);

	while (!result && *offset < dir->size) {
		const struct room *room = e2_at(&dir->directory->rooms, (uint32_t)(*offset >> v->block_shift));
		uint64_t base = ROUND_DOWN(*offset, v->block_size);
		struct buffer *b;

		result = buffer_read(v->store, room->physical, &b);
		if (result)
			return result;
		result = block_list(dir, b->data, base, offset, entry, to);
		buffer_put(b);
		if (!result)
			*offset = base + v->block_size;
	}
	return MIN(result, 0);
}

ssize ext2_readlink(struct ext2_node *link, char *to, size_t size)
{
	struct buffer *b;
	uint32_t block;
	int error;

	if (e2_type(link) != MODE_LINK)
		return -EINVAL;
	size = MIN(size, link->size);
	if (e2_is_short(link)) {
		memcpy(to, link->map, size);
		return (ssize)size;
	}
	error = e2_block_of(link, 0, &block);
	if (!error)
		error = buffer_read(link->volume->store, block, &b);
	if (error)
		return error;
	memcpy(to, b->data, size);
	buffer_put(b);
	return (ssize)size;
}
