/* Where the blocks of contents are: 12 in the inode, then trees of one, two and three levels of blocks of block numbers. */
#include <exos/ext2/internal.h>

int e2_path(const struct ext2 *v, uint64_t at, struct path *p)
{
	uint32_t shift = v->pointers_shift, mask = (1u << shift) - 1;

	if (at < MAP_DIRECT) {
		p->depth = 0;
		p->index[0] = (uint32_t)at;
		return 0;
	}
	at -= MAP_DIRECT;
	for (p->depth = 1; p->depth <= 3; p->depth++) {
		uint64_t blocks = 1ul << (shift * p->depth);

		if (at < blocks) {
			p->index[0] = MAP_SINGLE + p->depth - 1;
			for (uint32_t level = 1; level <= p->depth; level++)
				p->index[level] = (uint32_t)(at >> (shift * (p->depth - level))) & mask;
			return 0;
		}
		at -= blocks;
	}
	return -EFBIG;
}

uint64_t ext2_size_max(const struct ext2 *v)
{
	uint64_t p = 1ul << v->pointers_shift, blocks = MAP_DIRECT + p + p * p + p * p * p;
	uint64_t sectors = v->read_only_compatible & READ_ONLY_HUGE_FILE ? (1ul << 48) - 1 : UINT32_MAX;
	uint64_t most = (sectors >> (v->block_shift - 9)) - (3 + 2 * p + p * p); /* what leads to them counts too */

	if (v->super->revision < REVISION_DYNAMIC)
		return INT32_MAX;
	return MIN(blocks, most) << v->block_shift;
}

void e2_run_forget(struct ext2_node *n) { n->run_count = 0; }

/* How far a run is followed beyond what was asked for, so that who reads on finds it known. A whole table would be too much for who reads here and there. */
#define RUN_LEAST 64ul
#define RUN_AHEAD 8ul

/* How the entries from `index` of `end` go on: a run of blocks, or of holes. */
static uint32_t run_of(const uint32_t *entries, uint32_t index, uint32_t end, uint64_t most)
{
	uint32_t first = entries[index], step = first != 0, next = first + step, count = 1;

	most = MIN(most, (uint64_t)(end - index));
	for (; count < most && entries[index + count] == next; count++)
		next += step;
	return count;
}

static bool in_run(const struct ext2_node *n, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count)
{
	uint64_t past = at - n->run_logical;

	if (at < n->run_logical || past >= n->run_count)
		return false;
	*block = n->run_block + past;
	*count = (uint32_t)MIN(n->run_count - past, most);
	return true;
}

static int found(struct ext2_node *n, uint64_t at, uint32_t first, uint32_t run, uint32_t most, uint64_t *block, uint32_t *count)
{
	if (first && !e2_blocks_good(n->volume, first, run)) {
		run = 1;
		if (!e2_blocks_good(n->volume, first, 1))
			return -EIO;
	}
	if (first) {
		n->run_logical = at;
		n->run_block = first;
		n->run_count = run;
	}
	*block = first;
	*count = MIN(run, most);
	return 0;
}

int ext2_map(struct ext2_node *n, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count)
{
	struct ext2 *v = n->volume;
	uint32_t entries = 1u << v->pointers_shift, pointer;
	struct path p;
	int error = e2_path(v, at, &p);

	if (error || !most)
		return error ? error : -EINVAL;
	if (!e2_has_map(n))
		return -EIO;
	if (in_run(n, at, most, block, count))
		return 0;
	if (!p.depth)
		return found(n, at, n->map[p.index[0]], run_of(n->map, p.index[0], MAP_DIRECT, MAP_DIRECT), most, block, count);
	pointer = n->map[p.index[0]];
	for (uint32_t level = 1; level <= p.depth && pointer; level++) {
		struct buffer *b;
		const uint32_t *table;

		if (!e2_blocks_good(v, pointer, 1))
			return -EIO;
		error = buffer_read(v->store, pointer, &b);
		if (error)
			return error;
		table = (const uint32_t *)b->data;
		pointer = table[p.index[level]];
		if (level == p.depth) {
			error = found(n, at, pointer, run_of(table, p.index[level], entries, MAX(RUN_LEAST, RUN_AHEAD * most)), most, block, count);
			buffer_put(b);
			return error;
		}
		buffer_put(b);
	}
	*block = 0; /* nothing leads there: a hole to the end of its table at least */
	*count = MIN(entries - p.index[p.depth], most);
	return 0;
}

bool ext2_map_known(struct ext2_node *n, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count)
{
	struct path p;

	if (!most || e2_path(n->volume, at, &p) || !e2_has_map(n))
		return false;
	if (in_run(n, at, most, block, count))
		return true;
	if (p.depth && !n->map[p.index[0]]) {
		*block = 0;
		*count = 1;
		return true;
	}
	return !p.depth && !found(n, at, n->map[p.index[0]], run_of(n->map, p.index[0], MAP_DIRECT, MAP_DIRECT), most, block, count);
}

int e2_block_of(struct ext2_node *n, uint64_t at, uint32_t *block)
{
	uint64_t where;
	uint32_t count;
	int error = ext2_map(n, at, 1, &where, &count);

	if (!error && !where)
		error = -EIO;
	*block = (uint32_t)where;
	return error;
}
