/* SipHash-2-4 (Aumasson and Bernstein, 2012) of three words: the seal of a capability's name. Inline, because it is most of what binding by a
 * capability costs. */
#pragma once

#include <stdint.h>

static inline uint64_t rotate_left(uint64_t v, int n) { return v << n | v >> (64 - n); }

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotate_left(v[1], 13) ^ v[0], v[0] = rotate_left(v[0], 32);
	v[2] += v[3], v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotate_left(v[1], 17) ^ v[2], v[2] = rotate_left(v[2], 32);
}

static inline __attribute__((always_inline)) void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v), sip_round(v);
	v[0] ^= word;
}

static inline __attribute__((always_inline)) uint64_t siphash_2_4(const uint64_t k[2], uint64_t w0, uint64_t w1, uint64_t w2)
{
	uint64_t v[4] = { k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573 };

	sip_word(v, w0);
	sip_word(v, w1);
	sip_word(v, w2);
	sip_word(v, 24ul << 56); /* the length, in bytes */
	v[2] ^= 0xff;
	sip_round(v), sip_round(v), sip_round(v), sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
