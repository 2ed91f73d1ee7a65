/* The disk of the tests. */
#include "disk.h"

void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vfprintf(stderr, text, arguments);
	va_end(arguments);
	abort();
}

/* Memory that never is what it was: who forgets to write it is found out. */
static bool refuse(struct disk *d)
{
	d->asked++;
	return d->fail_memory && (d->asked == d->fail_memory || (d->fail_memory_on && d->asked > d->fail_memory));
}

static void *port_allocate(void *data, size_t n)
{
	struct disk *d = data;

	check(n <= 2048, "a piece of %zu bytes is asked for", n);
	if (refuse(d))
		return NULL;
	d->pieces++;
	return calloc(1, n);
}

static void port_free(void *data, void *p)
{
	struct disk *d = data;

	check(p != NULL, "null is freed");
	d->pieces--;
	free(p);
}

static void *port_page(void *data)
{
	struct disk *d = data;
	void *page;

	if (refuse(d))
		return NULL;
	d->pages++;
	page = aligned_alloc(4096, 4096);
	memset(page, 0xa5, 4096);
	return page;
}

static void port_page_free(void *data, void *page)
{
	struct disk *d = data;

	check(page && (uintptr_t)page % 4096 == 0, "%p is freed as a page", page);
	d->pages--;
	free(page);
}

static uint64_t port_now(void *data)
{
	struct disk *d = data;

	return d->now += 1000000007u;
}

static void check_io(const struct disk *d, const struct ext2_io *io)
{
	check(io->block < d->blocks, "block %lu of %lu", io->block, d->blocks);
	check(((uintptr_t)io->memory & 4095) + d->block_size <= 4096, "memory of two pages");
}

static bool fails(const struct disk *d, uint64_t count, uint64_t at)
{
	return d->gone || (at && (count == at || (d->fail_on && count > at)));
}

static int port_read(void *data, const struct ext2_io *list, uint32_t n)
{
	struct disk *d = data;
	bool bad = fails(d, ++d->reads, d->fail_read);

	for (uint32_t i = 0; i < n; i++) {
		check_io(d, &list[i]);
		bad |= d->bad_block && list[i].block == d->bad_block;
	}
	for (uint32_t i = 0; i < n; i++)
		memcpy(list[i].memory, disk_block(d, list[i].block), bad ? d->block_size / 2 : d->block_size);
	return bad ? -EIO : 0;
}

static struct disk_event *event(struct disk *d, uint32_t n)
{
	struct disk_event *e;

	if (d->event_count == d->event_room) {
		d->event_room = d->event_room ? 2 * d->event_room : 64;
		d->events = realloc(d->events, d->event_room * sizeof(*d->events));
	}
	e = &d->events[d->event_count++];
	*e = (struct disk_event){ .n = n };
	if (n) {
		e->blocks = malloc(n * sizeof(*e->blocks));
		e->contents = malloc((size_t)n * d->block_size);
	}
	return e;
}

static int port_write(void *data, const struct ext2_io *list, uint32_t n, bool lasting)
{
	struct disk *d = data;
	bool bad = fails(d, ++d->writes, d->fail_write);
	struct disk_event *e = d->recording && !d->gone ? event(d, n) : NULL;
	bool backwards = random_below(2); /* the order within a request is the disk's */

	check(n > 0, "nothing is written");
	if (e)
		e->lasting = lasting && !bad;
	for (uint32_t i = 0; i < n; i++) {
		const struct ext2_io *io = &list[backwards ? n - 1 - i : i];
		const uint8_t *from = io->memory;

		check_io(d, io);
		if (d->gone || (bad && random_below(2)))
			from = disk_block(d, io->block);
		if (e) {
			e->blocks[i] = io->block;
			memcpy(e->contents + (size_t)i * d->block_size, from, d->block_size);
		}
		memmove(disk_block(d, io->block), from, d->block_size);
	}
	return bad ? -EIO : 0;
}

static int port_flush(void *data)
{
	struct disk *d = data;

	if (fails(d, ++d->writes, d->fail_write))
		return -EIO;
	if (d->recording)
		event(d, 0)->flush = true;
	return 0;
}

static void port_discard(void *data, uint64_t block, uint64_t count)
{
	struct disk *d = data;

	check(block < d->blocks && count <= d->blocks - block, "blocks %lu, %lu are discarded", block, count);
	d->discarded += count;
}

void disk_port(struct disk *d, struct ext2_port *port)
{
	*port = (struct ext2_port){ .data = d, .now = port_now, .allocate = port_allocate, .free = port_free, .page = port_page, .page_free = port_page_free, .read = port_read, .write = port_write, .flush = port_flush,
		.discard = port_discard };
}

/* Images that are not used now. A test needs thousands, one after the other, and the host's kernel would take longer to give out their pages than the test takes. */
static struct {
	uint8_t *image;
	size_t bytes;
} spare[6];

static uint8_t *image_take(size_t bytes)
{
	for (uint32_t i = 0; i < ARRAY_LENGTH(spare); i++) {
		uint8_t *image = spare[i].image;

		if (image && spare[i].bytes == bytes) {
			spare[i].image = NULL;
			return image;
		}
	}
	return malloc(bytes);
}

static void image_give(uint8_t *image, size_t bytes)
{
	static uint32_t next;

	if (!image)
		return;
	next = (next + 1) % ARRAY_LENGTH(spare);
	free(spare[next].image);
	spare[next].image = image;
	spare[next].bytes = bytes;
}

static struct disk *make(uint32_t block_size, uint64_t blocks)
{
	struct disk *d = calloc(1, sizeof(*d));

	d->block_size = block_size;
	d->blocks = blocks;
	d->image = image_take(disk_bytes(d));
	d->now = 1700000000000000000u;
	return d;
}

struct disk *disk_new(uint32_t block_size, uint64_t blocks)
{
	struct disk *d = make(block_size, blocks);

	memset(d->image, 0, disk_bytes(d));
	return d;
}

struct disk *disk_of(const uint8_t *image, uint32_t block_size, uint64_t blocks)
{
	struct disk *d = make(block_size, blocks);

	memcpy(d->image, image, disk_bytes(d));
	return d;
}

struct disk *disk_load(const char *path, uint32_t block_size)
{
	FILE *f = fopen(path, "r");
	struct disk *d;
	long bytes;

	check(f != NULL, "%s cannot be read", path);
	fseek(f, 0, SEEK_END);
	bytes = ftell(f);
	rewind(f);
	d = make(block_size, (uint64_t)bytes / block_size);
	check(fread(d->image, block_size, d->blocks, f) == d->blocks, "%s cannot be read", path);
	fclose(f);
	return d;
}

void disk_save(const uint8_t *image, size_t bytes, const char *path)
{
	FILE *f = fopen(path, "w");

	check(f && fwrite(image, 1, bytes, f) == bytes && fclose(f) == 0, "%s cannot be written", path);
}

static void forget(struct disk *d)
{
	for (uint32_t i = 0; i < d->event_count; i++) {
		free(d->events[i].blocks);
		free(d->events[i].contents);
	}
	d->event_count = d->lasting_at = 0;
}

void disk_end(struct disk *d)
{
	check(!d->pieces && !d->pages, "%lu pieces of memory and %lu pages are left", d->pieces, d->pages);
	forget(d);
	free(d->events);
	image_give(d->base, disk_bytes(d));
	image_give(d->lasting, disk_bytes(d));
	image_give(d->image, disk_bytes(d));
	free(d);
}

void disk_record(struct disk *d)
{
	forget(d);
	if (!d->base) {
		d->base = image_take(disk_bytes(d));
		d->lasting = image_take(disk_bytes(d));
	}
	memcpy(d->base, d->image, disk_bytes(d));
	memcpy(d->lasting, d->image, disk_bytes(d));
	d->recording = true;
}

static void apply(const struct disk *d, const struct disk_event *e, uint8_t *image, enum disk_luck luck)
{
	for (uint32_t i = 0; i < e->n && luck != DISK_NOTHING; i++) {
		const uint8_t *from = e->contents + (size_t)i * d->block_size;
		uint8_t *to = image + e->blocks[i] * d->block_size;
		uint64_t kind = luck == DISK_SOME ? random_below(8) : 7; /* mostly whole blocks */

		if (kind == 0) {
			for (uint32_t at = 0; at < d->block_size; at += 512)
				if (random_below(2))
					memcpy(to + at, from + at, 512);
		} else if (kind >= 4) {
			memcpy(to, from, d->block_size);
		}
	}
}

/* The last flush that was done before event `at` decides what lasts. */
static uint32_t flushed_before(const struct disk *d, uint32_t at)
{
	while (at > 0 && !d->events[at - 1].flush)
		at--;
	return at;
}

void disk_crash(struct disk *d, uint32_t at, enum disk_luck luck, uint8_t *image)
{
	uint32_t flushed = flushed_before(d, at), end = at < d->event_count ? at + 1 : at;

	if (d->lasting_at > flushed) {
		memcpy(d->lasting, d->base, disk_bytes(d));
		d->lasting_at = 0;
	}
	for (; d->lasting_at < flushed; d->lasting_at++)
		apply(d, &d->events[d->lasting_at], d->lasting, DISK_EVERYTHING);
	memcpy(image, d->lasting, disk_bytes(d));
	for (uint32_t i = flushed; i < end; i++)
		apply(d, &d->events[i], image, d->events[i].lasting && i < at ? DISK_EVERYTHING : luck);
}
