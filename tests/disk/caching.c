/* caching FOLDER: a few files are read again and again, and a large one, that fills memory, once in between. Prints how many sectors the disk was asked for, and in how many requests, meanwhile. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 4 << 20, LARGE = 96 << 20, PIECE = 1 << 16, ROUNDS = 4 };
static char bytes[PIECE];

static void make(const char *name, int size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	for (int at = 0; at < size; at += PIECE)
		if (write(fd, bytes, PIECE) != PIECE)
			exit(1);
	if (fsync(fd))
		exit(1);
	close(fd);
}

static void read_all(const char *name)
{
	int fd = open(name, O_RDONLY);

	while (read(fd, bytes, PIECE) > 0)
		;
	close(fd);
}

static void counters(unsigned long *requests, unsigned long *sectors)
{
	char line[256];
	FILE *f = fopen("/proc/diskstats", "r");

	while (f && fgets(line, sizeof line, f))
		if (strstr(line, " vda ") && sscanf(line, "%*d %*d %*s %lu %*d %lu", requests, sectors) == 2)
			break;
	if (f)
		fclose(f);
}

int main(int argc, char **argv)
{
	unsigned long requests[2] = { 0 }, sectors[2] = { 0 };

	if (argc != 2 || chdir(argv[1]))
		return 1;
	if (access("large", F_OK)) {
		make("small", SMALL);
		make("large", LARGE);
		return 0;
	}
	read_all("small");
	read_all("small");
	counters(&requests[0], &sectors[0]);
	for (int round = 0; round < ROUNDS; round++) {
		read_all("large");
		read_all("small");
		read_all("small");
	}
	counters(&requests[1], &sectors[1]);
	printf("%lu %lu\n", sectors[1] - sectors[0], requests[1] - requests[0]);
	return 0;
}
