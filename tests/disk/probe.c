/* What tests/disk/{faults,full,mutants,memory}.sh run inside the machine: files written and read with every error said by its name, where a shell would only say that something failed. A static program, right on Linux too. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define CHUNK 65536u

static const char *name_of_error(int error)
{
	static char text[16];

	switch (error) {
	case 0: return "0";
	case EIO: return "EIO";
	case ENOSPC: return "ENOSPC";
	case EROFS: return "EROFS";
	case EINVAL: return "EINVAL";
	case EOPNOTSUPP: return "EOPNOTSUPP";
	case ENXIO: return "ENXIO";
	case EBUSY: return "EBUSY";
	case ENOMEM: return "ENOMEM";
	case ENOENT: return "ENOENT";
	default: snprintf(text, sizeof(text), "%d", error); return text;
	}
}
static const char *result(long value) { return name_of_error(value < 0 ? errno : 0); }

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u ^ x >> 32;
}

/* Contents: each word says where it is, and in which file. */
static void fill(uint64_t *to, uint64_t offset, size_t bytes, uint64_t salt)
{
	for (size_t i = 0; i < (bytes + 7) / 8; i++)
		to[i] = mix(salt << 40 ^ (offset / 8 + i));
}

/* Writes in order until an error or the end; how much was taken. */
static uint64_t write_all(int fd, uint64_t from, uint64_t bytes, uint64_t salt, int *error)
{
	static uint64_t chunk[CHUNK / 8];
	uint64_t at = from;

	*error = 0;
	while (at < bytes) {
		uint64_t start = at / CHUNK * CHUNK;
		ssize_t n;

		fill(chunk, start, CHUNK, salt);
		n = pwrite(fd, (char *)chunk + (at - start), bytes - at < start + CHUNK - at ? bytes - at : start + CHUNK - at, (off_t)at);
		if (n < 0) {
			*error = errno;
			break;
		}
		at += (uint64_t)n;
	}
	return at;
}

/* "right", "wrong at N", "short at N", or the error's name. */
static const char *check(const char *path, uint64_t bytes, uint64_t salt)
{
	static uint64_t chunk[CHUNK / 8], got[CHUNK / 8];
	static char text[64];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return name_of_error(errno);
	*text = 0;
	for (uint64_t at = 0; at < bytes && !*text; at += CHUNK) {
		size_t want = bytes - at < CHUNK ? bytes - at : CHUNK;
		ssize_t n = pread(fd, got, want, (off_t)at), more = 0;

		if (n > 0 && (size_t)n < want) /* an error behind it is told to who asks again */
			more = pread(fd, (char *)got + n, want - (size_t)n, (off_t)at + n);
		n = more < 0 ? more : n + more;
		fill(chunk, at, CHUNK, salt);
		if (n < 0)
			snprintf(text, sizeof(text), "%s", name_of_error(errno));
		else if ((size_t)n < want && !memcmp(got, chunk, (size_t)n))
			snprintf(text, sizeof(text), "short at %llu", (unsigned long long)(at + (uint64_t)n));
		else if (memcmp(got, chunk, want))
			snprintf(text, sizeof(text), "wrong at %llu", (unsigned long long)at);
	}
	close(fd);
	return *text ? text : "right";
}

/* write FILE BYTES SALT: over what is there, or a new file. What each step says, fsync twice: an error is told once. */
static int do_write(char **a)
{
	int fd = open(a[0], O_RDWR | O_CREAT, 0644), error;

	if (fd < 0) {
		printf("open %s\n", result(fd));
		return 1;
	}
	write_all(fd, 0, strtoull(a[1], NULL, 0), strtoull(a[2], NULL, 0), &error);
	printf("write %s", name_of_error(error));
	printf(" fsync %s", result(fsync(fd)));
	printf(" fsync %s", result(fsync(fd)));
	printf(" close %s\n", result(close(fd)));
	return 0;
}

static int do_check(char **a)
{
	const char *said = check(a[0], strtoull(a[1], NULL, 0), strtoull(a[2], NULL, 0));

	printf("%s %s\n", a[0], said);
	return strcmp(said, "right") != 0;
}

/* mount DEVICE FOLDER FLAGS, umount FOLDER, sync FOLDER, remove FILE: the error's name. */
static int do_mount(char **a)
{
	printf("mount %s\n", result(mount(a[0], a[1], "ext3", strtoull(a[2], NULL, 0), "")));
	return 0;
}
static int do_umount(char **a)
{
	printf("umount %s\n", result(umount(a[0])));
	return 0;
}
static int do_sync(char **a)
{
	printf("syncfs %s\n", result(syncfs(open(a[0], O_RDONLY))));
	return 0;
}
static int do_remove(char **a)
{
	printf("remove %s\n", result(remove(a[0])));
	return 0;
}

/* go_on FOLDER BYTES MOST: files 0, 1, ... written and synced until one fails, which is said, or there are so many. How many are safe. */
static int do_go_on(char **a)
{
	unsigned long safe = 0, most = strtoul(a[2], NULL, 0);
	const char *failed = "nothing";
	int error = 0;

	for (; safe < most; safe++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "%s/%lu", a[0], safe);
		failed = "open";
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
		if (fd < 0)
			break;
		failed = "write";
		write_all(fd, 0, strtoull(a[1], NULL, 0), safe, &error);
		if ((errno = error))
			break;
		failed = "fsync";
		if (fsync(fd))
			break;
		failed = "close";
		if (close(fd))
			break;
		failed = "nothing";
		errno = 0;
	}
	printf("safe %lu failed %s %s\n", safe, failed, name_of_error(errno));
	return 0;
}

/* Files named by their salt, of sizes that the salt says, up to `end`. What did not fit stays, as long as it got. Totals. */
struct totals {
	unsigned long files;
	unsigned long long bytes;
	char failed[16];
};

static uint64_t size_of(uint64_t salt)
{
	uint64_t r = mix(salt * 77 + 5);

	return r % 8 == 0 ? 0 : r % 8 < 6 ? mix(r) % 9000 : mix(r) % 300000;
}

static void fill_folder(const char *folder, uint64_t first, uint64_t end, struct totals *t)
{
	*t = (struct totals){.failed = "0"};
	for (uint64_t salt = first; salt < end; salt++) {
		char path[300];
		int fd, error;

		snprintf(path, sizeof(path), "%s/%llu", folder, (unsigned long long)salt);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
		if (fd < 0) {
			strcpy(t->failed, name_of_error(errno));
			return;
		}
		t->files++;
		t->bytes += write_all(fd, 0, size_of(salt), salt, &error);
		if (close(fd) && !error)
			error = errno;
		if (error) {
			strcpy(t->failed, name_of_error(error));
			return;
		}
	}
}

/* fill FOLDER FIRST END: until it is full. */
static int do_fill(char **a)
{
	struct totals t;

	fill_folder(a[0], strtoull(a[1], NULL, 0), strtoull(a[2], NULL, 0), &t);
	printf("filled %lu files %llu bytes until %s\n", t.files, t.bytes, t.failed);
	return 0;
}

/* thin FOLDER: removes every other file. verify FOLDER: all that are there are right as far as they go: totals. */
static int over_folder(const char *folder, bool thin)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned long files = 0;
	unsigned long long bytes = 0;

	if (!d)
		return printf("opendir %s\n", result(-1)), 1;
	while (errno = 0, (e = readdir(d)) != NULL) {
		char path[600], *end;
		uint64_t salt = strtoull(e->d_name, &end, 10);
		const char *said;
		struct stat s;

		if (end == e->d_name || *end)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (thin) {
			if (salt % 2 && unlink(path))
				return printf("unlink %s\n", result(-1)), 1;
			continue;
		}
		if (stat(path, &s))
			return printf("stat %s\n", result(-1)), 1;
		said = check(path, (uint64_t)s.st_size, salt);
		if (strcmp(said, "right"))
			return printf("%s %s\n", path, said), 1;
		files++;
		bytes += (uint64_t)s.st_size;
	}
	if (errno)
		return printf("readdir %s\n", result(-1)), 1;
	closedir(d);
	if (!thin)
		printf("verified %lu files %llu bytes\n", files, bytes);
	return 0;
}
static int do_thin(char **a) { return over_folder(a[0], true); }
static int do_verify(char **a) { return over_folder(a[0], false); }

/* map FILE BYTES SALT: read through a private mapping, then written through a shared one (as SALT + 1), in an order that is no order. */
static int do_map(char **a)
{
	uint64_t bytes = strtoull(a[1], NULL, 0), salt = strtoull(a[2], NULL, 0), pages = bytes / 4096, wrong = 0;
	int fd = open(a[0], O_RDWR);
	char *m = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	uint64_t page[512];

	if (fd < 0 || m == MAP_FAILED)
		return printf("map %s\n", result(-1)), 1;
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t at = i * 7919 % pages * 4096;

		fill(page, at, 4096, salt);
		wrong += memcmp(m + at, page, 4096) != 0;
	}
	munmap(m, bytes);
	m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return printf("map %s\n", result(-1)), 1;
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t at = i * 7919 % pages * 4096;

		fill((uint64_t *)(m + at), at, 4096, salt + 1);
	}
	printf("mapped: %llu pages wrong, msync %s", (unsigned long long)wrong, result(msync(m, bytes, MS_SYNC)));
	munmap(m, bytes);
	printf(" fsync %s", result(fsync(fd)));
	printf(" close %s\n", result(close(fd)));
	return wrong != 0;
}

/* mutate DEVICE BASE SEED: the image in BASE with some of its structure damaged: the superblock, descriptors, bitmaps, inodes, directories or the journal, by bytes, words that are at an edge, or blocks changed places. */
static int do_mutate(char **a)
{
	static uint8_t image[8 << 20];
	int base = open(a[1], O_RDONLY), device = open(a[0], O_RDWR);
	ssize_t size = read(base, image, sizeof(image)), done = 0;
	uint64_t state = mix(strtoull(a[2], NULL, 0) + 1);
	unsigned changes = 1 + (unsigned)(mix(state) % 12);

	for (unsigned i = 0; i < changes; i++) {
		static const uint32_t edges[] = {0, 1, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 2, 8, 11};
		uint64_t r = state = mix(state + i), at, area = r % 16;

		at = area < 3 ? 1024 + r / 16 % 264 : area < 4 ? 2048 + r / 16 % 64 : area < 13 ? 3072 + r / 16 % (600 * 1024) : r / 16 % (uint64_t)size;
		if (at + 4 > (uint64_t)size)
			continue;
		if (r >> 40 & 1)
			image[at] = (uint8_t)(r >> 48);
		else
			memcpy(image + (at & ~3ul), &edges[(r >> 48) % 9], 4);
	}
	while (done < size) {
		ssize_t n = write(device, image + done, (size_t)(size - done) < CHUNK ? (size_t)(size - done) : CHUNK);

		if (n <= 0)
			return printf("mutate %s\n", result(-1)), 1;
		done += n;
	}
	return fsync(device) != 0;
}

/* Everything that a volume can be asked, of one that may say anything; what it answers is not looked at, but for endless ones. */
static unsigned long asked;

static void ask(const char *path, unsigned depth)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL && ++asked < 4000) {
		char below[4096], text[4096];
		struct stat s;
		int fd;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || snprintf(below, sizeof(below), "%s/%s", path, e->d_name) >= (int)sizeof(below))
			continue;
		if (lstat(below, &s))
			continue;
		if (S_ISLNK(s.st_mode)) {
			if (readlink(below, text, sizeof(text)) < 0)
				continue;
		} else if (S_ISDIR(s.st_mode)) {
			if (depth < 8)
				ask(below, depth + 1);
			rename(below, "moved");
			rename("moved", below);
		} else if (S_ISREG(s.st_mode) && (fd = open(below, O_RDWR)) >= 0) {
			for (int i = 0; i < 16 && read(fd, text, sizeof(text)) > 0; i++)
				;
			lseek(fd, s.st_size / 2, SEEK_SET);
			if (write(fd, text, sizeof(text)) > 0 && asked % 3 == 0)
				fsync(fd);
			ftruncate(fd, s.st_size / 3);
			close(fd);
			link(below, "another");
			if (asked % 2)
				unlink(below);
			unlink("another");
		}
	}
	if (d)
		closedir(d);
}

/* mutants DEVICE BASE FIRST END FOLDER: each mounted, asked, and taken down again. */
static int do_mutants(char **a)
{
	unsigned long mounted = 0, refused = 0, first = strtoul(a[2], NULL, 0), end = strtoul(a[3], NULL, 0);

	for (unsigned long n = first; n < end; n++) {
		char number[32], *arguments[] = {a[0], a[1], number};
		struct statfs s;

		snprintf(number, sizeof(number), "%lu", n);
		fprintf(stderr, "mutant %lu\n", n);
		if (do_mutate(arguments))
			return 1;
		if (mount(a[0], a[4], "ext3", n % 5 ? 0 : MS_RDONLY, "")) {
			refused++;
			continue;
		}
		mounted++;
		asked = 0;
		if (chdir(a[4]))
			return 1;
		statfs(".", &s);
		ask(".", 0);
		mkdir("new", 0755);
		rmdir("new");
		for (int i = 0; i < 40; i++) {
			snprintf(number, sizeof(number), "file%d", i);
			close(open(number, O_RDWR | O_CREAT, 0600));
		}
		chdir("/");
		sync();
		if (umount(a[4]) && errno == EBUSY)
			return printf("mutant %lu cannot be unmounted\n", n), 1;
	}
	printf("mutants %lu mounted %lu refused %lu\n", end - first, mounted, refused);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **);
	} commands[] = {{"write", 3, do_write}, {"check", 3, do_check}, {"mount", 3, do_mount}, {"umount", 1, do_umount}, {"sync", 1, do_sync}, {"remove", 1, do_remove}, {"go_on", 3, do_go_on}, {"fill", 3, do_fill},
		{"thin", 1, do_thin}, {"verify", 1, do_verify}, {"map", 3, do_map}, {"mutants", 5, do_mutants}};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) && argc == commands[i].arguments + 2)
			return commands[i].run(argv + 2);
	fprintf(stderr, "probe: no such command\n");
	return 2;
}
