/* Volumes that somebody has tampered with: thousands of them, each with some of its structure changed, are opened, gone through, read, written and closed. Whatever comes of it, nothing crashes, hangs, or touches memory that is not its own.
 *
 * A mutant depends on the seed and its number alone. ROUND=n in the environment: that one only. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define SECONDS 20 /* that one mutant may take, on a busy machine */

static uint64_t state;
static uint32_t round_now, steps;
static bool looking; /* nothing is changed yet */
static uint8_t *touched; /* blocks of structure: those that were asked for */

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 11) % n);
}

static void tell(int number)
{
	static char text[64];
	int length = snprintf(text, sizeof(text), "# ROUND=%u: signal %d\n", round_now, number);

	if (write(1, text, (size_t)length) == length)
		signal(number, SIG_DFL);
	raise(number);
}

static int (*read_below)(void *data, const struct ext2_io *list, uint32_t n);

static int read_seen(void *data, const struct ext2_io *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		touched[list[i].block] = 1;
	return read_below(data, list, n);
}

static void port_seen(struct ext2_port *port)
{
	read_below = port->read;
	port->read = read_seen;
}

static void fill(struct volume *v)
{
	char path[400], text[3000];
	struct ext2_node *n;

	memset(text, 't', sizeof(text));
	for (int i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), "d%d", i % 4);
		make(v, path, S_IFDIR | 0755, NULL, NULL);
		for (int k = 0; k < 12; k++) {
			snprintf(path, sizeof(path), "d%d/a file with a name %d", i % 4, i * 12 + k);
			check(!make(v, path, S_IFREG | 0644, NULL, &n), "make");
			check(!file_write(v, n, (uint64_t)(k == 3) * 20000 + (uint64_t)(k == 7) * 400000 + (uint64_t)(k == 9) * (70u << 20), text, sizeof(text)), "write");
			ext2_node_put(n);
		}
		snprintf(path, sizeof(path), "d%d/deeper%d", i % 4, i);
		check(!make(v, path, S_IFDIR | 0700, NULL, NULL), "mkdir");
		snprintf(path, sizeof(path), "d%d/link%d", i % 4, i);
		text[30 + i * 20] = '\0';
		check(!make(v, path, S_IFLNK | 0777, text, NULL), "symlink");
		text[30 + i * 20] = 't';
	}
	check(!link_name(v, "d1/link1", "hard"), "link");
}

static bool listed(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next);

/* Goes through it, and does this and that on the way. */
struct tour {
	struct volume *v;
	struct ext2_node *dir;
	unsigned depth;
};

static void contents(struct volume *v, struct ext2_node *n)
{
	uint8_t data[4096] = { 0 };

	file_read(v, n, 0, data, sizeof(data));
	for (int i = 0; i < 3; i++) {
		uint64_t block, at = looking ? (n->size - 1) >> (10 + i) : below(1u << below(32));
		uint32_t count;

		ext2_map(n, at, 1 + below(200), &block, &count);
	}
	if (!looking && below(8) == 0)
		file_write(v, n, (uint64_t)below(1u << below(30)), data, 1 + below(3000));
	if (!looking && below(8) == 0)
		file_truncate(v, n, below(1u << below(30)));
}

static void visit(struct volume *v, struct ext2_node *n, unsigned depth)
{
	char data[4096];

	if (++steps > 300)
		return;
	if (S_ISREG(n->mode)) {
		contents(v, n);
	} else if (S_ISLNK(n->mode)) {
		ext2_readlink(n, data, sizeof(data));
	} else if (S_ISDIR(n->mode) && depth < 12) {
		struct tour t = { .v = v, .dir = n, .depth = depth };
		uint64_t offset = 0;
		uint32_t up;

		ext2_parent(n, &up);
		ext2_list(n, &offset, listed, &t);
	}
}

static void change(struct volume *v, struct ext2_node *dir, const char *name, size_t length)
{
	struct ext2_new new = { .mode = below(2) ? S_IFREG | 0644 : S_IFDIR | 0755 };
	struct ext2_node *made;
	char other[32];
	int other_length = snprintf(other, sizeof(other), "new name %u", below(10));

	volume_room(v);
	switch (below(5)) {
	case 0:
		if (!ext2_make(dir, other, (size_t)other_length, &new, &made))
			ext2_node_put(made);
		break;
	case 1:
		ext2_unlink(dir, name, length, below(2));
		break;
	case 2:
		ext2_rename(dir, name, length, dir, other, (size_t)other_length, false);
		break;
	case 3: {
		struct ext2_node *root;

		if (!ext2_node_get(v->ext2, EXT2_ROOT, &root)) {
			ext2_rename(dir, name, length, root, other, (size_t)other_length, below(4) == 0);
			ext2_node_put(root);
		}
		break;
	}
	default:
		if (below(4) == 0)
			volume_commit(v);
	}
}

static bool listed(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next)
{
	struct tour *t = to;
	struct ext2_node *n;
	char copy[256];
	uint32_t found;

	(void)type;
	(void)next;
	check(number && length <= 255, "listed: %u, %zu bytes", number, length);
	memcpy(copy, name, length);
	if (!ext2_lookup(t->dir, copy, length, &found) && !ext2_node_get(t->v->ext2, found, &n)) {
		visit(t->v, n, t->depth + 1);
		ext2_node_put(n);
	}
	return steps <= 300;
}

/* Changes names in a directory, outside of a listing. */
struct choice {
	uint32_t left;
	char name[256];
	size_t length;
};

static bool chosen(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next)
{
	struct choice *c = to;

	(void)number;
	(void)type;
	(void)next;
	if (length <= 2 && name[0] == '.')
		return true;
	memcpy(c->name, name, length);
	c->length = length;
	return c->left-- > 0;
}

static void changes(struct volume *v)
{
	static const char *const WHERE[] = { "", "d0", "d1", "d2", "d3", "d0/deeper0", "lost+found" };

	for (int i = 0; i < 8; i++) {
		struct choice c = { .left = below(20) };
		struct ext2_node *dir;
		uint64_t offset = 0;

		if (walk(v, WHERE[below(ARRAY_LENGTH(WHERE))], &dir))
			continue;
		ext2_list(dir, &offset, chosen, &c);
		if (c.length)
			change(v, dir, c.name, c.length);
		ext2_node_put(dir);
	}
}

/* Words as they may be thought of: near what is right, at the edges, or of somewhere else. */
static uint32_t word(const struct disk *d, uint32_t old)
{
	uint32_t other;

	switch (below(8)) {
	case 0:
		return old ^ 1u << below(32);
	case 1:
		return below(20);
	case 2:
		return UINT32_MAX - below(3);
	case 3:
		return (uint32_t)d->blocks - below(3);
	case 4:
		return old + below(5) - 2;
	case 5:
		memcpy(&other, d->image + below((uint32_t)(disk_bytes(d) / 4)) * 4, 4);
		return other;
	case 6:
		return below((uint32_t)d->blocks);
	default:
		return (uint32_t)(state >> 7);
	}
}

static void mutate(struct disk *d, const uint32_t *blocks, uint32_t count)
{
	for (uint32_t n = 1 + below(4); n; n--) {
		uint32_t block = below(3) ? blocks[below(count)] : blocks[below(MIN(count, 8))]; /* the first: superblock, descriptors ... */
		uint8_t *data = disk_block(d, block);
		uint32_t used = 0, at;

		for (uint32_t tries = 0; tries < 20 && !used; tries++) { /* where something is */
			at = below(d->block_size / 4) * 4;
			memcpy(&used, data + at, 4);
		}
		if (below(2)) {
			used = word(d, used);
			memcpy(data + at, &used, 4);
		} else {
			data[at + below(4)] ^= (uint8_t)(1u << below(8));
		}
	}
}

static void one(const struct disk *good, const uint32_t *blocks, uint32_t count, uint64_t seed, uint32_t number, uint32_t *opened)
{
	struct disk *d = disk_of(good->image, good->block_size, good->blocks);
	struct volume v = { 0 };

	state = (seed * 0x9e3779b97f4a7c15u) ^ ((number + 1) * 0xff51afd7ed558ccdu) ^ 1;
	round_now = number;
	steps = 0;
	for (int i = 0; i < 8; i++)
		below(2);
	mutate(d, blocks, count);
	alarm(SECONDS);
	if (!volume_try(&v, d, below(10) == 0)) {
		struct ext2_node *root;

		++*opened;
		if (!ext2_node_get(v.ext2, EXT2_ROOT, &root)) {
			visit(&v, root, 0);
			ext2_node_put(root);
		}
		changes(&v);
		volume_commit(&v);
		changes(&v);
		if (below(3))
			volume_close(&v);
		else
			ext2_abandon(v.ext2);
	}
	alarm(0);
	check(!d->pieces && !d->pages, "ROUND=%u: %lu pieces and %lu pages are lost", number, d->pieces, d->pages);
	disk_end(d);
}

static void mutants(const char *arguments, uint32_t kilobytes, uint32_t count, bool crashed, uint64_t seed)
{
	struct disk *d = image_make(arguments, (uint64_t)kilobytes << 10);
	struct volume v = { .port_change = port_seen };
	struct ext2_node *n = NULL;
	uint32_t *blocks = calloc(disk_bytes(d) / 1024, sizeof(*blocks)), block_count = 0, opened = 0;

	touched = calloc(1, disk_bytes(d) / 1024);
	volume_open(&v, d);
	fill(&v);
	check(!volume_close(&v), "close");
	volume_open(&v, d);
	steps = 0;
	check(!ext2_node_get(v.ext2, EXT2_ROOT, &n), "the root");
	{
		struct tour t = { .v = &v, .dir = n };
		uint64_t offset = 0;

		looking = true;
		state = seed | 1;
		check(!ext2_list(n, &offset, listed, &t), "list");
	}
	ext2_node_put(n);
	looking = false;
	if (crashed) { /* something in the journal, and in the list of orphans */
		check(!walk(&v, "d2/a file with a name 27", &n), "walk");
		check(!remove_name(&v, "d2/a file with a name 27", false) && !volume_commit(&v), "commit");
		ext2_abandon(v.ext2);
	} else {
		check(!volume_close(&v), "close");
	}
	for (uint32_t i = 0; i < d->blocks; i++)
		if (touched[i])
			blocks[block_count++] = i;
	for (uint32_t i = 0; i < count; i++)
		if (!getenv("ROUND") || (uint32_t)atoi(getenv("ROUND")) == i)
			one(d, blocks, block_count, seed, i, &opened);
	ok(true, "%u mutants did no harm, %u of them opened: %s, %u blocks of structure", count, opened, arguments, block_count);
	free(touched);
	free(blocks);
	disk_end(d);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 2 ? (uint32_t)atoi(argv[2]) : 12000;
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	test_start(argc, argv);
	signal(SIGALRM, tell);
	signal(SIGABRT, tell);
	mutants("-t ext2 -b 1024 -I 128 -N 256", 1500, count / 3, false, seed);
	mutants("-t ext3 -b 1024 -I 256 -J size=1 -N 256", 3000, count / 3, true, seed);
	mutants("-t ext2 -b 4096 -I 256 -N 256 -O ^resize_inode,flex_bg,sparse_super2", 4000, count / 3, false, seed);
	return done_testing();
}
