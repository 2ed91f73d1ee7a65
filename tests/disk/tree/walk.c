/* walk list FOLDER: a line for everything below a folder, in no order, the same on any system. walk sparse FOLDER SEED: makes what is in sparse.h. A static program, for the machine and for this host. */
#include <dirent.h>
#include <sys/time.h>

#include "sparse.h"

static uint64_t digest_file(const char *path, uint64_t size)
{
	static uint8_t bytes[64 * PIECE];
	uint64_t digest = 0, at = 0;
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		fail(path);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (n % PIECE)
			memset(bytes + n, 0, PIECE - (size_t)n % PIECE);
		for (ssize_t i = 0; i < n; i += PIECE, at += PIECE)
			digest = digest_piece(digest, at / PIECE, bytes + i, n - i < (ssize_t)PIECE ? (size_t)(n - i) : PIECE);
		at -= (PIECE - (size_t)n % PIECE) % PIECE;
	}
	if (n < 0)
		fail(path);
	if (at != size)
		printf("# %s: %" PRIu64 " bytes can be read, of %" PRIu64 "\n", path, at, size);
	close(fd);
	return digest;
}

static void one(const char *path)
{
	struct stat s;
	char contents[4200] = "";

	if (lstat(path, &s))
		fail(path);
	if (S_ISREG(s.st_mode)) {
		snprintf(contents, sizeof(contents), "%016" PRIx64, digest_file(path, (uint64_t)s.st_size));
	} else if (S_ISLNK(s.st_mode)) {
		ssize_t n = readlink(path, contents, sizeof(contents) - 1);

		if (n < 0)
			fail(path);
		contents[n] = 0;
	}
	print_entry(path, s.st_mode, s.st_uid, s.st_gid, (uint32_t)s.st_nlink - (!strcmp(path, ".") && !access("lost+found", F_OK)), (uint64_t)s.st_size, s.st_mtime, contents);
}

static void walk(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		fail(path);
	while (errno = 0, (e = readdir(d)) != NULL) {
		char *below;
		struct stat s;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, "lost+found"))
			continue;
		if (asprintf(&below, "%s%s%s", strcmp(path, ".") ? path : "", strcmp(path, ".") ? "/" : "", e->d_name) < 0)
			fail("memory");
		one(below);
		if (lstat(below, &s) == 0 && S_ISDIR(s.st_mode))
			walk(below);
		free(below);
	}
	if (errno)
		fail(path);
	closedir(d);
}

static void make_link(void)
{
	const struct timespec times[2] = {{SPARSE_TIME, 0}, {SPARSE_TIME, 0}};

	if (symlink(LINK_TARGET, LINK_NAME) || lchown(LINK_NAME, LINK_UID, LINK_GID) || utimensat(AT_FDCWD, LINK_NAME, times, AT_SYMLINK_NOFOLLOW))
		fail(LINK_NAME);
}

static void make_sparse(const char *seed)
{
	const struct timeval times[2] = {{SPARSE_TIME, 0}, {SPARSE_TIME, 0}};
	uint8_t piece[PIECE];

	for (unsigned number = 0; number < SPARSE_FILES; number++) {
		struct sparse s = sparse_of(seed, number);
		int fd = open(s.name, O_RDWR | O_CREAT | O_EXCL, 0600);

		if (fd < 0 || ftruncate(fd, (off_t)s.size))
			fail(s.name);
		for (unsigned i = SPARSE_PIECES; i-- > 0;) {
			size_t n = s.size - s.at[i] * PIECE < PIECE ? s.size - s.at[i] * PIECE : PIECE;

			sparse_fill(&s, i, piece);
			if (pwrite(fd, piece, n, (off_t)(s.at[i] * PIECE)) != (ssize_t)n)
				fail(s.name);
		}
		if (close(fd) || utimes(s.name, times))
			fail(s.name);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[2]))
		fail(argc < 3 ? "usage: walk list FOLDER | walk sparse FOLDER SEED" : argv[2]);
	if (!strcmp(argv[1], "sparse") && argc == 4) {
		make_sparse(argv[3]);
		make_link();
		return 0;
	}
	one(".");
	walk(".");
	return fflush(stdout) ? 1 : 0;
}
