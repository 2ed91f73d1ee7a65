/* Whole pages zeroed and copied, ranges copied and filled, in as few instructions as the CPU allows: 32 bytes at a time
 * where it has AVX (and the kernel has switched it on), 16 where not. Interfaces: page.h, frames.h.
 *
 * The vector registers belong to the interrupted program, so each routine saves those it uses on the stack. A fault on
 * the way enters the library anew below that, and comes back with every register as it was, so that nothing else need
 * be remembered. */

#define EFAULT 14
#define PAGE 4096
#define VECTOR_LEAST 128 /* bytes: below, saving and restoring vector registers costs more than they spare */

	.data
	.balign 4
wide:	.long 0			/* 1: AVX. Written once, at the start */

	.text
	.macro FUNCTION name
	.balign 32
	.globl \name
	.hidden \name
	.type \name, @function
\name:
	.endm

FUNCTION exos_page_start
	push	%rbx
	mov	$1, %eax
	xor	%ecx, %ecx
	cpuid
	and	$(1 << 27 | 1 << 28), %ecx	/* OSXSAVE and AVX */
	cmp	$(1 << 27 | 1 << 28), %ecx
	jne	1f
	xor	%ecx, %ecx
	xgetbv
	and	$6, %eax			/* the kernel keeps SSE and AVX state */
	cmp	$6, %eax
	jne	1f
	movl	$1, wide(%rip)
1:	pop	%rbx
	ret

	.macro SAVE move, register, width
	sub	$4 * \width, %rsp
	\move	%\register\()0, 0 * \width(%rsp)
	\move	%\register\()1, 1 * \width(%rsp)
	\move	%\register\()2, 2 * \width(%rsp)
	\move	%\register\()3, 3 * \width(%rsp)
	.endm

	.macro RESTORE move, register, width
	\move	0 * \width(%rsp), %\register\()0
	\move	1 * \width(%rsp), %\register\()1
	\move	2 * \width(%rsp), %\register\()2
	\move	3 * \width(%rsp), %\register\()3
	add	$4 * \width, %rsp
	.endm

	.macro LOAD move, register, width, offset
	\move	\offset + 0 * \width(%rsi), %\register\()0
	\move	\offset + 1 * \width(%rsi), %\register\()1
	\move	\offset + 2 * \width(%rsi), %\register\()2
	\move	\offset + 3 * \width(%rsi), %\register\()3
	.endm

	.macro STORE move, register, width, offset
	\move	%\register\()0, \offset + 0 * \width(%rdi)
	\move	%\register\()1, \offset + 1 * \width(%rdi)
	\move	%\register\()2, \offset + 2 * \width(%rdi)
	\move	%\register\()3, \offset + 3 * \width(%rdi)
	.endm

/* Two rounds of half a page each. */
	.macro ZERO_PAGE move, register, width
	mov	$2, %eax
1:	.set at, 0
	.rept	PAGE / 2 / \width
	\move	%\register\()0, at(%rdi)
	.set at, at + \width
	.endr
	add	$PAGE / 2, %rdi
	dec	%eax
	jnz	1b
	.endm

FUNCTION frame_zero	/* (page in rdi) */
	sub	$40, %rsp
	cmpl	$0, wide(%rip)
	je	2f
	vmovdqu	%ymm0, (%rsp)
	vpxor	%xmm0, %xmm0, %xmm0	/* and with it the upper half */
	ZERO_PAGE vmovdqa, ymm, 32
	vmovdqu	(%rsp), %ymm0
	add	$40, %rsp
	ret
2:	movdqu	%xmm0, (%rsp)
	pxor	%xmm0, %xmm0
	ZERO_PAGE movdqa, xmm, 16
	movdqu	(%rsp), %xmm0
	add	$40, %rsp
	ret

/* Four rounds of a kilobyte each. */
	.macro COPY_PAGE move, register, width
	SAVE	\move, \register, \width
	mov	$4, %eax
1:	.set at, 0
	.rept	PAGE / 16 / \width
	LOAD	\move, \register, \width, at
	STORE	\move, \register, \width, at
	.set at, at + 4 * \width
	.endr
	add	$PAGE / 4, %rsi
	add	$PAGE / 4, %rdi
	dec	%eax
	jnz	1b
	RESTORE	\move, \register, \width
	ret
	.endm

FUNCTION frame_copy	/* (to in rdi, from in rsi) */
	cmpl	$0, wide(%rip)
	je	2f
	COPY_PAGE vmovdqu, ymm, 32
2:	COPY_PAGE movdqu, xmm, 16

/* Where a guarded routine goes on when an access fails: set, and cleared at the end. The slot's address is in rcx. */
	.macro GUARD label
	lea	\label(%rip), %rax
	mov	%rax, (%rcx)
	.endm
	.macro RETURN value
	movq	$0, (%rcx)
	mov	$\value, %eax
	ret
	.endm

/* At least four registers' worth. The last, perhaps partial, vector is moved as one that ends where the range ends. */
	.macro COPY_RANGE move, register, width
	SAVE	\move, \register, \width
	GUARD	9f
	lea	-\width(%rsi,%rdx), %r8
	lea	-\width(%rdi,%rdx), %r9
	sub	$4 * \width, %rdx
1:	LOAD	\move, \register, \width, 0
	STORE	\move, \register, \width, 0
	add	$4 * \width, %rsi
	add	$4 * \width, %rdi
	sub	$4 * \width, %rdx
	jae	1b
	add	$3 * \width, %rdx	/* rest less one vector */
	jnc	3f
2:	\move	(%rsi), %\register\()0
	\move	%\register\()0, (%rdi)
	add	$\width, %rsi
	add	$\width, %rdi
	sub	$\width, %rdx
	jae	2b
3:	\move	(%r8), %\register\()0
	\move	%\register\()0, (%r9)
	RESTORE	\move, \register, \width
	RETURN	0
9:	RESTORE	\move, \register, \width
	RETURN	-EFAULT
	.endm

FUNCTION exos_copy_guarded_call	/* (to in rdi, from in rsi, n in rdx, resume in rcx); r10 and r11 are kept */
	GUARD	9f
	cmp	$8, %rdx
	jb	1f
	cmp	$16, %rdx
	ja	3f
	mov	(%rsi), %r8
	mov	-8(%rsi,%rdx), %r9
	mov	%r8, (%rdi)
	mov	%r9, -8(%rdi,%rdx)
	RETURN	0
1:	cmp	$4, %edx
	jb	2f
	mov	(%rsi), %r8d
	mov	-4(%rsi,%rdx), %r9d
	mov	%r8d, (%rdi)
	mov	%r9d, -4(%rdi,%rdx)
	RETURN	0
2:	sub	$1, %edx
	jb	8f
0:	movzbl	(%rsi,%rdx), %r8d
	mov	%r8b, (%rdi,%rdx)
	sub	$1, %edx
	jae	0b
	RETURN	0
3:	cmp	$VECTOR_LEAST, %rdx
	jae	7f
	mov	-8(%rsi,%rdx), %r8	/* the last eight bytes, for the end */
	lea	-8(%rdi,%rdx), %r9
4:	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	mov	8(%rsi), %rax
	mov	%rax, 8(%rdi)
	add	$16, %rsi
	add	$16, %rdi
	sub	$16, %edx
	cmp	$16, %edx
	jae	4b
	cmp	$8, %edx
	jb	5f
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
5:	mov	%r8, (%r9)
8:	RETURN	0
9:	RETURN	-EFAULT
7:	cmpl	$0, wide(%rip)
	je	6f
	COPY_RANGE vmovdqu, ymm, 32
6:	COPY_RANGE movdqu, xmm, 16

	.macro FILL_RANGE move, register, width
	lea	-\width(%rdi,%rdx), %r9
1:	\move	%\register\()0, (%rdi)
	add	$\width, %rdi
	sub	$\width, %rdx
	cmp	$\width, %rdx
	jae	1b
	\move	%\register\()0, (%r9)
	.endm

FUNCTION exos_fill_guarded	/* (to in rdi, pattern of one repeated byte in rsi, n in rdx, resume in rcx) */
	GUARD	9f
	cmp	$8, %rdx
	jae	2f
1:	sub	$1, %edx
	jb	8f
	mov	%sil, (%rdi,%rdx)
	jmp	1b
2:	cmp	$VECTOR_LEAST, %rdx
	jae	4f
	lea	-8(%rdi,%rdx), %r9
3:	mov	%rsi, (%rdi)
	add	$8, %rdi
	sub	$8, %edx
	cmp	$8, %edx
	jae	3b
	mov	%rsi, (%r9)
8:	RETURN	0
9:	RETURN	-EFAULT
4:	sub	$40, %rsp
	cmpl	$0, wide(%rip)
	je	5f
	vmovdqu	%ymm0, (%rsp)
	GUARD	6f
	vmovq	%rsi, %xmm0
	vmovddup %xmm0, %xmm0
	vinsertf128 $1, %xmm0, %ymm0, %ymm0
	FILL_RANGE vmovdqu, ymm, 32
	vmovdqu	(%rsp), %ymm0
	add	$40, %rsp
	RETURN	0
6:	vmovdqu	(%rsp), %ymm0
	add	$40, %rsp
	RETURN	-EFAULT
5:	movdqu	%xmm0, (%rsp)
	GUARD	7f
	movq	%rsi, %xmm0
	punpcklqdq %xmm0, %xmm0
	FILL_RANGE movdqu, xmm, 16
	movdqu	(%rsp), %xmm0
	add	$40, %rsp
	RETURN	0
7:	movdqu	(%rsp), %xmm0
	add	$40, %rsp
	RETURN	-EFAULT

	.section .note.GNU-stack, "", @progbits
