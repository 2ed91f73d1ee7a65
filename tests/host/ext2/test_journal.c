/* The journal against e2fsprogs, and against journals that somebody made in bad faith. Arguments: a seed, and how many mutants are tried. */
#include <sys/wait.h>

#include "store_model.h"

static uint32_t mutants = 10000;

static int run(const char *command)
{
	int status = system(command);

	check(status != -1 && WIFEXITED(status), "%s: %x", command, status);
	return WEXITSTATUS(status);
}

#define RUN(...) \
	({ \
		char command_[512]; \
		snprintf(command_, sizeof(command_), __VA_ARGS__); \
		run(command_); \
	})

/* The file system's mark that its journal is in use: the caller's business, that is, this test's. */
static void mark_needs_recovery(uint8_t *image) { image[1024 + 96] |= 4; }

/* e2fsck replays our journal: the disk then is in a state that it may be in, and the file system is in order. */
static int by_e2fsck(const struct model *m, uint8_t *image, uint32_t least, uint32_t most)
{
	struct disk *d;
	int found;

	mark_needs_recovery(image);
	disk_save(image, disk_bytes(m->d), "crashed.img");
	check(RUN("e2fsck -fy -E journal_only crashed.img >e2fsck.log 2>&1") <= 1, "e2fsck does not replay");
	d = disk_load("crashed.img", m->g->block_size);
	found = model_find(m, d, least, most);
	disk_end(d);
	check(RUN("e2fsck -fn crashed.img >e2fsck.log 2>&1") == 0, "after that, e2fsck finds faults");
	return found;
}

static int by_store(const struct model *m, const uint8_t *image, uint32_t least, uint32_t most)
{
	struct disk *d = disk_of(image, m->g->block_size, m->g->blocks);
	struct model *again = model_new(m->g, d, NULL);
	bool replayed;
	int found;

	check(model_open(again, &replayed) == 0, "opened");
	found = model_find(m, d, least, most);
	model_end(again);
	disk_end(d);
	return found;
}

static void e2fsck_replays(const char *options, uint32_t block_size, const char *size, bool wide)
{
	struct geometry g = { .name = options, .block_size = block_size, .slots = 600, .log = 1024, .wide = wide, .image = "journal.img" };
	struct disk *d;
	struct model *m;
	uint8_t *image;
	uint32_t samples = 12, behind = 0;
	bool replayed;

	check(RUN("rm -f journal.img; mke2fs -q -F %s -b %u -J size=%u journal.img %s >/dev/null", options, block_size, block_size / 1024, size) == 0, "mke2fs %s", options);
	geometry_make(&g);
	d = geometry_disk(&g);
	image = malloc(disk_bytes(d));
	m = model_new(&g, d, NULL);
	disk_record(d);
	check(model_open(m, &replayed) == 0 && !replayed && model_run(m, 60) == 0, "transactions");
	for (uint32_t i = 0; i < samples; i++) {
		uint32_t at = (uint32_t)((uint64_t)d->event_count * i / (samples - 1)), least, most;
		int found, ours;

		model_crash(m, at, i % 4 ? DISK_SOME : DISK_EVERYTHING, image, &least, &most);
		ours = by_store(m, image, least, most);
		found = by_e2fsck(m, image, least, most);
		check(found >= 0 && found == ours, "%s: crash at event %u of %u: e2fsck comes to state %d, the store to %d", options, at, d->event_count, found, ours);
		behind += found > 0;
	}
	ok(behind > samples / 2, "mke2fs %s -b %u: e2fsck replays the journal of %u crash states as the store does, and then finds no fault", options, block_size, samples);
	free(image);
	model_end(m);
	disk_end(d);
	geometry_end(&g);
}

/* debugfs commits three blocks, revokes one of them and writes the others again; the store replays that. */
static void store_replays(const char *options)
{
	struct geometry g = { .name = options, .block_size = 1024, .slots = 20, .log = 1024, .image = "journal.img" };
	uint8_t contents[3][1024], expected[1024];
	struct model *m;
	struct disk *d;
	bool replayed, good;

	check(RUN("rm -f journal.img; mke2fs -q -F %s -b 1024 -J size=1 journal.img 8M >/dev/null", options) == 0, "mke2fs %s", options);
	geometry_make(&g);
	d = geometry_disk(&g);
	disk_save(d->image, disk_bytes(d), "journal.img");
	disk_end(d);
	for (uint32_t i = 0; i < 3; i++)
		fill(&g, i, 3 * (i + 1), contents[i]); /* all escaped */
	disk_save(contents[0], sizeof(contents), "contents");
	check(RUN("printf 'jo\njw -b %lu,%lu,%lu contents\njw -r %lu\njw -b %lu contents\njc\n' >commands; debugfs -w -f commands journal.img >debugfs.log 2>&1", g.homes[3], g.homes[4], g.homes[5], g.homes[4], g.homes[6]) == 0, "debugfs");
	d = disk_load("journal.img", 1024);
	m = model_new(&g, d, NULL);
	check(model_open(m, &replayed) == 0 && replayed, "replayed");
	fill(&g, 4, 0, expected);
	good = memcmp(disk_block(d, g.homes[3]), contents[0], 1024) == 0 && memcmp(disk_block(d, g.homes[5]), contents[2], 1024) == 0 && memcmp(disk_block(d, g.homes[6]), contents[0], 1024) == 0;
	ok(good && memcmp(disk_block(d, g.homes[4]), expected, 1024) == 0, "mke2fs %s: the store replays what debugfs has committed, and not the block that it revoked", options);
	model_end(m);
	disk_end(d);
	geometry_end(&g);
}

/* A journal's superblock with one field that is not right. */
static void superblocks(void)
{
	static const struct {
		uint32_t at, value;
		int error;
		const char *what;
	} bad[] = {
		{ 0, 0, -EINVAL, "no magic number" },
		{ 4, JOURNAL_COMMIT, -EINVAL, "a commit block" },
		{ 4, JOURNAL_SUPERBLOCK_1, -EOPNOTSUPP, "version 1" },
		{ 12, 2048, -EINVAL, "blocks of another size" },
		{ 16, 1000, -EINVAL, "longer than its file" },
		{ 16, 5, -EINVAL, "too short" },
		{ 20, 0, -EINVAL, "a log that has the superblock in it" },
		{ 20, 99, -EINVAL, "a log without blocks" },
		{ 28, 100, -EINVAL, "a log that begins outside" },
		{ 40, JOURNAL_INCOMPAT_CSUM_3, -EOPNOTSUPP, "checksums" },
		{ 40, JOURNAL_INCOMPAT_FAST_COMMIT, -EOPNOTSUPP, "fast commits" },
		{ 40, JOURNAL_INCOMPAT_ASYNC_COMMIT, -EOPNOTSUPP, "commits that may overtake what they commit" },
		{ 40, 1u << 31, -EOPNOTSUPP, "something unknown" },
		{ 44, 1, -EOPNOTSUPP, "something unknown for writers" },
	};
	struct geometry g = { .name = "", .block_size = 1024, .slots = 20, .log = 100 };

	geometry_make(&g);
	for (uint32_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		struct disk *d = geometry_disk(&g);
		struct model *m = model_new(&g, d, NULL);
		uint32_t big = journal_32(bad[i].value);
		uint64_t writes = d->writes;
		bool replayed;
		int error;

		memcpy(disk_block(d, g.journal[0]) + bad[i].at, &big, 4);
		error = model_open(m, &replayed);
		check(error == bad[i].error && d->writes == writes, "%s: %d", bad[i].what, error);
		model_end(m);
		disk_end(d);
	}
	ok(true, "%zu journals with a wrong superblock are refused, with the right error", ARRAY_LENGTH(bad));
	geometry_end(&g);
}

/* Somewhere in the blocks of the log that begin as the journal's own do, mostly in their first words; or in the superblock. */
static void mutate(const struct geometry *g, struct disk *d)
{
	static const uint32_t values[] = { 0, 1, 2, 5, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xc03b3998 };
	uint8_t *block;

	do
		block = disk_block(d, g->journal[random_below(g->log)]);
	while (*(uint32_t *)block != journal_32(JOURNAL_MAGIC) && random_below(20));
	for (uint64_t n = 1 + random_below(3); n > 0; n--) {
		uint32_t *word = (uint32_t *)block + random_below(random_below(2) ? 12 : g->block_size / 4);

		switch (random_below(4)) {
		case 0:
			*word = journal_32(values[random_below(ARRAY_LENGTH(values))]);
			break;
		case 1:
			*word ^= 1u << random_below(32);
			break;
		case 2:
			*word = journal_32(journal_32(*word) + (uint32_t)random_below(5) - 2);
			break;
		default:
			memcpy(block, disk_block(d, g->journal[random_below(g->log)]), g->block_size);
		}
	}
}

/* Each is opened, or refused; nothing is written outside the volume or into the log, and it is read three times at most. */
static void hostile(void)
{
	struct geometry g = { .name = "", .block_size = 1024, .slots = 60, .log = 80 };
	struct disk *d = NULL, *mutant;
	uint32_t opened = 0, replays = 0, refused = 0, unchecked = 0;
	uint64_t most = 0;

	geometry_make(&g);
	for (uint32_t n = 0; n < mutants; n++) {
		struct model *m;
		bool replayed;
		int error;

		if (n % 500 == 0) { /* another journal to begin with, with all sorts of transactions in it */
			if (d)
				disk_end(d);
			g.wide = n / 500 % 2;
			d = geometry_disk(&g);
			m = model_new(&g, d, NULL);
			check(model_open(m, &replayed) == 0 && model_run(m, 8) == 0, "transactions");
			model_end(m);
		}
		mutant = disk_of(d->image, g.block_size, g.blocks);
		for (uint64_t k = 1 + random_below(3); k > 0; k--)
			mutate(&g, mutant);
		m = model_new(&g, mutant, NULL);
		disk_record(mutant);
		error = model_open(m, &replayed);
		check(!error || error == -EINVAL || error == -EOPNOTSUPP, "mutant %u: %d", n, error);
		most = MAX(most, mutant->reads);
		for (uint32_t e = 0; e < mutant->event_count; e++)
			for (uint32_t b = 0; b < mutant->events[e].n; b++)
				for (uint32_t j = 1; j < g.log; j++)
					unchecked += mutant->events[e].blocks[b] == g.journal[j];
		opened += !error;
		refused += error != 0;
		replays += !error && replayed;
		model_end(m);
		disk_end(mutant);
	}
	if (d)
		disk_end(d);
	ok(opened && refused && replays && !unchecked && most < 20, "%u mutants of journals: %u are refused, %u replayed, %u opened; the log is not written, and read in at most %lu requests", mutants, refused, replays, opened, most);
	geometry_end(&g);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	if (argc > 2)
		mutants = (uint32_t)strtoul(argv[2], NULL, 0);
	e2fsck_replays("-t ext3", 1024, "8M", false);
	e2fsck_replays("-t ext4 -O ^metadata_csum,^64bit,^extents", 4096, "16M", false);
	e2fsck_replays("-t ext4 -O ^metadata_csum,64bit", 1024, "8M", true);
	store_replays("-t ext3");
	store_replays("-t ext2 -j");
	store_replays("-t ext4 -O ^metadata_csum,^64bit,^extents");
	store_replays("-t ext4 -O ^metadata_csum,64bit");
	superblocks();
	hostile();
	return done_testing();
}
