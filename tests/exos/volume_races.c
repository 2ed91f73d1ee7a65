/* Many at once on a file system of a disk: whoever waits there lets others go on, and finds things as they left them. */
#include "volume.h"

#include <dirent.h>
#include <sys/file.h>

static void numbers(const char *name, uint32_t count)
{
	uint32_t block[1024];
	int fd = create(name);

	for (uint32_t at = 0; at < count; at += 1024) {
		for (uint32_t i = 0; i < 1024; i++)
			block[i] = at + i;
		IS(write(fd, block, sizeof block), sizeof block);
	}
	close(fd);
}

/* Data is where something was written, whether or not it is in memory. */
static void seek_data_finds_what_is_on_the_disk(void)
{
	enum { SIZE = 300000, FAR = 1 << 20 };
	static char bytes[SIZE];
	char back[4096];

	enter_folder();
	int fd = create("sparse");
	memset(bytes, 'x', SIZE);
	IS(pwrite(fd, bytes, SIZE, FAR), SIZE);
	forget("sparse");
	off_t data = lseek(fd, 0, SEEK_DATA);
	CHECK(data >= 0 && data <= FAR);
	IS(pread(fd, back, sizeof back, FAR), sizeof back); /* part of it comes back */
	for (off_t at = FAR; at < FAR + SIZE; at += 5000)
		IS(lseek(fd, at, SEEK_DATA), at);
	IS(lseek(fd, FAR, SEEK_HOLE), FAR + SIZE);
	FAILS(lseek(fd, FAR + SIZE, SEEK_DATA), ENXIO);
}

enum { RECORDS = 1 << 17, READERS = 4 };

static void read_some(void *data, int n)
{
	struct { int fd; uint32_t *seen; } *shared = data;
	uint32_t block[321];
	ssize_t got;

	(void)n;
	while ((got = read(shared->fd, block, sizeof block)) > 0)
		for (uint32_t i = 0; i < got / 4; i++) {
			CHECK(block[i] < RECORDS);
			__atomic_fetch_add(&shared->seen[block[i]], 1, __ATOMIC_RELAXED);
		}
	IS(got, 0);
}

/* An open file has one position, however long a read takes. */
static void who_share_an_open_file_read_each_byte_once(void)
{
	struct { int fd; uint32_t *seen; } shared;

	enter_folder();
	numbers("numbers", RECORDS);
	forget("numbers");
	shared.fd = open("numbers", O_RDONLY);
	shared.seen = shared_memory(RECORDS * 4);
	in_processes(READERS, read_some, &shared);
	for (uint32_t i = 0; i < RECORDS; i++)
		IS(shared.seen[i], 1);
	IS(lseek(shared.fd, 0, SEEK_CUR), RECORDS * 4);
}

struct record {
	uint32_t length, who, number;
	char text[];
};
enum { WRITERS = 4, APPENDS = 120, LONGEST = 9000 };

static void append(void *data, int n)
{
	static char bytes[sizeof(struct record) + LONGEST];
	struct record *r = (struct record *)bytes;
	int fd = open("log", O_WRONLY | O_APPEND);

	(void)data;
	struct random random = { seed + (uint64_t)n };
	for (uint32_t i = 0; i < APPENDS; i++) {
		*r = (struct record){ .length = (uint32_t)(random_below(&random, LONGEST)), .who = (uint32_t)n, .number = i };
		memset(r->text, 'a' + n, r->length);
		size_t size = sizeof *r + r->length;
		/* Linux appends even with pwrite. */
		IS(i % 2 ? write(fd, r, size) : pwrite(fd, r, size, 0), size);
		if (i % 16 == 0)
			CHECK(!fdatasync(fd));
	}
}

static void appended_records_are_whole(void)
{
	static char bytes[WRITERS * APPENDS * (sizeof(struct record) + LONGEST)];
	uint32_t next[WRITERS] = { 0 };

	enter_folder();
	int fd = create("log");
	in_processes(WRITERS, append, NULL);
	forget("log");
	ssize_t size = pread(fd, bytes, sizeof bytes, 0);
	for (ssize_t at = 0; at < size;) {
		const struct record *r = (const struct record *)(bytes + at);

		CHECK(r->who < WRITERS && r->length < LONGEST);
		IS(r->number, next[r->who]++);
		for (uint32_t i = 0; i < r->length; i++)
			CHECK(r->text[i] == (char)('a' + r->who));
		at += (ssize_t)(sizeof *r + r->length);
	}
	for (int i = 0; i < WRITERS; i++)
		IS(next[i], APPENDS);
}

static void make_and_remove(void *data, int n)
{
	(void)data;
	for (int i = 0; i < 150; i++) {
		int fd = open("it", O_RDWR | O_CREAT, 0644);

		CHECK(fd >= 0); /* whether it is there or not */
		if ((i + n) % 8 == 0)
			CHECK(!fsync(fd));
		close(fd);
		CHECK(!unlink("it") || errno == ENOENT);
	}
}

static void open_makes_a_file_or_finds_it(void)
{
	enter_folder();
	in_processes(4, make_and_remove, NULL);
}

static void take_turns(void *data, int n)
{
	(void)data;
	for (int i = 0; i < 300; i++) {
		switch (n) {
		case 0:
			CHECK(!rename("a", "b/a") || errno == ENOENT || errno == EINVAL);
			CHECK(!rename("b/a", "a") || errno == ENOENT || errno == EINVAL || errno == ENOTEMPTY);
			break;
		case 1:
			CHECK(!rename("b", "a/b") || errno == ENOENT || errno == EINVAL);
			CHECK(!rename("a/b", "b") || errno == ENOENT || errno == EINVAL || errno == ENOTEMPTY);
			break;
		default:
			if (i % 20 == 0)
				sync();
			access("a/b/a/b", F_OK);
			access("b/a/b/a", F_OK);
		}
	}
}

static int folders_below(const char *path)
{
	char below[512];
	int n = 0;
	DIR *d = opendir(path);

	CHECK(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(below, sizeof below, "%s/%s", path, e->d_name);
		CHECK(strlen(below) < 200);
		n += 1 + folders_below(below);
	}
	closedir(d);
	return n;
}

static void folders_moved_into_each_other_stay_reachable(void)
{
	enter_folder();
	CHECK(!mkdir("a", 0755) && !mkdir("b", 0755));
	in_processes(3, take_turns, NULL);
	IS(folders_below("."), 2);
}

static void stir_names(void *data, int n)
{
	const volatile bool *done = data;
	char name[64];

	(void)n;
	for (int i = 0; !*done; i++) {
		snprintf(name, sizeof name, "coming-and-going-%d-%.*s", i % 97, i % 23, "abcdefghijklmnopqrstuvwxyz");
		if (i / 97 % 2)
			unlink(name);
		else
			close(open(name, O_CREAT | O_WRONLY, 0600));
	}
}

static void list_often(bool *done)
{
	static char buffer[300];

	for (int pass = 0; pass < 15; pass++) {
		unsigned char seen[200] = { 0 };
		int fd = open(".", O_RDONLY | O_DIRECTORY), number;
		long got;

		while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
			for (long at = 0; at < got; at += *(uint16_t *)(buffer + at + 16))
				if (sscanf(buffer + at + 19, "stays-%d", &number) == 1)
					seen[number]++;
		IS(got, 0);
		for (int i = 0; i < 200; i++)
			IS(seen[i], 1);
		close(fd);
	}
	*done = true;
}

/* Names that stay are listed once, whatever becomes of others. */
static void a_list_has_what_stays(void)
{
	bool *done = shared_memory(sizeof *done);
	char name[32];

	enter_folder();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "stays-%d", i);
		close(create(name));
	}
	pid_t pid = fork();
	if (!pid) {
		stir_names(done, 0);
		_exit(0);
	}
	list_often(done);
	ENDS(pid, 0);
}

enum { CUT_SIZE = 100000 };

static void cut_and_sync(void *data, int n)
{
	static char bytes[CUT_SIZE];
	int fd = open("cut", O_RDWR);

	(void)data;
	struct random random = { seed + (uint64_t)n };
	memset(bytes, 'x', sizeof bytes);
	for (int i = 0; i < 120; i++) {
		uint64_t at = random_below(&random, CUT_SIZE);

		switch (n) {
		case 0:
			CHECK(pwrite(fd, bytes, CUT_SIZE - at, (off_t)at) > 0);
			break;
		case 1:
			CHECK(!ftruncate(fd, (off_t)at));
			break;
		case 2:
			CHECK(!fsync(fd));
			break;
		default: {
			ssize_t got = pread(fd, bytes, CUT_SIZE, 0);
			for (ssize_t b = 0; b < got; b++)
				CHECK(bytes[b] == 'x' || !bytes[b]);
		}
		}
	}
}

static void a_file_is_cut_written_synced_and_read_at_once(void)
{
	enter_folder();
	close(create("cut"));
	in_processes(4, cut_and_sync, NULL);
}

static void work_until_killed(int n)
{
	char name[32], other[32];
	static char bytes[20000];

	for (int i = 0;; i++) {
		snprintf(name, sizeof name, "%d.%d", n, i % 10);
		snprintf(other, sizeof other, "%d.%d", n, (i + 3) % 10);
		int fd = open(name, O_RDWR | O_CREAT, 0644);
		if (fd >= 0) {
			write(fd, bytes, (size_t)(i * 777 % 20000));
			if (i % 5 == 0)
				fsync(fd);
			if (i % 7 == 0)
				ftruncate(fd, i * 999 % 30000);
			pread(fd, bytes, sizeof bytes, 0);
			close(fd);
		}
		rename(name, other);
		mkdir("d", 0755);
		symlink("d", "l");
		unlink("l");
		rmdir("d");
	}
}

/* Who is killed while he waits ends when what he waits for is done; the volume goes on. */
static void killed_at_any_time_they_leave_it_whole(void)
{
	pid_t pids[3];

	enter_folder();
	struct random random = { seed };
	for (int round = 0; round < 25; round++) {
		for (int i = 0; i < 3; i++) {
			pids[i] = fork();
			if (!pids[i])
				work_until_killed(i);
		}
		sleep_ms((long)(random_below(&random, 30)));
		for (int i = 0; i < 3; i++) {
			kill(pids[i], SIGKILL);
			ENDS(pids[i], SIGKILL);
		}
	}
	int fd = create("after");
	IS(write(fd, "x", 1), 1);
	CHECK(!fsync(fd));
}

static void an_unlinked_file_lives_while_it_is_open(void)
{
	struct statvfs before, after;
	char path[64];

	enter_folder();
	close(create("other"));
	sync();
	CHECK(!statvfs(".", &before));
	numbers("file", RECORDS);
	int fd = open("file", O_RDWR);
	CHECK(!fsync(fd) && !unlink("file"));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW), ENOENT);
	FAILS(link("other", "/tmp/other"), EXDEV);
	FAILS(rename("other", "/tmp/other"), EXDEV);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (uint32_t i = 0, n; i < RECORDS; i += 1000) {
		IS(pread(fd, &n, 4, i * 4), 4);
		IS(n, i);
	}
	CHECK(!statvfs(".", &after));
	CHECK(after.f_bfree * after.f_frsize + RECORDS * 4 <= before.f_bfree * before.f_frsize);
	close(fd);
	sync();
	sync();
	CHECK(!statvfs(".", &after));
	IS(after.f_bfree, before.f_bfree);
	IS(after.f_ffree, before.f_ffree);
}

/* Until the disk is full; what was accepted is there. */
static void fill(void *data, int n)
{
	static char bytes[10007];
	char name[16];
	uint64_t *written = data;
	ssize_t got;

	snprintf(name, sizeof name, "f%d", n);
	int fd = create(name);
	memset(bytes, 'a' + n, sizeof bytes);
	while ((got = write(fd, bytes, sizeof bytes)) > 0)
		written[n] += (uint64_t)got;
	CHECK(got < 0 && errno == ENOSPC);
	CHECK(!fsync(fd));
}

static void a_full_disk_keeps_what_it_has_accepted(void)
{
	uint64_t *written = shared_memory(4096);
	struct statvfs before, after;
	char name[16], bytes[4096];

	enter_folder();
	close(create("last"));
	sync();
	CHECK(!statvfs(".", &before));
	in_processes(3, fill, written);
	for (int n = 0; n < 3; n++) {
		uint64_t size = 0;
		ssize_t got;

		snprintf(name, sizeof name, "f%d", n);
		forget(name);
		int fd = open(name, O_RDONLY);
		while ((got = read(fd, bytes, sizeof bytes)) > 0) {
			for (ssize_t i = 0; i < got; i++)
				CHECK(bytes[i] == 'a' + n);
			size += (uint64_t)got;
		}
		IS(size, written[n]);
		CHECK(!unlink(name));
		close(fd);
	}
	int fd = open("last", O_WRONLY);
	IS(write(fd, "x", 1), 1);
	CHECK(!fsync(fd) && !ftruncate(fd, 0));
	close(fd);
	sync();
	CHECK(!statvfs(".", &after));
	IS(after.f_bfree, before.f_bfree);
}

static void a_sparse_file_is_longer_than_4_gib(void)
{
	const off_t far = (5ll << 30) + 123;
	char bytes[8];
	struct stat st;

	enter_folder();
	int fd = create("sparse");
	IS(pwrite(fd, "far", 3, far), 3);
	IS(pwrite(fd, "near", 4, 100), 4);
	forget("sparse");
	IS(pread(fd, bytes, 8, far), 3);
	CHECK(!memcmp(bytes, "far", 3));
	IS(pread(fd, bytes, 8, far / 2), 8);
	CHECK(!memcmp(bytes, "\0\0\0\0\0\0\0", 8));
	CHECK(!fstat(fd, &st));
	IS(st.st_size, far + 3);
	CHECK(st.st_blocks <= 64);
	CHECK(!ftruncate(fd, 1ll << 32) && !ftruncate(fd, far + 3));
	IS(pread(fd, bytes, 8, far), 3);
	CHECK(!memcmp(bytes, "\0\0", 3));
	IS(pread(fd, bytes, 4, 100), 4);
	CHECK(!memcmp(bytes, "near", 4));
}

static void count_under_lock(void *data, int n)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	int fd = open("count", O_RDWR);

	(void)data;
	for (int i = 0; i < 100; i++) {
		uint32_t count;

		CHECK(n % 2 ? !flock(fd, LOCK_EX) : true);
		CHECK(!fcntl(fd, F_SETLKW, &whole));
		IS(pread(fd, &count, 4, 0), 4);
		count++;
		IS(pwrite(fd, &count, 4, 0), 4);
		if (i % 10 == 0) {
			CHECK(!fsync(fd));
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		CHECK(!fcntl(fd, F_SETLK, &none));
		CHECK(n % 2 ? !flock(fd, LOCK_UN) : true);
	}
}

static void locks_keep_others_out(void)
{
	uint32_t count = 0;

	enter_folder();
	int fd = create("count");
	IS(write(fd, &count, 4), 4);
	in_processes(4, count_under_lock, NULL);
	IS(pread(fd, &count, 4, 0), 4);
	IS(count, 400);
}

VOLUME_TESTS(T(seek_data_finds_what_is_on_the_disk), T(who_share_an_open_file_read_each_byte_once), T(appended_records_are_whole), T(open_makes_a_file_or_finds_it),
	T(folders_moved_into_each_other_stay_reachable), T(a_list_has_what_stays), T(a_file_is_cut_written_synced_and_read_at_once), T(killed_at_any_time_they_leave_it_whole),
	T(an_unlinked_file_lives_while_it_is_open), T(a_full_disk_keeps_what_it_has_accepted), T(a_sparse_file_is_longer_than_4_gib), T(locks_keep_others_out))
