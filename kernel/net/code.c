/* Machine code that was compiled from what users gave: it lies in frames that they donated, is written through the map of all memory, and run in a window where it cannot be written. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/net/net.h>
#include <kernel/smp.h>
#include <kernel/x86_64/paging.h>

#define MOST_RUNS 16384 /* the window's 256 MiB */
extern uint8_t code_window[];
uint32_t code_runs;
static uint32_t *free_runs, free_count; /* places in the window, of CODE_PAGES each */

void code_start(uint32_t runs)
{
	if (runs > MOST_RUNS)
		runs = MOST_RUNS;
	kernel_pages_start(code_window, (uint64_t)runs * CODE_PAGES);
	free_runs = boot_allocate(runs * sizeof(*free_runs));
	code_runs = runs;
	while (free_count < runs)
		free_runs[free_count] = runs - 1 - free_count, free_count++;
}

const uint8_t *code_take(void) { return free_count ? code_window + (uint64_t)free_runs[--free_count] * CODE_PAGES * FRAME_SIZE : NULL; }

void code_put(const uint8_t *run, const uint8_t *code, size_t size, const frame_t *frames, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t at = i * FRAME_SIZE, part = at >= size ? 0 : size - at < FRAME_SIZE ? size - at : FRAME_SIZE;

		frame_clear(frames[i]); /* what its owner had put there is not to be run */
		memcpy(frame_pointer(frames[i]), code + at, part);
		frame_table[frames[i]].state = FRAME_CODE;
		frame_table[frames[i]].clean = 0;
		kernel_page_set(run + at, frames[i]);
	}
}

void code_give(const uint8_t *run, const frame_t *frames, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		kernel_page_set(run + i * FRAME_SIZE, FRAME_ANY);
	if (n)
		smp_quiesce(); /* idle CPUs too: they take interrupts */
	for (uint32_t i = 0; i < n; i++) {
		frame_table[frames[i]].state = FRAME_OWNED;
		frame_clear(frames[i]);
	}
	free_runs[free_count++] = (uint32_t)((uint64_t)(run - code_window) / FRAME_SIZE / CODE_PAGES);
}

int64_t code_check(const frame_t *frames, uint32_t n)
{
	const struct env *account = current_env()->account;
	int64_t error;

	for (uint32_t i = 0; i < n; i++) {
		if ((error = frame_check_unused(frames[i], account)))
			return error;
		for (uint32_t j = 0; j < i; j++)
			if (frames[j] == frames[i])
				return -E_BUSY;
	}
	return 0;
}
