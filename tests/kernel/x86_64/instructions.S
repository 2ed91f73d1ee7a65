/* Single instructions that a user must not get away with, as functions for attempt(). */
	.text
	.globl do_hlt, do_cli, do_out, do_ud2, do_wrmsr, do_lgdt, do_divide, do_noncanonical
do_hlt:	hlt
	ret
do_cli:	cli
	ret
do_out:	out %al, $0x80
	ret
do_ud2:	ud2
	ret
do_wrmsr: xor %ecx, %ecx
	wrmsr
	ret
do_lgdt: lgdt (%rsp)
	ret
do_divide: xor %ecx, %ecx
	mov $1, %eax
	xor %edx, %edx
	div %ecx
	ret
do_noncanonical: movabs $0x8000000000000000, %rax
	mov (%rax), %rax
	ret

	.section .note.GNU-stack, "", @progbits
