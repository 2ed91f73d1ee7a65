/* See program.h. Called by main.c. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.h"
#include "pack.h"
#include "program.h"

#define HEAD 4096 /* bytes of an executable in which its headers and its interpreter's name must be */

static void add_needs(const char *host);

static void add_from_host(const char *host, const char *guest)
{
	struct stat st;

	if (stat(host, &st))
		fail(STATUS_MACHINE, "%s: %s", host, strerror(errno));
	archive_add_host(host, &st, guest, false);
	add_needs(host);
}

static void add_library(const char *path)
{
	if (!archive_find(path) && !access(path, R_OK))
		add_from_host(path, path);
}

/* The dynamic linker itself says which libraries a program would get: one a line, "name => path (address)" or "path (address)". */
static void add_libraries(const char *linker, const char *host)
{
	int ends[2], status;
	char line[8192];

	if (pipe2(ends, O_CLOEXEC))
		fail(STATUS_MACHINE, "pipe: %s", strerror(errno));
	pid_t child = fork();
	if (!child) {
		dup2(ends[1], 1);
		execl(linker, linker, "--list", host, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	FILE *list = fdopen(ends[0], "r");
	while (list && fgets(line, sizeof line, list)) {
		char *start = strchr(line, '/'), *end = strstr(line, " (0x");
		if (!start || !end || end < start)
			continue;
		char *library = text_of("%.*s", (int)(end - start), start);
		/* "name => path": the path comes after the arrow even if the name is a path, too. */
		char *arrow = strstr(library, " => ");
		library = arrow ? arrow + 4 : library;
		add_library(library);
		/* glibc opens this one by itself where a thread is cancelled. */
		char *libc = strstr(library, "/libc.so.6");
		if (libc)
			add_library(text_of("%.*s/libgcc_s.so.1", (int)(libc - library), library));
	}
	if (list)
		fclose(list);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		fail(STATUS_MACHINE, "%s: %s", linker, strerror(errno));
}

/* The name of the interpreter that the executable's program headers ask for; null: none, or no executable of this machine. */
static char *elf_interpreter(const char *head, size_t n)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (n < sizeof elf)
		return NULL;
	memcpy(&elf, head, sizeof elf);
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64 ||
		elf.e_phentsize != sizeof segment)
		return NULL;
	for (size_t i = 0; i < elf.e_phnum; i++) {
		if (elf.e_phoff > n || (i + 1) * sizeof segment > n - elf.e_phoff)
			return NULL;
		memcpy(&segment, head + elf.e_phoff + i * sizeof segment, sizeof segment);
		if (segment.p_type == PT_INTERP && segment.p_offset < n && segment.p_filesz < n - segment.p_offset)
			return text_of("%.*s", (int)segment.p_filesz, head + segment.p_offset);
	}
	return NULL;
}

/* Adds what the executable file `host` needs, as far as the archive lacks it and the host has it. */
static void add_needs(const char *host)
{
	char *head = allocate(HEAD + 1);
	int fd = open(host, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, head, HEAD);
	char *interpreter = NULL;

	if (fd >= 0)
		close(fd);
	if (n > 2 && !strncmp(head, "#!", 2)) {
		head += 2 + strspn(head + 2, " \t");
		interpreter = text_of("%.*s", (int)strcspn(head, " \t\r\n"), head);
	} else if (n > 0 && (interpreter = elf_interpreter(head, (size_t)n))) {
		if (!access(interpreter, X_OK))
			add_libraries(interpreter, host);
	}
	if (interpreter && *interpreter == '/' && !archive_find(interpreter) && !access(interpreter, X_OK))
		add_from_host(interpreter, interpreter);
}

static bool executable(const struct member *m) { return m && S_ISREG(m->mode) && (m->mode & 0111); }

static char *absolute(const char *path) { return text_of("%s%s", *path == '/' ? "" : "/", path); }

static char *find_by_path(const char *name)
{
	struct stat st;

	if (!stat(name, &st)) {
		if (S_ISDIR(st.st_mode))
			fail(STATUS_NOT_EXECUTABLE, "%s: Is a directory", name);
		if (!S_ISREG(st.st_mode) || access(name, X_OK))
			fail(STATUS_NOT_EXECUTABLE, "%s: Permission denied", name);
		add_from_host(name, absolute(name));
		return absolute(name);
	}
	if (errno != ENOENT && errno != ENOTDIR)
		fail(STATUS_NOT_EXECUTABLE, "%s: %s", name, strerror(errno));
	struct member *m = archive_find(name);
	if (!m)
		fail(STATUS_NOT_FOUND, "%s: No such file or directory", name);
	if (!executable(m))
		fail(STATUS_NOT_EXECUTABLE, "%s: %s", name, S_ISDIR(m->mode) ? "Is a directory" : "Permission denied");
	return absolute(name);
}

/* The next folder of a PATH, which is cut up meanwhile; an empty one is the current folder. Null at the end. */
static char *next_folder(char **path)
{
	char *folder = strsep(path, ":");

	return folder && !*folder ? "." : folder;
}

static bool usable(const char *host)
{
	struct stat st;

	return !stat(host, &st) && S_ISREG(st.st_mode) && !access(host, X_OK);
}

/* Where a bare name is on the host; null: nowhere. */
static char *find_on_host(const char *name)
{
	const char *path = getenv("PATH");
	char *rest = text_of("%s", path ? path : "/bin:/usr/bin"), *folder;

	while (*name && (folder = next_folder(&rest))) {
		char *candidate = text_of("%s/%s", folder, name);
		if (usable(candidate))
			return candidate;
	}
	return NULL;
}

char *program_find(const char *name, const char *path)
{
	char *rest = text_of("%s", path), *folder, *found = NULL;

	if (strchr(name, '/'))
		return find_by_path(name);
	while (*name && (folder = next_folder(&rest))) {
		char *candidate = text_of("%s/%s", folder, name);
		struct member *m = archive_find(candidate);
		if (executable(m))
			return absolute(candidate);
		if (m && !S_ISDIR(m->mode) && !found)
			found = candidate;
	}
	rest = find_on_host(name);
	if (rest) {
		add_from_host(rest, absolute(rest));
		return absolute(rest);
	}
	if (found)
		fail(STATUS_NOT_EXECUTABLE, "%s: Permission denied", found);
	fail(STATUS_NOT_FOUND, "%s: command not found", name);
}

static bool in_path(const char *name, const char *path)
{
	char *rest = text_of("%s", path), *folder;
	size_t length = (size_t)(strrchr(name, '/') - name);

	while ((folder = next_folder(&rest)))
		if (strlen(folder) == length && !strncmp(folder, name, length))
			return true;
	return false;
}

char *program_for_disk(const char *name, const char *path, const char *added, const char *lacked, bool fixed, char **instead)
{
	bool bare = !strchr(name, '/');
	const char *host = bare ? find_on_host(name) : name;
	struct stat st;

	*instead = NULL;
	if (bare || in_path(name, path)) {
		if (!fixed && host && usable(host)) {
			*instead = absolute(host);
			archive_below(lacked);
			add_from_host(host, *instead);
		}
		return text_of("%s", name);
	}
	if (stat(host, &st))
		return absolute(name);
	if (!usable(host))
		fail(STATUS_NOT_EXECUTABLE, "%s: %s", name, S_ISDIR(st.st_mode) ? "Is a directory" : "Permission denied");
	if (fixed)
		fail(STATUS_MACHINE, "%s is this host's, and cannot be copied into a root that is read-only", name);
	archive_below(added);
	archive_add_host(host, &st, absolute(name), false);
	archive_below(lacked);
	add_needs(host);
	return absolute(name);
}
