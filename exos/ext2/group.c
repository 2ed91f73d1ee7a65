/* Groups: their descriptors, and which blocks hold the volume's structure. */
#include <exos/ext2/internal.h>

uint32_t e2_group_blocks(const struct ext2 *v, uint32_t g)
{
	uint32_t behind = v->blocks - e2_group_start(v, g);

	return MIN(behind, v->blocks_per_group);
}

uint32_t e2_bit_find(const uint8_t *bits, uint32_t from, uint32_t end, bool set)
{
	const uint64_t *words = (const uint64_t *)bits;
	uint64_t flip = set ? 0 : UINT64_MAX, word;

	if (from >= end)
		return end;
	word = (words[from >> 6] ^ flip) & UINT64_MAX << (from & 63);
	for (uint32_t i = from >> 6;; word = words[i] ^ flip) {
		if (word) {
			uint32_t found = i * 64 + (uint32_t)__builtin_ctzl(word);

			return MIN(found, end);
		}
		if (++i >= (end + 63) / 64)
			return end;
	}
}

/* Ranges: those that follow one another are one. */
int e2_range_add(struct ext2 *v, uint32_t first, uint32_t count)
{
	struct range *r;

	if (first < v->first_block || first >= v->blocks || count > v->blocks - first)
		return -EINVAL;
	if (v->ranges_count) {
		r = e2_at(&v->ranges, v->ranges_count - 1);
		if (r->end == first) {
			r->end += count;
			return 0;
		}
	}
	if (e2_array_grow(v, &v->ranges, v->ranges_count + 1))
		return -ENOMEM;
	r = e2_at(&v->ranges, v->ranges_count++);
	r->first = first;
	r->end = first + count;
	return 0;
}

int e2_ranges_sort(struct ext2 *v)
{
	uint32_t kept = 0;

	for (uint32_t gap = v->ranges_count / 2; gap; gap /= 2) /* Shell's: they are nearly in order, and there is no other memory than theirs */
		for (uint32_t i = gap; i < v->ranges_count; i++) {
			struct range moved = *(struct range *)e2_at(&v->ranges, i);
			uint32_t j = i;

			for (; j >= gap && ((struct range *)e2_at(&v->ranges, j - gap))->first > moved.first; j -= gap)
				*(struct range *)e2_at(&v->ranges, j) = *(struct range *)e2_at(&v->ranges, j - gap);
			*(struct range *)e2_at(&v->ranges, j) = moved;
		}
	for (uint32_t i = 0; i < v->ranges_count; i++) {
		struct range r = *(struct range *)e2_at(&v->ranges, i), *last = kept ? e2_at(&v->ranges, kept - 1) : NULL;

		if (last && r.first < last->end)
			return -EINVAL;
		if (last && r.first == last->end)
			last->end = r.end;
		else
			*(struct range *)e2_at(&v->ranges, kept++) = r;
	}
	v->ranges_count = kept;
	return 0;
}

/* The first range that ends behind `block`. */
static uint32_t range_behind(const struct ext2 *v, uint32_t block)
{
	uint32_t low = 0, high = v->ranges_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (((const struct range *)e2_at(&v->ranges, middle))->end <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool e2_blocks_good(const struct ext2 *v, uint64_t first, uint64_t count)
{
	uint32_t i;

	if (first <= v->first_block || first >= v->blocks || count > v->blocks - first)
		return false;
	i = range_behind(v, (uint32_t)first);
	return i == v->ranges_count || first + count <= ((const struct range *)e2_at(&v->ranges, i))->first;
}

static bool is_power(uint32_t n, uint32_t of)
{
	while (n % of == 0)
		n /= of;
	return n == 1;
}

/* Has a group a copy of the superblock and of the descriptors? */
static bool has_copy(const struct ext2 *v, uint32_t g)
{
	if (g == 0)
		return true;
	if (v->compatible & COMPATIBLE_SPARSE_SUPER2)
		return g == v->super->backup_groups[0] || g == v->super->backup_groups[1];
	if (g == 1 || !(v->read_only_compatible & READ_ONLY_SPARSE_SUPER))
		return true;
	return is_power(g, 3) || is_power(g, 5) || is_power(g, 7);
}

static int group_load(struct ext2 *v, uint32_t g, const struct descriptor *d)
{
	struct group *group = e2_group(v, g);
	uint32_t table_blocks = (uint32_t)(((uint64_t)v->inodes_per_group * v->inode_size + v->block_size - 1) >> v->block_shift);
	uint32_t copies = 1 + v->descriptor_blocks + (v->compatible & COMPATIBLE_RESIZE_INODE ? v->super->reserved_descriptors : 0);
	int error;

	if (d->free_blocks > e2_group_blocks(v, g) || d->free_inodes > v->inodes_per_group || d->directories > v->inodes_per_group)
		return -EINVAL;
	*group = (struct group){ .number = g, .block_bitmap = d->block_bitmap, .inode_bitmap = d->inode_bitmap, .inode_table = d->inode_table,
		.free_blocks = d->free_blocks, .free_inodes = d->free_inodes, .directories = d->directories };
	v->free_blocks += d->free_blocks;
	v->free_inodes += d->free_inodes;
	v->directories += d->directories;
	error = has_copy(v, g) ? e2_range_add(v, e2_group_start(v, g), copies) : 0;
	if (!error)
		error = e2_range_add(v, d->block_bitmap, 1);
	if (!error)
		error = e2_range_add(v, d->inode_bitmap, 1);
	return error ? error : e2_range_add(v, d->inode_table, table_blocks);
}

int e2_groups_load(struct ext2 *v)
{
	uint32_t per_block = v->block_size / sizeof(struct descriptor);

	if (e2_array_grow(v, &v->groups, v->groups_count) || e2_array_grow(v, &v->descriptors, v->descriptor_blocks))
		return -ENOMEM;
	for (uint32_t i = 0; i < v->descriptor_blocks; i++) {
		struct buffer **b = e2_at(&v->descriptors, i);
		int error = buffer_read(v->store, v->first_block + 1 + i, b);

		if (error)
			*b = NULL;
		for (uint32_t g = i * per_block; !error && g < MIN((i + 1) * per_block, v->groups_count); g++)
			error = group_load(v, g, (const struct descriptor *)(*b)->data + g % per_block);
		if (error)
			return error;
	}
	return 0;
}

void e2_groups_free(struct ext2 *v)
{
	for (uint32_t i = 0; i < v->descriptors.room && i < v->descriptor_blocks; i++) {
		struct buffer **b = e2_at(&v->descriptors, i);

		if (*b)
			buffer_put(*b);
	}
	e2_array_free(v, &v->descriptors);
	e2_array_free(v, &v->groups);
	e2_array_free(v, &v->ranges);
	v->ranges_count = 0;
	v->dirty_groups = NULL;
	v->free_blocks = v->free_inodes = v->directories = 0;
}

int e2_group_change(struct ext2 *v, uint32_t g)
{
	uint32_t per_block = v->block_size / sizeof(struct descriptor);
	int error = e2_change(v, *(struct buffer **)e2_at(&v->descriptors, g / per_block));

	return error ? error : e2_super_change(v);
}

void e2_group_dirty(struct ext2 *v, struct group *g)
{
	if (g->dirty)
		return;
	g->dirty = true;
	g->dirty_next = v->dirty_groups;
	v->dirty_groups = g;
}

void e2_groups_write(struct ext2 *v)
{
	uint32_t per_block = v->block_size / sizeof(struct descriptor);

	while (v->dirty_groups) {
		struct group *group = v->dirty_groups;
		struct buffer *b = *(struct buffer **)e2_at(&v->descriptors, group->number / per_block);
		struct descriptor *d = (struct descriptor *)b->data + group->number % per_block;

		d->free_blocks = (uint16_t)group->free_blocks;
		d->free_inodes = (uint16_t)group->free_inodes;
		d->directories = (uint16_t)group->directories;
		v->dirty_groups = group->dirty_next;
		group->dirty = false;
	}
}

/* Bitmaps are checked when they are used first: what the format itself has in the group must be marked, and the rest of the last group too. */
static uint32_t count_clear(const uint8_t *bits, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = e2_bit_find(bits, 0, n, false); i < n;) {
		uint32_t end = e2_bit_find(bits, i, n, true);

		count += end - i;
		i = e2_bit_find(bits, end, n, false);
	}
	return count;
}

static bool structure_marked(const struct ext2 *v, uint32_t g, const uint8_t *bits)
{
	uint32_t start = e2_group_start(v, g), end = start + e2_group_blocks(v, g);

	for (uint32_t i = range_behind(v, start); i < v->ranges_count; i++) {
		const struct range *r = e2_at(&v->ranges, i);
		uint32_t from = MAX(r->first, start), to = MIN(r->end, end);

		if (from >= to)
			break;
		if (e2_bit_find(bits, from - start, to - start, false) != to - start)
			return false;
	}
	return true;
}

static int bitmap_bad(struct ext2 *v, bool *bad, struct buffer *b)
{
	*bad = true;
	buffer_put(b);
	e2_damage(v);
	return -EIO;
}

int e2_block_bitmap(struct ext2 *v, uint32_t g, struct buffer **out)
{
	struct group *group = e2_group(v, g);
	uint32_t count;
	int error;

	if (group->blocks_bad)
		return -EIO;
	error = buffer_read(v->store, group->block_bitmap, out);
	if (error || group->blocks_checked)
		return error;
	if (!structure_marked(v, g, (*out)->data))
		return bitmap_bad(v, &group->blocks_bad, *out);
	count = count_clear((*out)->data, e2_group_blocks(v, g));
	if (count != group->free_blocks) { /* the bitmap is what is gone by */
		e2_damage(v);
		v->free_blocks += count - (uint64_t)group->free_blocks;
		group->free_blocks = count;
	}
	group->blocks_checked = true;
	return 0;
}

int e2_inode_bitmap(struct ext2 *v, uint32_t g, struct buffer **out)
{
	struct group *group = e2_group(v, g);
	uint32_t count, reserved = MIN(v->first_inode - 1, v->inodes_per_group);
	int error;

	if (group->inodes_bad)
		return -EIO;
	error = buffer_read(v->store, group->inode_bitmap, out);
	if (error || group->inodes_checked)
		return error;
	if (g == 0 && e2_bit_find((*out)->data, 0, reserved, false) != reserved)
		return bitmap_bad(v, &group->inodes_bad, *out);
	count = count_clear((*out)->data, v->inodes_per_group);
	if (count != group->free_inodes) {
		e2_damage(v);
		v->free_inodes += count - (uint64_t)group->free_inodes;
		group->free_inodes = count;
	}
	group->inodes_checked = true;
	return 0;
}
