/* From the library into the program and back. The field SELF_TOP says where the library's stack begins for who comes from the program: it is lowered first
 * and raised last, so that an upcall at any instruction between finds a free stack (exos/x86_64/entry.S). */
#include <exos/x86_64/kept.h>
#include <exos/x86_64/offsets.h>

#define XSAVE_SIZE 2816 /* self->xsave */
#define BELOW 16        /* nothing is pushed below */

	.text

/* uint64_t exos_handler_call(uint64_t function, uint64_t a, uint64_t b, uint64_t stack)
 * What the way back needs is at the lowered top, whatever the function has done to its registers. */
	.align 16
	.globl exos_handler_call
exos_handler_call:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	movabs $SELF, %r8
	push SELF_TOP(%r8) /* the top is a multiple of 16 again */
	mov %rdi, %r9
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rsp, SELF_TOP(%r8)
	mov %rcx, %rsp
	testb $1, SELF_HANDLER_FLAGS(%r8)
	jz 2f
	call *%r9
1:	movabs $SELF, %rcx
	mov SELF_TOP(%rcx), %rsp
	pop SELF_TOP(%rcx)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

2:	sub $XSAVE_SIZE, %rsp
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
	jmp 1b

/* int64_t exos_sleep_serving(uint64_t events)
 * After each transfer that is served the kernel has this environment sleep again where it slept last. That is the one system call here, with one stack pointer,
 * for the sleeps of a service too: SELF_NESTED says whose sleep it was that is over. */
	.align 16
	.globl exos_sleep_serving, exos_sleep_in_service
exos_sleep_serving:
	push_kept
	movabs $SELF, %rcx
	push SELF_TOP(%rcx)
	mov %rsp, SELF_SERVING(%rcx)
	lea -BELOW(%rsp), %rax
	and $-16, %rax
	mov %rax, SELF_TOP(%rcx)
	movl $0, SELF_DISABLED(%rcx)
	xor %esi, %esi
	xor %edx, %edx
1:	mov $CALL_SLEEP, %rax
	syscall
	movabs $SELF, %rcx
	mov SELF_NESTED(%rcx), %rdx
	test %rdx, %rdx
	jnz 2f
	pop SELF_TOP(%rcx)
	pop_kept %rdx
	ret
2:	mov %rdx, %rsp
	movq $0, SELF_NESTED(%rcx)
	mov %rax, %r8
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 SELF_XSAVE(%rcx)
	pop_kept %rdx
	mov %r8, %rax
	ret

/* int64_t exos_sleep_in_service(uint64_t events, uint64_t deadline, env_id to) */
	.align 16
exos_sleep_in_service:
	push_kept
	movabs $SELF, %rcx
	mov %rdx, %r8
	mov $-1, %eax
	mov $-1, %edx
	xsave64 SELF_XSAVE(%rcx)
	mov %r8, %rdx
	mov %rsp, SELF_NESTED(%rcx)
	mov SELF_SERVING(%rcx), %rsp
	jmp 1b

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

/* _Noreturn void exos_sleep_serving_again(void): what was pushed above the stack pointer that it goes back to is still there. */
	.globl exos_sleep_serving_again
exos_sleep_serving_again:
	movabs $SELF, %rcx
	mov SELF_SERVING(%rcx), %rsp
	mov $-1, %rdi
	xor %esi, %esi
	xor %edx, %edx
	jmp 1b

/* _Noreturn void exos_final_stop(void): an exception that cannot be delivered. */
	.globl exos_final_stop
exos_final_stop:
	movabs $SELF, %rcx
	movl $1, SELF_DISABLED(%rcx)
	ud2

	.section .note.GNU-stack, "", @progbits
