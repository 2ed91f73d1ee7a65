/* Entries into ExOS and ways out of it that only assembly can say (entry.S, switch.S); the register state that is not in struct regs. */
#pragma once

#include <aegis/calls.h>
#include <exos/base.h>
#include <exos/self.h>
#include <exos/x86_64/offsets.h>

/* Kernel-called entries (aegis_entries). Not functions. */
extern char exos_entry_upcall[], exos_entry_foreign[];
/* In exos_entry_foreign: the calls that are answered on the spot. Interrupted from ..._field on, the program is as before its call, at
 * ..._field_answered, and at the same place of each that is alike, as after it. */
extern char exos_foreign_field[], exos_field_pid[], exos_foreign_field_answered[], exos_foreign_field_end[];
extern char exos_foreign_call[];
extern const char *const exos_field_calls[];
/* The way back from the others: from ..._leave on nothing more is looked at before the program goes on. */
extern char exos_foreign_leave[], exos_foreign_left[], exos_foreign_leave_end[];
/* Where a fresh environment starts: restores self->xsave and the bases in self->stubs_scratch[0] (FS) and [1] (GS), then as exos_resume_regs. */
extern char exos_start_environment[];
/* rsp points at a struct regs: restores all of it and continues there. Not a function. */
extern char exos_resume_regs[], exos_resume_regs_end[];
/* The end of a fault in a region, between its handler's return and exos_resume_regs. */
extern char exos_region_return[], exos_region_return_end[];

/* The CPU given away, everything that must outlive that saved around it: callee-saved registers, FS and GS base, vector state. */
int64_t exos_yield(env_id to);
int64_t exos_sleep(uint64_t events, uint64_t deadline, env_id to);
/* `self` in a register, for those who need much of it in a few instructions. */
static inline struct self_page *self_here(void)
{
	struct self_page *here;

	__asm__ volatile("" : "=r"(here) : "0"(self));
	return here;
}

/* exos_yield where its caller keeps the callee-saved registers himself, which he does in one go for all that he does. Registers: rdi is the call's argument and
 * lost, as is every other one; on the stack the bases. */
static inline void exos_yield_inline(env_id to)
{
	uint64_t argument = to;

	__asm__ volatile("rdfsbase %%rax\n\t"
			 "push %%rax\n\t"
			 "rdgsbase %%rax\n\t"
			 "push %%rax\n\t"
			 "movabs %[xsave], %%rcx\n\t"
			 "mov $-1, %%eax\n\t"
			 "mov $-1, %%edx\n\t"
			 "xsave64 (%%rcx)\n\t"
			 "mov %[yield], %%rax\n\t"
			 "syscall\n\t"
			 "movabs %[xsave], %%rcx\n\t"
			 "mov $-1, %%eax\n\t"
			 "mov $-1, %%edx\n\t"
			 "xrstor64 (%%rcx)\n\t"
			 "pop %%rax\n\t"
			 "wrgsbase %%rax\n\t"
			 "pop %%rax\n\t"
			 "wrfsbase %%rax"
			 : "+D"(argument)
			 : [xsave] "i"(SELF_VA + SELF_XSAVE), [yield] "i"(AEGIS_CALL(CALL_yield))
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}
/* The end of an environment: sleeps and is never run again. Domain lock held on entry: released on the way. */
_Noreturn void exos_final_sleep(void);

/* From one thread's library stack to another's; upcalls disabled. Returns when `from` is switched to again. */
struct thread;
struct regs;
void exos_switch_thread(struct thread *from, struct thread *to);
/* Makes the stack below `first` one that can be switched to, with these bases; the stack pointer. It begins in exos_thread_begin (sched/threads.h). */
uint64_t exos_prepare_thread(struct regs *first, uint64_t fs, uint64_t gs);

void exos_fpu_save(void *area); /* 64-aligned, machine_info->xsave_size bytes */
void exos_fpu_restore(const void *area);
void exos_fpu_reset(void);      /* as a fresh program finds it */
uint64_t exos_fs_base(void);
void exos_set_fs_base(uint64_t base);
uint64_t exos_gs_base(void);
void exos_set_gs_base(uint64_t base);
/* Restores regs and goes to the program: for exec and vfork's return, from anywhere on the library's stack. */
_Noreturn void exos_go(const struct regs *regs);
/* Selectors of user mode, for struct regs. */
#define USER_CS 0x2b
#define USER_SS 0x23
static inline void cpu_relax(void) { __asm__ volatile("pause"); } /* in a loop that waits for another CPU */
