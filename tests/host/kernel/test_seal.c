/* Capabilities: the seal against the published vectors, and what can be made, narrowed and ended by whom. */
#include <kernel/cap.h>
#include <kernel/slice.h>

#include "machine.h"

#define OUT USER_BASE
#define IN (USER_BASE + 64)
#define ALL (RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC | RIGHT_GRANT)

/* SipHash-2-4 of the bytes 0, 1, ... under the key 0, 1, ... 15, by length (Aumasson and Bernstein's reference). */
static const uint64_t published[64] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
	0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794,
	0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd, 0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
	0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
	0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c, 0x0e3ea96b5304a7d0, 0xad0c42d6fc585992,
	0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f,
	0x7fa8220ba3b2ecea, 0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

/* Of any length, from the kernel's rounds. */
static uint64_t siphash(const uint64_t k[2], const uint8_t *bytes, size_t n)
{
	uint64_t v[4] = { k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)n << 56;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		memcpy(&word, bytes + i, 8);
		sip_word(v, word);
	}
	for (size_t j = i; j < n; j++)
		last |= (uint64_t)bytes[j] << 8 * (j - i);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int round = 0; round < 4; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void test_vectors(void)
{
	uint8_t bytes[64];
	uint64_t words[3];
	unsigned good = 0;

	for (uint8_t i = 0; i < 64; i++)
		bytes[i] = i;
	for (size_t n = 0; n < 64; n++)
		good += siphash(machine_key, bytes, n) == published[n];
	ok(good == 64, "SipHash-2-4: %u of 64 published vectors", good);
	memcpy(words, bytes, sizeof(words));
	ok(siphash_2_4(machine_key, words[0], words[1], words[2]) == published[24], "of three words, as a capability's name");
}

static void test_seal(void)
{
	struct aegis_cap cap = { .kind = CAP_FRAMES, .rights = ALL, .epoch = 3, .first = 17, .count = 5 }, changed;
	unsigned refused = 0;

	cap_seal(&cap);
	ok(cap_valid(&cap), "a sealed capability is valid");
	for (uint32_t bit = 0; bit < sizeof(cap) * 8; bit++) {
		changed = cap;
		((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused += !cap_valid(&changed);
	}
	ok(refused == sizeof(cap) * 8, "with any bit changed it is not");
	ok(cap_covers(&cap, 17) && cap_covers(&cap, 21) && !cap_covers(&cap, 16) && !cap_covers(&cap, 22), "it covers its range and no more");
	memcpy(user(IN), &cap, sizeof(cap));
	ok(cap_fetch(&changed, IN, CAP_FRAMES, RIGHT_WRITE) == 0, "it is fetched from user memory");
	ok(cap_fetch(&changed, IN, CAP_SLICES, 0) == -E_DENIED, "not as one of another kind");
	ok(cap_fetch(&changed, USER_END - 8, CAP_FRAMES, 0) == -E_FAULT, "nor from where none is");
	cap.rights = RIGHT_READ;
	cap_seal(&cap);
	memcpy(user(IN), &cap, sizeof(cap));
	ok(cap_fetch(&changed, IN, CAP_FRAMES, RIGHT_READ | RIGHT_WRITE) == -E_DENIED, "nor with more rights than it has");
}

static int64_t mint(uint32_t kind, uint32_t rights, uint64_t first, uint64_t count) { return call_cap_mint(OUT, kind, rights, first, count); }

static void test_mint(const struct env *first)
{
	struct aegis_cap *cap = user(OUT);
	uint64_t f = first->upcall_frame;
	frame_t mine[4];

	for (int i = 0; i < 4; i++)
		mine[i] = (frame_t)(300 + i);
	memcpy(user(IN), mine, sizeof(mine));
	ok(call_frame_alloc(IN, 4, 0, 0, 0) == 4, "four frames");
	ok(mint(CAP_FRAMES, ALL, 300, 4) == 0 && cap_valid(cap) && cap->first == 300 && cap->count == 4 && cap->rights == ALL, "frames");
	ok(mint(CAP_FRAMES, ALL, 300, 5) == -E_DENIED, "not with one that is not held");
	ok(mint(CAP_FRAMES, ALL, f, 1) == -E_DENIED, "not an upcall page");
	ok(mint(CAP_FRAMES, ALL, 0, 1) == -E_DENIED, "not the kernel's");
	ok(mint(CAP_FRAMES, ALL, MACHINE_FRAMES - 1, 2) == -E_INVALID && mint(CAP_FRAMES, ALL, 300, 0) == -E_INVALID &&
			mint(CAP_FRAMES, ALL, 300, AEGIS_BATCH_MAX + 1) == -E_INVALID && mint(CAP_FRAMES, ALL, 2, UINT64_MAX) == -E_INVALID, "not what is no range");
	ok(mint(CAP_FRAMES, 16, 300, 1) == -E_INVALID, "not with a right that does not exist");
	ok(mint(CAP_SLICES, ALL, 0, 1) == 0 && cap->kind == CAP_SLICES, "a slice");
	ok(mint(CAP_SLICES, ALL, 0, 2) == -E_DENIED && mint(CAP_SLICES, ALL, 7ul << 32, 1) == -E_INVALID, "not one that is not held, or does not exist");
	ok(mint(CAP_ENV, ALL, first->id, 1) == 0 && cap->first == first->id, "an environment");
	ok(mint(CAP_ENV, ALL, first->id + MACHINE_SLOTS, 1) == -E_NOENV && mint(CAP_ENV, ALL, 0, 1) == -E_NOENV, "not one that does not exist");
	ok(mint(CAP_DEVICE, ALL, 0, 1) == -E_INVALID, "not a device");
	ok(call_cap_mint(USER_END, CAP_FRAMES, ALL, 300, 1) == -E_FAULT, "not to where nothing is");
}

static int64_t narrow(uint64_t rights, uint64_t first, uint64_t count) { return call_cap_narrow(OUT, IN, rights, first, count); }

static void test_narrow(void)
{
	const struct aegis_cap *cap = user(IN);

	mint(CAP_FRAMES, ALL, 300, 4);
	ok(narrow(RIGHT_READ, 301, 2) == 0 && cap_valid(cap) && cap->rights == RIGHT_READ && cap->first == 301 && cap->count == 2, "narrowed");
	ok(narrow(ALL, 300, 4) == 0 && narrow(ALL, 303, 1) == 0, "to all of it, or the last");
	ok(narrow(ALL, 300, 5) == -E_DENIED && narrow(ALL, 299, 2) == -E_DENIED && narrow(ALL, 304, 1) == -E_DENIED && narrow(ALL, 300, 0) == -E_DENIED &&
			narrow(ALL, 301, UINT64_MAX) == -E_DENIED, "not to more");
	ok(narrow(16, 300, 1) == -E_DENIED, "not to other rights");
	mint(CAP_FRAMES, RIGHT_READ, 300, 4);
	ok(narrow(RIGHT_READ, 300, 1) == -E_DENIED, "not without RIGHT_GRANT");
	((struct aegis_cap *)user(OUT))->rights = ALL;
	ok(narrow(RIGHT_READ, 300, 1) == -E_DENIED, "nor by writing it in");
}

static void test_epochs(const struct env *first)
{
	struct aegis_cap *cap = user(OUT);
	frame_t f = 301;
	uint32_t epoch = frame_table[f].epoch;

	memcpy(user(IN), &f, sizeof(f));
	ok(call_frame_break(IN, 1, 0, 0, 0) == 1 && frame_table[f].epoch == epoch + 1, "breaking a frame begins another epoch");
	ok(mint(CAP_FRAMES, ALL, 300, 2) == -E_DENIED && mint(CAP_FRAMES, ALL, f, 1) == 0 && cap->epoch == epoch + 1, "a capability has one");
	ok(call_frame_free(IN, 1, 0, 0, 0) == 1 && frame_table[f].epoch == epoch + 2, "so does giving it back");
	mint(CAP_ENV, ALL, first->id, 1);
	ok(call_env_bind(OUT, 0, 0, 0, 0) == 0 && first->commander == first->id, "an environment is bound by capability");
	ok(call_cap_end(OUT, 0, 0, 0, 0) == 0 && first->commander == 0, "which ends,");
	ok(call_env_bind(OUT, 0, 0, 0, 0) == -E_DENIED && call_cap_end(OUT, 0, 0, 0, 0) == -E_DENIED, "once");
	mint(CAP_SLICES, ALL, 0, 1);
	ok(call_cap_end(OUT, 0, 0, 0, 0) == 0 && machine_slices(0)[0].epoch == cap->epoch + 1 && call_cap_end(OUT, 0, 0, 0, 0) == -E_DENIED, "a slice's too");
	mint(CAP_FRAMES, ALL, 300, 1);
	ok(call_cap_end(OUT, 0, 0, 0, 0) == -E_INVALID, "a frame's by frame_break only");
}

int main(void)
{
	const struct env *first = machine_boot();

	test_vectors();
	test_seal();
	test_mint(first);
	test_narrow();
	test_epochs(first);
	return done_testing();
}
