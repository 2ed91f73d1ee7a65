/* The disks of the domain: found at start, a kernel queue for each; parts of them handed out as capabilities. */
#include <aegis/x86_64/stubs.h>
#include <exos/disk/internal.h>
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/lock.h>
#include <exos/start.h>


static struct disk *disks[DISKS_MAX]; /* domain lock; null: not ours */

uint32_t disk_count(void) { return machine_info->disks; }

int disk_get(uint32_t number, struct disk **out)
{
	if (number >= disk_count() || !disks[number])
		return -ENXIO;
	*out = disks[number];
	return 0;
}

const struct aegis_disk_info *disk_info(const struct disk *d) { return (const struct aegis_disk_info *)EXOS_DISK_INFO_VA + d->number; }

uint32_t disk_number(const struct disk *d) { return d->number; }

const struct aegis_block_info *block_table(void)
{
	static bool bound; /* domain lock */

	if (!machine_info->block_hashes)
		return NULL;
	bound = bound || frame_bind_shared(EXOS_BLOCK_TABLE_VA, machine_info->block_table.first, machine_info->block_table.count, BIND_READ);
	return bound ? (const struct aegis_block_info *)EXOS_BLOCK_TABLE_VA : NULL;
}

frame_t disk_queue(const struct disk *d) { return d->queue; }

/* Its extent in slot 0, which is all that requests name. */
static bool make_queue(struct disk *d)
{
	struct aegis_queue_spec spec = { .object = frame_get_bare(), .control = frame_get_zeroed() };
	bool made = false;

	if (spec.object != NO_FRAME && spec.control != NO_FRAME)
		made = aegis_queue_create(&spec) >= 0;
	if (made && aegis_extent_bind(spec.object, 0, d->cap) < 0) {
		aegis_queue_destroy(spec.object); /* nothing is under way */
		made = false;
	}
	if (made) {
		d->queue = spec.object;
		d->control = frame_address(spec.control);
		return true;
	}
	if (spec.object != NO_FRAME)
		frame_put_bare(spec.object);
	if (spec.control != NO_FRAME)
		frame_put(spec.control);
	return false;
}

/* An account that was given no extent of a disk, or no memory for it, does without. */
static struct disk *start_one(uint32_t number)
{
	struct disk *d = heap_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->number = number;
	d->cap = start_disk(number);
	d->first = extent_sector(d->cap->first);
	d->sectors = d->cap->count;
	list_init(&d->waiting);
	list_init(&d->partitions);
	list_init(&d->writes);
	if (d->cap->kind == CAP_EXTENT && make_queue(d))
		return d;
	heap_free(d);
	return NULL;
}

void disks_start(void)
{
	const struct aegis_range *info = &machine_info->disk;

	if (!disk_count())
		return;
	if (!frame_bind_shared(EXOS_DISK_INFO_VA, info->first, info->count, BIND_READ))
		panic("not enough memory for the disks");
	for (uint32_t n = 0; n < disk_count(); n++) {
		disks[n] = start_one(n);
		if (disks[n])
			partition_nodes(disks[n]);
	}
}

void disk_event(void)
{
	domain_lock();
	disk_input();
	domain_unlock();
}
