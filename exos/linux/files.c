/* Names and descriptors as Linux calls give them. See files.h; called by the handlers of file calls. */
#include <exos/linux/files.h>

int linux_path_in(uint64_t program, char **path)
{
	frame_t f = frame_get();
	ssize length;

	*path = NULL;
	if (f == NO_FRAME)
		return -ENOMEM;
	length = copy_in_string(frame_address(f), ADDRESS(const char, program), PATH_SIZE);
	if (length < 0) {
		frame_put(f);
		return (int)length;
	}
	*path = frame_address(f);
	return 0;
}

void linux_path_done(char *path) { frame_put(address_frame(path)); }

int linux_base(uint64_t descriptor, const char *path, struct inode **base)
{
	struct file *f;

	*base = NULL;
	if (*path == '/' || (int)descriptor == AT_FDCWD)
		return 0;
	f = linux_file(descriptor);
	if (!f)
		return -EBADF;
	if (*path && (f->inode->mode & TYPE_MASK) != TYPE_DIR)
		return -ENOTDIR;
	*base = f->inode;
	return 0;
}

int linux_inode_at(uint64_t descriptor, uint64_t program, uint32_t flags, struct inode **out)
{
	struct inode *base;
	char *path;
	int err = linux_path_in(program, &path);

	if (err)
		return err;
	err = linux_base(descriptor, path, &base);
	if (!err && !*path && (flags & AT_EMPTY_PATH)) {
		*out = base ? base : self->proc->cwd;
		inode_ref(*out);
	} else if (!err) {
		err = path_inode(base, path, flags & AT_SYMLINK_NOFOLLOW ? PATH_NOFOLLOW : 0, out);
	}
	linux_path_done(path);
	return err;
}

int64_t linux_install(struct file *f, bool close_on_exec)
{
	int number = file_install(self->proc->files, f, 0, close_on_exec);

	if (number < 0)
		file_put(f);
	return number;
}
