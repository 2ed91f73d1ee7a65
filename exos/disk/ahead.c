/* Reading ahead on a block device: one request's worth for each open file that is read in order and in small pieces. It is no cache: what was read is worth nothing once anything was written to the disk by the domain, and nothing is read
 * ahead where others may write by capabilities of their own. */
#include <exos/disk/device.h>
#include <exos/disk/internal.h>
#include <exos/vm/copy.h>

static bool ahead_has(const struct ahead *a, const struct disk *d, uint64_t at) { return a->piece && a->changes == d->changes && at >= a->from && at < a->to; }

static bool fill(struct ahead *a, const struct disk_part *part, uint64_t at)
{
	uint64_t first = at >> SECTOR_SHIFT;
	uint32_t count;

	if (!a->piece)
		a->piece = piece_new(part->disk, DISK_FRAMES_MAX);
	if (!a->piece)
		return false;
	count = (uint32_t)MIN(part->sectors - first, a->piece->request.frame_count * BLOCK_SECTORS);
	a->changes = part->disk->changes;
	piece_submit(part->disk, a->piece, DISK_READ, part->first + first, count);
	disk_push(part->disk);
	a->from = first << SECTOR_SHIFT;
	a->to = disk_wait(part->disk, &a->piece->request) ? a->from : a->from + ((uint64_t)count << SECTOR_SHIFT);
	return a->to > at;
}

/* As much as there is; 0: -EFAULT, or nothing. */
static size_t copy(const struct ahead *a, char *program, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n && at < a->to) {
		uint64_t in = at - a->from;
		size_t part = MIN(MIN(n - done, a->to - at), FRAME_SIZE - in % FRAME_SIZE);

		if (copy_out(program + done, (char *)frame_address(a->piece->frames[in / FRAME_SIZE]) + in % FRAME_SIZE, part))
			break;
		done += part;
		at += part;
	}
	return done;
}

/* The lock is not held all the time, and others may have the file open: so it is taken out meanwhile, and who comes second reads by himself. */
ssize ahead_read(struct device *d, char *program, size_t n, uint64_t *offset)
{
	struct ahead a = d->ahead;
	size_t done = 0, more;

	d->ahead = (struct ahead){ 0 };
	do {
		bool there = ahead_has(&a, d->part.disk, *offset + done) || fill(&a, &d->part, *offset + done);

		more = there ? copy(&a, program + done, n - done, *offset + done) : 0;
		done += more;
	} while (more && done < n);
	if (d->ahead.piece && a.piece)
		piece_end(a.piece);
	else if (a.piece)
		d->ahead = a;
	*offset += done;
	return (ssize)done;
}

void ahead_end(struct device *d)
{
	if (d->ahead.piece)
		piece_end(d->ahead.piece);
}
