/* Names made, removed and moved, by path: the rules that hold for every file system, with the file systems doing the
 * rest.
 *
 * Called by personalities. Each returns 0 or -errno, and on an error nothing has changed. */
#include <exos/file/walk.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

/* The last component is "." or "..": a name that can be neither made nor removed. */
static bool walk_dots(const struct walk *w)
{
	return w->name[0] == '.' && (w->length == 1 || (w->length == 2 && w->name[1] == '.'));
}

/* Finds the place of a new name: its directory, in which it does not exist yet and which may be written. */
static int walk_new(struct walk *w, struct inode *base, const char *path, bool directory)
{
	struct inode *there;
	int err = walk_start(w, base, path);

	if (err)
		return err;
	err = walk_parent(w);
	if (!err && (!w->length || walk_dots(w)))
		err = -EEXIST;
	if (!err && w->length > NAME_MAX)
		err = -ENAMETOOLONG;
	if (!err)
		err = inode_permission(w->at, 1);
	if (!err) {
		err = w->at->ops->lookup(w->at, w->name, w->length, &there);
		if (!err) {
			inode_put(there);
			err = -EEXIST;
		} else if (err == -ENOENT) {
			err = 0;
		}
	}
	if (!err && w->slash && !directory)
		err = -ENOENT;
	if (!err)
		err = inode_permission(w->at, 3);
	if (err)
		walk_end(w);
	return err;
}

int path_make(struct inode *base, const char *path, uint32_t mode, uint64_t device)
{
	struct walk w;
	struct inode *made;
	int err = walk_new(&w, base, path, (mode & TYPE_MASK) == TYPE_DIR);

	if (err)
		return err;
	err = -EPERM;
	if (w.at->ops->make)
		err = w.at->ops->make(w.at, w.name, w.length, (mode & TYPE_MASK) | walk_mode(mode), device, &made);
	if (!err)
		inode_put(made);
	walk_end(&w);
	return err;
}

int path_symlink(struct inode *base, const char *path, const char *target)
{
	struct walk w;
	int err;

	if (!*target)
		return -ENOENT;
	err = walk_new(&w, base, path, false);
	if (err)
		return err;
	err = w.at->ops->symlink ? w.at->ops->symlink(w.at, w.name, w.length, target) : -EPERM;
	walk_end(&w);
	return err;
}

int path_link(struct inode *base, const char *path, struct inode *target)
{
	struct walk w;
	int err;

	if ((target->mode & TYPE_MASK) == TYPE_DIR)
		return -EPERM;
	err = walk_new(&w, base, path, false);
	if (err)
		return err;
	if (w.at->file_system != target->file_system)
		err = -EXDEV;
	else
		err = w.at->ops->link ? w.at->ops->link(w.at, w.name, w.length, target) : -EPERM;
	walk_end(&w);
	return err;
}

/* May the current process take `child` out of `dir`? In a sticky directory only owners may. */
static int may_remove(struct inode *dir, const struct inode *child)
{
	const struct proc *p = self->proc;
	int err = inode_permission(dir, 3);

	if (!err && p && (dir->mode & 01000) && p->euid && p->euid != dir->uid && p->euid != child->uid)
		err = -EPERM;
	return err;
}

/* Looks up the last component, where a walk stands, as something to be taken away; a reference. */
static int walk_victim(struct walk *w, struct inode **out)
{
	int err = inode_permission(w->at, 1);

	if (err)
		return err;
	err = w->at->ops->lookup(w->at, w->name, w->length, out);
	if (err)
		return err;
	err = may_remove(w->at, *out);
	if (!err && (*out)->mounted)
		err = -EBUSY;
	if (!err && w->slash && ((*out)->mode & TYPE_MASK) != TYPE_DIR)
		err = -ENOTDIR;
	if (err)
		inode_put(*out);
	return err;
}

int path_unlink(struct inode *base, const char *path, bool directory)
{
	struct walk w;
	struct inode *victim;
	int err = walk_start(&w, base, path);

	if (err)
		return err;
	err = walk_parent(&w);
	if (!err && !w.length)
		err = directory ? -EBUSY : -EISDIR;
	else if (!err && walk_dots(&w) && !directory)
		err = -EISDIR;
	else if (!err && walk_dots(&w))
		err = w.length == 1 ? -EINVAL : -ENOTEMPTY;
	if (!err)
		err = walk_victim(&w, &victim);
	if (!err) {
		bool is_directory = (victim->mode & TYPE_MASK) == TYPE_DIR;

		if (is_directory != directory)
			err = directory ? -ENOTDIR : -EISDIR;
		else
			err = w.at->ops->unlink ? w.at->ops->unlink(w.at, w.name, w.length, directory) : -EPERM;
		inode_put(victim);
	}
	walk_end(&w);
	return err;
}

/* Is `dir` inside `top`, or the same? */
static bool inside(struct inode *dir, const struct inode *top)
{
	struct inode *parent;

	for (;;) {
		if (dir == top)
			return true;
		if (!dir->ops->locate || dir->ops->locate(dir, &parent, NULL) < 0)
			return false;
		dir = parent;
	}
}

/* The rules between the two sides of a rename; `over` is what has the new name now, or null. */
static int rename_check(struct walk *from, struct walk *to, struct inode *moved, struct inode *over, uint32_t flags)
{
	bool directory = (moved->mode & TYPE_MASK) == TYPE_DIR;
	bool over_directory = over && (over->mode & TYPE_MASK) == TYPE_DIR;
	int err;

	if (directory && inside(to->at, moved))
		return -EINVAL;
	if (over_directory && inside(from->at, over))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (!over && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (!over)
		return to->slash && !directory ? -ENOTDIR : inode_permission(to->at, 3);
	if (flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (over->mounted)
		return -EBUSY;
	err = may_remove(to->at, over);
	if (err || (flags & RENAME_EXCHANGE))
		return err;
	if (directory != over_directory)
		return directory ? -ENOTDIR : -EISDIR;
	return 0;
}

static int rename_walked(struct walk *from, struct walk *to, uint32_t flags)
{
	struct inode *moved, *over = NULL;
	int err;

	if (!from->length || !to->length || walk_dots(from) || walk_dots(to))
		return -EBUSY;
	if (from->at->file_system != to->at->file_system)
		return -EXDEV;
	if (to->length > NAME_MAX)
		return -ENAMETOOLONG;
	err = walk_victim(from, &moved);
	if (err)
		return err;
	err = to->at->ops->lookup(to->at, to->name, to->length, &over);
	if (err == -ENOENT)
		err = 0;
	if (!err)
		err = rename_check(from, to, moved, over, flags);
	/* Two names of one file: POSIX wants nothing done. */
	if (!err && !from->at->ops->rename)
		err = -EPERM;
	else if (!err && moved != over)
		err = from->at->ops->rename(from->at, from->name, from->length, to->at, to->name, to->length, flags);
	if (over)
		inode_put(over);
	inode_put(moved);
	return err;
}

int path_rename(struct inode *base, const char *path, struct inode *new_base, const char *new_path, uint32_t flags)
{
	struct walk from, to;
	int err;

	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = walk_start(&from, base, path);
	if (err)
		return err;
	err = walk_parent(&from);
	if (!err)
		err = walk_start(&to, new_base, new_path);
	if (err) {
		walk_end(&from);
		return err;
	}
	err = walk_parent(&to);
	if (!err)
		err = rename_walked(&from, &to, flags);
	walk_end(&to);
	walk_end(&from);
	return err;
}
