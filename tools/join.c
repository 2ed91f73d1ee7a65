/* One file of kernel and boot module: an ELF executable that any loader starts that starts the kernel, and that needs no module beside it.
 *
 * join KERNEL MODULE OUTPUT   called by image.sh. The module becomes one more segment, and the kernel's note about it (boot.S) says where. The program headers stay at the file's beginning, where GRUB looks for them. Exits with 125 if it cannot be done. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE 0x1000000u /* physical: above what PCs and their loaders use for themselves, and the kernel */
#define PAGE 4096ul
#define NOTE_MODULE 1
#define FAILED 125

struct bytes {
	uint8_t *at;
	size_t size;
};

static _Noreturn void fail(const char *name, const char *why)
{
	fprintf(stderr, "exo: %s: %s\n", name, why);
	exit(FAILED);
}

static struct bytes read_file(const char *name)
{
	FILE *f = fopen(name, "re");
	struct bytes b = { NULL, 0 };
	size_t room = 0, n;

	if (!f)
		fail(name, strerror(errno));
	do {
		if (b.size == room && !(b.at = realloc(b.at, room = room ? 2 * room : 1 << 20)))
			fail(name, "out of memory");
		n = fread(b.at + b.size, 1, room - b.size, f);
		b.size += n;
	} while (n);
	if (ferror(f))
		fail(name, strerror(errno));
	fclose(f);
	return b;
}

/* Writes the module's place into its note, if that is among these. */
static bool set_note(uint8_t *notes, size_t size, uint32_t start, uint32_t end)
{
	const uint32_t place[2] = { start, end };
	Elf64_Nhdr note;

	for (size_t at = 0; at + sizeof note <= size;) {
		memcpy(&note, notes + at, sizeof note);
		size_t name = at + sizeof note, descriptor = name + ((note.n_namesz + 3ul) & ~3ul);

		if (note.n_type == NOTE_MODULE && note.n_namesz == sizeof "Aegis" && descriptor + sizeof place <= size && !memcmp(notes + name, "Aegis", sizeof "Aegis")) {
			memcpy(notes + descriptor, place, sizeof place);
			return true;
		}
		at = descriptor + ((note.n_descsz + 3ul) & ~3ul);
	}
	return false;
}

/* The kernel's headers, with the module's segment. */
static void add_segment(struct bytes kernel, size_t module_size)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[16], *added;
	bool noted = false;

	memcpy(&header, kernel.at, sizeof header);
	if (kernel.size < sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_phnum >= sizeof segments / sizeof *segments)
		fail("the kernel", "not an ELF file");
	memcpy(segments, kernel.at + header.e_phoff, header.e_phnum * sizeof *segments);
	if (module_size > UINT32_MAX - PLACE)
		fail("the root file system", "too large for one file: what is loaded has to lie below 4 GiB");
	added = &segments[header.e_phnum];
	*added = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R, .p_offset = (kernel.size + PAGE - 1) & ~(PAGE - 1), .p_vaddr = PLACE, .p_paddr = PLACE,
		.p_filesz = module_size, .p_memsz = module_size, .p_align = PAGE };
	for (int i = 0; i < header.e_phnum; i++) {
		if (segments[i].p_filesz && segments[i].p_offset < header.e_phoff + (header.e_phnum + 1u) * sizeof *segments)
			fail("the kernel", "no room for another program header");
		if (segments[i].p_type == PT_NOTE)
			noted = noted || set_note(kernel.at + segments[i].p_offset, segments[i].p_filesz, PLACE, PLACE + (uint32_t)module_size);
	}
	if (!noted)
		fail("the kernel", "no note about a module");
	header.e_phnum++;
	memcpy(kernel.at, &header, sizeof header);
	memcpy(kernel.at + header.e_phoff, segments, header.e_phnum * sizeof *segments);
}

int main(int argc, char **argv)
{
	static const uint8_t zeros[PAGE];

	if (argc != 4)
		fail("join", "usage: join KERNEL MODULE OUTPUT");
	struct bytes kernel = read_file(argv[1]), module = read_file(argv[2]);
	FILE *out = fopen(argv[3], "we");

	add_segment(kernel, module.size);
	if (!out || fwrite(kernel.at, 1, kernel.size, out) != kernel.size || fwrite(zeros, 1, -kernel.size % PAGE, out) != -kernel.size % PAGE ||
		fwrite(module.at, 1, module.size, out) != module.size || fclose(out))
		fail(argv[3], strerror(errno));
	return 0;
}
