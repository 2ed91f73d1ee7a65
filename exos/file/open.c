/* Open files: descriptions made from inodes, counted, and released; opening by path. */
#include <exos/file/file.h>
#include <exos/file/locks.h>
#include <exos/file/walk.h>
#include <exos/heap.h>
#include <exos/proc/thread.h>

struct file *file_new(const struct file_ops *ops, struct inode *inode, uint32_t flags)
{
	struct file *f = heap_alloc(sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->refs = 1;
	f->flags = flags & ~(uint32_t)(OPEN_CREATE | OPEN_EXCLUSIVE | OPEN_NOCTTY | OPEN_TRUNCATE | OPEN_CLOEXEC);
	f->inode = inode;
	inode_ref(inode);
	return f;
}

void file_ref(struct file *f) { f->refs++; }

static void file_end(struct file *f)
{
	if (f->inode->locks)
		locks_drop(f->inode, f);
	while (f->watches)
		f->watches->gone(f->watches);
	if (f->ops->release)
		f->ops->release(f);
	inode_put(f->inode);
	heap_free(f->path);
	heap_free(f);
}

void file_put(struct file *f)
{
	if (--f->refs)
		return;
	if (!self->thread) {
		file_end(f);
		return;
	}
	f->refs = 1; /* the list's, should the call use it yet */
	f->next_gone = self->thread->gone_files;
	self->thread->gone_files = f;
	self->proc->signals.files_gone = true;
}

void files_end(struct file *chain)
{
	while (chain) {
		struct file *f = chain;

		chain = f->next_gone;
		file_end(f);
	}
}

/* A file opened only as a place in the tree. */
static const struct file_ops place_ops;

static int open_check(struct inode *i, uint32_t flags, bool created)
{
	uint32_t type = i->mode & TYPE_MASK, access = flags & OPEN_ACCESS, want = 0;

	if (type == TYPE_LINK && !(flags & OPEN_PATH))
		return -ELOOP;
	if ((flags & OPEN_DIRECTORY) && type != TYPE_DIR)
		return -ENOTDIR;
	if (flags & OPEN_PATH)
		return 0;
	if (type == TYPE_DIR && (access != OPEN_READ || (flags & OPEN_CREATE)))
		return -EISDIR;
	if (type == TYPE_SOCKET)
		return -ENXIO;
	if (access != OPEN_WRITE)
		want |= 4;
	if (access != OPEN_READ)
		want |= 2;
	/* Whoever creates a file may open it as he likes, whatever mode he gives it. */
	return created ? 0 : inode_permission(i, want | (flags & OPEN_TRUNCATE ? 2 : 0));
}

int inode_open(struct inode *i, uint32_t flags, struct file **out)
{
	struct file *f;
	int err;

	if (flags & OPEN_PATH)
		flags = (flags & (OPEN_PATH | OPEN_DIRECTORY | OPEN_NOFOLLOW)) | OPEN_ACCESS;
	else if (!i->ops->open)
		return -ENXIO;
	if ((flags & OPEN_TRUNCATE) && (i->mode & TYPE_MASK) == TYPE_FILE) {
		err = inode_truncate(i, 0);
		if (err)
			return err;
	}
	f = file_new(&place_ops, i, flags);
	if (!f)
		return -ENOMEM;
	f->flags |= flags & OPEN_NOCTTY; /* for terminals, whose opening may make them the session's */
	err = flags & OPEN_PATH ? 0 : i->ops->open(i, f);
	f->flags &= ~(uint32_t)OPEN_NOCTTY;
	if (err) {
		/* An open that failed has nothing to release. */
		f->ops = &place_ops;
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}

/* Finds the inode, making it if that is asked for. */
static int open_find(struct walk *w, uint32_t flags, uint32_t mode, struct inode **out, bool *created)
{
	bool create = (flags & OPEN_CREATE) && !(flags & OPEN_PATH), exclusive = create && (flags & OPEN_EXCLUSIVE);
	int err = walk_last(w, !(flags & OPEN_NOFOLLOW) && !exclusive, out);

	*created = false;
	if (err != -ENOENT || !create || !w->length)
		return exclusive && !err ? (inode_put(*out), -EEXIST) : err;
	if (w->slash)
		return -EISDIR;
	err = inode_permission(w->at, 3);
	if (!err)
		err = w->at->ops->make
			      ? w->at->ops->make(w->at, w->name, w->length, TYPE_FILE | walk_mode(mode), 0, out)
			      : -EACCES;
	*created = !err;
	return err;
}

int path_open(struct inode *base, const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
	struct inode *i;
	bool created;
	int err;

	/* Whoever makes a file on a disk waits, and may find that another was faster: then it is there to be opened. */
	do {
		struct walk w;

		err = walk_start(&w, base, path);
		if (err)
			return err;
		err = open_find(&w, flags, mode, &i, &created);
		walk_end(&w);
	} while (err == -EEXIST && !(flags & OPEN_EXCLUSIVE));
	if (err)
		return err;
	err = open_check(i, flags, created);
	if (!err)
		err = inode_open(i, created ? flags & ~(uint32_t)OPEN_TRUNCATE : flags, out);
	inode_put(i);
	return err;
}
