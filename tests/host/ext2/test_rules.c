/* The store's rules one by one: cases that are too rare for chance. Argument: a seed. */
#include "store_model.h"

static struct geometry geometry;

static struct model *start(uint32_t block_size, uint32_t slots, uint32_t log)
{
	struct model *m;
	struct disk *d;
	bool replayed;

	geometry = (struct geometry){ .name = "", .block_size = block_size, .slots = slots, .log = log };
	geometry_make(&geometry);
	d = geometry_disk(&geometry);
	m = model_new(&geometry, d, NULL);
	disk_record(d);
	check(model_open(m, &replayed) == 0 && !replayed, "opened");
	return m;
}

static void end(struct model *m)
{
	struct disk *d = m->d;

	model_end(m);
	disk_end(d);
	geometry_end(&geometry);
}

/* The disk after the power went, not yet replayed. */
static struct disk *crashed(struct model *m)
{
	struct disk *d = disk_new(m->d->block_size, m->d->blocks);

	disk_crash(m->d, m->d->event_count, DISK_EVERYTHING, d->image);
	return d;
}

/* Whether after a crash now all that is committed is there. */
static bool survives(struct model *m)
{
	struct disk *d = crashed(m);
	struct model *again = model_new(m->g, d, NULL);
	bool replayed, good;

	check(model_open(again, &replayed) == 0, "opened after a crash");
	good = model_find(m, d, m->transactions, m->transactions) >= 0;
	model_end(again);
	disk_end(d);
	return good;
}

/* The log of a commit that is under way stays in use when a checkpoint empties the rest. */
static void checkpoint_spares_the_commit_under_way(void)
{
	struct model *m = start(1024, 42, 100);

	for (int i = 0; i < 2; i++) /* a first one, so that there is something for the checkpoint to do */
		check(model_all(m, META) == 0 && model_commit_alone(m, i == 1) == 0, "a transaction");
	for (int i = 0; i < 2; i++) {
		check(model_all(m, META) == 0 && model_commit_alone(m, false) == 0, "the next");
		check(survives(m), "transaction %u is lost", m->transactions);
	}
	ok(true, "checkpoint_spares_the_commit_under_way");
	end(m);
}

/* More revoked blocks than one block of the journal names; they become contents, which replaying leaves alone. */
static void revokes_of_several_blocks(uint32_t block_size, uint32_t slots, uint32_t log)
{
	struct model *m = start(block_size, slots, log);

	check(model_all(m, META) == 0 && model_commit_alone(m, false) == 0, "structure");
	check(model_all(m, FREE) == 0, "freed");
	for (uint32_t i = 1; i < slots; i++)
		check(store_held(m->s, geometry.homes[i]), "block %lu could be used at once", geometry.homes[i]);
	check(model_commit_alone(m, false) == 0, "freed");
	check(!store_held(m->s, geometry.homes[1]) && m->d->discarded == slots - 1, "%lu blocks are discarded, of %u", m->d->discarded, slots - 1);
	check(model_all(m, DATA) == 0 && model_commit_alone(m, false) == 0, "contents");
	ok(survives(m), "revokes_of_several_blocks: %u, of %u bytes", slots - 1, block_size);
	end(m);
}

static void fresh_and_given_up(void)
{
	struct model *m = start(2048, 20, 100);
	uint8_t expected[2048];
	struct buffer *b;
	bool good;

	check(buffer_fresh(m->s, geometry.homes[1], &b) == 0, "fresh");
	check(!buffer_known(m->s, geometry.homes[1]), "a buffer whose contents are nobody's is known");
	buffer_put(b);
	check(buffer_read(m->s, geometry.homes[1], &b) == 0, "read");
	fill(&geometry, 1, 0, expected);
	good = memcmp(b->data, expected, 2048) == 0;
	buffer_put(b);
	ok(good && !store_changed(m->s), "fresh_and_given_up: it is read as the disk has it");
	end(m);
}

/* The file system reads its superblock before it knows where the journal is. */
static void buffers_before_replay_are_right_afterwards(void)
{
	struct model *m = start(1024, 20, 100), *again;
	struct buffer *held, *other;
	struct disk *d;
	bool replayed, good;

	check(model_all(m, META) == 0 && model_commit_alone(m, false) == 0, "a transaction");
	d = crashed(m);
	again = model_new(&geometry, d, NULL);
	check(store_new(&again->port, 1024, geometry.blocks, false, &again->s) == 0, "a store");
	check(buffer_read(again->s, geometry.homes[1], &held) == 0 && buffer_read(again->s, geometry.homes[2], &other) == 0, "read");
	buffer_put(other);
	check(geometry_place(&geometry, again->s) == 0 && journal_open(again->s, &replayed) == 0 && replayed, "replayed");
	check(buffer_read(again->s, geometry.homes[2], &other) == 0, "read");
	good = memcmp(held->data, disk_block(d, geometry.homes[1]), 1024) == 0 && memcmp(other->data, disk_block(d, geometry.homes[2]), 1024) == 0;
	ok(good && model_find(m, d, 1, 1) == 1, "buffers_before_replay_are_right_afterwards");
	model_end(again);
	disk_end(d);
	end(m);
}

/* Whoever keeps to store_room can always commit, however often, and needs no more of the log than half of it. */
static void room_is_enough(void)
{
	struct model *m = start(1024, 60, 100);

	for (int i = 0; i < 20; i++) {
		uint32_t n;

		for (n = 0; store_room(m->s) > 1; n++) {
			struct buffer *b;

			check(buffer_read(m->s, geometry.homes[n], &b) == 0 && buffer_change(m->s, b) == 0, "block %u", n);
			buffer_put(b);
		}
		check(n > 40 && n < 50, "room for %u", n);
		check(model_commit_alone(m, i % 2) == 0, "a full transaction");
	}
	ok(true, "room_is_enough");
	end(m);
}

static void read_only_and_replay(void)
{
	struct model *m = start(1024, 20, 100);
	struct ext2_port port;
	struct buffer *b;
	struct store *s;
	struct disk *d;
	bool replayed;

	check(model_all(m, META) == 0 && model_commit_alone(m, false) == 0, "a transaction");
	d = crashed(m);
	disk_port(d, &port);
	port.write = NULL;
	check(store_new(&port, 1024, geometry.blocks, true, &s) == 0 && geometry_place(&geometry, s) == 0, "a store");
	check(journal_open(s, &replayed) == -EROFS, "replayed without writing");
	check(buffer_read(s, geometry.homes[1], &b) == 0 && buffer_change(s, b) == -EROFS && buffer_forget(s, geometry.homes[2]) == -EROFS, "changed");
	buffer_put(b);
	check(buffer_read(s, geometry.blocks, &b) == -EIO && buffer_fresh(s, geometry.blocks, &b) == -EIO, "a block behind the end");
	store_end(s);
	ok(d->writes == 0, "read_only_and_replay: refused, and nothing is written");
	disk_end(d);
	end(m);
}

/* What a damaged volume may lead to: a block is freed while somebody has it, and asked for after it was freed. */
static void blocks_used_twice(void)
{
	struct model *m = start(1024, 20, 100);
	struct buffer *b, *c;

	check(model_all(m, META) == 0 && model_commit_alone(m, false) == 0, "a transaction");
	check(buffer_read(m->s, geometry.homes[1], &b) == 0 && buffer_forget(m->s, geometry.homes[1]) == -EIO, "freed while it is held");
	buffer_put(b);
	check(buffer_forget(m->s, geometry.homes[1]) == 0 && buffer_forget(m->s, geometry.homes[1]) == 0, "freed twice");
	check(buffer_read(m->s, geometry.homes[1], &c) == -EIO && buffer_fresh(m->s, geometry.homes[1], &c) == -EIO && !buffer_known(m->s, geometry.homes[1]), "used before it is committed");
	check(model_commit_alone(m, false) == 0 && buffer_read(m->s, geometry.homes[1], &c) == 0, "read afterwards");
	buffer_put(c);
	ok(true, "blocks_used_twice");
	end(m);
}

/* Blocks smaller than a page share pages, and give them back. */
static void memory_is_given_back(void)
{
	struct model *m = start(1024, 600, 100);
	uint64_t before = m->d->pages, with;
	size_t given;

	buffers_want(m->s, geometry.homes, 600);
	with = m->d->pages;
	check(with - before <= 600 / 4 + 4, "%lu pages for 600 blocks of 1 KiB", with - before);
	given = store_shrink(m->s, SIZE_MAX);
	ok(given == 600 * 1024 && m->d->pages <= before + 2, "memory_is_given_back: %zu bytes; %lu pages more than before", given, m->d->pages - before);
	end(m);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	checkpoint_spares_the_commit_under_way();
	revokes_of_several_blocks(1024, 400, 1000);
	revokes_of_several_blocks(1024, 254, 600); /* they just fill one block, and need another */
	revokes_of_several_blocks(1024, 253, 600);
	fresh_and_given_up();
	buffers_before_replay_are_right_afterwards();
	room_is_enough();
	read_only_and_replay();
	blocks_used_twice();
	memory_is_given_back();
	return done_testing();
}
