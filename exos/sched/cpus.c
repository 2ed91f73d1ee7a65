/* Slices for processes. */
#include <aegis/x86_64/stubs.h>
#include <exos/proc/proc.h>
#include <exos/start.h>

uint64_t cpus_all(void) { return machine_info->cpus >= CPUS_MOST ? ~0ul : (1ul << machine_info->cpus) - 1; }

bool cpus_give(struct proc *p)
{
	struct cpu_slices *slices = &p->slices;
	uint64_t wanted = slices->lent ? 0 : (slices->mask ? slices->mask : ~0ul) & cpus_all();

	for (uint64_t more = wanted & ~slices->held; more; more &= more - 1) {
		uint32_t cpu = (uint32_t)__builtin_ctzl(more);
		int64_t position = aegis_slice_alloc(cpu, UINT32_MAX, p->env, NULL);

		if (position < 0)
			break;
		slices->positions[cpu] = (uint32_t)position;
		slices->held |= 1ul << cpu;
	}
	if (wanted && !(slices->held & wanted))
		return slices->held != 0;
	for (uint64_t fewer = slices->held & ~wanted; fewer; fewer &= fewer - 1) {
		uint32_t cpu = (uint32_t)__builtin_ctzl(fewer);

		aegis_slice_free(cpu, slices->positions[cpu]); /* refused only if it was repossessed meanwhile */
		slices->held &= ~(1ul << cpu);
	}
	return true;
}

bool cpus_give_one(struct proc *p)
{
	uint64_t held = p->slices.held;
	uint32_t cpu = (uint32_t)__builtin_ctzl(held | 1);

	if (!(held & (held - 1)))
		return false;
	aegis_slice_free(cpu, p->slices.positions[cpu]);
	p->slices.held &= ~(1ul << cpu);
	return true;
}
