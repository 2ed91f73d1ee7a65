/* Makes the boot archive: the root file system of the guest, what to start in it, and (for ExOS) the library in front of it.
 *
 * pack OUTPUT OPERATION...   called by ../exo only; operations are done in order:
 *   --prefix FILE         the archive comes after this file's bytes, at the next page boundary
 *   --archive FILE        take over the members of an archive
 *   --tree DIR            this folder of the host is the root; owners are kept
 *   --file HOST[:GUEST]   a file or folder of the host; without GUEST at the same path (a relative one from the root on)
 *   --folder GUEST MODE   an empty folder, mode in octal
 *   --link GUEST TARGET   a symbolic link
 *   --text GUEST TEXT     a file with this text
 *   --keep yes            from here on, files, folders, links and texts that the archive has already stay as they are
 *   --start RECORD        one more NUL-terminated record of the file .exos/start, the first file of the archive
 *   --program NAME        find PROGRAM (program.h); adds the record program-name=
 *   --below FOLDER        from here on, this folder of the archive is the root
 *   --fixed yes           the root is on a disk that cannot be written
 *   --disk-program NAME   find PROGRAM for a root on a disk; adds the records program-name= and program-else=
 * Exits with 125 where the archive cannot be made, with 126 or 127 where PROGRAM is not to be had. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "pack.h"
#include "program.h"

#define DEFAULT_PATH "/bin:/sbin:/usr/bin:/usr/sbin"
/* exos/start_root.h */
#define ROOT_ADDED ".exos/added"
#define ROOT_LACKED ".exos/lacked"
static char *start; /* the records so far */
static size_t start_size;
static bool keep, fixed;

void fail(int status, const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	fputs("exo: ", stderr);
	vfprintf(stderr, text, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(status);
}

void *allocate(size_t n)
{
	void *p = calloc(n, 1);

	if (!p)
		fail(STATUS_MACHINE, "out of memory");
	return p;
}

char *text_of(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		fail(STATUS_MACHINE, "out of memory");
	va_end(arguments);
	return text;
}

static void start_record(const char *record)
{
	size_t n = strlen(record) + 1;

	start = realloc(start, start_size + n);
	if (!start)
		fail(STATUS_MACHINE, "out of memory");
	memcpy(start + start_size, record, n);
	start_size += n;
}

static const char *start_path(void)
{
	static const char name[] = "env=PATH=";
	const char *path = DEFAULT_PATH;

	for (size_t at = 0; at < start_size; at += strlen(start + at) + 1)
		if (!strncmp(start + at, name, sizeof name - 1))
			path = start + at + sizeof name - 1;
	return path;
}

static void add_file(char *names)
{
	char *colon = strrchr(names, ':');
	const char *guest = names;

	/* A host file whose own name has a colon needs no quoting if it is there. */
	if (colon && access(names, F_OK)) {
		*colon = 0;
		guest = colon + 1;
	}
	if (*guest && guest[strlen(guest) - 1] == '/' && guest != names) {
		const char *slash = strrchr(names, '/');
		guest = text_of("%s%s", guest, slash ? slash + 1 : names);
	}
	if (!keep || !archive_find(guest))
		archive_add_tree(names, guest, false);
}

static void find_for_disk(const char *name)
{
	char *instead;
	char *program = program_for_disk(name, start_path(), ROOT_ADDED, ROOT_LACKED, fixed, &instead);

	start_record(text_of("program-name=%s", program));
	if (instead)
		start_record(text_of("program-else=%s", instead));
}

int main(int argc, char **argv)
{
	const char *prefix = NULL;
	struct member *start_file = NULL;

	if (argc < 2)
		fail(STATUS_MACHINE, "usage: pack OUTPUT OPERATION...");
	for (int i = 2; i < argc; i++) {
		const char *operation = argv[i];
		bool two = !strcmp(operation, "--folder") || !strcmp(operation, "--link") || !strcmp(operation, "--text");
		if (argc - i <= (two ? 2 : 1))
			fail(STATUS_MACHINE, "pack: %s: argument missing", operation);
		char *first = argv[++i], *second = two ? argv[++i] : NULL;
		if (two && keep && archive_find(first))
			continue;
		if (!strcmp(operation, "--prefix"))
			prefix = first;
		else if (!strcmp(operation, "--archive"))
			archive_read(first);
		else if (!strcmp(operation, "--tree"))
			archive_add_tree(first, "/", true);
		else if (!strcmp(operation, "--file"))
			add_file(first);
		else if (!strcmp(operation, "--folder"))
			archive_add(first, S_IFDIR | (uint32_t)strtoul(second, NULL, 8), NULL, 0);
		else if (!strcmp(operation, "--link"))
			archive_add(first, S_IFLNK | 0777, second, strlen(second));
		else if (!strcmp(operation, "--text"))
			archive_add(first, S_IFREG | 0644, second, strlen(second));
		else if (!strcmp(operation, "--keep"))
			keep = true;
		else if (!strcmp(operation, "--start"))
			start_record(first);
		else if (!strcmp(operation, "--program"))
			start_record(text_of("program-name=%s", program_find(first, start_path())));
		else if (!strcmp(operation, "--below"))
			archive_below(first);
		else if (!strcmp(operation, "--fixed"))
			fixed = true;
		else if (!strcmp(operation, "--disk-program"))
			find_for_disk(first);
		else
			fail(STATUS_MACHINE, "pack: %s: no such operation", operation);
		if (start_size && !start_file)
			start_file = archive_add(".exos/start", S_IFREG | 0600, NULL, 0);
	}
	if (start_file) {
		start_file->bytes = start;
		start_file->size = start_size;
	}
	archive_write(argv[1], prefix);
	return 0;
}
