/* Taking and freeing blocks.
 *
 * Policy: runs, as near behind where they are wanted as there is one; a run that is short is passed over for a longer one in the same group, as what is written together is read together. A group's first free block is known, so that a full
 * group is not searched. What was freed is not taken before the transaction that freed it is committed (store_hold). */
#include <exos/ext2/internal.h>

#define RUN_GOOD  8u  /* a run that is not passed over */
#define RUN_TRIES 16u /* how many are, at most */

bool e2_enough(const struct ext2 *v, uint64_t blocks, uint64_t promised)
{
	uint64_t free = v->free_blocks, held = v->held_running + v->held_committing;

	return free >= held && free - held >= blocks + promised;
}

/* The run at or behind `from`: its length, 0 if there is none before `end`; *at. */
static uint32_t run_at(const struct ext2 *v, const struct group *g, const uint8_t *bits, uint32_t from, uint32_t end, uint32_t want, uint32_t *at)
{
	bool held = g->held > store_committed(v->store);
	uint32_t start = e2_group_start(v, g->number);

	for (;;) {
		uint32_t length;

		*at = e2_bit_find(bits, from, end, false);
		if (*at == end)
			return 0;
		if (held) { /* there may be as many as a long file had */
			uint64_t behind = store_held_end(v->store, start + *at);

			if (behind > start + *at) {
				from = (uint32_t)MIN(behind - start, (uint64_t)end);
				continue;
			}
		}
		length = e2_bit_find(bits, *at, MIN((uint64_t)end, (uint64_t)*at + want), true) - *at;
		if (!held)
			return length;
		for (uint32_t i = 0; i < length; i++)
			if (store_held(v->store, start + *at + i))
				length = i;
		return length;
	}
}

/* The best run of a few behind `from`. */
static uint32_t run_search(const struct ext2 *v, const struct group *g, const uint8_t *bits, uint32_t from, uint32_t end, uint32_t want, uint32_t *at)
{
	uint32_t best = 0, good = MIN(want, RUN_GOOD);

	for (uint32_t tries = 0; tries < RUN_TRIES; tries++) {
		uint32_t where, length = run_at(v, g, bits, from, end, want, &where);

		if (!length)
			break;
		if (length > best) {
			best = length;
			*at = where;
		}
		if (best >= good)
			break;
		from = where + length;
	}
	return best;
}

/* Takes in group g, relative block `from` being the best. 0: nothing there. */
static int take_in(struct ext2 *v, uint32_t g, uint32_t from, uint32_t want, uint32_t *block, uint32_t *count)
{
	struct group *group = e2_group(v, g);
	uint32_t end = e2_group_blocks(v, g), at = 0, length;
	struct buffer *b;
	uint8_t *bits;
	int error;

	*count = 0;
	if (!group->free_blocks || group->blocks_bad)
		return 0;
	error = e2_block_bitmap(v, g, &b);
	if (error)
		return error == -EIO ? 0 : error; /* there are other groups */
	bits = b->data;
	from = MAX(from, group->block_first);
	length = from < end && !bit_get(bits, from) ? run_at(v, group, bits, from, end, want, &at) : 0;
	if (!length || at != from)
		length = run_search(v, group, bits, from, end, want, &at);
	if (!length)
		length = run_search(v, group, bits, group->block_first, MIN(from, end), want, &at);
	error = length ? e2_change(v, b) : 0;
	if (length && !error)
		error = e2_group_change(v, g);
	if (length && !error) {
		if (at == group->block_first)
			group->block_first = at + length;
		for (uint32_t i = 0; i < length; i++)
			bit_set(bits, at + i);
		group->free_blocks -= length;
		v->free_blocks -= length;
		group->block_next = at + length;
		e2_group_dirty(v, group);
		*block = e2_group_start(v, g) + at;
		*count = length;
	}
	buffer_put(b);
	return error;
}

int e2_take(struct ext2 *v, uint32_t goal, uint32_t want, uint32_t *block, uint32_t *count)
{
	uint32_t first;

	if (goal < v->first_block || goal >= v->blocks)
		goal = v->first_block;
	first = e2_group_of(v, goal);
	for (uint32_t i = 0; i < v->groups_count; i++) {
		uint32_t g = first + i < v->groups_count ? first + i : first + i - v->groups_count;
		uint32_t from = i ? e2_group(v, g)->block_next : goal - e2_group_start(v, g);
		int error = take_in(v, g, from, want, block, count);

		if (error || *count)
			return error;
	}
	return -ENOSPC;
}

void e2_untake(struct ext2 *v, uint32_t block, uint32_t count)
{
	uint32_t g = e2_group_of(v, block), at = block - e2_group_start(v, g);
	struct group *group = e2_group(v, g);
	struct buffer *b;

	if (!count || buffer_read(v->store, group->block_bitmap, &b)) /* it is in memory */
		return;
	for (uint32_t i = 0; i < count; i++)
		bit_clear(b->data, at + i);
	buffer_put(b);
	group->block_first = MIN(group->block_first, at);
	group->free_blocks += count;
	v->free_blocks += count;
}

void e2_retake(struct ext2 *v, uint32_t block)
{
	struct group *group = e2_group(v, e2_group_of(v, block));
	struct buffer *b;

	if (buffer_read(v->store, group->block_bitmap, &b))
		return;
	bit_set(b->data, block - e2_group_start(v, group->number));
	buffer_put(b);
	group->free_blocks--;
	v->free_blocks--;
	v->held_running--;
}

static int release_in(struct ext2 *v, uint32_t block, uint32_t count)
{
	uint32_t g = e2_group_of(v, block), at = block - e2_group_start(v, g), freed = 0;
	struct group *group = e2_group(v, g);
	struct buffer *b;
	int error = e2_block_bitmap(v, g, &b);

	if (error == -EIO) {
		e2_damage(v);
		return 0;
	}
	if (error)
		return error;
	error = e2_change(v, b);
	if (!error)
		error = e2_group_change(v, g);
	if (!error)
		error = store_hold(v->store, block, count);
	if (!error) {
		for (uint32_t i = at; i < at + count; i++) {
			freed += bit_get(b->data, i);
			bit_clear(b->data, i);
		}
		if (freed != count) /* somebody else has it too, or had */
			e2_damage(v);
		group->block_first = MIN(group->block_first, at);
		group->free_blocks += freed;
		group->held = store_running(v->store);
		e2_group_dirty(v, group);
		v->free_blocks += freed;
		v->held_running += freed;
	}
	buffer_put(b);
	return error;
}

int e2_release(struct ext2 *v, uint32_t block, uint32_t count)
{
	if (!e2_blocks_good(v, block, count)) {
		e2_damage(v);
		return 0;
	}
	return e2_room(v, ROOM_STEP, ROOM_FREEING) ? release_in(v, block, count) : -EAGAIN;
}
