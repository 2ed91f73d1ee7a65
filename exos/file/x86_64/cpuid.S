/* exos_cpuid(leaf, subleaf, out): see cpuid.h. */
	.text
	.globl exos_cpuid
	.hidden exos_cpuid
	.type exos_cpuid, @function
exos_cpuid:
	push %rbx
	mov %edi, %eax
	mov %esi, %ecx
	mov %rdx, %rdi
	cpuid
	mov %eax, (%rdi)
	mov %ebx, 4(%rdi)
	mov %ecx, 8(%rdi)
	mov %edx, 12(%rdi)
	pop %rbx
	ret
	.size exos_cpuid, . - exos_cpuid

	.section .note.GNU-stack, "", @progbits
