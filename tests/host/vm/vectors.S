/* vectors_call(before in rdi, after in rsi, call in rdx): loads all vector registers, calls, stores them. */
	.text
	.globl vectors_call
vectors_call:
	push	%rbx
	mov	%rsi, %rbx
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	\n * 32(%rdi), %ymm\n
	.endr
	call	*%rdx
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	%ymm\n, \n * 32(%rbx)
	.endr
	vzeroupper
	pop	%rbx
	ret
	.section .note.GNU-stack, "", @progbits
