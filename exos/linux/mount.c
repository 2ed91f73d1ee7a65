/* Mounting and unmounting, and making what was written last. Called from the table of calls. */
#include <exos/disk/disk.h>
#include <exos/file/mount.h>
#include <exos/linux/files.h>
#include <exos/volume/volume.h>

#define HERE ((uint64_t)AT_FDCWD)

enum { MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_SYNCHRONOUS = 16, MS_REMOUNT = 32, MS_MANDLOCK = 64, MS_DIRSYNC = 128, MS_NOATIME = 1024, MS_NODIRATIME = 2048,
	MS_SILENT = 0x8000, MS_RELATIME = 1 << 21, MS_STRICTATIME = 1 << 24, MS_LAZYTIME = 1 << 25 };
#define MS_KNOWN (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_REMOUNT | MS_DIRSYNC | MS_NOATIME | MS_NODIRATIME | MS_SILENT | MS_RELATIME | MS_LAZYTIME)

static uint32_t mount_flags(uint64_t flags)
{
	static const struct {
		uint32_t theirs, ours;
	} table[] = {{MS_RDONLY, MOUNT_READ_ONLY}, {MS_NOSUID, MOUNT_NO_SET_ID}, {MS_NODEV, MOUNT_NO_DEVICES}, {MS_NOEXEC, MOUNT_NO_EXECUTION},
		{MS_SYNCHRONOUS | MS_DIRSYNC, MOUNT_SYNCHRONOUS}, {MS_NOATIME, MOUNT_NO_ACCESS_TIMES}};
	uint32_t result = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
		if (flags & table[i].theirs)
			result |= table[i].ours;
	return result;
}

struct mounting {
	char *source, *type;
	struct inode *place;
	uint32_t flags;
};

static int mount_disk(const struct mounting *m)
{
	struct inode *device;
	int err = path_inode(NULL, m->source, 0, &device);

	if (err)
		return err;
	if ((device->mode & TYPE_MASK) != TYPE_BLOCK)
		err = -ENOTBLK;
	else
		err = volume_mount(device->device, m->place, m->type, m->flags, m->source);
	inode_put(device);
	return err;
}

static int mount_new(const struct mounting *m)
{
	if ((m->place->mode & TYPE_MASK) != TYPE_DIR)
		return -ENOTDIR;
	if (!strcmp(m->type, "tmpfs") || !strcmp(m->type, "ramfs"))
		return mount_memory(m->place, m->flags, 01777, *m->source ? m->source : m->type);
	if (strcmp(m->type, "ext2") && strcmp(m->type, "ext3") && strcmp(m->type, "ext4"))
		return -ENODEV;
	return mount_disk(m);
}

static int mount_again(const struct mounting *m)
{
	struct mount *mount = mount_of_root(m->place);

	if (!mount)
		return -EINVAL;
	if (mount->kind->remount)
		return mount->kind->remount(mount, m->flags);
	mount->flags = m->flags;
	return 0;
}

static int mount_with(struct mounting *m, struct regs *r)
{
	int err = A2(r) ? linux_path_in(A2(r), &m->type) : 0;

	if (!err && A0(r))
		err = linux_path_in(A0(r), &m->source);
	if (!err)
		err = linux_inode_at(HERE, A1(r), 0, &m->place);
	if (err)
		return err;
	if (A3(r) & MS_REMOUNT)
		err = mount_again(m);
	else
		err = m->type && m->source ? mount_new(m) : -EINVAL;
	inode_put(m->place);
	return err;
}

int64_t linux_mount(struct regs *r)
{
	const uint64_t magic = 0xc0ed0000, magic_mask = 0xffff0000;
	struct mounting m = {0};
	int err;

	if ((A3(r) & magic_mask) == magic)
		A3(r) &= ~magic_mask;
	if (self->proc->euid)
		return -EPERM;
	if (A3(r) & ~(uint64_t)MS_KNOWN)
		return -EINVAL;
	m.flags = mount_flags(A3(r));
	err = mount_with(&m, r);
	if (m.type)
		linux_path_done(m.type);
	if (m.source)
		linux_path_done(m.source);
	return err;
}

enum { MNT_FORCE = 1, MNT_DETACH = 2, MNT_EXPIRE = 4, UMOUNT_NOFOLLOW = 8 };

/* What is in use stays, whatever is asked: nothing here can be taken from under its users, or end when they have gone. */
int64_t linux_umount2(struct regs *r)
{
	struct inode *place;
	struct mount *m;
	int err;

	if (A1(r) & ~(uint64_t)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) || A1(r) & MNT_EXPIRE)
		return -EINVAL;
	if (self->proc->euid)
		return -EPERM;
	err = linux_inode_at(HERE, A0(r), A1(r) & UMOUNT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &place);
	if (err)
		return err;
	m = mount_of_root(place);
	inode_put(place);
	return m ? mount_end(m) : -EINVAL;
}

static int sync_file(struct regs *r, bool data_only)
{
	struct file *f = linux_file(A0(r));
	uint32_t type;

	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	if (f->ops->sync)
		return f->ops->sync(f, data_only);
	type = f->inode->mode & TYPE_MASK;
	if (type != TYPE_FILE && type != TYPE_DIR)
		return -EINVAL;
	return f->inode->ops->sync ? f->inode->ops->sync(f->inode, data_only) : 0;
}

int64_t linux_fsync(struct regs *r) { return sync_file(r, false); }
int64_t linux_fdatasync(struct regs *r) { return sync_file(r, true); }

int64_t linux_sync_file_range(struct regs *r)
{
	if (A3(r) & ~7ul || (int64_t)A1(r) < 0 || (int64_t)A2(r) < 0 || (int64_t)(A1(r) + A2(r)) < 0)
		return -EINVAL;
	return linux_fdatasync(r);
}

int64_t linux_syncfs(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	struct mount *m = f ? mount_of(f->inode) : NULL;

	if (!f || f->flags & OPEN_PATH)
		return -EBADF;
	return m && m->kind->sync ? m->kind->sync(m) : 0;
}

int64_t linux_sync(struct regs *r)
{
	(void)r;
	mount_sync_all();
	return 0;
}
