/* The measured loops: each takes a count in rdi and returns the ticks of the whole. */
#define UPCALL 0x100000000000

	.text
	.macro begin
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, %r9
	.endm
	.macro end
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	sub %r9, %rax
	.endm

	.globl empty_loop
empty_loop:
	begin
1:	dec %rdi
	jnz 1b
	end
	ret

	.globl null_loop
null_loop:
	begin
1:	mov $-256, %rax
	syscall
	dec %rdi
	jnz 1b
	end
	ret

	.globl exception_loop
exception_loop:
	begin
1:	ud2
	dec %rdi
	jnz 1b
	end
	ret

/* The handler: past the ud2, everything as it was, without the kernel. */
	.globl skip_entry
skip_entry:
	movabs $UPCALL, %rcx
	addq $2, 216(%rcx)
	mov 184(%rcx), %r11
	lea 216(%rcx), %rsp
	movl $0, (%rcx)
	mov 192(%rcx), %rcx
	iretq

/* rsi: the callee. */
	.globl transfer_loop
transfer_loop:
	push %rbx
	mov %rdi, %rbx
	begin
1:	mov %esi, %edi /* the server's reply has the caller's name there */
	mov $-256 - 15, %rax
	syscall
	dec %rbx
	jnz 1b
	end
	pop %rbx
	ret

/* A server's transfer entry: counts, and goes back. */
	.globl count_entry
count_entry:
	mov $-256 - 17, %rax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
