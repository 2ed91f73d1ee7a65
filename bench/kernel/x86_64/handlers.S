/* The bytecode of bench/handlers/NAME.c, as handler_attach takes it: uint8_t NAME_begin[], NAME_end[]. */
	.macro handler name
	.globl \name\()_begin, \name\()_end
	.balign 8
\name\()_begin:
	.incbin "\name\().bin"
\name\()_end:
	.endm

	.section .rodata
	handler timed_echo
	handler ask

	.section .note.GNU-stack, "", @progbits
