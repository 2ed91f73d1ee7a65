/* The kernel's cpu.h with the machine taken out: what reaches a register or the physical map there is renamed away and is the test's machine
 * (machine.c) instead. All else, struct cpu above all, stays the kernel's. */
#pragma once

#define physical real_physical
#define frame_pointer real_frame_pointer
#define this_cpu real_this_cpu
#define current_env real_current_env
#define read_tsc real_read_tsc
#define read_cr3 real_read_cr3
#define write_cr3 real_write_cr3
#define invalidate_page real_invalidate_page
#include_next <kernel/x86_64/cpu.h>
#undef physical
#undef frame_pointer
#undef this_cpu
#undef current_env
#undef read_tsc
#undef read_cr3
#undef write_cr3
#undef invalidate_page

#undef PHYSICAL_MAP
#define PHYSICAL_MAP 0x200000000000ul /* where neither the host nor its sanitizers have anything */

static inline void *physical(uint64_t address) { return (void *)(PHYSICAL_MAP + address); }
static inline void *frame_pointer(frame_t f) { return physical((uint64_t)f << FRAME_SHIFT); }

extern struct cpu machine_cpus[];
extern uint32_t machine_cpu; /* which of them executes */
extern uint64_t machine_tsc;
static inline struct cpu *this_cpu(void) { return &machine_cpus[machine_cpu]; }
static inline struct env *current_env(void) { return this_cpu()->current; }
static inline uint64_t read_tsc(void) { return machine_tsc; }
uint64_t read_cr3(void);
void write_cr3(uint64_t v);
void invalidate_page(uint64_t va);
