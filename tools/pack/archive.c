/* See archive.h. Called by main.c and program.c. Any failure to read or write ends the program with a message. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive.h"
#include "pack.h"

#define BUCKETS 4096
#define LINKS_MAX 40 /* symbolic links followed in one name, as Linux has it */
#define PAGE 4096
#define HEADER 110
#define TRAILER "TRAILER!!!"

static const char *base = ""; /* see archive_below */
static struct member *buckets[BUCKETS];
static struct member **members; /* in the order of the archive */
static size_t members_count, members_room;

static struct member **bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return &buckets[hash % BUCKETS];
}

static struct member *lookup(const char *name)
{
	for (struct member *m = *bucket_of(name); m; m = m->next_in_bucket)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

static struct member *enter(const char *name)
{
	struct member *m = lookup(name), **bucket = bucket_of(name);

	if (m)
		return m;
	if (members_count == members_room) {
		members_room = members_room ? members_room * 2 : 1024;
		members = realloc(members, members_room * sizeof(struct member *));
		if (!members)
			fail(STATUS_MACHINE, "out of memory");
	}
	m = allocate(sizeof *m);
	m->name = text_of("%s", name);
	m->next_in_bucket = *bucket;
	*bucket = m;
	members[members_count++] = m;
	return m;
}

/* The member's own name for a path of the guest: "." and ".." and doubled slashes taken out, symbolic links
 * followed (the last component's only if `follow_last`). */
static char *resolve(const char *guest, bool follow_last)
{
	char *done = text_of("%s", base), *rest = text_of("%s", guest);
	int links = 0;

	for (;;) {
		rest += strspn(rest, "/");
		size_t n = strcspn(rest, "/");
		if (!n)
			return done;
		char *part = text_of("%.*s", (int)n, rest);
		rest += n;
		bool last = !rest[strspn(rest, "/")];
		if (!strcmp(part, "."))
			continue;
		if (!strcmp(part, "..")) {
			char *slash = strrchr(done, '/');
			if (strlen(done) > strlen(base))
				*(slash ? slash : done) = 0;
			continue;
		}
		char *name = text_of("%s%s%s", done, *done ? "/" : "", part);
		struct member *m = lookup(name);
		if (!m || !S_ISLNK(m->mode) || (last && !follow_last)) {
			done = name;
			continue;
		}
		if (++links > LINKS_MAX)
			fail(STATUS_MACHINE, "%s: %s", guest, strerror(ELOOP));
		rest = text_of("%.*s/%s", (int)m->size, m->bytes, rest);
		if (*rest == '/')
			done[strlen(base)] = 0;
	}
}

void archive_below(const char *folder) { base = folder; }

struct member *archive_find(const char *guest) { return lookup(resolve(guest, true)); }

static void make_parents(const char *name)
{
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *parent = text_of("%.*s", (int)(slash - name), name);
		struct member *m = lookup(parent);
		if (!m) {
			m = enter(parent);
			m->mode = S_IFDIR | 0755;
			m->mtime = ARCHIVE_TIME;
		} else if (!S_ISDIR(m->mode)) {
			fail(STATUS_MACHINE, "/%s: /%s is not a folder", name, parent);
		}
	}
}

struct member *archive_add(const char *guest, uint32_t mode, const char *bytes, size_t size)
{
	char *name = resolve(guest, false);

	if (!strcmp(name, base))
		return NULL;
	make_parents(name);
	struct member *m = enter(name);
	*m = (struct member){ .name = m->name, .next_in_bucket = m->next_in_bucket, .mode = mode, .mtime = ARCHIVE_TIME,
		.bytes = bytes, .size = size };
	return m;
}

void archive_add_host(const char *host, const struct stat *st, const char *guest, bool keep_owner)
{
	char *link = NULL;

	if (S_ISSOCK(st->st_mode))
		return;
	if (S_ISLNK(st->st_mode)) {
		link = allocate((size_t)st->st_size + 1);
		if (readlink(host, link, (size_t)st->st_size) != st->st_size)
			fail(STATUS_MACHINE, "%s: changed while it was read", host);
	}
	if (st->st_size > UINT32_MAX)
		fail(STATUS_MACHINE, "%s: too large: the archive of the root holds files up to 4 GiB", host);
	if (S_ISREG(st->st_mode) && access(host, R_OK))
		fail(STATUS_MACHINE, "%s: %s", host, strerror(errno));
	struct member *m = archive_add(guest, st->st_mode, link, 0);
	if (!m)
		return;
	m->mtime = (uint32_t)st->st_mtime;
	if (S_ISREG(st->st_mode) || link)
		m->size = (uint64_t)st->st_size;
	if (!link)
		m->host = text_of("%s", host);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		m->device_major = major(st->st_rdev);
		m->device_minor = minor(st->st_rdev);
	}
	if (keep_owner) {
		m->uid = st->st_uid;
		m->gid = st->st_gid;
	}
}

static int visible(const struct dirent *entry) { return strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."); }

static void add_tree(const char *host, const struct stat *st, const char *guest, bool keep_owner)
{
	struct dirent **entries;
	struct stat entry_st;

	archive_add_host(host, st, guest, keep_owner);
	if (!S_ISDIR(st->st_mode))
		return;
	int n = scandir(host, &entries, visible, alphasort);
	if (n < 0)
		fail(STATUS_MACHINE, "%s: %s", host, strerror(errno));
	for (int i = 0; i < n; i++) {
		char *path = text_of("%s/%s", host, entries[i]->d_name);
		if (lstat(path, &entry_st))
			fail(STATUS_MACHINE, "%s: %s", path, strerror(errno));
		add_tree(path, &entry_st, text_of("%s/%s", guest, entries[i]->d_name), keep_owner);
	}
}

void archive_add_tree(const char *host, const char *guest, bool keep_owner)
{
	struct stat st;

	/* What was named is followed if it is a symbolic link; links below it stay links. */
	if (stat(host, &st))
		fail(STATUS_MACHINE, "%s: %s", host, strerror(errno));
	add_tree(host, &st, guest, keep_owner);
}

static uint32_t field(const char *header, int index)
{
	char digits[9] = { 0 };

	memcpy(digits, header + 6 + index * 8, 8);
	return (uint32_t)strtoul(digits, NULL, 16);
}

static size_t padded(size_t n) { return (n + 3) & ~(size_t)3; }

void archive_read(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		fail(STATUS_MACHINE, "%s: %s", file, strerror(errno));
	size_t end = (size_t)st.st_size;
	const char *bytes = mmap(NULL, end, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		fail(STATUS_MACHINE, "%s: %s", file, strerror(errno));
	close(fd);
	for (size_t at = 0; at + HEADER < end;) {
		const char *header = bytes + at;
		size_t size = field(header, 6), name_size = field(header, 11);
		size_t contents = at + padded(HEADER + name_size);
		if (memcmp(header, "070701", 6) || !name_size || contents > end || size > end - contents || header[HEADER + name_size - 1])
			fail(STATUS_MACHINE, "%s: not a newc archive", file);
		if (!strcmp(header + HEADER, TRAILER))
			return;
		struct member *m = archive_add(header + HEADER, field(header, 1), bytes + contents, size);
		if (m) {
			m->uid = field(header, 2);
			m->gid = field(header, 3);
			m->mtime = field(header, 5);
			m->device_major = field(header, 9);
			m->device_minor = field(header, 10);
		}
		at = contents + padded(size);
	}
}

static void pad(FILE *out, size_t written, size_t to)
{
	static const char zeros[PAGE];

	fwrite(zeros, 1, (to - written % to) % to, out);
}

static void copy_file(FILE *out, const char *host, uint64_t size)
{
	static char buffer[1 << 16];
	int fd = open(host, O_RDONLY | O_CLOEXEC);
	uint64_t left = size;
	ssize_t n;

	if (fd < 0)
		fail(STATUS_MACHINE, "%s: %s", host, strerror(errno));
	while (left && (n = read(fd, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer)) > 0) {
		fwrite(buffer, 1, (size_t)n, out);
		left -= (uint64_t)n;
	}
	if (left)
		fail(STATUS_MACHINE, "%s: changed while it was read", host);
	close(fd);
}

static void write_member(FILE *out, const struct member *m, size_t number)
{
	size_t name_size = strlen(m->name) + 1;

	fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", (unsigned)number, m->mode, m->uid, m->gid, 1u,
		m->mtime, (unsigned)m->size, 0u, 0u, m->device_major, m->device_minor, (unsigned)name_size, 0u);
	fwrite(m->name, 1, name_size, out);
	pad(out, HEADER + name_size, 4);
	if (m->bytes)
		fwrite(m->bytes, 1, (size_t)m->size, out);
	else if (m->size)
		copy_file(out, m->host, m->size);
	pad(out, (size_t)m->size, 4);
}

void archive_write(const char *file, const char *prefix)
{
	FILE *out = fopen(file, "we");
	struct stat st;
	struct member trailer = { .name = TRAILER };

	if (!out)
		fail(STATUS_MACHINE, "%s: %s", file, strerror(errno));
	setvbuf(out, NULL, _IOFBF, 1 << 18);
	if (prefix) {
		if (stat(prefix, &st))
			fail(STATUS_MACHINE, "%s: %s", prefix, strerror(errno));
		copy_file(out, prefix, (uint64_t)st.st_size);
		pad(out, (size_t)st.st_size, PAGE);
	}
	for (size_t i = 0; i < members_count; i++)
		write_member(out, members[i], i + 1);
	write_member(out, &trailer, 0);
	if (ferror(out) || fclose(out))
		fail(STATUS_MACHINE, "%s: %s", file, strerror(errno));
}
