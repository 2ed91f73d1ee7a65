/* A client and a server of protected control transfers that leave garbage in every register, and look at what is left in them by others. */
#pragma once

#include <stdint.h>

#include <exos/lib/x86_64/give.h>

struct registers {
	uint64_t rdi, rsi, rdx, r8, r9, r10, rbx, rbp, r12, r13, r14, r15, fs;
	uint64_t vectors[32];
	uint64_t rax; /* the kernel's result */
	uint64_t x87[64] __attribute__((aligned(64))); /* as fxsave leaves it */
	uint64_t before[64] __attribute__((aligned(64))); /* vector and control state of the test itself */
	uint64_t kept_fs, kept_rsp;
};

/* Transfers with these registers, bad control words and full x87 registers among them, and stores what comes back in `r`. */
void garbage_transfer(struct registers *r, env_id to);

/* For values that the compiler is to have in callee-saved registers at this moment. */
#define KEEP_IN_REGISTERS(a, b, c, d, e) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e))

/* An asynchronous transfer: 0 in the caller's next slice, or at once -E_STATE, -E_NOENV. */
static inline int64_t transfer_async(env_id to)
{
	int64_t result = AEGIS_CALL((int64_t)CALL_transfer_async);
	uint64_t a = to;

	__asm__ volatile("lea -128(%%rsp), %%rsp; push %%rbp; rdfsbase %%rbp; push %%rbp; syscall; pop %%rbp; wrfsbase %%rbp; pop %%rbp; lea 128(%%rsp), %%rsp"
			 : "+a"(result), "+D"(a)
			 :
			 : GIVE_CLOBBERS);
	return result;
}

/* A transfer entry. This one answers with garbage everywhere, FS base and control words too; the reply's words are 0x1111 and 0x2222. */
void garbage_entry(void);

__asm__(".text\n"
	".globl garbage_transfer\n"
	"garbage_transfer:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	fxsave64 896(%rdi)\n"
	"	rdfsbase %rax\n"
	"	mov %rax, 1408(%rdi)\n"
	"	mov %rdi, garbage_registers(%rip)\n"
	"	mov %rsp, 1416(%rdi)\n"
	"	mov 96(%rdi), %rax\n"
	"	wrfsbase %rax\n"
	"	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu 104+16*\\i(%rdi), %xmm\\i\n"
	"	.endr\n"
	"	fldpi; fldpi; fldpi; fldpi; fldpi; fldpi; fldpi; fldpi\n"
	"	ldmxcsr garbage_mxcsr(%rip)\n"
	"	fldcw garbage_control(%rip)\n"
	"	mov %esi, %eax\n"
	"	mov 8(%rdi), %rsi; mov 16(%rdi), %rdx; mov 24(%rdi), %r8; mov 32(%rdi), %r9; mov 40(%rdi), %r10\n"
	"	mov 48(%rdi), %rbx; mov 56(%rdi), %rbp\n"
	"	mov 64(%rdi), %r12; mov 72(%rdi), %r13; mov 80(%rdi), %r14; mov 88(%rdi), %r15\n"
	"	mov %eax, %edi\n"
	"	mov $8, %rsp\n" /* a stack that is nowhere */
	"	std\n"
	"	mov $-256-15, %rax\n"
	"	syscall\n"
	"	mov %rdi, %rcx\n"
	"	mov garbage_registers(%rip), %rdi\n"
	"	mov 1416(%rdi), %rsp\n"
	"	mov %rcx, (%rdi)\n"
	"	mov %rsi, 8(%rdi); mov %rdx, 16(%rdi); mov %r8, 24(%rdi); mov %r9, 32(%rdi); mov %r10, 40(%rdi)\n"
	"	mov %rbx, 48(%rdi); mov %rbp, 56(%rdi)\n"
	"	mov %r12, 64(%rdi); mov %r13, 72(%rdi); mov %r14, 80(%rdi); mov %r15, 88(%rdi)\n"
	"	mov %rax, 360(%rdi)\n"
	"	rdfsbase %rax\n"
	"	mov %rax, 96(%rdi)\n"
	"	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu %xmm\\i, 104+16*\\i(%rdi)\n"
	"	.endr\n"
	"	fxsave64 384(%rdi)\n"
	"	mov 1408(%rdi), %rax\n"
	"	wrfsbase %rax\n"
	"	fxrstor64 896(%rdi)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	".globl garbage_entry\n"
	"garbage_entry:\n"
	"	mov $0x1111, %esi\n"
	"	mov $0x2222, %edx\n"
	"	mov $0xdeadbeef, %ebx\n"
	"	wrfsbase %rbx\n"
	"	mov %rbx, %rbp; mov %rbx, %r12; mov %rbx, %r13; mov %rbx, %r14; mov %rbx, %r15; mov %rbx, %rdi; mov %rbx, %r8; mov %rbx, %r9; mov %rbx, %r10\n"
	"	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movq %rbx, %xmm\\i\n"
	"	.endr\n"
	"	fldpi; fldpi; fldpi; fldpi; fldpi; fldpi; fldpi; fldpi\n"
	"	ldmxcsr garbage_mxcsr(%rip)\n"
	"	fldcw garbage_control(%rip)\n"
	"	mov $-256-17, %rax\n"
	"	syscall\n"
	"	ud2\n"
	"	.section .data\n"
	"	.align 8\n"
	"garbage_registers: .quad 0\n"
	"garbage_mxcsr: .long 0x6040\n"   /* every exception unmasked, another rounding, denormals are zeros */
	"garbage_control: .short 0x0800\n" /* the same of the x87 */
	"	.text\n");

_Static_assert(__builtin_offsetof(struct registers, vectors) == 104 && __builtin_offsetof(struct registers, rax) == 360 && __builtin_offsetof(struct registers, x87) == 384 &&
		       __builtin_offsetof(struct registers, before) == 896 && __builtin_offsetof(struct registers, kept_fs) == 1408,
	"the offsets above");
