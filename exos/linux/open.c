/* Opening files by name, and files without one. Called from the table of calls. */
#include <exos/file/device.h>
#include <exos/file/ramfs.h>
#include <exos/heap.h>
#include <exos/linux/files.h>

enum { LINUX_DIRECT = 040000, LINUX_TMPFILE = 020000000 };

/* Where a file is in memory alone, going past the cache has no meaning, and is refused as other systems refuse it there. Elsewhere it is a hint. */
static bool can_be_direct(const struct inode *i) { return (i->mode & TYPE_MASK) != TYPE_FILE || i->ops->fetch; }

static int64_t open_at(uint64_t descriptor, uint64_t program, uint32_t flags, uint32_t mode)
{
	struct inode *base;
	struct file *f;
	char *path;
	int err;

	if (flags & LINUX_TMPFILE)
		return -EOPNOTSUPP;
	err = linux_path_in(program, &path);
	if (err)
		return err;
	err = linux_base(descriptor, path, &base);
	if (!err)
		err = path_open(base, path, flags, mode, &f);
	if (!err && (flags & LINUX_DIRECT) && !can_be_direct(f->inode)) {
		file_put(f);
		err = -EINVAL;
	}
	linux_path_done(path);
	return err ? err : linux_install(f, flags & OPEN_CLOEXEC);
}

int64_t linux_open(struct regs *r) { return open_at((uint64_t)AT_FDCWD, A0(r), (uint32_t)A1(r), (uint32_t)A2(r)); }
int64_t linux_openat(struct regs *r) { return open_at(A0(r), A1(r), (uint32_t)A2(r), (uint32_t)A3(r)); }

int64_t linux_creat(struct regs *r)
{
	return open_at((uint64_t)AT_FDCWD, A0(r), OPEN_CREATE | OPEN_WRITE | OPEN_TRUNCATE, (uint32_t)A1(r));
}

int64_t linux_memfd_create(struct regs *r)
{
	enum { MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2 };
	static const char prefix[] = "/memfd:";
	size_t start = sizeof(prefix) - 1;
	char *name;
	struct inode *i;
	struct file *f = NULL;
	ssize length;

	if (A1(r) & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	name = heap_alloc(start + NAME_MAX + 1);
	if (!name)
		return -ENOMEM;
	memcpy(name, prefix, start);
	length = copy_in_string(name + start, ADDRESS(const char, A0(r)), NAME_MAX + 1 - start);
	if (length < 0) {
		heap_free(name);
		return length == -ENAMETOOLONG ? -EINVAL : length;
	}
	i = ramfs_unnamed(0777);
	if (i) {
		f = file_new(&directory_file_ops, i, OPEN_RDWR);
		inode_put(i);
	}
	if (!f) {
		heap_free(name);
		return -ENOMEM;
	}
	ramfs_open(f->inode, f);
	f->path = name;
	return linux_install(f, A1(r) & MFD_CLOEXEC);
}
