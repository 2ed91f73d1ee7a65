/* The time-stamp counter. */
#pragma once

#include <stdint.h>

static inline uint64_t read_tsc(void)
{
	uint64_t low, high; /* the instruction clears the upper halves */
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | high << 32;
}
