/* Files of a file system on a disk in a machine that has less memory than they are long: what is in memory of them makes room for the rest, for programs, and for what it takes to write them. tools/test.sh gives 48 MB. */
#include "volume.h"

enum { PAGE = 4096, PAGES = 9000 }; /* 35 MB of a disk of 48 */

static uint64_t word(size_t page, uint64_t salt) { return (page + 1) * 0x9e3779b97f4a7c15 ^ salt; }

static void write_all(int fd, uint64_t salt)
{
	static uint64_t bytes[PAGE / 8];

	for (size_t i = 0; i < PAGES; i++) {
		bytes[0] = bytes[PAGE / 8 - 1] = word(i, salt);
		IS(pwrite(fd, bytes, PAGE, (off_t)(i * PAGE)), PAGE);
	}
}

static void read_all(int fd, uint64_t salt)
{
	static uint64_t bytes[PAGE / 8];

	for (size_t i = 0; i < PAGES; i++) {
		IS(pread(fd, bytes, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK(bytes[0] == word(i, salt) && bytes[PAGE / 8 - 1] == word(i, salt));
	}
}

static uint64_t *map(int fd)
{
	void *p = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* So much of the memory that is left is a program's for a while. */
static pid_t hog(size_t megabytes)
{
	int ready[2];
	char byte;

	CHECK(!pipe(ready));
	pid_t pid = fork();
	if (!pid) {
		char *p = mmap(NULL, megabytes << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 'h', megabytes << 20);
		write(ready[1], "x", 1);
		for (;;)
			for (size_t i = 0; i < megabytes << 20; i += PAGE) {
				CHECK(p[i] == 'h');
				if (i % (1 << 20) == 0)
					sched_yield();
			}
	}
	close(ready[1]);
	IS(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void unhog(pid_t pid)
{
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void a_file_is_longer_than_memory(void)
{
	enter_folder();
	int fd = create("long");
	write_all(fd, 1);
	for (int pass = 0; pass < 2; pass++)
		read_all(fd, 1);
	CHECK(!unlink("long"));
}

static void a_mapping_is_longer_than_memory(void)
{
	enter_folder();
	int fd = create("long");
	write_all(fd, 2);
	pid_t pid = hog(14);
	const uint64_t *p = map(fd);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < PAGES; i++)
			CHECK(p[i * PAGE / 8] == word(i, 2));
	unhog(pid);
	CHECK(!unlink("long"));
}

static void write_mapped(void *data, int n)
{
	uint64_t *p = map(open("long", O_RDWR));

	(void)data;
	for (size_t i = (size_t)n; i < PAGES; i += 2)
		p[i * PAGE / 8] = p[(i + 1) * PAGE / 8 - 1] = word(i, 3);
}

static void more_is_written_through_a_mapping_than_there_is_memory(void)
{
	enter_folder();
	int fd = create("long");
	CHECK(!ftruncate(fd, (off_t)PAGES * PAGE));
	pid_t pid = hog(10);
	in_processes(2, write_mapped, NULL);
	read_all(fd, 3);
	unhog(pid);
	CHECK(!unlink("long"));
}

static void programs_get_what_files_had(void)
{
	enter_folder();
	int fd = create("long");
	write_all(fd, 4);
	for (int i = 0; i < 3; i++) {
		pid_t pid = hog(24);
		read_all(fd, 4);
		write_all(fd, 4);
		unhog(pid);
	}
	CHECK(!unlink("long"));
}

static void make_many(void *data, int n)
{
	char name[64], bytes[3000];

	(void)data;
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof name, "folder-%d-%d", n, i);
		CHECK(!mkdir(name, 0755));
		snprintf(name, sizeof name, "folder-%d-%d/file", n, i);
		int fd = create(name);
		memset(bytes, 'a' + i % 26, sizeof bytes);
		IS(write(fd, bytes, sizeof bytes), sizeof bytes);
		close(fd);
	}
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof name, "folder-%d-%d/file", n, i);
		int fd = open(name, O_RDONLY);
		IS(read(fd, bytes, sizeof bytes), sizeof bytes);
		for (size_t b = 0; b < sizeof bytes; b++)
			CHECK(bytes[b] == 'a' + i % 26);
		close(fd);
		CHECK(!unlink(name));
		*strrchr(name, '/') = 0;
		CHECK(!rmdir(name));
	}
}

static void names_are_made_and_removed_with_little_memory(void)
{
	enter_folder();
	pid_t pid = hog(24);
	in_processes(3, make_many, NULL);
	unhog(pid);
}

static void want_too_much(void *data, int n)
{
	(void)data, (void)n;
	char *p = mmap(NULL, 200 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (size_t i = 0; p != MAP_FAILED && i < 200 << 20; i += PAGE)
		p[i] = 1;
}

/* One that takes all there is dies of it; files are what they were, and what waited to be written is written. */
static void memory_runs_out(void)
{
	int status;

	enter_folder();
	int fd = create("long");
	write_all(fd, 5);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (!pid) {
			want_too_much(NULL, 0);
			_exit(0);
		}
		int other = create("other");
		for (int k = 0; k < 300; k++)
			CHECK(pwrite(other, &k, 4, k * 5000) == 4 || errno == ENOMEM);
		CHECK(!fsync(other));
		IS(waitpid(pid, &status, 0), pid);
		CHECK(status); /* on ExOS a signal; on Linux the killer of those who want too much */
	}
	read_all(fd, 5);
	CHECK(!unlink("long"));
}

VOLUME_TESTS(T(a_file_is_longer_than_memory), T(a_mapping_is_longer_than_memory), T(more_is_written_through_a_mapping_than_there_is_memory), T(programs_get_what_files_had),
	T(names_are_made_and_removed_with_little_memory), T(memory_runs_out))
