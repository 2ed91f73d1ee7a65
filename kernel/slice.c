/* Slice vectors and the dispatcher. One CPU's vector so far.
 *
 * Runnable positions are bits in a three-level map (a bit of an upper word: some bit of the word below is set), so that the
 * next runnable slice after any position is found in a few instructions however many sleep. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/event.h>
#include <kernel/info.h>
#include <kernel/slice.h>
#include <kernel/x86_64/entry.h>

#define CALLEE_DEPTH 64 /* transfers that a slice is followed through; a longer chain keeps its first 64 waiting */

struct slice {
	struct env *env;      /* null: free */
	uint32_t next_of_env; /* its owner's next position, or NO_POSITION */
};

uint64_t slice_quantum, slice_grace;
uint32_t slice_positions;

/* Owner of all: the kernel lock. */
static struct slice *slices;
static uint64_t *runnable[3]; /* [0]: a bit a position; [2]: one word */
static uint32_t search_from;  /* where looking for a free position begins */

void slice_start(uint32_t positions, uint64_t quantum, uint64_t grace)
{
	slice_positions = positions;
	slice_quantum = quantum;
	slice_grace = grace;
	slices = boot_allocate(positions * sizeof(*slices));
	runnable[0] = boot_allocate((positions / 64 + 1) * 8 + 64 * 8 + 8);
	runnable[1] = runnable[0] + positions / 64 + 1;
	runnable[2] = runnable[1] + 64;
}

static void set_runnable(uint32_t position, bool on)
{
	uint64_t *lowest = &runnable[0][position / 64], others = *lowest & ~(1ul << position % 64);

	if (others) { /* mostly: the words above stay as they are */
		*lowest = others | (uint64_t)on << position % 64;
		return;
	}
	for (uint32_t level = 0; level < 3; level++) {
		uint64_t *word = &runnable[level][position / 64], before = *word;
		uint64_t bit = 1ul << position % 64;

		*word = on ? before | bit : before & ~bit;
		if (on ? before : *word)
			return; /* the words above say so already, or still */
		position /= 64;
	}
}

/* The first runnable position at or after `from`; NO_POSITION: none up to the end. */
static uint32_t find_from(uint32_t from)
{
	uint64_t bits;
	uint32_t level = 0;

	for (;; level++) { /* upwards, until a word has a bit at or after the place */
		if (level == 3 || from / 64 >= (level == 0 ? slice_positions / 64 + 1 : level == 1 ? 64u : 1u))
			return NO_POSITION;
		bits = runnable[level][from / 64] & ~0ul << from % 64;
		if (bits)
			break;
		from = from / 64 + 1;
	}
	for (;;) { /* down again, always the first bit */
		from = (from & ~63u) + (uint32_t)__builtin_ctzl(bits);
		if (level == 0)
			return from;
		bits = runnable[--level][from];
		from *= 64;
	}
}

void slice_runnable(struct env *e, bool on)
{
	for (uint32_t p = e->slices; p != NO_POSITION; p = slices[p].next_of_env)
		set_runnable(p, on);
}

static uint32_t find_after(uint32_t position)
{
	uint32_t next = find_from(position + 1);

	return next == NO_POSITION ? find_from(0) : next;
}

/* Passes over the current environment's own positions, which may lie anywhere: it may be running in a slice that was given to it. */
bool slice_other_runnable(const struct cpu *cpu)
{
	uint32_t first = find_after(cpu->position), next = first;

	while (next != NO_POSITION && slices[next].env == cpu->current) {
		next = find_after(next);
		if (next == first)
			return false;
	}
	return next != NO_POSITION;
}

void slice_set_timer(struct cpu *cpu)
{
	uint64_t at = alarm_next(), end = cpu->over ? cpu->slice_end + slice_grace : cpu->slice_end;

	if (cpu->current && (!at || end < at))
		at = end;
	/* An interrupt that comes too early looks again and sets the timer anew; so only an earlier time needs it now. */
	if (at && (!cpu->timer_at || at < cpu->timer_at)) {
		cpu->timer_at = at;
		apic_timer_set(at);
	}
}

_Noreturn static void enter(struct cpu *cpu, struct env *e)
{
	struct aegis_upcall *upcall = env_upcall(e);

	if (e->root != read_cr3())
		write_cr3(e->root);
	cpu->current = e;
	cpu->tss.rsp[0] = (uint64_t)e->upcall_end;
	upcall->cpu = cpu->number;
	upcall->slice_end = cpu->slice_end;
	machine_info->switches++;
	if (e->resume == RESUME_TRAP) {
		xrstor(e->vectors, cpu_features.xsave_mask);
		write_fs_base(e->fs_base);
		write_user_gs_base(e->gs_base);
		e->resume = RESUME_CALL;
		event_deliver(e, &e->trap);
		resume_trap(&e->trap); /* from where it is: the kernel stack is in use down to here */
	}
	resume_call(e->result, e->rip, e->rsp, e->argument);
}

void dispatch_to(struct env *e) { enter(this_cpu(), e); }

/* Whoever runs in the slices of e: e itself, or the end of the chain of callees that it has transferred to. Null: nobody now, as the callee
 * sleeps. A caller whose callee is gone becomes runnable again, with the error as its transfer's result. */
static struct env *runs_for(struct env *e)
{
	for (int depth = 0; e->state == ENV_AWAY && depth < CALLEE_DEPTH; depth++) {
		struct env *callee = env_find(e->peer);

		if (!callee || callee->state == ENV_STOPPED) {
			env_set_state(e, ENV_RUNNABLE);
			e->result = (uint64_t)-E_NOENV;
			return e;
		}
		e = callee;
	}
	return e->state == ENV_RUNNABLE ? e : NULL;
}

_Noreturn static void idle(struct cpu *cpu)
{
	cpu->current = NULL;
	slice_set_timer(cpu);
	cpu->idle_since = read_tsc();
	cpu_idle();
}

void dispatch(void)
{
	struct cpu *cpu = this_cpu();
	uint32_t position = cpu->position, first_passed = NO_POSITION;

	cpu->over = false;
	for (;;) {
		uint32_t next = find_after(position);
		struct env *e;

		if (next == NO_POSITION || next == first_passed)
			idle(cpu);
		position = next;
		e = runs_for(slices[next].env);
		if (e) {
			cpu->position = next;
			cpu->slice_end = read_tsc() + slice_quantum;
			cpu->current = e;
			slice_set_timer(cpu);
			enter(cpu, e);
		}
		if (first_passed == NO_POSITION)
			first_passed = next;
	}
}

int64_t call_slice_alloc(uint64_t cpu, uint64_t position, uint64_t env, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env);
	uint32_t p = (uint32_t)position;

	(void)d, (void)unused;
	if (cpu != 0 || (position != NO_POSITION && position >= slice_positions))
		return -E_INVALID;
	if (!e || e->state == ENV_STOPPED)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	if (position != NO_POSITION) {
		if (slices[p].env)
			return -E_BUSY;
	} else {
		uint32_t looked = 0;

		for (p = search_from; slices[p].env; p = p + 1 < slice_positions ? p + 1 : 0)
			if (++looked == slice_positions)
				return -E_FULL;
		search_from = p;
	}
	slices[p] = (struct slice){ e, e->slices };
	e->slices = p;
	if (e->state == ENV_RUNNABLE || e->state == ENV_AWAY)
		set_runnable(p, true);
	return p;
}

static void free_position(struct env *e, uint32_t position)
{
	uint32_t *link = &e->slices;

	while (*link != position)
		link = &slices[*link].next_of_env;
	*link = slices[position].next_of_env;
	slices[position].env = NULL;
	set_runnable(position, false);
	if (position < search_from)
		search_from = position;
}

int64_t call_slice_free(uint64_t cpu, uint64_t position, uint64_t c, uint64_t d, uint64_t unused)
{
	(void)c, (void)d, (void)unused;
	if (cpu != 0 || position >= slice_positions || !slices[position].env)
		return -E_INVALID;
	if (!env_mine(slices[position].env))
		return -E_DENIED;
	free_position(slices[position].env, (uint32_t)position);
	return 0;
}

void slice_free_all(struct env *e)
{
	while (e->slices != NO_POSITION)
		free_position(e, e->slices);
}

/* The current environment gives the CPU up: where it goes on. */
static struct env *leave(void)
{
	struct env *e = this_cpu()->current;
	const struct call_return *back = call_return();

	e->rip = back->rip;
	e->rsp = back->rsp;
	e->result = 0;
	e->argument = 0;
	return e;
}

int64_t call_yield(uint64_t to, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	(void)b, (void)c, (void)d, (void)unused;
	if (to) {
		struct env *target = env_find((env_id)to);

		if (!target)
			return -E_NOENV;
		if (target->state != ENV_RUNNABLE || target == this_cpu()->current)
			return -E_STATE;
		leave();
		dispatch_to(target);
	}
	leave();
	dispatch();
}

int64_t call_sleep(uint64_t events, uint64_t deadline, uint64_t to, uint64_t d, uint64_t unused)
{
	struct cpu *cpu = this_cpu();
	struct env *e = cpu->current, *target = to ? env_find((env_id)to) : NULL;
	uint64_t pending = env_upcall(e)->pending & events;

	(void)d, (void)unused;
	if (pending || (deadline && deadline <= read_tsc()))
		return (int64_t)pending;
	leave();
	e->wanted = events;
	env_set_state(e, ENV_SLEEPING);
	slice_runnable(e, false);
	if (deadline) {
		alarm_set(e, deadline);
		slice_set_timer(cpu);
	}
	if (target && target->state == ENV_RUNNABLE)
		dispatch_to(target);
	dispatch();
}
