/* Inodes: their life, permissions, reading into library memory, and where in the tree they are.
 *
 * Called by everything that holds files. An inode lives while it has references; each directory entry that names it
 * holds one, so that an unlinked file lives on while it is open or mapped. */
#include <exos/file/file.h>
#include <exos/file/locks.h>
#include <exos/file/mount.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

static uint64_t last_number; /* domain lock */

void inode_init(struct inode *i, const struct inode_ops *ops, uint32_t mode)
{
	i->ops = ops;
	i->refs = 1;
	i->names = 1;
	i->mode = mode;
	i->number = ++last_number;
	i->accessed = i->modified = i->changed = time_calendar();
	if (self->proc) {
		i->uid = self->proc->euid;
		i->gid = self->proc->egid;
	}
}

struct inode *inode_new(const struct inode_ops *ops, uint32_t mode)
{
	struct inode *i = heap_alloc(sizeof(*i));

	if (i)
		inode_init(i, ops, mode);
	return i;
}

void inode_ref(struct inode *i) { i->refs++; }

void inode_put(struct inode *i)
{
	if (--i->refs || (i->ops->keep && i->ops->keep(i)))
		return;
	if (i->ops->release)
		i->ops->release(i);
	locks_free(i);
	heap_free(i);
}

/* What was brought in may be gone again when the waiting is over: memory is short. */
int inode_page(struct inode *i, uint64_t index, frame_t *out)
{
	int err = 0;

	do {
		*out = i->ops->page(i, index, false);
		if (*out != NO_FRAME || !i->ops->fetch || index >= ROUND_UP(i->size, FRAME_SIZE) / FRAME_SIZE)
			return 0;
		err = i->ops->fetch(i, index, false, true);
	} while (err >= 0);
	return err;
}

/* With `to` inside the window, whole pages are copied in one piece. */
ssize inode_read(struct inode *i, void *to, size_t n, uint64_t offset)
{
	size_t done = 0;

	if ((i->mode & TYPE_MASK) == TYPE_DIR)
		return -EISDIR;
	if (!i->ops->page)
		return -EACCES;
	if (offset >= i->size)
		return 0;
	n = MIN(n, i->size - offset);
	while (done < n) {
		uint64_t at = offset + done;
		size_t part = MIN(n - done, FRAME_SIZE - at % FRAME_SIZE);
		frame_t f;
		int err = inode_page(i, at / FRAME_SIZE, &f);

		if (err)
			return err;
		if (f == NO_FRAME)
			memset((char *)to + done, 0, part);
		else
			memcpy((char *)to + done, (char *)frame_address(f) + at % FRAME_SIZE, part);
		done += part;
	}
	return (ssize)done;
}

static int inode_writable(struct inode *i) { return i->ops->writable ? i->ops->writable(i) : 0; }

int inode_permission_as(struct inode *i, uint32_t uid, uint32_t gid, uint32_t want)
{
	uint32_t granted = i->mode & 7, type = i->mode & TYPE_MASK;

	/* Devices and pipes can be written on file systems that cannot. */
	if (want & 2 && (type == TYPE_FILE || type == TYPE_DIR || type == TYPE_LINK) && inode_writable(i))
		return -EROFS;
	if (uid == 0) {
		bool executable = (i->mode & 0111) || (i->mode & TYPE_MASK) == TYPE_DIR;
		return (want & 1) && !executable ? -EACCES : 0;
	}
	if (uid == i->uid)
		granted = i->mode >> 6 & 7;
	else if (gid == i->gid)
		granted = i->mode >> 3 & 7;
	return want & ~granted ? -EACCES : 0;
}

int inode_permission(struct inode *i, uint32_t want)
{
	const struct proc *p = self->proc;

	return p ? inode_permission_as(i, p->euid, p->egid, want) : 0;
}

static bool inode_owned(const struct inode *i)
{
	const struct proc *p = self->proc;

	return !p || p->euid == 0 || p->euid == i->uid;
}

int inode_set_mode(struct inode *i, uint32_t mode)
{
	int err = inode_writable(i);

	if (err)
		return err;
	if (!inode_owned(i))
		return -EPERM;
	i->mode = (i->mode & TYPE_MASK) | (mode & 07777);
	i->changed = time_calendar();
	inode_changed(i);
	return 0;
}

int inode_set_owner(struct inode *i, uint32_t uid, uint32_t gid)
{
	const struct proc *p = self->proc;
	bool root = !p || p->euid == 0;
	int err = inode_writable(i);

	if (err)
		return err;
	if (!root && (!inode_owned(i) || (uid != UINT32_MAX && uid != i->uid) || (gid != UINT32_MAX && gid != p->egid)))
		return -EPERM;
	if (uid != UINT32_MAX)
		i->uid = uid;
	if (gid != UINT32_MAX)
		i->gid = gid;
	/* A new owner must not inherit the rights that the old one gave this program. */
	if ((i->mode & TYPE_MASK) == TYPE_FILE && (i->mode & 0111))
		i->mode &= ~(uint32_t)(04000 | (i->mode & 010 ? 02000 : 0));
	i->changed = time_calendar();
	inode_changed(i);
	return 0;
}

int inode_truncate(struct inode *i, uint64_t size)
{
	if ((i->mode & TYPE_MASK) == TYPE_DIR)
		return -EISDIR;
	if (!i->ops->truncate || (i->mode & TYPE_MASK) != TYPE_FILE)
		return -EINVAL;
	if (size > INT64_MAX)
		return -EFBIG;
	return i->ops->truncate(i, size);
}

struct inode *inode_parent(struct inode *dir)
{
	struct inode *top = self->proc && self->proc->root ? self->proc->root : root_inode, *covered, *parent = dir;

	if (dir != top) {
		while ((covered = mount_covered(dir)))
			dir = covered;
		if (!dir->ops->locate || dir->ops->locate(dir, &parent, NULL) < 0)
			parent = dir;
	}
	inode_ref(parent);
	return parent;
}

/* Written from the end, since the walk goes from the leaf to the root. */
ssize inode_path(struct inode *i, struct inode *root, char *to, size_t size)
{
	size_t at = size;

	if (size < 2)
		return -ENAMETOOLONG;
	to[--at] = 0;
	while (i != root && i != root_inode) {
		struct inode *covered = mount_covered(i), *dir;
		const char *name;
		ssize length;

		if (covered) {
			i = covered;
			continue;
		}
		length = i->ops->locate ? i->ops->locate(i, &dir, &name) : -ENOENT;
		if (length < 0)
			return length;
		if ((size_t)length + 1 > at)
			return -ENAMETOOLONG;
		at -= (size_t)length;
		memcpy(to + at, name, (size_t)length);
		to[--at] = '/';
		i = dir;
	}
	if (to[at] == 0)
		to[--at] = '/';
	memmove(to, to + at, size - at);
	return (ssize)(size - at - 1);
}
