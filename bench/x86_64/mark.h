/* Marks of phases for the cache model (tools/cachesim): the program is in phase `n` from here on; 0: in none, and the caches are emptied. n is a
 * constant.
 *
 * An instruction that does nothing, of seven bytes, and says n in a displacement that no compiler writes. Without the model it costs one
 * instruction. Registers: none. The compiler moves no memory access across it. */
#pragma once

#define CACHE_MARK(n) __asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.short %c0\n\t.short 0xca5e" : : "i"(n) : "memory")
