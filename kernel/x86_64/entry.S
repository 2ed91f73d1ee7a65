/* Every way into the kernel, and the ways out of it.
 *
 * In the kernel interrupts are off, always, but for the idle wait. The kernel's GS base is in effect between the
 * swapgs of an entry and that of an exit. The upcall page of the current environment is found through the task-state segment: rsp[0]
 * in it, where the CPU pushes the state of an interrupted user program, is byte 256 of that page (include/aegis/upcall.h). */

#include <kernel/x86_64/offsets.h>

/* With rax as the user gave it, a call's place in a table of quadwords. */
#define TABLE(table) table - 8 * (CALL_LAST - CALLS + 1)(,%rax,8)

	.text

/* ---- System calls -----------------------------------------------------------------------------------------------------
 * in:  rax number; rcx user rip; r11 user flags; all others the user's, rsp too. Interrupts off (SFMASK).
 * A number below the last call's is foreign: back to user mode at the environment's foreign entry, rip and flags left in the upcall
 * page, every register but rcx untouched. 12 instructions with the syscall itself. */
	.align 16
	.globl entry_syscall, entry_foreign
entry_syscall:
	cmp $CALL_LAST - CALLS + 1, %rax
	jb entry_foreign
	jmp *TABLE(call_entries)

entry_foreign:
	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_UPCALL_END, %rsp
	mov %rcx, UPCALL_FOREIGN_RIP(%rsp)
	mov %r11, UPCALL_FOREIGN_RFLAGS(%rsp)
	mov CPU_CURRENT, %rcx
	mov ENV_ENTRY_FOREIGN(%rcx), %rcx
	mov CPU_SCRATCH, %rsp
	swapgs
	sysretq

/* The null call: the floor of what a call costs. */
	.globl entry_call_null
entry_call_null:
	xor %eax, %eax
	sysretq

/* A call written in C. Stack for C, from the top: user rsp, rip, flags (struct call_return). Callee-saved registers are the user's
 * all along; the others come back as zero, so that nothing of the kernel's shows. The kernel lock is taken, and given by who leaves. */
	.globl entry_call_full
entry_call_full:
	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_STACK, %rsp
	push CPU_SCRATCH
	push %rcx
	push %r11
	lock btsl $0, kernel_lock(%rip)
	jc entry_wait
entry_locked:
	mov %r10, %rcx
	call *TABLE(call_handlers) /* the stack is not aligned to 16: nothing here is compiled to want that */
	movl $0, kernel_lock(%rip)
	xor %edi, %edi
	xor %esi, %esi
	xor %edx, %edx
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	pop %r11
	pop %rcx
	pop %rsp
	swapgs
	sysretq

entry_wait:
	.irp register, rax, rdi, rsi, rdx, r8, r10
	push %\register
	.endr
	call kernel_lock_take
	.irp register, r10, r8, rdx, rsi, rdi, rax
	pop %\register
	.endr
	jmp entry_locked

/* An interrupt or exception leaves AC as the user had it, and with AC SMAP does nothing. */
	.macro close_user_memory
	cmpb $0, smap_enabled(%rip)
	je 9f
	clac
9:
	.endm

/* Fills the general registers of a struct trap that begins at rsp. */
	.macro store_registers
	.set place, 0
	.irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	mov %\register, place(%rsp)
	.set place, place + 8
	.endr
	.endm

/* ---- Exceptions -------------------------------------------------------------------------------------------------------
 * From user mode the CPU has pushed ss, rsp, rflags, cs, rip (and an error code) into the upcall page itself. 15 to 17 instructions
 * from here to the environment's handler. What is read back from the page is believed by nobody but the user: rsp, and the flag, which
 * can only stop its own environment. From kernel mode the frame is on the kernel stack, above KERNEL_BASE: bit 46. */
#define UPCALL_DISABLED(depth) ((depth)-256)
#define FRAME_RSP(depth) (240 - 256 + (depth))

	.macro exception vector, has_error
	.align 16
exception_\vector:
	.if !\has_error
	push $0
	.endif
	push $\vector
	push %rcx
	push %r11
	bt $46, %rsp
	jc exception_in_kernel
	cmpl $0, UPCALL_DISABLED(72)(%rsp)
	jne exception_undeliverable
	movl $1, UPCALL_DISABLED(72)(%rsp)
	.if \vector == 14
	mov %cr2, %r11
	mov %r11, -8(%rsp)
	.endif
	swapgs
	mov CPU_CURRENT, %rcx
	mov ENV_ENTRY_EXCEPTION(%rcx), %rcx
	swapgs
	mov $FLAGS_USER_BITS, %r11d
	mov FRAME_RSP(72)(%rsp), %rsp
	sysretq
	.endm

	exception 0, 0
	exception 1, 0
	exception 3, 0
	exception 4, 0
	exception 5, 0
	exception 6, 0
	exception 7, 0
	exception 9, 0
	exception 10, 1
	exception 11, 1
	exception 12, 1
	exception 13, 1
	exception 14, 1
	exception 15, 0
	exception 16, 0
	exception 17, 1
	exception 19, 0
	exception 20, 0
	exception 21, 1

/* rsp in the upcall page: r11, rcx, vector, error, iret frame. To C on the kernel stack: exception_stop never returns. */
exception_undeliverable:
	close_user_memory
	swapgs
	mov %rsp, %rdi
	mov CPU_STACK, %rsp
	cld
	call exception_stop

/* The same frame on the kernel stack: a fault of a guarded copy goes on at its fixup, one of a single guarded load (user.h) where the table of those
 * says, anything else is a bug. */
exception_in_kernel:
	lea exception_guarded_start(%rip), %rcx
	cmp %rcx, 32(%rsp)
	jb 1f
	lea exception_guarded_end(%rip), %rcx
	cmp %rcx, 32(%rsp)
	jae 1f
	lea exception_guarded_fixup(%rip), %rcx
	jmp 4f
1:	lea kernel_fixups(%rip), %r11
2:	lea kernel_fixups_end(%rip), %rcx
	cmp %rcx, %r11
	jae 5f
	mov (%r11), %rcx
	cmp %rcx, 32(%rsp)
	je 3f
	add $16, %r11
	jmp 2b
3:	mov 8(%r11), %rcx
4:	mov %rcx, 32(%rsp)
	pop %r11
	pop %rcx
	add $16, %rsp
	iretq
5:	pop %r11
	pop %rcx
	sub $120, %rsp /* the rest of struct trap */
	store_registers
	mov %rsp, %rdi
	call kernel_fault

/* Double fault, NMI, machine check: on their own stack (IST 2). */
	.macro grave vector, has_error
	.align 16
exception_\vector:
	.if !\has_error
	push $0
	.endif
	push $\vector
	sub $120, %rsp
	store_registers
	mov %rsp, %rdi
	call kernel_fault
	.endm
	.align 16
exception_2: /* NMI: nothing here raises one */
	iretq
	grave 8, 1
	grave 18, 0

/* ---- Interrupts -------------------------------------------------------------------------------------------------------
 * On the kernel stack (IST 1). The C handler returns only to the interrupted user code. */
	.macro interrupt vector
	.align 16
interrupt_\vector:
	push $0
	push $\vector
	jmp interrupt_common
	.endm
	interrupt 32
	interrupt 33
	interrupt 34
	interrupt 35
	interrupt 36
	interrupt 37
	interrupt 38
	interrupt 39
	interrupt 40
	.irp vector, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56
	interrupt \vector
	.endr
	interrupt 255

interrupt_common:
	close_user_memory
	sub $120, %rsp
	store_registers
	cld
	testb $3, 144(%rsp) /* trap.cs: 120 + 3 * 8 */
	jz 1f
	swapgs
1:	mov %rsp, %rdi
	call interrupt
	jmp restore_trap

/* void resume_trap(const struct trap *): restores everything and goes to user mode. Gives the kernel lock. */
	.globl resume_trap
resume_trap:
	mov %rdi, %rsp
	movl $0, kernel_lock(%rip)
restore_trap:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $16, %rsp
	swapgs
	iretq

/* void resume_call(uint64_t rax, uint64_t rip, uint64_t rsp, uint64_t rdi): into an environment that gave the CPU away by a call. Every other register is cleared: the
 * last user's are none of its business. Gives the kernel lock. */
	.globl resume_call
resume_call:
	movl $0, kernel_lock(%rip)
	mov %rdi, %rax
	mov %rcx, %rdi
	mov %rsi, %rcx
	mov %rdx, %rsp
	mov $FLAGS_USER_BITS, %r11d
	xor %ebx, %ebx
	xor %edx, %edx
	xor %esi, %esi
	xor %ebp, %ebp
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	swapgs
	sysretq

/* ---- User memory ------------------------------------------------------------------------------------------------------
 * int64_t copy_guarded(void *to, const void *from, size_t words): copies 8-byte words; 0, or -2 (E_FAULT) if user memory faulted.
 * copy_guarded_bytes: the same by bytes. The caller has checked that the user's range lies below AEGIS_USER_TOP. With SMAP only these reach user memory. */
	.align 16
	.globl copy_guarded
copy_guarded:
	mov smap_enabled(%rip), %al
	test %al, %al
	jz exception_guarded_start
	stac
exception_guarded_start:
	cmp $4, %rdx
	jb 1f
0:	mov (%rsi), %rax
	mov %rax, (%rdi)
	mov 8(%rsi), %rax
	mov %rax, 8(%rdi)
	mov 16(%rsi), %rax
	mov %rax, 16(%rdi)
	mov 24(%rsi), %rax
	mov %rax, 24(%rdi)
	add $32, %rsi
	add $32, %rdi
	sub $4, %rdx
	cmp $4, %rdx
	jae 0b
1:	test %rdx, %rdx
	jz 2f
	mov (%rsi), %rax
	mov %rax, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %rdx
	jmp 1b
2:	test %rcx, %rcx
	jz 4f
3:	mov (%rsi), %al
	mov %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %rcx
	jnz 3b
4:	xor %eax, %eax
	jmp copy_guarded_end
exception_guarded_end:
exception_guarded_fixup:
	mov $-2, %rax
copy_guarded_end:
	mov smap_enabled(%rip), %cl
	test %cl, %cl
	jz 5f
	clac
5:	ret

	.section .rodata
	.align 8
	.globl exception_vectors
exception_vectors:
	.quad exception_0, exception_1, exception_2, exception_3, exception_4, exception_5, exception_6, exception_7
	.quad exception_8, exception_9, exception_10, exception_11, exception_12, exception_13, exception_14, exception_15
	.quad exception_16, exception_17, exception_18, exception_19, exception_20, exception_21
	.globl interrupt_vectors
interrupt_vectors:
	.quad interrupt_32, interrupt_33, interrupt_34, interrupt_35, interrupt_36, interrupt_37, interrupt_38, interrupt_39, interrupt_40
	.quad interrupt_41, interrupt_42, interrupt_43, interrupt_44, interrupt_45, interrupt_46, interrupt_47, interrupt_48
	.quad interrupt_49, interrupt_50, interrupt_51, interrupt_52, interrupt_53, interrupt_54, interrupt_55, interrupt_56
	.globl interrupt_spurious
interrupt_spurious:
	.quad interrupt_255

	.section .note.GNU-stack, "", @progbits
