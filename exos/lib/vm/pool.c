/* See pool.h. */
#include <exos/lib/vm/bind.h>
#include <exos/lib/vm/pool.h>
#include <exos/lib/x86_64/calls.h>

struct chain {
	frame_t first;
	uint64_t count;
};
static struct chain any, zeroed; /* a zeroed frame is zero but for the link */
static frame_t batch[POOL_BATCH];

static void push(struct chain *chain, frame_t f)
{
	*(uint64_t *)exos_frame_bytes(f) = chain->first;
	chain->first = f;
	chain->count++;
}

static inline frame_t pop(struct chain *chain)
{
	frame_t f = chain->first;
	uint64_t *link = exos_frame_bytes(f);

	if (f == NO_FRAME)
		return f;
	chain->first = (frame_t)*link;
	*link = 0;
	chain->count--;
	return f;
}

static __attribute__((noinline)) bool refill(void)
{
	int64_t got;

	for (uint32_t i = 0; i < POOL_BATCH; i++)
		batch[i] = FRAME_ANY;
	got = exos_frames_get(batch, POOL_BATCH);
	for (int64_t i = 0; i < got; i++)
		push(&any, batch[i]);
	return got > 0;
}

/* Without a look at the cleared ones. */
static frame_t get_any(void) { return any.first != NO_FRAME || refill() ? pop(&any) : NO_FRAME; }

static frame_t clear(frame_t f)
{
	if (f != NO_FRAME)
		__builtin_memset(exos_frame_bytes(f), 0, FRAME_SIZE);
	return f;
}

frame_t pool_get(void)
{
	frame_t f;

	space_change_begin();
	f = get_any();
	if (f == NO_FRAME)
		f = pop(&zeroed);
	space_change_end();
	return f;
}

frame_t pool_get_zeroed(void)
{
	frame_t f;

	space_change_begin();
	f = pop(&zeroed);
	if (f == NO_FRAME)
		f = clear(get_any());
	space_change_end();
	return f;
}

bool pool_prepare(uint64_t frames)
{
	frame_t f = 1;

	space_change_begin();
	while (zeroed.count < frames && (f = clear(get_any())) != NO_FRAME)
		push(&zeroed, f);
	space_change_end();
	return f != NO_FRAME;
}

uint64_t pool_idle(void) { return any.count + zeroed.count; }

static uint64_t give_batch(uint64_t most)
{
	uint64_t n = 0;

	while (n < POOL_BATCH && n < most && any.count + zeroed.count)
		batch[n++] = pop(any.count ? &any : &zeroed);
	if (n)
		exos_frames_put(batch, n);
	return n;
}

uint64_t pool_give(uint64_t frames)
{
	uint64_t given = 0, n;

	space_change_begin();
	while ((n = give_batch(frames - given)))
		given += n;
	space_change_end();
	return given;
}

void pool_put(frame_t f)
{
	space_change_begin();
	push(&any, f);
	if (any.count > 2 * POOL_BATCH)
		give_batch(POOL_BATCH);
	space_change_end();
}

void pool_forget(void) { any = zeroed = (struct chain){ NO_FRAME, 0 }; }
