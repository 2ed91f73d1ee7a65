/* Looks at how it was loaded: prints `ok NAME` or `not ok NAME` for each property, and ends with the number of those that do not hold.
 *
 * loaded LIBRARY   the path of library.so, with which it is linked, too */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "library.h"

extern char _start[], __ehdr_start[];

static int failed;
static const char *library_path;

static void point(bool holds, const char *name)
{
	failed += !holds;
	printf("%sok %s\n", holds ? "" : "not ", name);
	fflush(stdout);
}

static sigjmp_buf after;
static volatile int caught;
static volatile bool expected; /* elsewhere a fault is a fault */

static void on_fault(int number)
{
	if (!expected)
		abort();
	expected = false;
	caught = number;
	siglongjmp(after, 1);
}

/* The signal that writing a byte there gives, or 0. */
static int signal_of_write(const volatile void *at)
{
	volatile char *to = (volatile char *)(uintptr_t)at;

	caught = 0;
	expected = true;
	if (!sigsetjmp(after, 1))
		*to = *to;
	expected = false;
	return caught;
}

static void auxiliary_vector(const char *name)
{
	const ElfW(Ehdr) *own = (const void *)__ehdr_start, *linker = (const void *)getauxval(AT_BASE);
	const uint64_t *random = (const void *)getauxval(AT_RANDOM);

	point(getauxval(AT_PHDR) == (uintptr_t)own + own->e_phoff, "AT_PHDR is the program's own table");
	point(getauxval(AT_PHNUM) == own->e_phnum && getauxval(AT_PHENT) == sizeof(ElfW(Phdr)), "AT_PHNUM and AT_PHENT");
	point(getauxval(AT_ENTRY) == (uintptr_t)_start, "AT_ENTRY is the program's, not the interpreter's");
	point(linker && !memcmp(linker->e_ident, ELFMAG, SELFMAG) && linker->e_type == ET_DYN, "AT_BASE is where the interpreter is");
	point(random && (random[0] || random[1]), "AT_RANDOM points to bytes");
	point(!strcmp((const char *)getauxval(AT_EXECFN), name), "AT_EXECFN is the path executed");
	point(!strcmp((const char *)getauxval(AT_PLATFORM), "x86_64"), "AT_PLATFORM");
	point(getauxval(AT_PAGESZ) == 4096 && !getauxval(AT_SECURE) && getauxval(AT_HWCAP), "AT_PAGESZ, AT_SECURE, AT_HWCAP");
}

static bool maps_have(const char *what)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps))
		found = found || strstr(line, what);
	if (maps)
		fclose(maps);
	return found;
}

static void address_space(void)
{
	char exe[256] = "";

	point(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 && strstr(exe, "loaded"), "/proc/self/exe is the program, not the interpreter");
	point(maps_have("libc.so.6") && maps_have("ld-linux-x86-64") && maps_have("[heap]"), "/proc/self/maps names libraries and interpreter");
	point(signal_of_write(_start) == SIGSEGV, "text cannot be written");
	point(signal_of_write((const void *)library_twice) == SIGSEGV, "nor a library's");
	point(signal_of_write(&library_relocated) == SIGSEGV, "nor what was relocated, once the dynamic linker is through (RELRO)");
	point(!signal_of_write(library_words), "data can");
}

static int mark_in_file(int value)
{
	FILE *f = fopen(library_path, "r");
	int words[1024], found = 0;
	size_t n;

	while (f && (n = fread(words, sizeof(*words), 1024, f)) > 0)
		for (size_t i = 0; i < n; i++)
			found += words[i] == value;
	if (f)
		fclose(f);
	return found;
}

static void private_data(void)
{
	int in_file = mark_in_file(LIBRARY_MARK), status = -1;
	pid_t child;

	library_words[5] = 1234567;
	point(in_file == LIBRARY_WORDS && mark_in_file(LIBRARY_MARK) == in_file, "writing a library's data does not change its file");
	child = fork();
	if (!child) {
		bool inherited = library_words[5] == 1234567 && library_words[6] == LIBRARY_MARK;

		library_words[6] = 7;
		_exit(inherited ? 0 : 1);
	}
	waitpid(child, &status, 0);
	point(status == 0 && library_words[6] == LIBRARY_MARK, "parent and child have its data apart");
	point(system("exit 7") == 7 << 8, "system(3): posix_spawn and wait");
}

static void opened_while_running(void)
{
	void *handle = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
	int (*twice)(int) = handle ? (int (*)(int))dlsym(handle, "library_twice") : NULL;
	const char *error;

	point(twice && twice(21) == 42, "dlopen and dlsym");
	point(handle && !dlclose(handle) && library_twice(4) == 8, "dlclose of what the program is linked with");
	handle = dlopen("/no/such/library.so", RTLD_NOW);
	error = dlerror();
	point(!handle && error && strstr(error, "No such file"), "dlopen of what is not there says so");
}

static int memory_free(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	int kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %d", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

#define BIG (4 << 20) /* of which a quarter is written: more than counters of free memory are off by */

/* A file mapped privately costs memory only where it is written. */
static void shared_frames(void)
{
	int fd = open("/tmp/big", O_RDWR | O_CREAT | O_TRUNC, 0600), before, read_all, written;
	volatile char *at;
	int sum = 0;
	char byte = 0;

	for (int n = 0; n < BIG; n += 4096) {
		char page[4096];

		memset(page, n >> 12, sizeof(page));
		if (write(fd, page, sizeof(page)) != sizeof(page))
			break;
	}
	at = mmap(NULL, BIG, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_DENYWRITE, fd, 0);
	before = memory_free();
	for (int n = 0; n < BIG; n += 4096)
		sum += at[n] == (char)(n >> 12);
	read_all = memory_free();
	for (int n = 0; n < BIG / 4; n += 4096)
		at[n] = 99;
	written = memory_free();
	point(sum == BIG / 4096, "a file mapped privately reads as the file");
	point(before - read_all < 512, "and shares the file's frames while it is only read");
	point(read_all - written > 512, "until it is written");
	point(pread(fd, &byte, 1, 4096) == 1 && byte == 1 && at[4096] == 99, "which the file does not see");
	munmap((void *)(uintptr_t)at, BIG);
	close(fd);
	unlink("/tmp/big");
}

static void over_a_reservation(void)
{
	struct stat st;
	int fd = open(library_path, O_RDONLY);
	char *room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = mmap(room + 0x4000, 0x100000 - 0x8000, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);

	fstat(fd, &st);
	point(at == room + 0x4000 && !memcmp(at, ELFMAG, SELFMAG), "MAP_FIXED over a reservation");
	point(signal_of_write(room) == SIGSEGV && signal_of_write(room + (1 << 20) - 1) == SIGSEGV, "which stays before and behind it");
	point(!at[(st.st_size | 4095)], "the rest of the file's last page is zero");
	caught = 0;
	expected = true;
	if (!sigsetjmp(after, 1))
		(void)*(volatile char *)(at + (st.st_size | 4095) + 1);
	point(caught == SIGBUS, "past it there is nothing: SIGBUS");
	munmap(room, 1 << 20);
	close(fd);
}

int main(int argc, char **argv)
{
	library_path = argc > 1 ? argv[1] : "";
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	point(library_constructed == 1 && library_words[LIBRARY_WORDS - 1] == LIBRARY_MARK, "the library's constructor has run, once");
	auxiliary_vector(argv[0]);
	address_space();
	private_data();
	opened_while_running();
	shared_frames();
	over_a_reservation();
	return failed;
}
