/* See machine.h. Everything that the kernel's sources need and that is not among those tested. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <kernel/boot.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/disk/disk.h>
#include <kernel/event.h>
#include <kernel/info.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/table.h>
#include <kernel/x86_64/paging.h>
#include <kernel/x86_64/user.h>

#include "machine.h"

#define PHYSICAL_SLOT 256
#define KERNEL_SLOT 511

struct cpu machine_cpus[MACHINE_CPUS];
uint32_t machine_cpu;
uint64_t machine_tsc = 1000, machine_cr3[MACHINE_CPUS], machine_tlb[MACHINE_CPUS][TLB_PAGES], machine_shootdowns;
bool machine_user_opened, machine_told[MACHINE_CPUS];
const uint64_t machine_key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

struct cpu_features cpu_features = { .smap = true };
struct aegis_info *machine_info;
struct boot_memory boot_memory;
struct env *env_table[MACHINE_SLOTS];
uint64_t env_claims[MACHINE_SLOTS];
static struct cpu *cpu_pointers[MACHINE_CPUS];
static uint64_t allocated;

/* Translations. */
uint64_t tlb_address(uint32_t i)
{
	uint64_t page = i & 15;

	return (uint64_t)(i >> 6 & 1 ? 255 : 0) << 39 | (uint64_t)(i >> 5 & 1 ? 511 : 0) << 30 | (uint64_t)(i >> 4 & 1 ? 511 : 0) << 21 |
	       (page < 8 ? page : page + 496) << FRAME_SHIFT;
}

uint64_t machine_walk(uint64_t root, uint64_t va)
{
	const uint64_t *table = physical(root);

	for (uint32_t level = 3;; level--) {
		uint64_t entry = table[table_index(va, level)];

		if (!(entry & ENTRY_PRESENT) || level == 0)
			return entry & ENTRY_PRESENT ? entry : 0;
		table = frame_pointer(entry_frame(entry));
	}
}

uint64_t read_cr3(void) { return machine_cr3[machine_cpu]; }

void write_cr3(uint64_t v)
{
	machine_cr3[machine_cpu] = v;
	memset(machine_tlb[machine_cpu], 0, sizeof(machine_tlb[0]));
}

void invalidate_page(uint64_t va)
{
	for (uint32_t i = 0; i < TLB_PAGES; i++)
		if (tlb_address(i) == va)
			machine_tlb[machine_cpu][i] = 0;
}

void apic_send(uint32_t apic_id, uint8_t vector)
{
	uint32_t sender = machine_cpu;

	if (vector == VECTOR_FORGET) {
		machine_shootdowns++;
		machine_cpu = apic_id;
		smp_asked(&machine_cpus[apic_id]);
		machine_cpu = sender;
	} else {
		machine_told[apic_id] = true;
	}
}

/* User memory. */
bool user_reaches(uint64_t address, size_t n) { return address >= USER_BASE && address <= USER_END && n <= USER_END - address; }

int64_t copy_from_user(void *to, uint64_t from, size_t n)
{
	if (!user_reaches(from, n))
		return -E_FAULT;
	memcpy(to, user(from), n);
	return 0;
}

int64_t copy_to_user(uint64_t to, const void *from, size_t n)
{
	if (!user_reaches(to, n))
		return -E_FAULT;
	memcpy(user(to), from, n);
	return 0;
}

void user_open(void) { machine_user_opened = true; }
void user_close(void) { machine_user_opened = false; }

static bool load(uint64_t at, void *v, size_t n)
{
	if (cpu_features.smap && !machine_user_opened)
		panic("user memory is reached while SMAP forbids it");
	if ((int64_t)at < 0)
		panic("%lx is read as user memory", at);
	if (!user_reaches(at, n))
		return false;
	memcpy(v, user(at), n);
	return true;
}

bool user_load(uint64_t at, uint64_t *v) { return load(at, v, sizeof(*v)); }
bool user_load32(uint64_t at, uint32_t *v) { return load(at, v, sizeof(*v)); }

/* The rest of the kernel. */
void paging_root_fill(uint64_t *root)
{
	root[PHYSICAL_SLOT] = KERNEL_MARK(PHYSICAL_SLOT);
	root[KERNEL_SLOT] = KERNEL_MARK(KERNEL_SLOT);
}

void paging_root_empty(uint64_t *root) { root[PHYSICAL_SLOT] = root[KERNEL_SLOT] = 0; }

void kernel_window(void *window, const void *table, size_t bytes)
{
	(void)table;
	memset(window, 0, bytes);
}

void *boot_allocate(size_t bytes)
{
	uint64_t at = allocated;

	allocated += (bytes + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);
	return physical(at);
}

uint64_t boot_allocated_end(void) { return allocated; }

int64_t device_end_epoch(const struct aegis_cap *cap)
{
	(void)cap;
	return -E_DENIED;
}

uint32_t device_epoch(uint32_t device) { return device; }

/* There is no network; but frames are held as by rings, and sent from (calls_frames.c). What the end of an account's rings does to them: */
bool net_end_account(struct env *account)
{
	for (frame_t f = 0; f < frame_count; f++)
		if ((frame_table[f].state == FRAME_OWNED || frame_table[f].state == FRAME_TAKEN) && frame_table[f].owner == account->id && frame_table[f].pins)
			frame_table[f].pins = 0, frame_table[f].next = 0;
	return true;
}

int64_t filter_check_mint(struct aegis_cap *cap) { return cap->count == 1 ? -E_DENIED : -E_INVALID; }

int64_t filter_end_epoch(const struct aegis_cap *cap)
{
	(void)cap;
	return -E_DENIED;
}

void log_line(const char *text, ...) { (void)text; }

void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	printf("# panic: ");
	vprintf(text, arguments);
	printf("\n");
	va_end(arguments);
	fflush(stdout);
	abort();
}

void power_off(uint32_t status) { panic("the machine is turned off with status %u", status); }

static void map(uint64_t at, size_t bytes)
{
	if (mmap(user(at), bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != user(at)) {
		perror("mmap");
		exit(1);
	}
}

static void tables_start(void)
{
	machine_info = boot_allocate(sizeof(*machine_info));
	*machine_info = (struct aegis_info){ .magic = AEGIS_MAGIC };
	cpus = cpu_pointers;
	cpu_count = MACHINE_CPUS;
	cap_start(machine_key);
	frame_start();
	env_start(MACHINE_SLOTS);
	slice_start(MACHINE_CPUS, MACHINE_POSITIONS, 1000, 1000);
	for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
		struct cpu *cpu = cpus[i] = &machine_cpus[i];

		cpu->number = cpu->apic_id = i;
		alarm_start(cpu, MACHINE_SLOTS);
		cpu->vector = slice_vector(i);
	}
	disk_start();
	frame_expose(machine_info, sizeof(*machine_info));
	frame_expose(frame_table, frame_count * sizeof(*frame_table));
	frame_free_rest(FIRST_ENVIRONMENT);
}

/* As kernel/module.c does it. */
static struct env *make_first(void)
{
	struct env seed = { .id = FIRST_ENVIRONMENT };
	struct aegis_env_spec spec = { .flags = ENV_NEW_ACCOUNT, .limits = { MACHINE_FRAMES, MACHINE_POSITIONS * MACHINE_CPUS, MACHINE_SLOTS, MACHINE_FILTERS } };
	struct env *e;

	spec.object = frame_take(&seed, FRAME_ANY);
	spec.root = frame_take(&seed, FRAME_ANY);
	if (frame_take(&seed, spec.root + 1) != spec.root + 1)
		panic("no pair for the first root");
	spec.upcall = frame_take(&seed, FRAME_ANY);
	frame_clear(spec.upcall);
	e = env_make(&spec, NULL);
	if (!e || e->id != FIRST_ENVIRONMENT)
		panic("no first environment");
	e->held.frames = 4;
	account_show(e);
	return e;
}

struct env *machine_boot(void)
{
	struct env *first;

	map(PHYSICAL_MAP, MACHINE_FRAMES * FRAME_SIZE);
	map(USER_BASE, USER_SIZE);
	memset(physical(0), 0x5a, MACHINE_FRAMES * FRAME_SIZE); /* what firmware leaves */
	boot_memory = (struct boot_memory){ .usable = { { 16 * FRAME_SIZE, 200 * FRAME_SIZE }, { 210 * FRAME_SIZE, MACHINE_FRAMES * FRAME_SIZE } },
		.ranges = 2, .module = { 100 * FRAME_SIZE, 103 * FRAME_SIZE } };
	allocated = 16 * FRAME_SIZE;
	memset(physical(allocated), 0, 64 * FRAME_SIZE);
	tables_start();
	memset(physical(allocated), 0x5a, 64 * FRAME_SIZE);
	first = make_first();
	slice_give(first);
	claim_take(first, CLAIM_READY);
	machine_cpus[0].current = first;
	write_cr3(first->root);
	return first;
}

struct aegis_slice_info *machine_slices(uint32_t cpu)
{
	return (struct aegis_slice_info *)frame_pointer(machine_info->slice_table.first) + cpu * MACHINE_POSITIONS;
}

static unsigned points, failed;

void ok(int good, const char *what, ...)
{
	va_list arguments;

	va_start(arguments, what);
	printf("%sok %u - ", good ? "" : "not ", ++points);
	vprintf(what, arguments);
	printf("\n");
	va_end(arguments);
	failed += !good;
}

int done_testing(void)
{
	printf("1..%u\n", points);
	return failed != 0;
}

uint64_t random_state = 88172645463325252ul;

uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state * 0x2545f4914f6cdd1dul >> 16) % n;
}
