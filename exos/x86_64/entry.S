/* Where the kernel enters ExOS in each environment, and how ExOS goes back to what was interrupted.
 *
 * The library's stack nests: an upcall that interrupts the program starts at its top (self->library_top), one that interrupts the library itself goes on below
 * what it interrupted. Interrupted state is copied to this stack before anything else can happen, and from there iretq resumes it
 * without the kernel (include/aegis/upcall.h: the rule). */
#include <exos/x86_64/offsets.h>

#define SELF 0x7efffffff000
#define STACK_TOP 0x7efffffee000
#define STACK_SIZE 0x4000
#define USER_CS 0x2b
#define USER_SS 0x23
#define CAUSE_FOREIGN 512
#define CAUSE_EVENT 256
#define PAGE_FAULT 14
#define RED_ZONE 128 /* what a function may keep below its stack pointer */

	.text

	.macro push_registers rcx_from, r11_from
	push %rdi
	push %rsi
	push %rdx
	push \rcx_from
	push %rax
	push %r8
	push %r9
	push %r10
	push \r11_from
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

/* A foreign system call. Those that only ask for a word of the process's entry are answered at once: rcx and r11 are the call's to use up,
 * and the flags are nobody's after it. In: all registers the program's, but rcx (free; the program sees its own rip there afterwards, as the syscall instruction
 * leaves it) and r11 (its flags). Calls void exos_foreign(struct regs *). */
	.align 16
	.globl exos_entry_foreign, exos_foreign_field, exos_foreign_field_answered, exos_foreign_field_end
exos_entry_foreign:
exos_foreign_field:
	movabs $SELF, %rcx
	cmp $FIELD_CALLS, %eax
	jae 1f
	lea exos_field_calls(%rip), %r11
	movzwl (%r11,%rax,2), %r11d
	test %r11d, %r11d
	jz 1f
	add SELF_PROC(%rcx), %r11
	mov (%r11), %eax
exos_foreign_field_answered:
	jmp *SELF_FOREIGN_RIP(%rcx)
exos_foreign_field_end:
1:
	mov %rsp, SELF_SCRATCH(%rcx)
	mov SELF_TOP(%rcx), %rsp
	push $USER_SS
	push SELF_SCRATCH(%rcx)
	push SELF_FOREIGN_RFLAGS(%rcx)
	push $USER_CS
	push SELF_FOREIGN_RIP(%rcx)
	push %rax /* error: the number, for a restart */
	push $0
	push $CAUSE_FOREIGN
	push_registers SELF_FOREIGN_RIP(%rcx), SELF_FOREIGN_RFLAGS(%rcx)
	cld
	xor %ebp, %ebp
	mov %rsp, %rdi
	call exos_foreign

/* rsp: struct regs. */
	.globl exos_resume_regs, exos_resume_regs_end
exos_resume_regs:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
exos_resume_scratch:
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $24, %rsp
	iretq
exos_resume_regs_end:

/* An exception or event. In: `disabled` is 1; rcx, r11 and the interrupted state are in the upcall page; all other registers, rsp too, the
 * interrupted code's. Calls void exos_upcall(struct regs *) with upcalls enabled again. */
	.align 16
	.globl exos_entry_upcall
exos_entry_upcall:
	movabs $SELF, %rcx
	cmpl $PAGE_FAULT, SELF_FRAME_CAUSE(%rcx)
	jne upcall
	mov SELF_FRAME_ADDRESS(%rcx), %r11
	sub SELF_REGION(%rcx), %r11
	cmp SELF_REGION_LENGTH(%rcx), %r11
	jb region_fault
upcall:
	mov SELF_TOP(%rcx), %r11
	sub %rsp, %r11
	cmp $STACK_SIZE, %r11
	jb 1f
	mov SELF_TOP(%rcx), %rsp
1:	push SELF_FRAME_SS(%rcx)
	push SELF_FRAME_RSP(%rcx)
	push SELF_FRAME_RFLAGS(%rcx)
	push SELF_FRAME_CS(%rcx)
	push SELF_FRAME_RIP(%rcx)
	push SELF_FRAME_ERROR(%rcx)
	push SELF_FRAME_ADDRESS(%rcx)
	push SELF_FRAME_CAUSE(%rcx)
	push_registers SELF_FRAME_RCX(%rcx), SELF_FRAME_R11(%rcx)
	movl $0, SELF_DISABLED(%rcx)
	cld
	mov %rsp, %rdi
	call exos_upcall
	jmp exos_resume_regs

/* A page fault in a region of the program's own, whose handler may use every register that C functions may: what C functions keep, it keeps. Nothing is saved but the
 * scratch registers, in the places of struct regs. The handler runs on its own stack, or if it has been interrupted below what it has there, and the library's
 * stack is what lies below (program/handler.h). r11 is free. */
region_fault:
	testb $1, SELF_HANDLER_FLAGS(%rcx) /* vectors to be saved too: C does that */
	jz upcall
	cmpq $0, SELF_HANDLER_FAULT(%rcx)
	je upcall
	mov SELF_TOP(%rcx), %r11
	sub %rsp, %r11
	cmp $STACK_SIZE, %r11 /* the library itself has missed the page */
	jb upcall
	mov SELF_TOP(%rcx), %rsp
	push SELF_FRAME_SS(%rcx)
	push SELF_FRAME_RSP(%rcx)
	push SELF_FRAME_RFLAGS(%rcx)
	push SELF_FRAME_CS(%rcx)
	push SELF_FRAME_RIP(%rcx)
	push SELF_FRAME_ERROR(%rcx)
	push SELF_FRAME_ADDRESS(%rcx)
	push SELF_FRAME_CAUSE(%rcx)
	push %rdi
	push %rsi
	push %rdx
	push SELF_FRAME_RCX(%rcx)
	push %rax
	push %r8
	push %r9
	push %r10
	push SELF_FRAME_R11(%rcx)
	mov SELF_FRAME_ADDRESS(%rcx), %rdi
	mov SELF_FRAME_ERROR(%rcx), %rsi
	mov SELF_HANDLER_STACK(%rcx), %rdx
	mov SELF_TOP(%rcx), %rax
	movabs $STACK_TOP, %r8
	cmp %r8, %rax
	jne 2f
1:	push %rax
	mov %rsp, SELF_TOP(%rcx)
	mov %rdx, %rsp
	movl $0, SELF_DISABLED(%rcx)
	cld
	call *SELF_HANDLER_FAULT(%rcx)
	movabs $SELF, %rcx
	mov SELF_TOP(%rcx), %rsp
	pop SELF_TOP(%rcx)
	/* From here on the program counts as resumed: what interrupts looks after its signals (events.c: finish_return). */
	.globl exos_region_return, exos_region_return_end
exos_region_return:
	test %al, %al
	jz 3f
	cmpq $0, SELF_PENDING(%rcx)
	je exos_resume_scratch
	movq $CAUSE_EVENT, REGS_CAUSE-48(%rsp)
3:
exos_region_return_end:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	call exos_region_declined
	jmp exos_resume_regs
2:	movabs $STACK_TOP - STACK_SIZE + HANDLER_STACK_LEFT, %r8
	cmp %r8, %rsp
	jb 4f
	mov SELF_FRAME_RSP(%rcx), %rdx
	sub $RED_ZONE, %rdx
	and $-64, %rdx
	jmp 1b
4:	movl $0, SELF_DISABLED(%rcx) /* as if it had declined */
	cld
	jmp 3b

/* void exos_go(const struct regs *) */
	.globl exos_go
exos_go:
	mov %rdi, %rsp
	jmp exos_resume_regs

/* A fresh environment: rsp is a struct regs; vector state and bases are in self. */
	.globl exos_start_environment
exos_start_environment:
	movabs $SELF, %rbx
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 SELF_XSAVE(%rbx)
	mov SELF_SCRATCH(%rbx), %rax
	wrfsbase %rax
	mov SELF_SCRATCH+8(%rbx), %rax
	wrgsbase %rax
	jmp exos_resume_regs

/* The very first instruction of ExOS: in the first environment, rdi is the boot page. The stack is one of .bss until the private region is bound. */
	.globl exos_start
exos_start:
	lea start_stack_top(%rip), %rsp
	xor %ebp, %ebp
	call start_domain
	/* the keeper's own library stack from here on */
	movabs $STACK_TOP, %rsp
	call keeper_main

	.section .bss
	.align 16
start_stack:
	.skip 16384
start_stack_top:

	.section .note.GNU-stack, "", @progbits
