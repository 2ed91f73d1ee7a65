/* Protected control transfers of one word, and a process that serves them (exos/program.h). */
#pragma once

#include <aegis/x86_64/stubs.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>
#include <aegis/error.h>

/* Sends *word, and has the answer there. 0, or the kernel's error. As give_yield, this saves what the kernel does not. */
static inline int64_t transfer(env_id to, uint64_t *word)
{
	int64_t result = AEGIS_CALL((int64_t)CALL_transfer);
	uint64_t a = to;
	register uint64_t message __asm__("rsi") = *word;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "push %%rbp\n\t"
			 "rdfsbase %%rbp\n\t"
			 "push %%rbp\n\t"
			 "mov %%rsp, transfer_rsp(%%rip)\n\t"
			 "syscall\n\t"
			 "mov transfer_rsp(%%rip), %%rsp\n\t"
			 "pop %%rbp\n\t"
			 "wrfsbase %%rbp\n\t"
			 "pop %%rbp\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "+a"(result), "+D"(a), "+r"(message)
			 :
			 : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory", "cc", "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			 "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	*word = message;
	return result;
}

/* The server's entry: calls service(word, caller) on a stack of its own, with the server's FS base, and transfers what it returns back. Vectors hold the caller's. */
extern void transfer_entry(void);
extern uint64_t (*service)(uint64_t word, env_id caller);
extern uint64_t transfer_rsp, service_fs, service_stack;
uint64_t (*service)(uint64_t word, env_id caller);
uint64_t transfer_rsp, service_fs, service_stack;
_Static_assert(AEGIS_CALL((int64_t)CALL_transfer_back) == -256 - 17, "transfer_entry");
__asm__(".text\n"
	"transfer_entry:\n\t"
	"mov service_fs(%rip), %rcx\n\t"
	"wrfsbase %rcx\n\t"
	"mov service_stack(%rip), %rsp\n\t"
	"cld\n\t"
	"mov %rsi, %rdi\n\t"
	"mov %eax, %esi\n\t"
	"call *service(%rip)\n\t"
	"mov %rax, %rsi\n\t"
	"mov $-256-17, %rax\n\t"
	"syscall\n\t"
	"ud2\n"); /* nobody waited for it */

/* Serves, with `kept` in a vector register. Returns what serve does; *kept is what is there afterwards. */
static inline int64_t serve(uint64_t (*procedure)(uint64_t, env_id), double *kept)
{
	static char stack[65536] __attribute__((aligned(64)));
	struct exos_service entries = { .transfer = transfer_entry, .async = transfer_entry };
	int64_t result = EXOS_CALL_serve;

	service = procedure;
	service_stack = (uint64_t)stack + sizeof(stack);
	__asm__ volatile("rdfsbase %0" : "=r"(service_fs));
	__asm__ volatile("movsd %2, %%xmm5\n\tsyscall\n\tmovsd %%xmm5, %1" : "+a"(result), "=m"(*kept) : "m"(*kept), "D"(&entries) : "rcx", "r11", "memory", "xmm5");
	return result;
}

static inline void fill_vectors(double value) { __asm__ volatile("movsd %0, %%xmm5" : : "m"(value) : "xmm5"); }
