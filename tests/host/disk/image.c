#include <stdio.h>
#include <stdlib.h>

#include "image.h"

uint32_t get32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }
void put32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}
void put64(uint8_t *p, uint64_t value)
{
	put32(p, (uint32_t)value);
	put32(p + 4, (uint32_t)(value >> 32));
}

struct image image_load(const char *path)
{
	struct image i = {0};
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0) {
		perror(path);
		exit(1);
	}
	i.sectors = (uint64_t)size / SECTOR;
	i.bytes = malloc(i.sectors * SECTOR);
	rewind(f);
	if (!i.bytes || fread(i.bytes, SECTOR, i.sectors, f) != i.sectors) {
		perror(path);
		exit(1);
	}
	fclose(f);
	return i;
}

struct image image_copy(const struct image *from)
{
	struct image i = {.bytes = malloc(from->sectors * SECTOR), .sectors = from->sectors};

	memcpy(i.bytes, from->bytes, i.sectors * SECTOR);
	return i;
}

void image_free(struct image *i)
{
	free(i->bytes);
	free(i->sector);
}

/* By a table made from the polynomial: not the parser's way. */
static uint32_t crc(const uint8_t *bytes, uint64_t n)
{
	static uint32_t table[256];
	uint32_t sum = UINT32_MAX;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	for (uint64_t i = 0; i < n; i++)
		sum = sum >> 8 ^ table[(sum ^ bytes[i]) & 0xff];
	return ~sum;
}

void image_sum(uint8_t *header)
{
	uint32_t size = get32(header + 12);

	put32(header + 16, 0);
	put32(header + 16, crc(header, size < SECTOR ? size : SECTOR));
}

void image_sum_table(struct image *i, uint8_t *header)
{
	uint64_t at = get64(header + 72), n = (uint64_t)get32(header + 80) * get32(header + 84);

	if (at < i->sectors && n <= (i->sectors - at) * SECTOR)
		put32(header + 88, crc(i->bytes + at * SECTOR, n));
	image_sum(header);
}

static const uint8_t *sector(void *data, uint64_t number)
{
	struct image *i = data;

	i->reads++;
	if (number >= i->sectors) {
		printf("not ok - sector %lu of %lu is read\n", number, i->sectors);
		abort();
	}
	if (number >= i->bad_from && number < i->bad_to)
		return NULL;
	free(i->sector);
	i->sector = malloc(SECTOR);
	return memcpy(i->sector, i->bytes + number * SECTOR, SECTOR);
}

struct both {
	struct image *image;
	struct found *found;
};

static const uint8_t *both_sector(void *data, uint64_t number) { return sector(((struct both *)data)->image, number); }

static bool both_partition(void *data, uint32_t number, uint64_t first, uint64_t sectors)
{
	struct found *f = ((struct both *)data)->found;

	if (f->count == f->most)
		return false;
	f->partitions[f->count].number = number;
	f->partitions[f->count].first = first;
	f->partitions[f->count++].sectors = sectors;
	return true;
}

int image_read(struct image *i, struct found *found)
{
	struct both both = {i, found};
	struct gpt_source s = {.data = &both, .sectors = i->sectors, .sector = both_sector, .partition = both_partition};

	found->count = 0;
	if (!found->most)
		found->most = PARTITIONS_MOST;
	i->reads = 0;
	return gpt_read(&s);
}
