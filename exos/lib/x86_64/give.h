/* Giving the CPU away from a program: the kernel saves nothing, so these save what the compiler believes is kept.
 *
 * Who calls: programs and exos/lib. General and vector registers are clobbers of the instruction, so that the compiler saves those in use; the FS base, which
 * is whatever the last environment of the domain had, is put back. The control words of the vector unit are taken to be the ABI's. */
#pragma once

#include <aegis/x86_64/stubs.h>

#define GIVE_CLOBBERS \
	"rcx", "r11", "rdx", "rsi", "r8", "r9", "r10", "memory", "cc", "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
		"xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* The rest of the slice goes to `to`, which must be ready to run; 0: to whoever holds the next slice. Returns 0 when run again, or NOENV, STATE at once
 * (negative, aegis/error.h). Cost: about 60 instructions there, the same back. */
static inline int64_t give_yield(env_id to)
{
	int64_t result = AEGIS_CALL((int64_t)CALL_yield);
	uint64_t a = to;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* past what the compiler may keep below its stack */
			 "push %%rbp\n\t"
			 "rdfsbase %%rbp\n\t"
			 "push %%rbp\n\t"
			 "syscall\n\t"
			 "pop %%rbp\n\t"
			 "wrfsbase %%rbp\n\t"
			 "pop %%rbp\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "+a"(result), "+D"(a)
			 :
			 : GIVE_CLOBBERS);
	return result;
}
