/* The store against its model: what a crash leaves, errors of the disk, memory that runs out. Arguments: a seed, and how many crash states are looked at. */
#include "store_model.h"

static uint32_t states_wanted = 2400;

/* Replays by the store; half of the time that is cut off too, and replayed again. */
static struct disk *recover(const struct geometry *g, const uint8_t *image, bool cut)
{
	struct disk *d = disk_of(image, g->block_size, g->blocks);
	struct model *m = model_new(g, d, NULL);
	bool replayed;
	int error;

	if (cut)
		disk_record(d);
	error = model_open(m, &replayed);
	check(!error, "a crashed volume is opened: %d", error);
	model_end(m);
	if (cut) {
		uint8_t *again = malloc(disk_bytes(d));

		disk_crash(d, (uint32_t)random_below(d->event_count + 1u), DISK_SOME, again);
		disk_end(d);
		d = recover(g, again, false);
		free(again);
	}
	return d;
}

/* A life: transactions, and crash states of them. Returns the disk that the next one begins with, recovered, in *state. */
static struct disk *life(const struct geometry *g, struct disk *d, struct state *state, bool first, uint32_t samples)
{
	struct model *m = model_new(g, d, first ? NULL : state);
	uint8_t *image = malloc(disk_bytes(d));
	struct disk *recovered = NULL;
	bool replayed;
	int error;

	m->lazy = random_below(2);
	disk_record(d);
	error = model_open(m, &replayed);
	check(!error && !replayed, "opened: %d", error);
	error = model_run(m, 40);
	check(!error, "transactions: %d", error);
	if (random_below(3) == 0)
		check(model_close(m) == 0, "closed");
	for (uint32_t i = 0; i < samples; i++) {
		uint32_t at = (uint32_t)((uint64_t)d->event_count * i / (samples - 1)), least, most;
		int found;

		model_crash(m, at, i % 8 == 0 ? DISK_NOTHING : i % 8 == 1 ? DISK_EVERYTHING : DISK_SOME, image, &least, &most);
		if (recovered)
			disk_end(recovered);
		recovered = recover(g, image, random_below(2));
		found = model_find(m, recovered, least, most);
		check(found >= 0, "%s: crash at event %u of %u: between transactions %u and %u", g->name, at, d->event_count, least, most);
		*state = *m->states[found];
	}
	model_end(m);
	disk_end(d);
	free(image);
	return recovered;
}

static void crashes(struct geometry *g, uint32_t samples, uint32_t lives)
{
	struct disk *d;
	struct state state;

	geometry_make(g);
	d = geometry_disk(g);
	for (uint32_t i = 0; i < lives; i++)
		d = life(g, d, &state, i == 0, samples / lives);
	disk_end(d);
	geometry_end(g);
	ok(true, "%s: %u crash states in %u lives are what was committed, and nothing that lasts is lost", g->name, samples / lives * lives, lives);
}

static void crash_tests(void)
{
	struct geometry small = { .name = "blocks of 1 KiB, log of 120", .block_size = 1024, .slots = 120, .log = 120 };
	struct geometry large = { .name = "blocks of 4 KiB, log of 90", .block_size = 4096, .slots = 120, .log = 90 };
	struct geometry wide = { .name = "blocks of 2 KiB, log of 400, numbers of 64 bits", .block_size = 2048, .slots = 160, .log = 400, .wide = true };

	crashes(&small, states_wanted / 2, 8);
	crashes(&large, states_wanted / 4, 4);
	crashes(&wide, states_wanted / 4, 4);
}

/* What is on the disk after an error, and what a crash would leave, is what was committed. */
static void check_left(const struct model *m, uint64_t at)
{
	uint8_t *image = malloc(disk_bytes(m->d));

	for (int i = 0; i < 3; i++) {
		struct disk *after;

		disk_crash(m->d, m->d->event_count, i == 0 ? DISK_EVERYTHING : DISK_SOME, image);
		after = recover(m->g, image, false);
		check(model_find(m, after, m->lasting, m->transactions) >= 0, "after a failed request %lu", at);
		disk_end(after);
	}
	free(image);
}

static void check_failed(struct model *m)
{
	uint64_t writes = m->d->writes;
	struct commit *c;
	struct buffer *b;

	check(commit_begin(m->s, &c) == -EIO && checkpoint(m->s) == -EIO && journal_close(m->s) == -EIO, "a store that failed goes on");
	check(buffer_read(m->s, m->g->homes[0], &b) == 0, "a store that failed cannot be read");
	check(b->changed || buffer_change(m->s, b) == -EROFS, "a store that failed may be changed");
	buffer_put(b);
	check(m->d->writes == writes, "a store that failed writes");
}

/* The write `at` fails, and with `on` all after it. False: there were not so many. */
static bool write_fails(const struct geometry *g, uint64_t at, bool on, uint32_t *failed)
{
	struct disk *d = geometry_disk(g);
	struct model *m = model_new(g, d, NULL);
	bool replayed, reached;
	int error;

	disk_record(d);
	d->fail_write = at;
	d->fail_on = on;
	error = model_open(m, &replayed);
	if (!error)
		error = model_run(m, 10);
	if (!error)
		error = model_close(m);
	reached = d->writes >= at;
	check(!!error == reached, "write %lu of %lu fails: %d", at, d->writes, error);
	if (reached && store_failed(m->s)) {
		check_failed(m);
		++*failed;
	}
	check_left(m, at);
	model_end(m);
	disk_end(d);
	return reached;
}

/* A read fails: whoever wanted it is told, and nothing else happens. */
static bool read_fails(const struct geometry *g, uint64_t at)
{
	struct disk *d = geometry_disk(g);
	struct model *m = model_new(g, d, NULL);
	bool replayed, reached;
	int error;

	disk_record(d);
	d->fail_read = at;
	error = model_open(m, &replayed);
	if (error) {
		check(error == -EIO, "a read fails: %d", error);
		store_end(m->s);
		error = model_open(m, &replayed);
	}
	for (int i = 0; i < 4 && !error; i++) {
		error = model_run(m, 2);
		if (error == -EIO && !store_failed(m->s))
			error = 0;
	}
	reached = d->reads >= at;
	if (!error)
		error = model_close(m);
	check(!error, "after a read failed: %d", error);
	check_left(m, at);
	model_end(m);
	disk_end(d);
	return reached;
}

/* The piece of memory `at` is refused, and with `on` all after it, for a while. */
static bool memory_fails(const struct geometry *g, uint64_t at, bool on)
{
	struct disk *d = geometry_disk(g);
	struct model *m = model_new(g, d, NULL);
	bool replayed, reached;
	int error;

	disk_record(d);
	d->fail_memory = at;
	d->fail_memory_on = on;
	error = model_open(m, &replayed);
	for (int i = 0; i < 4 && !error; i++) {
		error = model_run(m, 2);
		if (error == -ENOMEM && !store_failed(m->s))
			error = 0;
	}
	reached = d->asked >= at;
	check(!error || error == -ENOMEM, "memory is refused: %d", error);
	d->fail_memory = 0;
	if (error) {
		if (m->s)
			store_end(m->s);
		error = model_open(m, &replayed);
	}
	if (!error)
		error = model_run(m, 2);
	if (!error)
		error = model_close(m);
	check(!error, "after memory was refused: %d", error);
	check_left(m, at);
	model_end(m);
	disk_end(d);
	return reached;
}

static void fault_tests(void)
{
	struct geometry g = { .name = "", .block_size = 1024, .slots = 120, .log = 100 }, large = { .name = "", .block_size = 4096, .slots = 120, .log = 100 };
	uint32_t failed = 0, n = 0;
	uint64_t at;

	geometry_make(&g);
	geometry_make(&large);
	for (at = 1; at < 400 && write_fails(&g, at, at % 2, &failed); at++)
		n++;
	ok(n > 50 && failed > 20, "%u writes and flushes fail, one in each run; %u times that ends the store; nothing committed is lost", n, failed);
	for (at = 1, n = 0; at < 400 && read_fails(&g, at); at++)
		n++;
	ok(n > 20, "%u reads fail, one in each run; the store goes on", n);
	for (at = 1, n = 0; at < 2000 && memory_fails(at % 4 ? &g : &large, at, at % 2); at += 1 + at / 60)
		n++;
	ok(n > 50, "memory is refused at %u places; the store goes on", n);
	geometry_end(&g);
	geometry_end(&large);
}

/* Without a journal: what is committed is at home. */
static void no_journal(void)
{
	struct geometry g = { .name = "no journal", .block_size = 1024, .slots = 120, .none = true };
	struct disk *d;
	struct model *m;
	bool replayed;

	geometry_make(&g);
	d = geometry_disk(&g);
	m = model_new(&g, d, NULL);
	check(model_open(m, &replayed) == 0 && model_run(m, 60) == 0, "transactions");
	check(model_close(m) == 0, "closed");
	ok(m->transactions > 60 && model_find(m, d, m->transactions, m->transactions) >= 0, "without a journal, what is committed is at home");
	model_end(m);
	disk_end(d);
	geometry_end(&g);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	if (argc > 2)
		states_wanted = (uint32_t)strtoul(argv[2], NULL, 0);
	crash_tests();
	fault_tests();
	no_journal();
	return done_testing();
}
