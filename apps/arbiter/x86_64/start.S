/* Entries of the arbiter and of its tenants. */
#include <apps/arbiter/x86_64/places.h>

	.text
/* The first environment: rdi is the boot page. */
	.globl arbiter_start
arbiter_start:
	lea arbiter_stack_top(%rip), %rsp
	xor %ebp, %ebp
	call arbiter_main
	ud2

/* int64_t switch_call(uint32_t call, uint64_t a, uint64_t b, uint64_t c) */
	.globl switch_call
switch_call:
	.irp register, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	mov $-256, %rax
	mov %edi, %edi
	sub %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	syscall
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	ret

/* A tenant's upcalls: nothing of what was interrupted is kept. */
	.globl greedy_entry
greedy_entry:
	movabs $STACK_TOP, %rsp
	xor %ebp, %ebp
	cld
	call greedy_upcall
	ud2

/* In: rsi the list of bindings to break, rdx how many, r12 the library's entry, r13 its boot page. Position independent; rsp names nothing any more
 * when the bindings are gone. */
	.globl loader_leave, loader_leave_end
loader_leave:
	mov %rdx, %r14
	xor %edi, %edi
	xor %r10d, %r10d
	mov $-256 - BIND_CALL, %rax
	syscall
	cmp %r14, %rax
	jne 1f
	mov %r13, %rdi
	jmp *%r12
1:	ud2
loader_leave_end:

	.section .bss
	.align 16
	.skip 65536
arbiter_stack_top:

	.section .note.GNU-stack, "", @progbits
