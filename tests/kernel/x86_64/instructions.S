/* Single instructions that C cannot say, as functions for attempt(). */
	.text
	.macro instruction name, text:vararg
	.globl do_\name
do_\name:
	\text
	ret
	.endm

	instruction hlt, hlt
	instruction cli, cli
	instruction out, out %al, $0x80
	instruction ud2, ud2
	instruction int3, int3
	instruction int128, int $0x80
	instruction lgdt, lgdt (%rsp)
	instruction read_cr3, mov %cr3, %rax
	instruction read_dr7, mov %dr7, %rax
	instruction invlpg, invlpg (%rsp)
	instruction swapgs, swapgs
	instruction sysret, sysretq
	instruction xsetbv, xsetbv
	instruction ltr, ltr %ax
	instruction icebp, .byte 0xf1

	.globl do_wrmsr, do_divide, do_noncanonical, do_single_step, do_kernel_segment, do_far_kernel, do_iopl
do_wrmsr:
	xor %ecx, %ecx
	wrmsr
	ret
do_divide:
	xor %ecx, %ecx
	mov $1, %eax
	xor %edx, %edx
	div %ecx
	ret
do_noncanonical:
	movabs $0x8000000000000000, %rax
	mov (%rax), %rax
	ret
do_single_step:
	pushfq
	orq $0x100, (%rsp)
	popfq
	nop
	nop
	ret
do_kernel_segment:
	mov $0x10, %eax
	mov %eax, %ss
	ret
do_far_kernel: /* a far return to the kernel's code segment */
	mov %rsp, %rdx
	push $0x08
	lea 1f(%rip), %rax
	push %rax
	lretq
1:	mov %rdx, %rsp
	ret
do_iopl: /* popf that asks for I/O privilege is ignored; the port is refused */
	pushfq
	orq $0x3000, (%rsp)
	popfq
	in $0x60, %al
	ret

/* void registers_at_fault(const uint64_t values[13]): rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12 to r15 from the list, then ud2. */
	.globl registers_at_fault
registers_at_fault:
	mov 0(%rdi), %rax
	mov 8(%rdi), %rbx
	mov 16(%rdi), %rdx
	mov 24(%rdi), %rsi
	mov 40(%rdi), %rbp
	mov 48(%rdi), %r8
	mov 56(%rdi), %r9
	mov 64(%rdi), %r10
	mov 72(%rdi), %r12
	mov 80(%rdi), %r13
	mov 88(%rdi), %r14
	mov 96(%rdi), %r15
	mov 32(%rdi), %rdi
	movabs $0x1111111111111111, %rcx
	movabs $0x2222222222222222, %r11
	.globl registers_fault_here
registers_fault_here:
	ud2
	ret

/* int64_t call_with_registers(uint64_t rax, uint64_t out[6]): a kernel call with junk in every argument register but rdi, rsi, rdx, r10, r8, which are zero;
 * out: what rdi, rsi, rdx, r8, r9, r10 come back as. */
	.globl call_with_registers
call_with_registers:
	push %rbx
	mov %rsi, %rbx
	mov %rdi, %rax
	xor %edi, %edi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	mov $0x5a5a5a5a, %r9d
	syscall
	mov %rdi, 0(%rbx)
	mov %rsi, 8(%rbx)
	mov %rdx, 16(%rbx)
	mov %r8, 24(%rbx)
	mov %r9, 32(%rbx)
	mov %r10, 40(%rbx)
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
