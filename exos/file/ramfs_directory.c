/* Directories of the file system in memory: a hash table from names to entries, which are also in a list by age for
 * listing.
 *
 * Called by ramfs.c. The table grows with its directory, up to one frame of buckets. */
#include <exos/file/ramfs.h>
#include <exos/heap.h>

#define BUCKETS_FIRST 8u
#define BUCKETS_MAX   ((uint32_t)(FRAME_SIZE / sizeof(struct ramfs_entry *)))
/* Cookies of a listing: "." and ".." come before all entries. */
#define COOKIE_FIRST 2u

/* FNV-1a: short, and good enough for names. */
static uint32_t name_hash(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t n = 0; n < length; n++)
		hash = (hash ^ (uint8_t)name[n]) * 16777619u;
	return hash ^ hash >> 15;
}

static struct ramfs_entry **buckets_new(uint32_t count)
{
	frame_t f;

	if (count * sizeof(struct ramfs_entry *) <= HEAP_MAX)
		return heap_alloc(count * sizeof(struct ramfs_entry *));
	f = frame_get_zeroed();
	return f == NO_FRAME ? NULL : frame_address(f);
}

static void buckets_free(struct ramfs_entry **buckets, uint32_t count)
{
	if (count * sizeof(*buckets) <= HEAP_MAX)
		heap_free(buckets);
	else
		frame_put(address_frame(buckets));
}

struct ramfs_directory *directory_new(void)
{
	struct ramfs_directory *d = heap_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->buckets = buckets_new(BUCKETS_FIRST);
	if (!d->buckets) {
		heap_free(d);
		return NULL;
	}
	d->bucket_count = BUCKETS_FIRST;
	d->next_cookie = COOKIE_FIRST;
	list_init(&d->order);
	return d;
}

void directory_free(struct ramfs_directory *d)
{
	buckets_free(d->buckets, d->bucket_count);
	heap_free(d);
}

static struct ramfs_entry **bucket(const struct ramfs_directory *d, uint32_t hash)
{
	return &d->buckets[hash & (d->bucket_count - 1)];
}

struct ramfs_entry *directory_find(struct inode *dir, const char *name, size_t length)
{
	uint32_t hash = name_hash(name, length);

	for (struct ramfs_entry *e = *bucket(ramfs_node(dir)->directory, hash); e; e = e->chain) {
		if (e->hash == hash && e->length == length && !memcmp(e->name, name, length))
			return e;
	}
	return NULL;
}

/* A table that cannot grow for want of memory only gets slower. */
static void directory_grow(struct ramfs_directory *d)
{
	uint32_t old_count = d->bucket_count;
	struct ramfs_entry **old = d->buckets,
			   **grown = buckets_new(old_count * 4 > BUCKETS_MAX ? BUCKETS_MAX : old_count * 4);

	if (!grown)
		return;
	d->buckets = grown;
	d->bucket_count = MIN(old_count * 4, BUCKETS_MAX);
	LIST_FOR_EACH (l, &d->order) {
		struct ramfs_entry *e = CONTAINER_OF(l, struct ramfs_entry, order), **b = bucket(d, e->hash);

		e->chain = *b;
		*b = e;
	}
	buckets_free(old, old_count);
}

int directory_add(struct inode *dir, const char *name, size_t length, struct inode *inode)
{
	struct ramfs_directory *d = ramfs_node(dir)->directory;
	struct ramfs_entry *e = heap_alloc(sizeof(*e) + length + 1), **b;

	if (!e)
		return -ENOMEM;
	if (d->count >= 2 * d->bucket_count && d->bucket_count < BUCKETS_MAX)
		directory_grow(d);
	memcpy(e->name, name, length);
	e->length = (uint32_t)length;
	e->hash = name_hash(name, length);
	e->dir = dir;
	e->inode = inode;
	e->cookie = d->next_cookie++;
	b = bucket(d, e->hash);
	e->chain = *b;
	*b = e;
	list_append(&d->order, &e->order);
	d->count++;
	dir->size += 32; /* as a size for those who ask: nothing depends on it */
	inode_ref(inode);
	ramfs_node(inode)->entry = e;
	return 0;
}

void directory_remove(struct ramfs_entry *e)
{
	struct ramfs_directory *d = ramfs_node(e->dir)->directory;
	struct ramfs_entry **b = bucket(d, e->hash);

	while (*b != e)
		b = &(*b)->chain;
	*b = e->chain;
	if (d->cursor == e)
		d->cursor = NULL;
	list_remove(&e->order);
	d->count--;
	e->dir->size -= 32;
	if (ramfs_node(e->inode)->entry == e)
		ramfs_node(e->inode)->entry = NULL;
	heap_free(e);
}

/* The first entry, in order, that a listing from `cookie` has not had. */
static struct list *list_from(struct ramfs_directory *d, uint64_t cookie)
{
	struct list *l = d->order.next;

	if (d->cursor && d->cursor->cookie <= cookie)
		l = &d->cursor->order;
	while (l != &d->order && CONTAINER_OF(l, struct ramfs_entry, order)->cookie < cookie)
		l = l->next;
	return l;
}

int ramfs_list(struct inode *dir, uint64_t *offset, struct dirent_sink *sink)
{
	struct ramfs_directory *d = ramfs_node(dir)->directory;

	if (*offset == 0) {
		if (!sink->entry(sink, ".", 1, dir->number, TYPE_DIR, 1))
			return 0;
		*offset = 1;
	}
	if (*offset == 1) {
		struct inode *parent = inode_parent(dir);
		bool taken = sink->entry(sink, "..", 2, parent->number, TYPE_DIR, COOKIE_FIRST);

		inode_put(parent);
		if (!taken)
			return 0;
		*offset = COOKIE_FIRST;
	}
	for (struct list *l = list_from(d, *offset); l != &d->order; l = l->next) {
		struct ramfs_entry *e = CONTAINER_OF(l, struct ramfs_entry, order);

		if (!sink->entry(sink, e->name, e->length, e->inode->number, e->inode->mode & TYPE_MASK, e->cookie + 1))
			return 0;
		d->cursor = e;
		*offset = e->cookie + 1;
	}
	return 0;
}
