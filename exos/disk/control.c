/* What ioctl does with a block device. The commands and what they mean are Linux's (its linux/fs.h). */
#include <exos/disk/device.h>
#include <exos/disk/internal.h>
#include <exos/vm/copy.h>

enum {
	BLKROGET = 0x125e,
	BLKRRPART = 0x125f,
	BLKGETSIZE = 0x1260,
	BLKFLSBUF = 0x1261,
	BLKSSZGET = 0x1268,
	BLKDISCARD = 0x1277,
	BLKIOMIN = 0x1278,
	BLKIOOPT = 0x1279,
	BLKALIGNOFF = 0x127a,
	BLKPBSZGET = 0x127b,
};
#define BLKBSZGET 0x80081270ul
#define BLKGETSIZE64 0x80081272ul

static int64_t word_out(uint64_t argument, uint32_t value) { return copy_out((void *)argument, &value, sizeof(value)); }
static int64_t long_out(uint64_t argument, uint64_t value) { return copy_out((void *)argument, &value, sizeof(value)); }

static bool writable(const struct disk_part *part) { return disk_info(part->disk)->flags & DISK_CAN_WRITE; }

/* In as many requests as the count of one makes necessary. */
static int64_t discard(const struct disk_part *part, uint64_t argument)
{
	uint64_t range[2], sector, end; /* start and length, bytes */
	int error = 0;

	if (copy_in(range, (const void *)argument, sizeof(range)))
		return -EFAULT;
	sector = range[0] >> SECTOR_SHIFT;
	end = sector + (range[1] >> SECTOR_SHIFT);
	if ((range[0] | range[1]) % SECTOR_SIZE || range[0] + range[1] < range[0] || end > part->sectors)
		return -EINVAL;
	while (sector < end && !error) {
		uint32_t count = (uint32_t)MIN(end - sector, disk_info(part->disk)->discard_max);

		error = disk_transfer(part->disk, DISK_DISCARD, 0, part->first + sector, count, NULL);
		sector += count;
	}
	return error;
}

static int64_t discard_allowed(struct file *f, uint64_t argument)
{
	const struct disk_part *part = device_part(f);

	if ((f->flags & OPEN_ACCESS) == OPEN_READ)
		return -EBADF;
	if (!writable(part))
		return -EPERM;
	return disk_info(part->disk)->flags & DISK_CAN_DISCARD ? discard(part, argument) : -EOPNOTSUPP;
}

/* Of a whole disk only. */
static int64_t reread(const struct disk_part *part)
{
	int error;

	if (part->first != part->disk->first || part->sectors != part->disk->sectors)
		return -EINVAL;
	error = partitions_reread(part->disk);
	partition_nodes(part->disk);
	return error == -EINVAL ? 0 : error; /* a damaged table is one without partitions */
}

int64_t disk_control(struct file *f, uint64_t command, uint64_t argument)
{
	const struct disk_part *part = device_part(f);

	switch (command) {
	case BLKGETSIZE64:
		return long_out(argument, part->sectors << SECTOR_SHIFT);
	case BLKGETSIZE:
		return long_out(argument, part->sectors);
	case BLKBSZGET:
	case BLKIOMIN:
	case BLKPBSZGET:
	case BLKSSZGET:
		return word_out(argument, SECTOR_SIZE);
	case BLKIOOPT:
	case BLKALIGNOFF:
		return word_out(argument, 0);
	case BLKROGET:
		return word_out(argument, !writable(part));
	case BLKFLSBUF:
		return f->ops->sync(f, false);
	case BLKDISCARD:
		return discard_allowed(f, argument);
	case BLKRRPART:
		return reread(part);
	default:
		return -ENOTTY;
	}
}
