/* The commonest kernel calls whole, without C: bind of one page of one's own in one's own address space, in the leaf table that the last binding went to: where nothing
 * is bound, or with other rights where it is bound already. Each condition that does not hold leaves the call to C, with nothing done. */
#include <kernel/x86_64/offsets.h>

	.text
/* in:  as entry_syscall has it: rdi env, rsi list, rdx n, r10 capability, rcx user rip, r11 user flags.
 * out: rax 1; rdi, rdx, r8, r9, r10 lost (what is in them the caller knows, or may read in exposed tables).
 * The kernel's stack is there only for a fault of the two loads from user memory, which the fixup table answers (user.h). */
	.align 16
	.globl entry_call_bind
entry_call_bind:
	lea -1(%rdx), %rax /* one entry, one's own space, no capability */
	or %rdi, %rax
	or %r10, %rax
	jnz bind_in_c
	test %rsi, %rsi /* not the kernel's half */
	js bind_in_c
	cmpb $0, smap_enabled(%rip)
	jne bind_in_c
	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_STACK, %rsp
	mov CPU_CURRENT, %r8
	lock btsl $0, kernel_lock(%rip)
	jc bind_locked_in_c
load_va:
	mov (%rsi), %rax
load_entry:
	mov 8(%rsi), %rdx
	mov table_generation(%rip), %rdi /* the leaf is still what it was */
	cmp %rdi, ENV_NEAR_GENERATION(%r8)
	jne bind_unlock
	sub ENV_NEAR_BASE(%r8), %rax /* va is in it; rotated, bits below the page make the index too large */
	ror $12, %rax
	cmp $512, %rax
	jae bind_unlock
	mov %edx, %r9d /* a page, readable, without a protection key */
	and $0xfff, %r9d
	cmp $8, %r9d
	jae bind_unlock
	test $1, %dl
	jz bind_unlock
	mov %rdx, %r10 /* the frame exists, */
	shr $12, %r10
	cmp frame_count(%rip), %r10
	jae bind_unlock
	add page_bits(,%r9,8), %rdx
	lea (%r10,%r10,2), %r10
	mov frame_table(%rip), %rdi
	mov ENV_OWNED(%r8), %r9 /* is the account's, an ordinary one, */
	cmp %r9, (%rdi,%r10,8)
	jne bind_unlock
	cmpq $0, 8(%rdi,%r10,8) /* bound nowhere */
	jne bind_other_rights
	mov ENV_NEAR_TABLE(%r8), %r9
	cmpq $0, (%r9,%rax,8)
	jne bind_unlock
	/* Nothing can fail any more. */
	mov %rdx, (%r9,%rax,8)
	movq $0, 4096(%r9,%rax,8) /* its link */
	add ENV_NEAR_FIRST(%r8), %rax
	mov %rax, 8(%rdi,%r10,8)
	mov ENV_NEAR_ENTRIES(%r8), %rax
	incl (%rax)
	movl $0, kernel_lock(%rip)
	mov $1, %eax
	mov CPU_SCRATCH, %rsp
	swapgs
	sysretq

/* Bound: if there, it keeps its place and gets these rights, wherever else it may be. rdx: the new entry, rax: the index. */
bind_other_rights:
	mov ENV_NEAR_TABLE(%r8), %r9
	cmpq $0, (%r9,%rax,8)
	je bind_more
	cmpb $0, ENV_NEAR_SHARED(%r8) /* the table has one use: the page is at one address, of this environment, which this CPU runs */
	jne bind_unlock
	mov (%r9,%rax,8), %rdi
	xor %rdx, %rdi
	movabs $ENTRY_FRAME_PRESENT, %r10
	test %r10, %rdi /* the same frame, and present */
	jnz bind_unlock
	mov %rdx, (%r9,%rax,8)
	shl $12, %rax
	add ENV_NEAR_BASE(%r8), %rax
	invlpg (%rax)
	movl $0, kernel_lock(%rip)
	mov $1, %eax
	mov CPU_SCRATCH, %rsp
	swapgs
	sysretq

/* Bound elsewhere, and nothing is here: this binding becomes the first of the frame's (links.h: link_add_to). */
bind_more:
	lea (%rdi,%r10,8), %rdi
	mov %rdx, (%r9,%rax,8)
	mov 8(%rdi), %edx
	mov %rdx, 4096(%r9,%rax,8) /* its link: next the one that was first, previous none */
	add ENV_NEAR_FIRST(%r8), %rax
	mov %eax, 8(%rdi)
	incl 12(%rdi)
	movabs $PHYSICAL_MAP_ADDRESS, %r10
	mov %eax, 4096+4(%r10,%rdx,8) /* and that one's previous */
	mov ENV_NEAR_ENTRIES(%r8), %rax
	incl (%rax)
	movl $0, kernel_lock(%rip)
	mov $1, %eax
	mov CPU_SCRATCH, %rsp
	swapgs
	sysretq

bind_unlock:
	movl $0, kernel_lock(%rip)
bind_locked_in_c:
	mov CPU_SCRATCH, %rsp
	swapgs
	xor %edi, %edi
	mov $1, %edx
	xor %r10d, %r10d
bind_in_c:
	mov $CALL_LAST - NUMBER_BIND, %rax
	jmp entry_call_full

	.section .fixups, "a"
	.quad load_va, bind_unlock, load_entry, bind_unlock

	.section .note.GNU-stack, "", @progbits
