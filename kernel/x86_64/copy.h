/* Copying of whole packets inside the kernel. */
#pragma once

#include <kernel/x86_64/cpu.h>

/* n bytes, no more: what lies behind them may be another's. Under an emulator that counts instructions as on the CPU, a step for 8 bytes is the cheapest there is. */
static inline void copy_bytes(void *to, const void *from, size_t n)
{
	size_t words = n / 8, bytes = n % 8;

	__asm__ volatile("rep movsq\n\tmov %3, %2\n\trep movsb" : "+D"(to), "+S"(from), "+c"(words) : "r"(bytes) : "memory");
}
