/* The dispatcher: which environment a CPU goes to, and how. */
#include <kernel/call.h>
#include <kernel/event.h>
#include <kernel/info.h>
#include <kernel/slice.h>
#include <kernel/x86_64/entry.h>
#include <kernel/x86_64/paging.h>

void slice_set_timer(struct cpu *cpu)
{
	uint64_t at = alarm_next(cpu), end = cpu->over ? cpu->slice_end + slice_grace : cpu->slice_end;

	if ((cpu->current || cpu->look_again) && (!at || end < at))
		at = end;
	if (cpu->net_waiting && (!at || cpu->net_rest < at))
		at = cpu->net_rest;
	/* An interrupt that comes too early looks again and sets the timer anew; so only an earlier time needs it now. */
	if (at && (!cpu->timer_at || at < cpu->timer_at)) {
		cpu->timer_at = at;
		apic_timer_set(at);
	}
}

/* Every component in its initial state; MXCSR is loaded even so. */
static const union {
	struct {
		uint8_t before[24];
		uint32_t mxcsr;
	};
	uint8_t area[832];
} fresh_state __attribute__((aligned(64))) = { { { 0 }, 0x1f80 } };
#define fresh_vectors (&fresh_state)

/* The library saves its vector registers and bases itself; what it leaves in them shows to its own account only. (Who gives the CPU to a chosen
 * environment, by a transfer or a directed yield, gives these registers with the others.) */
_Noreturn static void enter(struct cpu *cpu, struct env *e)
{
	struct aegis_upcall *upcall = env_upcall(e);

	cpu->current = e;
	if (e->root != read_cr3())
		write_cr3(e->root);
	cpu->tss.rsp[0] = (uint64_t)e->upcall_end;
	upcall->cpu = cpu->number;
	upcall->slice_end = cpu->slice_end;
	machine_info->switches++;
	if (cpu->vectors_account != env_account(e) && e->resume != RESUME_TRAP) {
		xrstor(fresh_vectors, cpu_features.xsave_mask);
		write_fs_base(0);
		write_user_gs_base(0);
	}
	if (e->resume == RESUME_TRAP) {
		xrstor(e->vectors, cpu_features.xsave_mask);
		write_fs_base(e->fs_base);
		write_user_gs_base(e->gs_base);
		e->resume = RESUME_CALL;
		event_deliver(e, &e->trap);
		resume_trap(&e->trap); /* from where it is: the kernel stack is in use down to here */
	}
	if (e->resume == RESUME_FIRST) {
		e->resume = RESUME_CALL;
		resume_call(0, e->rip, e->rsp, e->argument);
	}
	e->ignored = 0;
	resume_call(e->result, e->rip, e->rsp, 0);
}

/* Whose vector registers the CPU has now. */
static void left(struct cpu *cpu)
{
	if (cpu->current)
		cpu->vectors_account = env_account(cpu->current);
}

void dispatch_to(struct env *e)
{
	left(this_cpu());
	enter(this_cpu(), e);
}

/* Claims whoever runs in the slices of e: e itself, or the end of the chain of callees that it has transferred to. Null: nobody can now. */
static struct env *claim_runner(struct env *e)
{
	for (int depth = 0; e && depth < CALLEE_DEPTH; depth++, e = env_callee(e))
		if (claim_take_ready(e))
			return e;
	return NULL; /* it runs on another CPU, or sleeps */
}

/* Time past the end of a slice (paper 5.1.1) is paid by whoever was told of the end, even if he gave it to others, by forfeiting slices to come. */
static void charge_excess(struct cpu *cpu)
{
	struct env *e = cpu->over ? env_find(cpu->told) : NULL;
	uint64_t excess;

	if (!e || !cpu->told)
		return;
	excess = read_tsc() - cpu->slice_end;
	if (excess > slice_grace)
		excess = slice_grace; /* more than that was the machine's fault */
	e->excess_owed += excess;
	if (e->excess_owed > EXCESS_LIMIT * slice_quantum)
		e->excess_owed = EXCESS_LIMIT * slice_quantum; /* what it will never pay is not counted on */
	e->info->excess += excess;
	env_upcall(e)->excess = e->info->excess;
}

static bool forfeits(struct env *e)
{
	if (e->excess_owed < slice_quantum)
		return false;
	e->excess_owed -= slice_quantum;
	return true;
}

/* passed: some slice was runnable but its runner is elsewhere. Then this CPU looks again after a quantum, as nobody will tell it. */
_Noreturn static void idle(struct cpu *cpu, bool passed)
{
	cpu->current = NULL;
	write_cr3(kernel_root()); /* no address space is kept in use by idleness */
	cpu->look_again = passed;
	cpu->slice_end = read_tsc() + slice_quantum;
	slice_set_timer(cpu);
	cpu->idle_since = read_tsc();
	cpu_idle();
}

void dispatch(void)
{
	struct cpu *cpu = this_cpu();
	uint32_t position = cpu->position, first_passed = NO_POSITION;

	left(cpu);
	charge_excess(cpu);
	cpu->over = cpu->look_again = false;
	for (;;) {
		uint32_t next = vector_after(cpu->vector, position);
		struct env *e;

		if (next == NO_POSITION || next == first_passed)
			idle(cpu, next != NO_POSITION);
		position = next;
		e = vector_owner(cpu->vector, next);
		if (slice_unlist_sleeper(e) || forfeits(e)) { /* the round begins anew: where it began may be listed no more */
			first_passed = NO_POSITION;
			continue;
		}
		if ((e = claim_runner(e))) {
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

/* The current environment gives the CPU up by a call that returns 0: where it goes on. */
static struct env *leave(void)
{
	struct env *e = current_env();
	const struct call_return *back = call_return();

	e->rip = back->rip;
	e->rsp = back->rsp;
	e->result = 0;
	e->ignored = 0; /* here too: who is resumed by directed yields only never comes to enter() */
	return e;
}

/* Those that entry.S does not do: to the next slice, to an environment that was interrupted or is new, and refusals. */
int64_t call_yield(uint64_t to, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *target = to ? env_find((env_id)to) : NULL;

	(void)b, (void)c, (void)d, (void)unused;
	if (to) {
		if (!target || target->stopping)
			return -E_NOENV;
		if (!claim_take_ready(target) && !(env_mine(target) && claim_take(target, CLAIM_FRESH)))
			return -E_STATE;
	}
	slice_ready(leave());
	if (target)
		dispatch_to(target);
	dispatch();
}

/* Its claim word is written when all else is: a transfer may come at once. Events cannot: who raises them holds the lock. One who serves a caller takes
 * no other transfers meanwhile. */
int64_t call_sleep(uint64_t events, uint64_t deadline, uint64_t to, uint64_t d, uint64_t unused)
{
	struct env *e = current_env(), *target = to ? env_find((env_id)to) : NULL;
	uint64_t pending = env_upcall(e)->pending & events;
	const struct call_return *back = call_return();

	(void)d, (void)unused;
	if (pending || (deadline && deadline <= read_tsc()))
		return (int64_t)pending;
	e->idle_rip = back->rip;
	e->idle_rsp = back->rsp;
	e->wanted = events;
	alarm_clear(e); /* of a sleep in which it took the transfer that it serves */
	e->alarmed = false;
	if (deadline) {
		alarm_set(e, deadline);
		slice_set_timer(this_cpu());
	}
	claim_give(e, e->entries.transfer && e->entries.async && !e->caller ? CLAIM_IDLE : CLAIM_ASLEEP);
	if (target && claim_take_ready(target))
		dispatch_to(target);
	dispatch();
}
