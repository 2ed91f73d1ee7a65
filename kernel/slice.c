/* Slice vectors: who owns which position, and which positions are runnable.
 *
 * Runnable positions are bits in a three-level map (a bit of an upper word: some bit of the word below is set), so that the
 * next runnable slice after any position is found in a few instructions however many sleep. A position is listed as runnable while its owner
 * is not asleep, whether it runs just now or not: the dispatcher claims it or passes on. Of one who has gone to sleep it is struck off when it is next
 * come to: most wake before that, and cost nothing. */
#include <aegis/bind.h>
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/frame.h>
#include <kernel/info.h>
#include <kernel/revoke.h>
#include <kernel/slice.h>
#include <kernel/smp.h>

#define CPU_SHIFT 24 /* the name of a position among an environment's own: CPU << 24 | position */
#define WORDS_ABOVE 64
#define FREE_STEP 64 /* positions given back in one step of an environment's destruction */

/* A set of positions: [0]: a bit a position; [2]: one word. */
struct map {
	uint64_t *words[3];
};

struct vector {
	struct aegis_slice_info *slices; /* exposed */
	struct map runnable, vacant;
};

uint64_t slice_quantum, slice_grace;
uint32_t slice_positions;
static struct vector *vectors; /* by CPU; owner of all that they hold: the kernel lock */

static void map_start(struct map *map, size_t words)
{
	map->words[0] = boot_allocate((words + WORDS_ABOVE + 1) * 8);
	map->words[1] = map->words[0] + words;
	map->words[2] = map->words[1] + WORDS_ABOVE;
}

static void map_set(struct map *map, uint32_t position, bool on)
{
	uint64_t *lowest = &map->words[0][position / 64], others = *lowest & ~(1ul << position % 64);

	if (others) { /* mostly: the words above stay as they are */
		*lowest = others | (uint64_t)on << position % 64;
		return;
	}
	for (uint32_t level = 0; level < 3; level++) {
		uint64_t *word = &map->words[level][position / 64], before = *word;
		uint64_t bit = 1ul << position % 64;

		*word = on ? before | bit : before & ~bit;
		if (on ? before : *word)
			return; /* the words above say so already, or still */
		position /= 64;
	}
}

/* The first position in it at or after `from`; NO_POSITION: none up to the end. */
static uint32_t map_from(const struct map *map, uint32_t from)
{
	uint64_t bits;
	uint32_t level = 0;

	for (;; level++) { /* upwards, until a word has a bit at or after the place */
		if (level == 3 || from / 64 >= (level == 0 ? slice_positions / 64 + 1 : level == 1 ? (uint32_t)WORDS_ABOVE : 1u))
			return NO_POSITION;
		bits = map->words[level][from / 64] & ~0ul << from % 64;
		if (bits)
			break;
		from = from / 64 + 1;
	}
	for (;;) { /* down again, always the first bit */
		from = (from & ~63u) + (uint32_t)__builtin_ctzl(bits);
		if (level == 0)
			return from;
		bits = map->words[--level][from];
		from *= 64;
	}
}

void slice_start(uint32_t count, uint32_t positions, uint64_t quantum, uint64_t grace)
{
	size_t table = (size_t)count * positions * sizeof(struct aegis_slice_info), words = positions / 64 + 1;
	struct aegis_slice_info *slices = boot_allocate(table);

	slice_positions = positions;
	slice_quantum = quantum;
	slice_grace = grace;
	vectors = boot_allocate(count * sizeof(*vectors));
	for (uint32_t cpu = 0; cpu < count; cpu++) {
		struct vector *v = &vectors[cpu];

		v->slices = slices + (size_t)cpu * positions;
		map_start(&v->runnable, words);
		map_start(&v->vacant, words);
		for (uint32_t p = 0; p < positions; p++)
			map_set(&v->vacant, p, true);
	}
	frame_expose(slices, table);
	machine_info->slice_table = (struct aegis_range){ kernel_frame(slices), (uint32_t)((table + FRAME_SIZE - 1) / FRAME_SIZE) };
}

struct vector *slice_vector(uint32_t cpu) { return &vectors[cpu]; }

uint32_t vector_after(const struct vector *v, uint32_t position)
{
	uint32_t next = map_from(&v->runnable, position + 1);

	return next == NO_POSITION ? map_from(&v->runnable, 0) : next;
}

struct env *vector_owner(const struct vector *v, uint32_t position) { return env_table[env_slot(v->slices[position].env)]; }

static struct vector *vector_of(uint32_t name) { return &vectors[name >> CPU_SHIFT]; }
static uint32_t position_of(uint32_t name) { return name & ((1u << CPU_SHIFT) - 1); }
static struct aegis_slice_info *slice_of(uint32_t name) { return &vector_of(name)->slices[position_of(name)]; }

void slice_list(struct env *e, bool on)
{
	if (e->listed == on)
		return;
	e->listed = on;
	for (uint32_t name = e->slices; name != NO_POSITION; name = slice_of(name)->next)
		map_set(&vector_of(name)->runnable, position_of(name), on);
}

bool slice_unlist_sleeper(struct env *e)
{
	uint64_t word = *e->claim;

	if (word != claim_word(e, CLAIM_ASLEEP) && word != claim_word(e, CLAIM_IDLE))
		return false;
	slice_list(e, false);
	return true;
}

void slice_ready(struct env *e)
{
	struct env *caller = e->caller;

	slice_list(e, true);
	for (int depth = 0; caller && depth < CALLEE_DEPTH; depth++, caller = caller->caller)
		if (!caller->stopping)
			slice_list(caller, true); /* its slices are e's */
	__atomic_store_n(e->claim, e->ready, __ATOMIC_SEQ_CST);
}

/* Would a CPU that comes to a slice of e find somebody to run? */
static bool could_run(const struct env *e)
{
	for (int depth = 0; e && depth < CALLEE_DEPTH; depth++, e = env_callee(e))
		if (*e->claim == e->ready)
			return true;
	return false;
}

void slice_wake_all(const struct env *e)
{
	uint64_t woken[(MOST_CPUS + 63) / 64] = { 0 };

	for (uint32_t name = e->slices; name != NO_POSITION; name = slice_of(name)->next) {
		uint32_t cpu = name >> CPU_SHIFT;

		if (woken[cpu / 64] >> cpu % 64 & 1)
			continue;
		woken[cpu / 64] |= 1ul << cpu % 64;
		smp_wake_idle(cpu);
	}
}

/* Passes over those who run, the current environment and those on other CPUs, whose positions may lie anywhere. */
bool slice_other_runnable(const struct cpu *cpu)
{
	const struct vector *v = cpu->vector;
	uint32_t first = NO_POSITION, next = cpu->position;

	for (;;) {
		struct env *owner;

		next = vector_after(v, next);
		if (next == NO_POSITION || next == first)
			return false;
		owner = vector_owner(v, next);
		if (slice_unlist_sleeper(owner)) {
			first = NO_POSITION;
			continue;
		}
		if (could_run(owner))
			return true;
		if (first == NO_POSITION)
			first = next;
	}
}

static void take_position(struct env *e, uint32_t name)
{
	struct vector *v = vector_of(name);
	uint32_t position = position_of(name);

	v->slices[position].env = e->id;
	v->slices[position].next = e->slices;
	map_set(&v->vacant, position, false);
	e->slices = name;
	e->account->held.slices++;
	account_show(e->account);
	if (claim_take(e, CLAIM_FRESH))
		slice_ready(e);
	if (e->listed) {
		map_set(&v->runnable, position, true);
		smp_wake_idle(name >> CPU_SHIFT);
	}
}

static void free_position(struct env *e, uint32_t name)
{
	struct vector *v = vector_of(name);
	uint32_t *link = &e->slices, position = position_of(name);

	while (*link != name)
		link = &slice_of(*link)->next;
	*link = v->slices[position].next;
	v->slices[position].env = 0;
	epoch_bump(&v->slices[position].epoch);
	map_set(&v->runnable, position, false);
	map_set(&v->vacant, position, true);
	e->account->held.slices--;
	account_show(e->account);
}

/* May a position that is held be taken from its holder by this capability? */
static int64_t check_capability(uint64_t cpu, uint32_t position, uint64_t capability)
{
	const struct aegis_slice_info *slice = &vectors[cpu].slices[position];
	struct aegis_cap cap;
	int64_t error = cap_fetch(&cap, capability, CAP_SLICES, RIGHT_WRITE);

	if (error)
		return error;
	return cap_covers(&cap, cpu << 32 | position) && epoch_valid(cap.epoch, slice->epoch) ? 0 : -E_DENIED;
}

int64_t call_slice_alloc(uint64_t cpu, uint64_t position, uint64_t env, uint64_t capability, uint64_t unused)
{
	struct env *e = env_find((env_id)env), *holder = NULL;
	uint32_t p = (uint32_t)position;
	int64_t error;

	(void)unused;
	if (cpu >= cpu_count || (position != NO_POSITION && position >= slice_positions))
		return -E_INVALID;
	if (!e || e->stopping)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	if (position == NO_POSITION) {
		p = map_from(&vectors[cpu].vacant, 0);
		if (p == NO_POSITION)
			return -E_FULL;
	} else if (vectors[cpu].slices[p].env) {
		if (!capability)
			return -E_BUSY;
		if ((error = check_capability(cpu, p, capability)))
			return error;
		holder = vector_owner(&vectors[cpu], p);
	}
	if (e->account->held.slices >= e->account->limits.slices && !(holder && holder->account == e->account))
		return -E_LIMIT;
	if (holder) {
		free_position(holder, (uint32_t)cpu << CPU_SHIFT | p);
		revoke_lost(holder->account->id, REVOKE_SLICES, cpu << 32 | p);
	}
	take_position(e, (uint32_t)cpu << CPU_SHIFT | p);
	return p;
}

int64_t call_slice_free(uint64_t cpu, uint64_t position, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *owner;

	(void)c, (void)d, (void)unused;
	if (cpu >= cpu_count || position >= slice_positions || !vectors[cpu].slices[position].env)
		return -E_INVALID;
	owner = vector_owner(&vectors[cpu], (uint32_t)position);
	if (!env_mine(owner))
		return -E_DENIED;
	free_position(owner, (uint32_t)(cpu << CPU_SHIFT | position));
	if (owner->account == this_cpu()->current->account)
		revoke_given(owner->account, REVOKE_SLICES, 1);
	return 0;
}

int64_t slice_repossess(struct env *account, uint64_t name)
{
	uint64_t cpu = name >> 32, position = name & UINT32_MAX;
	struct env *owner;

	if (cpu >= cpu_count || position >= slice_positions || !vectors[cpu].slices[position].env)
		return -E_DENIED;
	owner = vector_owner(&vectors[cpu], (uint32_t)position);
	if (owner->account != account)
		return -E_DENIED;
	free_position(owner, (uint32_t)(cpu << CPU_SHIFT | position));
	return 0;
}

bool slice_free_some(struct env *e)
{
	for (int i = 0; i < FREE_STEP && e->slices != NO_POSITION; i++) {
		free_position(e, e->slices);
		if (e->account == current_env()->account)
			revoke_given(e->account, REVOKE_SLICES, 1);
	}
	return e->slices == NO_POSITION;
}

void slice_give(struct env *e) { take_position(e, 0); }

int64_t slice_epoch(uint64_t first, uint64_t count, uint32_t *epoch)
{
	uint64_t cpu = first >> 32, position = first & UINT32_MAX;

	if (cpu >= cpu_count || position >= slice_positions || count - 1 >= AEGIS_BATCH_MAX || count > slice_positions - position)
		return -E_INVALID;
	*epoch = vectors[cpu].slices[position].epoch;
	for (uint64_t p = position; p < position + count; p++)
		if (vectors[cpu].slices[p].epoch != *epoch)
			return -E_INVALID;
	return *epoch == EPOCH_ANY ? -E_DENIED : 0;
}

int64_t slice_check_range(const struct env *account, uint64_t first, uint64_t count, uint32_t *epoch)
{
	int64_t error = slice_epoch(first, count, epoch);

	for (uint64_t p = 0; !error && p < count; p++) {
		struct vector *v = &vectors[first >> 32];
		uint32_t position = (uint32_t)(first + p);

		if (!v->slices[position].env || vector_owner(v, position)->account != account)
			error = -E_DENIED;
	}
	return error;
}

void slice_end_epoch(uint64_t first, uint64_t count)
{
	for (uint64_t p = 0; p < count; p++)
		epoch_bump(&vectors[first >> 32].slices[(first & UINT32_MAX) + p].epoch);
}
