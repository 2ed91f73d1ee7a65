/* A root on a disk. See init.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define DISK "vda"
#define DISK_WAITS 500 /* of 10 ms */
#define MAGIC_OFFSET (1024 + 56)
#define PLACE "/.root"

static bool has_magic(const char *device)
{
	uint8_t magic[2];
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool has = fd >= 0 && pread(fd, magic, sizeof magic, MAGIC_OFFSET) == sizeof magic && (magic[0] | magic[1] << 8) == 0xef53;

	if (fd >= 0)
		close(fd);
	return has;
}

/* The whole disk, or where it has partitions the first of them with a file system. */
static void find_device(char *device, size_t size)
{
	char candidate[64];
	bool parted = false;

	snprintf(device, size, "/dev/" DISK);
	for (int i = 0; access(device, F_OK) && i < DISK_WAITS; i++) /* the driver looks for disks by itself */
		poll(NULL, 0, 10);
	for (int n = 1; n < 128; n++) {
		snprintf(candidate, sizeof candidate, "/dev/" DISK "%d", n);
		if (access(candidate, F_OK))
			continue;
		parted = true;
		if (has_magic(candidate)) {
			snprintf(device, size, "%s", candidate);
			return;
		}
	}
	errno = ENXIO;
	if (parted)
		fail("no partition of " DISK " has a file system");
}

static void cover(const char *place, const char *source, const char *type, unsigned long flags, const char *options)
{
	if ((mkdir(place, 0755) && errno != EEXIST) || mount(source, place, type, flags, options))
		fail(place);
}

static void switch_root(void)
{
	char device[64];

	find_device(device, sizeof device);
	mkdir(PLACE, 0755);
	if (mount(device, PLACE, "ext4", 0, NULL) && (errno != EACCES || mount(device, PLACE, "ext4", MS_RDONLY, NULL)))
		fail(device);
	cover(PLACE "/dev", "/dev", NULL, MS_MOVE, NULL);
	cover(PLACE "/proc", "/proc", NULL, MS_MOVE, NULL);
	cover(PLACE "/tmp", "tmpfs", "tmpfs", 0, "mode=1777");
	if (chdir(PLACE) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("the root on the disk");
}

static void copy_contents(int dir, const char *name, const char *to, const struct stat *st)
{
	int in = openat(dir, name, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		fail(to);
	for (off_t done = 0; done < st->st_size;)
		if (sendfile(out, in, &done, (size_t)(st->st_size - done)) <= 0)
			fail(to);
	if (fchmod(out, st->st_mode & 07777))
		fail(to);
	close(in);
	close(out);
}

static void copy_entry(int dir, const char *name, const char *to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	char target[PATH_MAX];
	ssize_t n;

	if (S_ISREG(st->st_mode)) {
		copy_contents(dir, name, to, st);
	} else if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, target, sizeof target - 1);
		if (n < 0)
			fail(name);
		target[n] = 0;
		if (symlink(target, to))
			fail(to);
	} else if (S_ISDIR(st->st_mode) ? mkdir(to, st->st_mode & 07777) : mknod(to, st->st_mode, st->st_rdev)) {
		fail(to);
	}
	if (lchown(to, st->st_uid, st->st_gid) || utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW))
		fail(to);
}

/* Everything in a folder of the old root. What is there goes, but a folder stays (or a link to one), and with `keep` everything. */
static void copy_tree(int dir, const char *to, bool keep)
{
	DIR *entries = fdopendir(dir);
	struct stat st, there;
	struct dirent *e;
	char path[PATH_MAX];

	while (entries && (e = readdir(entries))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", to, e->d_name) >= (int)sizeof path || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			fail(e->d_name);
		bool is_there = !lstat(path, &there);
		if (is_there && !keep && !S_ISDIR(st.st_mode) && !remove(path))
			is_there = false;
		if (!is_there)
			copy_entry(dir, e->d_name, path, &st);
		if (S_ISDIR(st.st_mode))
			copy_tree(openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, keep);
	}
	if (entries)
		closedir(entries);
}

static void add(int old, const char *folder, bool keep)
{
	int dir = openat(old, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0)
		copy_tree(dir, "", keep);
}

static const char *search_path(char *const *env)
{
	for (; *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return "";
}

/* As a shell finds it. Null: nowhere. */
static char *find_program(char *name, const char *path)
{
	static char found[PATH_MAX];
	struct stat st;

	if (strchr(name, '/'))
		return access(name, F_OK) ? NULL : name;
	for (size_t n; *path; path += path[n] ? n + 1 : n) {
		n = strcspn(path, ":");
		if (snprintf(found, sizeof found, "%.*s/%s", (int)n, path, name) < (int)sizeof found && !stat(found, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111)
			return found;
	}
	return NULL;
}

void start_root(char *const *env, char **program, char *instead)
{
	int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *found;

	switch_root();
	add(old, ".exos/added", false);
	found = find_program(*program, search_path(env));
	if (!found || !instead)
		add(old, ".exos/lacked", true);
	close(old);
	if (found || instead)
		*program = found ? found : instead;
	else if (!strchr(*program, '/'))
		*program = NULL;
}

void end_root(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
}
