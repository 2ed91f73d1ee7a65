/* What CPUs ask of each other. Owner: the kernel lock, which whoever asks holds; `forgot` is written by the CPU that is asked. */
#include <kernel/smp.h>

struct cpu **cpus;
uint32_t cpu_count = 1;
uint32_t kernel_lock;

void smp_asked(struct cpu *cpu)
{
	uint32_t asked = __atomic_load_n(&cpu->asked, __ATOMIC_SEQ_CST);

	if (asked == cpu->forgot)
		return;
	write_cr3(read_cr3());
	__atomic_store_n(&cpu->forgot, asked, __ATOMIC_SEQ_CST);
}

static __attribute__((noinline)) void wait_for_lock(void)
{
	do
		while (__atomic_load_n(&kernel_lock, __ATOMIC_RELAXED)) {
			smp_asked(this_cpu());
			cpu_relax();
		}
	while (__atomic_exchange_n(&kernel_lock, 1, __ATOMIC_ACQUIRE));
}

void kernel_lock_take(void)
{
	if (__atomic_exchange_n(&kernel_lock, 1, __ATOMIC_ACQUIRE))
		wait_for_lock();
}

static void ask(struct cpu *cpu)
{
	__atomic_fetch_add(&cpu->asked, 1, __ATOMIC_SEQ_CST);
	apic_send(cpu->apic_id, VECTOR_FORGET);
}

static void await(const struct cpu *cpu)
{
	while (__atomic_load_n(&cpu->forgot, __ATOMIC_SEQ_CST) != cpu->asked)
		cpu_relax();
}

/* A CPU that begins to run an environment loads its page tables after it has said so in `current`: read here after the tables were
 * changed, an answer "does not run it" is therefore good. */
static bool runs(const struct cpu *cpu, const struct env *e)
{
	const struct env *current = __atomic_load_n(&cpu->current, __ATOMIC_SEQ_CST);

	return e ? current == e : current != NULL;
}

static void ask_others(const struct env *e, bool even_idle)
{
	struct cpu *here = this_cpu();
	uint64_t waiting[(MOST_CPUS + 63) / 64] = { 0 };

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpus[i] != here && (even_idle || runs(cpus[i], e))) {
			ask(cpus[i]);
			waiting[i / 64] |= 1ul << i % 64;
		}
	for (uint32_t i = 0; i < cpu_count; i++)
		if (waiting[i / 64] >> i % 64 & 1)
			await(cpus[i]);
}

void smp_forget(const struct env *e)
{
	if (cpu_count > 1)
		ask_others(e, false);
}

void smp_quiesce(void)
{
	if (cpu_count > 1)
		ask_others(NULL, true);
}

void smp_kick(const struct env *e)
{
	const struct cpu *here = this_cpu();

	for (uint32_t i = 0; cpu_count > 1 && i < cpu_count; i++)
		if (cpus[i] != here && runs(cpus[i], e))
			apic_send(cpus[i]->apic_id, VECTOR_LOOK);
}

void smp_wake_idle(uint32_t cpu)
{
	if (cpu_count > 1 && cpus[cpu] != this_cpu() && !__atomic_load_n(&cpus[cpu]->current, __ATOMIC_SEQ_CST))
		apic_send(cpus[cpu]->apic_id, VECTOR_LOOK);
}
