/* /proc/PID/fd: the open files of a process, as links that lead to the very inodes. Called by procfs.c, from the table
 * in procfs_process.c. */
#include <exos/file/procfs.h>
#include <exos/proc/proc.h>

int procfs_next_fd(struct proc *p, int from)
{
	int size = p->files ? file_table_size(p->files) : 0;

	while (from < size && !file_at(p->files, from))
		from++;
	return from < size ? from : -1;
}

static ssize fd_readlink(struct proc *p, int number, char *to, size_t size)
{
	struct file *f = p->files ? file_at(p->files, number) : NULL;
	char text[48];
	ssize length;

	if (!f)
		return -ENOENT;
	length = inode_path(f->inode, p->root, to, size);
	if (length != -ENOENT)
		return length;
	if (f->path) {
		length = (ssize)MIN(strlen(f->path), size);
		memcpy(to, f->path, (size_t)length);
		return length;
	}
	switch (f->inode->mode & TYPE_MASK) {
	case TYPE_FIFO:
		length = format(text, sizeof(text), "pipe:[%lu]", f->inode->number);
		break;
	case TYPE_SOCKET:
		length = format(text, sizeof(text), "socket:[%lu]", f->inode->number);
		break;
	case TYPE_CHAR:
		length = format(text, sizeof(text), "/dev/console");
		break;
	default:
		length = format(text, sizeof(text), "/ (deleted)");
	}
	length = MIN(length, (ssize)size);
	memcpy(to, text, (size_t)length);
	return length;
}

static int fd_follow(struct proc *p, int number, struct inode **out)
{
	struct file *f = p->files ? file_at(p->files, number) : NULL;

	if (!f)
		return -ENOENT;
	inode_ref(f->inode);
	*out = f->inode;
	return 0;
}

const struct procfs_entry procfs_fd_link = {.mode = TYPE_LINK | 0700, .readlink = fd_readlink, .follow = fd_follow};
