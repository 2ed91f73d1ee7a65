/* Single words of user memory, for loops that cannot afford a copy. The address was checked not to lie in the kernel's half. A fault of the load is not the
 * kernel's: entry.S goes on at the place that the fixup table names. */
#pragma once

#include <kernel/x86_64/cpu.h>

/* With SMAP, user memory is reached only between these two. */
static inline void user_open(void)
{
	if (cpu_features.smap)
		__asm__ volatile("stac" : : : "memory");
}
static inline void user_close(void)
{
	if (cpu_features.smap)
		__asm__ volatile("clac" : : : "memory");
}

static inline bool user_load(uint64_t at, uint64_t *v)
{
	__asm__ goto("1: mov %1, %0\n"
		     ".pushsection .fixups, \"a\"\n.quad 1b, %l[fault]\n.popsection"
		     : "=r"(*v) : "m"(*(const volatile uint64_t *)at) : : fault);
	return true;
fault:
	return false;
}

static inline bool user_load32(uint64_t at, uint32_t *v)
{
	__asm__ goto("1: mov %1, %0\n"
		     ".pushsection .fixups, \"a\"\n.quad 1b, %l[fault]\n.popsection"
		     : "=r"(*v) : "m"(*(const volatile uint32_t *)at) : : fault);
	return true;
fault:
	return false;
}

static inline uint64_t rotate_right(uint64_t v, int n) { return v >> n | v << (64 - n); }

/* Has the compiler use a value as it is in its register, rather than keep one made from it in another: for loops that need them all. No instruction. */
#define KEEP(v) __asm__("" : "+r"(v))
