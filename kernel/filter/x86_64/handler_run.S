/* Entry into compiled handlers. */
	.text

/* uint64_t handler_enter(const uint8_t *code, struct handler_run *run): by the C convention, in: rdi, rsi; out: rax, ASH_DONE, ASH_RING or ASH_TELL. The code
 * is called with r12 = run and the stack aligned to 16, and returns the handler's result in rax. It has the handler's registers r0 to r9 in rax, rdi, rsi,
 * rdx, rcx, r8, rbx, r13, r14, r15, its frame pointer in r9, and r10 and r11 to work with; rbp and the direction flag it leaves alone. No vector register is
 * touched. */
	.globl handler_enter
handler_enter:
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsi, %r12
	call *%rdi
	cmp $2, %rax
	jbe 1f
	mov $1, %eax
1:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
