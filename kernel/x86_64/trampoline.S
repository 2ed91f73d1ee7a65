/* From a CPU's start-up interrupt to C. Copied to physical page 8 (TRAMPOLINE in cpu.h), below 1 MiB because a start-up interrupt can
 * name no other, in memory that the kernel never hands out. Addresses are those of the copy: AT(). */

#define TRAMPOLINE 0x8000
#define AT(x) ((x) - trampoline_start + TRAMPOLINE)

	.section .rodata
	.align 16
	.globl trampoline_start, trampoline_end, trampoline_mailbox

/* in:  real mode, cs TRAMPOLINE >> 4, ip 0, everything else as INIT leaves it; the mailbox filled in.
 * out: long mode in smp_enter(rdi = mailbox's cpu), rsp the mailbox's stack, every data segment null, interrupts off. */
	.code16
trampoline_start:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov AT(trampoline_mailbox), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx /* EFER: long mode, no-execute */
	rdmsr
	or $0x900, %eax
	wrmsr
	lgdtl AT(trampoline_gdt_pointer)
	mov $0x80010011, %eax /* paging, write protection, protected mode, all at once; INIT has left the caches off, this turns them on */
	mov %eax, %cr0
	ljmpl $8, $AT(trampoline_long)

	.code64
trampoline_long:
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov trampoline_mailbox + 8(%rip), %rdi
	mov trampoline_mailbox + 16(%rip), %rsp
	xor %ebp, %ebp
	push $0 /* ends backtraces */
	movabs $smp_enter, %rax
	jmp *%rax

	.align 8
trampoline_gdt:
	.quad 0, 0x00af9a000000ffff
trampoline_gdt_pointer:
	.word 15
	.long AT(trampoline_gdt)
	.align 8
trampoline_mailbox: /* struct mailbox: root, cpu, stack_top */
	.quad 0, 0, 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
