/* Who runs: in place of the dispatcher, by the same rules. A CPU runs an environment whose claim it has taken, loads its page tables after it
 * has said so, and lets it go when it is told that it is stopping. */
#include <kernel/event.h>
#include <kernel/slice.h>
#include <kernel/smp.h>

#include "calls.h"

static void put_down(uint32_t cpu)
{
	struct env *e = machine_cpus[cpu].current;

	machine_cpu = cpu;
	if (!e)
		return;
	if (e->stopping)
		env_let_go(e);
	else
		claim_give(e, CLAIM_READY);
	machine_cpus[cpu].current = NULL;
	m_running[cpu] = 0;
}

static void idle(uint32_t cpu)
{
	machine_cpu = cpu;
	if (!machine_cpus[cpu].current)
		write_cr3(0);
}

static bool pick_up(uint32_t cpu, struct env *e)
{
	machine_cpu = cpu;
	if (!claim_take(e, CLAIM_READY))
		return false;
	machine_cpus[cpu].current = e;
	m_running[cpu] = e->id;
	if (e->root != read_cr3())
		write_cr3(e->root);
	return true;
}

static void fall_asleep(struct env *e)
{
	if (!claim_take(e, CLAIM_READY))
		return;
	e->wanted = one_in(2) ? ~0ul : EVENT_REVOKE | EVENT_PEER;
	claim_give(e, e->entries.transfer ? CLAIM_IDLE : CLAIM_ASLEEP);
	if (one_in(2))
		slice_unlist_sleeper(e); /* whoever comes to it next */
}

/* Does the kernel see whether another has something to run on this CPU? */
static void look(uint32_t cpu)
{
	bool others = false;

	machine_cpu = cpu;
	if (!machine_cpus[cpu].current)
		return;
	for (uint32_t p = 0; p < MACHINE_POSITIONS; p++) {
		const struct env *owner = m_slices[cpu][p].env ? env_table[env_slot(m_slices[cpu][p].env)] : NULL;

		others |= owner && owner != machine_cpus[cpu].current && !owner->stopping && *owner->claim == claim_word(owner, CLAIM_READY);
	}
	machine_cpus[cpu].position = (uint32_t)random_below(MACHINE_POSITIONS);
	CHECK(slice_other_runnable(&machine_cpus[cpu]) == others, "CPU %u: another's slice is %s", cpu, others ? "overlooked" : "seen that is none");
}

static void stop_running(uint32_t cpu)
{
	struct env *e = machine_cpus[cpu].current;

	if (!e || e->stopping || e->id == m_envs[1].id)
		return;
	machine_cpu = cpu;
	trace_call("stopped by an exception");
	env_stop(e, 14, 0x1234);
	m_env_stop(m_find(e->id));
	machine_cpus[cpu].current = NULL;
	m_running[cpu] = 0;
	write_cr3(0);
	HAPPENED(stopped);
}

/* Some CPU runs something when this returns, and is the one that executes. */
void random_schedule(void)
{
	uint32_t cpu = (uint32_t)random_below(MACHINE_CPUS);
	struct m_env *e = env_choose();

	if (machine_told[cpu] && one_in(2)) {
		machine_told[cpu] = false;
		if (machine_cpus[cpu].current && machine_cpus[cpu].current->stopping)
			put_down(cpu), idle(cpu);
	}
	if (one_in(700))
		stop_running(cpu);
	else if (one_in(20))
		fall_asleep(env_table[e - m_envs]);
	else if (one_in(20))
		look(cpu);
	else if (one_in(8))
		event_raise(env_table[e - m_envs], EVENT_NOTIFY(3));
	if (one_in(10)) {
		put_down(cpu);
		pick_up(cpu, env_table[e - m_envs]);
		idle(cpu); /* if that could not be: nobody else may be asked for what is not said to run */
	}
	while (!machine_cpus[cpu].current) {
		e = env_choose();
		if (e->id == m_envs[1].id)
			env_table[1]->wanted = ~0ul, event_raise(env_table[1], EVENT_NOTIFY(0));
		if (!pick_up(cpu, env_table[e - m_envs]))
			cpu = (uint32_t)random_below(MACHINE_CPUS);
	}
	machine_cpu = cpu;
}
