/* Extents: whether a capability is still good, and how all that there are for a range are ended.
 *
 * A capability has the disk's epoch of when it was narrowed from the root's, and what is narrowed from it has the same. A revocation bumps the disk's epoch and writes it down for the stripes that it is for: so capabilities for other
 * stripes go on, and nothing is kept for any of them. */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>

bool extent_good(const struct disk *d, uint64_t sector, uint64_t count, uint32_t epoch)
{
	if (epoch >= d->info->epoch)
		return true; /* nothing was revoked since */
	for (uint64_t s = sector >> d->stripe_shift; s <= (sector + count - 1) >> d->stripe_shift; s++)
		if (d->stripes[s].revoked > epoch)
			return false;
	return true;
}

uint32_t extent_epoch(uint64_t first) { return disks[extent_disk(first)].info->epoch; }

/* Who ends a range that was ended in part ends the rest of it. Called again, with a capability that is as old as those that it has ended, it ends nothing new. */
static void revoke(struct disk *d, uint64_t first, uint64_t end, uint32_t epoch)
{
	bool bumped = false;

	for (uint64_t s = first; s < end; s++) {
		if (d->stripes[s].revoked > epoch)
			continue;
		if (!bumped)
			epoch_bump(&d->info->epoch);
		bumped = true;
		d->stripes[s].revoked = d->info->epoch;
	}
}

/* A sealed capability names a disk that is there, and sectors that it has. */
int64_t extent_end(const struct aegis_cap *cap)
{
	struct disk *d = &disks[extent_disk(cap->first)];
	uint64_t sector = extent_sector(cap->first), mask = d->info->stripe_sectors - 1, s, end;
	struct block_work work = BLOCK_WORK;
	bool cleared = true;
	int64_t left;

	if (sector & mask || ((sector + cap->count) & mask && sector + cap->count != d->info->sectors))
		return -E_INVALID;
	s = sector >> d->stripe_shift;
	end = (sector + cap->count + mask) >> d->stripe_shift;
	revoke(d, s, end, cap->epoch);
	blockdev_reap(d->driver);
	for (; s < end && cleared; s++)
		cleared = block_clear_stripe(&d->stripes[s], &work);
	left = disk_stale_under_way(d, sector, cap->count) + !cleared;
	block_work_done(&work);
	return left;
}
