/* The workload of the crash tests: workload SEED STEPS DEVICE MARKER-OFFSET FOLDER. Runs in the machine. What it does is told by the seed alone; see promise.h. It ends at the first error, saying which. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static uint64_t seed, state, sequence;
static int folder, device;
static off_t marker_at;
static uint64_t versions[16], lengths[8], journal_version, wal_version, made;
static uint8_t buffer[LENGTH_MAX];

static void check(int fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t some(uint64_t n) { return (state = mixed(state + 0x9e3779b97f4a7c15ul)) % n; }

static void promise(enum kind kind, uint64_t number, uint64_t value)
{
	static uint8_t sector[4096] __attribute__((aligned(4096)));
	struct marker m = { MARKER_MAGIC, ++sequence };

	printf("%lu %d %lu %lu\n", sequence, kind, number, value);
	fflush(stdout);
	memcpy(sector, &m, sizeof(m));
	check(pwrite(device, sector, 512, marker_at) == 512, "marker");
}

static int open_at(const char *name, int flags)
{
	int f = openat(folder, name, flags, 0644);

	check(f >= 0, name);
	return f;
}

static void put(int f, const void *bytes, size_t n) { check(write(f, bytes, n) == (ssize_t)n, "write"); }
static void put_at(int f, const void *bytes, size_t n, off_t at) { check(pwrite(f, bytes, n, at) == (ssize_t)n, "pwrite"); }
static void sync_file(int f) { check((some(2) ? fsync(f) : fdatasync(f)) == 0, "fsync"); }
static void sync_folder(void) { check(fsync(folder) == 0, "fsync of the folder"); }

/* A storm of files, of which the last is synced. */
static void storm(void)
{
	uint64_t n = 1 + some(30);
	char name[32];

	while (n--) {
		uint64_t number = made++;
		size_t length = length_of(seed, FILE_WHOLE, number, 0);
		int f;

		snprintf(name, sizeof(name), "c%lu", number);
		f = open_at(name, O_WRONLY | O_CREAT | O_EXCL);
		fill(buffer, length, seed, FILE_WHOLE, number, 0, 0);
		put(f, buffer, length);
		if (n == 0) {
			sync_file(f);
			sync_folder();
			promise(FILE_WHOLE, number, 0);
		}
		check(close(f) == 0, "close");
	}
}

static void replace(void)
{
	uint64_t number = some(16), version = ++versions[number];
	size_t length = length_of(seed, FILE_REPLACED, number, version);
	struct replaced head = { REPLACED_MAGIC, version };
	char name[32], temporary[32];
	int f;

	snprintf(name, sizeof(name), "r%lu", number);
	snprintf(temporary, sizeof(temporary), "r%lu.new", number);
	f = open_at(temporary, O_WRONLY | O_CREAT | O_TRUNC);
	fill(buffer, length, seed, FILE_REPLACED, number, version, 0);
	memcpy(buffer, &head, sizeof(head));
	put(f, buffer, length);
	sync_file(f);
	check(close(f) == 0, "close");
	check(renameat(folder, temporary, folder, name) == 0, "rename");
	if (some(2)) {
		sync_folder();
		promise(FILE_REPLACED, number, version);
	}
}

static void append(void)
{
	uint64_t number = some(8), n = 1 + some(some(4) ? 600 : 20000);
	char name[32];
	int f, fresh = lengths[number] == 0;

	snprintf(name, sizeof(name), "a%lu", number);
	f = open_at(name, O_WRONLY | O_CREAT | O_APPEND);
	fill(buffer, n, seed, FILE_APPENDED, number, 0, lengths[number]);
	put(f, buffer, n);
	lengths[number] += n;
	if (fresh)
		sync_folder();
	if (fresh || some(3)) {
		sync_file(f);
		promise(FILE_APPENDED, number, lengths[number]);
	}
	check(close(f) == 0, "close");
}

static void tree(void)
{
	static uint64_t next;
	uint64_t number = next++;
	char name[32], inner[64];

	snprintf(name, sizeof(name), "t%lu", number);
	check(mkdirat(folder, name, 0755) == 0, "mkdir");
	snprintf(inner, sizeof(inner), "%s/in", name);
	check(mkdirat(folder, inner, 0755) == 0, "mkdir");
	for (int i = 0; i < TREE_FILES; i++) {
		int f;

		snprintf(inner, sizeof(inner), "%s/%s%d", name, i % 2 ? "in/" : "", i);
		f = open_at(inner, O_WRONLY | O_CREAT | O_EXCL);
		fill(buffer, 700, seed, TREE_WHOLE, number, (uint64_t)i, 0);
		put(f, buffer, 700);
		check(close(f) == 0, "close");
	}
	if (some(2)) {
		sync();
		promise(TREE_WHOLE, number, 0);
		if (some(3) == 0)
			return;
	}
	promise(TREE_WHOLE, number, 1);
	for (int i = 0; i < TREE_FILES; i++) {
		snprintf(inner, sizeof(inner), "%s/%s%d", name, i % 2 ? "in/" : "", i);
		check(unlinkat(folder, inner, 0) == 0, "unlink");
	}
	snprintf(inner, sizeof(inner), "%s/in", name);
	check(unlinkat(folder, inner, AT_REMOVEDIR) == 0 && unlinkat(folder, name, AT_REMOVEDIR) == 0, "rmdir");
	sync_folder();
	promise(TREE_GONE, number, 0);
}

/* One transaction as with a rollback journal. */
static void journal_db(void)
{
	static uint8_t journal[sizeof(struct journal_head) + (DB_CHANGES + 1) * DB_PAGE];
	struct journal_head *head = (struct journal_head *)journal;
	uint64_t version = journal_version + 1;
	int db = open_at("jdb", O_RDWR | O_CREAT), f;
	size_t length;

	if (journal_version == 0) {
		for (uint32_t p = 0; p < DB_PAGES; p++) {
			db_fill(buffer, seed, JOURNAL_DB, 0, p);
			put_at(db, buffer, DB_PAGE, (off_t)p * DB_PAGE);
		}
		sync_file(db);
		sync_folder();
	}
	memset(journal, 0, sizeof(journal));
	head->version = journal_version;
	for (uint32_t p = 0; p < DB_PAGES; p++)
		if (db_changes(seed, JOURNAL_DB, version, p)) {
			check(pread(db, journal + sizeof(*head) + head->pages * DB_PAGE, DB_PAGE, (off_t)p * DB_PAGE) == DB_PAGE, "pread");
			head->numbers[head->pages++] = p;
		}
	length = sizeof(*head) + head->pages * DB_PAGE;
	head->sum = sum_of(journal + 8, length - 8, seed);
	f = open_at("jdb-journal", O_WRONLY | O_CREAT | O_TRUNC);
	put(f, journal, length);
	sync_file(f);
	check(close(f) == 0, "close");
	sync_folder();
	for (uint32_t i = 0; i < head->pages; i++) {
		db_fill(buffer, seed, JOURNAL_DB, version, head->numbers[i]);
		put_at(db, buffer, DB_PAGE, (off_t)head->numbers[i] * DB_PAGE);
	}
	sync_file(db);
	check(close(db) == 0, "close");
	check(unlinkat(folder, "jdb-journal", 0) == 0, "unlink");
	journal_version = version;
	if (some(2)) {
		sync_folder();
		promise(JOURNAL_DB, 0, version);
	}
}

/* One transaction as with a write-ahead log. */
static void wal_db(void)
{
	static struct wal_frame frame;
	uint64_t version = wal_version + 1;
	int wal = open_at("wdb-wal", O_RDWR | O_CREAT | O_APPEND), db;
	uint32_t left = 0;

	for (uint32_t p = 0; p < DB_PAGES; p++)
		left += (uint32_t)db_changes(seed, WAL_DB, version, p);
	for (uint32_t p = 0; p < DB_PAGES; p++) {
		if (!db_changes(seed, WAL_DB, version, p))
			continue;
		frame = (struct wal_frame){ .version = version, .page = p, .last = --left == 0 };
		db_fill(frame.bytes, seed, WAL_DB, version, p);
		frame.sum = sum_of((uint8_t *)&frame + 8, sizeof(frame) - 8, seed);
		put(wal, &frame, sizeof(frame));
	}
	if (version == 1)
		sync_folder();
	sync_file(wal);
	wal_version = version;
	promise(WAL_DB, 0, version);
	if (some(8) == 0) {
		db = open_at("wdb", O_RDWR | O_CREAT);
		for (uint32_t p = 0; p < DB_PAGES; p++) {
			db_fill(buffer, seed, WAL_DB, version, p);
			put_at(db, buffer, DB_PAGE, (off_t)p * DB_PAGE);
		}
		check(fsync(db) == 0, "fsync");
		sync_folder();
		check(close(db) == 0, "close");
		check(ftruncate(wal, 0) == 0, "ftruncate");
		if (some(2))
			sync_file(wal);
	}
	check(close(wal) == 0, "close");
}

int main(int argc, char **argv)
{
	static void (*const steps[])(void) = { storm, replace, replace, append, append, tree, journal_db, wal_db };

	if (argc != 6)
		return fprintf(stderr, "usage: workload SEED STEPS DEVICE MARKER-OFFSET FOLDER\n"), 2;
	seed = strtoul(argv[1], NULL, 0);
	state = mixed(seed);
	marker_at = strtol(argv[4], NULL, 0);
	device = open(argv[3], O_WRONLY | O_DIRECT);
	check(device >= 0, argv[3]);
	folder = open(argv[5], O_RDONLY | O_DIRECTORY);
	check(folder >= 0, argv[5]);
	for (long n = strtol(argv[2], NULL, 0); n > 0; n--)
		steps[some(sizeof(steps) / sizeof(*steps))]();
	return 0;
}
