/* Bring-up: what is known of each disk, and the tables. */
#include <kernel/boot.h>
#include <kernel/disk/disk.h>
#include <kernel/info.h>

#define STRIPE_SHIFT_LEAST 11 /* 1 MiB */
#define STRIPES_MOST 8192     /* what cap_end looks at in one call */

struct disk disks[DISKS_MAX];
uint32_t disk_count;

static void stripes_start(struct disk *d)
{
	uint64_t n;

	d->stripe_shift = STRIPE_SHIFT_LEAST;
	while ((d->info->sectors + (1ul << d->stripe_shift) - 1) >> d->stripe_shift > STRIPES_MOST)
		d->stripe_shift++;
	n = (d->info->sectors + (1ul << d->stripe_shift) - 1) >> d->stripe_shift;
	d->stripes = boot_allocate(n * sizeof(*d->stripes));
	d->info->stripes = (uint32_t)n;
	d->info->stripe_sectors = 1ul << d->stripe_shift;
}

static void start(struct disk *d, struct blockdev *driver, struct aegis_disk_info *info)
{
	d->driver = driver;
	d->info = info;
	*info = (struct aegis_disk_info){ .sectors = driver->sectors, .flags = driver->flags, .depth = driver->depth, .pieces_max = driver->pieces_max,
		.discard_max = driver->discard_max };
	stripes_start(d);
	d->requests = boot_allocate(driver->depth * sizeof(*d->requests));
	d->users = boot_allocate(driver->depth * sizeof(*d->users));
	d->free_count = driver->depth;
	for (uint32_t i = 0; i < driver->depth; i++)
		d->requests[i].next = i + 1;
}

void disk_start(void)
{
	struct aegis_disk_info *infos;

	if (!blockdev_count)
		return;
	infos = boot_allocate(blockdev_count * sizeof(*infos));
	for (; disk_count < blockdev_count; disk_count++)
		start(&disks[disk_count], &blockdevs[disk_count], &infos[disk_count]);
	frame_expose(infos, disk_count * sizeof(*infos));
	machine_info->disks = disk_count;
	machine_info->disk = (struct aegis_range){ kernel_frame(infos), (uint32_t)((disk_count * sizeof(*infos) + FRAME_SIZE - 1) / FRAME_SIZE) };
	block_start();
}

void disk_interrupt(uint32_t number)
{
	struct disk *d = &disks[number];

	d->info->interrupts++;
	blockdev_interrupt(d->driver);
	d->info->flags = d->driver->flags;
}
