/* Copying of whole packets inside the kernel. */
#pragma once

#include <kernel/x86_64/cpu.h>

/* n bytes, no more: what lies behind them may be another's. Under an emulator that counts instructions as on the CPU, a step for 8 bytes is the cheapest there is; the last 8 overlap those before them. */
static inline void copy_bytes(void *to, const void *from, size_t n)
{
	size_t words = n / 8;
	uint64_t last; /* read before, as they may be among those that are written */
	uint8_t *end;

	if (n < 8) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		return;
	}
	end = (uint8_t *)to + n;
	__builtin_memcpy(&last, (const uint8_t *)from + n - 8, 8);
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__builtin_memcpy(end - 8, &last, 8);
}
