/* Entries into ExOS and ways out of it that only assembly can say (entry.S, switch.S); the register state that is not in struct regs. */
#pragma once

#include <exos/base.h>

/* Kernel-called entries (aegis_entries). Not functions. */
extern char exos_entry_upcall[], exos_entry_foreign[];
/* In exos_entry_foreign: the calls that are answered on the spot. Interrupted from ..._field on, the program is as before its call, at
 * ..._field_answered as after it. */
extern char exos_foreign_field[], exos_foreign_field_answered[], exos_foreign_field_end[];
extern const uint16_t exos_field_calls[];
/* Where a fresh environment starts: restores self->xsave and the bases in self->stubs_scratch[0] (FS) and [1] (GS), then as exos_resume_regs. */
extern char exos_start_environment[];
/* rsp points at a struct regs: restores all of it and continues there. Not a function. */
extern char exos_resume_regs[], exos_resume_regs_end[];
/* The end of a fault in a region, between its handler's return and exos_resume_regs. */
extern char exos_region_return[], exos_region_return_end[];

/* The CPU given away, everything that must outlive that saved around it: callee-saved registers, FS and GS base, vector state. */
int64_t exos_yield(env_id to);
int64_t exos_sleep(uint64_t events, uint64_t deadline, env_id to);
/* The end of an environment: sleeps and is never run again. Domain lock held on entry: released on the way. */
_Noreturn void exos_final_sleep(void);

void exos_fpu_save(void *area); /* 64-aligned, machine_info->xsave_size bytes */
void exos_fpu_restore(const void *area);
void exos_fpu_reset(void);      /* as a fresh program finds it */
uint64_t exos_fs_base(void);
void exos_set_fs_base(uint64_t base);
uint64_t exos_gs_base(void);
void exos_set_gs_base(uint64_t base);
/* Restores regs and goes to the program: for exec and vfork's return, from anywhere on the library's stack. */
struct regs;
_Noreturn void exos_go(const struct regs *regs);
/* Selectors of user mode, for struct regs. */
#define USER_CS 0x2b
#define USER_SS 0x23
static inline void cpu_relax(void) { __asm__ volatile("pause"); } /* in a loop that waits for another CPU */
