/* Where the kernel enters ExOS in each environment, and how ExOS goes back to what was interrupted.
 *
 * The library's stack nests: an upcall that interrupts the program starts at its top (self->library_top), one that interrupts the library itself goes on below
 * what it interrupted. Interrupted state is copied to this stack before anything else can happen, and from there iretq resumes it
 * without the kernel (include/aegis/upcall.h: the rule). */
#include <exos/x86_64/kept.h>
#include <exos/x86_64/offsets.h>

#define STACK_TOP 0x7efffffee000
#define STACK_SIZE 0x4000
#define USER_CS 0x2b
#define USER_SS 0x23
#define CAUSE_FOREIGN 512
#define CAUSE_EVENT 256
#define PAGE_FAULT 14
#define RED_ZONE 128 /* what a function may keep below its stack pointer */

	.text

/* The frame of an upcall and the registers that C uses up, in the order of struct regs. In: rcx SELF. */
	.macro push_interrupted
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
	.endm
/* The rest of struct regs. */
	.macro push_callee_saved
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

/* A foreign system call. Those that only ask for a word of the process's entry are answered at once: rcx and r11 are the call's to use up,
 * and the flags are nobody's after it. In: all registers the program's, but rcx (free; the program sees its own rip there afterwards, as the syscall instruction
 * leaves it) and r11 (its flags).
 *
 * For the others a struct regs is made of which only those registers are filled in that C uses up or that the call needs; the callee-saved ones are where they
 * were all along. With the domain lock (exos/lock.h) held int64_t handler(struct regs *) is called, from the table exos_calls. Only if something is due before the
 * program goes on (signals, an error that is more than a result) the rest is stored, and void exos_foreign_due(struct regs *) called. */
	.align 16
	.globl exos_entry_foreign, exos_foreign_field, exos_foreign_field_answered, exos_foreign_field_end
exos_entry_foreign:
exos_foreign_field:
	movabs $SELF, %rcx
	cmp $FIELD_CALLS, %eax
	jae foreign_high
	lea exos_field_calls(%rip), %r11
	jmp *(%r11,%rax,8)

	/* All alike, so that where one is in it says whether it has answered (events.c). */
	.macro field name, offset
	.balign FIELD_SIZE
	.globl exos_field_\name
exos_field_\name:
	mov SELF_PROC(%rcx), %r11
	{disp32} mov \offset(%r11), %eax
	.ifc \name, pid
exos_foreign_field_answered:
	.endif
	jmp *SELF_FOREIGN_RIP(%rcx)
	.endm
	field pid, PROC_PID
	field group, PROC_GROUP
	field parent_pid, PROC_PARENT_PID
	field uid, PROC_UID
	field euid, PROC_EUID
	field gid, PROC_GID
	field egid, PROC_EGID
	field tid, PROC_TID
exos_foreign_field_end:

/* rcx SELF; out: edx the number. */
	.macro foreign_enter
	mov %rsp, %r11
	mov SELF_TOP(%rcx), %rsp
	sub $REGS_SIZE, %rsp /* before anything is stored: an upcall goes on below */
	mov %r11, REGS_RSP(%rsp)
	mov SELF_FOREIGN_RIP(%rcx), %r11
	mov %r11, REGS_RIP(%rsp)
	mov SELF_FOREIGN_RFLAGS(%rcx), %r11
	mov %r11, REGS_RFLAGS(%rsp)
	mov %rdi, REGS_RDI(%rsp)
	mov %rsi, REGS_RSI(%rsp)
	mov %rdx, REGS_RDX(%rsp)
	mov %r10, REGS_R10(%rsp)
	mov %r8, REGS_R8(%rsp)
	mov %r9, REGS_R9(%rsp)
	mov %rax, REGS_RAX(%rsp)
	cld
	movq $0, SELF_HANDLER_MISSED(%rcx)
	movl $1, SELF_LOCK_DEPTH(%rcx) /* first, so that an event in between does not yield with the lock just taken */
	mov SELF_ENV(%rcx), %r8d
	mov %eax, %edx
	xor %eax, %eax
	lock cmpxchg %r8d, domain_holder(%rip)
	jne foreign_wait
	.endm

	.globl exos_foreign_call
exos_foreign_call:
	foreign_enter
foreign_numbered:
	lea exos_calls(%rip), %r11
	mov %rsp, %rdi
	call *(%r11,%rdx,8)
	movabs $SELF, %rcx
	movl $0, domain_holder(%rip)
	movl $0, SELF_LOCK_DEPTH(%rcx)
	cmpq $0, SELF_PENDING(%rcx)
	jne foreign_events
foreign_looked:
	mov SELF_PROC(%rcx), %rcx
	cmpq $0, PROC_SIGNALS(%rcx)
	jne foreign_signals
	cmpw $0, PROC_SIGNALS_DUE(%rcx)
	jne foreign_due
foreign_no_signals:
	cmp $-ERRORS, %rax
	ja foreign_error

/* rax the result. Interrupted before ..._left, the program's registers are in struct regs, the callee-saved ones in their places; at ..._left all are,
 * and rcx is where it goes on. */
	.globl exos_foreign_leave, exos_foreign_left, exos_foreign_leave_end
exos_foreign_leave:
	mov REGS_R9(%rsp), %r9
	mov REGS_R8(%rsp), %r8
	mov REGS_R10(%rsp), %r10
	mov REGS_RDX(%rsp), %rdx
	mov REGS_RSI(%rsp), %rsi
	mov REGS_RDI(%rsp), %rdi
	push REGS_RFLAGS(%rsp)
	popfq
	mov REGS_RIP(%rsp), %rcx
	mov REGS_RSP(%rsp), %rsp
exos_foreign_left:
	jmp *%rcx
exos_foreign_leave_end:

foreign_high:
	foreign_enter
foreign_locked:
	cmp $LAST_NUMBER, %edx
	jbe foreign_numbered
	mov $LAST_NUMBER + 1, %edx /* the last place of the table is for all that are beyond */
	jmp foreign_numbered
foreign_wait:
	call domain_lock_contended
	mov REGS_RAX(%rsp), %edx
	jmp foreign_locked
foreign_signals: /* signals_due */
	mov PROC_SIGNALS_MASK(%rcx), %rdx
	not %rdx
	and PROC_SIGNALS(%rcx), %rdx
	jne foreign_due
	cmpw $0, PROC_SIGNALS_DUE(%rcx)
	je foreign_no_signals
	jmp foreign_due
foreign_events:
	push %rax
	call domain_unlock_events
	pop %rax
	movabs $SELF, %rcx
	jmp foreign_looked
foreign_error: /* those that are more than a result */
	cmp $-ERROR_RESTART, %rax
	je foreign_due
	cmp $-ERROR_WANTS_REGS, %rax
	je foreign_due
	cmp $-ERROR_FAULT, %rax
	jne exos_foreign_leave
	movabs $SELF, %rcx
	cmpq $0, SELF_HANDLER_MISSED(%rcx)
	je exos_foreign_leave
foreign_due:
	mov %r15, REGS_R15(%rsp)
	mov %r14, REGS_R14(%rsp)
	mov %r13, REGS_R13(%rsp)
	mov %r12, REGS_R12(%rsp)
	mov %rbp, REGS_RBP(%rsp)
	mov %rbx, REGS_RBX(%rsp)
	mov REGS_RFLAGS(%rsp), %rcx
	mov %rcx, REGS_R11(%rsp)
	mov REGS_RIP(%rsp), %rcx
	mov %rcx, REGS_RCX(%rsp)
	mov REGS_RAX(%rsp), %rcx
	mov %rcx, REGS_ERROR(%rsp) /* the number, for a restart */
	mov %rax, REGS_RAX(%rsp)
	movq $CAUSE_FOREIGN, REGS_CAUSE(%rsp)
	movq $0, REGS_ADDRESS(%rsp)
	movq $USER_CS, REGS_CS(%rsp)
	movq $USER_SS, REGS_SS(%rsp)
	mov %rsp, %rdi
	call exos_foreign_due

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
1:	push_interrupted
	push_callee_saved
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
	push_interrupted
	mov SELF_FRAME_ADDRESS(%rcx), %rdi
	mov SELF_FRAME_ERROR(%rcx), %rsi
	mov SELF_HANDLER_STACK(%rcx), %rdx
	mov SELF_TOP(%rcx), %rax
	cmp SELF_STACK_TOP(%rcx), %rax
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
	push_callee_saved
	mov %rsp, %rdi
	call exos_region_declined
	jmp exos_resume_regs
2:	mov SELF_STACK_TOP(%rcx), %r8
	sub $STACK_SIZE - HANDLER_STACK_LEFT, %r8
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
