/* The kernel's cpu.h with the machine taken out: one CPU after the other is `machine_cpu`, and a physical address is a pointer. */
#pragma once

#define this_cpu real_this_cpu
#include_next <kernel/x86_64/cpu.h>
#undef this_cpu

#undef PHYSICAL_MAP
#define PHYSICAL_MAP 0ul

extern struct cpu machine_cpu;
static inline struct cpu *this_cpu(void) { return &machine_cpu; }
