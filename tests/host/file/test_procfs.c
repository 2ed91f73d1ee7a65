/* /proc and /dev: what is there reads well, lists well, leads where it says, and ends with its process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exos/self.h>
#include <exos/random.h>

#include "call.h"
#include "stubs.h"

static char text[65536];

static const char *contents(const char *path)
{
	int64_t fd = CALL(open, path, 0), n, at = 0;

	if (fd < 0)
		return NULL;
	/* In odd pieces: the text must not change meanwhile. */
	while ((n = CALL(read, fd, text + at, 37)) > 0)
		at += n;
	text[at] = 0;
	CALL(close, fd);
	return text;
}

static const char *target(const char *path)
{
	int64_t n = CALL(readlink, path, text, sizeof(text) - 1);

	if (n < 0)
		return "";
	text[n] = 0;
	return text;
}

static int64_t list(const char *path, const char *wanted)
{
	_Alignas(8) char buffer[64]; /* two entries at most: every resumption is tried */
	int64_t fd = CALL(open, path, 0200000), n, found = 0;

	while ((n = CALL(getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (int64_t at = 0; at < n; at += *(uint16_t *)(buffer + at + 16))
			found += !wanted || !strcmp(buffer + at + 19, wanted);
	}
	CALL(close, fd);
	return n < 0 ? n : found;
}

static void processes(void)
{
	static struct proc child;
	int64_t fd, dir;

	ok(strstr(contents("/proc/2/stat"), "2 (test) R 1 ") == text, "stat");
	int spaces = 0;
	for (const char *c = text; *c; c++)
		spaces += *c == ' ';
	is(spaces, 51, "has 52 fields");
	ok(strstr(contents("/proc/self/status"), "Pid:\t2\nPPid:\t1\n"), "status of oneself");
	ok(!strcmp(contents("/proc/2/comm"), "test\n"), "comm");
	ok(!strcmp(target("/proc/self"), "2"), "self");
	ok(!strcmp(target("/proc/self/cwd"), "/"), "cwd");
	is(CALL(readlink, "/proc/2/exe", text, 10), -ENOENT, "exe of a process without");
	is(CALL(open, "/proc/3/stat", 0), -ENOENT, "no such process");
	is(CALL(open, "/proc/02/stat", 0), -ENOENT, "no such number");
	is(CALL(open, "/proc/2/stat", 1), -EACCES, "not to be written");
	is(CALL(mkdir, "/proc/x", 0777), -EPERM, "nothing is made there");
	is(CALL(unlink, "/proc/2/stat"), -EPERM, "or removed");
	is(list("/proc", "1") + list("/proc", "2") + list("/proc", "meminfo"), 3, "listing");
	child = (struct proc){.pid = 7, .parent = &stub_proc, .state = PROC_ZOMBIE};
	list_append(&proc_list, &child.link);
	fd = CALL(open, "/proc/7/stat", 0);
	dir = CALL(open, "/proc/7", 0200000);
	is(list("/proc", "7"), 1, "a zombie is listed");
	is(list("/proc/7/fd", NULL), 2, "without files");
	list_remove(&child.link);
	ok(CALL(read, fd, text, 100) > 0, "what was opened stays readable");
	is(CALL(openat, dir, "stat", 0), -ENOENT, "but no more is");
	is(CALL(getdents64, dir, text, 1000), -ENOENT, "or listed");
	CALL(close, fd);
	CALL(close, dir);
}

static void open_files(void)
{
	int ends[2], again;
	char path[40];
	int64_t fd;

	fd = CALL(open, "/tmp/file", 0102, 0644);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", (int)fd);
	ok(!strcmp(target(path), "/tmp/file"), "an open file");
	CALL(rename, "/tmp/file", "/tmp/other");
	ok(!strcmp(target(path), "/tmp/other"), "where it is now");
	CALL(unlink, "/tmp/other");
	ok(strstr(target(path), "(deleted)"), "or no more");
	CALL(write, fd, "still", 5);
	again = (int)CALL(open, path, 0);
	is(CALL(read, again, text, 10), 5, "opened anew all the same, at the start");
	CALL(close, again);
	CALL(close, fd);
	CALL(pipe, ends);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[1]);
	ok(strstr(target(path), "pipe:[") == text, "a pipe");
	again = (int)CALL(open, path, 1);
	is(CALL(write, again, "x", 1), 1, "opened anew");
	is(CALL(read, ends[0], text, 1), 1, "is the same pipe");
	is(list("/proc/self/fd", NULL), 6, "three files, the directory itself, . and ..");
	CALL(close, again);
	CALL(close, ends[0]);
	CALL(close, ends[1]);
}

static void system_files(void)
{
	static const char *const files[] = {"meminfo", "stat", "uptime", "loadavg", "version", "cpuinfo", "mounts",
		"filesystems", "devices", "sys/kernel/hostname", "sys/kernel/osrelease", "sys/kernel/ostype",
		"sys/kernel/pid_max", "self/maps", "self/statm", "self/cmdline"};
	char path[64];

	for (size_t n = 0; n < ARRAY_LENGTH(files); n++) {
		snprintf(path, sizeof(path), "/proc/%s", files[n]);
		ok(contents(path), "%s", path);
	}
	ok(strstr(contents("/proc/meminfo"), "MemTotal:         262144 kB\n") == text, "meminfo");
	ok(strstr(contents("/proc/mounts"), "proc /proc proc "), "mounts");
	ok(strstr(contents("/proc/loadavg"), " 1/2 2\n"), "loadavg");
}

static void devices(void)
{
	uint8_t a[5000] = {0}, b[5000] = {0};
	int64_t fd = CALL(open, "/dev/zero", 2);

	memset(a, 1, sizeof(a));
	is(CALL(read, fd, a, sizeof(a)), sizeof(a), "zero");
	ok(!memcmp(a, b, sizeof(a)), "reads as zeros");
	CALL(close, fd);
	fd = CALL(open, "/dev/full", 2);
	is(CALL(write, fd, "x", 1), -ENOSPC, "full");
	CALL(close, fd);
	fd = CALL(open, "/dev/null", 2);
	is(CALL(read, fd, a, 10), 0, "null");
	is(CALL(read, fd, (void *)8, 10), 0, "takes any address");
	CALL(close, fd);
	fd = CALL(open, "/dev/urandom", 2);
	is(CALL(read, fd, a, sizeof(a)), sizeof(a), "urandom");
	is(CALL(read, fd, b, sizeof(b)), sizeof(b), "again");
	ok(memcmp(a, b, sizeof(a)), "is not the same");
	is(CALL(read, fd, (void *)8, 10), -EFAULT, "a bad address");
	CALL(close, fd);
	uint32_t count[256] = {0}, low = UINT32_MAX, high = 0;
	for (int n = 0; n < 1000; n++) {
		uint8_t bytes[256];

		random_bytes(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			count[bytes[i]]++;
	}
	for (int n = 0; n < 256; n++) {
		low = MIN(low, count[n]);
		high = MAX(high, count[n]);
	}
	ok(low > 850 && high < 1150, "every byte about as often: %u to %u in 256,000", low, high);
}

int main(void)
{
	uint32_t heap, frames;

	stubs_start();
	CALL(close, CALL(open, "/dev/null", 2));
	heap = stub_heap_used;
	frames = stub_frames_used;
	processes();
	open_files();
	system_files();
	devices();
	is(stub_heap_used, heap, "nothing of the heap is left over");
	is(stub_frames_used, frames, "no frame is left over");
	stubs_end();
	return done_testing();
}
