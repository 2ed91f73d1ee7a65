/* The tree as it is at start: a root in memory, with /dev and /proc laid over it. Called once, by start.c. */
#include <exos/file/device.h>
#include <exos/file/ramfs.h>

enum { FILE_SYSTEM_ROOT = 1, FILE_SYSTEM_DEV = 2 };

struct inode *root_inode;
struct mount mounts[MOUNT_MAX]; /* domain lock; only added to */
uint32_t mount_count;

static void mount_note(
	struct inode *root, struct inode *covered, const char *source, const char *type, const char *place)
{
	ASSERT(mount_count < MOUNT_MAX);
	mounts[mount_count++] =
		(struct mount){.root = root, .covered = covered, .source = source, .type = type, .place = place};
}

/* Lays a file system over the directory `place`, which it makes. Takes over the reference to `root`. */
static int mount_at(const char *place, struct inode *root, const char *source, const char *type)
{
	struct inode *covered;
	int err;

	if (!root)
		return -ENOMEM;
	err = path_make(root_inode, place, TYPE_DIR | 0755, 0);
	if (!err)
		err = path_inode(root_inode, place, 0, &covered);
	if (err)
		return err;
	covered->mounted = root;
	mount_note(root, covered, source, type, place);
	return 0;
}

static const struct {
	const char *path;
	uint32_t mode;
	uint64_t device;
} nodes[] = {
	{"/tmp", TYPE_DIR | 01777, 0},
	{"/dev/shm", TYPE_DIR | 01777, 0},
	{"/dev/null", TYPE_CHAR | 0666, DEVICE_NUMBER(1, 3)},
	{"/dev/zero", TYPE_CHAR | 0666, DEVICE_ZERO},
	{"/dev/full", TYPE_CHAR | 0666, DEVICE_NUMBER(1, 7)},
	{"/dev/random", TYPE_CHAR | 0666, DEVICE_NUMBER(1, 8)},
	{"/dev/urandom", TYPE_CHAR | 0666, DEVICE_NUMBER(1, 9)},
	{"/dev/tty", TYPE_CHAR | 0666, DEVICE_NUMBER(5, 0)},
	{"/dev/console", TYPE_CHAR | 0600, DEVICE_NUMBER(5, 1)},
};

static const struct {
	const char *path, *target;
} links[] = {
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
};

int devfs_start(void)
{
	int err = mount_at("/dev", ramfs_root(FILE_SYSTEM_DEV), "dev", "devtmpfs");

	for (size_t n = 0; n < ARRAY_LENGTH(nodes) && !err; n++)
		err = path_make(root_inode, nodes[n].path, nodes[n].mode, nodes[n].device);
	for (size_t n = 0; n < ARRAY_LENGTH(links) && !err; n++)
		err = path_symlink(root_inode, links[n].path, links[n].target);
	return err;
}

int file_systems_start(void)
{
	int err;

	root_inode = ramfs_root(FILE_SYSTEM_ROOT);
	if (!root_inode)
		return -ENOMEM;
	mount_note(root_inode, NULL, "root", "tmpfs", "/");
	err = devfs_start();
	return err ? err : mount_at("/proc", procfs_root(), "proc", "proc");
}
