/* See thread_stack.h. */
#include <aegis/x86_64/stubs.h>
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/proc/thread_stack.h>

#define TABLE_SPAN(level) (FRAME_SIZE << (9 * (level)))
#define LEVELS 3

struct table {
	struct list link;
	frame_t pair;
};

static bool bind_one(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = {va, entry};

	return aegis_bind(0, &b, 1, NULL) == 1;
}

static bool add_table(struct threads *ts, uint64_t va, uint32_t level)
{
	struct table *t = heap_alloc(sizeof(*t));

	if (!t)
		return false;
	t->pair = frame_get_pair();
	if (t->pair == NO_FRAME || !bind_one(va, BIND_ENTRY(t->pair, BIND_READ | BIND_WRITE | BIND_LEVEL(level)))) {
		if (t->pair != NO_FRAME)
			frame_put_pair(t->pair);
		heap_free(t);
		return false;
	}
	list_append(&ts->tables, &t->link);
	return true;
}

/* Slots come one after the other: the first in what a table spans brings that table. One that was added before memory ran out is there the next time. */
static bool add_tables(struct threads *ts, uint64_t va)
{
	for (uint32_t level = LEVELS; level >= 1; level--) {
		uint64_t start = ROUND_DOWN(va, TABLE_SPAN(level)), place = start / TABLE_SPAN(level) - THREADS_VA / TABLE_SPAN(level);

		if (ts->tables_made[level - 1] == place && !add_table(ts, start, level))
			return false;
		if (ts->tables_made[level - 1] == place)
			ts->tables_made[level - 1]++;
	}
	return true;
}

void thread_stack_put(struct thread *t)
{
	for (uint32_t n = 0; n < LIBRARY_STACK_FRAMES; n++) {
		if (t->stack_frames[n] != NO_FRAME)
			frame_put(t->stack_frames[n]);
		t->stack_frames[n] = NO_FRAME;
	}
}

bool thread_stack_bind(struct threads *ts, struct thread *t)
{
	uint64_t bottom = THREADS_VA + t->slot * THREAD_SPAN + THREAD_SPAN - LIBRARY_STACK_FRAMES * FRAME_SIZE;
	struct aegis_binding list[LIBRARY_STACK_FRAMES];
	bool all = add_tables(ts, bottom);

	for (uint32_t n = 0; n < LIBRARY_STACK_FRAMES; n++) {
		t->stack_frames[n] = all ? frame_get() : NO_FRAME;
		all = all && t->stack_frames[n] != NO_FRAME;
		list[n] = (struct aegis_binding){bottom + n * FRAME_SIZE, BIND_ENTRY(t->stack_frames[n], BIND_READ | BIND_WRITE)};
	}
	t->stack_top = bottom + LIBRARY_STACK_FRAMES * FRAME_SIZE;
	if (all && aegis_bind(0, list, LIBRARY_STACK_FRAMES, NULL) == LIBRARY_STACK_FRAMES)
		return true;
	if (all)
		thread_stack_unbind(t);
	else
		thread_stack_put(t);
	return false;
}

void thread_stack_unbind(struct thread *t)
{
	struct aegis_binding list[LIBRARY_STACK_FRAMES];

	for (uint32_t n = 0; n < LIBRARY_STACK_FRAMES; n++)
		list[n] = (struct aegis_binding){t->stack_top - (n + 1) * FRAME_SIZE, 0};
	aegis_bind(0, list, LIBRARY_STACK_FRAMES, NULL);
	thread_stack_put(t);
}

void thread_tables_put(struct threads *ts)
{
	LIST_FOR_EACH_SAFE(l, following, &ts->tables) {
		struct table *t = CONTAINER_OF(l, struct table, link);

		frame_put_pair(t->pair);
		heap_free(t);
	}
}
