/* The kernel's half of every address space, built once: text read-only, data and all of memory not executable, global. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/x86_64/paging.h>

#define LARGE_PAGE 0x200000ul
/* The only two entries of the kernel's half. */
#define PHYSICAL_SLOT 256
#define KERNEL_SLOT 511
#define GIGABYTE 0x40000000ul

extern uint64_t boot_root[512], boot_high_table[512], boot_directories[4][512];
extern char kernel_start[], kernel_rodata[], kernel_data[], kernel_end[];

static uint64_t image_directory[512] __attribute__((aligned(4096)));
static uint64_t image_pages[512] __attribute__((aligned(4096)));  /* the first 2 MiB at KERNEL_BASE: the image alone */
static uint64_t low_pages[512] __attribute__((aligned(4096)));    /* the first 2 MiB in the physical map */
static uint64_t device_directory[512] __attribute__((aligned(4096)));
static uint64_t device_pages[512] __attribute__((aligned(4096)));
static uint32_t device_window_used; /* of those pages; start only */
#define DEVICE_WINDOW 0xffffffffc0000000ul

static void map_image(void)
{
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t va = KERNEL_BASE + i * FRAME_SIZE, entry = i * FRAME_SIZE | ENTRY_PRESENT | ENTRY_GLOBAL;
		bool text = va >= (uint64_t)kernel_start && va < (uint64_t)kernel_rodata;
		bool constant = va >= (uint64_t)kernel_rodata && va < (uint64_t)kernel_data;
		bool data = va >= (uint64_t)kernel_data && va < (uint64_t)kernel_end;

		low_pages[i] = entry | ENTRY_NO_EXECUTE | (text || constant ? 0 : ENTRY_WRITE);
		if (text)
			image_pages[i] = entry;
		else if (constant)
			image_pages[i] = entry | ENTRY_NO_EXECUTE;
		else if (data)
			image_pages[i] = entry | ENTRY_NO_EXECUTE | ENTRY_WRITE;
	}
	image_directory[0] = kernel_physical(image_pages) | ENTRY_PRESENT | ENTRY_WRITE;
	device_directory[0] = kernel_physical(device_pages) | ENTRY_PRESENT | ENTRY_WRITE;
	boot_high_table[510] = kernel_physical(image_directory) | ENTRY_PRESENT | ENTRY_WRITE;
	boot_high_table[511] = kernel_physical(device_directory) | ENTRY_PRESENT | ENTRY_WRITE;
}

static void map_memory(void)
{
	uint64_t top = boot_memory.usable[boot_memory.ranges - 1].end;
	uint64_t *table = physical(boot_root[256] & ENTRY_FRAME);

	for (uint64_t at = 0; at < top; at += GIGABYTE) {
		uint64_t *directory = at < 4 * GIGABYTE ? boot_directories[at / GIGABYTE] : boot_allocate(FRAME_SIZE);

		if (at >= 512 * GIGABYTE)
			break; /* one table's worth: what lies above is not used (frame.c) */
		for (uint64_t i = 0; i < 512; i++)
			directory[i] = (at + i * LARGE_PAGE) | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_LARGE | ENTRY_GLOBAL | ENTRY_NO_EXECUTE;
		if (at >= 4 * GIGABYTE)
			table[at / GIGABYTE] = ((uint64_t)directory - PHYSICAL_MAP) | ENTRY_PRESENT | ENTRY_WRITE;
	}
	boot_directories[0][0] = kernel_physical(low_pages) | ENTRY_PRESENT | ENTRY_WRITE;
}

void paging_start(void)
{
	map_image();
	map_memory();
	boot_root[0] = 0;
	write_cr4(read_cr4() & ~(1ul << 7)); /* global entries too */
	write_cr3(read_cr3());
	write_cr4(read_cr4() | 1ul << 7);
}

void paging_root_fill(uint64_t *root)
{
	root[PHYSICAL_SLOT] = boot_root[PHYSICAL_SLOT];
	root[KERNEL_SLOT] = boot_root[KERNEL_SLOT];
}

void paging_root_empty(uint64_t *root) { root[PHYSICAL_SLOT] = root[KERNEL_SLOT] = 0; }

/* The entry of a window's page; a table for it is made where there is none yet. */
static uint64_t *window_entry(uint64_t va)
{
	uint64_t *directory = &image_directory[va / LARGE_PAGE % 512];

	if (!*directory)
		*directory = ((uint64_t)boot_allocate(FRAME_SIZE) - PHYSICAL_MAP) | ENTRY_PRESENT | ENTRY_WRITE;
	return (uint64_t *)physical(*directory & ENTRY_FRAME) + va / FRAME_SIZE % 512;
}

static void map_window(uint64_t va, const void *table, size_t bytes, uint64_t rights)
{
	for (uint64_t at = (uint64_t)table - PHYSICAL_MAP, end = at + bytes; at < end; at += FRAME_SIZE, va += FRAME_SIZE)
		*window_entry(va) = at | ENTRY_PRESENT | ENTRY_GLOBAL | rights;
}

void kernel_window(void *window, const void *table, size_t bytes) { map_window((uint64_t)window, table, bytes, ENTRY_WRITE | ENTRY_NO_EXECUTE); }
void kernel_code_window(const void *window, const void *table, size_t bytes) { map_window((uint64_t)window, table, bytes, 0); }

void kernel_pages_start(const void *window, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i += 512)
		window_entry((uint64_t)window + i * FRAME_SIZE);
}

/* Not global: what other CPUs remember of it goes with all else that they are made to forget. */
void kernel_page_set(const void *page, frame_t f)
{
	*window_entry((uint64_t)page) = f == FRAME_ANY ? 0 : (uint64_t)f << FRAME_SHIFT | ENTRY_PRESENT;
	invalidate_page((uint64_t)page);
}

uint64_t kernel_root(void) { return kernel_physical(boot_root); }

void *device_window(uint64_t address, uint64_t bytes)
{
	uint64_t first = address / FRAME_SIZE, count, at = device_window_used;

	if (!bytes || bytes > LARGE_PAGE || address > ENTRY_FRAME)
		return NULL;
	count = (address + bytes - 1) / FRAME_SIZE - first + 1;
	if (at + count > 512)
		return NULL;
	for (uint64_t i = 0; i < count; i++)
		device_pages[at + i] = (first + i) * FRAME_SIZE | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_GLOBAL | ENTRY_NO_EXECUTE | ENTRY_UNCACHED;
	device_window_used += (uint32_t)count;
	return (void *)(DEVICE_WINDOW + at * FRAME_SIZE + address % FRAME_SIZE); /* no translation was there before: none to forget */
}
