/* Giving the CPU away, with everything saved that the kernel leaves to the library: callee-saved registers and bases on the stack, vector
 * registers in self->xsave (they are the program's throughout, so an upcall that does the same in between stores the same). */
#include <exos/x86_64/kept.h>
#include <exos/x86_64/offsets.h>

	.text

/* in: edi and on, the call's arguments. out: rax its result. */
	.macro switching call
	push_kept
	movabs $SELF, %rcx
	mov %rdx, %r8
	mov $-1, %eax
	mov $-1, %edx
	xsave64 SELF_XSAVE(%rcx)
	mov %r8, %rdx
	mov $\call, %rax
	syscall
	mov %rax, %r8
	movabs $SELF, %rcx
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 SELF_XSAVE(%rcx)
	pop_kept %rax
	mov %r8, %rax
	ret
	.endm

/* int64_t exos_yield(env_id to) */
	.align 16
	.globl exos_yield
exos_yield:
	switching CALL_YIELD

/* int64_t exos_sleep(uint64_t events, uint64_t deadline, env_id to) */
	.align 16
	.globl exos_sleep
exos_sleep:
	switching CALL_SLEEP

/* void exos_switch_thread(struct thread *from, struct thread *to)
 * In: rdi, rsi; upcalls disabled. Returns when `from` is switched to again; all that C functions keep is kept, the bases and the vectors too. */
	.align 16
	.globl exos_switch_thread
exos_switch_thread:
	push_kept
	mov $-1, %eax
	mov $-1, %edx
	xsave64 (%rdi)
	mov %rsp, THREAD_RSP(%rdi)
	mov THREAD_RSP(%rsi), %rsp
	xrstor64 (%rsi)
	pop_kept %rax
	ret

/* uint64_t exos_prepare_thread(struct regs *first, uint64_t fs, uint64_t gs): what exos_switch_thread takes off the stack of a thread that has not run, below its
 * first registers. Out: rax the stack pointer; rcx is used. */
	.globl exos_prepare_thread
exos_prepare_thread:
	xor %eax, %eax
	lea thread_first(%rip), %rcx
	mov %rcx, -8(%rdi)
	.irp i, 16, 24, 32, 40, 48, 56 /* rbx to r15 */
	mov %rax, -\i(%rdi)
	.endr
	mov %rsi, -64(%rdi)
	mov %rdx, -72(%rdi)
	lea -72(%rdi), %rax
	ret

/* A thread's first instructions. rsp: its struct regs. */
thread_first:
	mov %rsp, %rdi
	call exos_thread_begin
	jmp exos_resume_regs

/* void exos_fpu_save(void *area) */
	.globl exos_fpu_save
exos_fpu_save:
	mov $-1, %eax
	mov $-1, %edx
	xsave64 (%rdi)
	ret

/* void exos_fpu_restore(const void *area) */
	.globl exos_fpu_restore
exos_fpu_restore:
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 (%rdi)
	ret

/* void exos_fpu_reset(void): from an area whose header says that every component is in its initial state. */
	.globl exos_fpu_reset
exos_fpu_reset:
	lea fresh_vectors(%rip), %rdi
	jmp exos_fpu_restore

/* uint64_t exos_fs_base(void), void exos_set_fs_base(uint64_t), and the same for GS */
	.globl exos_fs_base, exos_set_fs_base, exos_gs_base, exos_set_gs_base
exos_fs_base:
	rdfsbase %rax
	ret
exos_set_fs_base:
	wrfsbase %rdi
	ret
exos_gs_base:
	rdgsbase %rax
	ret
exos_set_gs_base:
	wrgsbase %rdi
	ret

	.section .rodata
	.align 64
fresh_vectors:
	.skip 24
	.long 0x1f80 /* MXCSR is loaded even when SSE is initial */
	.skip 2816 - 28

	.section .note.GNU-stack, "", @progbits
