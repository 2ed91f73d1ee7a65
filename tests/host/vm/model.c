/* See model.h. A frame of the model is its page in the window: it can be touched only while it is bound there. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <aegis/x86_64/stubs.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/volume/volume.h>

#include "model.h"

struct frame {
	enum { FREE, OWNED, TABLE, LINKS } state;
	uint32_t level, bindings, used;
	uint64_t *table;
};

static struct frame frames[MODEL_FRAMES];
static frame_t roots[MODEL_ENVS], private_tables[MODEL_ENVS][3], shared;
uint32_t model_free_frames, model_withheld;
uint64_t model_binds;
static struct aegis_info info = {.frames = MODEL_FRAMES};
const struct aegis_info *machine_info = &info;
static struct aegis_frame_info exposed[MODEL_FRAMES];
const struct aegis_frame_info *frame_table = exposed;
env_id domain_account;

void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	fprintf(stderr, "panic: ");
	vfprintf(stderr, text, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	abort();
}

/* There is no disk. */
uint32_t volumes_shrink(uint32_t count) { return (void)count, 0; }

/* Page tables that cannot be mended, which only a program's own bindings make. */
void log_line(const char *text, ...) { panic("%s", text); }

static void set_state(frame_t f, int state)
{
	frames[f].state = state;
	exposed[f].state = state == FREE ? FRAME_FREE : FRAME_OWNED;
}

#define REQUIRE(condition)                                                                                             \
	((condition) ? (void)0 : panic("%s:%d: the kernel would refuse: %s", __FILE__, __LINE__, #condition))

static uint32_t counts_total(void)
{
	return model_free_frames > model_withheld ? model_free_frames - model_withheld : 0;
}

int64_t aegis_frame_alloc(frame_t *list, uint64_t n)
{
	uint64_t taken = 0;

	REQUIRE(n && n <= AEGIS_BATCH_MAX);
	for (frame_t f = 1; f < MODEL_FRAMES && taken < n && counts_total(); f++) {
		if (frames[f].state != FREE)
			continue;
		if (list[taken] != FRAME_ANY)
			REQUIRE(frames[f = list[taken]].state == FREE);
		frames[f] = (struct frame){0};
		set_state(f, OWNED);
		list[taken++] = f;
		info.frames_free = --model_free_frames;
	}
	return taken ? (int64_t)taken : -E_NOFRAME;
}

/* Only programs bind what ExOS does not know of, and there are none here. */
int64_t aegis_frame_break(const frame_t *list, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		REQUIRE(list[i] < MODEL_FRAMES && !frames[list[i]].bindings);
	return (int64_t)n;
}

int64_t aegis_frame_free(const frame_t *list, uint64_t n)
{
	REQUIRE(n && n <= AEGIS_BATCH_MAX);
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(list[i] < MODEL_FRAMES && frames[list[i]].state == OWNED && !frames[list[i]].bindings);
		set_state(list[i], FREE);
		info.frames_free = ++model_free_frames;
	}
	return (int64_t)n;
}

static uint64_t *find(env_id env, uint64_t va, uint32_t level, frame_t *table)
{
	*table = roots[env];
	for (uint32_t l = 3; l > level; l--) {
		uint64_t entry = frames[*table].table[va >> (12 + 9 * l) & 511];

		if (!entry)
			return NULL;
		*table = (frame_t)(entry >> FRAME_SHIFT);
	}
	return &frames[*table].table[va >> (12 + 9 * level) & 511];
}

static void become_table(frame_t f, uint32_t level)
{
	REQUIRE(f < MODEL_FRAMES);
	if (frames[f].state == TABLE) {
		REQUIRE(frames[f].level == level);
		return;
	}
	REQUIRE(frames[f].state == OWNED && frames[f].bindings == 0);
	REQUIRE(f + 1 < MODEL_FRAMES && frames[f + 1].state == OWNED && frames[f + 1].bindings == 0);
	frames[f + 1].state = LINKS;
	frames[f].state = TABLE;
	frames[f].level = level;
	frames[f].used = 0;
	frames[f].table = calloc(512, sizeof(uint64_t));
}

static void drop(frame_t f, uint32_t level)
{
	REQUIRE(frames[f].bindings);
	if (--frames[f].bindings || !level)
		return;
	frames[f].state = frames[f + 1].state = OWNED;
	free(frames[f].table);
}

/* Pages in the shared slot are really there, or not. */
static void shared_page(uint64_t va, uint64_t entry)
{
	bool window = va - EXOS_WINDOW_VA < MODEL_FRAMES * FRAME_SIZE;
	int rights = entry & BIND_WRITE ? PROT_READ | PROT_WRITE : entry & BIND_READ ? PROT_READ : PROT_NONE;

	if (window) {
		REQUIRE(!entry || entry >> FRAME_SHIFT == (va - EXOS_WINDOW_VA) / FRAME_SIZE);
		REQUIRE(mprotect((void *)va, FRAME_SIZE, rights) == 0);
	} else {
		REQUIRE(mmap((void *)va, FRAME_SIZE, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
			MAP_FAILED);
	}
}

static void set_page(uint64_t *slot, frame_t table, uint64_t va, uint64_t entry)
{
	frame_t f = (frame_t)(entry >> FRAME_SHIFT);

	if (entry) {
		REQUIRE(f < MODEL_FRAMES && frames[f].state == OWNED);
		frames[f].bindings++;
	}
	if (*slot)
		drop((frame_t)(*slot >> FRAME_SHIFT), 0);
	frames[table].used += (entry != 0) - (*slot != 0);
	*slot = entry;
	if (va >= EXOS_SHARED_VA)
		shared_page(va, entry);
}

/* What a leaf table holds goes with its last binding. */
static void empty_leaf(frame_t f)
{
	uint64_t *entries = frames[f].table;

	for (uint32_t i = 0; i < 512; i++) {
		if (entries[i]) {
			drop((frame_t)(entries[i] >> FRAME_SHIFT), 0);
			entries[i] = 0;
			frames[f].used--;
		}
	}
}

static void set_table(uint64_t *slot, frame_t table, uint32_t level, uint64_t entry)
{
	frame_t f = (frame_t)(entry >> FRAME_SHIFT), old = (frame_t)(*slot >> FRAME_SHIFT);

	if (!entry && !*slot)
		return;
	if (entry) {
		REQUIRE(!*slot || old == f);
		if (*slot)
			return;
		become_table(f, level);
		frames[f].bindings++;
		frames[table].used++;
	} else {
		if (frames[old].bindings == 1 && level == 1)
			empty_leaf(old);
		REQUIRE(frames[old].bindings > 1 || frames[old].used == 0);
		frames[table].used--;
		drop(old, level);
	}
	*slot = entry;
}

int64_t aegis_bind(env_id env, const struct aegis_binding *list, uint64_t n, const struct aegis_cap *cap)
{
	env = env ? env : 1;
	REQUIRE(!cap && n && n <= AEGIS_BATCH_MAX && env < MODEL_ENVS && roots[env]);
	model_binds++;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t level = list[i].entry >> 3 & 3;
		uint64_t va = list[i].va, entry = list[i].entry & BIND_READ ? list[i].entry : 0;
		frame_t table;
		uint64_t *slot;

		REQUIRE(va < AEGIS_USER_TOP && va % (FRAME_SIZE << 9 * level) == 0);
		REQUIRE(!(list[i].entry & 0xfe0)); /* bits without a meaning */
		slot = find(env, va, level, &table);
		if (!slot)
			return i ? (int64_t)i : -E_NOTABLE;
		if (level)
			set_table(slot, table, level, entry);
		else
			set_page(slot, table, va, entry);
	}
	return (int64_t)n;
}

frame_t start_frame(void)
{
	frame_t f = FRAME_ANY;

	REQUIRE(aegis_frame_alloc(&f, 1) == 1);
	return f;
}

static frame_t own_pair(void)
{
	for (frame_t f = 1; f + 1 < MODEL_FRAMES; f++) {
		frame_t both[2] = {f, f + 1};

		if (frames[f].state == FREE && frames[f + 1].state == FREE && aegis_frame_alloc(both, 2) == 2)
			return f;
	}
	panic("no pair of frames is left for the model");
}

void start_bind(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = {va, entry};

	REQUIRE(aegis_bind(0, &b, 1, NULL) == 1);
}

static void bind_own_table(env_id env, uint64_t va, frame_t f, uint32_t level)
{
	struct aegis_binding b = {
		ROUND_DOWN(va, FRAME_SIZE << 9 * level), BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level))};

	REQUIRE(aegis_bind(env, &b, 1, NULL) == 1);
}

void start_table(uint64_t va, uint32_t level) { bind_own_table(0, va, own_pair(), level); }

env_id model_env_new(void)
{
	env_id env = 1;

	while (roots[env])
		env++;
	roots[env] = own_pair();
	become_table(roots[env], 4);
	if (!shared)
		shared = own_pair();
	bind_own_table(env, EXOS_SHARED_VA, shared, 3);
	for (uint32_t level = 3; level > 0; level--) {
		private_tables[env][level - 1] = own_pair();
		bind_own_table(env, SELF_VA, private_tables[env][level - 1], level);
	}
	return env;
}

static void take_apart(frame_t f, uint32_t level)
{
	for (uint32_t i = 0; i < 512; i++) {
		frame_t below = (frame_t)(frames[f].table[i] >> FRAME_SHIFT);

		if (!frames[f].table[i])
			continue;
		if (level > 1 && frames[below].bindings == 1)
			take_apart(below, level - 1);
		frames[f].table[i] = 0;
		frames[f].used--;
		drop(below, level - 1);
	}
}

static void free_pair(frame_t f)
{
	frame_t both[2] = {f, f + 1};

	aegis_frame_free(both, 2);
}

void model_env_destroy(env_id env)
{
	take_apart(roots[env], 4);
	free(frames[roots[env]].table);
	frames[roots[env]].state = frames[roots[env] + 1].state = OWNED;
	free_pair(roots[env]);
	for (uint32_t level = 0; level < 3; level++)
		free_pair(private_tables[env][level]);
	roots[env] = NO_FRAME;
}

uint64_t model_entry(env_id env, uint64_t va)
{
	frame_t table;
	uint64_t *slot = find(env, va, 0, &table);

	return slot ? *slot : 0;
}

void model_drop_entry(env_id env, uint64_t va)
{
	frame_t table;
	uint64_t *slot = find(env, va, 0, &table);

	if (slot && *slot)
		set_page(slot, table, va, 0);
}

static void each(
	env_id env, frame_t table, uint32_t level, uint64_t va, void (*f)(env_id env, uint64_t va, uint64_t entry))
{
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t entry = frames[table].table[i], at = va + (i << (12 + 9 * level));

		if (!entry || at >= PROGRAM_TOP)
			continue;
		if (level)
			each(env, (frame_t)(entry >> FRAME_SHIFT), level - 1, at, f);
		else
			f(env, at, entry);
	}
}

void model_each(env_id env, void (*f)(env_id env, uint64_t va, uint64_t entry)) { each(env, roots[env], 3, 0, f); }

void model_start(void)
{
	void *window = mmap((void *)EXOS_WINDOW_VA, MODEL_FRAMES * FRAME_SIZE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	REQUIRE(window == (void *)EXOS_WINDOW_VA);
	info.frames_free = model_free_frames = MODEL_FRAMES - 1;
	REQUIRE(mmap(self, FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)self);
	self->env = model_env_new(); /* which the kernel calls 0 as well */
}

static uint32_t points, failed;

void ok(int good, const char *what, ...)
{
	va_list arguments;

	va_start(arguments, what);
	printf("%sok %u - ", good ? "" : "not ", ++points);
	vprintf(what, arguments);
	printf("\n");
	va_end(arguments);
	failed += !good;
}

int done_testing(void)
{
	printf("1..%u\n", points);
	return failed != 0;
}

uint64_t random_below(uint64_t n)
{
	static uint64_t state = 88172645463325252ul;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}
