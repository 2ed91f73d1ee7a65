/* A sound executable in memory, to be spoilt by tests: header, program header table, and a file's worth of nothing behind them. */
#pragma once

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define SAMPLE_SIZE 0x5000ul
#define SAMPLE_ENTRIES 4

struct sample {
	Elf64_Ehdr header;
	Elf64_Phdr table[SAMPLE_ENTRIES]; /* text, data with bss, stack, note */
};

static inline struct sample sample_make(void)
{
	struct sample s;

	memset(&s, 0, sizeof(s));
	memcpy(s.header.e_ident, ELFMAG, SELFMAG);
	s.header.e_ident[EI_CLASS] = ELFCLASS64;
	s.header.e_ident[EI_DATA] = ELFDATA2LSB;
	s.header.e_ident[EI_VERSION] = EV_CURRENT;
	s.header.e_type = ET_EXEC;
	s.header.e_machine = EM_X86_64;
	s.header.e_version = EV_CURRENT;
	s.header.e_entry = 0x401000;
	s.header.e_phoff = sizeof(Elf64_Ehdr);
	s.header.e_ehsize = sizeof(Elf64_Ehdr);
	s.header.e_phentsize = sizeof(Elf64_Phdr);
	s.header.e_phnum = SAMPLE_ENTRIES;
	s.table[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = 0x2345, .p_memsz = 0x2345,
		.p_align = 0x1000};
	s.table[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x3400, .p_vaddr = 0x404400, .p_filesz = 0x300,
		.p_memsz = 0x10000, .p_align = 0x1000};
	s.table[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16};
	s.table[3] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x200, .p_vaddr = 0x400200, .p_filesz = 0x20, .p_memsz = 0x20, .p_align = 4};
	return s;
}
