/* From the boot loader to C.
 *
 * Two ways in, both 32-bit protected mode with paging off: PVH (QEMU's -kernel, cloud hypervisors; Xen's
 * "x86/HVM direct boot ABI"), ebx = physical address of hvm_start_info; and Multiboot2 (GRUB), eax = its magic, ebx = its
 * information. boot_memory.c tells them apart. */

#define PHYSICAL(x) ((x) - 0xffffffff80000000)
#define PRESENT_WRITE 3
#define LARGE 0x80

	.section .note.pvh, "a"
	.align 4
	.long 4, 8, 18 /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYSICAL(boot_entry)

	/* Where the boot module is if it is part of this file, as `./exo image elf` makes it (tools/join.c): physical addresses of its start and end, zero if it is not. */
	.section .note.module, "a"
	.align 4
	.long 6, 8, 1 /* name size, descriptor size, type: the only one of this name */
	.asciz "Aegis"
	.align 4
	.globl boot_module_joined
boot_module_joined:
	.long 0, 0

	.section .multiboot2, "a"
	.align 8
multiboot2_header:
	.long 0xe85250d6, 0, multiboot2_end - multiboot2_header
	.long -(0xe85250d6 + 0 + (multiboot2_end - multiboot2_header))
	.word 3, 0 /* entry address, for loaders that do not take the ELF header's (which is a high address) */
	.long 12, PHYSICAL(boot_entry)
	.long 0
	.word 6, 0 /* modules on page boundaries */
	.long 8
	.word 0, 0
	.long 8
multiboot2_end:

	.section .text.boot, "ax"
	.code32
	.globl boot_entry
boot_entry:
	cli
	cld
	mov $PHYSICAL(boot_stack_top), %esp
	mov %eax, %ebp /* Multiboot2's magic, if it is that */
	mov %ebx, %esi

	/* Long mode or nothing. */
	mov $0x80000001, %eax
	cpuid
	bt $29, %edx
	jnc boot_no_long_mode

	/* Four page directories of 2 MiB pages map the first 4 GiB: at 0 (until C runs), at the physical map and,
	 * first GiB only, at the kernel's base. */
	mov $PHYSICAL(boot_directories), %edi
	mov $PRESENT_WRITE | LARGE, %eax
	mov $2048, %ecx
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 1b
	mov $PHYSICAL(boot_directories) + PRESENT_WRITE, %eax
	mov $PHYSICAL(boot_low_table), %edi
	mov $4, %ecx
2:	mov %eax, (%edi)
	add $4096, %eax
	add $8, %edi
	loop 2b
	movl $PHYSICAL(boot_directories) + PRESENT_WRITE, PHYSICAL(boot_high_table) + 510 * 8
	movl $PHYSICAL(boot_low_table) + PRESENT_WRITE, PHYSICAL(boot_root)
	movl $PHYSICAL(boot_low_table) + PRESENT_WRITE, PHYSICAL(boot_root) + 256 * 8
	movl $PHYSICAL(boot_high_table) + PRESENT_WRITE, PHYSICAL(boot_root) + 511 * 8

	mov $PHYSICAL(boot_root), %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx /* EFER: long mode, no-execute */
	rdmsr
	or $0x900, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80010001, %eax /* paging, write protection, protected mode */
	mov %eax, %cr0
	lgdt PHYSICAL(boot_gdt_pointer)
	ljmp $8, $PHYSICAL(boot_long)

boot_no_long_mode:
	mov $PHYSICAL(boot_message), %esi
	mov $0x3f8, %dx
3:	lodsb
	test %al, %al
	jz 4f
	outb %al, %dx
	jmp 3b
4:	hlt
	jmp 4b

	.code64
boot_long:
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov $boot_stack_top, %rsp
	mov %ebp, %edi
	mov %esi, %esi /* the upper half is zero from here on */
	movabs $kernel_main, %rax
	xor %ebp, %ebp
	push $0 /* ends backtraces */
	jmp *%rax

	.section .rodata
	.align 8
boot_gdt:
	.quad 0, 0x00af9a000000ffff
boot_gdt_pointer:
	.word 15
	.long PHYSICAL(boot_gdt)
boot_message:
	.asciz "aegis: this CPU has no 64-bit mode\r\n"

	.section .bss
	.align 4096
	.globl boot_root
boot_root:	.skip 4096
boot_low_table:	.skip 4096
boot_high_table: .globl boot_high_table
	.skip 4096
boot_directories: .globl boot_directories
	.skip 4 * 4096
	.globl boot_stack_top, boot_stack
boot_stack:	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
