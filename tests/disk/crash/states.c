/* Makes the disks that a crash could have left from a log of blklogwrites (QEMU; the format of Linux's dm-log-writes, include/uapi/linux of the kernel's documentation: admin-guide/device-mapper/log-writes).
 *
 * states LOG IMAGE SEED COUNT MARKER-OFFSET OUTPUT COMMAND...: IMAGE is the disk before the log begins. For each of COUNT states, in the order of the log, writes OUTPUT and runs COMMAND with two arguments more: the newest promise (sequence number) that was made by then, and the number of the state.
 * A state is a cut in the log (half of them just before a flush, where most is at stake): what a flush before it covers, and what was written with FUA, is there; of the writes since each is there or not, or only some of its sectors are: as the seed has it. Status 1: COMMAND failed for one of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define LOG_MAGIC 0x6a736677736872ul
#define SECTOR 512
enum { LOG_FLUSH = 1, LOG_FUA = 2, LOG_DISCARD = 4 };
struct log_head {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};
struct log_entry {
	uint64_t sector, sectors, flags, data_length;
};
struct write {
	uint64_t at, length; /* bytes on the disk; */
	const uint8_t *data; /* null: discarded */
	int lasting;
};

static uint8_t *disk;
static size_t disk_size;
static uint64_t state, marker_at;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "states: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(2);
}

static uint64_t some(uint64_t n) { return (state = mixed(state + 0x9e3779b97f4a7c15ul)) % n; }

static uint8_t *map(const char *name, size_t *size, int protection)
{
	int f = open(name, O_RDONLY);
	struct stat s;
	uint8_t *p;

	if (f < 0 || fstat(f, &s))
		fail(name);
	*size = (size_t)s.st_size;
	p = mmap(NULL, *size, protection, MAP_PRIVATE, f, 0);
	if (p == MAP_FAILED)
		fail(name);
	close(f);
	return p;
}

static void put(uint8_t *to, const struct write *w, uint64_t from, uint64_t n)
{
	if (w->at + from + n > disk_size)
		fail("a write behind the disk's end");
	if (w->data)
		memcpy(to + w->at + from, w->data + from, n);
}

/* All of a write, none, or some of its sectors; `kept`: in how many of 16 cases all. */
static void tear(uint8_t *to, const struct write *w, uint64_t kept)
{
	uint64_t how = some(16);

	if (how > kept)
		return;
	if (how < kept) {
		put(to, w, 0, w->length);
		return;
	}
	for (uint64_t at = 0; at < w->length; at += SECTOR)
		if (some(2))
			put(to, w, at, SECTOR);
}

static uint64_t marker_of(const struct write *w)
{
	struct marker m = { 0 };

	if (!w->data || marker_at < w->at || marker_at + sizeof(m) > w->at + w->length)
		return 0;
	memcpy(&m, w->data + (marker_at - w->at), sizeof(m));
	return m.magic == MARKER_MAGIC ? m.sequence : 0;
}

static void output(const char *name, const struct write *pending, uint64_t n, uint64_t number)
{
	static uint8_t *copy;
	uint64_t kept = (uint64_t[]){ 2, 8, 14, 15 }[some(4)];
	int f;

	if (!copy && !(copy = malloc(disk_size)))
		fail("memory");
	memcpy(copy, disk, disk_size);
	for (uint64_t i = 0; i < n; i++)
		if (pending[i].lasting || number % 8 == 0) /* every eighth: just as if the machine had stopped */
			put(copy, &pending[i], 0, pending[i].length);
		else if (number % 8 != 1) /* one in eight: nothing of what was not flushed */
			tear(copy, &pending[i], kept);
	f = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (f < 0)
		fail(name);
	for (size_t at = 0; at < disk_size; at += 4096) { /* sparse */
		static const uint8_t zero[4096];
		size_t part = disk_size - at < 4096 ? disk_size - at : 4096;

		if (memcmp(copy + at, zero, part) && pwrite(f, copy + at, part, (off_t)at) != (ssize_t)part)
			fail(name);
	}
	if (ftruncate(f, (off_t)disk_size) || close(f))
		fail(name);
}

static int run(char **command, int n, uint64_t marker, uint64_t number)
{
	char text[2][24], *argv[n + 3];
	int status;
	pid_t child;

	memcpy(argv, command, (size_t)n * sizeof(*argv));
	snprintf(text[0], sizeof(text[0]), "%lu", marker);
	snprintf(text[1], sizeof(text[1]), "%lu", number);
	argv[n] = text[0];
	argv[n + 1] = text[1];
	argv[n + 2] = NULL;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		fail(command[0]);
	return status != 0;
}

/* The entry from that one on that is a flush, before which most is not on the medium yet. */
static uint64_t before_flush(const uint8_t *log, size_t size, uint64_t from)
{
	const struct log_entry *entry = (const struct log_entry *)(log + SECTOR);

	for (uint64_t e = 0; (const uint8_t *)entry < log + size; e++) {
		if (e >= from && entry->flags & LOG_FLUSH)
			return e;
		entry = (const struct log_entry *)((const uint8_t *)entry + SECTOR + (entry->flags & LOG_DISCARD ? 0 : entry->sectors * SECTOR));
	}
	return from;
}

static int compare(const void *a, const void *b) { return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b; }

int main(int argc, char **argv)
{
	uint64_t count, next = 0, marker = 0, pending_count = 0, failed = 0;
	const struct log_head *head;
	struct write *pending;
	uint64_t *cuts;
	size_t log_size, at;
	uint8_t *log;

	if (argc < 8)
		return fprintf(stderr, "usage: states LOG IMAGE SEED COUNT MARKER-OFFSET OUTPUT COMMAND...\n"), 2;
	log = map(argv[1], &log_size, PROT_READ);
	disk = map(argv[2], &disk_size, PROT_READ | PROT_WRITE);
	state = mixed(strtoul(argv[3], NULL, 0));
	count = strtoul(argv[4], NULL, 0);
	marker_at = strtoul(argv[5], NULL, 0);
	head = (const struct log_head *)log;
	if (log_size < SECTOR || head->magic != LOG_MAGIC || head->sector_size != SECTOR || !head->entries)
		fail(argv[1]);
	pending = calloc(head->entries, sizeof(*pending));
	cuts = calloc(count + 1, sizeof(*cuts));
	if (!pending || !cuts)
		fail("memory");
	for (uint64_t i = 0; i < count; i++)
		cuts[i] = some(2) ? some(head->entries + 1) : before_flush(log, log_size, some(head->entries));
	cuts[count] = UINT64_MAX;
	qsort(cuts, count, sizeof(*cuts), compare);
	at = SECTOR;
	for (uint64_t e = 0; e <= head->entries; e++) {
		const struct log_entry *entry = (const struct log_entry *)(log + at);
		struct write w;

		for (; cuts[next] == e; next++) {
			output(argv[6], pending, pending_count, next);
			if (run(argv + 7, argc - 7, marker, next)) {
				printf("# state %lu of seed %s: before entry %lu, promise %lu\n", next, argv[3], e, marker);
				failed++;
			}
		}
		if (e == head->entries)
			break;
		if (at + SECTOR > log_size)
			fail("the log's end");
		w = (struct write){ entry->sector * SECTOR, entry->sectors * SECTOR, log + at + SECTOR, (entry->flags & LOG_FUA) != 0 };
		at += SECTOR;
		if (entry->flags & LOG_DISCARD)
			w.data = NULL;
		else
			at += w.length;
		if (entry->flags & LOG_FLUSH) { /* it comes before what the entry itself writes */
			for (uint64_t i = 0; i < pending_count; i++)
				put(disk, &pending[i], 0, pending[i].length);
			pending_count = 0;
		}
		if (!w.length)
			continue;
		pending[pending_count++] = w;
		if (marker_of(&w))
			marker = marker_of(&w);
	}
	printf("# %lu states, %lu failed; %lu entries in the log, %lu promises\n", count, failed, head->entries, marker);
	return failed != 0;
}
