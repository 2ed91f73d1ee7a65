/* Slice vectors: who owns which position, and which positions are runnable.
 *
 * Runnable positions are bits in a three-level map (a bit of an upper word: some bit of the word below is set), so that the
 * next runnable slice after any position is found in a few instructions however many sleep. A position is runnable while its owner
 * is not asleep, whether it runs just now or not: the dispatcher claims it or passes on. */
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

struct vector {
	struct aegis_slice_info *slices; /* exposed */
	uint64_t *runnable[3];           /* [0]: a bit a position; [2]: one word */
	uint32_t search_from;            /* where looking for a free position begins */
};

uint64_t slice_quantum, slice_grace;
uint32_t slice_positions;
static struct vector *vectors; /* by CPU; owner of all that they hold: the kernel lock */

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
		v->runnable[0] = boot_allocate((words + WORDS_ABOVE + 1) * 8);
		v->runnable[1] = v->runnable[0] + words;
		v->runnable[2] = v->runnable[1] + WORDS_ABOVE;
	}
	frame_expose(slices, table);
	machine_info->slice_table = (struct aegis_range){ kernel_frame(slices), (uint32_t)((table + FRAME_SIZE - 1) / FRAME_SIZE) };
}

struct vector *slice_vector(uint32_t cpu) { return &vectors[cpu]; }

static void set_runnable(struct vector *v, uint32_t position, bool on)
{
	uint64_t *lowest = &v->runnable[0][position / 64], others = *lowest & ~(1ul << position % 64);

	if (others) { /* mostly: the words above stay as they are */
		*lowest = others | (uint64_t)on << position % 64;
		return;
	}
	for (uint32_t level = 0; level < 3; level++) {
		uint64_t *word = &v->runnable[level][position / 64], before = *word;
		uint64_t bit = 1ul << position % 64;

		*word = on ? before | bit : before & ~bit;
		if (on ? before : *word)
			return; /* the words above say so already, or still */
		position /= 64;
	}
}

/* The first runnable position at or after `from`; NO_POSITION: none up to the end. */
static uint32_t find_from(const struct vector *v, uint32_t from)
{
	uint64_t bits;
	uint32_t level = 0;

	for (;; level++) { /* upwards, until a word has a bit at or after the place */
		if (level == 3 || from / 64 >= (level == 0 ? slice_positions / 64 + 1 : level == 1 ? (uint32_t)WORDS_ABOVE : 1u))
			return NO_POSITION;
		bits = v->runnable[level][from / 64] & ~0ul << from % 64;
		if (bits)
			break;
		from = from / 64 + 1;
	}
	for (;;) { /* down again, always the first bit */
		from = (from & ~63u) + (uint32_t)__builtin_ctzl(bits);
		if (level == 0)
			return from;
		bits = v->runnable[--level][from];
		from *= 64;
	}
}

uint32_t vector_after(const struct vector *v, uint32_t position)
{
	uint32_t next = find_from(v, position + 1);

	return next == NO_POSITION ? find_from(v, 0) : next;
}

struct env *vector_owner(const struct vector *v, uint32_t position) { return env_table[env_slot(v->slices[position].env)]; }

static struct vector *vector_of(uint32_t name) { return &vectors[name >> CPU_SHIFT]; }
static uint32_t position_of(uint32_t name) { return name & ((1u << CPU_SHIFT) - 1); }
static struct aegis_slice_info *slice_of(uint32_t name) { return &vector_of(name)->slices[position_of(name)]; }

void slice_runnable(struct env *e, bool on)
{
	for (uint32_t name = e->slices; name != NO_POSITION; name = slice_of(name)->next)
		set_runnable(vector_of(name), position_of(name), on);
}

void slice_wake_cpus(const struct env *e)
{
	if (cpu_count == 1)
		return;
	for (uint32_t name = e->slices; name != NO_POSITION; name = slice_of(name)->next)
		smp_wake_idle(name >> CPU_SHIFT);
}

/* Passes over the current environment's own positions, which may lie anywhere: it may be running in a slice that was given to it. */
bool slice_other_runnable(const struct cpu *cpu)
{
	const struct vector *v = cpu->vector;
	uint32_t first = vector_after(v, cpu->position), next = first;

	while (next != NO_POSITION && vector_owner(v, next) == cpu->current) {
		next = vector_after(v, next);
		if (next == first)
			return false;
	}
	return next != NO_POSITION;
}

static void take_position(struct env *e, uint32_t name)
{
	struct aegis_slice_info *slice = slice_of(name);

	slice->env = e->id;
	slice->next = e->slices;
	e->slices = name;
	e->account->held.slices++;
	account_show(e->account);
	/* asleep or idle: not until it wakes */
	if (*e->claim != claim_word(e, CLAIM_ASLEEP) && *e->claim != claim_word(e, CLAIM_IDLE)) {
		set_runnable(vector_of(name), position_of(name), true);
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
	v->slices[position].epoch++;
	set_runnable(v, position, false);
	if (position < v->search_from)
		v->search_from = position;
	e->account->held.slices--;
	account_show(e->account);
}

static bool find_free(struct vector *v, uint32_t *position)
{
	uint32_t p = v->search_from, looked = 0;

	for (; v->slices[p].env; p = p + 1 < slice_positions ? p + 1 : 0)
		if (++looked == slice_positions)
			return false;
	v->search_from = *position = p;
	return true;
}

/* May a position that is held be taken from its holder by this capability? */
static int64_t check_capability(uint64_t cpu, uint32_t position, uint64_t capability)
{
	const struct aegis_slice_info *slice = &vectors[cpu].slices[position];
	struct aegis_cap cap;
	int64_t error = cap_fetch(&cap, capability, CAP_SLICES, RIGHT_WRITE);

	if (error)
		return error;
	return cap_covers(&cap, cpu << 32 | position) && cap.epoch == slice->epoch ? 0 : -E_DENIED;
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
		if (!find_free(&vectors[cpu], &p))
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
	if (holder)
		free_position(holder, (uint32_t)cpu << CPU_SHIFT | p);
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

void slice_free_all(struct env *e)
{
	while (e->slices != NO_POSITION)
		free_position(e, e->slices);
}

void slice_give(struct env *e) { take_position(e, 0); }

/* For capabilities: do these positions exist, are all held by the account, and of one epoch? */
int64_t slice_check_range(const struct env *account, uint64_t first, uint64_t count, uint32_t *epoch)
{
	uint64_t cpu = first >> 32, position = first & UINT32_MAX;

	if (cpu >= cpu_count || position >= slice_positions || count == 0 || count > AEGIS_BATCH_MAX || count > slice_positions - position)
		return -E_INVALID;
	*epoch = vectors[cpu].slices[position].epoch;
	for (uint64_t p = position; p < position + count; p++) {
		const struct aegis_slice_info *slice = &vectors[cpu].slices[p];

		if (!slice->env || vector_owner(&vectors[cpu], (uint32_t)p)->account != account || slice->epoch != *epoch)
			return -E_DENIED;
	}
	return 0;
}

void slice_end_epoch(uint64_t first, uint64_t count)
{
	for (uint64_t p = 0; p < count; p++)
		vectors[first >> 32].slices[(first & UINT32_MAX) + p].epoch++;
}
