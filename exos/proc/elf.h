/* Reading executables: ELF, 64 bits, x86-64. Parses bytes that it does not trust; needs nothing but base.h, so that the host can test it. */
#pragma once

#include <exos/base.h>

#define ELF_HEADER_SIZE 64
#define ELF_ENTRY_SIZE 56     /* of the program header table */
#define ELF_ENTRIES_MAX 64    /* more than that is refused */
#define ELF_SEGMENTS_MAX 32
#define ELF_INTERPRETER_MAX 4096 /* bytes of its path, with the end */
#define ELF_ADDRESS_TOP (1ul << 47)
#define ELF_PAGE 4096ul

enum { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };

struct elf_segment {
	uint64_t address, memory_size; /* in memory; for a movable image from its load address */
	uint64_t offset, file_size;    /* in the file: offset is congruent to address modulo the page size */
	uint32_t flags;
};

struct elf_image {
	bool movable;                  /* position-independent */
	uint64_t entry;
	uint64_t table_offset;         /* the program header table, in the file */
	uint32_t table_entries;
	/* After elf_parse_table: */
	uint64_t table_address;        /* the table in memory; 0: it is not loaded */
	uint64_t low, high;            /* page-aligned bounds of all segments */
	uint64_t alignment;            /* of the load address; a power of two, at least a page */
	bool executable_stack;
	uint64_t interpreter_offset, interpreter_length; /* its path, in the file; length 0: none */
	uint32_t segment_count;
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* by ascending address, not overlapping, memory_size not 0 */
};

/* Both return 0, or -ENOEXEC for whatever is not a sound executable for this machine that lies wholly in a file of that size. */
int elf_parse(const void *header, size_t n, uint64_t file_size, struct elf_image *out);
/* `table` holds image->table_entries entries of ELF_ENTRY_SIZE bytes. */
int elf_parse_table(const void *table, uint64_t file_size, struct elf_image *image);
