/* Files on a disk, as Linux has them: run in a folder of a mounted volume by files.sh, on ExOS and (EXO_ON=linux) on Linux. SEED: of the random writes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/statfs.h>

#include "../exos/lib.h"

#define PAGE 4096
static uint64_t seed = 1;
static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (uint32_t)(seed >> 33) % below;
}

static int make(const char *name, const void *bytes, size_t n)
{
	int f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(f >= 0);
	IS(write(f, bytes, n), n);
	return f;
}

/* Nothing of it stays in memory that need not. */
static void forget(int f)
{
	IS(fsync(f), 0);
	IS(posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void contents_are_what_was_written(void)
{
	enum { SIZE = 600000, ROUNDS = 1500 };
	static uint8_t model[SIZE], got[SIZE], bytes[30000];
	const char *given = getenv("SEED");
	size_t size = 0;
	int f = open("random", O_RDWR | O_CREAT | O_TRUNC, 0644);

	seed = given ? strtoul(given, NULL, 0) : 1;
	printf("# seed %lu\n", (unsigned long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t at = draw(SIZE), n = draw(sizeof(bytes)) + 1, kind = draw(20);

		n = at + n > SIZE ? SIZE - at : n;
		if (kind < 10) {
			memset(bytes, round | 1, n);
			IS(pwrite(f, bytes, n, at), n);
			memcpy(model + at, bytes, n);
			size = at + n > size ? at + n : size;
		} else if (kind < 14) {
			long expected = at >= size ? 0 : at + n > size ? (long)(size - at) : (long)n;
			IS(pread(f, got, n, at), expected);
			CHECK(!memcmp(got, model + at, (size_t)expected));
		} else if (kind < 16) {
			IS(ftruncate(f, at), 0);
			if (at < size)
				memset(model + at, 0, size - at);
			size = at;
		} else if (kind < 18 && size) {
			uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
			CHECK(p != MAP_FAILED);
			at %= size;
			p[at] = model[at] = (uint8_t)(round | 1);
			CHECK(!memcmp(p, model, size));
			IS(munmap(p, size), 0);
		} else if (kind == 18) {
			forget(f);
		} else {
			IS(fdatasync(f), 0);
		}
	}
	forget(f);
	IS(lseek(f, 0, SEEK_END), size);
	IS(pread(f, got, SIZE, 0), size);
	CHECK(!memcmp(got, model, size));
}

static void holes_and_far_ends(void)
{
	const off_t far = 5000000000;
	struct stat st;
	char b[8];
	int f = make("sparse", "", 0);

	IS(pwrite(f, "end", 3, far), 3);
	IS(fsync(f), 0);
	IS(fstat(f, &st), 0);
	IS(st.st_size, far + 3);
	CHECK(st.st_blocks <= 64);
	forget(f);
	IS(pread(f, b, 8, far - 2), 5);
	CHECK(!memcmp(b, "\0\0end", 5));
	IS(pread(f, b, 8, 100000), 8);
	CHECK(!b[0] && !b[7]);
	IS(ftruncate(f, 10), 0);
	IS(fstat(f, &st), 0);
	IS(st.st_blocks, 0);
}

static void mappings_are_the_file(void)
{
	int f = make("map", "", 0), pid;
	char b[8], *p, *q;

	IS(ftruncate(f, 25 * PAGE - 100), 0);
	p = mmap(NULL, 25 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	CHECK(p != MAP_FAILED && !p[5 * PAGE]);
	memset(p + PAGE, 'x', 2 * PAGE);
	IS(pread(f, b, 8, PAGE + 7), 8);
	IS(b[3], 'x');
	IS(pwrite(f, "hello", 5, PAGE + 4), 5);
	CHECK(!memcmp(p + PAGE + 4, "hello", 5));
	IS(msync(p, 25 * PAGE, MS_SYNC), 0);
	p[PAGE] = 'y'; /* it is writable all the time, and has to be written again */
	forget(f);
	IS(p[PAGE], 'y');
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, PAGE);
	q[1] = 'z';
	IS(p[PAGE + 1], 'x');
	pid = fork();
	if (!pid) {
		p[7 * PAGE] = 'c';
		q[2] = 'c';
		_exit(0);
	}
	ENDS(pid, 0);
	IS(p[7 * PAGE], 'c');
	IS(q[2], 'x');
	IS(munmap(p, 25 * PAGE), 0);
	forget(f);
	IS(pread(f, b, 1, 7 * PAGE), 1);
	IS(b[0], 'c');
}

static void behind_the_end_is_a_bus_error(void)
{
	int f = make("short", "12345", 5), pid = fork();

	if (!pid) {
		volatile char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, f, 0);
		if (p[4] == '5' && !p[5])
			(void)p[PAGE];
		_exit(1);
	}
	ENDS(pid, SIGBUS);
}

/* The kernel's, or the library's, own accesses to pages that have to be read first. */
static void calls_reach_into_mappings(void)
{
	enum { N = 40 };
	static char bytes[N * PAGE];
	int f, to, ends[2], pid, *where;
	char *p;

	for (int i = 0; i < N * PAGE; i++)
		bytes[i] = (char)(i / PAGE + i);
	f = make("source", bytes, sizeof(bytes));
	forget(f);
	p = mmap(NULL, sizeof(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	CHECK(p != MAP_FAILED);
	to = make("target", "", 0);
	IS(write(to, p, 10 * PAGE), 10 * PAGE); /* from pages that are not there */
	IS(pread(to, p + 20 * PAGE, 10 * PAGE, 0), 10 * PAGE); /* into such */
	CHECK(!memcmp(p + 20 * PAGE, bytes, 10 * PAGE));
	IS(pipe(ends), 0);
	IS(write(ends[1], p + 31 * PAGE, 100), 100);
	IS(read(ends[0], p + 33 * PAGE - 50, 100), 100);
	CHECK(!memcmp(p + 33 * PAGE - 50, bytes + 31 * PAGE, 100));
	where = (int *)(p + 35 * PAGE);
	pid = fork();
	if (!pid)
		_exit(7);
	while (wait4(pid, where, 0, NULL) < 0)
		IS(errno, EINTR);
	IS(WEXITSTATUS(*where), 7);
}

static void appends_do_not_mix(void)
{
	enum { LINES = 300, WRITERS = 4, LENGTH = 50 };
	char line[LENGTH + 1], all[LINES * WRITERS * LENGTH];
	int pids[WRITERS], counts[WRITERS] = {0}, f;

	make("log", "", 0);
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		if (pids[w])
			continue;
		f = open("log", O_WRONLY | O_APPEND);
		memset(line, 'a' + w, LENGTH);
		for (int i = 0; i < LINES; i++)
			if (write(f, line, LENGTH) != LENGTH || (i % 50 == 0 && fsync(f)))
				_exit(1);
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++)
		ENDS(pids[w], 0);
	f = open("log", O_RDONLY);
	IS(read(f, all, sizeof(all)), sizeof(all));
	for (size_t at = 0; at < sizeof(all); at += LENGTH) {
		for (int i = 1; i < LENGTH; i++)
			IS(all[at + (size_t)i], all[at]);
		counts[all[at] - 'a']++;
	}
	for (int w = 0; w < WRITERS; w++)
		IS(counts[w], LINES);
}

static void names(void)
{
	char name[257], target[2000];
	struct stat st;

	IS(mkdir("n", 0755), 0);
	FAILS(mkdir("n", 0755), EEXIST);
	close(make("n/a", "a", 1));
	IS(link("n/a", "n/b"), 0);
	IS(stat("n/b", &st), 0);
	IS(st.st_nlink, 2);
	FAILS(rmdir("n"), ENOTEMPTY);
	FAILS(unlink("n"), EISDIR);
	FAILS(rmdir("n/a"), ENOTDIR);
	FAILS(link("n", "m"), EPERM);
	memset(name, 'x', 256);
	name[255] = 0;
	close(make(name, "", 0));
	IS(unlink(name), 0);
	name[255] = 'x', name[256] = 0;
	FAILS(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	memset(target, 't', sizeof(target) - 1);
	target[500] = 0;
	IS(symlink(target, "n/long"), 0);
	IS(readlink("n/long", name, 200), 200);
	IS(lstat("n/long", &st), 0);
	IS(st.st_size, 500);
	target[40] = 0;
	IS(symlink(target, "n/short"), 0);
	IS(readlink("n/short", name, 200), 40);
	IS(unlink("n/long"), 0);
	IS(unlink("n/short"), 0);
	FAILS(open("n/none", O_RDONLY), ENOENT);
	IS(unlink("n/a"), 0);
	IS(stat("n/b", &st), 0);
	IS(st.st_nlink, 1);
	IS(unlink("n/b"), 0);
	IS(rmdir("n"), 0);
}

static void renames(void)
{
	struct stat st;
	char b[4];
	int f;

	IS(mkdir("r", 0755), 0);
	IS(mkdir("r/d", 0755), 0);
	close(make("r/one", "one", 3));
	close(make("r/two", "two", 3));
	IS(rename("r/one", "r/two"), 0);
	f = open("r/two", O_RDONLY);
	IS(read(f, b, 4), 3);
	CHECK(!memcmp(b, "one", 3));
	FAILS(access("r/one", F_OK), ENOENT);
	FAILS(rename("r", "r/d/e"), EINVAL);
	FAILS(rename("r/two", "r/d"), EISDIR);
	FAILS(rename("r/d", "r/two"), ENOTDIR);
	IS(mkdir("r/e", 0755), 0);
	IS(rename("r/d", "r/e/d"), 0);
	IS(stat("r", &st), 0);
	IS(st.st_nlink, 3);
	IS(stat("r/e", &st), 0);
	IS(st.st_nlink, 3);
	IS(stat("r/e/d/..", &st), 0);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "r/two", AT_FDCWD, "r/e", 1), EEXIST);
	IS(syscall(SYS_renameat2, AT_FDCWD, "r/two", AT_FDCWD, "r/e", 2), 0);
	IS(stat("r/two", &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	IS(stat("r/e", &st), 0);
	CHECK(S_ISREG(st.st_mode));
}

static void many_names_while_they_go(void)
{
	enum { N = 1500 };
	char name[60];
	struct dirent *e;
	int seen = 0;
	DIR *d;

	IS(mkdir("many", 0755), 0);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many/a file with a name of some length %d", i);
		close(make(name, name, 5));
	}
	d = opendir("many");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "many/%.40s", e->d_name);
		IS(unlink(name), 0);
		seen++;
	}
	IS(seen, N);
	IS(rmdir("many"), 0);
}

static void the_unnamed_live_on(void)
{
	struct stat st;
	char b[4];
	int f = make("gone", "data", 4);

	IS(unlink("gone"), 0);
	IS(pread(f, b, 4, 0), 4);
	IS(pwrite(f, "more", 4, 100000), 4);
	IS(fstat(f, &st), 0);
	IS(st.st_nlink, 0);
	IS(fsync(f), 0);
	IS(mkdir("empty", 0755), 0);
	IS(chdir("empty"), 0);
	IS(rmdir("../empty"), 0);
	FAILS(open("new", O_CREAT | O_WRONLY, 0644), ENOENT);
}

static void attributes(void)
{
	struct timespec times[2] = {{1000000000, 5}, {1100000000, 6}};
	struct stat st;
	int f = make("attributes", "x", 1);

	IS(fchmod(f, 04751), 0);
	IS(fchown(f, 70000, 80000), 0);
	IS(futimens(f, times), 0);
	forget(f);
	IS(fstat(f, &st), 0);
	IS(st.st_mode & 07777, 0751);
	IS(st.st_uid, 70000);
	IS(st.st_gid, 80000);
	IS(st.st_atime, 1000000000);
	IS(st.st_mtime, 1100000000);
	IS(mkdir("group", 0755), 0);
	IS(chown("group", 0, 1234), 0);
	IS(chmod("group", 02775), 0);
	close(make("group/file", "", 0));
	IS(stat("group/file", &st), 0);
	IS(st.st_gid, 1234);
	IS(mkdir("group/folder", 0755), 0);
	IS(stat("group/folder", &st), 0);
	IS(st.st_mode & 02000, 02000);
	IS(mknod("null", S_IFCHR | 0666, 0x103), 0);
	f = open("null", O_WRONLY);
	IS(write(f, "nothing", 7), 7);
	IS(mkfifo("fifo", 0600), 0);
	f = open("fifo", O_RDWR);
	IS(write(f, "pipe", 4), 4);
}

static void space(void)
{
	struct statfs before, after;
	struct stat st;
	static const char page[PAGE];
	int f = make("space", "", 0);

	IS(fstatfs(f, &before), 0);
	IS(before.f_type, 0xef53);
	IS(posix_fallocate(f, 0, 1 << 20), EOPNOTSUPP); /* not for this kind of file system, as on Linux */
	for (int n = 0; n < 1 << 20; n += PAGE)
		IS(pwrite(f, page, PAGE, n), PAGE);
	IS(fstat(f, &st), 0);
	IS(st.st_size, 1 << 20);
	CHECK(st.st_blocks >= 2048);
	IS(fsync(f), 0);
	IS(fstatfs(f, &after), 0);
	CHECK(after.f_bfree * (uint64_t)after.f_bsize + (1 << 20) <= before.f_bfree * (uint64_t)before.f_bsize);
	IS(stat("/", &st), 0);
	CHECK(st.st_dev != 0);
	f = open("space", O_RDWR | O_DIRECT);
	CHECK(f >= 0);
	f = open("space", O_RDWR | O_SYNC | O_TRUNC);
	IS(write(f, "now", 3), 3);
	IS(syncfs(f), 0);
	sync();
}

static void programs_run_from_there(void)
{
	static char bytes[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY), to = open("program", O_WRONLY | O_CREAT | O_TRUNC, 0755), pid;
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		IS(write(to, bytes, (size_t)n), n);
	close(to);
	to = open("program", O_RDONLY);
	forget(to);
	close(to);
	pid = fork();
	if (!pid) {
		execl("./program", "program", "names", NULL);
		_exit(127);
	}
	ENDS(pid, 0);
}

TESTS(T(contents_are_what_was_written), T(holes_and_far_ends), T(mappings_are_the_file), T(behind_the_end_is_a_bus_error), T(calls_reach_into_mappings),
	T(appends_do_not_mix), T(names), T(renames), T(many_names_while_they_go), T(the_unnamed_live_on), T(attributes), T(space), T(programs_run_from_there))
