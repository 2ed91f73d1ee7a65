/* Inodes of a volume in memory. struct inode is the authority for size, mode, owner and times; they reach exos/ext2's node at a commit. Links, and the sizes of directories, come from there.
 *
 * An inode that nobody uses stays, with its pages, until there are too many (vnodes_trim). One without names goes as soon as somebody holds the volume: its blocks are freed by that. */
#include <exos/disk/disk.h>
#include <exos/file/device.h>
#include <exos/file/locks.h>
#include <exos/ipc/pipe.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/volume/internal.h>

static bool may_write(const struct file *f) { return (f->flags + 1) & OPEN_RDWR; }

static void volume_close(struct file *f)
{
	if (may_write(f))
		vnode_of(f->inode)->writers--;
}

static const struct file_ops volume_file_ops = {.read = volume_read, .write = volume_write, .write_library = volume_write_library, .release = volume_close};

/* A file system of somebody else's making may have special files that he is not to open here. */
static int open_special(struct inode *i, struct file *f)
{
	const struct mount *m = vnode_of(i)->volume->mount;

	if ((i->mode & TYPE_MASK) == TYPE_FIFO)
		return fifo_open(i, f);
	if (m && m->flags & MOUNT_NO_DEVICES)
		return -EACCES;
	return (i->mode & TYPE_MASK) == TYPE_CHAR ? device_open(i, f) : disk_open(i, f);
}

static int volume_open(struct inode *i, struct file *f)
{
	switch (i->mode & TYPE_MASK) {
	case TYPE_FILE:
		f->ops = &volume_file_ops;
		vnode_of(i)->writers += may_write(f);
		break;
	case TYPE_DIR:
		f->ops = &directory_file_ops;
		break;
	case TYPE_CHAR:
	case TYPE_BLOCK:
	case TYPE_FIFO:
		return open_special(i, f);
	default:
		return -ENXIO;
	}
	f->seekable = true;
	return 0;
}

const struct inode_ops volume_ops = {
	.lookup = volume_lookup,
	.make = volume_make,
	.symlink = volume_symlink,
	.link = volume_link,
	.unlink = volume_unlink,
	.rename = volume_rename,
	.list = volume_list,
	.readlink = volume_readlink,
	.locate = volume_locate,
	.truncate = volume_truncate,
	.page = volume_page,
	.fetch = volume_fetch,
	.writable = volume_writable,
	.changed = volume_changed,
	.advise = volume_advise,
	.sync = volume_sync_inode,
	.open = volume_open,
	.keep = volume_keep,
};

int volume_writable(struct inode *i)
{
	const struct volume *v = vnode_of(i)->volume;

	if (v->broken)
		return -EIO;
	return v->read_only || v->failed ? -EROFS : 0;
}

void vnode_changed(struct vnode *n, bool data)
{
	struct volume *v = n->volume;

	n->transaction = ext2_running(v->ext2);
	if (data)
		n->data_transaction = n->transaction;
	if (n->listed)
		return;
	n->listed = true;
	list_append(&v->changed, &n->changed_link);
	ext2_changed(n->node); /* now, so that the running transaction keeps room for it */
	owner_note(v);
}

/* Whoever changes many inodes that are in many blocks fills the transaction with nothing else. */
void volume_changed(struct inode *i)
{
	struct volume *v = vnode_of(i)->volume;

	vnode_changed(vnode_of(i), false);
	if (!ext2_commit_due(v->ext2))
		return;
	inode_ref(i);
	volume_commit(v, ext2_running(v->ext2));
	inode_put(i);
}

void vnode_refresh(struct vnode *n)
{
	const struct ext2_node *node = n->node;

	n->inode.names = node->links;
	if ((n->inode.mode & TYPE_MASK) != TYPE_FILE)
		n->inode.size = node->size;
	n->inode.sectors = node->sectors + (uint64_t)n->reserved_pages * PAGE_SECTORS;
}

static void carry(struct vnode *n)
{
	struct ext2_node *node = n->node;
	const struct inode *i = &n->inode;

	node->mode = i->mode;
	node->uid = i->uid;
	node->gid = i->gid;
	node->accessed = i->accessed;
	node->modified = i->modified;
	node->changed = i->changed;
	if ((i->mode & TYPE_MASK) == TYPE_FILE)
		node->size = MIN(n->placed_size, i->size);
	ext2_changed(node);
}

void vnodes_carry(struct volume *v)
{
	while (!list_empty(&v->changed)) {
		struct vnode *n = CONTAINER_OF(v->changed.next, struct vnode, changed_link);

		list_remove(&n->changed_link);
		n->listed = false;
		carry(n);
		slice_check();
	}
}

static void read_attributes(struct vnode *n)
{
	const struct ext2_node *node = n->node;
	struct inode *i = &n->inode;
	uint32_t type = node->mode & TYPE_MASK;

	i->number = node->number;
	i->mode = node->mode;
	i->uid = node->uid;
	i->gid = node->gid;
	i->device = type == TYPE_CHAR || type == TYPE_BLOCK ? node->device : 0;
	i->size = n->placed_size = node->size;
	i->accessed = node->accessed;
	i->modified = node->modified;
	i->changed = node->changed;
	vnode_refresh(n);
}

/* A reference to one that may have been without. */
void vnode_use(struct vnode *n)
{
	if (!n->inode.refs++ && !list_empty(&n->idle_link)) {
		list_remove(&n->idle_link);
		n->volume->idle_count--;
	}
}

int vnode_take(struct volume *v, struct ext2_node *node, struct vnode **out)
{
	struct vnode *n = node->owner;

	if (n) {
		ext2_node_put(node); /* which is not the last: n has one */
		vnode_use(n);
		*out = n;
		return 0;
	}
	n = heap_alloc(sizeof(*n));
	if (!n) {
		ext2_node_put(node);
		return -ENOMEM;
	}
	inode_init(&n->inode, &volume_ops, node->mode);
	n->volume = v;
	n->node = node;
	node->owner = n;
	n->inode.file_system = v->device;
	list_append(&v->vnodes, &n->all_link);
	v->vnode_count++;
	list_init(&n->changed_link);
	list_init(&n->pages_link);
	list_init(&n->dirty_link);
	list_init(&n->idle_link);
	wait_queue_init(&n->queue);
	n->next_index = NEVER;
	read_attributes(n);
	*out = n;
	return 0;
}

struct vnode *vnode_known(struct volume *v, uint32_t number)
{
	struct ext2_node *node = ext2_node_known(v->ext2, number);
	struct vnode *n;

	if (!node)
		return NULL;
	n = node->owner;
	node->refs--; /* n has one */
	if (n)
		vnode_use(n);
	return n;
}

int vnode_get(struct volume *v, uint32_t number, struct vnode **out)
{
	struct ext2_node *node;
	int err;

	*out = vnode_known(v, number);
	if (*out)
		return 0;
	err = ext2_node_get(v->ext2, number, &node);
	return err ? err : vnode_take(v, node, out);
}

/* Last in the list: it was used just now. */
bool volume_keep(struct inode *i)
{
	struct vnode *n = vnode_of(i);
	struct volume *v = n->volume;

	list_append(i->names ? &v->idle : &v->unwanted, &n->idle_link);
	v->idle_count++;
	if (!i->names)
		owner_note(v);
	return true;
}

void vnode_forget(struct vnode *n)
{
	struct volume *v = n->volume;
	struct vnode *parent = n->parent;
	int err;

	ASSERT(!n->inode.refs && !n->reading && !n->writing);
	list_remove(&n->idle_link);
	v->idle_count--;
	cache_drop(n, 0);
	cache_free(&n->tree);
	if (n->listed) {
		list_remove(&n->changed_link);
		if (n->inode.names && !v->broken)
			carry(n);
	}
	n->node->owner = NULL;
	err = v->broken ? 0 : ext2_node_put(n->node);
	if (err == -EIO)
		volume_fail(v, "an inode cannot be freed");
	list_remove(&n->all_link);
	v->vnode_count--;
	locks_free(&n->inode);
	heap_free(n);
	if (parent)
		inode_put(&parent->inode);
}

void vnodes_free_unwanted(struct volume *v)
{
	while (!list_empty(&v->unwanted) && !ext2_commit_due(v->ext2)) {
		vnode_forget(CONTAINER_OF(v->unwanted.next, struct vnode, idle_link));
		slice_check();
	}
}

void vnodes_trim(struct volume *v, uint32_t keep)
{
	uint32_t looks = v->idle_count;

	while (v->idle_count > keep && looks-- && !list_empty(&v->idle)) {
		struct vnode *n = CONTAINER_OF(v->idle.next, struct vnode, idle_link);

		if (n->tree.root_dirty || n->reading || n->writing) {
			list_remove(&n->idle_link);
			list_append(&v->idle, &n->idle_link);
		} else {
			vnode_forget(n);
			slice_check();
		}
	}
}
