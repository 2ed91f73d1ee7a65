/* Random bytes: ChaCha20 (RFC 8439) as a generator that overwrites its key with each use, so that what was given out
 * cannot be computed back.
 *
 * Called by devices and personalities. As good as its seed: the processor's generator, where there is one, and the
 * time-stamp counter at every use. */
#include <exos/random.h>
#include <exos/sched/wait.h>

#define KEY_WORDS   8
#define BLOCK_WORDS 16
#define BLOCK_BYTES (BLOCK_WORDS * sizeof(uint32_t))

static uint32_t pool[KEY_WORDS]; /* domain lock */

static inline uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

static void block(const uint32_t key[KEY_WORDS], uint64_t counter, uint32_t out[BLOCK_WORDS])
{
	uint32_t start[BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(start + 4, key, KEY_WORDS * sizeof(*key));
	start[12] = (uint32_t)counter;
	start[13] = (uint32_t)(counter >> 32);
	memcpy(out, start, sizeof(start));
	for (int round = 0; round < 10; round++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int n = 0; n < BLOCK_WORDS; n++)
		out[n] += start[n];
}

/* Turns the pool over: half of a block becomes its next value, the other half a key for one use. */
static void turn(uint32_t key[KEY_WORDS])
{
	uint32_t out[BLOCK_WORDS];
	uint64_t now = ticks_now();

	pool[0] ^= (uint32_t)now;
	pool[1] ^= (uint32_t)(now >> 32);
	block(pool, 0, out);
	memcpy(pool, out, sizeof(pool));
	memcpy(key, out + KEY_WORDS, sizeof(pool));
}

void random_bytes(void *to, size_t n)
{
	uint32_t key[KEY_WORDS], out[BLOCK_WORDS];

	turn(key);
	if (n <= sizeof(key)) { /* the one use of the key is to be given out itself */
		memcpy(to, key, n);
		return;
	}
	for (size_t done = 0; done < n; done += BLOCK_BYTES) {
		block(key, done / BLOCK_BYTES, out);
		memcpy((char *)to + done, out, MIN(n - done, BLOCK_BYTES));
	}
}

void random_seed(const void *bytes, size_t n)
{
	uint32_t key[KEY_WORDS], part[KEY_WORDS];

	for (size_t done = 0; done < n; done += sizeof(part)) {
		memset(part, 0, sizeof(part));
		memcpy(part, (const char *)bytes + done, MIN(n - done, sizeof(part)));
		for (int w = 0; w < KEY_WORDS; w++)
			pool[w] ^= part[w];
		turn(key);
	}
}
