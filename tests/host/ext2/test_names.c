/* Names and contents: what is done at random is what the mirror says, on volumes of several kinds; afterwards e2fsck finds nothing wrong, and debugfs reads the same. The reverse too. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror.h"

static const struct kind {
	const char *arguments;
	uint32_t megabytes;
} KINDS[] = {
	{ "-t ext2 -b 1024 -I 128", 24 },
	{ "-t ext2 -b 1024 -I 256 -O ^filetype", 24 },
	{ "-t ext3 -b 1024 -I 128 -J size=2", 32 },
	{ "-t ext3 -b 1024 -I 256", 48 },
	{ "-t ext2 -b 2048 -I 128 -r 0", 16 },
	{ "-t ext3 -b 2048 -I 256 -g 4096", 64 },
	{ "-t ext2 -b 4096", 32 },
	{ "-t ext3 -b 4096 -I 256", 64 },
	{ "-t ext4 -O ^extent,^64bit,^metadata_csum -b 1024 -g 2048", 40 },
};

static void debugfs_compare(const struct mirror *m, const struct disk *d, const char *arguments)
{
	char what[1024] = "";
	int status;

	disk_save(d->image, disk_bytes(d), "read.image");
	status = system("rm -rf read && mkdir read && debugfs -R 'rdump / read' read.image >debugfs.log 2>&1");
	ok(!status && mirror_same_host(m, "read", what), "debugfs reads the same: %s (%s)", arguments, what);
	if (system("chmod -R u+rwx read; rm -rf read read.image"))
		check(false, "rm");
}

static void random_operations(const struct kind *k, uint32_t count)
{
	struct disk *d = image_make(k->arguments, (uint64_t)k->megabytes << 20);
	struct mirror *m = mirror_new();
	struct volume v = { 0 };
	char what[4096];

	volume_open(&v, d);
	for (uint32_t i = 0; i < count; i++) {
		both_random(m, &v);
		if (random_below(50) == 0)
			check(!volume_commit(&v), "commit");
		if (random_below(100) == 0)
			ext2_shrink(v.ext2, random_below(1 << 20));
		if (random_below(400) == 0) {
			both_let_go();
			check(!volume_close(&v), "close");
			volume_open(&v, d);
		}
	}
	both_let_go();
	ok(mirror_same(m, &v, what), "%u operations: %s (%s)", count, k->arguments, what);
	check(!volume_close(&v), "close");
	ok(d->pieces == 0 && d->pages == 0, "memory is given back: %lu pieces, %lu pages", d->pieces, d->pages);
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing: %s", k->arguments);
	debugfs_compare(m, d, k->arguments);
	volume_open(&v, d);
	ok(mirror_same(m, &v, what), "opened again it is the same (%s)", what);
	check(!volume_close(&v), "close");
	mirror_end(m);
	disk_end(d);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	for (unsigned i = 0; i < ARRAY_LENGTH(KINDS); i++)
		random_operations(&KINDS[i], argc > 2 ? (uint32_t)atoi(argv[2]) : 3000);
	return done_testing();
}
