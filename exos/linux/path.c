/* Names made, removed and moved; the current directory and the root. Called from the table of calls. */
#include <exos/linux/files.h>

#define HERE ((uint64_t)AT_FDCWD)

/* A path and where it starts: what nearly all of these calls are given. */
struct place {
	struct inode *base;
	char *path;
};

static int place_in(struct place *p, uint64_t descriptor, uint64_t program)
{
	int err = linux_path_in(program, &p->path);

	if (err)
		return err;
	err = linux_base(descriptor, p->path, &p->base);
	if (err)
		linux_path_done(p->path);
	return err;
}

static int64_t make_at(uint64_t descriptor, uint64_t program, uint32_t mode, uint64_t device)
{
	struct place p;
	int err = place_in(&p, descriptor, program);

	if (err)
		return err;
	err = path_make(p.base, p.path, mode, device);
	linux_path_done(p.path);
	return err;
}

static int64_t make_directory(uint64_t descriptor, uint64_t program, uint64_t mode)
{
	return make_at(descriptor, program, TYPE_DIR | ((uint32_t)mode & 01777), 0);
}

int64_t linux_mkdir(struct regs *r) { return make_directory(HERE, A0(r), A1(r)); }
int64_t linux_mkdirat(struct regs *r) { return make_directory(A0(r), A1(r), A2(r)); }

static int64_t make_node(uint64_t descriptor, uint64_t program, uint64_t mode, uint64_t device)
{
	uint32_t type = (uint32_t)mode & TYPE_MASK;

	switch (type) {
	case 0:
		type = TYPE_FILE;
		break;
	case TYPE_FILE:
	case TYPE_FIFO:
	case TYPE_SOCKET:
		break;
	case TYPE_CHAR:
	case TYPE_BLOCK:
		if (self->proc->euid)
			return -EPERM;
		break;
	case TYPE_DIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return make_at(descriptor, program, type | ((uint32_t)mode & 07777),
		type == TYPE_CHAR || type == TYPE_BLOCK ? (uint32_t)device : 0);
}

int64_t linux_mknod(struct regs *r) { return make_node(HERE, A0(r), A1(r), A2(r)); }
int64_t linux_mknodat(struct regs *r) { return make_node(A0(r), A1(r), A2(r), A3(r)); }

static int64_t unlink_at(uint64_t descriptor, uint64_t program, bool directory)
{
	struct place p;
	int err = place_in(&p, descriptor, program);

	if (err)
		return err;
	err = path_unlink(p.base, p.path, directory);
	linux_path_done(p.path);
	return err;
}

int64_t linux_unlink(struct regs *r) { return unlink_at(HERE, A0(r), false); }
int64_t linux_rmdir(struct regs *r) { return unlink_at(HERE, A0(r), true); }

int64_t linux_unlinkat(struct regs *r)
{
	return A2(r) & ~(uint64_t)AT_REMOVEDIR ? -EINVAL : unlink_at(A0(r), A1(r), A2(r) & AT_REMOVEDIR);
}

static int64_t rename_at(
	uint64_t old_descriptor, uint64_t old_program, uint64_t descriptor, uint64_t program, uint64_t flags)
{
	struct place from, to;
	int err = place_in(&from, old_descriptor, old_program);

	if (err)
		return err;
	err = place_in(&to, descriptor, program);
	if (!err) {
		err = path_rename(from.base, from.path, to.base, to.path, (uint32_t)flags);
		linux_path_done(to.path);
	}
	linux_path_done(from.path);
	return err;
}

int64_t linux_rename(struct regs *r) { return rename_at(HERE, A0(r), HERE, A1(r), 0); }
int64_t linux_renameat(struct regs *r) { return rename_at(A0(r), A1(r), A2(r), A3(r), 0); }
int64_t linux_renameat2(struct regs *r) { return rename_at(A0(r), A1(r), A2(r), A3(r), A4(r)); }

static int64_t link_at(
	uint64_t old_descriptor, uint64_t old_program, uint64_t descriptor, uint64_t program, uint64_t flags)
{
	uint32_t how = (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH);
	struct inode *target;
	struct place p;
	int err;

	if (flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = linux_inode_at(old_descriptor, old_program, how, &target);
	if (err)
		return err;
	err = place_in(&p, descriptor, program);
	if (!err) {
		err = path_link(p.base, p.path, target);
		linux_path_done(p.path);
	}
	inode_put(target);
	return err;
}

int64_t linux_link(struct regs *r) { return link_at(HERE, A0(r), HERE, A1(r), 0); }
int64_t linux_linkat(struct regs *r) { return link_at(A0(r), A1(r), A2(r), A3(r), A4(r)); }

static int64_t symlink_at(uint64_t target, uint64_t descriptor, uint64_t program)
{
	struct place p;
	char *text;
	int err = linux_path_in(target, &text);

	if (err)
		return err;
	err = place_in(&p, descriptor, program);
	if (!err) {
		err = path_symlink(p.base, p.path, text);
		linux_path_done(p.path);
	}
	linux_path_done(text);
	return err;
}

int64_t linux_symlink(struct regs *r) { return symlink_at(A0(r), HERE, A1(r)); }
int64_t linux_symlinkat(struct regs *r) { return symlink_at(A0(r), A1(r), A2(r)); }

static int64_t readlink_at(uint64_t descriptor, uint64_t program, uint64_t to, uint64_t size)
{
	struct inode *link;
	frame_t text;
	ssize length;
	int err;

	if ((int32_t)size <= 0)
		return -EINVAL;
	err = linux_inode_at(descriptor, program, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &link);
	if (err)
		return err;
	text = frame_get();
	if (text == NO_FRAME)
		length = -ENOMEM;
	else if ((link->mode & TYPE_MASK) != TYPE_LINK)
		length = -EINVAL;
	else
		length = link->ops->readlink(link, frame_address(text), PATH_SIZE);
	inode_put(link);
	if (length > 0) {
		length = MIN(length, (ssize)(uint32_t)size);
		err = copy_out(ADDRESS(void, to), frame_address(text), (size_t)length);
	}
	if (text != NO_FRAME)
		frame_put(text);
	return err ? err : length;
}

int64_t linux_readlink(struct regs *r) { return readlink_at(HERE, A0(r), A1(r), A2(r)); }
int64_t linux_readlinkat(struct regs *r) { return readlink_at(A0(r), A1(r), A2(r), A3(r)); }

int64_t linux_truncate(struct regs *r)
{
	struct inode *i;
	int err;

	if ((int64_t)A1(r) < 0)
		return -EINVAL;
	err = linux_inode_at(HERE, A0(r), 0, &i);
	if (err)
		return err;
	err = (i->mode & TYPE_MASK) == TYPE_DIR ? -EISDIR : inode_permission(i, 2);
	if (!err)
		err = inode_truncate(i, A1(r));
	inode_put(i);
	return err;
}

int64_t linux_getcwd(struct regs *r)
{
	frame_t f = frame_get();
	ssize length;

	if (f == NO_FRAME)
		return -ENOMEM;
	length = inode_path(self->proc->cwd, self->proc->root, frame_address(f), PATH_SIZE);
	if (length >= 0) {
		length++;
		if ((uint64_t)length > A1(r))
			length = -ERANGE;
		else if (copy_out(ADDRESS(void, A0(r)), frame_address(f), (size_t)length))
			length = -EFAULT;
	}
	frame_put(f);
	return length;
}

/* Takes over the reference to `dir`, whatever comes of it. */
static int change_directory(struct inode *dir)
{
	int err = (dir->mode & TYPE_MASK) == TYPE_DIR ? inode_permission(dir, 1) : -ENOTDIR;

	if (err) {
		inode_put(dir);
		return err;
	}
	inode_put(self->proc->cwd);
	self->proc->cwd = dir;
	return 0;
}

int64_t linux_chdir(struct regs *r)
{
	struct inode *dir;
	int err = linux_inode_at(HERE, A0(r), 0, &dir);

	return err ? err : change_directory(dir);
}

int64_t linux_fchdir(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	if (!f)
		return -EBADF;
	inode_ref(f->inode);
	return change_directory(f->inode);
}

int64_t linux_chroot(struct regs *r)
{
	struct inode *dir;
	int err = linux_inode_at(HERE, A0(r), 0, &dir);

	if (err)
		return err;
	if ((dir->mode & TYPE_MASK) != TYPE_DIR)
		err = -ENOTDIR;
	else if (self->proc->euid)
		err = -EPERM;
	if (err) {
		inode_put(dir);
		return err;
	}
	inode_put(self->proc->root);
	self->proc->root = dir;
	return 0;
}
