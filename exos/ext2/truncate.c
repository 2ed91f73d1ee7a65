/* Freeing blocks, from the end of a file on, in steps each of which leaves the tree right: when the running transaction has no room left, what is done is done, and the rest follows in the next (orphan.c).
 *
 * A damaged tree is freed as far as it makes sense: a block of pointers that is in no range, is not in use or is above itself is not gone down into. So the work is bounded by the volume's size, whatever the tree says. */
#include <exos/ext2/internal.h>

struct cut {
	struct ext2_node *n;
	uint64_t first;      /* logical; all from here on goes */
	bool contents;       /* its blocks are the store's: of a directory or a link */
	bool lost;           /* something could not be read */
	uint32_t above[4];   /* blocks of pointers that are being worked in, by level */
};

static bool in_use(struct ext2 *v, uint32_t block)
{
	uint32_t g = e2_group_of(v, block);
	struct buffer *b;
	bool used;

	if (e2_block_bitmap(v, g, &b))
		return true; /* what cannot be known is not doubted */
	used = bit_get(b->data, block - e2_group_start(v, g));
	buffer_put(b);
	return used;
}

/* Frees a block that the store has too. */
static int release_structure(struct cut *c, uint32_t block)
{
	struct ext2 *v = c->n->volume;
	bool good = e2_blocks_good(v, block, 1) && in_use(v, block);
	int error = good ? e2_release(v, block, 1) : 0;

	if (!good)
		e2_damage(v);
	if (error || !good)
		return error;
	error = buffer_forget(v->store, block);
	if (error)
		e2_retake(v, block);
	return error;
}

static void gone(struct cut *c, uint32_t blocks)
{
	uint64_t sectors = (uint64_t)blocks << (c->n->volume->block_shift - 9);

	c->n->sectors -= MIN(c->n->sectors, sectors);
	ext2_changed(c->n);
}

/* Frees the blocks that entries[from..end) name, from the last on; each entry is cleared when its block is free. */
static int cut_entries(struct cut *c, uint32_t *entries, uint32_t from, uint32_t end)
{
	struct ext2 *v = c->n->volume;

	while (end > from) {
		uint32_t first = end - 1, last = entries[first];
		int error;

		if (!last) {
			end--;
			continue;
		}
		if (!c->contents && e2_blocks_good(v, last, 1)) {
			uint32_t start = e2_group_start(v, e2_group_of(v, last));

			while (first > from && entries[first] > start && entries[first - 1] == entries[first] - 1)
				first--;
		}
		error = c->contents ? release_structure(c, last) : e2_release(v, entries[first], end - first);
		if (error)
			return error;
		memset(&entries[first], 0, (end - first) * sizeof(*entries));
		gone(c, end - first);
		end = first;
	}
	return 0;
}

static bool can_descend(struct cut *c, uint32_t root, unsigned level)
{
	struct ext2 *v = c->n->volume;

	if (!e2_blocks_good(v, root, 1) || !in_use(v, root))
		return false;
	for (unsigned i = level + 1; i <= 3; i++)
		if (c->above[i] == root)
			return false;
	return true;
}

static int cut_tree(struct cut *c, unsigned level, uint64_t base, uint32_t *root);

static int cut_below(struct cut *c, unsigned level, uint64_t base, uint32_t *entries)
{
	uint32_t shift = c->n->volume->pointers_shift, end = 1u << shift, from = 0;
	int error = 0;

	if (c->first > base)
		from = (uint32_t)((c->first - base) >> (shift * (level - 1)));
	if (level == 1)
		return cut_entries(c, entries, from, end);
	for (uint32_t i = end; i-- > from && !error;)
		if (entries[i])
			error = cut_tree(c, level - 1, base + ((uint64_t)i << (shift * (level - 1))), &entries[i]);
	return error;
}

/* The tree of `level` levels at *root, whose first block is logical block `base`. *root is cleared when nothing is left of it. */
static int cut_tree(struct cut *c, unsigned level, uint64_t base, uint32_t *root)
{
	struct ext2 *v = c->n->volume;
	struct buffer *b;
	int error;

	if (base + (1ul << (v->pointers_shift * level)) <= c->first)
		return 0;
	if (!can_descend(c, *root, level)) {
		e2_damage(v);
		*root = 0;
		ext2_changed(c->n);
		return 0;
	}
	if (!e2_room(v, ROOM_STEP, ROOM_FREEING))
		return -EAGAIN;
	error = buffer_read(v->store, *root, &b);
	if (error == -EIO) { /* its blocks are nobody's until e2fsck finds them */
		c->lost = true;
		e2_damage(v);
		*root = 0;
		ext2_changed(c->n);
		return 0;
	}
	if (error)
		return error;
	c->above[level] = *root;
	error = e2_change(v, b);
	if (!error)
		error = cut_below(c, level, base, (uint32_t *)b->data);
	buffer_put(b);
	c->above[level] = 0;
	if (error || base < c->first)
		return error;
	error = release_structure(c, *root);
	if (!error) {
		*root = 0;
		gone(c, 1);
	}
	return error;
}

int e2_cut(struct ext2_node *n, uint64_t first)
{
	struct cut c = { .n = n, .first = first, .contents = e2_type(n) != MODE_FILE };
	uint32_t shift = n->volume->pointers_shift;
	uint64_t base[4] = { 0, MAP_DIRECT, MAP_DIRECT + (1ul << shift), MAP_DIRECT + (1ul << shift) + (1ul << (2 * shift)) };
	int error;

	if (!e2_has_map(n))
		return 0;
	error = e2_change(n->volume, n->table);
	if (error)
		return error;
	e2_run_forget(n);
	for (unsigned level = 3; level && !error; level--)
		if (n->map[MAP_SINGLE + level - 1])
			error = cut_tree(&c, level, base[level], &n->map[MAP_SINGLE + level - 1]);
	if (!error && first < MAP_DIRECT)
		error = cut_entries(&c, n->map, (uint32_t)first, MAP_DIRECT);
	return error ? error : c.lost ? -EIO : 0;
}

/* The block of extended attributes is shared: the last one frees it. */
int e2_attributes_release(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	struct cut c = { .n = n };
	struct attribute_header *header;
	struct buffer *b;
	int error;

	if (!n->attributes)
		return 0;
	error = buffer_read(v->store, n->attributes, &b);
	if (error)
		return error;
	header = (struct attribute_header *)b->data;
	if (header->magic != ATTRIBUTE_MAGIC || !header->references) {
		e2_damage(v);
		buffer_put(b);
	} else if (header->references > 1) {
		error = e2_change(v, b);
		if (!error)
			header->references--;
		buffer_put(b);
	} else {
		buffer_put(b);
		error = release_structure(&c, n->attributes);
	}
	if (error)
		return error;
	n->attributes = 0;
	gone(&c, 1);
	return 0;
}

int ext2_truncate(struct ext2_node *n, uint64_t size)
{
	struct ext2 *v = n->volume;
	int error = e2_begin(v);

	if (!error && e2_type(n) != MODE_FILE)
		error = -EINVAL;
	if (!error && size > ext2_size_max(v))
		error = -EFBIG;
	if (!error)
		error = e2_super_change(v);
	if (!error)
		error = e2_change(v, n->table);
	if (error)
		return error;
	n->size = size;
	n->goal = 0;
	ext2_changed(n);
	error = e2_cut(n, (size + v->block_size - 1) >> v->block_shift);
	if (error == -EAGAIN || error == -ENOMEM)
		e2_orphan_add(n);
	else
		e2_orphan_remove(n);
	return error;
}
