/* Giving blocks to holes.
 *
 * Policy: behind the block that the file got last; a first block near the inode. Blocks of pointers lie before the first block that they lead to, so that reading on does not go back. */
#include <exos/ext2/internal.h>

struct giving {
	struct ext2_node *n;
	struct path path;
	struct buffer *parent;    /* the block of pointers that exists, deepest; null: the map itself */
	uint32_t have;            /* levels that exist: path.depth: all */
	uint32_t made[3], made_count;
	struct buffer *fresh[3];
	uint32_t data, data_count;
};

static uint32_t *entries_of(const struct giving *g) { return g->parent ? (uint32_t *)g->parent->data : g->n->map; }

/* Goes down as far as there are blocks of pointers. */
static int descend(struct giving *g)
{
	struct ext2 *v = g->n->volume;

	while (g->have < g->path.depth) {
		uint32_t pointer = entries_of(g)[g->path.index[g->have]];
		struct buffer *b;
		int error;

		if (!pointer)
			return 0;
		error = e2_blocks_good(v, pointer, 1) ? buffer_read(v->store, pointer, &b) : -EIO;
		if (error)
			return error;
		if (g->parent)
			buffer_put(g->parent);
		g->parent = b;
		g->have++;
	}
	return 0;
}

static uint32_t goal_of(const struct giving *g)
{
	const struct ext2_node *n = g->n;
	const struct ext2 *v = n->volume;
	const uint32_t *entries = entries_of(g);
	uint32_t group = (n->number - 1) / v->inodes_per_group;

	for (uint32_t i = g->path.index[g->have]; i > 0 && g->path.index[g->have] - i < 16; i--) /* behind the neighbour; */
		if (entries[i - 1])
			return entries[i - 1] + 1;
	if (n->goal)
		return (uint32_t)n->goal;
	if (g->parent)
		return (uint32_t)g->parent->block + 1;
	return e2_group_start(v, group) + e2_group(v, group)->block_next; /* small files one behind the other */
}

/* Takes blocks for the missing levels, and then data, of one run if there is one that long. */
static int take(struct giving *g, uint32_t want)
{
	struct ext2 *v = g->n->volume;
	uint32_t missing = g->path.depth - g->have, goal = goal_of(g);

	do {
		uint32_t block, count;
		int error = e2_take(v, goal, missing - g->made_count + want, &block, &count);

		if (error)
			return error;
		goal = block + count;
		for (; count && g->made_count < missing; count--)
			g->made[g->made_count++] = block++;
		g->data = block;
		g->data_count = count;
	} while (!g->data_count);
	return 0;
}

static void give_back(struct giving *g)
{
	struct ext2 *v = g->n->volume;

	for (uint32_t i = 0; i < g->made_count; i++) {
		if (g->fresh[i])
			buffer_put(g->fresh[i]);
		e2_untake(v, g->made[i], 1);
	}
	e2_untake(v, g->data, g->data_count);
	g->made_count = g->data_count = 0;
}

/* Buffers for what is made and changed; nothing can fail behind it. */
static int prepare(struct giving *g, struct buffer **contents)
{
	struct ext2 *v = g->n->volume;
	int error = e2_change(v, g->parent ? g->parent : g->n->table);

	for (uint32_t i = 0; i < g->made_count && !error; i++) {
		error = buffer_fresh(v->store, g->made[i], &g->fresh[i]);
		if (!error)
			error = e2_change(v, g->fresh[i]);
		else
			g->fresh[i] = NULL;
	}
	if (error || !contents)
		return error;
	error = buffer_fresh(v->store, g->data, contents);
	if (error)
		return error;
	error = e2_change(v, *contents);
	if (error)
		buffer_put(*contents);
	return error;
}

static void link_up(struct giving *g)
{
	struct ext2_node *n = g->n;
	uint32_t *entries = entries_of(g);

	for (uint32_t i = 0; i < g->made_count; i++) {
		entries[g->path.index[g->have + i]] = g->made[i];
		entries = (uint32_t *)g->fresh[i]->data;
	}
	for (uint32_t i = 0; i < g->data_count; i++)
		entries[g->path.index[g->path.depth] + i] = g->data + i;
	n->sectors += (uint64_t)(g->made_count + g->data_count) << (n->volume->block_shift - 9);
	n->goal = g->data + g->data_count;
	ext2_changed(n);
}

/* How many entries from here on are holes, up to the end of their table. */
static uint32_t holes(const struct giving *g, uint32_t most)
{
	const uint32_t *entries = entries_of(g);
	uint32_t index = g->path.index[g->path.depth], end = g->path.depth ? 1u << g->n->volume->pointers_shift : MAP_DIRECT, count = 0;

	if (g->have < g->path.depth)
		return MIN(most, end - index);
	while (count < most && index + count < end && !entries[index + count])
		count++;
	return count;
}

static int allocate(struct giving *g, uint32_t most, bool reserved, struct buffer **fresh)
{
	struct ext2 *v = g->n->volume;
	uint64_t promised = 4 * (v->reserved - (reserved ? MIN(v->reserved, 1) : 0)), need;
	uint32_t want;
	int error = descend(g);

	if (error)
		return error;
	want = holes(g, most);
	if (!want)
		return -EIO; /* it has a block */
	need = g->path.depth - g->have + 1;
	if (!e2_enough(v, need, promised))
		return -ENOSPC;
	while (want > 1 && !e2_enough(v, need - 1 + want, reserved ? 4 * (v->reserved - MIN(v->reserved, want)) : promised))
		want /= 2;
	error = take(g, want);
	if (!error)
		error = prepare(g, fresh);
	if (error) {
		give_back(g);
		return error;
	}
	link_up(g);
	return 0;
}

int e2_allocate(struct ext2_node *n, uint64_t at, uint32_t most, bool reserved, uint64_t *block, uint32_t *count, struct buffer **fresh)
{
	struct giving g = { .n = n };
	int error = e2_path(n->volume, at, &g.path);

	if (!error && !most)
		error = -EINVAL;
	if (!error)
		error = allocate(&g, most, reserved, fresh);
	if (g.parent)
		buffer_put(g.parent);
	for (uint32_t i = 0; i < g.made_count; i++)
		if (g.fresh[i])
			buffer_put(g.fresh[i]);
	if (error)
		return error;
	*block = g.data;
	*count = g.data_count;
	if (reserved)
		n->volume->reserved -= MIN(n->volume->reserved, g.data_count);
	return 0;
}

int ext2_allocate(struct ext2_node *n, uint64_t at, uint32_t most, bool reserved, uint64_t *block, uint32_t *count)
{
	struct ext2 *v = n->volume;
	int error = e2_begin(v);

	if (error)
		return error;
	if (e2_type(n) != MODE_FILE)
		return -EINVAL;
	if (at >= ext2_size_max(v) >> v->block_shift)
		return -EFBIG;
	most = (uint32_t)MIN(most, (ext2_size_max(v) >> v->block_shift) - at);
	return e2_allocate(n, at, most, reserved, block, count, NULL);
}

/* Three blocks may have to lead to each: nobody knows yet where in its file it will be. */
int ext2_reserve(struct ext2 *v, uint64_t blocks)
{
	if (v->read_only)
		return -EROFS;
	if (blocks > v->blocks || !e2_enough(v, 0, 4 * (v->reserved + blocks)))
		return -ENOSPC;
	v->reserved += blocks;
	return 0;
}

void ext2_unreserve(struct ext2 *v, uint64_t blocks) { v->reserved -= MIN(v->reserved, blocks); }
