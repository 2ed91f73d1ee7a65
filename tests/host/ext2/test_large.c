/* What is large: directories of 20,000 entries, deep trees, long names, many links, sparse files beyond 4 GiB, truncations that no transaction has room for; and trees that mke2fs has put in. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define ENTRIES 20000u

static bool counted(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next)
{
	(void)name;
	(void)length;
	(void)number;
	(void)type;
	(void)next;
	++*(uint32_t *)to;
	return true;
}

static void directory(const char *arguments, const char *where, uint32_t megabytes)
{
	struct disk *d = image_make(arguments, (uint64_t)megabytes << 20);
	struct volume v = { 0 };
	struct ext2_node *n;
	uint32_t bad = 0, count = 0;
	uint64_t offset = 0, size;
	char name[300];

	volume_open(&v, d);
	bad += !!make(&v, where, S_IFDIR | 0755, NULL, NULL);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "%s/entry %u", where, i);
		bad += !!make(&v, name, S_IFREG | 0644, NULL, NULL);
	}
	for (uint32_t i = 0; i < ENTRIES; i += 2) {
		snprintf(name, sizeof(name), "%s/entry %u", where, i * 7919u % ENTRIES);
		bad += !!remove_name(&v, name, false);
	}
	check(!walk(&v, where, &n), "walk");
	size = n->size;
	for (uint32_t i = 0; i < ENTRIES; i += 2) { /* into the room that is there */
		snprintf(name, sizeof(name), "%s/other %u", where, i);
		bad += !!make(&v, name, S_IFREG | 0644, NULL, NULL);
	}
	bad += n->size > size + size / 4;
	check(!ext2_list(n, &offset, counted, &count), "list");
	ext2_node_put(n);
	ok(!bad && count == ENTRIES + 2, "%u entries made, removed and made in one directory: %u failed, %u listed: %s", ENTRIES, bad, count, arguments);
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing: %s", arguments);
	disk_end(d);
}

static void deep(void)
{
	struct disk *d = image_make("-t ext3 -b 1024 -N 4000", 32 << 20);
	struct volume v = { 0 };
	struct ext2_node *n, *made;
	struct ext2_new new = { .mode = S_IFDIR | 0755 };
	char name[256];
	uint32_t bad = 0, depth;
	int error;

	memset(name, 'n', 255);
	volume_open(&v, d);
	check(!ext2_node_get(v.ext2, EXT2_ROOT, &n), "the root");
	for (depth = 0; depth < 1000; depth++) {
		volume_room(&v);
		if (ext2_make(n, name, 255, &new, &made))
			break;
		ext2_node_put(n);
		n = made;
	}
	error = ext2_make(n, name, 256, &new, &made);
	ext2_node_put(n);
	ok(depth == 1000 && error == -ENAMETOOLONG, "%u levels of names of 255 bytes; one more byte: %d", depth, error);
	bad += !!make(&v, "file", S_IFREG | 0644, NULL, &n);
	for (uint32_t i = 0; i < 64999; i++) {
		snprintf(name, sizeof(name), "link %u", i);
		if ((error = link_name(&v, "file", name)))
			break;
	}
	ok(!bad && !error && n->links == 65000 && link_name(&v, "file", "one more") == -EMLINK, "%u links to one file, and no more (%d)", n->links, error);
	ext2_node_put(n);
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing");
	disk_end(d);
}

static void sparse(const char *arguments, uint32_t megabytes, uint64_t last)
{
	struct disk *d = image_make(arguments, (uint64_t)megabytes << 20);
	struct volume v = { 0 };
	struct ext2_node *n;
	struct ext2_counts before, after;
	uint32_t bad = 0, places = 0, commits = 0;
	char text[32], read[16];
	int error;

	volume_open(&v, d);
	check(!make(&v, "sparse", S_IFREG | 0644, NULL, &n), "make");
	check(!volume_commit(&v), "commit");
	ext2_counts(v.ext2, &before);
	for (uint64_t at = 1; at <= last; at = at * 5 / 4 + 1000, places++) {
		snprintf(text, sizeof(text), "%015lu", at);
		bad += !!file_write(&v, n, at, text, 16);
	}
	bad += !!file_write(&v, n, last, "the end", 8);
	for (uint64_t at = 1; at <= last; at = at * 5 / 4 + 1000) {
		snprintf(text, sizeof(text), "%015lu", at);
		bad += file_read(&v, n, at, read, 16) != 16 || memcmp(read, text, 16);
	}
	bad += file_read(&v, n, last, read, 8) != 8 || memcmp(read, "the end", 8) || n->size != last + 8;
	ok(!bad, "a sparse file of %lu bytes, %u places in it: %s", n->size, places, arguments);
	ext2_node_put(n);
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing");
	volume_open(&v, d);
	check(!walk(&v, "sparse", &n), "walk");
	while ((error = ext2_truncate(n, 0)) == -EAGAIN && ++commits)
		check(!volume_commit(&v), "commit");
	check(!volume_commit(&v), "commit");
	ext2_counts(v.ext2, &after);
	ok(!error && n->sectors == 0 && after.free_blocks == before.free_blocks, "shortened to nothing it has no blocks, %u commits on the way: %lu are free, %lu were", commits, after.free_blocks, before.free_blocks);
	ext2_node_put(n);
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing");
	disk_end(d);
}

/* A file whose freeing touches more groups than a transaction has room for; then the same without a name, freed by the commits; then half-way a crash. */
static void steps(void)
{
	struct disk *d = image_make("-t ext3 -b 1024 -g 256 -O ^resize_inode,^meta_bg -J size=1 -N 9000 -m 0", 192 << 20);
	struct volume v = { 0 };
	struct ext2_node *n;
	struct ext2_counts before, after;
	uint32_t commits = 0;
	uint64_t block;
	int error;

	volume_open(&v, d);
	check(!volume_commit(&v), "commit");
	for (int round = 0; round < 3; round++) {
		uint32_t count;

		ext2_counts(v.ext2, &before);
		check(!make(&v, "wide", S_IFREG | 0644, NULL, &n), "make");
		for (uint64_t at = 0; at < 150000; at += count) {
			volume_room(&v);
			if ((error = ext2_allocate(n, at, 64, false, &block, &count)))
				break;
			n->size = (at + count) * 1024;
		}
		check(!error && !volume_commit(&v), "allocate: %d", error);
		for (commits = 0; round == 0 && (error = ext2_truncate(n, 0)) == -EAGAIN; commits++)
			check(!volume_commit(&v), "commit");
		if (round == 0)
			check(!error, "truncate: %d", error);
		check(!remove_name(&v, "wide", false), "remove");
		ext2_node_put(n);
		if (round == 2) {
			check(!volume_commit(&v), "commit");
			ext2_abandon(v.ext2);
			volume_open(&v, d);
		}
		for (int i = 0; i < 20; i++)
			check(!volume_commit(&v), "commit");
		ext2_counts(v.ext2, &after);
		ok(after.free_blocks == before.free_blocks && (round || commits), "freed in steps, %s: %lu are free, %lu were", round == 0 ? "shortened" : round == 1 ? "without a name" : "by who opens it after a crash",
			after.free_blocks, before.free_blocks);
	}
	check(!volume_close(&v), "close");
	ok(image_clean(d->image, disk_bytes(d), false), "e2fsck finds nothing");
	disk_end(d);
}

static void compare(struct volume *v, const char *path, struct ext2_node *n, uint32_t *seen, uint32_t *bad);

/* Is everything that is in the directory `path` of this host there, and nothing else? */
static void compare_names(struct volume *v, const char *path, struct ext2_node *n, uint32_t *seen, uint32_t *bad)
{
	uint32_t names = 0, there = 0, number;
	uint64_t offset = 0;
	char below[4096];
	DIR *dir = opendir(path);

	for (const struct dirent *e; (e = readdir(dir));) {
		struct ext2_node *child;

		names++;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (ext2_lookup(n, e->d_name, strlen(e->d_name), &number) || ext2_node_get(v->ext2, number, &child)) {
			++*bad;
			continue;
		}
		compare(v, below, child, seen, bad);
		ext2_node_put(child);
	}
	closedir(dir);
	*bad += ext2_list(n, &offset, counted, &there) || there != names + (n->number == EXT2_ROOT); /* lost+found */
}

static void compare(struct volume *v, const char *path, struct ext2_node *n, uint32_t *seen, uint32_t *bad)
{
	char data[4096], read[4096];
	struct stat s;

	++*seen;
	check(!lstat(path, &s), "%s", path);
	*bad += s.st_mode != n->mode || s.st_uid != n->uid || s.st_mtime != (time_t)(n->modified / 1000000000u) || (!S_ISDIR(s.st_mode) && (uint64_t)s.st_size != n->size);
	if (S_ISLNK(s.st_mode)) {
		ssize length = readlink(path, data, sizeof(data));

		*bad += ext2_readlink(n, read, sizeof(read)) != length || memcmp(data, read, (size_t)length);
	} else if (S_ISREG(s.st_mode) && s.st_size < 1 << 30) { /* what is sparse is looked at elsewhere */
		FILE *f = fopen(path, "r");
		size_t length;

		for (uint64_t at = 0; (length = fread(data, 1, sizeof(data), f)) > 0; at += length)
			*bad += file_read(v, n, at, read, sizeof(read)) != (int)length || memcmp(data, read, length);
		fclose(f);
	} else if (S_ISDIR(s.st_mode)) {
		compare_names(v, path, n, seen, bad);
	}
}

/* This source, and what it has not. */
static void tree_make(void)
{
	char command[2048], source[1024];

	snprintf(source, sizeof(source), "%s", __FILE__);
	*strrchr(source, '/') = '\0';
	snprintf(command, sizeof(command),
		"rm -rf tree && mkdir -p tree/many && cp -a %s/../../../exos tree/ && cd tree && ln -s exos/README.md link && ln -s $(printf 'x%%.0s' $(seq 300)) long && truncate -s 5G sparse && printf end >>sparse"
		" && cd many && seq -f 'file number %%.0f' 3000 | xargs -d '\\n' touch && ln 'file number 7' again",
		source);
	check(system(command) == 0, "%s", command);
}

static void put_in(const char *arguments)
{
	char with[512], end[4] = "";
	struct volume v = { 0 };
	struct ext2_node *n;
	struct disk *d;
	uint32_t bad = 0, seen = 0;

	tree_make();
	snprintf(with, sizeof(with), "%s -d tree", arguments);
	d = image_make(with, 100 << 20);
	volume_open(&v, d);
	check(!walk(&v, "sparse", &n), "walk");
	bad += n->size != (5ul << 30) + 3 || file_read(&v, n, 5ul << 30, end, 3) != 3 || memcmp(end, "end", 3);
	ext2_node_put(n);
	check(!ext2_node_get(v.ext2, EXT2_ROOT, &n), "the root");
	compare_names(&v, "tree", n, &seen, &bad);
	ext2_node_put(n);
	ok(!bad && seen > 3000, "%u files that mke2fs put in are read, %u otherwise than they are: %s", seen, bad, arguments);
	ext2_abandon(v.ext2);
	disk_end(d);
	check(system("rm -rf tree") == 0, "rm");
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	put_in("-t ext2 -b 1024 -I 128");
	put_in("-t ext3 -b 4096 -I 256");
	directory("-t ext3 -b 1024 -N 42000", "d", 64);
	directory("-t ext2 -b 4096 -N 42000 -I 128", "d", 64);
	deep();
	sparse("-t ext3 -b 1024 -I 256", 32, 16ul << 30);
	sparse("-t ext2 -b 4096", 64, 1ul << 40);
	steps();
	return done_testing();
}
