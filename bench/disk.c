/* What tools/bench_disk.sh has done to files on a disk: `disk ROW PATH`. It says when it begins and when it is done, and waits each time for the host, which counts or takes the time:
 * `begin ROW`, `end ROW`, and `synced ROW` after sync(2). So starting this program is no part of a row, but of `compile`, which is run for each file and says nothing.
 *
 * compile ROOT SOURCE: what a compiler does to the disk. Reads SOURCE and, once each, the headers that it names and those that they name, as far as they are below ROOT or beside their user, and writes SOURCE.o: as long as SOURCE, and made of all that was read.
 * small.*: 1,000 files of 1 KiB in 10 folders. seq.*, random.*: a file of 64 MiB in pieces of 64 KiB, and a quarter of its 4 KiB pages, each once, in an order that is always the same. fsync: 100 bytes are appended to a file, and so on; fdatasync: 4 KiB of it are written over. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

enum {
	FOLDERS = 10,
	FILES = 100, /* in each */
	SMALL = 1024,
	PAGE = 4096,
	PIECE = 16 * PAGE,
	PAGES = 16384, /* of the large file */
	RANDOM = 4096, /* of them */
	SYNCS = 500,
	LINE = 100, /* bytes appended at a time */
	LARGEST = 1 << 18, /* source file */
	HEADERS = 256,
	PATH = 256,
};

static uint8_t piece[PIECE] __attribute__((aligned(PAGE)));

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static void mark(const char *what, const char *row)
{
	char answer;

	printf("%s %s\n", what, row);
	check(!fflush(stdout) && read(0, &answer, 1) == 1, "mark");
}

static void done(const char *row)
{
	mark("end", row);
	sync();
	mark("synced", row);
}

static int opened(const char *path, int how)
{
	int fd = open(path, how, 0644);

	check(fd >= 0, path);
	return fd;
}

static void give(int fd, size_t n) { check(write(fd, piece, n) == (ssize_t)n, "write"); }
static void take(int fd, size_t n) { check(read(fd, piece, n) == (ssize_t)n, "read"); }

/* A file that is opened, used for one piece and closed. */
static void whole(const char *path, int how, size_t n)
{
	int fd = opened(path, how);

	if (how == O_RDONLY)
		take(fd, n);
	else
		give(fd, n);
	close(fd);
}

static void small(const char *row, const char *at, const char *what)
{
	char path[PATH];

	mark("begin", row);
	for (int folder = 0; folder < FOLDERS; folder++) {
		if (what[0] == 'c') {
			snprintf(path, sizeof path, "%s/%d", at, folder);
			check(!mkdir(path, 0755), path);
		}
		for (int file = 0; file < FILES; file++) {
			snprintf(path, sizeof path, "%s/%d/file%d", at, folder, file);
			if (what[0] == 'd')
				check(!unlink(path), path);
			else
				whole(path, what[0] == 'c' ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY, SMALL);
		}
		if (what[0] == 'd') {
			snprintf(path, sizeof path, "%s/%d", at, folder);
			check(!rmdir(path), path);
		}
	}
	done(row);
}

static void sequential(const char *row, const char *path, bool writes)
{
	int fd = opened(path, writes ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY);

	mark("begin", row);
	for (int i = 0; i < PAGES / (PIECE / PAGE); i++) {
		if (writes)
			give(fd, PIECE);
		else
			take(fd, PIECE);
	}
	done(row);
}

/* Page i of the order: odd multipliers and a shift to the right, exclusive-or'd, are one to one, so no page comes twice. */
static off_t somewhere(uint32_t i)
{
	uint32_t page = i * 0x2545 % PAGES;

	page = (page ^ page >> 7) * 0x1b35 % PAGES;
	return (off_t)page * PAGE;
}

static void scattered(const char *row, const char *path, bool writes)
{
	int fd = opened(path, writes ? O_WRONLY : O_RDONLY);

	mark("begin", row);
	for (uint32_t i = 0; i < RANDOM; i++) {
		off_t at = somewhere(i);

		check((writes ? pwrite(fd, piece, PAGE, at) : pread(fd, piece, PAGE, at)) == PAGE, path);
	}
	done(row);
}

/* Each is on the disk before the next is begun. */
static void lasting(const char *row, const char *path, bool appends)
{
	int fd = opened(path, appends ? O_WRONLY | O_CREAT | O_APPEND : O_WRONLY);

	mark("begin", row);
	for (int i = 0; i < SYNCS; i++) {
		if (appends)
			give(fd, LINE);
		else
			check(pwrite(fd, piece, PAGE, (off_t)(i % PAGES) * PAGE) == PAGE, path);
		check(!(appends ? fsync(fd) : fdatasync(fd)), path);
	}
	done(row);
}

static char text[LARGEST];
static char headers[HEADERS][PATH]; /* those that were read */
static int header_count;
static uint8_t sum; /* of all that was read */

/* Reads a file into `text`; -1: there is none. */
static ssize_t source(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = 0, got;

	if (fd < 0)
		return -1;
	while (n < LARGEST && (got = read(fd, text + n, (size_t)(LARGEST - n))) > 0)
		n += got;
	close(fd);
	for (ssize_t i = 0; i < n; i += SMALL)
		sum = (uint8_t)(sum * 31 + text[i]);
	return n;
}

/* Notes a header that `text` names, unless it is known. */
static void named(const char *name, size_t length)
{
	for (int i = 0; i < header_count; i++)
		if (!strncmp(headers[i], name, length) && !headers[i][length])
			return;
	if (length >= PATH || header_count == HEADERS)
		return;
	memcpy(headers[header_count], name, length);
	headers[header_count++][length] = 0;
}

/* A compiler would work through it all; this is about the disk, so only the beginning is looked at, where the directives are, and 16 bytes at a time. */
static void includes(ssize_t n)
{
	static const char directive[] = "#include ";
	size_t skip = sizeof directive - 1;
	const char *end = text + (n < PAGE ? n : PAGE);

	for (const char *at = text; at + 16 <= end; at += 16) {
		uint32_t signs = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('#')));

		for (; signs; signs &= signs - 1) {
			const char *sign = at + __builtin_ctz(signs), *name = sign + skip + 1, *close;

			if ((sign > text && sign[-1] != '\n') || name >= end || memcmp(sign, directive, skip))
				continue;
			close = memchr(name, sign[skip] == '<' ? '>' : '"', (size_t)(end - name));
			if (close)
				named(name, (size_t)(close - name));
		}
	}
}

/* Reads a header that is in that folder. */
static ssize_t header(const char *folder, size_t length, const char *name)
{
	char path[2 * PATH];
	size_t name_length = strlen(name);

	if (length + name_length + 2 > sizeof path)
		return -1;
	memcpy(path, folder, length);
	path[length] = '/';
	memcpy(path + length + 1, name, name_length + 1);
	return source(path);
}

static void compile(const char *root, const char *path)
{
	char name[2 * PATH], below[PATH];
	const char *slash = strrchr(path, '/');
	ssize_t size = source(path), n;
	int fd;

	check(size >= 0 && slash, path);
	snprintf(below, sizeof below, "%s/include", root);
	includes(size);
	for (int i = 0; i < header_count; i++) {
		if ((n = header(path, (size_t)(slash - path), headers[i])) < 0 && (n = header(root, strlen(root), headers[i])) < 0)
			n = header(below, strlen(below), headers[i]);
		includes(n);
	}
	snprintf(name, sizeof name, "%s.o", path);
	fd = opened(name, O_WRONLY | O_CREAT | O_TRUNC);
	memset(text, sum, (size_t)size);
	check(write(fd, text, (size_t)size) == size && !close(fd), name);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(what, "compile"))
		compile(argv[2], argv[3]);
	else if (argc == 3 && !strncmp(what, "small.", 6))
		small(what, argv[2], what + 6);
	else if (argc == 3 && !strncmp(what, "seq.", 4))
		sequential(what, argv[2], what[4] == 'w');
	else if (argc == 3 && !strncmp(what, "random.", 7))
		scattered(what, argv[2], what[7] == 'w');
	else if (argc == 3 && (!strcmp(what, "fsync") || !strcmp(what, "fdatasync")))
		lasting(what, argv[2], what[1] == 's');
	else {
		fprintf(stderr, "usage: disk ROW PATH | disk compile ROOT SOURCE\n");
		return 2;
	}
	return 0;
}
