/* Opening and closing a volume. Everything of the superblock and the groups is checked here, once, before it is used.
 *
 * While the volume is open for writing its superblock on the disk says so (without a journal: not valid; with one: to be recovered). That, and the opposite at the end, is written past the journal, while that is empty. */
#include <exos/ext2/internal.h>

static const struct {
	uint32_t bit;
	const char *why;
} FEATURES[] = {
	{ 0x1, "compressed files: no system has them; copy the files to a volume made by mke2fs -t ext3" },
	{ 0x8, "it is the journal of another volume: give that one a journal of its own (tune2fs -j)" },
	{ 0x10, "meta_bg: make it with mke2fs -t ext3 (or -O ^meta_bg)" },
	{ 0x40, "extents (ext4): make it with mke2fs -t ext3 (or -O ^extent,^64bit)" },
	{ 0x80, "64bit (ext4): make it with mke2fs -t ext3 (or -O ^64bit,^extent)" },
	{ 0x100, "mmp: make it with mke2fs -t ext3 (or tune2fs -O ^mmp)" },
	{ 0x400, "ea_inode: make it with mke2fs -t ext3 (or -O ^ea_inode)" },
	{ 0x2000, "metadata_csum_seed: make it with mke2fs -t ext3 (or -O ^metadata_csum_seed,^metadata_csum)" },
	{ 0x4000, "large_dir: make it with mke2fs -t ext3 (or -O ^large_dir)" },
	{ 0x8000, "inline_data: make it with mke2fs -t ext3 (or -O ^inline_data)" },
	{ 0x10000, "encrypt: make it with mke2fs -t ext3 (or -O ^encrypt)" },
	{ 0x20000, "casefold: make it with mke2fs -t ext3 (or -O ^casefold)" },
};

static int refuse(const char **why, int error, const char *text)
{
	*why = text;
	return error;
}

static int features_check(const struct superblock *s, const char **why)
{
	uint32_t unknown = s->revision < REVISION_DYNAMIC ? 0 : s->incompatible & ~INCOMPATIBLE_KNOWN;

	for (size_t i = 0; i < ARRAY_LENGTH(FEATURES); i++)
		if (unknown & FEATURES[i].bit)
			return refuse(why, -EOPNOTSUPP, FEATURES[i].why);
	return unknown ? refuse(why, -EOPNOTSUPP, "a feature that is not known: make it with mke2fs -t ext3") : 0;
}

int e2_super_check(const struct superblock *s, uint64_t bytes, const char **why)
{
	uint32_t block_size, inode_size = s->revision < REVISION_DYNAMIC ? INODE_SIZE_OLD : s->inode_size, groups;
	int error;

	if (s->magic != SUPER_MAGIC)
		return refuse(why, -EINVAL, "there is no ext2 or ext3 file system");
	error = features_check(s, why);
	if (error)
		return error;
	if (s->block_shift > 2)
		return refuse(why, s->block_shift <= 6 ? -EOPNOTSUPP : -EINVAL, "blocks of more than 4,096 bytes: make it with mke2fs -b 4096");
	block_size = 1024u << s->block_shift;
	*why = "the superblock is damaged: e2fsck -b has a copy";
	if (inode_size < INODE_SIZE_OLD || inode_size > block_size || (inode_size & (inode_size - 1)) || s->first_block != (s->block_shift == 0))
		return -EINVAL;
	if (!s->blocks_per_group || s->blocks_per_group > block_size * 8 || s->blocks_per_group & 7 || !s->inodes_per_group || s->inodes_per_group > block_size * 8)
		return -EINVAL;
	if (s->blocks <= s->first_block + 1 || (s->blocks_high && s->revision >= REVISION_DYNAMIC && s->incompatible & 0x80))
		return -EINVAL;
	groups = (uint32_t)(((uint64_t)s->blocks - s->first_block + s->blocks_per_group - 1) / s->blocks_per_group);
	if ((uint64_t)groups * s->inodes_per_group != s->inodes || s->inodes < FIRST_INODE_OLD || (s->revision >= REVISION_DYNAMIC && s->first_inode < FIRST_INODE_OLD))
		return -EINVAL;
	if (s->revision >= REVISION_DYNAMIC && (s->first_inode > s->inodes || s->reserved_descriptors > block_size / 4))
		return -EINVAL;
	if ((uint64_t)s->blocks * block_size > bytes)
		return refuse(why, -EINVAL, "it is longer than what it lies on: resize2fs, or a larger partition");
	*why = NULL;
	return 0;
}

static void super_take(struct ext2 *v, const struct superblock *s)
{
	bool dynamic = s->revision >= REVISION_DYNAMIC;

	v->block_shift = 10 + s->block_shift;
	v->block_size = 1u << v->block_shift;
	v->pointers_shift = v->block_shift - 2;
	v->blocks = s->blocks;
	v->first_block = s->first_block;
	v->blocks_per_group = s->blocks_per_group;
	v->groups_count = (v->blocks - v->first_block + v->blocks_per_group - 1) / v->blocks_per_group;
	v->descriptor_blocks = (v->groups_count + v->block_size / 32 - 1) / (v->block_size / 32);
	v->inodes = s->inodes;
	v->inodes_per_group = s->inodes_per_group;
	v->first_inode = dynamic ? s->first_inode : FIRST_INODE_OLD;
	v->inode_size = dynamic ? s->inode_size : INODE_SIZE_OLD;
	v->extra = v->inode_size == INODE_SIZE_OLD ? 0 : 32;
	if (v->extra && dynamic)
		v->extra = MIN(MAX(MAX(s->extra_wanted, s->extra_least) & ~3u, 32), v->inode_size - INODE_SIZE_OLD);
	v->compatible = dynamic ? s->compatible : 0;
	v->incompatible = dynamic ? s->incompatible : 0;
	v->read_only_compatible = dynamic ? s->read_only_compatible : 0;
}

/* The store and the superblock, as they are on the disk now. */
static int look(struct ext2 *v)
{
	int error = store_new(&v->port, v->block_size, v->blocks, v->read_only, &v->store);

	if (error) {
		v->store = NULL;
		return error;
	}
	error = buffer_read(v->store, SUPER_OFFSET >> v->block_shift, &v->super_buffer);
	if (error)
		v->super_buffer = NULL;
	else
		v->super = (struct superblock *)(v->super_buffer->data + (v->block_size == 1024 ? 0 : SUPER_OFFSET));
	return error;
}

/* Where the journal is: nothing else may be there, and the store is told (place). */
static int journal_find(struct ext2 *v, bool place, const char **why)
{
	struct ext2_node *n;
	uint64_t count = 0;
	int error;

	if (v->super->journal_inode != INODE_JOURNAL)
		return refuse(why, v->super->journal_inode ? -EINVAL : -EOPNOTSUPP, "the journal lies on another disk: tune2fs -O ^has_journal, then tune2fs -j");
	*why = "the journal's inode is damaged: e2fsck makes a new one";
	error = e2_node_get(v, INODE_JOURNAL, false, &n);
	if (error)
		return error == -ENOENT || error == -EIO ? -EINVAL : error;
	if (e2_type(n) == MODE_FILE)
		count = n->size >> v->block_shift;
	error = count && count <= v->blocks ? 0 : -EINVAL;
	for (uint32_t i = 0, run = 0; i < count && !error; i += run) {
		uint64_t block;

		error = ext2_map(n, i, (uint32_t)count - i, &block, &run);
		if (!error)
			error = block ? e2_range_add(v, (uint32_t)block, run) : -EINVAL;
		if (!error && place)
			error = journal_place(v->store, block, run);
	}
	ext2_node_put(n);
	e2_nodes_shrink(v, SIZE_MAX); /* replaying may change its inode */
	if (!error)
		error = e2_ranges_sort(v);
	if (!error)
		*why = NULL;
	return error == -EIO ? -EINVAL : error;
}

/* The superblock's word on the disk that the volume is in use, or is not. Outside the journal, as whoever looks whether to replay it must be able to believe it. */
static int mark(struct ext2 *v, bool used)
{
	int error = e2_super_change(v);

	if (error)
		return error;
	if (v->journal && used)
		v->incompatible |= INCOMPATIBLE_RECOVER;
	else if (v->journal)
		v->incompatible &= ~INCOMPATIBLE_RECOVER;
	else if (used)
		v->super->state &= (uint16_t)~SUPER_VALID;
	else
		v->super->state |= v->opened_state & SUPER_VALID;
	if (v->journal)
		v->super->incompatible = v->incompatible;
	error = e2_commit_all(v);
	return error ? error : checkpoint(v->store);
}

static int groups_look(struct ext2 *v, const char **why)
{
	int error = e2_groups_load(v);

	if (!error)
		error = e2_ranges_sort(v);
	if (error == -EINVAL)
		*why = "the groups' descriptors are damaged: e2fsck -b has copies";
	return error;
}

/* The journal is found by what is on the disk; after it has been replayed, everything is looked at anew. */
static int replay(struct ext2 *v, const struct ext2_options *options, const char **why)
{
	bool replayed;
	int error = groups_look(v, why);

	if (error || !v->journal)
		return error;
	error = journal_find(v, true, why);
	if (error)
		return error;
	if (!v->read_only && !(v->incompatible & INCOMPATIBLE_RECOVER))
		error = mark(v, true);
	if (error)
		return error;
	error = journal_open(v->store, &replayed);
	if (error == -EINVAL)
		*why = "the journal is damaged: e2fsck repairs it";
	else if (error == -EOPNOTSUPP)
		*why = "the journal has features that are not known: e2fsck empties it, tune2fs -j makes a new one";
	if (error)
		return error;
	if (!replayed)
		return 0;
	e2_groups_free(v);
	error = e2_super_check(v->super, options->bytes, why);
	if (!error && (v->super->blocks != v->blocks || 10 + v->super->block_shift != v->block_shift))
		error = refuse(why, -EINVAL, "the journal is not this volume's");
	if (error)
		return error;
	super_take(v, v->super);
	error = groups_look(v, why);
	return error ? error : journal_find(v, false, why);
}

static void let_go(struct ext2 *v)
{
	for (uint32_t i = 0; i < v->nodes_buckets; i++) {
		struct ext2_node **head = e2_at(&v->nodes, i);

		while (*head)
			e2_node_drop(*head);
	}
	e2_array_free(v, &v->nodes);
	e2_groups_free(v);
	if (v->super_buffer)
		buffer_put(v->super_buffer);
	if (v->store)
		store_end(v->store);
	e2_memory_free(v, v);
}

static int set_up(struct ext2 *v, const struct superblock *s, const struct ext2_options *options, const char **why)
{
	int error;

	list_init(&v->dirty);
	list_init(&v->idle);
	list_init(&v->orphans);
	list_init(&v->doomed);
	v->nodes.shift = v->descriptors.shift = v->ranges.shift = 3;
	v->groups.shift = 6;
	super_take(v, s);
	v->journal = v->compatible & COMPATIBLE_JOURNAL;
	v->read_only = options->read_only || v->read_only_compatible & ~READ_ONLY_KNOWN;
	if (v->incompatible & INCOMPATIBLE_RECOVER && !v->journal)
		return refuse(why, -EINVAL, "it needs a journal that it does not have: e2fsck");
	error = e2_array_grow(v, &v->nodes, 8);
	if (error)
		return error;
	v->nodes_buckets = v->nodes.room;
	error = look(v);
	if (!error)
		error = replay(v, options, why);
	if (error)
		return error;
	v->opened_state = v->super->state;
	if (!v->read_only && !v->journal)
		error = mark(v, true);
	if (!error && !v->read_only)
		error = e2_super_change(v);
	if (!error && !v->read_only) {
		v->super->mounted = (uint32_t)(e2_now(v) / 1000000000u);
		v->super->mounts++;
		error = e2_orphans_load(v);
	}
	return error;
}

int ext2_open(const struct ext2_port *port, const struct ext2_options *options, struct ext2 **out, const char **why)
{
	struct superblock *s = port->page(port->data);
	struct ext2 *v;
	int error;

	*why = NULL;
	if (!s)
		return -ENOMEM;
	error = options->bytes >= 2 * SUPER_OFFSET ? options->read_bytes(port->data, SUPER_OFFSET, s, sizeof(*s)) : -EINVAL;
	if (!error)
		error = e2_super_check(s, options->bytes, why);
	v = error ? NULL : port->allocate(port->data, sizeof(*v));
	if (!error && !v)
		error = -ENOMEM;
	if (!error) {
		v->port = *port;
		options->set_block_size(port->data, 1024u << s->block_shift);
		error = set_up(v, s, options, why);
		if (error)
			let_go(v);
		else
			*out = v;
	}
	port->page_free(port->data, s);
	return error;
}

/* Frees what still waits to be freed, in as many transactions as it takes. */
static int finish(struct ext2 *v)
{
	int error = e2_commit_all(v);

	while (!error && store_changed(v->store))
		error = e2_commit_all(v);
	return error;
}

int ext2_close(struct ext2 *v)
{
	int error = 0, later;

	if (!v->read_only) {
		error = store_failed(v->store) ? -EIO : finish(v);
		v->closing = true;
		if (!error)
			error = journal_close(v->store);
		if (!error)
			error = mark(v, false);
		later = error ? 0 : v->port.flush(v->port.data);
		error = error ? error : later;
	}
	let_go(v);
	return error;
}

void ext2_abandon(struct ext2 *v)
{
	v->closing = true;
	let_go(v);
}

void ext2_counts(const struct ext2 *v, struct ext2_counts *out)
{
	uint64_t kept = v->super->reserved_blocks + v->reserved, structure = 0;

	for (uint32_t i = 0; i < v->ranges_count; i++) {
		const struct range *r = e2_at(&v->ranges, i);

		structure += r->end - r->first;
	}
	*out = (struct ext2_counts){ .blocks = v->blocks - v->first_block - structure, .free_blocks = v->free_blocks, .inodes = v->inodes, .free_inodes = v->free_inodes,
		.available_blocks = v->free_blocks > kept ? v->free_blocks - kept : 0, .read_only = v->read_only, .journal = v->journal };
	memcpy(out->uuid, v->super->uuid, sizeof(out->uuid));
	memcpy(out->label, v->super->label, sizeof(v->super->label));
}

uint32_t ext2_block_size(const struct ext2 *v) { return v->block_size; }
