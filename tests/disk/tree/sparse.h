/* What archives do not carry: files of holes with little in between, the same for the same seed, longer than the disk that they are put on; and a link that is somebody else's. */
#pragma once

#include "tree.h"

#define LINK_NAME "given away"
#define LINK_TARGET "../nowhere"
#define LINK_UID 70000u
#define LINK_GID 1900000u
#define SPARSE_FILES 2u
#define SPARSE_PIECES 24u
#define SPARSE_TIME 1234567890

struct sparse {
	char name[32];
	uint64_t size;
	uint64_t at[SPARSE_PIECES]; /* pieces that have contents; sorted, no two are the same */
	uint64_t salt;
};

static inline struct sparse sparse_of(const char *seed, unsigned number)
{
	uint64_t salt = mix(mix(strtoull(seed, NULL, 0)) + number), pieces = (300 + 40 * number) << 8;
	struct sparse s = {.salt = salt, .size = pieces * PIECE - salt % PIECE};

	snprintf(s.name, sizeof(s.name), "sparse%u", number);
	for (unsigned i = 0; i < SPARSE_PIECES; i++) /* one in each of as many equal parts */
		s.at[i] = pieces / SPARSE_PIECES * i + mix(salt + i) % (pieces / SPARSE_PIECES - 1);
	s.at[0] = salt % 3; /* direct blocks too */
	return s;
}

static inline void sparse_fill(const struct sparse *s, unsigned i, uint8_t *piece)
{
	for (unsigned w = 0; w < PIECE / 8; w++) {
		uint64_t word = mix(s->salt ^ s->at[i] << 9 ^ w);

		memcpy(piece + w * 8, &word, 8);
	}
}

static inline uint64_t sparse_digest(const struct sparse *s)
{
	uint8_t piece[PIECE];
	uint64_t digest = 0;

	for (unsigned i = 0; i < SPARSE_PIECES; i++) {
		sparse_fill(s, i, piece);
		digest = digest_piece(digest, s->at[i], piece, PIECE);
	}
	return digest;
}
