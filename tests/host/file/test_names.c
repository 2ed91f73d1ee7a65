/* Names: making, removing, moving, linking, walking, permissions; errors as POSIX has them. Through the Linux calls. */
#include <stdio.h>

#include <exos/self.h>

#include "call.h"
#include "stubs.h"

enum { CREATE = 0101, EXCLUSIVE = 0200, NOFOLLOW = 0400000, DIRECTORY = 0200000, PATH_ONLY = 010000000 };
enum { HERE = -100, REMOVEDIR = 0x200, EMPTY = 0x1000 };

struct stat_view { /* the part of struct stat that is looked at */
	uint64_t device, number, links;
	uint32_t mode, uid, gid, padding;
	uint64_t itself;
	int64_t size, rest[11];
};

static int64_t touch(const char *path)
{
	int64_t fd = CALL(open, path, CREATE, 0644);

	return fd < 0 ? fd : CALL(close, fd);
}

static uint64_t links(const char *path)
{
	struct stat_view s;

	return CALL(lstat, path, &s) ? 0 : s.links;
}

static uint32_t mode(const char *path)
{
	struct stat_view s;

	return CALL(lstat, path, &s) ? 0 : s.mode;
}

static void directories(void)
{
	char path[64], name[300];

	is(CALL(mkdir, "/d", 0777), 0, "mkdir");
	is(mode("/d"), 0040755, "its mode, less the umask");
	is(CALL(mkdir, "/d", 0777), -EEXIST, "again");
	is(CALL(mkdir, "/d/", 0777), -EEXIST, "with a slash");
	is(CALL(mkdir, "/", 0777), -EEXIST, "the root");
	is(CALL(mkdir, "/d/.", 0777), -EEXIST, ".");
	is(CALL(mkdir, "/no/where", 0777), -ENOENT, "without a parent");
	is(CALL(mkdir, "/d/e/", 0777), 0, "a new one may have a slash");
	is(links("/d"), 3, "links of a directory");
	is(CALL(rmdir, "/d"), -ENOTEMPTY, "rmdir of a full one");
	is(CALL(unlink, "/d"), -EISDIR, "unlink of a directory");
	is(CALL(rmdir, "/d/e/."), -EINVAL, "rmdir of .");
	is(CALL(rmdir, "/d/e/.."), -ENOTEMPTY, "rmdir of ..");
	is(CALL(rmdir, "/"), -EBUSY, "rmdir of the root");
	is(CALL(rmdir, "/proc"), -EBUSY, "rmdir of a mount");
	is(CALL(rmdir, "/d/e"), 0, "rmdir");
	is(links("/d"), 2, "links afterwards");
	is(touch("/d/f"), 0, "a file");
	is(touch("/d/g/"), -EISDIR, "a new file with a slash");
	is(CALL(open, "/d/f/", 0), -ENOTDIR, "an old one with a slash");
	is(CALL(open, "/d/f/x", 0), -ENOTDIR, "below a file");
	is(CALL(rmdir, "/d/f"), -ENOTDIR, "rmdir of a file");
	is(CALL(open, "/d", 1), -EISDIR, "writing a directory");
	is(CALL(open, "/d", CREATE, 0644), -EISDIR, "creating over a directory");
	is(CALL(open, "/d/f", DIRECTORY), -ENOTDIR, "a file as a directory");
	is(CALL(open, "/d/f", CREATE | EXCLUSIVE, 0644), -EEXIST, "exclusive");
	is(CALL(open, "", 0), -ENOENT, "no name");
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[256] = 0;
	is(touch(name), 0, "a name of 255 bytes");
	is(CALL(unlink, name), 0, "goes");
	name[256] = 'x';
	name[257] = 0;
	is(touch(name), -ENAMETOOLONG, "one of 256");
	is(CALL(unlink, "/d/f"), 0, "unlink");
	is(CALL(unlink, "/d/f"), -ENOENT, "again");
	/* Enough to make the table grow to its end. */
	for (int n = 0; n < 10000; n++) {
		snprintf(path, sizeof(path), "/d/file%d", n);
		if (touch(path))
			break;
	}
	is(CALL(access, "/d/file9999", 0), 0, "ten thousand files");
	int64_t fd = CALL(open, "/d", DIRECTORY), n, entries = 0, rounds = 0;
	_Alignas(8) char buffer[1000];
	while ((n = CALL(getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (int64_t at = 0; at < n; at += *(uint16_t *)(buffer + at + 16), entries++) {
			if (buffer[at + 19] == '.')
				continue;
			snprintf(path, sizeof(path), "/d/%s", buffer + at + 19);
			CALL(unlink, path);
		}
		rounds++;
	}
	is(entries, 10002, "a listing that removes as it goes sees each once");
	is(CALL(getdents64, fd, buffer, 10), 0, "and ends");
	CALL(lseek, fd, 0, 0);
	is(CALL(getdents64, fd, buffer, 10), -EINVAL, "no room for one entry");
	is(CALL(getdents, fd, buffer, 1000), 48, "the old listing: . and ..");
	CALL(close, fd);
	is(CALL(rmdir, "/d"), 0, "all gone");
}

static void links_and_names(void)
{
	char buffer[100];
	struct stat_view s;

	CALL(mkdir, "/l", 0755);
	touch("/l/a");
	is(CALL(link, "/l/a", "/l/b"), 0, "link");
	is(links("/l/a"), 2, "two names");
	is(CALL(link, "/l/a", "/l/b"), -EEXIST, "over an existing name");
	is(CALL(link, "/l", "/l/c"), -EPERM, "of a directory");
	is(CALL(link, "/l/a", "/dev/x"), -EXDEV, "into another file system");
	is(CALL(unlink, "/l/a"), 0, "one goes");
	is(links("/l/b"), 1, "one stays");
	is(CALL(symlink, "b", "/l/s"), 0, "symlink");
	is(CALL(stat, "/l/s", &s), 0, "followed");
	is(s.mode, 0100644, "to a file");
	is(mode("/l/s"), 0120777, "itself");
	is(CALL(readlink, "/l/s", buffer, 100), 1, "readlink");
	is(CALL(readlink, "/l/b", buffer, 100), -EINVAL, "of a file");
	is(CALL(open, "/l/s", NOFOLLOW), -ELOOP, "not followed");
	is(CALL(open, "/l/s", CREATE | EXCLUSIVE, 0600), -EEXIST, "exclusive does not follow");
	CALL(symlink, "new", "/l/dangling");
	is(CALL(open, "/l/dangling", 0), -ENOENT, "dangling");
	is(touch("/l/dangling"), 0, "creates what it names");
	is(mode("/l/new"), 0100644, "there");
	CALL(symlink, "loop2", "/l/loop1");
	CALL(symlink, "/l/loop1", "/l/loop2");
	is(CALL(open, "/l/loop1", 0), -ELOOP, "a loop");
	is(CALL(open, "/l/loop1/x", 0), -ELOOP, "on the way");
	CALL(symlink, "/l/", "/l/self");
	is(CALL(access, "/l/self/self/./self/../l/b", 0), 0, "links to directories, dots");
	is(CALL(lstat, "/l/self/", &s), 0, "a slash follows a link");
	is(s.mode & TYPE_MASK, TYPE_DIR, "to its directory");
	is(CALL(symlink, "", "/l/empty"), -ENOENT, "an empty link");
	is(CALL(unlink, "/l/self/"), -ENOTDIR, "unlink of link/");
	is(CALL(unlink, "/l/self"), 0, "unlink of the link");
	is(CALL(chdir, "/l"), 0, "chdir");
	is(CALL(getcwd, buffer, 100), 3, "getcwd");
	is(CALL(getcwd, buffer, 2), -ERANGE, "no room");
	is(CALL(access, "../l/b", 0), 0, "relative");
	is(CALL(access, "/../../l/b", 0), 0, ".. of the root");
	CALL(mkdir, "/l/sub", 0755);
	CALL(chdir, "sub");
	is(CALL(rename, "/l/sub", "/l/moved"), 0, "a current directory is renamed");
	is(CALL(getcwd, buffer, 100), 9, "and found");
	ok(!strcmp(buffer, "/l/moved"), "where it is now");
	is(CALL(rmdir, "/l/moved"), 0, "and removed");
	is(CALL(getcwd, buffer, 100), -ENOENT, "and nowhere");
	is(touch("x"), -ENOENT, "and takes no files");
	is(CALL(access, ".", 0), 0, "but is still there");
	CALL(chdir, "/");
	is(CALL(chroot, "/l"), 0, "chroot");
	is(CALL(access, "/b", 0), 0, "seen from there");
	is(CALL(access, "/../../l", 0), -ENOENT, "no way out");
	inode_put(stub_proc.root);
	inode_ref(stub_proc.root = root_inode);
}

static void renames(void)
{
	struct stat_view a, b;
	int64_t fd;

	CALL(mkdir, "/r", 0755);
	CALL(mkdir, "/r/d1", 0755);
	CALL(mkdir, "/r/d2", 0755);
	touch("/r/f1");
	touch("/r/f2");
	touch("/r/d2/full");
	is(CALL(rename, "/r/f1", "/r/f3"), 0, "rename");
	is(CALL(rename, "/r/f3", "/r/f2"), 0, "over a file");
	is(CALL(access, "/r/f3", 0), -ENOENT, "the old name is gone");
	is(CALL(rename, "/r/f2", "/r/d1"), -EISDIR, "a file over a directory");
	is(CALL(rename, "/r/d1", "/r/f2"), -ENOTDIR, "a directory over a file");
	is(CALL(rename, "/r/d1", "/r/d2"), -ENOTEMPTY, "over a full directory");
	is(CALL(rename, "/r/d1", "/r/d1/x"), -EINVAL, "into itself");
	is(CALL(rename, "/r/d2/full", "/r/d2"), -ENOTEMPTY, "over its own directory");
	is(CALL(rename, "/r/d2", "/r/d1"), 0, "over an empty directory");
	is(links("/r"), 3, "links");
	is(CALL(rename, "/r/f2/", "/r/f4"), -ENOTDIR, "a file with a slash");
	is(CALL(rename, "/r/f2", "/r/f4/"), -ENOTDIR, "to a name with a slash");
	is(CALL(rename, "/r/d1/", "/r/d5/"), 0, "directories may have them");
	is(CALL(rename, "/r/.", "/r/d6"), -EBUSY, "of .");
	is(CALL(rename, "/r/f2", "/dev/x"), -EXDEV, "into another file system");
	touch("/r/f5");
	is(CALL(renameat2, HERE, "/r/f5", HERE, "/r/f2", 1), -EEXIST, "without replacing");
	CALL(stat, "/r/f5", &a);
	is(CALL(renameat2, HERE, "/r/f5", HERE, "/r/d5/full", 2), 0, "exchange");
	CALL(stat, "/r/d5/full", &b);
	is(a.number, b.number, "the other way round");
	is(CALL(renameat2, HERE, "/r/f5", HERE, "/r/none", 2), -ENOENT, "exchange with nothing");
	is(CALL(renameat2, HERE, "/r/f5", HERE, "/r/d5", 2), 0, "exchange of file and directory");
	is(links("/r"), 3, "links stay right");
	is(CALL(access, "/r/f5/full", 0), 0, "the directory has the file's name");
	CALL(link, "/r/f2", "/r/same");
	is(CALL(rename, "/r/f2", "/r/same"), 0, "two names of one file");
	is(links("/r/f2"), 2, "both stay");
	fd = CALL(open, "/r", DIRECTORY);
	is(CALL(mkdirat, fd, "at", 0700), 0, "mkdirat");
	is(CALL(renameat, fd, "at", fd, "at2"), 0, "renameat");
	is(CALL(unlinkat, fd, "at2", REMOVEDIR), 0, "unlinkat");
	is(CALL(unlinkat, 77, "at2", 0), -EBADF, "no such directory");
	is(CALL(newfstatat, fd, "", &a, 0), -ENOENT, "no name");
	is(CALL(newfstatat, fd, "", &a, EMPTY), 0, "no name, as asked");
	is(a.mode, 0040755, "is the directory itself");
	CALL(close, fd);
	fd = CALL(open, "/r/f2", PATH_ONLY);
	is(CALL(read, fd, &a, 1), -EBADF, "a place is not read");
	is(CALL(write, fd, &a, 1), -EBADF, "nor written");
	is(CALL(fstat, fd, &a), 0, "but known");
	is(CALL(fchdir, fd), -ENOTDIR, "a file is no place to be");
	CALL(close, fd);
}

static void permissions(void)
{
	CALL(mkdir, "/p", 01777);
	CALL(chmod, "/p", 01777);
	CALL(mkdir, "/p/closed", 0700);
	touch("/p/roots");
	CALL(chmod, "/p/roots", 0640);
	stub_proc.uid = stub_proc.euid = stub_proc.gid = stub_proc.egid = 1000;
	is(CALL(open, "/p/roots", 0), -EACCES, "others may not read");
	is(CALL(unlink, "/p/roots"), -EPERM, "nor remove from a sticky directory");
	is(CALL(access, "/p/closed/x", 0), -EACCES, "nor pass");
	is(CALL(chmod, "/p/roots", 0777), -EPERM, "nor change modes");
	is(CALL(chown, "/p/roots", 1000, 1000), -EPERM, "nor owners");
	is(touch("/p/own"), 0, "but make their own");
	is(CALL(open, "/p/made", CREATE, 0400), 0, "even one that cannot be written again");
	CALL(close, 0);
	is(CALL(open, "/p/made", 1), -EACCES, "afterwards");
	is(CALL(mkdir, "/x", 0777), -EACCES, "not in the root");
	is(CALL(mkdir, "/p", 0777), -EEXIST, "what exists is said to");
	is(CALL(mknod, "/p/null", 0020666, 0x103), -EPERM, "no devices");
	stub_proc.uid = stub_proc.euid = stub_proc.gid = stub_proc.egid = 0;
	is(CALL(access, "/p/roots", 1), -EACCES, "root does not execute what nobody may");
	is(CALL(access, "/p/roots", 6), 0, "but reads and writes all");
	is(CALL(mknod, "/p/null", 0020666, 0x103), 0, "and makes devices");
	int64_t fd = CALL(open, "/p/null", 2);
	is(CALL(write, fd, "x", 1), 1, "that work");
	is(CALL(lseek, fd, 0, 0), 0, "wherever they are");
	CALL(close, fd);
}

int main(void)
{
	uint32_t heap, frames;

	stubs_start();
	CALL(close, CALL(open, "/dev/null", 2)); /* the table's first block */
	heap = stub_heap_used;
	frames = stub_frames_used;
	directories();
	is(stub_frames_used, frames, "no frame is left over");
	is(stub_heap_used, heap, "nothing of the heap is left over");
	links_and_names();
	renames();
	permissions();
	stubs_end();
	return done_testing();
}
