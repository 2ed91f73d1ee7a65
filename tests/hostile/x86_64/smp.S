/* Transfers as the tests on two CPUs send and serve them. Servers take no event upcalls (smp.h: deaf), so they need no stack: rsp is the client's. */
#define CALL(number) (-256 - (number))
#define SLEEP 13
#define TRANSFER 15
#define TRANSFER_ASYNC 16
#define TRANSFER_BACK 17
#define UPCALL_PENDING 0x100000000008
#define RING_NEXT 0x100000000800 /* in the private page: the next one's name, and a count */
#define RING_COUNT 0x100000000808

	.text
/* int64_t send(env_id to, struct message *m): first in rsi, second in r15, linger in r14; the server leaves who called in r12. */
	.globl send
send:
	.irp register, rbx, rbp, r12, r13, r14, r15, rsi
	push %\register
	.endr
	mov 16(%rsi), %r14
	mov 8(%rsi), %r15
	mov (%rsi), %rsi
	mov $CALL(TRANSFER), %rax
	syscall
	pop %rdx
	mov %rsi, (%rdx)
	mov %r15, 8(%rdx)
	mov %r12, 24(%rdx)
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	ret

/* int64_t send_async(env_id to) */
	.globl send_async
send_async:
	.irp register, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	mov $CALL(TRANSFER_ASYNC), %rax
	syscall
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	ret

	.globl smp_server
smp_server:
	mov %eax, %r12d
	mov smp_served(%rip), %rbx /* not one instruction: two at once would lose one */
	add %rsi, %r15
	inc %rsi
1:	dec %r14
	jns 1b
	inc %rbx
	mov %rbx, smp_served(%rip)
	mov $CALL(TRANSFER_BACK), %rax
	syscall
	/* STATE: the client is gone. It sleeps, and takes transfers, as before. */
2:	xor %edi, %edi
	xor %esi, %esi
	xor %edx, %edx
	mov $CALL(SLEEP), %rax
	syscall
	jmp 2b

/* Asynchronous: counts, then sleeps again, until smp_async_sleep if that is not 0. */
	.globl smp_async
smp_async:
	incq smp_async_served(%rip)
1:	xor %edi, %edi
	xor %edx, %edx
	mov smp_async_sleep(%rip), %rsi
	mov $CALL(SLEEP), %rax
	syscall
	jmp 1b

/* One of a ring: with rsi hops left it transfers on to the next, if that one sleeps; r15 counts the hops made. What transfer_back
 * returns where there is nobody to go back to is kept as by smp_holding. */
	.globl smp_ring
smp_ring:
	movabs $RING_COUNT, %rcx
	incq (%rcx)
	inc %r15
	test %rsi, %rsi
	jz 1f
	dec %rsi
	movabs $RING_NEXT, %rcx
	mov (%rcx), %edi
	mov $CALL(TRANSFER), %rax
	syscall
1:	mov $CALL(TRANSFER_BACK), %rax
	syscall
	mov %rax, smp_held_result(%rip) /* its client is gone */
	jmp 2b

/* Says that it serves, and replies when it is told to, having taken all events. */
	.globl smp_holding
smp_holding:
	lock incq smp_holds(%rip)
1:	pause
	cmpq $0, smp_hold(%rip)
	je 1b
	movabs $UPCALL_PENDING, %rcx
	movq $0, (%rcx)
	mov $CALL(TRANSFER_BACK), %rax
	syscall
	mov %rax, smp_held_result(%rip)
	jmp 2b

/* Sleeps while it serves, until NOTIFY 0 comes. */
	.globl smp_sleeping
smp_sleeping:
	mov $1 << 16, %edi
	xor %esi, %esi
	xor %edx, %edx
	mov $CALL(SLEEP), %rax
	syscall
	movabs $UPCALL_PENDING, %rcx
	movq $0, (%rcx)
	mov $CALL(TRANSFER_BACK), %rax
	syscall
	jmp smp_sleeping

/* Asynchronous, and computes for ever. */
	.globl smp_computing
smp_computing:
	incq smp_computed(%rip)
	jmp smp_computing

	.section .bss
	.align 8
	.irp name, smp_served, smp_async_served, smp_async_sleep, smp_holds, smp_hold, smp_held_result, smp_computed
	.globl \name
\name:	.skip 8
	.endr

	.section .note.GNU-stack, "", @progbits
