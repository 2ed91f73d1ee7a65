/* The file system in memory: names and inodes. Contents are in ramfs_pages.c, directories in ramfs_directory.c.
 *
 * Called through ramfs_ops, by the path functions, which have checked permissions and the general rules. */
#include <exos/disk/disk.h>
#include <exos/file/device.h>
#include <exos/file/ramfs.h>
#include <exos/heap.h>
#include <exos/ipc/pipe.h>

static void touch(struct inode *i) { i->modified = i->changed = time_calendar(); }

static void ramfs_release(struct inode *i)
{
	struct ramfs_node *n = ramfs_node(i);

	switch (i->mode & TYPE_MASK) {
	case TYPE_FILE:
		tree_free(n);
		break;
	case TYPE_DIR:
		directory_free(n->directory);
		break;
	case TYPE_LINK:
		if (i->size < HEAP_MAX)
			heap_free(n->target);
		else
			frame_put(address_frame(n->target));
		break;
	default:
		break;
	}
}

static struct ramfs_node *node_new(uint32_t mode, uint64_t file_system)
{
	struct ramfs_node *n = heap_alloc(sizeof(*n));

	if (!n)
		return NULL;
	if ((mode & TYPE_MASK) == TYPE_DIR && !(n->directory = directory_new())) {
		heap_free(n);
		return NULL;
	}
	inode_init(&n->inode, &ramfs_ops, mode);
	n->inode.file_system = file_system;
	n->inode.names = 0;
	return n;
}

struct inode *ramfs_root(uint64_t file_system)
{
	struct ramfs_node *n = node_new(TYPE_DIR | 0755, file_system);

	if (!n)
		return NULL;
	n->inode.names = 2;
	return &n->inode;
}

struct inode *ramfs_unnamed(uint32_t mode)
{
	struct ramfs_node *n = node_new(TYPE_FILE | mode, 0);

	return n ? &n->inode : NULL;
}

static int ramfs_lookup(struct inode *dir, const char *name, size_t length, struct inode **out)
{
	struct ramfs_entry *e = directory_find(dir, name, length);

	if (!e)
		return -ENOENT;
	ramfs_node(e->inode)->entry = e;
	inode_ref(e->inode);
	*out = e->inode;
	return 0;
}

/* Enters a fresh node under a name; takes over its only reference, dropping it when that fails. */
static int enter(struct inode *dir, const char *name, size_t length, struct ramfs_node *n)
{
	bool directory = (n->inode.mode & TYPE_MASK) == TYPE_DIR;
	int err = -ENOENT;

	if (dir->names && !directory_find(dir, name, length))
		err = directory_add(dir, name, length, &n->inode);
	else if (dir->names)
		err = -EEXIST;
	if (!err) {
		n->inode.names = directory ? 2 : 1;
		dir->names += directory;
		touch(dir);
		if (dir->mode & 02000) {
			n->inode.gid = dir->gid;
			n->inode.mode |= directory ? 02000 : 0;
		}
	}
	return err == -ENOMEM ? -ENOSPC : err;
}

static int ramfs_make(
	struct inode *dir, const char *name, size_t length, uint32_t mode, uint64_t device, struct inode **out)
{
	struct ramfs_node *n = node_new(mode, dir->file_system);
	int err;

	if (!n)
		return -ENOSPC;
	n->inode.device = device;
	err = enter(dir, name, length, n);
	if (err)
		inode_put(&n->inode);
	else
		*out = &n->inode;
	return err;
}

static int ramfs_symlink(struct inode *dir, const char *name, size_t length, const char *target)
{
	size_t size = strlen(target) + 1;
	struct ramfs_node *n = node_new(TYPE_LINK | 0777, dir->file_system);
	int err = -ENOSPC;

	if (!n)
		return err;
	if (size <= HEAP_MAX) {
		n->target = heap_alloc(size);
	} else {
		frame_t f = frame_get();

		n->target = f == NO_FRAME ? NULL : frame_address(f);
	}
	if (n->target) {
		memcpy(n->target, target, size);
		n->inode.size = size - 1;
		err = enter(dir, name, length, n);
	}
	inode_put(&n->inode); /* the entry has its own reference; without one, this is the end */
	return err;
}

static ssize ramfs_readlink(struct inode *link, char *to, size_t size)
{
	size_t n = MIN(size, link->size);

	memcpy(to, ramfs_node(link)->target, n);
	return (ssize)n;
}

static int ramfs_link(struct inode *dir, const char *name, size_t length, struct inode *target)
{
	int err;

	if (!dir->names || !target->names)
		return -ENOENT;
	err = directory_add(dir, name, length, target);
	if (err)
		return -ENOSPC;
	target->names++;
	target->changed = time_calendar();
	touch(dir);
	return 0;
}

/* The entry goes, and with it what only it kept alive. */
static void drop(struct inode *dir, struct ramfs_entry *e)
{
	struct inode *i = e->inode;

	if ((i->mode & TYPE_MASK) == TYPE_DIR) {
		i->names = 0;
		dir->names--;
	} else {
		i->names--;
	}
	i->changed = time_calendar();
	directory_remove(e);
	inode_put(i);
}

/* The entry of a directory that a walk over the whole tree comes to after `e`, or first (null): the walk goes down before it goes on. Null: it is over. */
static struct ramfs_entry *walk_on(struct inode *root, struct ramfs_entry *e)
{
	struct inode *dir = e ? e->inode : root;

	if ((dir->mode & TYPE_MASK) == TYPE_DIR && ramfs_node(dir)->directory->count) {
		struct ramfs_entry *first = CONTAINER_OF(ramfs_node(dir)->directory->order.next, struct ramfs_entry, order);

		return first;
	}
	while (e) {
		dir = e->dir;
		if (e->order.next != &ramfs_node(dir)->directory->order)
			return CONTAINER_OF(e->order.next, struct ramfs_entry, order);
		e = dir == root ? NULL : ramfs_node(dir)->entry; /* a directory has one name, by which it was found */
	}
	return NULL;
}

/* Every reference is an entry's, or the tree is in use. What is emptied from below has nothing in it when its turn comes. */
int ramfs_end(struct inode *root)
{
	struct ramfs_entry *e;

	if (root->refs > 1)
		return -EBUSY;
	for (e = walk_on(root, NULL); e; e = walk_on(root, e)) {
		bool directory = (e->inode->mode & TYPE_MASK) == TYPE_DIR;

		if (directory)
			ramfs_node(e->inode)->entry = e;
		if (e->inode->refs > (directory ? 1 : e->inode->names))
			return -EBUSY;
	}
	while ((e = walk_on(root, NULL))) {
		while ((e->inode->mode & TYPE_MASK) == TYPE_DIR && ramfs_node(e->inode)->directory->count) {
			ramfs_node(e->inode)->entry = e;
			e = walk_on(root, e);
		}
		drop(e->dir, e);
	}
	root->names = 0;
	inode_put(root);
	return 0;
}

static int ramfs_unlink(struct inode *dir, const char *name, size_t length, bool directory)
{
	struct ramfs_entry *e = directory_find(dir, name, length);

	if (!e)
		return -ENOENT;
	if (directory && ramfs_node(e->inode)->directory->count)
		return -ENOTEMPTY;
	drop(dir, e);
	touch(dir);
	return 0;
}

/* Both entries stay where they are and change inodes. */
static void exchange(struct ramfs_entry *a, struct ramfs_entry *b)
{
	struct inode *i = a->inode;
	bool a_directory = (i->mode & TYPE_MASK) == TYPE_DIR, b_directory = (b->inode->mode & TYPE_MASK) == TYPE_DIR;

	a->inode = b->inode;
	b->inode = i;
	ramfs_node(a->inode)->entry = a;
	ramfs_node(b->inode)->entry = b;
	a->dir->names += (uint32_t)b_directory - (uint32_t)a_directory;
	b->dir->names += (uint32_t)a_directory - (uint32_t)b_directory;
	a->inode->changed = b->inode->changed = time_calendar();
}

static int ramfs_rename(struct inode *from, const char *name, size_t length, struct inode *to, const char *new_name,
	size_t new_length, uint32_t flags)
{
	struct ramfs_entry *e = directory_find(from, name, length), *over = directory_find(to, new_name, new_length);
	bool directory;
	int err;

	if (!e || !to->names)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		exchange(e, over);
	} else {
		directory = (e->inode->mode & TYPE_MASK) == TYPE_DIR;
		if (over && directory && ramfs_node(over->inode)->directory->count)
			return -ENOTEMPTY;
		/* The new entry is made first, so that running out of memory leaves all as it was. */
		err = directory_add(to, new_name, new_length, e->inode);
		if (err)
			return -ENOSPC;
		if (over)
			drop(to, over);
		e->inode->changed = time_calendar();
		from->names -= directory;
		to->names += directory;
		inode_put(e->inode);
		directory_remove(e);
	}
	touch(from);
	touch(to);
	return 0;
}

static ssize ramfs_locate(struct inode *i, struct inode **dir, const char **name)
{
	const struct ramfs_entry *e = ramfs_node(i)->entry;

	if (!e)
		return -ENOENT;
	*dir = e->dir;
	if (name)
		*name = e->name;
	return e->length;
}

static int ramfs_open_any(struct inode *i, struct file *f)
{
	switch (i->mode & TYPE_MASK) {
	case TYPE_CHAR:
		return device_open(i, f);
	case TYPE_BLOCK:
		return disk_open(i, f);
	case TYPE_FIFO:
		return fifo_open(i, f);
	case TYPE_FILE:
	case TYPE_DIR:
		return ramfs_open(i, f);
	default:
		return -ENXIO;
	}
}

const struct inode_ops ramfs_ops = {
	.lookup = ramfs_lookup,
	.make = ramfs_make,
	.symlink = ramfs_symlink,
	.link = ramfs_link,
	.unlink = ramfs_unlink,
	.rename = ramfs_rename,
	.list = ramfs_list,
	.readlink = ramfs_readlink,
	.locate = ramfs_locate,
	.truncate = ramfs_truncate,
	.page = ramfs_page,
	.open = ramfs_open_any,
	.release = ramfs_release,
};
