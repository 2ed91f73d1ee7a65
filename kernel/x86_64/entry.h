/* Ways out of the kernel that entry.S and trap.c give the rest of it. */
#pragma once

#include <kernel/env.h>

_Noreturn void resume_call(uint64_t rax, uint64_t rip, uint64_t rsp, uint64_t rdi);
_Noreturn void resume_trap(const struct trap *t);
_Noreturn void cpu_idle(void); /* waits for interrupts; they dispatch */
