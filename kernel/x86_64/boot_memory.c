/* The boot loader's word on memory, module and command line: PVH's hvm_start_info or Multiboot2's tags, into one form. A module that is part of the kernel's file counts if the loader has none. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/x86_64/cpu.h>

#define PVH_MAGIC 0x336ec578u
#define MULTIBOOT2_MAGIC 0x36d76289u
#define MEMORY_USABLE 1

struct pvh_start {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, command_line, rsdp;
	uint64_t memory_map; /* version 1 on */
	uint32_t memory_entries, reserved;
};
struct pvh_module {
	uint64_t address, size, command_line, reserved;
};
struct pvh_memory {
	uint64_t address, size;
	uint32_t type, reserved;
};
struct multiboot_tag {
	uint32_t type, size;
};
struct multiboot_memory {
	uint64_t address, size;
	uint32_t type, reserved;
};
enum { TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_MODULE = 3, TAG_MEMORY = 6, TAG_RSDP_OLD = 14, TAG_RSDP = 15 };

struct boot_memory boot_memory;
static uint64_t allocated; /* next free physical byte; start only */

static void add_range(uint64_t address, uint64_t size)
{
	struct boot_memory *m = &boot_memory;
	uint64_t start = (address + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1), end = (address + size) & ~(FRAME_SIZE - 1);
	uint32_t at = m->ranges;

	if (start < 0x100000) /* firmware's and loaders' leavings; a megabyte is no loss */
		start = 0x100000;
	if (start >= end || m->ranges == BOOT_RANGES)
		return;
	for (; at > 0 && m->usable[at - 1].start > start; at--)
		m->usable[at] = m->usable[at - 1];
	m->usable[at] = (struct boot_range){ start, end };
	m->ranges++;
}

static void read_pvh(const struct pvh_start *start)
{
	const struct pvh_memory *map = physical(start->memory_map);

	if (start->version < 1)
		refuse("the loader's PVH start info has no memory map (version 0)");
	for (uint32_t i = 0; i < start->memory_entries; i++)
		if (map[i].type == MEMORY_USABLE)
			add_range(map[i].address, map[i].size);
	if (start->modules) {
		const struct pvh_module *module = physical(start->module_list);
		boot_memory.module = (struct boot_range){ module->address, module->address + module->size };
	}
	boot_memory.command_line = start->command_line ? physical(start->command_line) : "";
	boot_memory.rsdp = start->rsdp;
}

static void read_multiboot(uint64_t information)
{
	const uint32_t *total = physical(information);

	for (uint64_t at = information + 8; at < information + *total;) {
		const struct multiboot_tag *tag = physical(at);
		const uint32_t *words = (const uint32_t *)(tag + 1);

		if (tag->type == TAG_END)
			break;
		if (tag->type == TAG_COMMAND_LINE)
			boot_memory.command_line = (const char *)words;
		if (tag->type == TAG_MODULE && !boot_memory.module.end)
			boot_memory.module = (struct boot_range){ words[0], words[1] };
		if (tag->type == TAG_RSDP || tag->type == TAG_RSDP_OLD)
			boot_memory.rsdp = at + sizeof(*tag);
		if (tag->type == TAG_MEMORY)
			for (uint64_t entry = at + 16; entry < at + tag->size; entry += words[0]) {
				const struct multiboot_memory *range = physical(entry);
				if (range->type == MEMORY_USABLE)
					add_range(range->address, range->size);
			}
		at += (tag->size + 7) & ~7u;
	}
}

void boot_memory_read(uint32_t magic, uint32_t information)
{
	extern char kernel_end[];
	extern const volatile uint32_t boot_module_joined[2]; /* boot.S; written in the file, after it was linked */
	const struct pvh_start *start = physical(information);

	boot_memory.command_line = "";
	if (magic == MULTIBOOT2_MAGIC)
		read_multiboot(information);
	else if (start->magic == PVH_MAGIC)
		read_pvh(start);
	else
		refuse("started by a loader that speaks neither PVH nor Multiboot2");
	if (!boot_memory.module.end)
		boot_memory.module = (struct boot_range){ boot_module_joined[0], boot_module_joined[1] };
	if (!boot_memory.ranges)
		refuse("the loader reports no usable memory");
	allocated = kernel_physical(kernel_end);
}

void *boot_allocate(size_t bytes)
{
	const struct boot_range *module = &boot_memory.module;
	uint64_t end;

	bytes = (bytes + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);
	if (allocated < module->end && allocated + bytes > module->start)
		allocated = (module->end + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);
	end = boot_memory.usable[0].end;
	if (allocated + bytes > end)
		refuse("not enough memory: %lu KiB of it cannot hold the kernel's tables and the boot module; give the machine more",
			(end - boot_memory.usable[0].start) / 1024);
	memset(physical(allocated), 0, bytes);
	allocated += bytes;
	return physical(allocated - bytes);
}

uint64_t boot_allocated_end(void) { return allocated; }
