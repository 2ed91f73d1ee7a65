/* ELF executables, checked field by field before anything is believed.
 *
 * Called by image.c; fuzzed on the host (tests/host/proc). Every sum is checked before it is made, every range against the file. */
#include <exos/proc/elf.h>

struct header {
	uint8_t magic[4], class, data, version, abi, abi_version, padding[7];
	uint16_t type, machine;
	uint32_t object_version;
	uint64_t entry, table_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, table_entry_size, table_entries;
	uint16_t section_entry_size, section_entries, section_names;
};
_Static_assert(sizeof(struct header) == ELF_HEADER_SIZE, "as the file has it");

struct entry {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, memory_size, alignment;
};
_Static_assert(sizeof(struct entry) == ELF_ENTRY_SIZE, "as the file has it");

enum { CLASS_64 = 2, DATA_LITTLE = 1, TYPE_EXECUTABLE = 2, TYPE_SHARED = 3, MACHINE_X86_64 = 62 };
enum { ENTRY_LOAD = 1, ENTRY_INTERPRETER = 3, ENTRY_STACK = 0x6474e551 };

static bool range_in(uint64_t start, uint64_t length, uint64_t end) { return start <= end && length <= end - start; }

int elf_parse(const void *header, size_t n, uint64_t file_size, struct elf_image *out)
{
	struct header h;

	memset(out, 0, sizeof(*out));
	if (n < sizeof(h))
		return -ENOEXEC;
	memcpy(&h, header, sizeof(h));
	if (memcmp(h.magic, "\177ELF", sizeof(h.magic)) || h.class != CLASS_64 || h.data != DATA_LITTLE || h.machine != MACHINE_X86_64)
		return -ENOEXEC;
	if (h.type != TYPE_EXECUTABLE && h.type != TYPE_SHARED)
		return -ENOEXEC;
	if (h.table_entry_size != sizeof(struct entry) || !h.table_entries || h.table_entries > ELF_ENTRIES_MAX)
		return -ENOEXEC;
	if (!range_in(h.table_offset, (uint64_t)h.table_entries * sizeof(struct entry), file_size) || h.entry >= ELF_ADDRESS_TOP)
		return -ENOEXEC;
	out->movable = h.type == TYPE_SHARED;
	out->entry = h.entry;
	out->table_offset = h.table_offset;
	out->table_entries = h.table_entries;
	return 0;
}

static int add_segment(struct elf_image *image, const struct entry *e, uint64_t file_size)
{
	struct elf_segment *s = &image->segments[image->segment_count];
	uint64_t table_end = image->table_offset + (uint64_t)image->table_entries * sizeof(*e);

	if (!e->memory_size)
		return 0;
	if (image->segment_count == ELF_SEGMENTS_MAX || e->file_size > e->memory_size)
		return -ENOEXEC;
	if (!range_in(e->address, e->memory_size, ELF_ADDRESS_TOP - ELF_PAGE))
		return -ENOEXEC;
	/* Where a segment of zeros alone would lie in the file means nothing, and linkers write anything there. */
	if (e->file_size && (!range_in(e->offset, e->file_size, file_size) || (e->offset ^ e->address) % ELF_PAGE))
		return -ENOEXEC;
	if (image->segment_count && e->address < s[-1].address + s[-1].memory_size)
		return -ENOEXEC;
	if (e->alignment > image->alignment) {
		if (e->alignment & (e->alignment - 1) || e->alignment > ELF_ADDRESS_TOP)
			return -ENOEXEC;
		image->alignment = e->alignment;
	}
	*s = (struct elf_segment){e->address, e->memory_size, e->offset, e->file_size, e->flags & (ELF_EXECUTE | ELF_WRITE | ELF_READ)};
	if (!image->segment_count)
		image->low = ROUND_DOWN(e->address, ELF_PAGE);
	image->high = ROUND_UP(e->address + e->memory_size, ELF_PAGE);
	if (e->file_size && image->table_offset >= e->offset && table_end <= e->offset + e->file_size)
		image->table_address = e->address + (image->table_offset - e->offset);
	image->segment_count++;
	return 0;
}

static int set_interpreter(struct elf_image *image, const struct entry *e, uint64_t file_size)
{
	/* A path of one character and its end is the shortest. */
	if (e->file_size < 2 || e->file_size > ELF_INTERPRETER_MAX || !range_in(e->offset, e->file_size, file_size))
		return -ENOEXEC;
	image->interpreter_offset = e->offset;
	image->interpreter_length = e->file_size;
	return 0;
}

int elf_parse_table(const void *table, uint64_t file_size, struct elf_image *image)
{
	image->alignment = ELF_PAGE;
	for (uint32_t n = 0; n < image->table_entries; n++) {
		struct entry e;
		int error = 0;

		memcpy(&e, (const uint8_t *)table + n * sizeof(e), sizeof(e));
		if (e.type == ENTRY_LOAD)
			error = add_segment(image, &e, file_size);
		else if (e.type == ENTRY_INTERPRETER && !image->interpreter_length)
			error = set_interpreter(image, &e, file_size);
		else if (e.type == ENTRY_STACK)
			image->executable_stack = e.flags & ELF_EXECUTE;
		if (error)
			return error;
	}
	return image->segment_count ? 0 : -ENOEXEC;
}
