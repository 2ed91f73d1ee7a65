/* What is known of files and file systems, in Linux's structures. Called from the table of calls. */
#include <exos/file/mount.h>
#include <exos/linux/files.h>

#define HERE   ((uint64_t)AT_FDCWD)
#define NS     1000000000ul
#define SECTOR 512

struct linux_stat {
	uint64_t device, number, links;
	uint32_t mode, uid, gid, padding;
	uint64_t device_itself;
	int64_t size, block_size, blocks;
	struct linux_timespec accessed, modified, changed;
	int64_t reserved[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "struct stat of x86-64");

static struct linux_timespec time_of(uint64_t ns)
{
	return (struct linux_timespec){(int64_t)(ns / NS), (int64_t)(ns % NS)};
}

static int64_t stat_out(const struct inode *i, uint64_t program)
{
	struct linux_stat s = {
		.device = i->file_system,
		.number = i->number,
		.links = i->names,
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.device_itself = i->device,
		.size = (int64_t)i->size,
		.block_size = FRAME_SIZE,
		.blocks = (int64_t)i->sectors,
		.accessed = time_of(i->accessed),
		.modified = time_of(i->modified),
		.changed = time_of(i->changed),
	};

	return copy_out(ADDRESS(void, program), &s, sizeof(s));
}

static int64_t stat_at(uint64_t descriptor, uint64_t path, uint32_t flags, uint64_t program)
{
	struct inode *i;
	int64_t err = linux_inode_at(descriptor, path, flags, &i);

	if (err)
		return err;
	err = stat_out(i, program);
	inode_put(i);
	return err;
}

int64_t linux_stat(struct regs *r) { return stat_at(HERE, A0(r), 0, A1(r)); }
int64_t linux_lstat(struct regs *r) { return stat_at(HERE, A0(r), AT_SYMLINK_NOFOLLOW, A1(r)); }

int64_t linux_newfstatat(struct regs *r)
{
	if (A3(r) & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	return stat_at(A0(r), A1(r), (uint32_t)A3(r), A2(r));
}

int64_t linux_fstat(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	return f ? stat_out(f->inode, A1(r)) : -EBADF;
}

struct linux_statx_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t reserved;
};
struct linux_statx {
	uint32_t mask, block_size;
	uint64_t attributes;
	uint32_t links, uid, gid;
	uint16_t mode, padding;
	uint64_t number, size, blocks, attributes_mask;
	struct linux_statx_time accessed, born, changed, modified;
	uint32_t itself_major, itself_minor, device_major, device_minor;
	uint64_t reserved[14];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");
#define STATX_BASIC 0x7ffu /* everything of struct stat; the time of birth is not kept */

static struct linux_statx_time statx_time(uint64_t ns)
{
	return (struct linux_statx_time){.seconds = (int64_t)(ns / NS), .nanoseconds = (uint32_t)(ns % NS)};
}

/* Linux's encoding of a device number in 32 bits. */
static uint32_t major_of(uint64_t device) { return (uint32_t)(device >> 8 & 0xfff); }
static uint32_t minor_of(uint64_t device) { return (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00)); }

int64_t linux_statx(struct regs *r)
{
	enum { STATX_SYNC = 0x6000 };
	struct inode *i;
	int64_t err;

	if (A2(r) & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | STATX_SYNC))
		return -EINVAL;
	err = linux_inode_at(A0(r), A1(r), (uint32_t)A2(r), &i);
	if (err)
		return err;
	const struct linux_statx s = {
		.mask = STATX_BASIC,
		.block_size = FRAME_SIZE,
		.links = i->names,
		.uid = i->uid,
		.gid = i->gid,
		.mode = (uint16_t)i->mode,
		.number = i->number,
		.size = i->size,
		.blocks = i->sectors,
		.accessed = statx_time(i->accessed),
		.changed = statx_time(i->changed),
		.modified = statx_time(i->modified),
		.itself_major = major_of(i->device),
		.itself_minor = minor_of(i->device),
		.device_major = major_of(i->file_system),
		.device_minor = minor_of(i->file_system),
	};

	inode_put(i);
	return copy_out(ADDRESS(void, A4(r)), &s, sizeof(s));
}

struct linux_statfs {
	int64_t type, block_size;
	uint64_t blocks, blocks_free, blocks_available, files, files_free;
	int32_t identity[2];
	int64_t name_length, fragment_size, flags, reserved[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "struct statfs of x86-64");
enum { MAGIC_PIPE = 0x50495045 };

static int64_t statfs_out(const struct inode *i, uint64_t program)
{
	enum { ST_VALID = 0x20, ST_NOATIME = 1024, ST_RELATIME = 4096 };
	struct mount *m = mount_of(i);
	struct mount_counts counts = {.magic = MAGIC_PIPE, .block_size = FRAME_SIZE};
	struct linux_statfs s;

	if (m && m->kind->counts)
		m->kind->counts(m, &counts);
	s = (struct linux_statfs){
		.type = (int64_t)counts.magic,
		.block_size = (int64_t)counts.block_size,
		.blocks = counts.blocks,
		.blocks_free = counts.free_blocks,
		.blocks_available = counts.available_blocks,
		.files = counts.inodes,
		.files_free = counts.free_inodes,
		.identity = {(int32_t)i->file_system, (int32_t)(i->file_system >> 32)},
		.name_length = NAME_MAX,
		.fragment_size = (int64_t)counts.block_size,
		.flags = ST_VALID | (m ? (m->flags & MOUNT_READ_ONLY) | (m->flags & MOUNT_NO_ACCESS_TIMES ? ST_NOATIME : ST_RELATIME) : 0),
	};
	return copy_out(ADDRESS(void, program), &s, sizeof(s));
}

int64_t linux_statfs(struct regs *r)
{
	struct inode *i;
	int64_t err = linux_inode_at(HERE, A0(r), 0, &i);

	if (err)
		return err;
	err = statfs_out(i, A1(r));
	inode_put(i);
	return err;
}

int64_t linux_fstatfs(struct regs *r)
{
	struct file *f = linux_file(A0(r));

	return f ? statfs_out(f->inode, A1(r)) : -EBADF;
}
