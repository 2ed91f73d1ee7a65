/* check FOLDER PROMISES SEED MARKER: is what was promised (promise.h) in what a crash left, and nothing in it that was never written? FOLDER: the files, as they were read from the disk. Says what is wrong; status 1. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static uint64_t seed;
static int folder, wrong;

static void complain(const char *name, const char *what, uint64_t a, uint64_t b)
{
	printf("# %s: %s (%lu, %lu)\n", name, what, a, b);
	wrong = 1;
}

/* A file, whole: its length, or -1. The caller frees. */
static ssize_t slurp(const char *name, uint8_t **out)
{
	int f = openat(folder, name, O_RDONLY);
	struct stat s;

	*out = NULL;
	if (f < 0)
		return -1;
	if (fstat(f, &s) || !S_ISREG(s.st_mode) || !(*out = malloc((size_t)s.st_size + 1)) || read(f, *out, (size_t)s.st_size) != s.st_size) {
		complain(name, "cannot be read", 0, 0);
		s.st_size = 0;
	}
	close(f);
	return s.st_size;
}

/* Not promised: it may be short, or have holes, but holds nothing that is not its own. */
static void check_own(const char *name, enum kind kind, uint64_t number, uint64_t version, size_t length_max)
{
	uint8_t *bytes;
	ssize_t length = slurp(name, &bytes);
	size_t own;

	if (length > (ssize_t)length_max)
		complain(name, "longer than it ever was", (uint64_t)length, length_max);
	if (length > 0 && (own = right(bytes, (size_t)length, seed, kind, number, version, 0, 1)) < (size_t)length)
		complain(name, "holds what is not its own", own, bytes[own]);
	free(bytes);
}

static void check_whole(uint64_t number)
{
	size_t length = length_of(seed, FILE_WHOLE, number, 0);
	uint8_t *bytes;
	ssize_t got;
	char name[32];

	snprintf(name, sizeof(name), "c%lu", number);
	got = slurp(name, &bytes);
	if (got != (ssize_t)length || right(bytes, length, seed, FILE_WHOLE, number, 0, 0, 0) < length)
		complain(name, "not whole", (uint64_t)got, length);
	free(bytes);
}

static void check_replaced(uint64_t number, uint64_t promised)
{
	struct replaced head;
	uint8_t *bytes;
	ssize_t got;
	char name[32];
	size_t length;

	snprintf(name, sizeof(name), "r%lu", number);
	got = slurp(name, &bytes);
	if (got < 0 && promised)
		complain(name, "is missing", promised, 0);
	if (got >= 0) {
		if ((size_t)got >= sizeof(head))
			memcpy(&head, bytes, sizeof(head));
		length = (size_t)got < sizeof(head) ? 0 : length_of(seed, FILE_REPLACED, number, head.version);
		if (!length || head.magic != REPLACED_MAGIC || (size_t)got != length || right(bytes + 16, length - 16, seed, FILE_REPLACED, number, head.version, 16, 0) < length - 16)
			complain(name, "torn", (uint64_t)got, length);
		else if (head.version < promised)
			complain(name, "older than promised", head.version, promised);
	}
	free(bytes);
}

static void check_appended(uint64_t number, uint64_t promised)
{
	uint8_t *bytes;
	ssize_t got;
	char name[32];

	snprintf(name, sizeof(name), "a%lu", number);
	got = slurp(name, &bytes);
	if (got < (ssize_t)promised)
		complain(name, "shorter than promised", (uint64_t)got, promised);
	else if (promised && right(bytes, promised, seed, FILE_APPENDED, number, 0, 0, 0) < promised)
		complain(name, "promised bytes are wrong", promised, 0);
	free(bytes);
	if (got > 0)
		check_own(name, FILE_APPENDED, number, 0, SIZE_MAX / 2);
}

static void check_tree(uint64_t number, enum kind kind)
{
	char name[64];

	snprintf(name, sizeof(name), "t%lu", number);
	if (kind == TREE_GONE) {
		if (faccessat(folder, name, F_OK, 0) == 0)
			complain(name, "still there", number, 0);
		return;
	}
	for (int i = 0; i < TREE_FILES; i++) {
		uint8_t *bytes;

		snprintf(name, sizeof(name), "t%lu/%s%d", number, i % 2 ? "in/" : "", i);
		if (slurp(name, &bytes) != 700 || right(bytes, 700, seed, TREE_WHOLE, number, (uint64_t)i, 0, 0) < 700)
			complain(name, "not whole", number, (uint64_t)i);
		free(bytes);
	}
}

/* Every page as a database of the version in page 0 has it. */
static void check_pages(const char *name, const uint8_t *db, enum kind kind, uint64_t promised)
{
	uint8_t page[DB_PAGE];
	uint64_t version;

	memcpy(&version, db, sizeof(version));
	if (version < promised || version > promised + 1000000)
		complain(name, "older than promised", version, promised);
	else
		for (uint32_t p = 0; p < DB_PAGES; p++) {
			db_fill(page, seed, kind, version, p);
			if (memcmp(page, db + p * DB_PAGE, DB_PAGE))
				complain(name, "a page is of another version", p, version);
		}
}

static void check_journal_db(uint64_t promised)
{
	struct journal_head head;
	uint8_t *db, *journal;
	ssize_t length = slurp("jdb", &db), journal_length = slurp("jdb-journal", &journal);

	if (!promised)
		goto out; /* it may be half made */
	if (length != DB_PAGES * DB_PAGE) {
		complain("jdb", "length", (uint64_t)length, promised);
		goto out;
	}
	if (journal_length >= (ssize_t)sizeof(head)) {
		memcpy(&head, journal, sizeof(head));
		if (head.pages <= DB_CHANGES + 1 && journal_length == (ssize_t)(sizeof(head) + head.pages * DB_PAGE) && head.sum == sum_of(journal + 8, (size_t)journal_length - 8, seed))
			for (uint32_t i = 0; i < head.pages; i++)
				if (head.numbers[i] < DB_PAGES)
					memcpy(db + head.numbers[i] * DB_PAGE, journal + sizeof(head) + i * DB_PAGE, DB_PAGE);
	}
	check_pages("jdb", db, JOURNAL_DB, promised);
out:
	free(db);
	free(journal);
}

static void check_wal_db(uint64_t promised)
{
	uint8_t db[DB_PAGES * DB_PAGE] = { 0 }, next[DB_PAGES * DB_PAGE], *file, *wal;
	ssize_t length = slurp("wdb", &file), wal_length = slurp("wdb-wal", &wal);
	struct wal_frame frame;

	if (!promised)
		goto out;
	if (length == sizeof(db))
		memcpy(db, file, sizeof(db));
	else
		for (uint32_t p = 0; p < DB_PAGES; p++)
			db_fill(db + p * DB_PAGE, seed, WAL_DB, 0, p);
	memcpy(next, db, sizeof(db));
	for (ssize_t at = 0; at + (ssize_t)sizeof(frame) <= wal_length; at += (ssize_t)sizeof(frame)) {
		memcpy(&frame, wal + at, sizeof(frame));
		if (frame.sum != sum_of((uint8_t *)&frame + 8, sizeof(frame) - 8, seed) || frame.page >= DB_PAGES)
			break;
		memcpy(next + frame.page * DB_PAGE, frame.bytes, DB_PAGE);
		if (frame.last)
			memcpy(db, next, sizeof(db));
	}
	check_pages("wdb", db, WAL_DB, promised);
out:
	free(file);
	free(wal);
}

static void keep(enum kind kind, uint64_t number, uint64_t value)
{
	switch (kind) {
	case FILE_WHOLE:
		check_whole(number);
		break;
	case FILE_REPLACED:
		check_replaced(number, value);
		break;
	case FILE_APPENDED:
		check_appended(number, value);
		break;
	case TREE_GONE:
	case TREE_WHOLE:
		if (value == 0)
			check_tree(number, kind);
		break;
	case JOURNAL_DB:
		check_journal_db(value);
		break;
	case WAL_DB:
		check_wal_db(value);
	}
}

/* What nobody promised holds its own bytes or none, and what is replaced is never torn. */
static void check_rest(void)
{
	DIR *d = fdopendir(dup(folder));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		uint64_t number = strtoul(e->d_name + 1, NULL, 10);

		if (e->d_name[0] == 'c')
			check_own(e->d_name, FILE_WHOLE, number, 0, length_of(seed, FILE_WHOLE, number, 0));
		else if (e->d_name[0] == 'r' && !strchr(e->d_name, '.'))
			check_replaced(number, 0);
		else if (e->d_name[0] == 'a')
			check_appended(number, 0);
	}
	if (d)
		closedir(d);
}

struct last { /* what counts of a file's promises is the last */
	uint64_t sequence, number, value;
	int kind;
};

int main(int argc, char **argv)
{
	struct last *list = NULL;
	size_t n = 0, room = 0;
	uint64_t marker;
	struct last one;
	FILE *promises;

	if (argc != 5)
		return fprintf(stderr, "usage: check FOLDER PROMISES SEED MARKER\n"), 2;
	folder = open(argv[1], O_RDONLY | O_DIRECTORY);
	promises = fopen(argv[2], "r");
	seed = strtoul(argv[3], NULL, 0);
	marker = strtoul(argv[4], NULL, 0);
	if (folder < 0 || !promises)
		return fprintf(stderr, "check: %s, %s: %s\n", argv[1], argv[2], strerror(errno)), 2;
	while (fscanf(promises, "%lu %d %lu %lu", &one.sequence, &one.kind, &one.number, &one.value) == 4 && one.sequence <= marker) {
		size_t i = 0;
		int family = one.kind == TREE_WHOLE ? TREE_GONE : one.kind;

		while (i < n && (list[i].number != one.number || (list[i].kind == TREE_WHOLE ? TREE_GONE : list[i].kind) != family))
			i++;
		if (i == room && !(list = realloc(list, (room = room * 2 + 64) * sizeof(*list))))
			return 2;
		list[i] = one;
		n += i == n;
	}
	for (size_t i = 0; i < n; i++)
		keep(list[i].kind, list[i].number, list[i].value);
	check_rest();
	return wrong;
}
