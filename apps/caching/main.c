/* caching PLACE [replace=reused|oldest] [first=PAGES] [ahead=PAGES] [dirty=PAGES] [wait=PAGES] [age=SECONDS]: how the volume that PLACE is on is cached from now on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exos/lib/x86_64/calls.h>
#include <exos/program.h>

static int usage(FILE *to)
{
	fprintf(to, "usage: caching PLACE [WORD=VALUE]...\n"
		"  replace=reused   when memory is wanted, pages that were read only once go first (the default)\n"
		"  replace=oldest   ... they go in the order in which they came\n"
		"  first=PAGES      read ahead so many pages at first where a file is read in order, and\n"
		"  ahead=PAGES      at most so many\n"
		"  dirty=PAGES      write what was changed when it is so many pages; writers wait at\n"
		"  wait=PAGES       so many\n"
		"  age=SECONDS      ... or when it is so old\n");
	return to == stdout ? 0 : 2;
}

/* A number from 1 on, or 0. */
static uint64_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *text && !*end && n <= UINT32_MAX ? n : 0;
}

static bool understand(const char *word, struct exos_cache *c)
{
	const struct {
		const char *name;
		uint64_t *to, unit;
	} words[] = { { "first=", &c->window_first, 1 }, { "ahead=", &c->window_most, 1 }, { "dirty=", &c->dirty_start, 1 }, { "wait=", &c->dirty_most, 1 }, { "age=", &c->age_ns, 1000000000 } };

	if (!strcmp(word, "replace=reused") || !strcmp(word, "replace=oldest")) {
		c->replacement = word[8] == 'r' ? EXOS_CACHE_REUSED : EXOS_CACHE_OLDEST;
		return true;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t length = strlen(words[i].name);

		if (!strncmp(word, words[i].name, length))
			return (*words[i].to = number(word + length) * words[i].unit) != 0;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct exos_cache cache = { 0 };
	int64_t error;
	int fd;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (argc < 3)
		return usage(stderr);
	for (int i = 2; i < argc; i++)
		if (!understand(argv[i], &cache)) {
			fprintf(stderr, "caching: %s: not understood\n", argv[i]);
			return usage(stderr);
		}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		fprintf(stderr, "caching: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (!exos_here()) {
		fprintf(stderr, "caching: this is not ExOS: its caches are what they are\n");
		return 1;
	}
	error = exos_cache(fd, &cache);
	if (error) {
		fprintf(stderr, "caching: %s: %s\n", argv[1], error == -ENODEV ? "on no disk" : strerror((int)-error));
		return 1;
	}
	return 0;
}
