/* Throws spoilt partition tables at the parser: what it tells is within what a header allows, and it reads a bounded number of sectors. Half of the mutants have right checksums. Arguments: seed, rounds, image. */
#include <stdio.h>
#include <stdlib.h>

#include <tests/host/tap.h>

#include "image.h"

#define FRONT 40 /* sectors at either end that are spoilt */

static uint64_t interesting(const struct image *i)
{
	const uint64_t values[] = {0, 1, 2, 33, 34, 127, 128, 129, 512, 1024, 1025, i->sectors - 34, i->sectors - 1, i->sectors, i->sectors + 1, INT32_MAX, UINT32_MAX, 1ul << 32, INT64_MAX, UINT64_MAX};

	return values[random_below(ARRAY_LENGTH(values))];
}

/* Undone by copying both ends of the image back. */
static void spoil(struct image *i)
{
	uint8_t *headers[2] = {i->bytes + SECTOR, i->bytes + (i->sectors - 1) * SECTOR};
	bool right = random_below(2);

	for (uint64_t changes = 1 + random_below(5); changes; changes--) {
		uint8_t *header = headers[random_below(2)];
		uint64_t sector = random_below(FRONT) + (random_below(2) ? i->sectors - FRONT : 0), table = get64(header + 72);

		switch (random_below(4)) {
		case 0:
			i->bytes[sector * SECTOR + random_below(SECTOR)] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1: /* a number of a header */
			put64(header + 8 + 4 * random_below(21), interesting(i));
			break;
		case 2: /* one half of a number: sizes and counts */
			put32(header + 8 + 4 * random_below(21), (uint32_t)interesting(i));
			break;
		default: /* an entry's start or end, if the table is within what is spoilt */
			if (table < FRONT - 8 || (table < i->sectors && table >= i->sectors - FRONT))
				put64(i->bytes + table * SECTOR + 128 * random_below(3) + 32 + 8 * random_below(2), interesting(i));
		}
	}
	for (int n = 0; right && n < 2; n++)
		image_sum_table(i, headers[n]);
}

/* Does some header on the disk allow all of them? */
static bool allowed(const struct image *i, const struct found *f)
{
	for (int n = 0; n < 2; n++) {
		const uint8_t *header = i->bytes + (n ? i->sectors - 1 : 1) * SECTOR;
		uint64_t first = get64(header + 40), last = get64(header + 48);
		bool all = last < i->sectors;

		for (uint32_t p = 0; p < f->count && all; p++)
			all = f->partitions[p].sectors && f->partitions[p].first >= first && f->partitions[p].first <= last && f->partitions[p].sectors <= last - f->partitions[p].first + 1;
		if (all)
			return true;
	}
	return f->count == 0;
}

static bool in_order(const struct found *f)
{
	for (uint32_t p = 1; p < f->count; p++)
		if (f->partitions[p].number <= f->partitions[p - 1].number)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct found found;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000, accepted = 0, refused = 0, most = 0;
	struct image good, i;
	bool fine = true, ordered = true;

	test_start(argc, argv);
	good = image_load(argc > 3 ? argv[3] : "");
	i = image_copy(&good);
	for (uint64_t n = 0; n < rounds; n++) {
		int error;

		memcpy(i.bytes, good.bytes, FRONT * SECTOR);
		memcpy(i.bytes + (i.sectors - FRONT) * SECTOR, good.bytes + (i.sectors - FRONT) * SECTOR, FRONT * SECTOR);
		spoil(&i);
		error = image_read(&i, &found);
		if (error)
			refused++;
		else if (found.count)
			accepted++;
		if (fine && !error && !allowed(&i, &found))
			printf("# round %lu: a partition outside of what is allowed\n", n), fine = false;
		ordered = ordered && in_order(&found);
		most = i.reads > most ? i.reads : most;
	}
	printf("# %lu mutants: %lu with partitions, %lu refused, %lu reads at most\n", rounds, accepted, refused, most);
	ok(fine, "what is told is within what a header allows");
	ok(ordered, "in order of their numbers");
	ok(most <= 4 + 3 * (GPT_TABLE_MAX / SECTOR + 1) + GPT_TABLE_MAX / 128, "the reads are bounded");
	ok(accepted > rounds / 100 && refused > rounds / 100, "some mutants pass and some are refused");
	image_free(&good);
	image_free(&i);
	return done_testing();
}
