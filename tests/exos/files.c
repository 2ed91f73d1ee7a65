/* Files and folders in memory: contents, names, descriptors, and the errors that programs rely on. */
#include "lib.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

static char folder[64];

/* Every test works in a fresh folder of its own, which it leaves behind. */
static void enter_folder(void)
{
	snprintf(folder, sizeof folder, "/tmp/files.%d", getpid());
	CHECK(!mkdir(folder, 0755));
	CHECK(!chdir(folder));
}

static int make(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	IS(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void contains(const char *name, const char *text)
{
	char bytes[256];
	int fd = open(name, O_RDONLY);

	CHECK(fd >= 0);
	ssize_t n = read(fd, bytes, sizeof bytes);
	close(fd);
	IS(n, strlen(text));
	CHECK(!memcmp(bytes, text, (size_t)n));
}

static void what_is_written_is_read(void)
{
	char bytes[16];

	enter_folder();
	int fd = make("a", "hello world");
	IS(lseek(fd, 0, SEEK_CUR), 11);
	IS(read(fd, bytes, 16), 0);
	IS(lseek(fd, 6, SEEK_SET), 6);
	IS(read(fd, bytes, 16), 5);
	CHECK(!memcmp(bytes, "world", 5));
	IS(lseek(fd, -3, SEEK_END), 8);
	IS(write(fd, "XY", 2), 2);
	contains("a", "hello woXYd");
	FAILS(lseek(fd, -100, SEEK_CUR), EINVAL);
	FAILS(lseek(fd, 0, 77), EINVAL);
	IS(pwrite(fd, "H", 1, 0), 1);
	IS(lseek(fd, 0, SEEK_CUR), 10);
	IS(pread(fd, bytes, 5, 0), 5);
	CHECK(!memcmp(bytes, "Hello", 5));
}

static void big_file_keeps_every_byte(void)
{
	enum { SIZE = 5 << 20, PIECE = 10007 };
	static unsigned char piece[PIECE];
	uint32_t state = 1;

	enter_folder();
	int fd = make("big", "");
	for (size_t at = 0; at < SIZE; at += PIECE) {
		for (size_t i = 0; i < PIECE; i++)
			piece[i] = (unsigned char)((state = state * 1664525 + 1013904223) >> 24);
		CHECK(write(fd, piece, PIECE) == PIECE);
	}
	IS(lseek(fd, 0, SEEK_SET), 0);
	state = 1;
	for (size_t at = 0; at < SIZE; at += PIECE) {
		CHECK(read(fd, piece, PIECE) == PIECE);
		for (size_t i = 0; i < PIECE; i++)
			CHECK(piece[i] == (unsigned char)((state = state * 1664525 + 1013904223) >> 24));
	}
	CHECK(!unlink("big"));
}

static void holes_read_as_zero_and_take_no_space(void)
{
	char c = 1;
	struct stat st;

	enter_folder();
	int fd = make("sparse", "");
	IS(pwrite(fd, "x", 1, 1ul << 32), 1);
	CHECK(!fstat(fd, &st));
	IS(st.st_size, (1ul << 32) + 1);
	CHECK(st.st_blocks < 1000);
	IS(pread(fd, &c, 1, 12345678), 1);
	IS(c, 0);
	CHECK(!ftruncate(fd, 10));
	CHECK(!fstat(fd, &st));
	IS(st.st_size, 10);
	IS(pread(fd, &c, 1, 10), 0);
}

static void shortened_file_grows_with_zeros(void)
{
	char bytes[8];

	enter_folder();
	int fd = make("t", "abcdefgh");
	CHECK(!ftruncate(fd, 3));
	CHECK(!ftruncate(fd, 8));
	IS(pread(fd, bytes, 8, 0), 8);
	CHECK(!memcmp(bytes, "abc\0\0\0\0\0", 8));
	FAILS(ftruncate(fd, -1), EINVAL);
	CHECK(!truncate("t", 1));
	contains("t", "a");
}

static void appending_ignores_the_offset(void)
{
	enter_folder();
	close(make("log", "one\n"));
	int a = open("log", O_WRONLY | O_APPEND), b = open("log", O_WRONLY | O_APPEND);
	IS(write(a, "two\n", 4), 4);
	IS(write(b, "three\n", 6), 6);
	IS(lseek(a, 0, SEEK_SET), 0);
	IS(write(a, "four\n", 5), 5);
	contains("log", "one\ntwo\nthree\nfour\n");
	IS(fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
}

static void open_flags_are_obeyed(void)
{
	enter_folder();
	FAILS(open("no", O_RDONLY), ENOENT);
	FAILS(open("no/way", O_RDONLY | O_CREAT, 0600), ENOENT);
	close(make("f", "text"));
	FAILS(open("f", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	FAILS(open("f/x", O_RDONLY), ENOTDIR);
	FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open(".", O_WRONLY), EISDIR);
	FAILS(open("", O_RDONLY), ENOENT);
	int fd = open("f", O_RDONLY);
	FAILS(write(fd, "x", 1), EBADF);
	fd = open("f", O_WRONLY);
	FAILS(read(fd, &fd, 1), EBADF);
	close(open("f", O_WRONLY | O_TRUNC));
	contains("f", "");
	char name[300];
	memset(name, 'n', 299);
	name[299] = 0;
	FAILS(open(name, O_RDONLY | O_CREAT, 0600), ENAMETOOLONG);
}

static void removed_file_lives_while_open(void)
{
	struct stat st;
	char c;

	enter_folder();
	int fd = make("gone", "still here");
	CHECK(!unlink("gone"));
	FAILS(open("gone", O_RDONLY), ENOENT);
	CHECK(!fstat(fd, &st));
	IS(st.st_nlink, 0);
	IS(st.st_size, 10);
	IS(pread(fd, &c, 1, 0), 1);
	IS(c, 's');
}

static void rename_replaces_at_once(void)
{
	enter_folder();
	close(make("a", "new"));
	int old = make("b", "old");
	CHECK(!rename("a", "b"));
	FAILS(open("a", O_RDONLY), ENOENT);
	contains("b", "new");
	char c;
	IS(pread(old, &c, 1, 0), 1);
	IS(c, 'o');
	CHECK(!rename("b", "b"));
	FAILS(rename("none", "c"), ENOENT);
	CHECK(!mkdir("d", 0755));
	CHECK(!mkdir("d/e", 0755));
	FAILS(rename("b", "d"), EISDIR);
	FAILS(rename("d", "b"), ENOTDIR);
	FAILS(rename("d", "d/e/f"), EINVAL);
	CHECK(!mkdir("full", 0755));
	close(make("full/x", ""));
	FAILS(rename("d", "full"), ENOTEMPTY);
	CHECK(!rename("d/e", "e"));
	CHECK(!rename("d", "e"));
	FAILS(open("d", O_RDONLY), ENOENT);
}

static void links_share_a_file(void)
{
	struct stat a, b;

	enter_folder();
	close(make("a", "text"));
	CHECK(!link("a", "b"));
	CHECK(!stat("a", &a) && !stat("b", &b));
	IS(a.st_ino, b.st_ino);
	IS(a.st_nlink, 2);
	FAILS(link("a", "b"), EEXIST);
	FAILS(link("none", "c"), ENOENT);
	CHECK(!mkdir("d", 0755));
	FAILS(link("d", "e"), EPERM);
	CHECK(!unlink("a"));
	contains("b", "text");
	CHECK(!stat("b", &b));
	IS(b.st_nlink, 1);
}

static void symbolic_links_are_followed(void)
{
	char target[64] = "";
	struct stat st;

	enter_folder();
	CHECK(!mkdir("d", 0755));
	close(make("d/f", "deep"));
	CHECK(!symlink("d", "s"));
	CHECK(!symlink("s/f", "t"));
	contains("t", "deep");
	IS(readlink("t", target, sizeof target), 3);
	CHECK(!memcmp(target, "s/f", 3));
	IS(readlink("t", target, 2), 2);
	CHECK(!lstat("t", &st));
	CHECK(S_ISLNK(st.st_mode));
	IS(st.st_size, 3);
	CHECK(!stat("t", &st));
	CHECK(S_ISREG(st.st_mode));
	FAILS(open("t", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK(!symlink("loop", "loop"));
	FAILS(open("loop", O_RDONLY), ELOOP);
	CHECK(!symlink("nowhere", "dangling"));
	FAILS(open("dangling", O_RDONLY), ENOENT);
	close(open("dangling", O_WRONLY | O_CREAT, 0600));
	contains("nowhere", "");
	FAILS(readlink("d", target, 1), EINVAL);
	CHECK(!unlink("s"));
	CHECK(!stat("d/f", &st));
}

static void folders_are_made_and_removed(void)
{
	struct stat st;

	enter_folder();
	CHECK(!stat(".", &st));
	IS(st.st_nlink, 2);
	CHECK(!mkdir("a", 0755));
	CHECK(!stat(".", &st));
	IS(st.st_nlink, 3);
	FAILS(mkdir("a", 0755), EEXIST);
	FAILS(mkdir("x/y", 0755), ENOENT);
	CHECK(!mkdir("a/b", 0755));
	FAILS(rmdir("a"), ENOTEMPTY);
	FAILS(unlink("a"), EISDIR);
	CHECK(!rmdir("a/b"));
	close(make("f", ""));
	FAILS(rmdir("f"), ENOTDIR);
	FAILS(rmdir("a/."), EINVAL);
	CHECK(!rmdir("a"));
	FAILS(rmdir("a"), ENOENT);
}

static void listing_shows_every_name_once(void)
{
	enum { FILES = 300 };
	static char seen[FILES];
	char name[32];
	int dots = 0, total = 0;
	struct dirent *entry;

	enter_folder();
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		close(make(name, ""));
	}
	DIR *d = opendir(".");
	CHECK(d);
	while ((entry = readdir(d))) {
		total++;
		if (entry->d_name[0] == '.') {
			dots++;
			IS(entry->d_type, DT_DIR);
			continue;
		}
		IS(entry->d_type, DT_REG);
		int i = atoi(entry->d_name + 5);
		CHECK(i >= 0 && i < FILES && !seen[i]++);
	}
	IS(dots, 2);
	IS(total, FILES + 2);
	rewinddir(d);
	CHECK(readdir(d));
	/* Removing while reading, as rm -r does, misses nothing. */
	rewinddir(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			CHECK(!unlink(entry->d_name));
	CHECK(!chdir(".."));
	CHECK(!rmdir(folder));
}

static void paths_are_walked(void)
{
	char where[128];
	struct stat a, b;

	enter_folder();
	CHECK(!mkdir("d", 0755));
	CHECK(!chdir("d/../d/./"));
	CHECK(getcwd(where, sizeof where));
	char expected[80];
	snprintf(expected, sizeof expected, "%s/d", folder);
	CHECK(!strcmp(where, expected));
	CHECK(!stat("/", &a) && !stat("/../..", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	FAILS(chdir("none"), ENOENT);
	CHECK(!chdir(".."));
	close(make("f", ""));
	FAILS(chdir("f"), ENOTDIR);
	int fd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(!fchdir(fd));
	close(openat(fd, "g", O_WRONLY | O_CREAT, 0600));
	contains("g", "");
	CHECK(!unlinkat(fd, "g", 0));
	CHECK(!chdir(".."));
	CHECK(!unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
}

static void modes_and_times_are_kept(void)
{
	struct stat st;

	enter_folder();
	umask(027);
	close(open("f", O_WRONLY | O_CREAT, 0666));
	CHECK(!stat("f", &st));
	IS(st.st_mode, S_IFREG | 0640);
	CHECK(!chmod("f", 04755));
	CHECK(!stat("f", &st));
	IS(st.st_mode, S_IFREG | 04755);
	CHECK(!mkdir("d", 01777));
	CHECK(!stat("d", &st));
	IS(st.st_mode, S_IFDIR | 01750);
	struct timespec times[2] = { { 1000, 500 }, { 2000, 0 } };
	CHECK(!utimensat(AT_FDCWD, "f", times, 0));
	CHECK(!stat("f", &st));
	IS(st.st_atim.tv_sec, 1000);
	IS(st.st_mtim.tv_sec, 2000);
	close(make("f", "x"));
	CHECK(!stat("f", &st));
	CHECK(st.st_mtim.tv_sec > 2000);
	CHECK(!access("f", R_OK | W_OK));
	FAILS(access("none", F_OK), ENOENT);
}

static void descriptors_are_the_lowest_free(void)
{
	int a = open("/dev/null", O_RDONLY), b = dup(a), c = dup(a);

	IS(b, a + 1);
	IS(c, a + 2);
	close(b);
	IS(dup(a), b);
	IS(dup2(a, 20), 20);
	IS(dup2(a, a), a);
	FAILS(dup2(99, 5), EBADF);
	FAILS(dup3(a, a, 0), EINVAL);
	IS(fcntl(a, F_DUPFD, 15), 15);
	IS(fcntl(a, F_DUPFD_CLOEXEC, 15), 16);
	IS(fcntl(16, F_GETFD), FD_CLOEXEC);
	CHECK(!close(16));
	FAILS(close(16), EBADF);
	FAILS(fcntl(16, F_GETFD), EBADF);
	FAILS(close(-1), EBADF);
}

static void descriptors_run_out_at_the_limit(void)
{
	int n = 0, last = -1;

	for (int fd; n < 100000 && (fd = open("/dev/null", O_RDONLY)) >= 0; n++)
		last = fd;
	IS(errno, EMFILE);
	CHECK(last >= 255);
	close(last);
	IS(open("/dev/null", O_RDONLY), last);
}

static void devices_do_what_they_are_for(void)
{
	char bytes[64], other[64];

	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), random = open("/dev/urandom", O_RDONLY);
	CHECK(null >= 0 && zero >= 0 && random >= 0);
	IS(read(null, bytes, 10), 0);
	IS(write(null, bytes, 64), 64);
	memset(bytes, 1, 64);
	IS(read(zero, bytes, 64), 64);
	for (int i = 0; i < 64; i++)
		IS(bytes[i], 0);
	IS(read(random, bytes, 64), 64);
	IS(read(random, other, 64), 64);
	CHECK(memcmp(bytes, other, 64));
	IS(syscall(SYS_getrandom, other, 64, 0), 64);
	struct stat st;
	CHECK(!fstat(null, &st));
	CHECK(S_ISCHR(st.st_mode));
	IS(st.st_rdev, 0x103);
	FAILS(ioctl(null, TCGETS, bytes), ENOTTY);
}

static void sendfile_copies_inside(void)
{
	char bytes[16];
	int ends[2];

	enter_folder();
	int from = make("from", "0123456789"), to = make("to", "");
	off_t at = 2;
	IS(sendfile(to, from, &at, 5), 5);
	IS(at, 7);
	contains("to", "23456");
	CHECK(!pipe(ends));
	lseek(from, 0, SEEK_SET);
	IS(sendfile(ends[1], from, NULL, 100), 10);
	IS(read(ends[0], bytes, 16), 10);
	CHECK(!memcmp(bytes, "0123456789", 10));
}

static void statistics_of_the_file_system_are_plausible(void)
{
	struct stat st;

	enter_folder();
	int fd = make("f", "12345");
	CHECK(!fstat(fd, &st));
	IS(st.st_size, 5);
	IS(st.st_nlink, 1);
	CHECK(S_ISREG(st.st_mode));
	CHECK(st.st_ino && st.st_blksize >= 512);
	IS(st.st_uid, getuid());
	FAILS(fstat(99, &st), EBADF);
	FAILS(stat("none", &st), ENOENT);
	FAILS(syscall(SYS_stat, "f", 1), EFAULT);
}

TESTS(T(what_is_written_is_read), T(big_file_keeps_every_byte), T(holes_read_as_zero_and_take_no_space), T(shortened_file_grows_with_zeros),
	T(appending_ignores_the_offset), T(open_flags_are_obeyed), T(removed_file_lives_while_open), T(rename_replaces_at_once),
	T(links_share_a_file), T(symbolic_links_are_followed), T(folders_are_made_and_removed), T(listing_shows_every_name_once),
	T(paths_are_walked), T(modes_and_times_are_kept), T(descriptors_are_the_lowest_free), T(descriptors_run_out_at_the_limit),
	T(devices_do_what_they_are_for), T(sendfile_copies_inside), T(statistics_of_the_file_system_are_plausible))
