/* /proc/partitions and /proc/diskstats. Called by procfs.c, through the table in procfs_system.c. */
#include <exos/disk/disk.h>
#include <exos/file/device.h>
#include <exos/file/procfs.h>

#define SECTORS_PER_KIB 2

static void begin_line(struct text *t, uint32_t disk, uint32_t partition)
{
	uint64_t device = disk_device(disk, partition);

	text_print(t, "%4lu %7lu ", device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
}

static void write_partition(struct text *t, uint32_t disk, uint32_t partition, uint64_t sectors)
{
	begin_line(t, disk, partition);
	text_print(t, "%11lu vd%c", sectors / SECTORS_PER_KIB, 'a' + (int)disk);
	if (partition)
		text_print(t, "%u", partition);
	text_print(t, "\n");
}

void procfs_write_partitions(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "major minor  #blocks  name\n\n");
	for (uint32_t disk = 0; disk < disk_count(); disk++) {
		struct disk_part part;
		uint32_t partition = 0;

		if (disk_part(disk, 0, &part))
			continue;
		write_partition(t, disk, 0, part.sectors);
		while (disk_next_part(disk, &partition, &part))
			write_partition(t, disk, partition, part.sectors);
	}
}

/* What the kernel counts: of whole disks, and no times. */
void procfs_write_diskstats(struct text *t, struct proc *p)
{
	(void)p;
	for (uint32_t disk = 0; disk < disk_count(); disk++) {
		const struct aegis_disk_info *i;
		struct disk *d;

		if (disk_get(disk, &d))
			continue;
		i = disk_info(d);
		begin_line(t, disk, 0);
		text_print(t, "vd%c %lu 0 %lu 0 %lu 0 %lu 0 %u 0 0 0 0 0 0 %lu 0\n", 'a' + (int)disk, i->reads, i->sectors_read, i->writes, i->sectors_written, i->under_way,
			i->flushes);
	}
}
