/* The Internet checksum's inner loop, for want of a way to say "add with carry" in C that gcc 12 makes that instruction of. */
#pragma once

#include <exos/base.h>

#define NET_ADD_BLOCK 64

/* sum plus eight words at p, carries added in again. rax..r15 as the compiler chooses: %0 sum, in and out; %1 the address, kept; flags are lost; 64 bytes are read. */
static inline uint64_t net_add_block(uint64_t sum, const uint8_t *p)
{
	__asm__("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\t"
	    "adcq 32(%1), %0\n\tadcq 40(%1), %0\n\tadcq 48(%1), %0\n\tadcq 56(%1), %0\n\tadcq $0, %0"
	    : "+&r"(sum)
	    : "r"(p), "m"(*(const uint8_t(*)[NET_ADD_BLOCK])p)
	    : "cc");
	return sum;
}
