/* Calls by protected control transfer: the client's stub that trusts nobody, and the server's entries. The message is in
 * rsi, rdx, r9, r8 there and in rsi, rdx back; rdi holds the server's name, rax the caller's (docs/transfer.md). */

#define CALL_TRANSFER (-256-15) /* AEGIS_CALL(CALL_transfer) */
#define CALL_TRANSFER_BACK (-256-17)
#define EXOS_CALL_SERVE 0x1008

	.text
/* Every vector, floating-point and mask register as it is in a fresh process, and the control words: one instruction that leaves nothing of whoever used
 * them. eax and edx are lost. */
	.macro fresh_vectors
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 lrpc_fresh(%rip)
	.endm

/* int64_t lrpc_transfer(env_id to, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct lrpc_words *reply)
 * in:  edi the server, rsi, rdx, rcx, r8 the words, r9 where the reply goes. out: rax the kernel's result.
 * To the server go: the words, rdi, rsp. From it come: rsi, rdx. */
	.align 16
	.globl lrpc_transfer
lrpc_transfer:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %r9
	sub $8, %rsp
	stmxcsr (%rsp)
	fnstcw 4(%rsp)
	rdfsbase %rax
	push %rax
	mov %rcx, %r9
	mov %rdx, %r10
	fresh_vectors
	mov %r10, %rdx
	xor %r10d, %r10d
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	mov $CALL_TRANSFER, %rax
	wrfsbase %rbx
	syscall
	pop %rcx
	wrfsbase %rcx
	fninit
	ldmxcsr (%rsp)
	fldcw 4(%rsp)
	add $8, %rsp
	pop %r9
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	mov %rsi, (%r9)
	mov %rdx, 8(%r9)
	ret

/* int64_t lrpc_sleep(const struct exos_service *service): ExOS's serve. Who enters below runs on the stack under this frame, and comes back
 * here (lrpc_sleep_again) when nobody waits for its reply.
 * in: rdi. out: rax ExOS's result. */
	.align 16
	.globl lrpc_sleep
lrpc_sleep:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi /* rsp is a multiple of 16 now */
	rdfsbase %rax
	mov %rax, server_fs(%rip)
	mov %rsp, server_stack(%rip)
lrpc_sleep_again:
	mov server_stack(%rip), %rsp
	mov server_fs(%rip), %rax
	wrfsbase %rax
	mov (%rsp), %rdi
	mov $EXOS_CALL_SERVE, %eax
	syscall
	pop %rdi
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* An asynchronous transfer: somebody gave the rest of his slice away. Nothing is to be done with it.
 * in: nothing is believed. */
	.globl lrpc_async_entry
lrpc_async_entry:
	fresh_vectors
	jmp lrpc_sleep_again

/* A caller that is not trusted and does not trust.
 * in:  eax the caller, rsi, rdx, r9, r8 the words; nothing else is looked at. out: rsi, rdx the reply, everything else zero. */
	.align 16
	.globl lrpc_entry
lrpc_entry:
	mov server_stack(%rip), %rsp
	mov server_fs(%rip), %rcx
	wrfsbase %rcx
	mov %eax, %r11d
	mov %rdx, %r10
	fresh_vectors
	mov %rsi, %rdi
	mov %r10, %rsi
	mov %r9, %rdx
	mov %r8, %rcx
	mov %r11d, %r8d
	xor %ebp, %ebp
	call *lrpc_server_procedure(%rip)
	mov %rax, %rsi
	mov %rdx, %r10
	fresh_vectors
	mov %r10, %rdx
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	wrfsbase %rdi
	mov $CALL_TRANSFER_BACK, %rax
	syscall
	jmp lrpc_sleep_again /* refused: the caller is dead */

/* A caller that trusts: rbx, rbp, r12 to r15 are kept by the procedure, the FS base here.
 * in:  eax the caller, rsi, rdx, r9, r8 the words, the FS base. out: rsi, rdx the reply, the FS base. */
	.align 16
	.globl tlrpc_entry
tlrpc_entry:
	mov server_stack(%rip), %rsp
	rdfsbase %rcx
	push %rcx
	sub $8, %rsp
	mov server_fs(%rip), %rcx
	wrfsbase %rcx
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %r9, %rdx
	mov %r8, %rcx
	mov %eax, %r8d
	call *lrpc_server_procedure(%rip)
	mov %rax, %rsi
	mov 8(%rsp), %rcx
	wrfsbase %rcx
	mov $CALL_TRANSFER_BACK, %rax
	syscall
	jmp lrpc_sleep_again

	.section .bss
	.align 8
server_stack:
	.skip 8
server_fs:
	.skip 8

	.section .rodata
	.align 64
lrpc_fresh: /* an area for xrstor whose header says that every component is in its initial state */
	.skip 24
	.long 0x1f80 /* MXCSR is loaded all the same */
	.skip 576 - 28

	.section .note.GNU-stack, "", @progbits
