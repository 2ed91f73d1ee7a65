/* What several assembly files of ExOS push and pop alike. Included by those only. */
#pragma once

#define SELF 0x7efffffff000 /* SELF_VA */
#define CALL_YIELD (-256-12) /* AEGIS_CALL(CALL_yield) */
#define CALL_SLEEP (-256-13) /* AEGIS_CALL(CALL_sleep) */

/* What must outlive the CPU's being given away, besides the vectors: callee-saved registers and bases. rax is lost, and then `scratch`. */
	.macro push_kept
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	rdfsbase %rax
	push %rax
	rdgsbase %rax
	push %rax
	.endm
	.macro pop_kept scratch
	pop \scratch
	wrgsbase \scratch
	pop \scratch
	wrfsbase \scratch
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	.endm
