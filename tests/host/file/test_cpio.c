/* Unpacking archives: what the host's cpio makes, archives after one another, and thousands of damaged ones. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/self.h>

#include "call.h"
#include "stubs.h"

static unsigned char archive[1 << 20], damaged[1 << 20];
static size_t length;

/* Appends an entry; the tests' own writer, so that nothing depends on the host's file systems. */
static void entry(const char *name, uint32_t number, uint32_t mode, uint32_t links, const char *data, size_t size)
{
	length += (size_t)sprintf((char *)archive + length,
			  "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", number, mode, 5, 6, links,
			  1234567890, size, 8, 1, 1, 3, strlen(name) + 1, 0, name) +
		  1;
	length = ROUND_UP(length, 4ul);
	memcpy(archive + length, data, size);
	length = ROUND_UP(length + size, 4ul);
}

static void sample(void)
{
	static char page[10000];

	memset(page, 'p', sizeof(page));
	length = 0;
	memset(archive, 0, sizeof(archive));
	entry(".", 1, 0040750, 2, "", 0);
	entry("bin", 2, 0040755, 2, "", 0);
	entry("bin/busybox", 3, 0104755, 1, page, sizeof(page));
	entry("bin/sh", 4, 0120777, 1, "busybox", 7);
	entry("/deep/er/file", 5, 0100600, 1, "deep", 4);
	entry("./one", 6, 0100644, 2, "", 0);
	entry("./two", 6, 0100644, 2, "shared", 6);
	entry("null", 7, 0020666, 1, "", 0);
	entry("dev/null", 8, 0100644, 1, "mine", 4);
	entry("dev", 9, 0040700, 1, "", 0);
	entry("fifo", 10, 0010644, 1, "", 0);
	entry("sh2/../x", 11, 0100644, 1, "", 0);
	entry("TRAILER!!!", 0, 0, 1, "", 0);
	length = ROUND_UP(length, 512ul);
	entry("bin/sh", 12, 0100755, 1, "replaced", 8);
	entry("TRAILER!!!", 0, 0, 1, "", 0);
}

static int unpack(const unsigned char *bytes, size_t n)
{
	int err;

	self->proc = NULL; /* as at the start of a machine */
	err = cpio_unpack(bytes, n);
	self->proc = &stub_proc;
	return err;
}

static uint64_t stat_word(const char *path, int word)
{
	uint64_t s[18];

	return CALL(lstat, path, s) ? UINT64_MAX : s[word];
}

/* Removes all that is in the root but the mounts. */
static void clean(const char *dir)
{
	_Alignas(8) char buffer[512];
	int64_t fd = CALL(open, dir, 0200000), n;
	char path[700];

	while ((n = CALL(getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (int64_t at = 0; at < n; at += *(uint16_t *)(buffer + at + 16)) {
			const char *name = buffer + at + 19;

			if (!strcmp(name, ".") || !strcmp(name, ".."))
				continue;
			snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") ? dir : "", name);
			if (buffer[at + 18] == 4 && CALL(rmdir, path) == -ENOTEMPTY) {
				clean(path);
				CALL(rmdir, path);
			} else {
				CALL(unlink, path);
			}
		}
	}
	CALL(close, fd);
}

static uint64_t state = 88172645463325252ul;
static uint64_t random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void damage(void)
{
	uint32_t frames, heap, rounds = getenv("FUZZ_ROUNDS") ? (uint32_t)atoi(getenv("FUZZ_ROUNDS")) : 2000,
			       accepted = 0;
	static const char *const digits = "0123456789abcdefABCDEF/.x";

	clean("/");
	sample();
	frames = stub_frames_used;
	heap = stub_heap_used;
	for (uint32_t round = 0; round < rounds; round++) {
		size_t n = random_number() % 4 ? length : random_number() % (length + 1);
		uint32_t changes = (uint32_t)(random_number() % 8);
		unsigned char *exact;

		memcpy(damaged, archive, length);
		for (uint32_t change = 0; change < changes; change++) {
			size_t at = random_number() % length;

			damaged[at] = random_number() % 3 ? (unsigned char)digits[random_number() % 25]
							  : (unsigned char)random_number();
			if (random_number() % 4 == 0) /* a part moved */
				memmove(damaged + at, damaged + random_number() % length,
					MIN(random_number() % 200, (uint64_t)64));
		}
		exact = malloc(n ? n : 1); /* so that reading past the end is found out */
		memcpy(exact, damaged, n);
		if (round % 5 == 0)
			stub_fail_after = random_number() % 60;
		accepted += unpack(exact, n) == 0;
		stub_fail_after = UINT64_MAX;
		free(exact);
		if (round % 50 == 49 || round + 1 == rounds)
			clean("/");
	}
	clean("/");
	ok(true, "%u damaged archives, %u of them accepted", rounds, accepted);
	is(stub_heap_used, heap, "nothing of the heap is left over");
	is(stub_frames_used, frames, "no frame is left over");
}

/* What is added to a root that has files: under a folder of the archive. */
static void below(void)
{
	clean("/");
	CALL(mkdir, "/usr", 0700);
	CALL(symlink, "usr", "/lib");
	CALL(close, CALL(open, "/usr/old", 0101, 0600));
	length = 0;
	entry("add", 1, 0040755, 2, "", 0);
	entry("add/lib", 2, 0040755, 2, "", 0);
	entry("add/lib/new", 3, 0100644, 1, "new", 3);
	entry("add/usr", 4, 0040755, 2, "", 0);
	entry("add/usr/old", 5, 0100644, 1, "newer", 5);
	entry("other", 7, 0100644, 1, "", 0);
	entry("TRAILER!!!", 0, 0, 1, "", 0);
	self->proc = NULL;
	is(cpio_unpack_below(archive, length, "add/", true), 0, "a part of an archive, keeping what is there");
	is(stat_word("/usr/old", 6), 0, "what is there stays");
	is(stat_word("/usr/new", 6), 3, "a link to a directory is followed, and stays");
	is(stat_word("/usr", 3) & UINT32_MAX, 0040700, "a directory stays as it is");
	is(stat_word("/other", 6), UINT64_MAX, "the rest of the archive is left out");
	is(cpio_unpack_below(archive, length, "add/", false), 0, "the same, replacing");
	is(stat_word("/usr/old", 6), 5, "a file is replaced");
	is(stat_word("/usr", 3) & UINT32_MAX, 0040700, "a directory is not");
	self->proc = &stub_proc;
}

int main(void)
{
	char buffer[100];
	int64_t fd;

	stubs_start();
	CALL(close, CALL(open, "/dev/null", 2));
	sample();
	is(unpack(archive, length), 0, "two archives, one after the other");
	is(stat_word("/", 3) & UINT32_MAX, 0040750, "the root's mode");
	is(stat_word("/bin/busybox", 3), 5ul << 32 | 0104755, "mode and owner of a file");
	is(stat_word("/bin/busybox", 6), 10000, "its size");
	is(stat_word("/bin/busybox", 11), 1234567890, "its time");
	is(stat_word("/deep/er/file", 6), 4, "missing directories are made");
	is(stat_word("/one", 2), 2, "two names of one file");
	is(stat_word("/one", 6), 6, "whose contents came with the second");
	is(stat_word("/null", 5), 0x103, "a device");
	is(stat_word("/dev/null", 5), 0x103, "what is laid over the root is left alone");
	is(stat_word("/bin/sh", 6), 8, "the later archive replaces");
	fd = CALL(open, "/bin/sh", 0);
	is(CALL(read, fd, buffer, 100), 8, "reading");
	ok(!memcmp(buffer, "replaced", 8), "its contents");
	CALL(close, fd);
	is(unpack(archive, 0), -EINVAL, "nothing");
	is(unpack(archive, 300), -EINVAL, "cut in the middle");
	is(unpack((const unsigned char *)"070701", 6), -EINVAL, "six bytes");
	stub_fail_after = 20;
	is(unpack(archive, length) < 0, 1, "memory runs out");
	stub_fail_after = UINT64_MAX;
	below();
	damage();
	stubs_end();
	return done_testing();
}
