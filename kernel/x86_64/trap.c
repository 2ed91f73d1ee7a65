/* Interrupts, and exceptions that no environment could be told of. */
#include <kernel/device.h>
#include <kernel/disk/disk.h>
#include <kernel/event.h>
#include <kernel/info.h>
#include <kernel/log.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/x86_64/entry.h>

void interrupt(struct trap *t);
_Noreturn void exception_stop(const uint64_t *frame);
void transfer_look(struct env *callee, env_id id);
void transfer_list(struct env *caller);

/* The current environment is interrupted in t where it cannot be told: its whole state is saved here, and it goes on exactly there. */
static void save_whole(struct env *e, const struct trap *t)
{
	e->preempted = true;
	e->trap = *t;
	xsave(e->vectors, cpu_features.xsave_mask);
	e->fs_base = read_fs_base();
	e->gs_base = read_user_gs_base();
	e->resume = RESUME_TRAP;
}

/* The slice of the interrupted environment is over. It is told, and has the grace time to save what it wants and yield; past
 * that, or when it cannot be told, the kernel switches by force. */
static void slice_over(struct cpu *cpu, struct trap *t, uint64_t now)
{
	struct env *e = cpu->current;

	if (!slice_other_runnable(cpu)) {
		cpu->slice_end = now + slice_quantum;
		cpu->over = false;
		env_upcall(e)->slice_end = cpu->slice_end;
		if (env_upcall(e)->told_always) /* whatever it says there: who goes on is the same */
			event_raise(e, EVENT_SLICE_END);
		return;
	}
	if (!cpu->over && e->entries.event && !env_upcall(e)->disabled) {
		cpu->over = true;
		cpu->told = e->id;
		event_raise(e, EVENT_SLICE_END);
		return;
	}
	if (cpu->over && cpu->told == e->id)
		e->ignored++;
	if (e->ignored >= EXCESS_LIMIT) {
		env_stop(e, CAUSE_EXCESS, t->rip);
	} else {
		save_whole(e, t);
		slice_ready(e);
	}
	dispatch();
}

static __attribute__((noinline)) void timer_interrupt(struct cpu *cpu, struct trap *t)
{
	uint64_t now = read_tsc();

	cpu->timer_at = 0;
	alarm_expire(cpu, now);
	if (cpu->net_waiting)
		net_waited(cpu, now);
	if (cpu->current && now >= cpu->slice_end + (cpu->over ? slice_grace : 0))
		slice_over(cpu, t, now);
	slice_set_timer(cpu);
}

/* First what an answer waits for: of the rest, the end of the interrupt too, it is all the same when it is done. */
static inline void packets(struct cpu *cpu, uint32_t device)
{
	uint64_t arrived = read_tsc();

	kernel_lock_take();
	smp_asked(cpu);
	net_interrupt(cpu, device, arrived);
	if (!cpu->current)
		machine_info->idle_ticks += arrived - cpu->idle_since;
	apic_end_of_interrupt();
}

/* False: that was all, and the lock was not taken. */
static __attribute__((noinline)) bool other_interrupt(struct cpu *cpu, struct trap *t)
{
	if (t->vector != VECTOR_SPURIOUS)
		apic_end_of_interrupt();
	if (t->vector == VECTOR_FORGET && cpu->current) {
		smp_asked(cpu);
		return false;
	}
	kernel_lock_take();
	smp_asked(cpu);
	if (!cpu->current)
		machine_info->idle_ticks += read_tsc() - cpu->idle_since;
	if (t->vector == VECTOR_TIMER)
		timer_interrupt(cpu, t);
	else if (t->vector == VECTOR_CONSOLE0)
		device_interrupt(DEVICE_CONSOLE0);
	else if (t->vector == VECTOR_CONSOLE1)
		device_interrupt(DEVICE_CONSOLE1);
	else if (t->vector - VECTOR_DISK0 < blockdev_count)
		disk_interrupt((uint32_t)(t->vector - VECTOR_DISK0));
	return true;
}

/* Who is to go on, and gives the lock. */
static __attribute__((noinline)) void leave(struct trap *t)
{
	struct cpu *cpu = this_cpu();

	if (!cpu->current)
		dispatch();
	if (cpu->current->stopping) { /* another CPU is destroying it, and waits until nobody has it */
		env_let_go(cpu->current);
		dispatch();
	}
	event_deliver(cpu->current, t);
	kernel_unlock();
}

void interrupt(struct trap *t)
{
	struct cpu *cpu = this_cpu();
	uint64_t device = t->vector - VECTOR_NET0;

	if (device < NETDEVS)
		packets(cpu, (uint32_t)device);
	else if (!other_interrupt(cpu, t))
		return;
	leave(t);
}

/* An exception while an upcall was under way. frame: r11, rcx, vector, error, rip..., in the environment's own page: for the record only. */
void exception_stop(const uint64_t *frame)
{
	struct env *e = this_cpu()->current;

	kernel_lock_take();
	env_stop(e, frame[2], frame[4]);
	dispatch();
}

/* From entry.S, after a transfer back whose callee has events pending. It may be gone by now: then its name says so. */
void transfer_look(struct env *callee, env_id id)
{
	kernel_lock_take();
	if (env_find(id) == callee)
		event_look(callee);
	kernel_unlock();
}

/* From entry.S, before an asynchronous transfer. */
void transfer_list(struct env *caller)
{
	kernel_lock_take();
	slice_list(caller, true);
	kernel_unlock();
}

void cpu_idle(void)
{
	kernel_unlock();
	for (;;)
		cpu_wait();
}
