/* Making a file, directory, link or device with its first name. */
#include <exos/ext2/internal.h>

struct making {
	struct ext2_node *dir, *n;
	const struct ext2_new *new;
	struct entry *entry;
	struct place place;
	struct buffer *contents; /* of a directory, or of a link that is not short */
};

static bool is_directory(const struct making *m) { return (m->new->mode & MODE_TYPE) == MODE_DIRECTORY; }
static bool is_long_link(const struct making *m) { return (m->new->mode & MODE_TYPE) == MODE_LINK && m->new->target_length >= SHORT_LINK; }

static int check(const struct making *m, const char *name, size_t length, uint32_t hash)
{
	const struct ext2 *v = m->dir->volume;
	int error = e2_name_check(m->dir, length);

	if (error)
		return error;
	if (e2_entry_find(m->dir->directory, hash, name, length))
		return -EEXIST;
	if (is_directory(m) && m->dir->links >= LINKS_MAX && !(v->read_only_compatible & READ_ONLY_DIR_NLINK))
		return -EMLINK;
	if ((m->new->mode & MODE_TYPE) == MODE_LINK && m->new->target_length >= v->block_size)
		return -ENAMETOOLONG;
	return (m->new->mode & MODE_TYPE) == MODE_LINK && !m->new->target_length ? -ENOENT : 0;
}

/* The node, as it will be. */
static void fill(struct ext2_node *n, const struct ext2_new *new, const struct ext2_node *dir, uint64_t now)
{
	uint32_t type = new->mode & MODE_TYPE;

	n->mode = new->mode;
	n->uid = new->uid;
	n->gid = new->gid;
	n->device = new->device;
	n->links = type == MODE_DIRECTORY ? 2 : 1;
	n->flags = type == MODE_LINK ? 0 : dir->flags & FLAGS_INHERITED;
	n->generation = (uint32_t)(now / 1000) * 2654435761u ^ n->number;
	n->accessed = n->modified = n->changed = now;
	n->fresh = true;
	if (type == MODE_LINK)
		n->size = new->target_length;
	if (type == MODE_DIRECTORY) {
		n->size = n->volume->block_size;
		n->parent = dir->number;
	}
}

/* The inode begins empty: whoever had it before left his. */
static void inode_clear(const struct ext2_node *n)
{
	struct inode *i = (struct inode *)(n->table->data + n->table_offset);

	memset(i, 0, n->volume->inode_size);
	if (n->volume->extra)
		i->extra = (uint16_t)n->volume->extra;
}

static void contents_write(struct making *m)
{
	const struct ext2 *v = m->n->volume;
	uint8_t *data = m->contents->data;
	struct record *dot = (struct record *)data, *up = (struct record *)(data + record_size(1));

	if (is_long_link(m)) {
		memcpy(data, m->new->target, m->new->target_length);
		return;
	}
	*dot = (struct record){ .number = m->n->number, .length = (uint16_t)record_size(1), .name_length = 1, .type = e2_record_type(v, MODE_DIRECTORY) };
	*up = (struct record){ .number = m->dir->number, .length = (uint16_t)(v->block_size - record_size(1)), .name_length = 2, .type = dot->type };
	memcpy(dot->name, ".", 1);
	memcpy(up->name, "..", 2);
}

/* All that can fail. What is left of it when something does is at most an empty block at the end of the directory. */
static int prepare(struct making *m, const char *name, size_t length, uint32_t hash, uint64_t now)
{
	struct ext2 *v = m->dir->volume;
	struct ext2_node *n;
	uint64_t block;
	uint32_t count;
	int error;

	m->entry = e2_entry_new(v, name, length, hash);
	m->n = n = m->entry ? e2_node_new(v) : NULL;
	if (!n)
		return -ENOMEM;
	error = e2_inode_take(v, m->dir->number, is_directory(m), &n->number, &n->table, &n->table_offset);
	if (error) {
		n->table = NULL;
		return error;
	}
	fill(n, m->new, m->dir, now);
	error = e2_place_find(m->dir, (uint32_t)length, &m->place);
	if (!error && (is_directory(m) || is_long_link(m))) {
		error = e2_allocate(n, 0, 1, false, &block, &count, &m->contents);
		if (error)
			e2_place_put(&m->place);
	}
	if (error)
		e2_inode_untake(v, n->number, is_directory(m));
	return error;
}

int ext2_make(struct ext2_node *dir, const char *name, size_t length, const struct ext2_new *new, struct ext2_node **out)
{
	struct ext2 *v = dir->volume;
	struct making m = { .dir = dir, .new = new };
	uint32_t hash = e2_hash(name, length);
	uint64_t now = e2_now(v);
	int error = e2_begin(v);

	if (!error)
		error = e2_directory_load(dir);
	if (!error)
		error = check(&m, name, length, hash);
	if (!error)
		error = prepare(&m, name, length, hash, now);
	if (error) {
		if (m.n)
			e2_node_drop(m.n);
		if (m.entry)
			e2_memory_free(v, m.entry);
		return error;
	}
	inode_clear(m.n);
	if (m.contents) {
		contents_write(&m);
		buffer_put(m.contents);
	} else if (new->target_length) {
		memcpy(m.n->map, new->target, new->target_length);
	}
	m.entry->number = m.n->number;
	m.entry->type = e2_record_type(v, new->mode);
	e2_place_enter(dir, &m.place, m.entry);
	if (is_directory(&m))
		e2_link_add(dir);
	e2_directory_touched(dir, now);
	e2_node_enter(m.n);
	ext2_changed(m.n);
	*out = m.n;
	return 0;
}
