/* What makes and what lists a tree share: how an entry is written down, and what its contents are. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 4096u /* contents are made and digested in pieces; those of zeros leave the digest as it is, so that holes cost nothing */

static inline _Noreturn void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u ^ x >> 32;
}

/* Of a piece of `n` bytes at `index`; what is behind n is zero. */
static inline uint64_t digest_piece(uint64_t digest, uint64_t index, const uint8_t *piece, size_t n)
{
	uint64_t h = 0, any = 0;

	for (size_t i = 0; i < (n + 7) / 8; i++) {
		uint64_t word;

		memcpy(&word, piece + i * 8, 8);
		any |= word;
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return any ? digest ^ mix(h ^ mix(index + 1)) : digest;
}

/* One line: tabs between, names never have one. Folders have no size, as each file system has its own. */
static inline void print_entry(const char *path, uint32_t mode, uint32_t uid, uint32_t gid, uint32_t links, uint64_t size, int64_t modified, const char *contents)
{
	printf("%s\t%06o\t%u\t%u\t%u\t%" PRIu64 "\t%" PRId64 "\t%s\n", path, mode, uid, gid, links, S_ISDIR(mode) ? 0 : size, modified, contents);
}
