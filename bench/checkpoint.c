/* Checkpoints of 8 MiB of memory (exos/lib/vm/checkpoint.h) to a file in memory, of which a round has written few pages, or all. Prints `row value` lines in guest instructions, the program's writes and
 * the checkpoint together, and faults.
 *
 * checkpoint.dirty by dirty bits (Linux: soft-dirty), checkpoint.protect by exos/lib (Linux: mprotect and SIGSEGV), checkpoint.signal by those on both, checkpoint.whole writes everything each time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include <exos/lib/vm/checkpoint.h>
#include <exos/lib/x86_64/calls.h>

#define PAGE 4096ul
#define PAGES 2048ul
#define FEW 32
#define PATH "/tmp/checkpoint"

static struct written memory;
static struct checkpoint checkpoint;

static void write_pages(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		(*(volatile uint64_t *)(memory.memory + i * (PAGES / n) * PAGE))++;
}

static void rounds(const char *name, const char *load, uint64_t pages, int count, bool whole)
{
	uint64_t started = 0, faults = 0;

	for (int i = -2; i < count; i++) {
		if (!i) {
			started = __rdtsc();
			faults = memory.faults;
		}
		write_pages(pages);
		checkpoint.whole = whole;
		if (checkpoint_take(&checkpoint)) {
			fprintf(stderr, "checkpoint: a checkpoint failed\n");
			exit(1);
		}
	}
	printf("checkpoint.%s.%s %lu\n", name, load, (uint64_t)(__rdtsc() - started) / (uint64_t)count);
	if (!whole)
		printf("checkpoint.%s.%s.faults %lu\n", name, load, (memory.faults - faults) / (uint64_t)count);
}

static void measure(const char *name, const struct written_ops *way, bool whole)
{
	unlink(PATH);
	if (written_create(&memory, way, PAGES)) {
		printf("# %s is not there\n", way->name);
		return;
	}
	if (checkpoint_open(&checkpoint, &memory, PATH))
		exit(1);
	memset(memory.memory, 1, PAGES * PAGE);
	rounds(name, "few", FEW, whole ? 1 : 16, whole); /* so that the log does not begin anew in what is measured */
	checkpoint_close(&checkpoint);
	unlink(PATH);
	if (checkpoint_open(&checkpoint, &memory, PATH))
		exit(1);
	rounds(name, "all", PAGES, 1, whole);
	checkpoint_close(&checkpoint);
	written_destroy(&memory);
}

int main(void)
{
	bool here = exos_here();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (here && space_start(&(struct exos_handlers){ .flags = EXOS_HANDLERS_GENERAL }))
		return 1;
	measure("signal", &written_signal, false);
	measure("protect", here ? &written_protect : &written_signal, false);
	measure("dirty", here ? &written_dirty : &written_soft, false);
	measure("whole", &written_signal, true);
	return 0;
}
