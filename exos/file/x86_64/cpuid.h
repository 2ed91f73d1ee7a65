/* What the processor says of itself; any program may ask. */
#pragma once

#include <stdint.h>

struct cpuid {
	uint32_t a, b, c, d;
};
void exos_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid *out);
