/* A tree of files to put on a disk, the same for the same seed: make ARCHIVE FOLDERS SEED COUNT writes it as two tar archives, the second one with the folders alone, for their times, and prints what a file system that has unpacked both is to have, as `list` does. What tar has
 * no word for, `sparse` makes (SEED again), and is in the listing too. */
#include "sparse.h"

struct entry {
	char *path;
	uint32_t mode, uid, gid, links;
	uint64_t size, salt;
	int64_t modified;
	char *target;      /* of a symbolic link */
	struct entry *same; /* a further name of that one */
};

#define FIRST_FILE 2 /* behind . and odd */

static struct entry *entries;
static size_t count, room;
static uint64_t state;
static FILE *archive;

static uint64_t next(void)
{
	state += 0x9e3779b97f4a7c15u;
	return mix(state);
}
static uint64_t below(uint64_t n) { return next() % n; }

static struct entry *enter(char *path, uint32_t mode)
{
	struct entry *e;

	if (count == room)
		errno = ENOSPC, fail("entries");
	e = &entries[count++];
	*e = (struct entry){.path = path, .mode = mode, .links = S_ISDIR(mode) ? 2 : 1, .modified = 946684800 + (int64_t)below(800000000)};
	if (below(3) == 0) {
		e->uid = (uint32_t)below(below(2) ? 2000000 : 1000);
		e->gid = (uint32_t)below(below(2) ? 2000000 : 1000);
	}
	return e;
}

static char *text(const char *format, ...)
{
	va_list arguments;
	char *out;

	va_start(arguments, format);
	if (vasprintf(&out, format, arguments) < 0)
		fail("memory");
	va_end(arguments);
	return out;
}

static char *name_of(size_t length)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.+ ~%#";
	char *name = calloc(1, length + 1);

	for (size_t i = 0; i < length; i++)
		name[i] = letters[i && i + 1 < length ? below(sizeof(letters) - 1) : below(26)];
	return name;
}

static struct entry *folder(struct entry *parent, char *path)
{
	if (parent)
		parent->links++;
	return enter(path, S_IFDIR | (below(4) ? 0755 : 0700 | (uint32_t)below(0100) | (uint32_t)below(2) * S_ISVTX | (uint32_t)below(2) * S_ISGID));
}

static uint64_t size_of(void)
{
	switch (below(16)) {
	case 0: return 0;
	case 1: return 1 + below(3);
	case 2: return 1024 * (1 + below(4));
	case 3: return 4095 + below(3);
	case 4: return below(30000);
	default: return below(2500);
	}
}

static struct entry *file(char *path, uint64_t size)
{
	struct entry *e = enter(path, S_IFREG | (below(4) ? 0644 : (uint32_t)below(010000)));

	e->size = size;
	e->salt = next();
	return e;
}

static void link_to(char *path, size_t length)
{
	struct entry *e = enter(path, S_IFLNK | 0777);

	e->uid = e->gid = 0; /* BusyBox's tar does not give links away; walk does, with one */
	e->target = name_of(length);
	for (size_t at = 100; at + 1 < length; at += 100) /* no part of a path is longer than 255 */
		e->target[at] = '/';
	for (char *dots; (dots = strstr(e->target, "..")) != NULL;) /* which tar treats with suspicion */
		*dots = 'x';
	e->size = length;
}

static void further_name(char *path, size_t of)
{
	struct entry *e = enter(path, entries[of].mode);

	e->same = entries[of].same ? entries[of].same : &entries[of];
	e->same->links++;
}

/* Everything but the many small files: what is at an edge of the format. */
static void odd_ones(struct entry *top)
{
	struct entry *parent = folder(top, "odd");
	char *path = "odd/deep";
	size_t first;

	static const size_t lengths[] = {1, 59, 60, 61, 127, 1000, 1023};
	static const uint64_t sizes[] = {12 * 1024, 12 * 1024 + 1, 12 * 4096, 12 * 4096 + 1, (12 + 256) * 1024, (12 + 256) * 1024 + 1, 1500000, (12 + 1024) * 4096, (12 + 1024) * 4096 + 1, 7654321};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		file(text("odd/size %" PRIu64, sizes[i]), sizes[i]);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		link_to(text("odd/link %zu", lengths[i]), lengths[i]);
	for (uint32_t bits = 0; bits < 8; bits++)
		file(text("odd/mode %u", bits), 100)->mode = S_IFREG | bits << 9 | 0751;
	for (int i = 0; i < 40; i++)
		file(text("odd/%s", name_of(255)), below(300));
	enter("odd/fifo", S_IFIFO | 0620);
	first = count;
	file("odd/named often", 3000);
	for (int i = 0; i < 300; i++)
		further_name(text("odd/further name %d", i), first);
	for (int i = 0; i < 60; i++) {
		parent = folder(parent, path);
		file(text("%s/file", path), below(100));
		path = text("%s/%s", path, name_of(1 + below(20)));
	}
}

static void plant(size_t wanted)
{
	struct entry *top = folder(NULL, ".");
	size_t left, folders = wanted / 100, branches = folders / 12 + 1;

	top->mode = S_IFDIR | 0755;
	odd_ones(top);
	folder(top, "many");
	for (size_t i = 0; i < wanted / 3; i++)
		file(text("many/%s%zu", below(4) ? "file" : name_of(1 + below(40)), i), below(600));
	left = wanted - count;
	for (size_t b = 0; b < branches; b++) {
		struct entry *branch = folder(top, text("branch%zu", b));

		for (size_t f = 0; f < folders / branches; f++) {
			size_t here = left / branches / (folders / branches);
			char *path = text("branch%zu/%s%zu", b, name_of(3), f);

			folder(branch, path);
			for (size_t i = 0; i < here; i++) {
				char *name = text("%s/%s.%zu", path, name_of(1 + below(30)), i);

				switch (below(40)) {
				case 0: link_to(name, 1 + below(200)); break;
				case 1: further_name(name, S_ISREG(entries[count - 1].mode) ? count - 1 : FIRST_FILE); break;
				default: file(name, size_of());
				}
			}
		}
	}
	for (size_t i = 0; count < wanted; i++)
		file(text("last%zu", i), size_of());
}

/* Contents. */
static void fill(const struct entry *e, uint64_t index, uint8_t *piece, size_t n)
{
	uint64_t s = mix(e->salt ^ index);

	memset(piece, 0, PIECE);
	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			s = mix(s + i);
		piece[i] = (uint8_t)(s >> i % 8 * 8);
	}
}

static void write_bytes(const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, archive) != n)
		fail("archive");
}

static uint64_t write_contents(const struct entry *e)
{
	uint8_t piece[PIECE];
	uint64_t digest = 0;

	for (uint64_t at = 0; at < e->size; at += PIECE) {
		size_t n = e->size - at < PIECE ? e->size - at : PIECE;

		fill(e, at / PIECE, piece, n);
		digest = digest_piece(digest, at / PIECE, piece, n);
		write_bytes(piece, (n + 511) / 512 * 512);
	}
	return digest;
}

/* Tar: POSIX's header (pax, "ustar interchange format"), with GNU's records for long names before it. */
static void header(const char *path, const struct entry *e, char type, uint64_t size, const char *target)
{
	char h[512] = {0};
	unsigned sum = 0;

	snprintf(h, 101, "%s", path);
	snprintf(h + 100, 8, "%07o", e->mode & 07777);
	snprintf(h + 108, 8, "%07o", e->uid);
	snprintf(h + 116, 8, "%07o", e->gid);
	snprintf(h + 124, 12, "%011" PRIo64, size);
	snprintf(h + 136, 12, "%011" PRIo64, (uint64_t)e->modified);
	memset(h + 148, ' ', 8);
	h[156] = type;
	if (target)
		memcpy(h + 157, target, strnlen(target, 100));
	memcpy(h + 257, "ustar  ", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	write_bytes(h, sizeof(h));
}

static void long_text(char type, const char *text)
{
	static const struct entry none = {.mode = 0};
	size_t n = strlen(text) + 1;
	char *padded;

	if (n <= 100)
		return;
	header("././@LongLink", &none, type, n, NULL);
	padded = calloc(1, (n + 511) / 512 * 512);
	memcpy(padded, text, n);
	write_bytes(padded, (n + 511) / 512 * 512);
	free(padded);
}

/* Folders are anybody's until their contents are there. */
static void archive_entry(const struct entry *e, uint64_t *digest)
{
	struct entry early = {.mode = S_IFDIR | 0755, .modified = e->modified};
	const char *target = e->same ? e->same->path : e->target;
	char type = e->same ? '1' : S_ISDIR(e->mode) ? '5' : S_ISLNK(e->mode) ? '2' : S_ISFIFO(e->mode) ? '6' : '0';

	if (target)
		long_text('K', target);
	long_text('L', e->path);
	header(e->path, e->same ? e->same : digest && type == '5' ? &early : e, type, type == '0' ? e->size : 0, target);
	if (type == '0')
		*digest = write_contents(e);
}

static void archive_begin(const char *path)
{
	archive = fopen(path, "w");
	if (!archive)
		fail(path);
}

static void archive_end(void)
{
	static const char end[1024];

	write_bytes(end, sizeof(end));
	if (fclose(archive))
		fail("archive");
}

static void print(const struct entry *e, const uint64_t *digests)
{
	const struct entry *of = e->same ? e->same : e;
	char *contents = S_ISREG(of->mode) ? text("%016" PRIx64, digests[of - entries]) : of->target ? of->target : "";

	print_entry(e->path, of->mode, of->uid, of->gid, of->links, of->size, of->modified, contents);
}

int main(int argc, char **argv)
{
	uint64_t *digests;

	if (argc != 5) {
		fprintf(stderr, "usage: make ARCHIVE FOLDERS SEED COUNT\n");
		return 2;
	}
	state = mix(strtoull(argv[3], NULL, 0));
	room = strtoull(argv[4], NULL, 0) + 1000;
	entries = calloc(room, sizeof(*entries));
	digests = calloc(room, sizeof(*digests));
	plant(room - 1000);
	archive_begin(argv[1]);
	for (size_t i = 0; i < count; i++)
		archive_entry(&entries[i], &digests[i]);
	archive_end();
	archive_begin(argv[2]);
	for (size_t i = count; i-- > 0;)
		if (S_ISDIR(entries[i].mode))
			archive_entry(&entries[i], NULL);
	archive_end();
	for (size_t i = 0; i < count; i++)
		print(&entries[i], digests);
	print_entry(LINK_NAME, S_IFLNK | 0777, LINK_UID, LINK_GID, 1, strlen(LINK_TARGET), SPARSE_TIME, LINK_TARGET);
	for (unsigned i = 0; i < SPARSE_FILES; i++) {
		struct sparse s = sparse_of(argv[3], i);

		print_entry(s.name, S_IFREG | 0600, 0, 0, 1, s.size, SPARSE_TIME, text("%016" PRIx64, sparse_digest(&s)));
	}
	return 0;
}
