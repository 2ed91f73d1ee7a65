/* Random programs that inspection is to accept. */
#pragma once

#include <kernel/filter/ebpf.h>

uint64_t random_64(void);
uint32_t random_below(uint32_t n); /* 0 to n - 1 */
void random_seed(uint64_t seed);

#define GENERATED_MAX 256
/* Writes a program of up to GENERATED_MAX instructions: their number. */
uint32_t generate(struct aegis_ebpf *program);
