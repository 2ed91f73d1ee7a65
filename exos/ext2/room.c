/* Room for names in a directory's blocks.
 *
 * Blocks are in lists by the longest gap that they may have, so that a directory of any length is asked for room in the same time. What is known of a block is a bound: it is made exact when looking there was in vain, which an earlier change there has
 * paid for. A record that is removed stays as one that is nobody's, and is joined with its neighbours when room is taken. */
#include <exos/ext2/internal.h>

#define TRIES 4u /* blocks in which there may be enough room, before one in which there is, or a new one */

static const uint16_t CLASSES[ROOM_CLASSES] = { 12, 32, 64, 128, 264 }; /* the least room in each; the last: for any name */

static int class_of(uint32_t room)
{
	int class = -1;

	while (class + 1 < (int)ROOM_CLASSES && room >= CLASSES[class + 1])
		class++;
	return class;
}

static struct room *room_at(const struct ext2_directory *d, uint32_t block) { return e2_at(&d->rooms, block); }

void e2_room_set(struct ext2_directory *d, uint32_t block, uint32_t most, uint32_t from)
{
	struct room *r = room_at(d, block);
	int old = class_of(r->most), new = class_of(most);

	r->most = (uint16_t)most;
	r->from = (uint16_t)from;
	if (old == new)
		return;
	if (old >= 0) {
		if (r->previous)
			room_at(d, r->previous - 1)->next = r->next;
		else
			d->lists[old] = r->next;
		if (r->next)
			room_at(d, r->next - 1)->previous = r->previous;
	}
	r->next = r->previous = 0;
	if (new >= 0) {
		r->next = d->lists[new];
		if (r->next)
			room_at(d, r->next - 1)->previous = block + 1;
		d->lists[new] = block + 1;
	}
}

/* Looks for a gap of `need` bytes from `offset` on: true, and where. Else *most is the longest there was. -EIO: a record that cannot be. */
static int gap_find(const struct ext2 *v, const uint8_t *data, uint32_t offset, uint32_t need, struct place *p, uint32_t *most)
{
	*most = 0;
	while (offset < v->block_size) {
		const struct record *r = (const struct record *)(data + offset), *next;
		uint32_t end, gap;

		if (!e2_record_good(v, r, offset))
			return -EIO;
		for (end = offset + r->length; end < v->block_size; end += next->length) { /* those behind it that are nobody's */
			next = (const struct record *)(data + end);
			if (!e2_record_good(v, next, end))
				return -EIO;
			if (next->number)
				break;
		}
		gap = end - offset - (r->number ? record_size(r->name_length) : 0);
		if (gap >= need) {
			p->offset = offset;
			p->length = end - offset;
			return 1;
		}
		*most = MAX(*most, gap);
		offset = end;
	}
	return 0;
}

/* In one block: 1: found, p->buffer being held. */
static int block_try(struct ext2_node *dir, uint32_t block, uint32_t need, struct place *p)
{
	struct ext2 *v = dir->volume;
	struct room *r = room_at(dir->directory, block);
	uint32_t most, from = r->from;
	int found = buffer_read(v->store, r->physical, &p->buffer);

	if (found)
		return found;
	p->block = block;
	found = gap_find(v, p->buffer->data, from, need, p, &most);
	if (!found && from)
		found = gap_find(v, p->buffer->data, 0, need, p, &most);
	if (!found)
		e2_room_set(dir->directory, block, most, 0);
	if (found == 1)
		return 1;
	buffer_put(p->buffer);
	return found;
}

/* A new block, one record long that is nobody's. */
static int block_add(struct ext2_node *dir, struct place *p)
{
	struct ext2 *v = dir->volume;
	struct ext2_directory *d = dir->directory;
	uint64_t block;
	uint32_t count;
	int error = d->blocks >= v->blocks || d->blocks >= UINT32_MAX >> v->block_shift ? -ENOSPC : e2_array_grow(v, &d->rooms, d->blocks + 1);

	if (!error)
		error = e2_allocate(dir, d->blocks, 1, false, &block, &count, &p->buffer);
	if (error)
		return error;
	((struct record *)p->buffer->data)->length = (uint16_t)v->block_size;
	*p = (struct place){ .buffer = p->buffer, .block = d->blocks, .length = v->block_size };
	*room_at(d, d->blocks) = (struct room){ .physical = (uint32_t)block };
	e2_room_set(d, d->blocks++, v->block_size, 0);
	dir->size += v->block_size;
	ext2_changed(dir);
	return 0;
}

static int place_search(struct ext2_node *dir, uint32_t need, struct place *p)
{
	struct ext2_directory *d = dir->directory;
	int class = class_of(need);

	for (uint32_t block = d->lists[class], next, tries = 0; block && tries < TRIES; block = next, tries++) {
		struct room *r = room_at(d, block - 1);
		int found;

		next = r->next;
		found = r->most >= need ? block_try(dir, block - 1, need, p) : 0;
		if (found)
			return found;
	}
	for (int i = (int)ROOM_CLASSES - 1; i > class; i--) /* the emptiest first: what is known of it is nearest to being true */
		for (uint32_t tries = 0; d->lists[i] && tries < TRIES; tries++) {
			int found = block_try(dir, d->lists[i] - 1, need, p);

			if (found)
				return found;
		}
	return 0;
}

int e2_place_find(struct ext2_node *dir, uint32_t name_length, struct place *p)
{
	int found = place_search(dir, record_size(name_length), p), error;

	if (found < 0)
		return found;
	if (!found)
		return block_add(dir, p);
	error = e2_change(dir->volume, p->buffer);
	if (error)
		buffer_put(p->buffer);
	return error;
}

void e2_place_put(struct place *p) { buffer_put(p->buffer); }

void e2_place_enter(struct ext2_node *dir, struct place *p, struct entry *e)
{
	struct ext2 *v = dir->volume;
	struct record *old = (struct record *)(p->buffer->data + p->offset), *r = old;
	uint32_t used = old->number ? record_size(old->name_length) : 0;

	if (used) {
		old->length = (uint16_t)used;
		r = (struct record *)((char *)old + used);
	}
	r->length = (uint16_t)(p->length - used);
	r->number = e->number;
	r->name_length = e->length;
	r->type = e->type;
	memcpy(r->name, e->name, e->length);
	e->block = p->block;
	e->offset = (uint16_t)(p->offset + used);
	room_at(dir->directory, p->block)->from = e->offset;
	buffer_put(p->buffer);
	e2_entry_insert(v, dir->directory, e);
}

int e2_record_change(struct ext2_node *dir, const struct entry *e, struct buffer **out, struct record **record)
{
	struct ext2 *v = dir->volume;
	int error = buffer_read(v->store, room_at(dir->directory, e ? e->block : 0)->physical, out);
	uint32_t offset;
	struct record *r;

	if (error) {
		*out = NULL;
		return error;
	}
	offset = e ? e->offset : ((struct record *)(*out)->data)->length;
	r = (struct record *)((*out)->data + MIN(offset, v->block_size - record_size(1)));
	if (!e2_record_good(v, r, offset) || r->name_length != (e ? e->length : 2) || (e && r->number != e->number))
		error = -EIO;
	if (!error)
		error = e2_change(v, *out);
	if (error) {
		buffer_put(*out);
		*out = NULL;
	}
	*record = r;
	return error;
}

void e2_record_clear(struct ext2_node *dir, struct entry *e, struct buffer *b, struct record *r)
{
	struct ext2 *v = dir->volume;
	struct room *room = room_at(dir->directory, e->block);

	r->number = 0;
	e2_room_set(dir->directory, e->block, MIN(2u * room->most + r->length, v->block_size), e->offset);
	buffer_put(b);
	e2_entry_remove(dir->directory, e);
	e2_memory_free(v, e);
}
