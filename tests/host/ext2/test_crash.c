/* The power fails: whatever then is on the disk, ext2_open or e2fsck makes a volume of it that e2fsck -fn finds nothing wrong with, and in which everything is as it was at a commit: the newest that had ended, or the one under way. */
#include <string.h>

#include "mirror.h"

struct snapshot { /* of a commit: as it was when it began */
	struct mirror *mirror;
	uint32_t begun, ended; /* events before; UINT32_MAX: not ended */
};
struct history {
	struct mirror *now;
	struct snapshot *snapshots;
	uint32_t count;
};

static void committing(struct volume *v, bool done)
{
	struct history *h = v->owner;

	if (done) {
		h->snapshots[h->count - 1].ended = v->disk->event_count;
		return;
	}
	h->snapshots = realloc(h->snapshots, (h->count + 1) * sizeof(*h->snapshots));
	h->snapshots[h->count++] = (struct snapshot){ .mirror = mirror_copy(h->now), .begun = v->disk->event_count, .ended = UINT32_MAX };
}

/* One of the states that it may be in. */
static bool is_one_of(const struct history *h, uint32_t at, struct volume *v, char *what)
{
	uint32_t newest = 0;

	for (uint32_t i = 0; i < h->count; i++)
		if (h->snapshots[i].ended <= at)
			newest = i;
	for (uint32_t i = newest; i < h->count && (i == newest || h->snapshots[i].begun <= at); i++)
		if (mirror_same(h->snapshots[i].mirror, v, what))
			return true;
	return false;
}

static bool state_good(struct disk *d, const struct history *h, uint32_t at, enum disk_luck luck, uint8_t *image)
{
	struct disk *after;
	struct volume v = { 0 };
	char what[4096] = "";
	bool by_e2fsck = random_below(4) == 0, good = true;

	disk_crash(d, at, luck, image);
	if (by_e2fsck)
		good = image_clean(image, disk_bytes(d), true);
	after = disk_of(image, d->block_size, d->blocks);
	volume_open(&v, after);
	good = is_one_of(h, at, &v, what) && good;
	if (!good)
		printf("# event %u of %u, luck %d, e2fsck %d: %s\n", at, d->event_count, luck, by_e2fsck, what);
	good = !volume_close(&v) && image_clean(after->image, disk_bytes(after), false) && good;
	disk_end(after);
	return good;
}

static void crashes(const char *arguments, uint32_t kilobytes, uint32_t states)
{
	struct disk *d = image_make(arguments, (uint64_t)kilobytes << 10);
	struct history h = { .now = mirror_new() };
	struct volume v = { .committing = committing, .owner = &h };
	uint8_t *image = malloc(disk_bytes(d));
	uint32_t good = 0;

	volume_open(&v, d);
	check(!volume_commit(&v), "commit");
	disk_record(d);
	h.snapshots[h.count - 1].begun = h.snapshots[h.count - 1].ended = 0;
	for (uint32_t i = 0; i < 1200; i++) {
		both_random(h.now, &v);
		if (random_below(60) == 0)
			check(!volume_commit(&v), "commit");
		if (random_below(300) == 0)
			check(!ext2_checkpoint(v.ext2), "checkpoint");
	}
	for (uint32_t i = 0; i < states; i++) /* in their order, as that is quicker */
		good += state_good(d, &h, (uint32_t)((uint64_t)d->event_count * i / states + random_below(d->event_count / states + 1)), (enum disk_luck)random_below(3), image);
	ok(good == states, "%u of %u crash states are right: %s, %u commits", good, states, arguments, h.count);
	both_let_go();
	ext2_abandon(v.ext2);
	ok(d->pieces == 0 && d->pages == 0, "abandoned, memory is given back: %lu pieces, %lu pages", d->pieces, d->pages);
	for (uint32_t i = 0; i < h.count; i++)
		mirror_end(h.snapshots[i].mirror);
	free(h.snapshots);
	mirror_end(h.now);
	free(image);
	disk_end(d);
}

int main(int argc, char **argv)
{
	uint32_t states = argc > 2 ? (uint32_t)atoi(argv[2]) : 320;

	test_start(argc, argv);
	mirror_loose = true;
	crashes("-t ext3 -b 1024 -I 128 -J size=1", 12 << 10, states / 5);
	crashes("-t ext3 -b 1024 -I 256", 16 << 10, states / 5);
	crashes("-t ext3 -b 2048 -I 256 -g 2048", 16 << 10, states / 5);
	crashes("-t ext3 -b 4096", 24 << 10, states / 5);
	mirror_full = true; /* blocks are used again as soon as they may be */
	crashes("-t ext3 -b 1024 -I 128 -J size=1 -N 128 -m 0", 2080, states / 5);
	return done_testing();
}
