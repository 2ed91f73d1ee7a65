/* Partition tables, whole and damaged. Argument: an image with at least two partitions, one of them number 1. */
#include <tests/host/tap.h>

#include "image.h"

static struct image good;
static struct found all;

static bool same(const struct found *f)
{
	if (f->count != all.count)
		return false;
	for (uint32_t n = 0; n < f->count; n++)
		if (f->partitions[n].number != all.partitions[n].number || f->partitions[n].first != all.partitions[n].first || f->partitions[n].sectors != all.partitions[n].sectors)
			return false;
	return true;
}

static uint8_t *at(struct image *i, uint64_t sector) { return i->bytes + sector * SECTOR; }
static uint8_t *backup(struct image *i) { return at(i, i->sectors - 1); }

/* What is read of a copy that `damage` has changed: the same table, or this error. */
static void expect(void (*damage)(struct image *i), int error, const char *what)
{
	static struct found f;
	struct image i = image_copy(&good);
	int result;

	damage(&i);
	f.most = 0;
	result = image_read(&i, &f);
	ok(result == error && (error || same(&f)), "%s", what);
	image_free(&i);
}

static void nothing(struct image *i) { (void)i; }
static void primary_header(struct image *i) { at(i, 1)[60] ^= 1; }
static void primary_table(struct image *i) { at(i, 2)[40] ^= 1; }
static void primary_signature(struct image *i) { at(i, 1)[0] = 0; }
static void primary_moved(struct image *i)
{
	put64(at(i, 1) + 24, 2);
	image_sum(at(i, 1));
}
static void primary_unread(struct image *i)
{
	i->bad_from = 1;
	i->bad_to = 2;
}
static void table_unread(struct image *i)
{
	i->bad_from = 5;
	i->bad_to = 6;
}
static void start_unread(struct image *i) { i->bad_to = 34; }
static void both_headers(struct image *i)
{
	primary_header(i);
	backup(i)[60] ^= 1;
}
static void mbr_untrusted(struct image *i) { memset(at(i, 0), 0, SECTOR); }
static void backup_gone(struct image *i) { memset(backup(i), 0, SECTOR); }
static void backup_unread_after_damage(struct image *i)
{
	primary_header(i);
	i->bad_from = i->sectors - 1;
	i->bad_to = i->sectors;
}
static void backup_damaged_first_unread(struct image *i)
{
	primary_unread(i);
	backup(i)[60] ^= 1;
}
static void entry_size_odd(struct image *i)
{
	put32(at(i, 1) + 84, 129);
	image_sum_table(i, at(i, 1));
}
static void entries_too_many(struct image *i)
{
	put32(at(i, 1) + 80, UINT32_MAX);
	image_sum(at(i, 1));
}
static void table_past_end(struct image *i)
{
	put64(at(i, 1) + 72, i->sectors - 2);
	image_sum(at(i, 1));
}

/* A backup without anything that says that there is to be a table is left from something else. */
static void wiped_start_has_no_table(void)
{
	static struct found f;
	struct image i = image_copy(&good);

	memset(i.bytes, 0, 34 * SECTOR);
	ok(image_read(&i, &f) == 0 && f.count == 0, "a backup alone is no table");
	image_free(&i);
}

/* The checksums are right, but the entry is not. */
static void entry_outside(uint64_t first, uint64_t last, const char *what)
{
	static struct found f;
	struct image i = image_copy(&good);
	uint8_t *entry = at(&i, get64(at(&i, 1) + 72));
	bool told = false;
	int result;

	put64(entry + 32, first);
	put64(entry + 40, last);
	image_sum_table(&i, at(&i, 1));
	result = image_read(&i, &f);
	for (uint32_t n = 0; n < f.count; n++)
		told |= f.partitions[n].number == 1;
	ok(result == 0 && f.count == all.count - 1 && !told, "%s", what);
	image_free(&i);
}

static void short_disks(void)
{
	static struct found f;
	bool fine = true;

	for (uint64_t sectors = 0; sectors < 40; sectors++) {
		struct image i = image_copy(&good);
		int result;

		i.sectors = sectors;
		result = image_read(&i, &f);
		fine = fine && (result == 0 || result == -EINVAL) && f.count == 0;
		image_free(&i);
	}
	ok(fine, "a disk that was cut off has no partitions, and nothing past its end is read");
}

static void no_memory(void)
{
	static struct found f = {.most = 1};
	struct image i = image_copy(&good);

	ok(image_read(&i, &f) == -ENOMEM, "there may be no memory for a partition");
	image_free(&i);
}

int main(int argc, char **argv)
{
	test_start(1, argv);
	good = image_load(argc > 1 ? argv[1] : "");
	ok(image_read(&good, &all) == 0 && all.count >= 2 && all.partitions[0].number == 1, "a whole table is read");
	expect(nothing, 0, "... and again");
	expect(primary_header, 0, "the backup helps where the header is damaged");
	expect(primary_table, 0, "... or its entries are");
	expect(primary_signature, 0, "... or its signature is, if the protective MBR says that there is to be a table");
	expect(primary_moved, 0, "... or it is not where it says");
	expect(primary_unread, 0, "... or it cannot be read");
	expect(table_unread, 0, "... or one of its entries' sectors cannot");
	expect(start_unread, -EIO, "where nothing can be read that says whether there is to be a table, nobody knows");
	expect(both_headers, -EINVAL, "both copies damaged is an error");
	expect(backup_unread_after_damage, -EIO, "... and one unreadable is another");
	expect(backup_damaged_first_unread, -EIO, "... whichever it is");
	expect(mbr_untrusted, 0, "the protective MBR need not be there");
	expect(backup_gone, 0, "nor the backup");
	expect(entry_size_odd, 0, "a header with entries of a size that is no power of two is damaged");
	expect(entries_too_many, 0, "... and one with more entries than anybody would read");
	expect(table_past_end, 0, "... and one whose entries are past the end");
	wiped_start_has_no_table();
	entry_outside(good.sectors, good.sectors + 1, "an entry past the end is left out");
	entry_outside(1, 100, "... and one that covers the table");
	entry_outside(100, 99, "... and one that ends before it begins");
	entry_outside(100, UINT64_MAX, "... and one without end");
	short_disks();
	no_memory();
	image_free(&good);
	return done_testing();
}
