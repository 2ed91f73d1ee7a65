/* Extended attributes, of which no file system here has any. Called from the table of calls: errors of names and descriptors come first. */
#include <exos/linux/files.h>

enum what { ATTRIBUTE_USE, ATTRIBUTE_LIST };

/* An empty list is a list; all else is not supported. */
static int64_t answer(int error, enum what what) { return error ? error : what == ATTRIBUTE_LIST ? 0 : -EOPNOTSUPP; }

static int64_t of_path(uint64_t path, uint32_t flags, enum what what)
{
	struct inode *i;
	int error = linux_inode_at((uint64_t)AT_FDCWD, path, flags, &i);

	if (!error)
		inode_put(i);
	return answer(error, what);
}

static int64_t of_file(uint64_t number, enum what what)
{
	struct file *f = linux_file(number);

	return answer(f && !(f->flags & OPEN_PATH) ? 0 : -EBADF, what);
}

int64_t linux_setxattr(struct regs *r) { return of_path(A0(r), 0, ATTRIBUTE_USE); }
int64_t linux_lsetxattr(struct regs *r) { return of_path(A0(r), AT_SYMLINK_NOFOLLOW, ATTRIBUTE_USE); }
int64_t linux_fsetxattr(struct regs *r) { return of_file(A0(r), ATTRIBUTE_USE); }
int64_t linux_getxattr(struct regs *r) { return of_path(A0(r), 0, ATTRIBUTE_USE); }
int64_t linux_lgetxattr(struct regs *r) { return of_path(A0(r), AT_SYMLINK_NOFOLLOW, ATTRIBUTE_USE); }
int64_t linux_fgetxattr(struct regs *r) { return of_file(A0(r), ATTRIBUTE_USE); }
int64_t linux_listxattr(struct regs *r) { return of_path(A0(r), 0, ATTRIBUTE_LIST); }
int64_t linux_llistxattr(struct regs *r) { return of_path(A0(r), AT_SYMLINK_NOFOLLOW, ATTRIBUTE_LIST); }
int64_t linux_flistxattr(struct regs *r) { return of_file(A0(r), ATTRIBUTE_LIST); }
int64_t linux_removexattr(struct regs *r) { return of_path(A0(r), 0, ATTRIBUTE_USE); }
int64_t linux_lremovexattr(struct regs *r) { return of_path(A0(r), AT_SYMLINK_NOFOLLOW, ATTRIBUTE_USE); }
int64_t linux_fremovexattr(struct regs *r) { return of_file(A0(r), ATTRIBUTE_USE); }
