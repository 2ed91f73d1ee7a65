/* What the workload of the crash tests writes, and what it promises: shared by the workload, which runs in the machine, and by who checks what a crash left. Everything written can be told from (seed, kind, number, version), so a file's contents are
 * right or wrong without anybody remembering them. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A promise is a line on the workload's standard output: SEQUENCE KIND NUMBER VALUE. Once it is kept, its sequence number is written to the marker: a sector of the disk behind the file system. */
enum kind {
	FILE_WHOLE,   /* c<number>: there, whole */
	FILE_REPLACED, /* r<number>: of version >= value, whole whatever the version */
	FILE_APPENDED, /* a<number>: at least value bytes */
	TREE_GONE,    /* t<number>: not there */
	TREE_WHOLE,   /* t<number>: there with all its files, unless it was begun to be deleted: value 1 */
	JOURNAL_DB,   /* jdb with its journal: of version >= value */
	WAL_DB,       /* wdb with its log: of version >= value */
};

#define MARKER_MAGIC 0x6b72616d68737263ul
struct marker {
	uint64_t magic, sequence;
};

static inline uint64_t mixed(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdul;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ul;
	return x ^ x >> 33;
}
/* The bytes of a version of a file, eight by eight; none is 0, so that they can be told from a hole. */
static inline uint64_t base_of(uint64_t seed, enum kind kind, uint64_t number, uint64_t version) { return seed + mixed(kind + 16 * number) + mixed(version * 0x9e3779b97f4a7c15ul); }
static inline uint64_t word_of(uint64_t base, uint64_t word) { return mixed(base + word) | 0x0101010101010101ul; }
static inline void fill(uint8_t *to, size_t n, uint64_t seed, enum kind kind, uint64_t number, uint64_t version, uint64_t at)
{
	uint64_t base = base_of(seed, kind, number, version), word = word_of(base, at / 8);

	for (size_t i = 0; i < n; i++, at++) {
		if (at % 8 == 0)
			word = word_of(base, at / 8);
		to[i] = (uint8_t)(word >> at % 8 * 8);
	}
}
/* How many of the bytes are right, from the first on; with `holes`, a 0 is right too. */
static inline size_t right(const uint8_t *bytes, size_t n, uint64_t seed, enum kind kind, uint64_t number, uint64_t version, uint64_t at, int holes)
{
	uint64_t base = base_of(seed, kind, number, version), word = word_of(base, at / 8);

	for (size_t i = 0; i < n; i++, at++) {
		if (at % 8 == 0)
			word = word_of(base, at / 8);
		if (bytes[i] != (uint8_t)(word >> at % 8 * 8) && (bytes[i] || !holes))
			return i;
	}
	return n;
}

#define LENGTH_MAX 40000
static inline size_t length_of(uint64_t seed, enum kind kind, uint64_t number, uint64_t version)
{
	uint64_t x = mixed(seed ^ mixed(kind * 77 + number) ^ version);

	return x % 4 ? 16 + x / 4 % 3000 : 16 + x / 4 % (LENGTH_MAX - 16); /* most files are small */
}

/* r<number> begins with this. */
struct replaced {
	uint64_t magic, version;
};
#define REPLACED_MAGIC 0x6465636172706572ul

/* The two databases: pages; version v has changed page 0, which holds v, and some others. */
#define DB_PAGE 1024
#define DB_PAGES 40
#define DB_CHANGES 5
static inline uint32_t db_page(uint64_t seed, enum kind kind, uint64_t version, uint32_t n) { return 1 + (uint32_t)(mixed(seed + mixed(kind + 8 * version) + n) % (DB_PAGES - 1)); }
static inline int db_changes(uint64_t seed, enum kind kind, uint64_t version, uint32_t page)
{
	if (page == 0)
		return 1;
	for (uint32_t n = 0; n < DB_CHANGES; n++)
		if (db_page(seed, kind, version, n) == page)
			return 1;
	return 0;
}
/* The version that a page of a database of that version was last changed in; 0: as it was made. */
static inline uint64_t db_last(uint64_t seed, enum kind kind, uint64_t version, uint32_t page)
{
	while (version && !db_changes(seed, kind, version, page))
		version--;
	return version;
}
static inline void db_fill(uint8_t *to, uint64_t seed, enum kind kind, uint64_t version, uint32_t page)
{
	uint64_t last = db_last(seed, kind, version, page);

	fill(to, DB_PAGE, seed, kind, page, last, 0);
	memcpy(to, &last, sizeof(last));
}

static inline uint64_t sum_of(const uint8_t *bytes, size_t n, uint64_t seed)
{
	uint64_t sum = mixed(seed + n);

	for (size_t i = 0; i < n; i++)
		sum = sum * 0x100000001b3ul ^ bytes[i];
	return mixed(sum);
}

/* jdb-journal: this, and the old pages; valid if the sum is right. */
struct journal_head {
	uint64_t sum; /* of all that follows */
	uint64_t version; /* before */
	uint32_t pages, numbers[DB_CHANGES + 1];
};
/* wdb-wal: frames; those of a version count when the last of them has `last`. A generation ends when the log is emptied. */
struct wal_frame {
	uint64_t sum; /* of the rest, with the page */
	uint64_t version;
	uint32_t page, last;
	uint8_t bytes[DB_PAGE];
};
#define TREE_FILES 12
