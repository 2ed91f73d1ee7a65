/* Throws spoilt executables at the parser: whatever it accepts must be safe to load. Arguments: seed, rounds.
 *
 * Memory errors and overflows are the sanitizers' to find; here it is checked that what was accepted keeps elf.h's promises. The table
 * is handed over in a piece of memory of just its size. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/proc/elf.h>

#include "sample.h"

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Values at which sums and comparisons go wrong. */
static uint64_t interesting(void)
{
	static const uint64_t values[] = {0, 1, 0xfff, 0x1000, 0x1001, SAMPLE_SIZE - 1, SAMPLE_SIZE, SAMPLE_SIZE + 1, 0x7fffffff, 0x80000000,
		UINT32_MAX, (1ul << 47) - 0x1000, (1ul << 47) - 1, 1ul << 47, 1ul << 63, UINT64_MAX - 0xfff, UINT64_MAX};

	return values[next() % ARRAY_LENGTH(values)] + (next() % 4 ? 0 : next() % 3 - 1);
}

static void spoil(struct sample *s)
{
	uint8_t *bytes = (uint8_t *)s;

	for (uint64_t changes = next() % 4 + 1; changes; changes--) {
		size_t at = next() % sizeof(*s);
		uint64_t value = interesting();

		switch (next() % 4) {
		case 0:
			bytes[at] ^= (uint8_t)(1u << next() % 8);
			break;
		case 1:
			bytes[at] = (uint8_t)next();
			break;
		case 2: /* a field of the table */
			at = offsetof(struct sample, table) + next() % (sizeof(s->table) / 8) * 8;
			memcpy(bytes + at, &value, sizeof(value));
			break;
		default: /* a sound entry in another's place */
			s->table[next() % SAMPLE_ENTRIES] = s->table[next() % SAMPLE_ENTRIES];
		}
	}
}

static bool segment_safe(const struct elf_image *image, const struct elf_segment *s, uint64_t file_size)
{
	if (!s->memory_size || s->file_size > s->memory_size || s->memory_size > ELF_ADDRESS_TOP || s->address > ELF_ADDRESS_TOP - s->memory_size)
		return false;
	if (s->file_size && (s->offset > file_size || s->file_size > file_size - s->offset || (s->offset ^ s->address) % ELF_PAGE))
		return false;
	return s->address >= image->low && s->address + s->memory_size <= image->high;
}

static bool image_safe(const struct elf_image *image, uint64_t file_size)
{
	uint64_t end = 0;

	if (!image->segment_count || image->segment_count > ELF_SEGMENTS_MAX || image->high > ELF_ADDRESS_TOP || image->low % ELF_PAGE ||
		image->high % ELF_PAGE || image->alignment < ELF_PAGE || image->alignment & (image->alignment - 1) ||
		image->entry >= ELF_ADDRESS_TOP || image->table_address >= ELF_ADDRESS_TOP)
		return false;
	if (image->interpreter_length &&
		(image->interpreter_offset > file_size || image->interpreter_length > file_size - image->interpreter_offset))
		return false;
	for (uint32_t n = 0; n < image->segment_count; n++) {
		if (!segment_safe(image, &image->segments[n], file_size) || image->segments[n].address < end)
			return false;
		end = image->segments[n].address + image->segments[n].memory_size;
	}
	return true;
}

/* Parses a file that begins with `s`, as exos/proc/image.c does. */
static int parse(const struct sample *s, uint64_t file_size, struct elf_image *image)
{
	size_t length;
	uint8_t *table;
	int error = elf_parse(s, sizeof(*s), file_size, image);

	if (error)
		return error;
	length = image->table_entries * ELF_ENTRY_SIZE;
	table = calloc(1, length);
	if (image->table_offset < sizeof(*s)) {
		size_t there = sizeof(*s) - image->table_offset;

		memcpy(table, (const uint8_t *)s + image->table_offset, there < length ? there : length);
	}
	error = elf_parse_table(table, file_size, image);
	free(table);
	return error;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 300000;
	uint64_t accepted = 0, unsafe = 0;

	state = seed * 0x9e3779b97f4a7c15u | 1;
	for (uint64_t n = 0; n < rounds; n++) {
		struct sample s = sample_make();
		uint64_t file_size = next() % 8 ? SAMPLE_SIZE : next() % (SAMPLE_SIZE + 1);
		struct elf_image image;

		spoil(&s);
		if (parse(&s, file_size, &image))
			continue;
		accepted++;
		if (!image_safe(&image, file_size) && !unsafe++)
			printf("# seed %lu: round %lu is unsafe\n", seed, n);
	}
	printf("# seed %lu: %lu of %lu accepted\n", seed, accepted, rounds);
	printf("%sok 1 - what is accepted is safe to load\n", unsafe ? "not " : "");
	printf("%sok 2 - some is accepted and some refused\n", accepted && accepted < rounds ? "" : "not ");
	printf("1..2\n");
	return unsafe != 0;
}
