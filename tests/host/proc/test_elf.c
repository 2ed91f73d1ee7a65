/* The parser of executables, field by field: what is sound is understood, what is not is refused. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/proc/elf.h>

#include "sample.h"

static int points, failed;

static void point(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++points, name);
	failed |= !good;
}

static int parse(const struct sample *s, uint64_t file_size, struct elf_image *image)
{
	int error = elf_parse(s, sizeof(*s), file_size, image);

	return error ? error : elf_parse_table(s->table, file_size, image);
}

static void sound_one_is_understood(void)
{
	struct sample s = sample_make();
	struct elf_image image;
	const struct elf_segment *text = &image.segments[0], *data = &image.segments[1];

	point(!parse(&s, SAMPLE_SIZE, &image), "a sound executable is accepted");
	point(!image.movable && image.entry == 0x401000 && image.table_address == 0x400000 + sizeof(Elf64_Ehdr) &&
		      image.table_entries == SAMPLE_ENTRIES,
		"entry and table are found");
	point(image.segment_count == 2 && image.low == 0x400000 && image.high == 0x415000 && image.alignment == 0x1000,
		"the bounds are those of all segments, in whole pages");
	point(text->address == 0x400000 && text->memory_size == 0x2345 && text->file_size == 0x2345 && !text->offset &&
		      text->flags == (ELF_READ | ELF_EXECUTE),
		"the first segment is as it says");
	point(data->address == 0x404400 && data->memory_size == 0x10000 && data->file_size == 0x300 && data->offset == 0x3400 &&
		      data->flags == (ELF_READ | ELF_WRITE),
		"the second segment is as it says");
	point(!image.executable_stack && !image.interpreter_length, "stack not executable, no interpreter");
	s.table[2].p_flags |= PF_X;
	point(!parse(&s, SAMPLE_SIZE, &image) && image.executable_stack, "an executable stack is asked for");
}

static void variants_are_understood(void)
{
	struct sample s = sample_make();
	struct elf_image image;

	s.header.e_type = ET_DYN;
	s.table[0].p_align = 0x200000;
	point(!parse(&s, SAMPLE_SIZE, &image) && image.movable && image.alignment == 0x200000, "a movable one, with its alignment");
	s.table[3].p_type = PT_INTERP;
	point(!parse(&s, SAMPLE_SIZE, &image) && image.interpreter_offset == 0x200 && image.interpreter_length == 0x20,
		"the place of an interpreter's name");
	s = sample_make();
	s.table[1].p_filesz = 0;
	s.table[1].p_offset = UINT64_MAX;
	point(!parse(&s, SAMPLE_SIZE, &image) && image.segments[1].file_size == 0, "zeros alone, wherever the file would have them");
	s.table[1].p_memsz = 0;
	point(!parse(&s, SAMPLE_SIZE, &image) && image.segment_count == 1, "a segment of nothing is none");
	s.table[0].p_offset = 0x1000;
	point(!parse(&s, SAMPLE_SIZE, &image) && !image.table_address, "a table that is not loaded has no address");
}

static struct sample spoilt;
#define SPOIL(change) \
	do { \
		struct elf_image image; \
		spoilt = sample_make(); \
		change; \
		point(parse(&spoilt, SAMPLE_SIZE, &image) == -ENOEXEC, "refused: " #change); \
	} while (0)

static void unsound_headers_are_refused(void)
{
	SPOIL(spoilt.header.e_ident[0] = 'E');
	SPOIL(spoilt.header.e_ident[EI_CLASS] = ELFCLASS32);
	SPOIL(spoilt.header.e_ident[EI_DATA] = ELFDATA2MSB);
	SPOIL(spoilt.header.e_machine = EM_AARCH64);
	SPOIL(spoilt.header.e_type = ET_REL);
	SPOIL(spoilt.header.e_type = ET_CORE);
	SPOIL(spoilt.header.e_phentsize = 32);
	SPOIL(spoilt.header.e_phnum = 0);
	SPOIL(spoilt.header.e_phnum = UINT16_MAX);
	SPOIL(spoilt.header.e_phoff = SAMPLE_SIZE - 1);
	SPOIL(spoilt.header.e_phoff = UINT64_MAX);
	SPOIL(spoilt.header.e_entry = 1ul << 47);
}

static void unsound_segments_are_refused(void)
{
	SPOIL(spoilt.table[0].p_filesz = spoilt.table[0].p_memsz = SAMPLE_SIZE + 1);
	SPOIL(spoilt.table[0].p_filesz = spoilt.table[0].p_memsz + 1);
	SPOIL(spoilt.table[0].p_offset = UINT64_MAX - 0xfff);
	SPOIL(spoilt.table[0].p_offset = 0x10);
	SPOIL(spoilt.table[0].p_vaddr = UINT64_MAX - 0xfff);
	SPOIL(spoilt.table[0].p_vaddr = 1ul << 47);
	SPOIL(spoilt.table[1].p_memsz = UINT64_MAX);
	SPOIL(spoilt.table[1].p_memsz = (1ul << 47) - 0x404400);
	SPOIL(spoilt.table[1].p_vaddr = 0x402400 - 0x1000);
	SPOIL(spoilt.table[1].p_vaddr = 0x3400);
	SPOIL(spoilt.table[0].p_align = 0x3000);
	SPOIL(spoilt.table[0].p_align = 1ul << 63);
	SPOIL(spoilt.table[0].p_type = spoilt.table[1].p_type = PT_NULL);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_filesz = 1);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_offset = SAMPLE_SIZE);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_filesz = 1 << 20);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_filesz = 0);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_filesz = ELF_INTERPRETER_MAX + 1);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_offset = UINT64_MAX - 7);
	SPOIL(spoilt.table[3].p_type = PT_INTERP; spoilt.table[3].p_filesz = UINT64_MAX);
}

static void truncated_files_are_refused(void)
{
	struct sample s = sample_make();
	bool refused = true;

	for (uint64_t size = 0; size < 0x3700; size++) {
		size_t n = size < sizeof(s) ? size : sizeof(s);
		struct elf_image image;
		uint8_t *bytes = malloc(n ? n : 1);
		int error;

		memcpy(bytes, &s, n);
		error = elf_parse(bytes, n, size, &image);
		if (!error)
			error = elf_parse_table(bytes + image.table_offset, size, &image);
		refused &= error == -ENOEXEC;
		free(bytes);
	}
	point(refused, "cut off anywhere before the end of its last segment, it is refused");
}

static void too_many_segments_are_refused(void)
{
	static Elf64_Phdr table[ELF_ENTRIES_MAX];
	struct elf_image image = {.table_entries = ELF_SEGMENTS_MAX};

	for (uint32_t n = 0; n < ELF_ENTRIES_MAX; n++)
		table[n] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0x400000 + n * 0x1000ul, .p_memsz = 0x1000};
	point(!elf_parse_table(table, SAMPLE_SIZE, &image) && image.segment_count == ELF_SEGMENTS_MAX, "as many segments as there is room for");
	image = (struct elf_image){.table_entries = ELF_SEGMENTS_MAX + 1};
	point(elf_parse_table(table, SAMPLE_SIZE, &image) == -ENOEXEC, "and one more is refused");
}

int main(void)
{
	sound_one_is_understood();
	variants_are_understood();
	unsound_headers_are_refused();
	unsound_segments_are_refused();
	truncated_files_are_refused();
	too_many_segments_are_refused();
	printf("1..%d\n", points);
	return failed;
}
