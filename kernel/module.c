/* The first environment, from module 0: the only place that knows what an ELF file is, and the last that makes a choice for anyone.
 *
 * The image's segments are bound where they lie in the module; only .bss gets frames of its own. Behind the image the environment finds
 * its boot page, its upcall page and the page that describes the machine (include/aegis/info.h). */
#include <kernel/bind.h>
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>
#include <kernel/frame.h>
#include <kernel/info.h>
#include <kernel/module.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/table.h>

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
#define ELF_X86_64 62
enum { ELF_EXECUTE = 1, ELF_WRITE = 2 };

static frame_t take_frame(struct env *account)
{
	frame_t f = frame_take(account, FRAME_ANY);

	if (f == FRAME_ANY)
		refuse("not enough memory to start the first environment; give the machine more");
	return f;
}

/* A frame and the next one: what a page table is made of. */
static frame_t take_pair(struct env *account)
{
	frame_t f = take_frame(account), next = take_frame(account);

	while (next != f + 1) { /* only where the boot module interrupts the free memory */
		frame_release(f, account);
		f = next;
		next = take_frame(account);
	}
	return f;
}

/* Binds one page, adding the page tables that are missing. */
static void bind_page(struct env *e, uint64_t va, frame_t f, uint64_t flags)
{
	struct aegis_binding page = { va, BIND_ENTRY(f, flags | BIND_READ) };
	struct stale stale = { false, false }; /* nothing is: e has not run */

	for (;;) {
		int64_t error = bind_one(e, e->account, &page, NULL, &stale);
		uint32_t level = 3;

		if (error == 0)
			return;
		if (error != -E_NOTABLE)
			refuse("the boot module's image cannot be bound at %lx (error %d)", va, (int)error);
		for (; level > 0; level--) {
			struct aegis_binding table = { va & ~((FRAME_SIZE << 9 * level) - 1), 0 };

			table.entry = BIND_ENTRY(take_pair(e->account), BIND_READ | BIND_LEVEL(level));
			error = bind_one(e, e->account, &table, NULL, &stale);
			if (error == 0)
				break;
			frame_release((frame_t)(table.entry >> FRAME_SHIFT), e->account);
			frame_release((frame_t)(table.entry >> FRAME_SHIFT) + 1, e->account);
		}
	}
}

static void bind_segment(struct env *e, const struct elf_segment *s, uint64_t module, uint64_t module_size)
{
	uint64_t flags = (s->flags & ELF_WRITE ? BIND_WRITE : 0) | (s->flags & ELF_EXECUTE ? BIND_EXEC : 0);
	uint64_t file_end = s->va + s->file_size;

	if (s->offset > module_size || s->file_size > module_size - s->offset || s->file_size > s->memory_size || s->va & (FRAME_SIZE - 1) ||
		s->offset & (FRAME_SIZE - 1))
		refuse("the boot module's image has a segment that is cut off or not page aligned");
	for (uint64_t va = s->va; va < s->va + s->memory_size; va += FRAME_SIZE) {
		uint64_t at = module + s->offset + (va - s->va);

		if (va >= file_end) {
			frame_t f = take_frame(e->account);
			frame_clear(f);
			bind_page(e, va, f, flags);
			continue;
		}
		if (file_end - va < FRAME_SIZE && s->memory_size > s->file_size) /* the start of .bss shares the last page of .data */
			memset(physical(at + (file_end - va)), 0, FRAME_SIZE - (file_end - va));
		bind_page(e, va, (frame_t)(at >> FRAME_SHIFT), flags);
	}
}

static uint64_t bind_image(struct env *e, uint64_t module, uint64_t module_size)
{
	const struct elf_header *header = physical(module);
	const struct elf_segment *segments = physical(module + header->segments);

	if (module_size < sizeof(*header) || memcmp(header->identification, "\177ELF\2\1", 6) || header->machine != ELF_X86_64 ||
		header->segments > module_size || header->segment_size != sizeof(*segments) ||
		header->segment_count * sizeof(*segments) > module_size - header->segments)
		refuse("the boot module is not an x86-64 ELF executable");
	for (uint32_t i = 0; i < header->segment_count; i++)
		if (segments[i].type == ELF_LOAD)
			bind_segment(e, &segments[i], module, module_size);
	return header->entry;
}

static void fill_capability(struct aegis_cap *cap, uint32_t kind, uint64_t first, uint64_t count)
{
	*cap = (struct aegis_cap){ .kind = (uint16_t)kind, .rights = RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC | RIGHT_GRANT,
		.epoch = EPOCH_ANY, .first = first, .count = count };
	cap_seal(cap);
}

static void fill_boot_page(struct aegis_boot *boot, const struct env *e, uint64_t module, uint64_t module_size)
{
	size_t n = strlen(boot_memory.command_line);

	boot->env = e->id;
	boot->root = e->root_frame;
	boot->upcall = e->upcall_frame;
	boot->info = (frame_t)(((uint64_t)machine_info - PHYSICAL_MAP) >> FRAME_SHIFT);
	boot->module_first = (frame_t)(module >> FRAME_SHIFT);
	boot->module_frames = (uint32_t)((module_size + FRAME_SIZE - 1) >> FRAME_SHIFT);
	boot->module_bytes = module_size;
	boot->module_va = AEGIS_MODULE_VA;
	fill_capability(&boot->frames, CAP_FRAMES, 0, frame_count);
	fill_capability(&boot->slices, CAP_SLICES, 0, UINT64_MAX); /* of all CPUs */
	for (uint32_t d = 0; d < DEVICE_COUNT; d++)
		fill_capability(&boot->devices[d], CAP_DEVICE, d, 1);
	for (uint32_t d = 0; d < disk_count; d++)
		fill_capability(&boot->disks[d], CAP_EXTENT, EXTENT(d, 0), disks[d].info->sectors);
	boot_random(boot->seed, sizeof(boot->seed));
	memcpy(boot->command_line, boot_memory.command_line, n < sizeof(boot->command_line) ? n : sizeof(boot->command_line) - 1);
}

/* The first environment holds everything that there is to hold. */
static struct aegis_limits whole_machine(void)
{
	return (struct aegis_limits){ .frames = (uint32_t)frame_count, .slices = slice_positions * machine_info->cpus, .environments = env_slots,
		.filters = net_filter_slots };
}

static void own_module(struct env *e, uint64_t module, uint64_t size)
{
	for (uint64_t at = module; at < module + size; at += FRAME_SIZE) {
		frame_table[at >> FRAME_SHIFT].state = FRAME_OWNED;
		frame_table[at >> FRAME_SHIFT].owner = e->id;
		e->held.frames++;
	}
}

static struct env *make_first(void)
{
	struct env seed = { .id = FIRST_ENVIRONMENT }; /* owns the first frames until there is an environment to */
	struct aegis_env_spec spec = { .flags = ENV_NEW_ACCOUNT, .limits = whole_machine() };
	struct env *e;

	spec.object = take_frame(&seed);
	spec.root = take_pair(&seed);
	spec.upcall = take_frame(&seed);
	frame_clear(spec.upcall);
	e = env_make(&spec, NULL);
	ASSERT(e && e->id == FIRST_ENVIRONMENT);
	e->held.frames = 4;
	return e;
}

struct env *module_start(void)
{
	uint64_t module = boot_memory.module.start, size = boot_memory.module.end - module;
	struct env *e;
	frame_t boot;

	if (size == 0)
		refuse("no boot module: the library operating system is missing (QEMU: -initrd)");
	if (module & (FRAME_SIZE - 1))
		refuse("the loader has not put the boot module on a page boundary");
	e = make_first();
	own_module(e, module, size);
	e->rip = bind_image(e, module, size);
	for (uint64_t at = 0; at < size; at += FRAME_SIZE)
		bind_page(e, AEGIS_MODULE_VA + at, (frame_t)((module + at) >> FRAME_SHIFT), 0);
	boot = take_frame(e);
	frame_clear(boot);
	fill_boot_page(frame_pointer(boot), e, module, size);
	bind_page(e, AEGIS_START_VA, boot, BIND_WRITE);
	bind_page(e, AEGIS_START_VA + FRAME_SIZE, e->upcall_frame, BIND_WRITE);
	bind_page(e, AEGIS_START_VA + 2 * FRAME_SIZE, ((struct aegis_boot *)frame_pointer(boot))->info, 0);
	e->argument = AEGIS_START_VA;
	account_show(e);
	return e;
}
