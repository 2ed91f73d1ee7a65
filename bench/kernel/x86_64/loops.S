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

/* uint64_t NAME_way(void *at): ticks from before the instruction that raises an exception to its handler's first. In them are the rdtsc, the mov (WAY_OWN of
 * native.c) and as many more as said here. rdi: an address for the instruction; esi: the start, which the handler finds as it was. rax, rcx and rdx are
 * lost; rbx is saved on the stack, whose pointer the handler takes from the upcall page. */
	.macro way_begin name
	.globl \name\()_way
\name\()_way:
	push %rbx
	rdtsc
	mov %eax, %esi
	.endm

	way_begin exception
	ud2 /* 1 more */
	way_begin unalign /* vector instructions are the ones that insist: #GP */
	movaps (%rdi), %xmm0
	way_begin overflow /* 3 more; the least number by -1, #DE: x86-64 traps no other overflow */
	mov $0x80000000, %eax
	cltd
	mov $-1, %ecx
	idiv %ecx
	way_begin coproc /* 1 more; the performance counters, not enabled for user code: #GP */
	xor %ecx, %ecx
	rdpmc
	way_begin prot /* #PF */
	movb $1, (%rdi)

	.globl way_entry
way_entry: /* upcalls disabled; esi as before */
	rdtsc
	sub %esi, %eax
	movabs $UPCALL, %rcx
	mov 240(%rcx), %rsp
	movl $0, (%rcx)
	pop %rbx
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

/* Directed yields as a library makes them: what C wants kept is saved around each. rsi: to whom. */
	.macro yield_saved
	.irp register, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	mov $-256 - 12, %rax
	syscall
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	.endm
	.globl yield_loop, yield_for_ever
yield_loop:
	push %rbx
	mov %rdi, %rbx
	mov %esi, %edi
	begin
	push %r9
1:	push %rdi
	yield_saved
	pop %rdi
	dec %rbx
	jnz 1b
	pop %r9
	end
	pop %rbx
	ret
/* rdi: to whom */
yield_for_ever:
	incq yields_taken(%rip)
	push %rdi
	yield_saved
	pop %rdi
	jmp yield_for_ever

/* A server's transfer entry: counts, and goes back. */
	.globl count_entry
count_entry:
	mov $-256 - 17, %rax
	syscall
	ud2

	.section .bss
	.align 8
	.globl yields_taken
yields_taken:
	.skip 8

	.section .note.GNU-stack, "", @progbits
