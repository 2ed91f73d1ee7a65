/* Nodes: inodes that somebody uses, in memory. A node holds the buffer that its inode lies in, so that a commit never has to read to write attributes down.
 *
 * Nodes without references stay, the oldest being given back first (ext2_shrink), as a directory's table is dear. */
#include <exos/ext2/internal.h>

#define SECOND 1000000000l

/* Times: seconds since 1970 as 32 signed bits; the extra field has two bits more of them, and nanoseconds. */
static uint64_t time_decode(uint32_t seconds, uint32_t extra)
{
	int64_t s = (int64_t)(int32_t)seconds + ((int64_t)(extra & 3) << 32);

	return (uint64_t)(MIN(s, INT64_MAX / SECOND - 1) * SECOND + (extra >> 2) % SECOND); /* what 64 bits of nanoseconds can say ends in 2262 */
}

static void time_encode(uint64_t time, uint32_t *seconds, uint32_t *extra)
{
	int64_t s = (int64_t)time / SECOND, rest = (int64_t)time % SECOND;

	if (rest < 0) {
		rest += SECOND;
		s--;
	}
	if (!extra) /* the years that there are */
		s = s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s;
	*seconds = (uint32_t)s;
	if (extra)
		*extra = (uint32_t)rest << 2 | ((uint32_t)((s - (int32_t)s) >> 32) & 3);
}

/* An extra field, if this inode is long enough for it; or null. */
static uint32_t *extra_field(const struct ext2 *v, struct inode *i, size_t offset)
{
	if (v->inode_size <= INODE_SIZE_OLD || i->extra > v->inode_size - INODE_SIZE_OLD || offset + 4 > INODE_SIZE_OLD + (size_t)i->extra)
		return NULL;
	return (uint32_t *)((char *)i + offset);
}
static uint32_t extra_value(const struct ext2 *v, struct inode *i, size_t offset)
{
	uint32_t *field = extra_field(v, i, offset);

	return field ? *field : 0;
}

/* Devices as in Linux's stat: 12 bits of major and 8 of minor number, then the rest of both. On the disk 8 and 8 bits in the map's first entry, or 12 and 20 in the second. */
static uint64_t device_decode(const uint32_t *map)
{
	uint64_t major = map[0] ? map[0] >> 8 & 0xff : map[1] >> 8 & 0xfff, minor = map[0] ? map[0] & 0xff : (map[1] & 0xff) | (map[1] >> 12 & 0xfff00);

	return (minor & 0xff) | major << 8 | (minor & ~0xfful) << 12;
}

static void device_encode(uint64_t device, uint32_t *map)
{
	uint32_t major = device >> 8 & 0xfff, minor = (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));

	map[0] = major < 256 && minor < 256 ? major << 8 | minor : 0;
	map[1] = map[0] ? 0 : (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static bool is_device(uint32_t type) { return type == MODE_CHARACTER || type == MODE_BLOCK; }

bool e2_is_short(const struct ext2_node *n)
{
	uint32_t others = n->attributes ? n->volume->block_size >> 9 : 0;

	return e2_type(n) == MODE_LINK && n->size < SHORT_LINK && n->sectors == others;
}

bool e2_has_map(const struct ext2_node *n)
{
	uint32_t type = e2_type(n);

	return type == MODE_FILE || type == MODE_DIRECTORY || (type == MODE_LINK && !e2_is_short(n));
}

static bool decode(struct ext2_node *n, struct inode *i)
{
	const struct ext2 *v = n->volume;
	uint64_t sectors = i->sectors | (v->read_only_compatible & READ_ONLY_HUGE_FILE ? (uint64_t)i->sectors_high << 32 : 0);
	uint32_t type = i->mode & MODE_TYPE;

	n->mode = i->mode;
	n->uid = i->uid | (uint32_t)i->uid_high << 16;
	n->gid = i->gid | (uint32_t)i->gid_high << 16;
	n->links = i->links;
	n->flags = i->flags;
	n->generation = i->generation;
	n->size = i->size | (type == MODE_FILE ? (uint64_t)i->size_high << 32 : 0);
	n->sectors = i->flags & FLAG_HUGE ? sectors << (v->block_shift - 9) : sectors;
	n->attributes = i->attributes;
	n->accessed = time_decode(i->accessed, extra_value(v, i, offsetof(struct inode, accessed_extra)));
	n->modified = time_decode(i->modified, extra_value(v, i, offsetof(struct inode, modified_extra)));
	n->changed = time_decode(i->changed, extra_value(v, i, offsetof(struct inode, changed_extra)));
	memcpy(n->map, i->map, sizeof(n->map));
	if (is_device(type))
		n->device = device_decode(n->map);
	if (i->flags & FLAGS_FOREIGN || (n->attributes && !e2_blocks_good(v, n->attributes, 1)))
		return false;
	switch (type) {
	case MODE_DIRECTORY:
		return n->size && !(n->size & (v->block_size - 1)) && n->size >> v->block_shift <= v->blocks;
	case MODE_FILE:
		return n->size <= ext2_size_max(v);
	case MODE_LINK:
		return n->size && n->size < v->block_size;
	case MODE_FIFO:
	case MODE_SOCKET:
	case MODE_CHARACTER:
	case MODE_BLOCK:
		return true;
	default:
		return false;
	}
}

void e2_inode_write(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	struct inode *i = (struct inode *)(n->table->data + n->table_offset);
	uint64_t sectors = n->flags & FLAG_HUGE ? n->sectors >> (v->block_shift - 9) : n->sectors;
	uint32_t type = e2_type(n);

	i->mode = (uint16_t)n->mode;
	i->uid = (uint16_t)n->uid;
	i->uid_high = (uint16_t)(n->uid >> 16);
	i->gid = (uint16_t)n->gid;
	i->gid_high = (uint16_t)(n->gid >> 16);
	i->links = (uint16_t)n->links;
	i->flags = n->flags;
	i->generation = n->generation;
	i->attributes = n->attributes;
	i->size = (uint32_t)n->size;
	if (type == MODE_FILE)
		i->size_high = (uint32_t)(n->size >> 32);
	i->sectors = (uint32_t)sectors;
	if (v->read_only_compatible & READ_ONLY_HUGE_FILE)
		i->sectors_high = (uint16_t)(sectors >> 32);
	time_encode(n->accessed, &i->accessed, extra_field(v, i, offsetof(struct inode, accessed_extra)));
	time_encode(n->modified, &i->modified, extra_field(v, i, offsetof(struct inode, modified_extra)));
	time_encode(n->changed, &i->changed, extra_field(v, i, offsetof(struct inode, changed_extra)));
	if (is_device(type))
		device_encode(n->device, n->map);
	memcpy(i->map, n->map, sizeof(i->map));
	if (!list_empty(&n->orphan)) /* the next one's number */
		i->deleted = n->orphan.next == &v->orphans ? 0 : CONTAINER_OF(n->orphan.next, struct ext2_node, orphan)->number;
	else if (n->links)
		i->deleted = 0;
	else
		i->deleted = (uint32_t)MAX((int64_t)n->changed / SECOND, 1); /* e2fsck: 0 is no time */
	if (n->fresh) {
		uint32_t *extra = extra_field(v, i, offsetof(struct inode, created_extra));

		n->fresh = false;
		if (extra)
			time_encode(n->changed, &i->created, extra);
	}
}

struct ext2_node *e2_node_new(struct ext2 *v)
{
	struct ext2_node *n = e2_memory(v, sizeof(*n));

	if (!n)
		return NULL;
	n->volume = v;
	n->refs = 1;
	list_init(&n->dirty_link);
	list_init(&n->idle);
	list_init(&n->orphan);
	return n;
}

static struct ext2_node **bucket(const struct ext2 *v, uint32_t number) { return e2_at(&v->nodes, number & (v->nodes_buckets - 1)); }

/* Twice as many buckets, each becoming two. When there is no memory for them, the old ones do. */
static void buckets_double(struct ext2 *v)
{
	uint32_t old = v->nodes_buckets;

	if (e2_array_grow(v, &v->nodes, 2 * old))
		return;
	v->nodes_buckets = 2 * old;
	for (uint32_t i = 0; i < old; i++) {
		struct ext2_node **stay = e2_at(&v->nodes, i), **move = e2_at(&v->nodes, i + old), *n = *stay;

		*stay = NULL;
		while (n) {
			struct ext2_node *next = n->chain, **to = n->number & old ? move : stay;

			n->chain = *to;
			*to = n;
			n = next;
		}
	}
}

void e2_node_enter(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	struct ext2_node **head;

	if (v->nodes_count >= v->nodes_buckets)
		buckets_double(v);
	head = bucket(v, n->number);
	n->chain = *head;
	*head = n;
	v->nodes_count++;
}

void e2_node_drop(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	struct ext2_node **place = bucket(v, n->number);

	while (*place && *place != n)
		place = &(*place)->chain;
	if (*place) {
		*place = n->chain;
		v->nodes_count--;
	}
	list_remove(&n->dirty_link);
	list_remove(&n->idle);
	list_remove(&n->orphan);
	if (n->directory)
		e2_directory_free(v, n->directory);
	if (n->table)
		buffer_put(n->table);
	e2_memory_free(v, n);
}

struct ext2_node *e2_node_find(struct ext2 *v, uint32_t number)
{
	struct ext2_node *n = *bucket(v, number);

	while (n && n->number != number)
		n = n->chain;
	return n;
}

static void use(struct ext2_node *n)
{
	if (!n->refs++)
		list_remove(&n->idle);
}

struct ext2_node *ext2_node_known(struct ext2 *v, uint32_t number)
{
	struct ext2_node *n = e2_node_find(v, number);

	if (!n || !n->mode || (!n->refs && !n->links)) /* being read, or freed */
		return NULL;
	use(n);
	return n;
}

int e2_node_get(struct ext2 *v, uint32_t number, bool orphan, struct ext2_node **out)
{
	struct ext2_node *n = e2_node_find(v, number);
	uint32_t block;
	int error;

	if (n) {
		if (!n->refs && !n->links)
			return -ENOENT;
		use(n);
		*out = n;
		return 0;
	}
	if (number != EXT2_ROOT && number != INODE_JOURNAL && (number < v->first_inode || number > v->inodes))
		return -EIO;
	n = e2_node_new(v);
	if (!n)
		return -ENOMEM;
	n->number = number;
	error = e2_inode_place(v, number, &block, &n->table_offset);
	if (!error)
		error = buffer_read(v->store, block, &n->table);
	if (!error) {
		struct inode *i = (struct inode *)(n->table->data + n->table_offset);

		if (!i->links && (!orphan || !i->mode))
			error = -ENOENT;
		else if (!decode(n, i))
			error = -EIO;
	} else {
		n->table = NULL;
	}
	if (error) {
		e2_node_drop(n);
		return error;
	}
	e2_node_enter(n);
	*out = n;
	return 0;
}

int ext2_node_get(struct ext2 *v, uint32_t number, struct ext2_node **out)
{
	if (number == INODE_JOURNAL && number < v->first_inode)
		return -EIO;
	return e2_node_get(v, number, false, out);
}

int ext2_node_put(struct ext2_node *n)
{
	if (--n->refs)
		return 0;
	if (!n->links && !n->volume->read_only && !n->volume->closing)
		return e2_destroy(n);
	list_append(&n->volume->idle, &n->idle);
	return 0;
}

void ext2_changed(struct ext2_node *n)
{
	struct ext2 *v = n->volume;

	if (n->dirty)
		return;
	n->dirty = true;
	list_append(&v->dirty, &n->dirty_link);
	if (n->table->changed)
		return;
	v->dirty_outside++;
	v->room_left -= v->room_left > 0;
}

/* Of one that is idle: nothing of it is lost. */
size_t e2_nodes_shrink(struct ext2 *v, size_t bytes)
{
	size_t freed = 0;

	LIST_FOR_EACH_SAFE(l, next, &v->idle) {
		struct ext2_node *n = CONTAINER_OF(l, struct ext2_node, idle);

		if (freed >= bytes)
			break;
		if (n->dirty || !list_empty(&n->orphan))
			continue;
		freed += sizeof(*n) + (n->directory ? n->directory->bytes : 0);
		e2_node_drop(n);
	}
	return freed;
}
