/* What the boot loader told, whichever it was, and the only allocator the kernel has: for tables made once at start. */
#pragma once

#include <aegis/types.h>

#define BOOT_RANGES 32
struct boot_range {
	uint64_t start, end; /* physical, bytes */
};
struct boot_memory {
	struct boot_range usable[BOOT_RANGES]; /* ascending, page aligned */
	uint32_t ranges;
	struct boot_range module;  /* module 0; empty: none */
	const char *command_line;  /* in the physical map */
	uint64_t rsdp;
};
extern struct boot_memory boot_memory; /* written at start, then constant */

void boot_memory_read(uint32_t magic, uint32_t information);
void *boot_allocate(size_t bytes); /* zeroed, page aligned; ends the machine with a message when memory is too small */
uint64_t boot_allocated_end(void); /* everything usable below this physical address is the kernel's */
