/* See gpt.h. Numbers on the disk are little-endian and may be anywhere in a sector. */
#include <exos/disk/gpt.h>

#define SECTOR 512u
#define PRIMARY 1
#define MBR_TYPE 0x1c2 /* of the first of its four entries, which are 16 bytes each */
#define MBR_MARK 0x1fe
#define MBR_PROTECTIVE 0xee
#define HEADER_LEAST 92u
#define ENTRY_LEAST 128u

/* Offsets in a header and in an entry. */
enum { HEADER_SIZE = 12, HEADER_CRC = 16, OWN = 24, FIRST_USABLE = 40, LAST_USABLE = 48, TABLE = 72, ENTRIES = 80, ENTRY_SIZE = 84, TABLE_CRC = 88 };
enum { ENTRY_TYPE_SIZE = 16, ENTRY_FIRST = 32, ENTRY_LAST = 40 };

struct header {
	uint64_t first_usable, last_usable, table;
	uint32_t entries, entry_size, table_crc;
};

static uint32_t u32(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static uint64_t u64(const uint8_t *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }

/* CRC-32 as in Ethernet, half a byte at a time: the table is used for some 16 KiB at start, and never again. */
static uint32_t crc(uint32_t so_far, const uint8_t *bytes, size_t n)
{
	static const uint32_t table[16] = { 0, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };

	for (size_t i = 0; i < n; i++) {
		so_far = so_far >> 4 ^ table[(so_far ^ bytes[i]) & 15];
		so_far = so_far >> 4 ^ table[(so_far ^ bytes[i] >> 4) & 15];
	}
	return so_far;
}

static bool has_signature(const uint8_t *sector) { return memcmp(sector, "EFI PART", 8) == 0; }

/* The header's own sum is over its bytes with the sum itself as zero. */
static bool header_sum_holds(const uint8_t *sector, uint32_t size)
{
	static const uint8_t zero[4];
	uint32_t sum = crc(UINT32_MAX, sector, HEADER_CRC);

	sum = crc(sum, zero, sizeof(zero));
	sum = crc(sum, sector + HEADER_CRC + 4, size - HEADER_CRC - 4);
	return ~sum == u32(sector + HEADER_CRC);
}

static bool header_holds(const uint8_t *sector, uint64_t own, uint64_t sectors, struct header *h)
{
	uint32_t size = u32(sector + HEADER_SIZE);
	uint64_t bytes;

	if (!has_signature(sector) || size < HEADER_LEAST || size > SECTOR || !header_sum_holds(sector, size) || u64(sector + OWN) != own)
		return false;
	*h = (struct header){ u64(sector + FIRST_USABLE), u64(sector + LAST_USABLE), u64(sector + TABLE), u32(sector + ENTRIES), u32(sector + ENTRY_SIZE), u32(sector + TABLE_CRC) };
	if (h->entry_size < ENTRY_LEAST || h->entry_size & (h->entry_size - 1))
		return false;
	bytes = (uint64_t)h->entries * h->entry_size;
	if (bytes > GPT_TABLE_MAX || h->table >= sectors || (bytes + SECTOR - 1) / SECTOR > sectors - h->table)
		return false;
	return h->first_usable <= h->last_usable && h->last_usable < sectors;
}

/* 1: it does, 0, -EIO. */
static int table_holds(const struct gpt_source *s, const struct header *h)
{
	uint64_t bytes = (uint64_t)h->entries * h->entry_size;
	uint32_t sum = UINT32_MAX;

	for (uint64_t at = 0; at < bytes; at += SECTOR) {
		const uint8_t *sector = s->sector(s->data, h->table + at / SECTOR);

		if (!sector)
			return -EIO;
		sum = crc(sum, sector, MIN(bytes - at, SECTOR));
	}
	return ~sum == h->table_crc;
}

/* 1: header and table are good, 0: one of them is not, -EIO. */
static int copy_holds(const struct gpt_source *s, uint64_t own, struct header *h)
{
	const uint8_t *sector = s->sector(s->data, own);

	if (!sector)
		return -EIO;
	return header_holds(sector, own, s->sectors, h) ? table_holds(s, h) : 0;
}

static bool entry_used(const uint8_t *entry)
{
	for (uint32_t i = 0; i < ENTRY_TYPE_SIZE; i++)
		if (entry[i])
			return true;
	return false;
}

/* What is asked for of an entry is within its first 128 bytes, and so within a sector. The sectors are read again: they may not be what they were, so nothing is believed that was not looked at here. */
static int tell_partitions(const struct gpt_source *s, const struct header *h)
{
	for (uint32_t n = 0; n < h->entries; n++) {
		uint64_t at = (uint64_t)n * h->entry_size, first, last;
		const uint8_t *entry = s->sector(s->data, h->table + at / SECTOR);

		if (!entry)
			return -EIO;
		entry += at % SECTOR;
		first = u64(entry + ENTRY_FIRST);
		last = u64(entry + ENTRY_LAST);
		if (!entry_used(entry) || first < h->first_usable || last > h->last_usable || first > last)
			continue;
		if (!s->partition(s->data, n + 1, first, last - first + 1))
			return -ENOMEM;
	}
	return 0;
}

static bool protective(const uint8_t *mbr)
{
	if (mbr[MBR_MARK] != 0x55 || mbr[MBR_MARK + 1] != 0xaa)
		return false;
	for (uint32_t n = 0; n < 4; n++)
		if (mbr[MBR_TYPE + 16 * n] == MBR_PROTECTIVE)
			return true;
	return false;
}

/* Is there to be a table? 1, 0, -EIO: neither sector can be read. */
static int meant(const struct gpt_source *s)
{
	const uint8_t *sector = s->sector(s->data, PRIMARY);
	bool read = sector, is = sector && has_signature(sector);

	if (is)
		return 1;
	sector = s->sector(s->data, 0);
	if (!sector && !read)
		return -EIO;
	return sector && protective(sector);
}

int gpt_read(const struct gpt_source *s)
{
	struct header h;
	int primary, backup, is;

	if (s->sectors <= PRIMARY + 1)
		return 0;
	primary = copy_holds(s, PRIMARY, &h);
	if (primary == 1)
		return tell_partitions(s, &h);
	is = meant(s);
	if (is != 1)
		return is;
	backup = copy_holds(s, s->sectors - 1, &h);
	if (backup == 1)
		return tell_partitions(s, &h);
	return primary || backup ? -EIO : -EINVAL;
}
