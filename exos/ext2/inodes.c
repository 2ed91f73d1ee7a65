/* Taking and freeing inodes.
 *
 * Policy: a file lies in its directory's group; directories are spread over the groups so that there is room near each for its files (after Orlov's allocator in the BSDs): those in the root to the emptier groups in turn, those below near their parent
 * while there is room. */
#include <exos/ext2/internal.h>

int e2_inode_place(struct ext2 *v, uint32_t number, uint32_t *block, uint32_t *offset)
{
	uint32_t index = (number - 1) % v->inodes_per_group;
	uint64_t byte = (uint64_t)index * v->inode_size;

	if (!number || number > v->inodes)
		return -EIO;
	*block = e2_group(v, (number - 1) / v->inodes_per_group)->inode_table + (uint32_t)(byte >> v->block_shift);
	*offset = (uint32_t)byte & (v->block_size - 1);
	return 0;
}

static bool roomy(const struct ext2 *v, const struct group *g, uint32_t part)
{
	return g->free_inodes && !g->inodes_bad && g->free_inodes >= v->free_inodes / v->groups_count / part && g->free_blocks >= v->free_blocks / v->groups_count / part;
}

static uint32_t group_for_directory(struct ext2 *v, uint32_t parent)
{
	uint32_t first = (parent - 1) / v->inodes_per_group;

	if (parent != EXT2_ROOT && roomy(v, e2_group(v, first), 4))
		return first;
	for (uint32_t i = 0; i < v->groups_count; i++) {
		uint32_t g = ((parent == EXT2_ROOT ? v->spread + 1 : first) + i) % v->groups_count;

		if (roomy(v, e2_group(v, g), 1)) {
			v->spread = g;
			return g;
		}
	}
	return first;
}

/* Takes in group g: the bit, or -1. */
static int take_in(struct ext2 *v, uint32_t g, bool directory, int64_t *index)
{
	struct group *group = e2_group(v, g);
	struct buffer *b;
	int error;

	*index = -1;
	if (!group->free_inodes || group->inodes_bad)
		return 0;
	error = e2_inode_bitmap(v, g, &b);
	if (error)
		return error == -EIO ? 0 : error;
	if (group->free_inodes) {
		uint32_t bit = e2_bit_find(b->data, group->inode_first, v->inodes_per_group, false);

		while (bit < v->inodes_per_group && e2_node_find(v, g * v->inodes_per_group + bit + 1)) { /* somebody uses it: the bitmap is wrong */
			e2_damage(v);
			bit = e2_bit_find(b->data, bit + 1, v->inodes_per_group, false);
		}
		error = bit < v->inodes_per_group ? e2_change(v, b) : 0;
		if (!error && bit < v->inodes_per_group)
			error = e2_group_change(v, g);
		if (!error && bit < v->inodes_per_group) {
			bit_set(b->data, bit);
			group->inode_first = bit + 1;
			group->free_inodes--;
			v->free_inodes--;
			group->directories += directory;
			v->directories += directory;
			e2_group_dirty(v, group);
			*index = bit;
		}
	}
	buffer_put(b);
	return error;
}

int e2_inode_take(struct ext2 *v, uint32_t parent, bool directory, uint32_t *number, struct buffer **table, uint32_t *offset)
{
	uint32_t first = directory ? group_for_directory(v, parent) : (parent - 1) / v->inodes_per_group, block;

	for (uint32_t i = 0; i < v->groups_count; i++) {
		uint32_t g = (first + i) % v->groups_count;
		int64_t index;
		int error = take_in(v, g, directory, &index);

		if (error)
			return error;
		if (index < 0)
			continue;
		*number = g * v->inodes_per_group + (uint32_t)index + 1;
		error = e2_inode_place(v, *number, &block, offset);
		if (!error)
			error = buffer_read(v->store, block, table);
		if (!error) {
			error = e2_change(v, *table);
			if (error)
				buffer_put(*table);
		}
		if (error)
			e2_inode_untake(v, *number, directory);
		return error;
	}
	return -ENOSPC;
}

static void give_back(struct ext2 *v, struct group *group, uint32_t bit, bool directory, uint8_t *bits)
{
	if (!bit_get(bits, bit)) {
		e2_damage(v);
		return;
	}
	bit_clear(bits, bit);
	group->inode_first = MIN(group->inode_first, bit);
	group->free_inodes++;
	v->free_inodes++;
	if (directory && group->directories) {
		group->directories--;
		v->directories--;
	}
	e2_group_dirty(v, group);
}

void e2_inode_untake(struct ext2 *v, uint32_t number, bool directory)
{
	struct group *group = e2_group(v, (number - 1) / v->inodes_per_group);
	struct buffer *b;

	if (buffer_read(v->store, group->inode_bitmap, &b)) /* it is in memory */
		return;
	give_back(v, group, (number - 1) % v->inodes_per_group, directory, b->data);
	buffer_put(b);
}

int e2_inode_release(struct ext2 *v, uint32_t number, bool directory)
{
	uint32_t g = (number - 1) / v->inodes_per_group;
	struct buffer *b;
	int error = e2_inode_bitmap(v, g, &b);

	if (error)
		return error;
	error = e2_change(v, b);
	if (!error)
		error = e2_group_change(v, g);
	if (!error)
		give_back(v, e2_group(v, g), (number - 1) % v->inodes_per_group, directory, b->data);
	buffer_put(b);
	return error;
}
