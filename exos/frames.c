/* The domain's pool of frames: between the kernel, which hands out frames by number, and everything in ExOS that needs
 * a page.
 *
 * Idle frames stay bound in the window, so that taking one costs no kernel call; bare frames (kernel objects, which may be
 * bound nowhere else) and pairs (page tables) have pools of their own. All are chained through frame_references. Each
 * pool gives back what exceeds its high-water mark, a batch at a time, so that neither a get nor a put near the mark
 * calls the kernel twice in a row. When the kernel has no frame left, each pool draws on the others. Domain lock held.
 *
 * Pairs: frames that the kernel hands out one after the other mostly are neighbours. Where they are not any more, the exposed frame table says
 * which neighbours are free, and those are asked for by name. */
#include <aegis/x86_64/stubs.h>
#include <exos/frames.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/vm/x86_64/page.h>
#include <exos/volume/volume.h>

#define TABLE_FLAGS	    (BIND_READ | BIND_WRITE | BIND_EXEC)
#define REFERENCES_IN_FRAME (FRAME_SIZE / sizeof(uint32_t))
#define BARE_BATCH	    16
#define PAIR_BATCH	    16 /* a process needs about eight */
#define BARE_MOST	    64
#define PAIR_MOST	    128
#define SHRINK_BATCH	    64
#define PAIR_SHRINK	    1024 /* so many go until there are neighbours among them, probably */
#define IDLE_MOST	    4096 /* 16 MiB, */
#define IDLE_FRACTION	    16	 /* but no more than this part of the machine */

struct pool {
	frame_t first;
	uint32_t count;
};
static struct pool idle, bare, pairs;
static uint32_t idle_most;
static bool losses; /* frames have been repossessed: not every frame that comes back is there */
static frame_t pair_from; /* where the frame table is searched on */
static uint32_t lists_used; /* the two below are somebody's, who may need a page table meanwhile: nothing is given back then */
static frame_t numbers[AEGIS_BATCH_MAX];
static struct aegis_binding bindings[AEGIS_BATCH_MAX];

static void push(struct pool *pool, frame_t f)
{
	frame_references[f] = pool->first;
	pool->first = f;
	pool->count++;
}

static frame_t pop(struct pool *pool)
{
	frame_t f = pool->first;

	pool->first = frame_references[f];
	pool->count--;
	frame_references[f] = 1;
	return f;
}

static bool add_table(uint64_t va, uint32_t level)
{
	frame_t f = frame_get_pair();
	struct aegis_binding table = {
		ROUND_DOWN(va, FRAME_SIZE << 9 * level), BIND_ENTRY(f, TABLE_FLAGS | BIND_LEVEL(level))};
	int64_t result;

	if (f == NO_FRAME)
		return false;
	result = aegis_bind(0, &table, 1, NULL);
	if (result == -E_NOTABLE && level < 2 && add_table(va, level + 1))
		result = aegis_bind(0, &table, 1, NULL);
	if (result == 1)
		return true;
	frame_put_pair(f);
	return false;
}

/* How many of the bindings were made; fewer than n only for want of a frame for a page table. */
static uint32_t bind_shared(const struct aegis_binding *list, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		int64_t result = aegis_bind(0, list + done, n - done, NULL);

		if (result > 0)
			done += (uint32_t)result;
		else if (result != -E_NOTABLE)
			panic("frames: bind at %lx: %ld", list[done].va, (long)result);
		else if (!add_table(list[done].va, 1))
			break;
	}
	return done;
}

static void free_to_kernel(const frame_t *list, uint32_t n)
{
	int64_t result = n ? aegis_frame_free(list, n) : 0;

	if (result != (int64_t)n)
		panic("frames: giving back %u, from %x: %ld", n, list[0], (long)result);
}

static void window_entry(struct aegis_binding *b, frame_t f, uint64_t flags)
{
	*b = (struct aegis_binding){(uintptr_t)frame_address(f), BIND_ENTRY(f, flags)};
}

static void window_break(const struct aegis_binding *list, uint32_t n)
{
	int64_t result = aegis_bind(0, list, n, NULL);

	if (result != (int64_t)n)
		panic("frames: breaking %u in the window, from %lx: %ld", n, list[0].va, (long)result);
}

static void give_back_idle(uint32_t n)
{
	frame_t busy = NO_FRAME; /* a device reads from them yet: they stay */

	for (uint32_t i = 0; i < n;) {
		numbers[i] = pop(&idle);
		if (frame_table && frame_table[numbers[i]].pins) {
			frame_references[numbers[i]] = busy;
			busy = numbers[i];
			n--;
			continue;
		}
		window_entry(&bindings[i], numbers[i], 0);
		i++;
	}
	while (busy != NO_FRAME) {
		frame_t next = frame_references[busy];

		push(&idle, busy);
		busy = next;
	}
	window_break(bindings, n);
	free_to_kernel(numbers, n);
}

static void give_back_bare(uint32_t n)
{
	frame_t list[BARE_BATCH];

	for (uint32_t i = 0; i < n; i++)
		list[i] = pop(&bare);
	free_to_kernel(list, n);
}

static void give_back_pairs(uint32_t n)
{
	frame_t list[2 * PAIR_BATCH];

	for (uint32_t i = 0; i < n; i++) {
		list[2 * i] = pop(&pairs);
		list[2 * i + 1] = list[2 * i] + 1;
	}
	free_to_kernel(list, 2 * n);
}

/* An idle frame leaves the window. */
static frame_t idle_to_bare(void)
{
	struct aegis_binding window;
	frame_t f = pop(&idle);

	window_entry(&window, f, 0);
	window_break(&window, 1);
	return f;
}

/* These three may run in the middle of refill_idle or frame_bind_shared, and so leave their lists alone. */
static bool refill_bare(void)
{
	frame_t list[BARE_BATCH];
	int64_t taken;

	for (uint32_t i = 0; i < BARE_BATCH; i++)
		list[i] = FRAME_ANY;
	taken = aegis_frame_alloc(list, BARE_BATCH);
	for (int64_t i = 0; i < taken; i++)
		push(&bare, list[i]);
	if (taken <= 0 && idle.first)
		push(&bare, idle_to_bare());
	if (!bare.first && pairs.first) {
		frame_t f = pop(&pairs);

		push(&bare, f);
		push(&bare, f + 1);
	}
	return bare.first != NO_FRAME;
}

/* The next two neighbours in the frame table that are free, by name. */
static bool find_pair(void)
{
	uint32_t frames = machine_info->frames;

	for (uint32_t looked = 0; frame_table && looked < frames; looked++) {
		frame_t both[2] = {pair_from, pair_from + 1};
		int64_t taken;

		pair_from = pair_from + 2 < frames ? pair_from + 1 : 1;
		if (frame_table[both[0]].state != FRAME_FREE || frame_table[both[1]].state != FRAME_FREE)
			continue;
		taken = aegis_frame_alloc(both, 2);
		if (taken == 2) {
			push(&pairs, both[0]);
			return true;
		}
		free_to_kernel(both, taken == 1); /* another account was quicker, or its limit is reached */
		if (taken < 0)
			return false;
	}
	return false;
}

static bool refill_pairs(void)
{
	frame_t list[2 * PAIR_BATCH];
	int64_t taken, i = 0;

	for (uint32_t n = 0; n < 2 * PAIR_BATCH; n++)
		list[n] = FRAME_ANY;
	taken = aegis_frame_alloc(list, 2 * PAIR_BATCH);
	while (i < taken) {
		if (i + 1 < taken && (list[i] + 1 == list[i + 1] || list[i + 1] + 1 == list[i])) {
			push(&pairs, MIN(list[i], list[i + 1]));
			i += 2;
		} else {
			push(&bare, list[i++]);
		}
	}
	return pairs.first || find_pair();
}

static bool refill_idle(void)
{
	int64_t taken;
	uint32_t bound;

	for (uint32_t i = 0; i < AEGIS_BATCH_MAX; i++)
		numbers[i] = FRAME_ANY;
	taken = aegis_frame_alloc(numbers, AEGIS_BATCH_MAX);
	if (taken <= 0) {
		if (!bare.first && !refill_bare())
			return false;
		numbers[0] = pop(&bare);
		taken = 1;
	}
	for (int64_t i = 0; i < taken; i++)
		window_entry(&bindings[i], numbers[i], BIND_READ | BIND_WRITE);
	lists_used++;
	bound = bind_shared(bindings, (uint32_t)taken);
	lists_used--;
	for (uint32_t i = bound; i-- > 0;)
		push(&idle, numbers[i]);
	free_to_kernel(numbers + bound, (uint32_t)taken - bound);
	return bound != 0;
}

/* The reference words themselves need frames, and those need page tables, which are counted in the words: the first two
 * tables and the first frames are therefore bound before anything is chained. */
static void bind_references(uint32_t frames)
{
	uint32_t words = ROUND_UP(frames, REFERENCES_IN_FRAME) / REFERENCES_IN_FRAME;

	for (uint32_t page = 0; page < words; page++) {
		uint64_t va = FRAME_REFERENCES_VA + page * FRAME_SIZE;

		for (uint32_t level = 2; level >= 1; level--)
			if (ROUND_DOWN(va, FRAME_SIZE << 9 * level) == va)
				start_table(va, level);
		start_bind(va, BIND_ENTRY(start_frame(), BIND_READ | BIND_WRITE));
	}
}

bool frames_start(const struct aegis_info *info)
{
	exos_page_start();
	idle_most = MIN(IDLE_MOST, info->frames / IDLE_FRACTION);
	pair_from = 1;
	bind_references(info->frames);
	return refill_pairs() && refill_idle();
}

/* Contents of files make room, so far as they are on a disk. */
static __attribute__((noinline, cold)) bool shrink(void)
{
	volumes_shrink(SHRINK_BATCH);
	return idle.first;
}

frame_t frame_get(void)
{
	if (!idle.first && !refill_idle() && !shrink())
		return NO_FRAME;
	return pop(&idle);
}

frame_t frame_get_named(frame_t f)
{
	struct aegis_binding window;

	if (f == NO_FRAME || f >= machine_info->frames || aegis_frame_alloc(&f, 1) != 1)
		return NO_FRAME;
	window_entry(&window, f, BIND_READ | BIND_WRITE);
	if (!bind_shared(&window, 1)) {
		free_to_kernel(&f, 1);
		return NO_FRAME;
	}
	frame_references[f] = 1;
	return f;
}

bool frame_show(frame_t f)
{
	struct aegis_binding window;
	uint8_t byte;

	if (frame_table[f].state != FRAME_OWNED)
		return false;
	if (!exos_copy_guarded(&byte, frame_address(f), 1, &self->fault_resume))
		return true;
	window_entry(&window, f, BIND_READ | BIND_WRITE);
	return bind_shared(&window, 1);
}

bool frame_break_all(frame_t f)
{
	while (aegis_frame_break(&f, 1) == -E_AGAIN)
		;
	return frame_show(f);
}

/* Idle, bare and pair frames have another frame's number there, which is no program's. */
uint32_t frame_program(frame_t f)
{
	uint32_t word = f < machine_info->frames ? frame_references[f] : 0;

	return word & FRAME_PROGRAM ? word & ~FRAME_PROGRAM : 0;
}

frame_t frame_get_zeroed(void)
{
	frame_t f = frame_get();

	if (f != NO_FRAME)
		frame_zero(frame_address(f));
	return f;
}

void frame_put(frame_t f)
{
	if (--frame_references[f] || (losses && !frame_held(f)))
		return;
	push(&idle, f);
	if (idle.count > idle_most)
		give_back_idle(MIN(idle.count, AEGIS_BATCH_MAX));
}

frame_t frame_get_bare(void)
{
	if (!bare.first && !refill_bare())
		return NO_FRAME;
	return pop(&bare);
}

void frame_put_bare(frame_t f)
{
	if (losses && !frame_held(f))
		return;
	push(&bare, f);
	if (bare.count > BARE_MOST)
		give_back_bare(BARE_BATCH);
}

/* What files give up is the kernel's before neighbours can be looked for. */
static __attribute__((noinline, cold)) bool shrink_to_pairs(void)
{
	if (lists_used)
		return false;
	frames_give(volumes_shrink(PAIR_SHRINK));
	return refill_pairs();
}

frame_t frame_get_pair(void)
{
	if (!pairs.first && !refill_pairs() && !shrink_to_pairs())
		return NO_FRAME;
	return pop(&pairs);
}

void frame_put_pair(frame_t f)
{
	if (losses && !(frame_held(f) && frame_held(f + 1)))
		return; /* what may be left of it is lost with it */
	push(&pairs, f);
	if (pairs.count > PAIR_MOST)
		give_back_pairs(PAIR_BATCH);
}

bool frame_bind_shared(uint64_t va, frame_t first, uint32_t count, uint64_t flags)
{
	while (count) {
		uint32_t n = MIN(count, AEGIS_BATCH_MAX), bound;

		for (uint32_t i = 0; i < n; i++)
			bindings[i] = (struct aegis_binding){va + i * FRAME_SIZE, BIND_ENTRY(first + i, flags)};
		lists_used++;
		bound = bind_shared(bindings, n);
		lists_used--;
		if (bound != n)
			return false;
		va += n * FRAME_SIZE;
		first += n;
		count -= n;
	}
	return true;
}

static uint32_t give_some(uint32_t most)
{
	uint32_t before = idle.count + bare.count + 2 * pairs.count;

	if (idle.count)
		give_back_idle(MIN(MIN(most, idle.count), AEGIS_BATCH_MAX));
	else if (bare.count)
		give_back_bare(MIN(MIN(most, bare.count), BARE_BATCH));
	else if (pairs.count)
		give_back_pairs(MIN(MIN((most + 1) / 2, pairs.count), PAIR_BATCH));
	return before - (idle.count + bare.count + 2 * pairs.count);
}

uint32_t frames_give(uint32_t count)
{
	uint32_t given = 0, more;

	while (given < count && (more = give_some(count - given)))
		given += more;
	return given;
}

void frames_trim(void) { frames_give(UINT32_MAX); }

bool frame_held(frame_t f)
{
	return frame_table[f].state != FRAME_FREE && frame_table[f].owner == domain_account;
}

/* Chains anew what is left of a pool; the second frame of a pair that has lost its first is idle no more either. */
static uint32_t lose_of(struct pool *pool, uint32_t width)
{
	frame_t f = pool->first, next;
	uint32_t before = pool->count;

	*pool = (struct pool){0};
	for (; f; f = next) {
		next = frame_references[f];
		if (frame_held(f) && frame_held(f + width - 1))
			push(pool, f);
		else if (width == 2 && (frame_held(f) || frame_held(f + 1)))
			push(&bare, frame_held(f) ? f : f + 1);
	}
	return before - pool->count;
}

uint32_t frames_lose_idle(void)
{
	losses = true;
	return lose_of(&idle, 1) + lose_of(&bare, 1) + lose_of(&pairs, 2);
}

struct frame_counts frame_counts(void)
{
	return (struct frame_counts){machine_info->frames_total, machine_info->frames_free, idle.count + bare.count + 2 * pairs.count};
}
