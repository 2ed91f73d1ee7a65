/* From the library into the program and back. The field SELF_TOP says where the library's stack begins for who comes from the program: it is lowered first
 * and raised last, so that an upcall at any instruction between finds a free stack (exos/x86_64/entry.S). */
#include <exos/x86_64/offsets.h>

#define SELF 0x7efffffff000
#define XSAVE_SIZE 2816 /* self->xsave */
#define BELOW 256       /* what exos_sleep pushes, and more */

	.text

/* uint64_t exos_handler_call(uint64_t function, uint64_t a, uint64_t b, uint64_t stack)
 * The function keeps rbx, rbp, r12 to r15, as C does. */
	.align 16
	.globl exos_handler_call
exos_handler_call:
	push %rbp
	push %rbx
	mov %rsp, %rbp
	movabs $SELF, %r8
	mov SELF_TOP(%r8), %rbx
	mov %rdi, %r9
	mov %rsi, %rdi
	mov %rdx, %rsi
	lea -16(%rsp), %rax
	and $-16, %rax
	mov %rax, SELF_TOP(%r8)
	mov %rcx, %rsp
	testb $1, SELF_HANDLER_FLAGS(%r8)
	jz 1f
	call *%r9
	movabs $SELF, %rcx
	mov %rbp, %rsp
	mov %rbx, SELF_TOP(%rcx)
	pop %rbx
	pop %rbp
	ret

1:	sub $XSAVE_SIZE, %rsp
	xor %eax, %eax
	lea 512(%rsp), %r8 /* the header must be zero */
	.irp i, 0, 8, 16, 24, 32, 40, 48, 56
	mov %rax, \i(%r8)
	.endr
	mov $-1, %eax
	mov $-1, %edx
	xsave64 (%rsp)
	call *%r9
	mov %rax, %rcx
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 (%rsp)
	mov %rcx, %rax
	movabs $SELF, %rcx
	mov %rbp, %rsp
	mov %rbx, SELF_TOP(%rcx)
	pop %rbx
	pop %rbp
	ret

/* int64_t exos_sleep_serving(uint64_t events) */
	.align 16
	.globl exos_sleep_serving
exos_sleep_serving:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi
	movabs $SELF, %rcx
	push SELF_TOP(%rcx)
	mov %rsp, SELF_SERVING(%rcx)
	lea -BELOW(%rsp), %rax
	and $-16, %rax
	mov %rax, SELF_TOP(%rcx)
	movl $0, SELF_DISABLED(%rcx)
1:	mov 8(%rsp), %rdi
	xor %esi, %esi
	xor %edx, %edx
	call exos_sleep
	movabs $SELF, %rcx
	pop SELF_TOP(%rcx)
	pop %rdi
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* bool exos_serving(void): does the program run because a transfer came, and in no handler under that? */
	.globl exos_serving
exos_serving:
	movabs $SELF, %rcx
	mov SELF_SERVING(%rcx), %rax
	sub $BELOW, %rax
	and $-16, %rax
	cmp %rax, SELF_TOP(%rcx)
	sete %al
	ret

/* _Noreturn void exos_sleep_serving_again(void): what was pushed above the stack pointer that it goes back to is still there; what exos_sleep keeps is not. */
	.globl exos_sleep_serving_again
exos_sleep_serving_again:
	movabs $SELF, %rcx
	mov SELF_SERVING(%rcx), %rsp
	jmp 1b

/* _Noreturn void exos_final_stop(void): an exception that cannot be delivered. */
	.globl exos_final_stop
exos_final_stop:
	movabs $SELF, %rcx
	movl $1, SELF_DISABLED(%rcx)
	ud2

	.section .note.GNU-stack, "", @progbits
