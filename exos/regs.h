/* The registers of interrupted code, as ExOS's entries (x86_64/entry.S) leave them on the library's stack. */
#pragma once

#include <stdint.h>

struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t cause;   /* of an upcall: upcall.h; of a foreign system call: CAUSE_FOREIGN, and rax its number */
	uint64_t address; /* of an upcall */
	uint64_t error;
	uint64_t rip, cs, rflags, rsp, ss;
};
#define CAUSE_FOREIGN 512
