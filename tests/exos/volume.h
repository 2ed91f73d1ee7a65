/* Tests on file systems of two disks (tools/test.sh makes them): one with blocks of 4,096 bytes, one of 1,024. Each test runs on both, in a fresh folder; at the end both can be unmounted, and e2fsck judges what is left. */
#pragma once

#include "lib.h"
#include "random.h"

#include <sys/mount.h>
#include <sys/statvfs.h>

static const char *device, *place;
static uint64_t seed; /* of all that is random */

__attribute__((unused)) static void enter_folder(void)
{
	char folder[64];

	snprintf(folder, sizeof folder, "%s/test.%d", place, getpid());
	CHECK(!mkdir(folder, 0755));
	CHECK(!chdir(folder));
}

/* What is in memory of it goes, so that the next to read it waits. */
__attribute__((unused)) static void forget(const char *name)
{
	int fd = open(name, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(!fsync(fd));
	CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
}

__attribute__((unused)) static int create(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	return fd;
}

__attribute__((unused)) static void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Runs work(data, n) in `count` processes, which all must end well. */
__attribute__((unused)) static void in_processes(int count, void (*work)(void *data, int n), void *data)
{
	pid_t children[32];

	fflush(stdout);
	for (int i = 0; i < count; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (!children[i]) {
			work(data, i);
			fflush(stdout);
			_exit(0);
		}
	}
	for (int i = 0; i < count; i++)
		ENDS(children[i], 0);
}

#define VOLUME_TESTS(...) \
	int main(int argc, char **argv) \
	{ \
		static const char *const volumes[][2] = { { "/dev/vda", "/mnt/a" }, { "/dev/vdb", "/mnt/b" } }; \
		bool failed = false; \
		if (argc > 1 && !strcmp(argv[1], "--nothing")) \
			return 0; \
		seed = random_seed(); \
		mkdir("/mnt", 0755); \
		for (int i = 0; i < 2; i++) { \
			device = volumes[i][0]; \
			place = volumes[i][1]; \
			mkdir(place, 0755); \
			if (mount(device, place, "ext3", 0, NULL)) { \
				printf("not ok - %s cannot be mounted: %s\n", device, strerror(errno)); \
				return 1; \
			} \
			printf("# %s\n", device); \
			failed |= run_tests((struct test[]){ __VA_ARGS__, { NULL, NULL } }, argv + 1); \
			bool gone = !umount(place); \
			printf("%sok - %s can be unmounted\n1..1\n", gone ? "" : "not ", device); \
			failed |= !gone; \
			fflush(stdout); \
		} \
		return failed; \
	}
