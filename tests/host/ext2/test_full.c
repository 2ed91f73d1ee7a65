/* No blocks, no inodes, no memory: what then fails has changed nothing, and what is there stays right. */
#include <string.h>
#include <sys/stat.h>

#include "mirror.h"

static void finish(struct mirror *m, struct volume *v, const char *what)
{
	struct disk *d = v->disk;
	char difference[4096];

	d->fail_memory = 0;
	both_let_go();
	ok(mirror_same(m, v, difference), "all is as it should be: %s (%s)", what, difference);
	check(!volume_close(v), "close");
	ok(d->pieces == 0 && d->pages == 0, "memory is given back: %lu pieces, %lu pages", d->pieces, d->pages);
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing: %s", what);
	mirror_end(m);
	disk_end(d);
}

/* Random operations on a volume that is always full. */
static void full(const char *arguments, uint32_t kilobytes, uint32_t count)
{
	struct disk *d = image_make(arguments, (uint64_t)kilobytes << 10);
	struct mirror *m = mirror_new();
	struct volume v = { 0 };
	struct ext2_counts counts;
	uint64_t blocks = UINT64_MAX, inodes = UINT64_MAX;
	struct ext2_node *n;
	int error;

	volume_open(&v, d);
	check(!make(&v, "ballast", S_IFREG | 0600, NULL, &n), "make");
	both_random(m, &v);
	for (uint64_t at = 0; !(error = file_write(&v, n, at, "x", 1)); at += d->block_size) {
		ext2_counts(v.ext2, &counts);
		if (counts.free_blocks < 150)
			break;
	}
	check(!error, "the ballast: %d", error);
	ext2_node_put(n);
	for (uint32_t i = 0; i < count; i++) {
		both_random(m, &v);
		if (random_below(40) == 0)
			check(!volume_commit(&v), "commit");
		ext2_counts(v.ext2, &counts);
		blocks = MIN(blocks, counts.free_blocks);
		inodes = MIN(inodes, counts.free_inodes);
	}
	check(!remove_name(&v, "ballast", false), "the ballast goes");
	ok(blocks < 4 || inodes == 0, "it was full: %lu blocks and %lu inodes were left", blocks, inodes);
	finish(m, &v, arguments);
}

static void without_memory(const char *arguments, uint32_t count)
{
	struct disk *d = image_make(arguments, 16 << 20);
	struct mirror *m = mirror_new();
	struct volume v = { 0 };
	uint64_t refused = 0;

	volume_open(&v, d);
	for (uint32_t i = 0; i < count; i++) {
		d->fail_memory = random_below(3) ? d->asked + 1 + random_below(12) : 0;
		d->fail_memory_on = random_below(4) == 0;
		both_random(m, &v);
		if (random_below(30) == 0)
			volume_commit(&v);
		refused += d->fail_memory && d->asked >= d->fail_memory;
		d->fail_memory = 0;
		if (random_below(20) == 0)
			ext2_shrink(v.ext2, SIZE_MAX);
		if (random_below(30) == 0)
			check(!volume_commit(&v), "commit");
	}
	ok(refused > count / 20, "memory was refused %lu times", refused);
	finish(m, &v, arguments);
}

/* Each piece and page that opening and closing ask for is refused once. */
static void open_without_memory(const char *arguments)
{
	struct disk *d = image_make(arguments, 16 << 20);
	struct volume v = { 0 };
	uint64_t refused = 0;
	bool good = true;

	for (;;) {
		int error;

		d->asked = 0;
		d->fail_memory = refused + 1;
		error = volume_try(&v, d, false);
		if (!error)
			error = volume_close(&v);
		good = good && !d->pieces && !d->pages && (!error || error == -ENOMEM);
		if (d->asked < d->fail_memory)
			break;
		refused++;
	}
	d->fail_memory = 0;
	volume_open(&v, d);
	check(!volume_close(&v), "close");
	ok(good && image_clean(d->image, disk_bytes(d), false), "opened with each of %lu askings refused: %s", refused, arguments);
	disk_end(d);
}

/* What was promised is there when it is asked for, wherever in its file it is put. */
static void promises(void)
{
	struct disk *d = image_make("-t ext3 -b 1024 -J size=1 -m 0 -N 64", 4 << 20);
	struct volume v = { 0 };
	struct ext2_node *n, *other;
	uint64_t promised = 0, block, at = 0;
	uint32_t count, kept = 0;

	volume_open(&v, d);
	check(!make(&v, "promised", S_IFREG | 0644, NULL, &n) && !make(&v, "other", S_IFREG | 0644, NULL, &other), "make");
	while (promised < 100 && !ext2_reserve(v.ext2, 1))
		promised++;
	while (!ext2_allocate(other, at, 100, false, &block, &count)) {
		other->size = (at += count) * 1024;
		volume_room(&v);
	}
	for (uint64_t i = 0; i < promised; i++) {
		volume_room(&v);
		kept += !ext2_allocate(n, i * 1000003 % (1 << 24), 1, true, &block, &count);
	}
	n->size = 1ul << 34;
	ext2_changed(n);
	ok(promised == 100 && kept == 100 && at > 1000, "%u of %lu promises were kept, %lu blocks being taken by somebody else first", kept, promised, at);
	ext2_node_put(n);
	ext2_node_put(other);
	check(!remove_name(&v, "promised", false) && !remove_name(&v, "other", false), "remove");
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "and e2fsck finds nothing");
	disk_end(d);
}

/* Until the transaction that freed them is committed, blocks are whose they were: nobody is given them, however full the volume is. */
static void freed(const char *arguments)
{
	struct disk *d = image_make(arguments, 4 << 20);
	struct volume v = { 0 };
	struct ext2_node *old, *new;
	uint8_t *was = calloc(1, d->blocks);
	uint64_t block, at = 0;
	uint32_t count, early = 0;
	int error, later;

	volume_open(&v, d);
	check(!make(&v, "old", S_IFREG | 0644, NULL, &old) && !make(&v, "new", S_IFREG | 0644, NULL, &new), "make");
	while (at < 1000 && !ext2_allocate(old, at, 50, false, &block, &count)) {
		memset(was + block, 1, count);
		new->goal = at ? new->goal : block; /* that is where it would best be */
		old->size = (at += count) * d->block_size;
	}
	ext2_node_put(old);
	check(!volume_commit(&v) && !remove_name(&v, "old", false), "remove");
	for (at = 0; !(error = ext2_allocate(new, at, 50, false, &block, &count)); at += count)
		for (uint32_t i = 0; i < count; i++)
			early += was[block + i];
	new->size = at * d->block_size;
	check(!volume_commit(&v), "commit");
	later = ext2_allocate(new, at, 1, false, &block, &count);
	new->size += later ? 0 : d->block_size;
	ext2_node_put(new);
	ok(error == -ENOSPC && !early && !later, "what is freed is given to nobody before the commit (%u were, %d), and then it is (%d): %s", early, error, later, arguments);
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "and e2fsck finds nothing");
	free(was);
	disk_end(d);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 2 ? (uint32_t)atoi(argv[2]) : 2500;

	test_start(argc, argv);
	mirror_full = true;
	full("-t ext2 -b 1024 -m 0", 4000, count);
	full("-t ext3 -b 1024 -I 256 -J size=1 -N 48", 6000, count);
	full("-t ext2 -b 4096 -N 64 -m 0", 4000, count);
	without_memory("-t ext2 -b 1024 -I 128", count);
	without_memory("-t ext3 -b 4096 -J size=4", count);
	open_without_memory("-t ext2 -b 1024");
	open_without_memory("-t ext3 -b 2048 -J size=4");
	promises();
	freed("-t ext3 -b 1024 -J size=1");
	freed("-t ext2 -b 1024");
	return done_testing();
}
