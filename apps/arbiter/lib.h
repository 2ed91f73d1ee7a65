/* What the arbiter's files and its tenants share that is neither the kernel's nor theirs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMAGE_VA 0x400000ul /* x86_64/arbiter.ld: text and constants */

struct elf_header {
	uint8_t identification[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, segments, sections;
	uint32_t flags;
	uint16_t size, segment_size, segment_count, section_size, section_count, names;
};
struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, va, pa, file_size, memory_size, alignment;
};
#define ELF_LOAD 1
enum { ELF_EXECUTE = 1, ELF_WRITE = 2 };

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
