/* The tree as it is at start: a root in memory, with /dev and /proc laid over it. And what is mounted later. */
#include <exos/file/device.h>
#include <exos/file/mount.h>
#include <exos/file/ramfs.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

enum { FILE_SYSTEM_ROOT = 1, FILE_SYSTEM_DEV = 2, FILE_SYSTEM_FIRST = 64 };
#define MAGIC_MEMORY 0x01021994
#define MAGIC_PROC 0x9fa0

struct inode *root_inode;
struct list mount_list = {&mount_list, &mount_list};
static uint64_t last_number, last_file_system = FILE_SYSTEM_FIRST; /* domain lock */

uint64_t mount_file_system(void) { return ++last_file_system; }

static void memory_counts(struct mount *m, struct mount_counts *out)
{
	struct frame_counts counts = frame_counts();

	(void)m;
	out->magic = MAGIC_MEMORY;
	out->blocks = counts.total;
	out->free_blocks = out->available_blocks = counts.free + counts.held_idle;
}

static int memory_end(struct mount *m)
{
	int err = ramfs_end(m->root);

	if (!err)
		mount_bare(m);
	return err;
}

static void proc_counts(struct mount *m, struct mount_counts *out)
{
	(void)m;
	out->magic = MAGIC_PROC;
}

static const struct mount_kind memory_kind = {.type = "tmpfs", .counts = memory_counts, .end = memory_end};
static const struct mount_kind device_kind = {.type = "devtmpfs", .counts = memory_counts};
static const struct mount_kind proc_kind = {.type = "proc", .counts = proc_counts};

static char *text_copy(const char *s)
{
	size_t n = MIN(strlen(s), (size_t)HEAP_MAX - 1);
	char *copy = heap_alloc(n + 1);

	return copy ? memcpy(copy, s, n) : NULL;
}

static void mount_free(struct mount *m)
{
	heap_free(m->source);
	heap_free(m->place);
	heap_free(m);
}

/* Where a directory is, for people. */
static char *place_of(struct inode *covered)
{
	frame_t f;
	char *place;

	if (!covered)
		return text_copy("/");
	f = frame_get();
	if (f == NO_FRAME)
		return NULL;
	place = inode_path(covered, root_inode, frame_address(f), FRAME_SIZE) > 0 ? text_copy(frame_address(f)) : text_copy("?");
	frame_put(f);
	return place;
}

int mount_add(struct inode *root, struct inode *covered, const struct mount_kind *kind, void *data, uint32_t flags, const char *source, struct mount **out)
{
	struct mount *m = heap_alloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct mount){.root = root, .covered = covered, .kind = kind, .data = data, .flags = flags, .number = ++last_number};
	m->source = text_copy(source);
	m->place = place_of(covered);
	if (!m->source || !m->place) {
		mount_free(m);
		return -ENOMEM;
	}
	if (covered) {
		inode_ref(covered);
		covered->mounted = root;
	}
	list_append(&mount_list, &m->link);
	if (out)
		*out = m;
	return 0;
}

struct mount *mount_of_root(const struct inode *root)
{
	LIST_FOR_EACH (l, &mount_list) {
		struct mount *m = CONTAINER_OF(l, struct mount, link);

		if (m->root == root)
			return m;
	}
	return NULL;
}

struct mount *mount_of(const struct inode *i)
{
	LIST_FOR_EACH (l, &mount_list) {
		struct mount *m = CONTAINER_OF(l, struct mount, link);

		if (m->root->file_system == i->file_system)
			return m;
	}
	return NULL;
}

struct inode *mount_covered(const struct inode *root)
{
	const struct mount *m = mount_of_root(root);

	return m ? m->covered : NULL;
}

/* Is there another mount on a directory of this one? */
static bool mount_covers(const struct mount *m)
{
	LIST_FOR_EACH (l, &mount_list) {
		const struct mount *other = CONTAINER_OF(l, struct mount, link);

		if (other != m && other->covered && other->covered->file_system == m->root->file_system)
			return true;
	}
	return false;
}

void mount_bare(struct mount *m)
{
	if (!m->bare)
		m->covered->mounted = NULL;
	m->bare = true;
}

/* The end may wait. */
int mount_end(struct mount *m)
{
	struct inode *covered = m->covered;
	int err;

	if (m->ending || !covered || !m->kind->end || covered->mounted != m->root || mount_covers(m))
		return -EBUSY;
	m->ending = true;
	err = m->kind->end(m);
	if (!m->bare) {
		m->ending = false;
		return err;
	}
	list_remove(&m->link);
	mount_free(m);
	inode_put(covered);
	return err;
}

/* While one is waited for, the list may change: they are taken by number. */
int mount_sync_all(void)
{
	uint64_t done = 0;
	int err = 0;

	for (;;) {
		struct mount *next = NULL;
		int result;

		LIST_FOR_EACH (l, &mount_list) {
			struct mount *m = CONTAINER_OF(l, struct mount, link);

			if (m->number > done && m->kind->sync && !m->bare && (!next || m->number < next->number))
				next = m;
		}
		if (!next)
			return err;
		done = next->number;
		result = next->kind->sync(next);
		err = err ? err : result;
	}
}

int mount_memory(struct inode *covered, uint32_t flags, uint32_t mode, const char *source)
{
	struct inode *root = ramfs_root(mount_file_system());
	int err;

	if (!root)
		return -ENOMEM;
	root->mode = TYPE_DIR | mode;
	err = mount_add(root, covered, &memory_kind, NULL, flags, source, NULL);
	if (err)
		inode_put(root);
	return err;
}

static int folder_at(const char *place, struct inode **out)
{
	int err = path_inode(root_inode, place, 0, out);

	if (err == -ENOENT)
		err = path_make(root_inode, place, TYPE_DIR | 0755, 0);
	else
		return err;
	return err ? err : path_inode(root_inode, place, 0, out);
}

/* Lays a file system over the directory `place`, which it makes if it is not there. Takes over the reference to `root`. */
static int mount_at(const char *place, struct inode *root, const char *source, const struct mount_kind *kind)
{
	struct inode *covered;
	int err;

	if (!root)
		return -ENOMEM;
	err = folder_at(place, &covered);
	if (err)
		return err;
	err = mount_add(root, covered, kind, NULL, 0, source, NULL);
	inode_put(covered);
	return err;
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
	int err = mount_at("/dev", ramfs_root(FILE_SYSTEM_DEV), "dev", &device_kind);

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
	err = mount_add(root_inode, NULL, &memory_kind, NULL, 0, "root", NULL);
	if (!err)
		err = devfs_start();
	return err ? err : mount_at("/proc", procfs_root(), "proc", &proc_kind);
}

/* A mount that was laid over a directory of the old root lies over the same one of the new. */
static int mount_move(struct mount *m)
{
	struct inode *covered, *old = m->covered;
	int err = folder_at(m->place, &covered);

	if (err)
		return err;
	old->mounted = NULL;
	inode_put(old);
	covered->mounted = m->root;
	m->covered = covered;
	return 0;
}

/* The old root stays as it is, where nobody comes to it any more. When this fails half-way there is no root to go on with: the caller ends the machine. */
int mount_root(struct inode *root, const struct mount_kind *kind, void *data, uint32_t flags, const char *source, struct mount **out)
{
	struct inode *tmp;
	struct mount *m;
	int err = mount_add(root, NULL, kind, data, flags, source, &m);

	if (err)
		return err;
	list_remove(&mount_of_root(root_inode)->link);
	root_inode = root;
	list_remove(&m->link);
	list_append(mount_list.next, &m->link); /* first of all, as whoever lists them expects */
	*out = m;
	LIST_FOR_EACH_SAFE (l, following, &mount_list) {
		struct mount *over = CONTAINER_OF(l, struct mount, link);

		if (over->covered && !err)
			err = mount_move(over);
	}
	if (!err)
		err = folder_at("/tmp", &tmp);
	if (!err) {
		err = mount_memory(tmp, 0, 01777, "tmpfs");
		inode_put(tmp);
	}
	return err;
}
