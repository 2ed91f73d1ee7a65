/* The CPUs besides the one that the kernel was started on. */
#pragma once

#include <kernel/x86_64/cpu.h>

/* Counts the CPUs and allocates for kernel/smp.h what each needs, so while boot_allocate can: cpu_count is then how many may come up. */
void smp_find(void);
/* Starts them; cpu_count is then how many are up. */
void smp_start(void);
/* Where a CPU's own life begins, and stays. */
_Noreturn void cpu_main(struct cpu *cpu);
