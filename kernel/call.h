/* What the handlers of kernel calls share. A handler decodes (copies each argument once, checks, finds) and then commits; once it has begun to
 * change anything it cannot fail. Its declaration comes from the table of calls; entry.S calls it on the CPU's kernel stack.
 *
 * The kernel lock (smp.h) is held. */
#pragma once

#include <aegis/calls.h>
#include <kernel/env.h>
#include <kernel/log.h>

#define X(number, name, arity, arguments, text) int64_t call_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
AEGIS_CALLS(X)
#undef X

/* Where the caller of the running call goes on: stored by entry.S at the top of the kernel stack. */
struct call_return {
	uint64_t rflags, rip, rsp;
};
static inline struct call_return *call_return(void) { return (struct call_return *)this_cpu()->kernel_stack_top - 1; }

/* 0 or -E_FAULT. A range that leaves user space is -E_FAULT before a byte is touched. */
int64_t copy_from_user(void *to, uint64_t from, size_t n);
int64_t copy_to_user(uint64_t to, const void *from, size_t n);
