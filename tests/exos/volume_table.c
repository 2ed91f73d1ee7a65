/* The page cache in the kernel's block table (aegis/disk.h): what is read can be found there by others, and nothing is there that is not on the disk, whatever becomes of files and their blocks. */
#include "volume.h"

#include "random.h"

#include <exos/lib/x86_64/calls.h>
#include <exos/program.h>


#define PAGE 4096
#define PAGES 200

static const volatile struct aegis_block_info *table;
static const struct aegis_info *info;
static int disk;
static struct random randoms;

static uint64_t next_random(void) { return random_next(&randoms); }

static void begin(void)
{
	int64_t at = exos_call(EXOS_CALL_info, EXOS_INFO_BLOCKS, 0);

	CHECK(at > 0);
	table = (const volatile struct aegis_block_info *)at;
	info = (const struct aegis_info *)exos_call(EXOS_CALL_info, EXOS_INFO_MACHINE, 0);
	disk = open(device, O_RDONLY);
	CHECK(disk >= 0);
}

static uint32_t number(void) { return (uint32_t)(device[strlen(device) - 1] - 'a'); }

/* How many frames have blocks of this disk; each must be as the disk has it, as nobody writes just now. */
static unsigned compare(void)
{
	static char bytes[PAGE];
	unsigned count = 0;

	for (uint32_t f = 0; f < info->frames; f++) {
		uint64_t block = table[f].block;

		if (table[f].state == BLOCK_NONE || extent_disk(block) != number())
			continue;
		CHECK(table[f].state == BLOCK_CLEAN || table[f].state == BLOCK_DIRTY);
		CHECK(pread(disk, bytes, PAGE, (off_t)(extent_sector(block) * SECTOR_SIZE)) == PAGE);
		if (memcmp(exos_frame_bytes(f), bytes, PAGE)) {
			printf("# frame %u, sector %lu\n", f, (unsigned long)extent_sector(block));
			CHECK(!"a registered frame is as its block is on the disk");
		}
		count++;
	}
	return count;
}

static void write_pages(int fd, int pages, int salt)
{
	static char bytes[PAGE];

	for (int i = 0; i < pages; i++) {
		memset(bytes, i * 7 + salt, PAGE);
		CHECK(pwrite(fd, bytes, PAGE, (off_t)i * PAGE) == PAGE);
	}
	CHECK(!fsync(fd));
}

static void read_all(int fd)
{
	static char bytes[PAGE];

	for (off_t at = 0; pread(fd, bytes, PAGE, at) > 0; at += PAGE)
		;
}

static bool whole_pages(void)
{
	struct statvfs s;

	CHECK(!statvfs(place, &s));
	return s.f_bsize == PAGE;
}

static void what_is_read_is_found(void)
{
	unsigned before;
	int fd;

	enter_folder();
	begin();
	fd = create("file");
	before = compare();
	write_pages(fd, PAGES, 1);
	forget("file");
	read_all(fd);
	if (whole_pages())
		CHECK(compare() >= before + PAGES);
}

static void what_was_cut_is_not(void)
{
	unsigned before;
	int fd;

	enter_folder();
	begin();
	fd = create("file");
	before = compare();
	write_pages(fd, PAGES, 2);
	forget("file");
	read_all(fd);
	CHECK(!ftruncate(fd, 10 * PAGE));
	sync();
	CHECK(compare() <= before + 10);
	CHECK(!unlink("file"));
	close(fd);
	sync();
	CHECK(compare() <= before);
}

/* Blocks go to other files, pages are changed and written again, and cached anew. */
static void blocks_that_change_hands(void)
{
	char name[32];

	enter_folder();
	begin();
	randoms = (struct random){ seed };
	for (int round = 0; round < 12; round++) {
		int fds[8];

		for (int i = 0; i < 8; i++) {
			snprintf(name, sizeof name, "f%d", i);
			fds[i] = create(name);
			write_pages(fds[i], 1 + (int)(next_random() % 60), round * 8 + i);
		}
		for (int i = 0; i < 8; i++) {
			snprintf(name, sizeof name, "f%d", i);
			if (next_random() % 2)
				forget(name);
			read_all(fds[i]);
			if (next_random() % 2)
				write_pages(fds[i], 1 + (int)(next_random() % 30), round * 8 + i + 100);
			if (next_random() % 3 == 0)
				CHECK(!unlink(name));
			close(fds[i]);
		}
		sync();
		compare();
	}
}

static void read_again_and_again(void *data, int n)
{
	char name[32];
	(void)data;

	for (int round = 0; round < 20; round++) {
		int fd;

		snprintf(name, sizeof name, "s%d", (n + round) % 4);
		fd = open(name, O_RDONLY);
		CHECK(fd >= 0);
		read_all(fd);
		close(fd);
		if (round % 4 == n)
			forget(name);
	}
}

static void by_several_at_once(void)
{
	char name[32];

	enter_folder();
	begin();
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "s%d", i);
		int fd = create(name);
		write_pages(fd, 60, i);
		close(fd);
	}
	in_processes(4, read_again_and_again, NULL);
	sync();
	compare();
}

VOLUME_TESTS(T(what_is_read_is_found), T(what_was_cut_is_not), T(blocks_that_change_hands), T(by_several_at_once))
