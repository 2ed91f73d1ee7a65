/* Names on a volume. A name that was looked up before is found without holding the volume, and without waiting. */
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/volume/internal.h>

static void touch(struct vnode *dir)
{
	dir->inode.modified = dir->inode.changed = time_calendar();
	vnode_refresh(dir);
	vnode_changed(dir, true);
}

/* Where it is, for who asks for its path: the directory that it was last found in. */
static void found_in(struct vnode *n, struct vnode *dir)
{
	struct vnode *old = n->parent;

	if (old == dir || n == dir)
		return;
	n->parent = dir;
	inode_ref(&dir->inode);
	if (old)
		inode_put(&old->inode);
}

/* The hold is taken here, and given when there is nothing more to do. */
static int lookup_holding(struct vnode *dir, const char *name, size_t length, struct vnode **out)
{
	uint32_t number;
	int err = ext2_lookup(dir->node, name, length, &number);

	return err ? err : vnode_get(dir->volume, number, out);
}

int volume_lookup(struct inode *i, const char *name, size_t length, struct inode **out)
{
	struct vnode *dir = vnode_of(i), *n = NULL;
	struct volume *v = dir->volume;
	uint32_t number;
	int err;

	if (ext2_lookup_known(dir->node, name, length, &number)) {
		if (!number)
			return -ENOENT;
		n = vnode_known(v, number);
	}
	if (!n) {
		err = hold_take(v);
		if (err)
			return err;
		err = lookup_holding(dir, name, length, &n);
		hold_give(v);
		if (err)
			return err;
	}
	found_in(n, dir);
	*out = &n->inode;
	return 0;
}

static void inherit(const struct vnode *dir, struct ext2_new *new)
{
	const struct proc *p = self->proc;

	new->uid = p ? p->euid : 0;
	new->gid = p ? p->egid : 0;
	if (!(dir->inode.mode & 02000))
		return;
	new->gid = dir->inode.gid;
	if ((new->mode & TYPE_MASK) == TYPE_DIR)
		new->mode |= 02000;
}

/* Is an operation that has found no space worth another try? Once, when what waits to be written has its places. */
static bool space_found(struct volume *v, int err, bool *tried)
{
	if (err != -ENOSPC || *tried)
		return false;
	*tried = true;
	return !volume_find_space(v);
}

static int make_once(struct vnode *dir, const char *name, size_t length, struct ext2_new *new, struct vnode **out)
{
	struct volume *v = dir->volume;
	struct ext2_node *node;
	int err = change_begin(v);

	if (err)
		return err;
	inherit(dir, new);
	err = dir->inode.names ? ext2_make(dir->node, name, length, new, &node) : -ENOENT;
	if (!err) {
		err = vnode_take(v, node, out);
		touch(dir);
	}
	if (!err) {
		found_in(*out, dir);
		vnode_changed(*out, true);
	}
	change_end(v);
	return err;
}

static int make(struct vnode *dir, const char *name, size_t length, struct ext2_new *new, struct vnode **out)
{
	bool tried = false;
	int err;

	do {
		err = make_once(dir, name, length, new, out);
	} while (space_found(dir->volume, err, &tried));
	return err;
}

int volume_make(struct inode *i, const char *name, size_t length, uint32_t mode, uint64_t device, struct inode **out)
{
	struct ext2_new new = {.mode = mode, .device = device};
	struct vnode *n;
	int err = make(vnode_of(i), name, length, &new, &n);

	if (!err)
		*out = &n->inode;
	return err;
}

int volume_symlink(struct inode *i, const char *name, size_t length, const char *target)
{
	struct ext2_new new = {.mode = TYPE_LINK | 0777, .target = target, .target_length = strlen(target)};
	struct vnode *n;
	int err;

	if (new.target_length >= vnode_of(i)->volume->block_size)
		return -ENAMETOOLONG;
	err = make(vnode_of(i), name, length, &new, &n);
	if (!err)
		inode_put(&n->inode);
	return err;
}

static int link_once(struct inode *i, const char *name, size_t length, struct inode *target)
{
	struct vnode *dir = vnode_of(i), *n = vnode_of(target);
	struct volume *v = dir->volume;
	int err = change_begin(v);

	if (err)
		return err;
	err = dir->inode.names && n->inode.names ? ext2_link(dir->node, name, length, n->node) : -ENOENT;
	if (!err) {
		n->inode.changed = time_calendar();
		vnode_refresh(n);
		vnode_changed(n, true);
		touch(dir);
	}
	change_end(v);
	return err;
}

int volume_link(struct inode *i, const char *name, size_t length, struct inode *target)
{
	bool tried = false;
	int err;

	do {
		err = link_once(i, name, length, target);
	} while (space_found(vnode_of(i)->volume, err, &tried));
	return err;
}

/* The links of what a name was taken from. */
static void lost_name(struct vnode *n)
{
	vnode_refresh(n);
	if ((n->inode.mode & TYPE_MASK) == TYPE_DIR && n->inode.names < 2)
		n->inode.names = 0;
	n->inode.changed = time_calendar();
	vnode_changed(n, true);
}

int volume_unlink(struct inode *i, const char *name, size_t length, bool directory)
{
	struct vnode *dir = vnode_of(i), *n;
	struct volume *v = dir->volume;
	int err = change_begin(v);

	if (err)
		return err;
	err = lookup_holding(dir, name, length, &n);
	if (!err) {
		err = n->inode.mounted ? -EBUSY : ext2_unlink(dir->node, name, length, directory); /* since the caller looked */
		if (!err) {
			lost_name(n);
			touch(dir);
		}
		inode_put(&n->inode);
	}
	change_end(v);
	return err;
}

static int rename_once(struct inode *from_inode, const char *name, size_t length, struct inode *to_inode, const char *new_name, size_t new_length, uint32_t flags)
{
	struct vnode *from = vnode_of(from_inode), *to = vnode_of(to_inode), *n, *over = NULL;
	struct volume *v = from->volume;
	bool exchange = flags & RENAME_EXCHANGE;
	int err = change_begin(v);

	if (err)
		return err;
	err = to->inode.names ? lookup_holding(from, name, length, &n) : -ENOENT;
	if (!err) {
		err = lookup_holding(to, new_name, new_length, &over);
		if (err == -ENOENT && !exchange)
			err = 0;
		else if (!err && flags & RENAME_NOREPLACE)
			err = -EEXIST;
		if (!err && (n->inode.mounted || (over && over->inode.mounted))) /* since the caller looked */
			err = -EBUSY;
		if (!err)
			err = ext2_rename(from->node, name, length, to->node, new_name, new_length, exchange);
		if (!err) {
			found_in(n, to);
			n->inode.changed = time_calendar();
			vnode_changed(n, true);
			if (over && exchange)
				found_in(over, from);
			if (over)
				lost_name(over);
			touch(from);
			touch(to);
		}
		if (over)
			inode_put(&over->inode);
		inode_put(&n->inode);
	}
	change_end(v);
	return err;
}

int volume_rename(struct inode *from, const char *name, size_t length, struct inode *to, const char *new_name, size_t new_length, uint32_t flags)
{
	bool tried = false;
	int err;

	do {
		err = rename_once(from, name, length, to, new_name, new_length, flags);
	} while (space_found(vnode_of(from)->volume, err, &tried));
	return err;
}

static bool list_entry(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next)
{
	struct dirent_sink *sink = to;

	return sink->entry(sink, name, length, number, type, next);
}

/* The sink writes to the program, where a page that would have to be waited for ends the listing (vm/copy.h): nothing is waited for but the directory itself. */
int volume_list(struct inode *i, uint64_t *offset, struct dirent_sink *sink)
{
	struct vnode *dir = vnode_of(i);
	struct volume *v = dir->volume;
	int err = hold_take(v);

	if (err)
		return err;
	err = dir->inode.names ? ext2_list(dir->node, offset, list_entry, sink) : 0;
	hold_give(v);
	if (!err && i->accessed <= i->modified && !v->no_access_times && !v->read_only && !ext2_commit_due(v->ext2)) {
		i->accessed = time_calendar();
		vnode_changed(dir, false);
	}
	return err;
}

ssize volume_readlink(struct inode *i, char *to, size_t size)
{
	struct vnode *n = vnode_of(i);
	struct volume *v = n->volume;
	ssize length = hold_take(v);

	if (length)
		return length;
	length = ext2_readlink(n->node, to, size);
	hold_give(v);
	return length;
}

ssize volume_locate(struct inode *i, struct inode **dir, const char **name)
{
	static char text[EXT2_NAME_MAX]; /* until the next call */
	struct vnode *n = vnode_of(i);
	ssize length = 0;

	if (!n->parent || !i->names)
		return -ENOENT;
	if (name) {
		length = ext2_name_of(n->parent->node, n->node->number, text);
		*name = text;
	}
	*dir = &n->parent->inode;
	return length;
}
