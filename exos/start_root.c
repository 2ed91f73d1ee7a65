/* See start_root.h. */
#include <exos/disk/disk.h>
#include <exos/file/file.h>
#include <exos/file/mount.h>
#include <exos/frames.h>
#include <exos/start_root.h>
#include <exos/volume/volume.h>

#define SUPERBLOCK_SECTOR 2
#define MAGIC_AT 56 /* in the superblock, of every ext2, ext3 and ext4 */
#define MAGIC 0xef53

struct name {
	char text[24]; /* "/dev/vda1" */
};

static struct name name_of(uint32_t number, uint32_t partition)
{
	struct name n;
	int length = format(n.text, sizeof(n.text), "/dev/vd%c", 'a' + (int)number);

	if (partition)
		format(n.text + length, sizeof(n.text) - (size_t)length, "%u", partition);
	return n;
}

static bool has_magic(const struct disk_part *part)
{
	frame_t f = frame_get();
	const uint8_t *bytes;
	bool has;

	if (f == NO_FRAME)
		return false;
	bytes = frame_address(f);
	has = part->sectors > SUPERBLOCK_SECTOR && !disk_transfer(part->disk, DISK_READ, 0, part->first + SUPERBLOCK_SECTOR, 1, frame_address(f)) &&
	      (bytes[MAGIC_AT] | bytes[MAGIC_AT + 1] << 8) == MAGIC;
	frame_put(f);
	return has;
}

/* What a partition's type says need not be true of what is in it, and what mke2fs has made need not have a type: so the file system itself is looked for. */
static uint32_t find_partition(uint32_t number)
{
	struct disk_part part;
	uint32_t n = 0, seen = 0;

	for (; disk_next_part(number, &n, &part); seen++)
		if (has_magic(&part))
			return n;
	if (seen)
		panic("no partition of %s has an ext2 or ext3 file system to be the root", name_of(number, 0).text);
	return 0;
}

static void mount_on(uint32_t number)
{
	uint32_t partition = find_partition(number);
	struct name name = name_of(number, partition);
	uint64_t device = disk_device(number, partition);
	int error = volume_mount(device, NULL, "ext4", 0, name.text);

	if (error == -EROFS)
		error = volume_mount(device, NULL, "ext4", MOUNT_READ_ONLY, name.text);
	if (error == -EROFS || error == -EEXIST)
		panic("the file system on %s cannot be the root: it cannot be written, and lacks one of the folders /dev, /proc and /tmp", name.text);
	if (error == -EINVAL)
		panic("the file system on %s cannot be the root: it is not ext2 or ext3, or is damaged (e2fsck -f tells)", name.text);
	if (error)
		panic("the file system on %s cannot be mounted as the root: error %d", name.text, -error);
}

static void add(const uint8_t *archive, size_t length, const char *below, bool keep)
{
	int error = cpio_unpack_below(archive, length, below, keep);

	if (error == -ENOSPC)
		panic("the disk with the root has no room for what is to be added to it");
	if (error == -EROFS)
		panic("the disk with the root cannot be written: nothing can be added to it");
	if (error)
		panic("what is to be added to the root on the disk cannot be: error %d", -error);
}

static bool is_there(const char *path, bool executable)
{
	struct inode *i;
	bool is;

	if (path_inode(root_inode, path, 0, &i))
		return false;
	is = !executable || ((i->mode & TYPE_MASK) == TYPE_FILE && i->mode & 0111);
	inode_put(i);
	return is;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	return "";
}

/* As a shell finds it: in the folders of PATH, unless it has a slash. Null: nowhere. */
static const char *find_program(const char *name, const char *path)
{
	static char found[PATH_SIZE]; /* lasts until the first process has it */

	if (strchr(name, '/'))
		return is_there(name, false) ? name : NULL;
	while (*path) {
		size_t n = 0;

		while (path[n] && path[n] != ':')
			n++;
		if (n + strlen(name) + 2 <= sizeof(found)) {
			format(found, sizeof(found), "%.*s/%s", (int)n, path, name);
			if (is_there(found, true))
				return found;
		}
		path += path[n] ? n + 1 : n;
	}
	return NULL;
}

void root_on_disk(struct start_file *start, const uint8_t *archive, size_t length)
{
	const char *found;

	mount_on(start->root - 1);
	add(archive, length, ROOT_ADDED, false);
	found = find_program(start->program, search_path(start->envp));
	if (!found || !start->instead)
		add(archive, length, ROOT_LACKED, true);
	if (found || start->instead)
		start->program = found ? found : start->instead;
	else if (!strchr(start->program, '/'))
		start->program = NULL; /* a path is tried all the same: the error says more */
}
