/* recover DISK: opens and closes the file system on a disk's image with exos/ext2, as a mount after a crash does. Status 1, and why. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exos/ext2/ext2.h>

static int disk;
static uint32_t block_size = 1024;

static uint64_t now(void *data) { return (void)data, 1767225600ul * 1000000000ul; }
static void *allocate(void *data, size_t n) { return (void)data, calloc(1, n); }
static void give(void *data, void *p) { (void)data, free(p); }
static void *page(void *data) { return (void)data, aligned_alloc(4096, 4096); }

static int read_list(void *data, const struct ext2_io *list, uint32_t n)
{
	(void)data;
	for (uint32_t i = 0; i < n; i++)
		if (pread(disk, list[i].memory, block_size, (off_t)list[i].block * block_size) != (ssize_t)block_size)
			return -5;
	return 0;
}

static int write_list(void *data, const struct ext2_io *list, uint32_t n, bool lasting)
{
	(void)data, (void)lasting;
	for (uint32_t i = 0; i < n; i++)
		if (pwrite(disk, list[i].memory, block_size, (off_t)list[i].block * block_size) != (ssize_t)block_size)
			return -5;
	return 0;
}

static int flush(void *data) { return (void)data, 0; }
static int read_bytes(void *data, uint64_t offset, void *to, uint32_t n) { return (void)data, pread(disk, to, n, (off_t)offset) == (ssize_t)n ? 0 : -5; }
static void set_block_size(void *data, uint32_t size) { (void)data, block_size = size; }

void panic(const char *text, ...)
{
	fprintf(stderr, "panic: %s\n", text);
	abort();
}

int main(int argc, char **argv)
{
	struct ext2_port port = { .now = now, .allocate = allocate, .free = give, .page = page, .page_free = give, .read = read_list, .write = write_list, .flush = flush };
	struct ext2_options options = { .read_bytes = read_bytes, .set_block_size = set_block_size };
	const char *why = "";
	struct ext2 *volume;
	struct stat s;
	int error;

	if (argc != 2 || (disk = open(argv[1], O_RDWR)) < 0 || fstat(disk, &s))
		return fprintf(stderr, "usage: recover DISK\n"), 2;
	options.bytes = (uint64_t)s.st_size;
	error = ext2_open(&port, &options, &volume, &why);
	if (!error)
		error = ext2_close(volume);
	if (error)
		printf("%s: error %d %s\n", argv[1], -error, why ? why : "");
	return error != 0;
}
