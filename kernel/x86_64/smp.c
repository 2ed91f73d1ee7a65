/* Starting the other CPUs: INIT and start-up interrupts (Intel SDM vol. 3, 8.4.4), the way from real mode (trampoline.S) to cpu_main. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/x86_64/acpi.h>
#include <kernel/x86_64/paging.h>
#include <kernel/x86_64/smp.h>

#define LARGE_PAGE_AT_ZERO (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_LARGE)
#define RESET_US 10000  /* how long a CPU may take to reset itself */
#define AGAIN_US 200    /* after which the start-up interrupt is sent a second time, as the manual has it */
#define ANSWER_US 100000

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_mailbox[];
extern uint64_t boot_root[512];

/* trampoline.S knows the order. */
struct mailbox {
	uint64_t root, cpu, stack_top;
};

static uint8_t apic_ids[MOST_CPUS];
/* Where the other CPUs' structs and so their stacks are seen: not in the physical map, for by its place entry.S tells a kernel stack from an upcall page. */
extern uint8_t cpu_window[];
#define CPU_STRIDE ((sizeof(struct cpu) + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1))

/* What a CPU has for an address space between its start and smp_enter: the kernel's half, and the first 2 MiB where they are, executable, because
 * paging is switched on there. Tables of their own, so that boot_root never gets a low mapping back that every CPU would have to flush. */
static uint64_t low_root[512] __attribute__((aligned(4096)));
static uint64_t low_table[512] __attribute__((aligned(4096)));
static uint64_t low_directory[512] __attribute__((aligned(4096)));

_Noreturn void smp_enter(struct cpu *cpu);

void smp_find(void)
{
	cpu_count = acpi_cpus(apic_ids, MOST_CPUS);
	cpus = boot_allocate(cpu_count * sizeof(struct cpu *));
	cpus[0] = this_cpu();
	cpus[0]->online = true;
	if (cpu_count > 1)
		kernel_window(cpu_window, boot_allocate((cpu_count - 1) * CPU_STRIDE), (cpu_count - 1) * CPU_STRIDE);
	for (uint32_t i = 1; i < cpu_count; i++)
		cpus[i] = (struct cpu *)(cpu_window + (i - 1) * CPU_STRIDE);
}

static bool is_online(const struct cpu *cpu) { return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE); }

static uint64_t after(uint64_t microseconds) { return read_tsc() + microseconds * (tsc_hz / 1000000); }

static bool wait_online(const struct cpu *cpu, uint64_t microseconds)
{
	uint64_t end = after(microseconds);

	while (!is_online(cpu) && read_tsc() < end)
		cpu_relax();
	return is_online(cpu);
}

static void wait_reset(void)
{
	uint64_t end = after(RESET_US);

	while (read_tsc() < end)
		cpu_relax();
}

static struct mailbox *place_trampoline(void)
{
	low_directory[0] = LARGE_PAGE_AT_ZERO;
	low_table[0] = kernel_physical(low_directory) | ENTRY_PRESENT | ENTRY_WRITE;
	low_root[0] = kernel_physical(low_table) | ENTRY_PRESENT | ENTRY_WRITE;
	paging_root_fill(low_root);
	memcpy(physical(TRAMPOLINE), trampoline_start, (size_t)(trampoline_end - trampoline_start));
	return physical(TRAMPOLINE + (uint64_t)(trampoline_mailbox - trampoline_start));
}

/* A CPU that does not answer is reset once more and left so: it must not wake up late into a stack that has become another's. */
static bool start(struct cpu *cpu, uint32_t number, uint8_t apic_id, struct mailbox *mailbox)
{
	cpu->number = number;
	*mailbox = (struct mailbox){ kernel_physical(low_root), (uint64_t)cpu, (uint64_t)(cpu->stack + sizeof(cpu->stack)) };
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the mailbox before the interrupt that has it read */
	apic_send_startup(apic_id, TRAMPOLINE >> FRAME_SHIFT);
	if (wait_online(cpu, AGAIN_US))
		return true;
	apic_send_startup(apic_id, TRAMPOLINE >> FRAME_SHIFT);
	if (wait_online(cpu, ANSWER_US))
		return true;
	apic_send_init(apic_id);
	wait_reset();
	cpu->online = false;
	log_line("the CPU with APIC identifier %u does not start: going on without it", (uint32_t)apic_id);
	return false;
}

void smp_start(void)
{
	uint32_t found = cpu_count, up = 1;
	struct mailbox *mailbox;

	if (found == 1)
		return;
	mailbox = place_trampoline();
	for (uint32_t i = 1; i < found; i++)
		apic_send_init(apic_ids[i]);
	wait_reset(); /* for all of them at once */
	for (uint32_t i = 1; i < found; i++)
		up += start(cpus[up], up, apic_ids[i], mailbox);
	cpu_count = up;
}

/* From trampoline.S, on the CPU's own stack; interrupts off. */
void smp_enter(struct cpu *cpu)
{
	write_cr3(kernel_physical(boot_root));
	cpu_start(cpu, cpu->number);
	apic_cpu_start();
	cpu_main(cpu);
}

void cpu_main(struct cpu *cpu)
{
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
	kernel_lock_take(); /* once all CPUs are up */
	dispatch();
}
